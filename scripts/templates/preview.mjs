// Asks the Worker's own code what a template makes of a message.
import { ROOT } from "../setup/repository.mjs";
import { rustToolchain } from "../setup/rust-toolchain.mjs";
import { run } from "../terminal/command.mjs";
import { Failure } from "../terminal/failure.mjs";

/**
 * @param {object} template
 * @returns {Promise<{ right: boolean, said: string }>} what a person would get, or what is wrong
 */
export async function preview(template) {
  const toolchain = await rustToolchain();
  const cargo = (args, input) => run(toolchain.cargo, args, { cwd: ROOT, env: toolchain.env, input });
  const example = ["--quiet", "--locked", "--example", "preview-template"];
  const built = await cargo(["build", ...example]);
  if (built.code !== 0)
    throw new Failure("The preview of templates does not build: the compiler's message stands above.", built.output);
  const shown = await cargo(["run", ...example], JSON.stringify(template));
  if (shown.code !== 0 && shown.stdout === "") throw new Failure("The preview of templates broke down.", shown.output);
  return { right: shown.code === 0, said: shown.stdout.trim() };
}
