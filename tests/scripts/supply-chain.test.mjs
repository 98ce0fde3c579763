/** What the project is made of: pinned, from one place, with checksums, and all of it in the bill of materials. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { cyclonedx } from "../../scripts/sbom/cyclonedx.mjs";
import { materials, reference } from "../../scripts/sbom/materials.mjs";
import { rustToolchain } from "../../scripts/setup/rust-toolchain.mjs";

const text = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const crates = text("Cargo.lock")
  .split("[[package]]")
  .slice(1)
  .map((entry) => Object.fromEntries([...entry.matchAll(/^(\w+) = "(.*)"$/gm)].map(([, name, value]) => [name, value])));
const FOLDERS = ["", "bench/"];
const manifests = FOLDERS.map((folder) => JSON.parse(text(`${folder}package.json`)));
const packagesOf = (folder) =>
  Object.entries(JSON.parse(text(`${folder}package-lock.json`)).packages).filter(([path]) => path !== "");
const packages = FOLDERS.flatMap(packagesOf);

describe("the lock files", () => {
  test("have every crate from the same registry and with its checksum", () => {
    const others = crates.filter(({ name }) => name !== "countersign");
    expect(others.length).toBeGreaterThan(100);
    expect(new Set(others.map(({ source }) => source)).size).toBe(1);
    expect(others[0].source).toMatch(/^registry\+https:/);
    expect(others.filter(({ checksum }) => !/^[0-9a-f]{64}$/.test(checksum))).toEqual([]);
  });

  test("have every npm package from a registry and with its SHA-512", () => {
    expect(packages.length).toBeGreaterThan(50);
    const elsewhere = packages.filter(([, { link, resolved }]) => link || (resolved && !resolved.startsWith("https:")));
    expect(elsewhere.map(([path]) => path)).toEqual([]);
    expect(packages.filter(([, { integrity }]) => !/^sha512-[\w+/]{86}==$/.test(integrity)).map(([path]) => path)).toEqual([]);
  });

  test("stand for exact versions in package.json", () => {
    const wanted = manifests.flatMap((manifest) =>
      ["dependencies", "devDependencies", "optionalDependencies"].flatMap((kind) => Object.values(manifest[kind] ?? {})),
    );
    expect(wanted.filter((version) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([]);
  });

  test("let nothing but what is named run a script when it is installed", () => {
    const scripted = packages.filter(([, entry]) => entry.hasInstallScript && !entry.optional);
    const names = new Set(scripted.map(([path]) => path.split("node_modules/").at(-1)));
    expect([...names].filter((name) => !Object.hasOwn(manifests[0].allowScripts, name))).toEqual([]);
  });
});

test("every exception in deny.toml has its reason", () => {
  const exceptions = text("deny.toml")
    .split("\n")
    .filter((line) => /^\s*\{ (crate|id) = /.test(line));
  expect(exceptions.length).toBeGreaterThan(10);
  expect(exceptions.filter((line) => !/, reason = "[^"]{8,}" \},$/.test(line))).toEqual([]);
});

describe("the bill of materials", () => {
  let toolchain;
  let found;
  let document;
  beforeAll(async () => {
    toolchain = await rustToolchain();
    found = await materials(toolchain);
    document = cyclonedx(found);
  });

  const purls = (scope) => document.components.filter((each) => each.scope === scope).map(({ purl }) => purl);

  test("has every crate that Cargo.toml names for the Worker", () => {
    const [, , tables] = /^(\[dependencies\])\n([\s\S]*?)^\[dev-dependencies\]$/m.exec(text("Cargo.toml"));
    const named = [...tables.matchAll(/^([\w-]+) = /gm)].map(([, name]) => name);
    expect(named.length).toBeGreaterThan(15);
    const required = purls("required").map((purl) => purl.replace(/^pkg:cargo\/|@[^@]*$/g, ""));
    expect(named.filter((name) => !required.includes(name))).toEqual([]);
  });

  test("has every crate whose name stands in the built Worker", () => {
    // In messages of panics, which the compiler keeps with the places of the sources.
    const wasm = text("target/worker/deploy/index_bg.wasm");
    const named = new Set(
      [...wasm.matchAll(/\/crates\/[^/]+\/([\w-]+?)-(\d+\.\d+\.\d+[\w.+-]*)\//g)].map(([, ...each]) => each.join("@")),
    );
    expect(named.size).toBeGreaterThan(5);
    expect([...named].filter((each) => !purls("required").includes(`pkg:cargo/${each}`))).toEqual([]);
  });

  test("tells macros, which run in the compiler, from what is in it", () => {
    expect(purls("excluded").map((purl) => purl.replace(/@[^@]*$/, ""))).toContain("pkg:cargo/wasm-bindgen-macro");
    expect(purls("required").map((purl) => purl.replace(/@[^@]*$/, ""))).toContain("pkg:cargo/wasm-bindgen");
  });

  test("has the programs that it is made with", () => {
    for (const name of ["cargo/wasm-bindgen-cli", "npm/binaryen", "npm/esbuild"]) {
      expect(purls("excluded").filter((purl) => purl.startsWith(`pkg:${name}@`))).toHaveLength(1);
    }
  });

  test("has nothing that only tests use", () => {
    const names = document.components.map(({ name }) => name);
    for (const name of ["rsa", "p256", "ed25519-dalek", "rusqlite"]) {
      expect(crates.map((crate) => crate.name)).toContain(name);
      expect(names).not.toContain(name);
    }
  });

  test("says of each crate what Cargo.lock says", () => {
    const tools = ["wasm-bindgen-cli"];
    for (const component of document.components.filter(
      ({ purl, name }) => purl.startsWith("pkg:cargo/") && !tools.includes(name),
    )) {
      const locked = crates.find(({ name, version }) => name === component.name && version === component.version);
      expect(component.hashes, component.purl).toEqual([{ alg: "SHA-256", content: locked.checksum }]);
      expect(component.licenses, component.purl).toEqual([{ expression: expect.stringMatching(/^[\w. ()-]+$/) }]);
    }
  });

  test("is CycloneDX: every reference is of a component, once", () => {
    expect(document).toMatchObject({ bomFormat: "CycloneDX", specVersion: "1.6", version: 1 });
    expect(document.serialNumber).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const own = document.metadata.component["bom-ref"];
    const known = [own, ...document.components.map((component) => component["bom-ref"])];
    expect(new Set(known).size).toBe(known.length);
    expect(document.dependencies.map(({ ref }) => ref).sort()).toEqual([...known].sort());
    for (const { ref, dependsOn } of document.dependencies) {
      expect(
        dependsOn.filter((each) => !known.includes(each)),
        ref,
      ).toEqual([]);
      expect(new Set(dependsOn).size, ref).toBe(dependsOn.length);
    }
    for (const { type, scope, purl } of document.components) {
      expect(type).toBe("library");
      expect(["required", "excluded"]).toContain(scope);
      expect(purl).toMatch(/^pkg:(cargo|npm)\/[\w%.-]+@[\w%.-]+$/);
    }
  });

  test.each([
    [["--help"], { status: 0, stdout: expect.stringMatching(/^What the deployed Worker is made of/), stderr: "" }],
    [["-x"], { status: 1, stdout: "", stderr: expect.stringMatching(/takes the name of one file and no option/) }],
    [["one", "two"], { status: 1, stdout: "", stderr: expect.stringMatching(/takes the name of one file/) }],
  ])("is not written to a file that is called %j", (args, expected) => {
    const root = fileURLToPath(new URL("../../", import.meta.url));
    const said = spawnSync(process.execPath, ["scripts/sbom.mjs", ...args], { cwd: root, encoding: "utf8" });
    expect(said).toMatchObject(expected);
    for (const name of args) expect(existsSync(new URL(`../../${name}`, import.meta.url))).toBe(false);
  });

  test("is the same each time, and another when something in it is another", async () => {
    expect(JSON.stringify(cyclonedx(await materials(toolchain)))).toBe(JSON.stringify(document));
    const [first, ...rest] = found.components;
    const changed = cyclonedx({ ...found, components: [{ ...first, version: "0.0.1" }, ...rest] });
    expect(changed.serialNumber).not.toBe(document.serialNumber);
    expect(reference({ ecosystem: "npm", name: "@a/b", version: "1.0.0+c" })).toBe("pkg:npm/%40a/b@1.0.0%2Bc");
  });
});
