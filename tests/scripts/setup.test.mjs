/** What sets a machine up: what is there is found, what is missing is named. */
import { createServer } from "node:net";
import { parseEnv } from "node:util";
import { describe, expect, test } from "vitest";
import { filesRead } from "../../scripts/build/inputs.mjs";
import { withMissingKeys } from "../../scripts/setup/development-keys.mjs";
import { missingPackages } from "../../scripts/setup/packages.mjs";
import { freePort } from "../../scripts/setup/ports.mjs";
import { isNewEnough, whatIsMissing } from "../../scripts/setup/rust-toolchain.mjs";
import { isPythonNewEnough } from "../../scripts/setup/schemathesis.mjs";
import { lockedVersion } from "../../scripts/setup/wasm-tools.mjs";
import { cargoCounts, checked, closingLine, sum, verdict, vitestCounts } from "../../scripts/test/counts.mjs";

describe("npm packages", () => {
  const wanted = {
    packages: {
      "": { name: "x" },
      "node_modules/a": { version: "1.0.0" },
      "node_modules/b": { version: "2.0.0", optional: true },
    },
  };

  test("are missing where nothing is installed", () => {
    expect(missingPackages(wanted, undefined)).toEqual(["node_modules/a"]);
  });
  test("are missing at another version", () => {
    expect(missingPackages(wanted, { packages: { "node_modules/a": { version: "1.0.1" } } })).toEqual(["node_modules/a"]);
  });
  test("are complete without those of other platforms", () => {
    expect(missingPackages(wanted, { packages: { "node_modules/a": { version: "1.0.0" } } })).toEqual([]);
  });
});

describe("development keys", () => {
  test("are made whole where there are none", () => {
    const made = parseEnv(withMissingKeys(""));
    expect(Object.keys(made)).toEqual(["ENCRYPTION_KEYS", "SIGNING_KEY_1"]);
    const { seal, hash } = JSON.parse(made.ENCRYPTION_KEYS);
    for (const { use, keys } of [seal, hash]) expect(Buffer.from(keys[use], "base64url")).toHaveLength(32);
    expect(seal.keys[seal.use]).not.toBe(hash.keys[hash.use]);
    expect(JSON.parse(made.SIGNING_KEY_1)).toMatchObject({
      kty: "RSA",
      alg: "RS256",
      use: "sig",
      kid: expect.stringMatching(/^[\w-]{43}$/),
    });
  });
  test("are never overwritten, missing ones are added at the end", () => {
    const before = "MINE=1\nENCRYPTION_KEYS='own'";
    const after = withMissingKeys(before);
    expect(after.startsWith(`${before}\nSIGNING_KEY_1='{`)).toBe(true);
    expect(withMissingKeys(after)).toBe(after);
  });
  test("are not made again where a line stands in a comment or is exported", () => {
    expect(parseEnv(withMissingKeys("# SIGNING_KEY_1=x\nexport ENCRYPTION_KEYS=y\n"))).toMatchObject({
      ENCRYPTION_KEYS: "y",
      SIGNING_KEY_1: expect.stringContaining("RSA"),
    });
  });
});

test.each([
  ["Python 3.10.0 (main)", true],
  ["Python 3.9.18", false],
  ["Python 2.7.18", false],
  ["Python 4.0.0", true],
  ["", false],
])("%j is new enough for Schemathesis: %s", (said, enough) => {
  expect(isPythonNewEnough(said)).toBe(enough);
});

