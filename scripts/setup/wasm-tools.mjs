// wasm-bindgen, which writes the JavaScript around the wasm.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../terminal/failure.mjs";
import { cargoTool } from "./cargo-tool.mjs";
import { ROOT } from "./repository.mjs";

/** It reads only what the same version of its library wrote. */
const WASM_BINDGEN = {
  name: "wasm-bindgen",
  crate: "wasm-bindgen-cli",
  program: "wasm-bindgen",
  howLong: "once, one to three minutes",
};

/**
 * @param {import("./rust-toolchain.mjs").Toolchain} toolchain
 * @returns {Promise<Record<string, string>>} the paths of the programs, by name
 */
export async function wasmTools(toolchain) {
  const lock = readFileSync(join(ROOT, "Cargo.lock"), "utf8");
  return { "wasm-bindgen": await cargoTool(WASM_BINDGEN, lockedVersion(lock, "wasm-bindgen"), toolchain) };
}

/** The one version of a crate that Cargo.lock names. */
export function lockedVersion(lock, crate) {
  const versions = [...lock.matchAll(/^name = "([^"]+)"\nversion = "([^"]+)"/gm)]
    .filter(([, name]) => name === crate)
    .map(([, , version]) => version);
  if (versions.length !== 1) {
    throw new Failure(`Cargo.lock must name exactly one version of ${crate}, and names ${versions.join(" and ") || "none"}.`);
  }
  return versions[0];
}
