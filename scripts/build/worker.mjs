// The Worker, compiled to wasm32 and bundled: cargo, wasm-bindgen, wasm-opt, esbuild.
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join, resolve } from "node:path";
import { packageProgram, ROOT } from "../setup/repository.mjs";
import { rustToolchain, WASM_TARGET } from "../setup/rust-toolchain.mjs";
import { wasmTools } from "../setup/wasm-tools.mjs";
import { runOrFail } from "../terminal/command.mjs";
import { skipped, step } from "../terminal/step.mjs";
import { alone } from "./lock.mjs";
import { inputsUnchanged, writeInputs } from "./inputs.mjs";
import { writeOpenApi } from "./openapi.mjs";

// What the compiler and wasm-bindgen emit, and workerd runs. `--all-features` would let wasm-opt write what it cannot.
const WASM_FEATURES = [
  "mutable-globals",
  "sign-ext",
  "nontrapping-float-to-int",
  "bulk-memory",
  "multivalue",
  "reference-types",
  "exception-handling",
];

// What makes the file smaller and the compressed file larger is left out: functions in one piece resemble each other.
const FOR_COMPRESSION = [
  "--one-caller-inline-max-function-size=0",
  "--always-inline-max-function-size=1",
  "--skip-pass=local-cse",
];

// The compressor looks back 32 KB: it finds most where functions of one module stand side by side.
const ORDER_FOR_COMPRESSION = ["--reorder-functions-by-name"];

// The small implementation of AES: unrolled, it is no faster here. SHA-256 is, which is half of what a message computes.
export const SMALL_CIPHERS = ['--cfg=aes_backend_soft="compact"'];

/** What can be built: the Worker as it is deployed, and the one with the pages of local development. */
export const VARIANTS = { deploy: [], development: ["development"] };

/** The folder of a build, relative to the repository. Each variant has its own, so that they cannot be taken for each other. */
export const buildFolder = (variant) => join("target", "worker", variant);

/**
 * Builds a variant, unless it is there and made from just these sources.
 *
 * @param {keyof typeof VARIANTS} variant
 * @param {import("../setup/rust-toolchain.mjs").Toolchain} [toolchain] default: this machine's, or one that is installed now
 * @param {Record<string, string>} [tools] the path of wasm-bindgen; likewise
 */
export async function buildWorker(variant, toolchain, tools) {
  toolchain ??= await rustToolchain();
  tools ??= await wasmTools(toolchain);
  const title = `Build the Worker (${variant})`;
  writeOpenApi();
  const folder = join(ROOT, buildFolder(variant));
  // Beside the folder: what is in it is the same wherever it was built, and the record names this machine.
  const record = `${folder}.inputs.json`;
  const target = resolve(ROOT, process.env.CARGO_TARGET_DIR ?? "target");
  const flags = [...withoutMachinePaths(), ...SMALL_CIPHERS];
  const settings = { toolchain: toolchain.version, tools: Object.values(tools).join(" "), flags: flags.join(" ") };
  if (existsSync(join(folder, "index.js")) && existsSync(join(folder, "index_bg.wasm")) && inputsUnchanged(record, settings)) {
    skipped(title, "unchanged");
    return;
  }
  await step(title, "one to three minutes, seconds when little changed", () =>
    alone(join(target, "worker.lock"), async () => {
      rmSync(record, { force: true });
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder, { recursive: true });
      const env = {
        ...toolchain.env,
        CARGO_TARGET_DIR: target,
        CARGO_ENCODED_RUSTFLAGS: flags.join("\x1f"),
      };
      // cargo gives a cdylib the same file name whatever its features are, and would take one variant's for the other's.
      const forget = ["clean", "--release", "--target", WASM_TARGET, "--package", "countersign"];
      await runOrFail(toolchain.cargo, forget, { cwd: ROOT, env }, "cargo could not delete the last build.");
      const features = VARIANTS[variant].flatMap((name) => ["--features", name]);
      const args = ["build", "--lib", "--release", "--locked", "--target", WASM_TARGET, ...features];
      await runOrFail(
        toolchain.cargo,
        args,
        { cwd: ROOT, env },
        "The Worker does not build: the compiler's message stands above.",
      );
      const parts = `${folder}.parts`;
      rmSync(parts, { recursive: true, force: true });
      await bind(join(target, WASM_TARGET, "release", "countersign.wasm"), parts, tools["wasm-bindgen"]);
      await shrink(join(parts, "index_bg.wasm"), join(folder, "index_bg.wasm"));
      await bundle(parts, join(folder, "index.js"));
      rmSync(parts, { recursive: true, force: true });
      writeInputs(record, settings, join(target, WASM_TARGET, "release", "countersign.d"), OWN_PARTS);
    }),
  );
}

// What of our own goes beside it.
const OWN_PARTS = ["entry.js", "glue.js", "globals.js"].map((name) => join("src", "workers", name));

// JavaScript and wasm that know of each other: wasm.js and index_bg.wasm.
async function bind(compiled, parts, bindgen) {
  const args = ["--target", "module", "--out-name", "index", "--out-dir", parts, "--no-typescript"];
  // After a trap entry.js begins with a new instance.
  args.push("--experimental-reset-state-function");
  await runOrFail(bindgen, [...args, compiled], { cwd: ROOT }, "wasm-bindgen could not read the Worker.");
  // The runtime has no imports in source phase, and gives the same for a plain one.
  const written = readFileSync(join(parts, "index.js"), "utf8").replace(/^import source /m, "import ");
  writeFileSync(join(parts, "wasm.js"), written);
  for (const path of OWN_PARTS) copyFileSync(join(ROOT, path), join(parts, basename(path)));
}

// Function names would be a quarter of the file; nothing on a request path panics, so no trace needs them.
async function shrink(wasm, output) {
  const features = WASM_FEATURES.map((name) => `--enable-${name}`);
  const passes = ["-Oz", ...FOR_COMPRESSION, ...ORDER_FOR_COMPRESSION, "--strip-debug", "--strip-producers"];
  const args = [...passes, ...features, wasm, "--output", output];
  await runOrFail(packageProgram("wasm-opt"), args, { cwd: ROOT }, "wasm-opt could not shrink the Worker.");
}

async function bundle(parts, output) {
  const args = [join(parts, "entry.js"), "--bundle", "--minify", "--format=esm", "--target=esnext"];
  args.push(`--inject:${join(parts, "globals.js")}`, "--external:./index_bg.wasm", `--outfile=${output}`, "--log-level=warning");
  await runOrFail(packageProgram("esbuild"), args, { cwd: ROOT }, "esbuild could not bundle the Worker.");
}

// Panic messages carry the paths of sources. Those of this machine are nobody's business, and would make the same
// sources build differently elsewhere.
function withoutMachinePaths() {
  const cargoHome = process.env.CARGO_HOME ?? join(homedir(), ".cargo");
  return [
    [join(cargoHome, "registry", "src"), "/crates"],
    [ROOT, "/countersign"],
  ].map(([path, name]) => `--remap-path-prefix=${path}=${name}`);
}
