// worker-build and wasm-bindgen, built once into the user's cache, where the next checkout finds them.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run, runOrFail } from "../terminal/command.mjs";
import { Failure } from "../terminal/failure.mjs";
import { step } from "../terminal/step.mjs";
import { needOpenSsl } from "./native-compiler.mjs";
import { ROOT, toolCache } from "./repository.mjs";

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
    const version = lockedVersion(lock, tool.library);
    const folder = join(toolCache(), `${tool.name}-${version}`);
    programs[tool.name] = join(folder, "bin", tool.program);
    if (!existsSync(programs[tool.name])) {
      if (tool.name === "worker-build") await needOpenSsl();
      await step(`Build ${tool.name} ${version}`, tool.howLong, () => install(tool, version, folder, toolchain));
    }
    await mustSayVersion(programs[tool.name], version, folder);
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

// Installed beside its place and renamed, so that an installation that broke off is never taken for a whole one. Not
// optimised: both tools run for a moment and are compiled for minutes. Without --locked, because the locked versions
// of a tool may have vanished from a mirror.
async function install(tool, version, folder, toolchain) {
  const unfinished = `${folder}.unfinished-${process.pid}`;
  const env = {
    ...toolchain.env,
    CARGO_PROFILE_RELEASE_OPT_LEVEL: "0",
    CARGO_PROFILE_RELEASE_LTO: "off",
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS: "64",
    CARGO_TARGET_DIR: join(unfinished, "target"),
  };
  const args = ["install", tool.crate, "--version", version, "--bin", tool.program, "--root", unfinished, "--no-track"];
  try {
    mkdirSync(unfinished, { recursive: true });
    await runOrFail(
      toolchain.cargo,
      args,
      { cwd: unfinished, env },
      `cargo could not install ${tool.crate} ${version}; its message stands above.`,
    );
    rmSync(join(unfinished, "target"), { recursive: true, force: true });
    rmSync(folder, { recursive: true, force: true });
    renameSync(unfinished, folder);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

async function mustSayVersion(program, version, folder) {
  const said = await run(program, ["--version"]);
  if (said.code === 0 && said.stdout.trim().split(" ").at(-1) === version) return;
  throw new Failure(
    `${program} should be version ${version} and says "${said.output.trim()}": delete ${folder}, then repeat.`,
  );
}
