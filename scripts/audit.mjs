// `npm run audit`: what is known against the crates and the npm packages. It asks the advisory databases, so that it needs
// the network, and may find today what it did not yesterday: no part of `npm test`, which has the rest.
import { cargoDeny, checkCrates } from "./setup/cargo-deny.mjs";
import { ROOT } from "./setup/repository.mjs";
import { rustToolchain } from "./setup/rust-toolchain.mjs";
import { run } from "./terminal/command.mjs";
import { runMain } from "./terminal/failure.mjs";

await runMain(async () => {
  const toolchain = await rustToolchain();
  const program = await cargoDeny(toolchain);
  const results = [
    await told("Crates: licences, sources, duplicates", () => checkCrates(program, toolchain)),
    await told("Crates: advisories", () => echoed(program, ["--locked", "check", "advisories"], toolchain.env)),
    await told("npm packages: advisories", () => echoed("npm", ["audit"], process.env)),
    await told("npm packages of the benchmark: advisories", () => echoed("npm", ["audit", "--prefix", "bench"], process.env)),
  ];
  console.log("");
  for (const { title, code } of results) console.log(`${title}: ${code === 0 ? "nothing found" : "FAILED, see above"}`);
  // A database that could not be asked is no good news: the programs end with an error then as well.
  return results.every(({ code }) => code === 0) ? 0 : 1;
});

function echoed(program, args, env) {
  return run(program, args, { cwd: ROOT, env, echo: true });
}

async function told(title, work) {
  console.log(`\n== ${title}`);
  return { title, code: (await work()).code };
}
