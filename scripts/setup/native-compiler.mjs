// What Rust crates need of the system to be compiled for this machine: a C compiler, which also links.
import { run } from "../terminal/command.mjs";
import { Failure } from "../terminal/failure.mjs";
import { step } from "../terminal/step.mjs";
import { debianCanInstall, installPackages } from "./debian.mjs";

/** Makes sure that there is a C compiler. */
export async function needCCompiler() {
  if ((await run("cc", ["--version"])).code === 0) return;
  if (!debianCanInstall())
    throw new Failure("A C compiler is missing: install gcc or clang (macOS: `xcode-select --install`), then repeat.");
  await step("Install a C compiler", "under a minute", () => installPackages(["gcc", "libc6-dev"]));
}
