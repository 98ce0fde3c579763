// A Rust toolchain that builds for wasm32: rustup's, or Debian's where rustup cannot reach its server.
//
// There is no rust-toolchain.toml on purpose: naming a target there makes a rustup without its server fail before
// anything runs, although the machine may have another toolchain that would do.
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { run } from "../terminal/command.mjs";
import { Failure } from "../terminal/failure.mjs";
import { step } from "../terminal/step.mjs";
import { debianCanInstall, installDebianToolchain } from "./debian.mjs";
import { needCCompiler } from "./native-compiler.mjs";
import { ROOT } from "./repository.mjs";

export const WASM_TARGET = "wasm32-unknown-unknown";

/**
 * @typedef {object} Toolchain
 * @property {string} version what `rustc --version` says
 * @property {string} cargo the program to run
 * @property {string} cargoFmt
 * @property {string} cargoClippy
 * @property {NodeJS.ProcessEnv} env the whole environment for these programs, and for those that look for cargo
 */

/**
 * Finds a toolchain, or makes one.
 *
 * @param {{ lints: boolean }} needs `lints` asks for rustfmt and clippy, too
 * @returns {Promise<Toolchain>}
 */
export async function rustToolchain(needs = { lints: false }) {
  await needCCompiler();
  const own = await inspect(onPath(), needs);
  if (own.ready) return own.toolchain;
  const debian = await inspect(debianPrograms(), needs);
  if (debian.ready) return debian.toolchain;

  const rustup = await run("rustup", ["--version"], { cwd: ROOT });
  if (rustup.code === 0 && own.newEnough) {
    await step("Add the wasm32 target to rustup's toolchain", "under a minute", () => completeByRustup(needs));
    const completed = await inspect(onPath(), needs);
    if (completed.ready) return completed.toolchain;
  }

  if (debianCanInstall()) {
    await installDebianToolchain(WASM_TARGET);
    const installed = await inspect(debianPrograms(), needs);
    if (installed.ready) return installed.toolchain;
    throw new Failure(
      `Debian's Rust is installed, but cannot build for ${WASM_TARGET}: its message stands above.`,
      installed.output,
    );
  }
  throw new Failure(whatIsMissing(own, rustup.code === 0), own.output);
}

/** One sentence that tells what to do where nothing could be installed. */
export function whatIsMissing(own, hasRustup) {
  const needed = oldestRust();
  if (!own.found && hasRustup) return "rustup has no usable toolchain: run `rustup default stable`, then repeat.";
  if (!own.found) return `Rust is missing: install ${needed} or newer from https://rustup.rs, or on Debian repeat this as root.`;
  if (!own.newEnough && hasRustup)
    return `${own.toolchain.version} is too old: run \`rustup update\` to get ${needed} or newer, then repeat.`;
  if (!own.newEnough) return `${own.toolchain.version} is too old: install ${needed} or newer from https://rustup.rs.`;
  if (hasRustup) {
    return `rustup could not add the target ${WASM_TARGET} (or clippy and rustfmt): let it reach its server once, or on Debian repeat this as root.`;
  }
  return `${own.toolchain.version} cannot build for ${WASM_TARGET}: install that target's standard library and a linker for it, or Rust from https://rustup.rs.`;
}

function onPath() {
  return {
    rustc: "rustc",
    cargo: "cargo",
    cargoFmt: "cargo-fmt",
    cargoClippy: "cargo-clippy",
    env: { ...process.env },
  };
}

// Debian's programs are named by their paths: cargo would otherwise find rustup's clippy in ~/.cargo/bin first.
function debianPrograms() {
  if (process.platform !== "linux" || !existsSync("/usr/bin/rustc")) return undefined;
  const node = join(ROOT, "node_modules", ".bin"); // /usr/bin may hold an old one
  const env = {
    ...process.env,
    PATH: [node, "/usr/bin", process.env.PATH].join(delimiter),
    RUSTC: "/usr/bin/rustc",
    CARGO: "/usr/bin/cargo",
  };
  // Debian's rustc comes without rust-lld.
  const linker = readdirSync("/usr/bin")
    .filter((name) => /^wasm-ld-\d+$/.test(name))
    .sort((a, b) => Number(b.slice(8)) - Number(a.slice(8)))[0];
  if (linker) env.CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER ??= linker;
  const [rustc, cargo, cargoFmt, cargoClippy] = ["rustc", "cargo", "cargo-fmt", "cargo-clippy"].map((name) => `/usr/bin/${name}`);
  return { rustc, cargo, cargoFmt, cargoClippy, env };
}

async function inspect(programs, needs) {
  if (!programs) return { found: false, ready: false, newEnough: false, output: "" };
  const { rustc, cargo, cargoFmt, cargoClippy, env } = programs;
  const ask = (program, args) => run(program, args, { cwd: ROOT, env });
  const [compiler, builder] = [await ask(rustc, ["--version"]), await ask(cargo, ["--version"])];
  const found = compiler.code === 0 && builder.code === 0;
  const version = compiler.stdout.trim();
  const toolchain = { version, cargo, cargoFmt, cargoClippy, env };
  const newEnough = found && isNewEnough(version, oldestRust());
  if (!newEnough) return { found, newEnough, toolchain, ready: false, output: found ? "" : compiler.output + builder.output };

  const compiled = await compilesForWasm(rustc, env);
  const missing = needs.lints
    ? [await ask(cargoFmt, ["--version"]), await ask(cargoClippy, ["--version"])].filter(({ code }) => code !== 0)
    : [];
  const output = [compiled.output, ...missing.map((answer) => answer.output)].join("\n");
  return { found, newEnough, toolchain, ready: compiled.code === 0 && missing.length === 0, output };
}

// The only question that counts: whether it compiles and links. A standard library of another version, or a missing
// linker, shows here and not minutes later.
async function compilesForWasm(rustc, env) {
  const folder = mkdtempSync(join(tmpdir(), "countersign-wasm-"));
  try {
    const source = join(folder, "probe.rs");
    writeFileSync(source, '#[unsafe(no_mangle)]\npub extern "C" fn probe() -> usize {\n    String::from("probe").len()\n}\n');
    const linker = env.CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER;
    const args = ["--edition=2024", "--crate-type=cdylib", `--target=${WASM_TARGET}`, "--out-dir", folder, source];
    return await run(rustc, linker ? [...args, `-Clinker=${linker}`] : args, { cwd: ROOT, env });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function completeByRustup(needs) {
  const patience = { cwd: ROOT, timeout: 180_000, env: { ...process.env, RUSTUP_MAX_RETRIES: "1" } };
  const target = await run("rustup", ["target", "add", WASM_TARGET], patience);
  if (target.code === 0 && needs.lints) await run("rustup", ["component", "add", "clippy", "rustfmt"], patience);
  if (target.code !== 0) return "rustup cannot reach its server";
}

/** Whether `rustc 1.96.0 (…)` is at least version `needed`, such as "1.91". */
export function isNewEnough(version, needed) {
  const [major, minor] = (/\b(\d+)\.(\d+)/.exec(version) ?? []).slice(1).map(Number);
  const [neededMajor, neededMinor] = needed.split(".").map(Number);
  return major > neededMajor || (major === neededMajor && minor >= neededMinor);
}

function oldestRust() {
  return /^rust-version\s*=\s*"([^"]+)"/m.exec(readFileSync(join(ROOT, "Cargo.toml"), "utf8"))[1];
}
