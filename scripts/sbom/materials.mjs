// What the deployed Worker is made of, and what it is made with, by the account of the lock files.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { lockedVersion } from "../setup/wasm-tools.mjs";
import { ROOT } from "../setup/repository.mjs";
import { WASM_TARGET } from "../setup/rust-toolchain.mjs";
import { runOrFail } from "../terminal/command.mjs";

// The packages that make the bundle; npm brings nothing that is part of it.
const BUNDLERS = ["binaryen", "esbuild"];
const CRATE_TOOLS = [{ name: "wasm-bindgen-cli", library: "wasm-bindgen" }];

/**
 * @typedef {object} Component
 * @property {"cargo" | "npm"} ecosystem
 * @property {string} name
 * @property {string} version
 * @property {string} [license] an SPDX expression
 * @property {{ algorithm: "SHA-256" | "SHA-512", hex: string }} [hash] of the package as the registry has it
 * @property {boolean} shipped whether its code is in the Worker; else it only runs while that is built
 * @property {string[]} dependsOn references of other components
 *
 * @typedef {{ name: string, version: string, license: string, dependsOn: string[], components: Component[] }} Materials
 */

/** How a component is referred to: its package URL. */
export const reference = ({ ecosystem, name, version }) =>
  `pkg:${ecosystem}/${name.replace("@", "%40")}@${version.replaceAll("+", "%2B")}`;

/**
 * Reads Cargo.lock through cargo, for the target and the features that are deployed, and package-lock.json.
 *
 * @param {import("../setup/rust-toolchain.mjs").Toolchain} toolchain
 * @returns {Promise<Materials>} sorted, and the same for the same lock files
 */
export async function materials(toolchain) {
  const lock = readFileSync(join(ROOT, "Cargo.lock"), "utf8");
  const packages = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")).packages;
  // What a macro depends on runs in the compiler, as the macro does.
  const shipped = await tree(toolchain, "normal,no-proc-macro");
  const built = await tree(toolchain, "normal,build");
  const [root, ...crates] = [...built.values()].map(({ name, version, license, dependsOn }) => ({
    ecosystem: "cargo",
    name,
    version,
    license,
    hash: { algorithm: "SHA-256", hex: checksum(lock, name, version) },
    shipped: shipped.has(reference({ ecosystem: "cargo", name, version })),
    dependsOn: [...dependsOn].sort(),
  }));
  const tools = CRATE_TOOLS.map(({ name, library }) => ({
    ecosystem: "cargo",
    name,
    version: lockedVersion(lock, library),
    shipped: false,
    dependsOn: [],
  }));
  const npm = [...runtimePackages(packages), ...BUNDLERS.map((name) => npmComponent(name, packages, false))];
  const components = [...crates, ...tools, ...npm].sort((a, b) => (reference(a) < reference(b) ? -1 : 1));
  return { name: root.name, version: root.version, license: root.license, dependsOn: root.dependsOn, components };
}

// By `cargo tree` and not by `cargo metadata`, which counts the features that only tests switch on. What it has shown
// before it shows again without what is below. The first line is this package.
async function tree(toolchain, edges) {
  const args = ["tree", "--locked", "--target", WASM_TARGET, "--edges", edges, "--prefix", "depth", "--format", " {p}|{l}"];
  const options = { cwd: ROOT, env: toolchain.env };
  const { stdout } = await runOrFail(toolchain.cargo, args, options, "cargo could not read Cargo.lock.");
  const found = new Map();
  const path = [];
  for (const [, depth, name, version, license] of stdout.matchAll(/^(\d+) (\S+) v([^\s|]+)[^|]*\|(.*?)(?: \(\*\))?$/gm)) {
    const own = reference({ ecosystem: "cargo", name, version });
    if (!found.has(own)) {
      found.set(own, { name, version, license: license.replaceAll(/\s*\/\s*/g, " OR "), dependsOn: new Set() });
    }
    path.length = Number(depth);
    found.get(path.at(-1))?.dependsOn.add(own);
    path.push(own);
  }
  return found;
}

function checksum(lock, name, version) {
  const entry = `name = "${name}"\nversion = "${version}"\n`;
  return /^checksum = "([0-9a-f]{64})"$/m.exec(lock.slice(lock.indexOf(entry)))?.[1];
}

function runtimePackages(packages) {
  return Object.keys(packages[""].dependencies ?? {}).map((name) => npmComponent(name, packages, true));
}

function npmComponent(name, packages, shipped) {
  const { version, license, integrity } = packages[`node_modules/${name}`];
  const hex = Buffer.from(integrity.replace("sha512-", ""), "base64").toString("hex");
  return { ecosystem: "npm", name, version, license, hash: { algorithm: "SHA-512", hex }, shipped, dependsOn: [] };
}
