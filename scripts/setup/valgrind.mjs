// Valgrind, which counts instructions: a package of the system, on Linux.
import { run } from "../terminal/command.mjs";
import { Failure } from "../terminal/failure.mjs";
import { skipped, step } from "../terminal/step.mjs";
import { debianCanInstall, installPackages } from "./debian.mjs";

/**
 * Makes sure that it is there. A machine that cannot have it goes without, unless COUNTERSIGN_LEAVE_NOTHING_OUT is set.
 *
 * @returns {Promise<boolean>} whether it is there
 */
export async function needValgrind() {
  if ((await run("valgrind", ["--version"])).code === 0) return true;
  if (debianCanInstall()) {
    await step("Install valgrind", "under a minute", () => installPackages(["valgrind"]));
    return true;
  }
  if (process.env.COUNTERSIGN_LEAVE_NOTHING_OUT) throw new Failure("Valgrind is missing: install it, then repeat.");
  skipped("Count instructions", "LEFT OUT: there is no valgrind.");
  return false;
}
