// Asks the Worker's own code whether a configuration is right, before anything is deployed with it.
import { ROOT } from "../setup/repository.mjs";
import { run } from "../terminal/command.mjs";
import { Failure } from "../terminal/failure.mjs";
import { isVariable } from "./variables.mjs";

/**
 * Checks a configuration.
 *
 * @param {Record<string, string>} variables the configuration; nothing else counts
 * @param {import("../setup/rust-toolchain.mjs").Toolchain} toolchain
 * @returns {Promise<{ right: boolean, said: string }>} `said` is one line for each thing that is wrong
 */
export async function checkConfiguration(variables, toolchain) {
  const around = Object.entries(toolchain.env).filter(([name]) => !isVariable(name));
  const env = { ...Object.fromEntries(around), ...variables };
  const built = await run(toolchain.cargo, ["build", "--quiet", "--locked", "--example", "check-config"], {
    cwd: ROOT,
    env,
  });
  if (built.code !== 0)
    throw new Failure("The check of the configuration does not build: the compiler's message stands above.", built.output);
  const checked = await run(toolchain.cargo, ["run", "--quiet", "--locked", "--example", "check-config"], {
    cwd: ROOT,
    env,
  });
  if (checked.code !== 0 && checked.stdout === "")
    throw new Failure("The check of the configuration broke down.", checked.output);
  return { right: checked.code === 0, said: checked.stdout.trim() };
}
