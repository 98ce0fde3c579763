// worker-build and wasm-bindgen.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../terminal/failure.mjs";
import { cargoTool } from "./cargo-tool.mjs";
import { needOpenSsl } from "./native-compiler.mjs";
import { ROOT } from "./repository.mjs";

/**
 * Both tools take their version from Cargo.lock: wasm-bindgen reads only what the same version of its library wrote,
 * and worker-build is released together with the library `worker`.
 */
const TOOLS = [
  {
    name: "worker-build",
    crate: "worker-build",
    library: "worker",
    program: "worker-build",
    howLong: "once, three to five minutes",
    needs: needOpenSsl,
  },
  {
    name: "wasm-bindgen",
    crate: "wasm-bindgen-cli",
    library: "wasm-bindgen",
    program: "wasm-bindgen",
    howLong: "once, one to three minutes",
  },
];

/**
 * @param {import("./rust-toolchain.mjs").Toolchain} toolchain
 * @returns {Promise<Record<string, string>>} the paths of the programs, by name
 */
export async function wasmTools(toolchain) {
  const lock = readFileSync(join(ROOT, "Cargo.lock"), "utf8");
  const programs = {};
  for (const tool of TOOLS) {
    programs[tool.name] = await cargoTool(tool, lockedVersion(lock, tool.library), toolchain);
  }
  return programs;
}

/** The one version of a crate that Cargo.lock names. */
export function lockedVersion(lock, crate) {
  const versions = [...lock.matchAll(/^name = "([^"]+)"\nversion = "([^"]+)"/gm)]
    .filter(([, name]) => name === crate)
    .map(([, , version]) => version);
  if (versions.length !== 1) {
    throw new Failure(
      `Cargo.lock must name exactly one version of ${crate}, and names ${versions.join(" and ") || "none"}.`,
    );
  }
  return versions[0];
}
