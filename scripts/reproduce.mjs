// `npm run reproduce`: builds the Worker twice from nothing, in two folders, and compares every file, byte by byte.
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildFolder } from "./build/worker.mjs";
import { copyTree } from "./setup/copy-tree.mjs";
import { rustToolchain } from "./setup/rust-toolchain.mjs";
import { wasmTools } from "./setup/wasm-tools.mjs";
import { runOrFail } from "./terminal/command.mjs";
import { runMain } from "./terminal/failure.mjs";
import { step } from "./terminal/step.mjs";

// Names of different lengths: a path that gets into the build moves everything behind it.
const NAMES = ["one", "another-and-longer-one"];

await runMain(async () => {
  const toolchain = await rustToolchain();
  await wasmTools(toolchain);
  const above = mkdtempSync(join(tmpdir(), "countersign-reproduce-"));
  try {
    const builds = [];
    for (const name of NAMES) builds.push(await built(join(above, name), toolchain));
    return compared(builds);
  } finally {
    rmSync(above, { recursive: true, force: true });
  }
});

async function built(folder, toolchain) {
  await copyTree(folder);
  const { CARGO_TARGET_DIR: _, ...env } = toolchain.env;
  await step(`Build the Worker in ${folder}`, "two to five minutes", async () => {
    const args = ["scripts/build.mjs", "deploy"];
    await runOrFail(process.execPath, args, { cwd: folder, env }, "The Worker does not build there.");
  });
  return digests(join(folder, buildFolder("deploy")));
}

function digests(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files
    .map((file) => join(file.parentPath, file.name))
    .map((path) => [path.slice(folder.length + 1), createHash("sha256").update(readFileSync(path)).digest("hex")])
    .sort();
}

function compared([first, second]) {
  for (const [path, digest] of first) console.log(`${digest}  ${path}`);
  if (JSON.stringify(first) === JSON.stringify(second)) {
    console.log(`\nBoth builds have the same ${first.length} files, to the last bit.`);
    return 0;
  }
  const lines = (files) => files.map(([path, digest]) => `${digest}  ${path}`);
  const different = lines(second).filter((line) => !lines(first).includes(line));
  console.log(`\nThe second build differs:\n${different.join("\n") || "it lacks a file."}`);
  return 1;
}
