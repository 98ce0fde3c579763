// What Debian's packages can bring: Rust with a standard library for wasm32, Chromium.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { run, runOrFail } from "../terminal/command.mjs";
import { step } from "../terminal/step.mjs";

const RUST_PACKAGES = ["rustc-web", "cargo-web", "rust-web-src", "lld-22", "rust-web-clippy", "rustfmt-web"];
const STANDARD_LIBRARY = "std,panic_abort,panic_unwind,proc_macro";

/** Whether packages can be installed: apt is there, and this runs as root. */
export function debianCanInstall() {
  return process.platform === "linux" && existsSync("/usr/bin/apt-get") && process.getuid?.() === 0;
}

/** Installs packages; what is there already stays, and nothing is removed to make room. */
export async function installPackages(packages) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  await run("apt-get", ["update", "-qq"], { env }); // one unreachable source among several is no reason to give up
  const args = ["install", "--yes", "-qq", "--no-install-recommends", "--no-remove", ...packages];
  await runOrFail("apt-get", args, { env }, `apt-get could not install ${packages.join(", ")}: its message stands above.`);
}

/** Debian's newest Rust, and its standard library built from its own source, as if rustup had added the target. */
export async function installDebianToolchain(target) {
  await step("Install Debian's Rust packages", "one to three minutes", () => installPackages(RUST_PACKAGES));
  await step(`Build Rust's standard library for ${target}`, "about a minute", () => buildStandardLibrary(target));
}

async function buildStandardLibrary(target) {
  const sysroot = (await runOrFail("/usr/bin/rustc", ["--print", "sysroot"], {}, "Debian's rustc does not run.")).stdout.trim();
  const folder = mkdtempSync(join(tmpdir(), "countersign-std-"));
  try {
    mkdirSync(join(folder, "src"));
    writeFileSync(join(folder, "Cargo.toml"), '[package]\nname = "scratch"\nversion = "0.0.0"\nedition = "2024"\n');
    writeFileSync(join(folder, "src", "lib.rs"), "#![no_std]\n");
    const cargoHome = process.env.CARGO_HOME ?? join(homedir(), ".cargo");
    const env = {
      ...process.env,
      RUSTC: "/usr/bin/rustc",
      RUSTC_BOOTSTRAP: "1", // -Zbuild-std on a stable compiler
      RUSTFLAGS: [
        "-Cembed-bitcode=yes",
        "-Cdebuginfo=0",
        `--remap-path-prefix=${sysroot}/lib/rustlib/src/rust=/rust`,
        `--remap-path-prefix=${cargoHome}/registry/src=/crates`,
      ].join(" "),
      CARGO_TARGET_DIR: join(folder, "target"),
    };
    const args = ["build", "--release", "--target", target, `-Zbuild-std=${STANDARD_LIBRARY}`];
    await runOrFail(
      "/usr/bin/cargo",
      args,
      { cwd: folder, env },
      "Rust's standard library could not be built from Debian's source package.",
    );
    putInPlace(join(folder, "target", target, "release", "deps"), join(sysroot, "lib", "rustlib", target, "lib"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

// All at once: a half-copied standard library would be taken for a whole one.
function putInPlace(built, library) {
  const next = `${library}.next`;
  rmSync(next, { recursive: true, force: true });
  mkdirSync(next, { recursive: true });
  for (const name of readdirSync(built)) {
    if (/^lib.*\.rlib$/.test(name) && !name.startsWith("libscratch-")) cpSync(join(built, name), join(next, name));
  }
  rmSync(library, { recursive: true, force: true });
  renameSync(next, library);
}
