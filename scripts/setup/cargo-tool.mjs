// Programs from crates, built once into the user's cache, where the next checkout finds them.
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run, runOrFail } from "../terminal/command.mjs";
import { Failure } from "../terminal/failure.mjs";
import { step } from "../terminal/step.mjs";
import { toolCache } from "./repository.mjs";

/**
 * @typedef {object} CargoTool
 * @property {string} name what it is called in the cache and in messages
 * @property {string} crate
 * @property {string} program
 * @property {string} howLong how long it takes to build
 */

/**
 * Makes sure that a tool is there in exactly this version.
 *
 * @param {CargoTool} tool
 * @param {string} version
 * @param {import("./rust-toolchain.mjs").Toolchain} toolchain
 * @returns {Promise<string>} the path of the program
 */
export async function cargoTool(tool, version, toolchain) {
  const folder = join(toolCache(), `${tool.name}-${version}`);
  const program = join(folder, "bin", tool.program);
  if (!existsSync(program)) {
    await step(`Build ${tool.name} ${version}`, tool.howLong, () => install(tool, version, folder, toolchain));
  }
  await mustSayVersion(program, version, folder);
  return program;
}

// Installed beside its place and renamed, so that an installation that broke off is never taken for a whole one. Not
// optimised: the tools run for a moment and are compiled for minutes. Without --locked: a version
// that the registry no longer has would stop the build.
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
  throw new Failure(`${program} should be version ${version} and says "${said.output.trim()}": delete ${folder}, then repeat.`);
}
