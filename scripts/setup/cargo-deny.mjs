// cargo-deny, which holds the crates to deny.toml.
import { run } from "../terminal/command.mjs";
import { Failure } from "../terminal/failure.mjs";
import { skipped } from "../terminal/step.mjs";
import { cargoTool } from "./cargo-tool.mjs";
import { ROOT } from "./repository.mjs";

const VERSION = "0.20.2";
const TOOL = {
  name: "cargo-deny",
  crate: "cargo-deny",
  program: "cargo-deny",
  howLong: "once, two to four minutes",
};

const CHECKS = ["bans", "licenses", "sources"];

/**
 * Finds or builds it.
 *
 * @param {import("./rust-toolchain.mjs").Toolchain} toolchain
 * @returns {Promise<string>} the path of the program
 */
export const cargoDeny = (toolchain) => cargoTool(TOOL, VERSION, toolchain);

/**
 * The same for tests: where it cannot be built they go without, unless COUNTERSIGN_LEAVE_NOTHING_OUT is set.
 *
 * @param {import("./rust-toolchain.mjs").Toolchain} toolchain
 * @returns {Promise<string | undefined>}
 */
export async function cargoDenyIfAny(toolchain) {
  try {
    return await cargoDeny(toolchain);
  } catch (error) {
    if (process.env.COUNTERSIGN_LEAVE_NOTHING_OUT || !(error instanceof Failure)) throw error;
    skipped("Build cargo-deny", `LEFT OUT, and with it the check of the crates against deny.toml: ${error.message}`);
    return undefined;
  }
}

/**
 * What can be checked without asking anybody: licences, where crates come from, which of them there are twice.
 *
 * @param {string} program cargo-deny's path
 * @param {import("./rust-toolchain.mjs").Toolchain} toolchain
 */
export async function checkCrates(program, toolchain) {
  const options = { cwd: ROOT, env: { ...toolchain.env, CARGO_TERM_COLOR: "never" } };
  // The crates of other platforms, too, whose licences are looked at; it asks nobody where they are there.
  const fetched = await run(toolchain.cargo, ["fetch", "--locked"], options);
  if (fetched.code !== 0) {
    console.log(`${fetched.output}\ncargo could not fetch the crates of Cargo.lock.`);
    return fetched;
  }
  return await run(program, ["--locked", "--offline", "check", ...CHECKS], { ...options, echo: true });
}
