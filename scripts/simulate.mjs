// `npm run simulate`: the figures of docs/sending-limits.md. A day of honest traffic and of pumping, on the statements
// that production runs.
import { ROOT } from "./setup/repository.mjs";
import { rustToolchain } from "./setup/rust-toolchain.mjs";
import { run } from "./terminal/command.mjs";
import { Failure, runMain } from "./terminal/failure.mjs";

// Optimised for speed and not for size, and panics unwind, as tests need it.
const PROFILE = {
  CARGO_PROFILE_RELEASE_LTO: "off",
  CARGO_PROFILE_RELEASE_OPT_LEVEL: "2",
  CARGO_PROFILE_RELEASE_CODEGEN_UNITS: "16",
  CARGO_PROFILE_RELEASE_PANIC: "unwind",
};

await runMain(async () => {
  const { cargo, env } = await rustToolchain();
  console.log("Some minutes for the build, some more for twenty days of traffic.");
  const args = ["test", "--release", "--locked", "--lib", "--", "--ignored", "--nocapture", "the_figures_of_a_day"];
  const { code, output, stdout } = await run(cargo, args, {
    cwd: ROOT,
    env: { ...env, ...PROFILE, CARGO_TARGET_DIR: `${ROOT}/target/simulation` },
  });
  const rows = stdout.split("\n").filter((line) => line.startsWith("| "));
  if (code !== 0 || rows.length === 0) throw new Failure("The simulation broke down.", output);
  console.log(
    ["| limits | traffic | pumping stopped | people refused | saved | lost |", "| --- | --- | --- | --- | --- | --- |"].join(
      "\n",
    ),
  );
  console.log(rows.join("\n"));
});