describe("the Rust toolchain", () => {
  test.each([
    ["rustc 1.91.0 (abc 2025-10-30)", true],
    ["rustc 1.100.1", true],
    ["rustc 2.0.0", true],
    ["rustc 1.90.0 (abc 2025-09-18)", false],
    ["", false],
  ])("%j is new enough: %s", (version, enough) => {
    expect(isNewEnough(version, "1.91")).toBe(enough);
  });

  const found = { found: true, newEnough: true, toolchain: { version: "rustc 1.95.0" } };
  test.each([
    ["nothing at all", { found: false }, false, /^Rust is missing: install \d/],
    ["rustup without a toolchain", { found: false }, true, /run `rustup default stable`/],
    ["an old rustup toolchain", { ...found, newEnough: false }, true, /^rustc 1\.95\.0 is too old: run `rustup update`/],
    ["an old Rust of a distribution", { ...found, newEnough: false }, false, /is too old: install/],
    ["rustup without its server", found, true, /rustup could not add the target wasm32-unknown-unknown/],
    ["a Rust without the target", found, false, /cannot build for wasm32-unknown-unknown: install/],
  ])("%s ends in one sentence that says what to do", (_, own, hasRustup, sentence) => {
    expect(whatIsMissing(own, hasRustup)).toMatch(sentence);
    expect(whatIsMissing(own, hasRustup)).not.toContain("\n");
  });
});

describe("the tools' versions", () => {
  const lock =
    '[[package]]\nname = "wasm-bindgen"\nversion = "0.2.130"\n\n[[package]]\nname = "wasm-bindgen-macro"\nversion = "0.2.129"\n';

  test("are those of their libraries in Cargo.lock", () => {
    expect(lockedVersion(lock, "wasm-bindgen")).toBe("0.2.130");
  });
  test("must be one", () => {
    expect(() => lockedVersion(`${lock}${lock.replace("130", "131")}`, "wasm-bindgen")).toThrow(/0\.2\.130 and 0\.2\.131/);
    expect(() => lockedVersion(lock, "worker")).toThrow(/names none/);
  });
});

test("the files of a build are those the compiler read, spaces in names included", () => {
  expect(filesRead("/t/countersign.wasm: src/lib.rs src/a\\ b.css\n\nsrc/lib.rs:\n")).toEqual(["src/lib.rs", "src/a b.css"]);
});

describe("a port", () => {
  const taken = async (port, work) => {
    const server = createServer();
    await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
    try {
      return await work(server.address().port);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  };

  test.each(["0", "65535", "x", "80.5"])("must be a number with a next one, not %j", async (asked) => {
    await expect(freePort(asked)).rejects.toThrow(/^PORT must be a number from 1 to 65534/);
  });
  test("that is taken is told with one that is free", async () => {
    await taken(0, async (port) => {
      await expect(freePort(String(port))).rejects.toThrow(/^Port \d+ is taken: choose another with `PORT=\d+ npm start`\.$/);
      await expect(freePort(String(port - 1))).rejects.toThrow(
        /^Port \d+, which the demo issuer would use, is taken|^Port \d+ is taken/,
      );
    });
  });
});

describe("the counts of a test run", () => {
  test("are cargo's of all its binaries", () => {
    const output =
      "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured\n\ntest result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured\n";
    expect(cargoCounts(output)).toEqual({ passed: 4, failed: 2, skipped: 1 });
  });
  test("are vitest's, and a file that does not even load is a failure", () => {
    const report = {
      numPassedTests: 2,
      numFailedTests: 1,
      numPendingTests: 0,
      numTodoTests: 1,
      testResults: [
        { status: "failed", assertionResults: [{ status: "failed" }, { status: "passed" }] },
        { status: "failed", assertionResults: [] },
        { status: "passed", assertionResults: [{ status: "passed" }] },
      ],
    };
    expect(vitestCounts(report)).toEqual({ passed: 2, failed: 2, skipped: 1 });
  });
  test("have a failure where nothing ran, or where only the exit code tells of one", () => {
    expect(checked(verdict(true), 0).failed).toBe(0);
    expect(checked(verdict(true), 1).failed).toBe(1);
    expect(checked(sum([]), 0).failed).toBe(1);
  });
  test("close in one plain line", () => {
    expect(closingLine(sum([verdict(true), verdict(true), verdict(false)]))).toBe("2 passed, 1 failed");
    expect(closingLine({ passed: 1, failed: 0, skipped: 2 })).toBe("1 passed, 0 failed, 2 skipped");
  });
});
