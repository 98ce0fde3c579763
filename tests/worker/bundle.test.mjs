/** What the deploy build does not carry: nothing of local development, nothing of this machine. */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { fileURLToPath } from "node:url";
import { transform } from "esbuild";
import { describe, expect, test } from "vitest";
import { REPOSITORY } from "../support/repository.mjs";
import { builtFolder } from "../support/worker.mjs";

const bundle = async (build) =>
  Buffer.concat(await Promise.all(["index.js", "index_bg.wasm"].map((name) => readFile(new URL(name, builtFolder(build))))));

describe("the deploy build", () => {
  test.each(["dev_outbox", "/dev/outbox", "/dev/", "outbox_page", "<!doctype html"])("has no %j in it", async (text) => {
    expect((await bundle("deploy")).includes(text)).toBe(false);
  });

  // wasm-bindgen names a module once for each function of it that needs nothing written around it, and who deploys reads of it.
  test("has nothing that the bundler of wrangler would warn of", async () => {
    const { warnings } = await transform(await readFile(new URL("index.js", builtFolder("deploy")), "utf8"));
    expect(warnings).toEqual([]);
  });

  test("has no path of this machine in it", async () => {
    const built = await bundle("deploy");
    for (const path of [fileURLToPath(REPOSITORY), `${homedir()}/`]) expect(built.includes(path), path).toBe(false);
  });
});
