// `npm run instructions`: what the rules, decoding, sealing and whole enrollments cost, in instructions. They are counted, so
// that it matters to nobody how busy the machine is, and kept in docs/instructions.json.
//
//   npm run instructions               counts, and writes them there
//   npm run instructions -- --check    counts, and fails where one has changed by more than 3 %
import { buildBench, compared, countAll, read, write } from "./instructions/counts.mjs";
import { rustToolchain } from "./setup/rust-toolchain.mjs";
import { needValgrind } from "./setup/valgrind.mjs";
import { Failure, runMain } from "./terminal/failure.mjs";

await runMain(async () => {
  const [option, ...others] = process.argv.slice(2);
  if (others.length > 0 || ![undefined, "--check"].includes(option)) throw new Failure("The only option is --check.");
  if (!(await needValgrind())) return 0;
  const toolchain = await rustToolchain();
  const counted = { rustc: toolchain.version, architecture: process.arch, counts: await countAll(await buildBench(toolchain)) };
  for (const [name, count] of Object.entries(counted.counts)) console.log(`${String(count).padStart(10)}  ${name}`);
  if (!option) {
    write(counted);
    return 0;
  }
  const { lines, code } = compared(read(), counted);
  console.log(`\n${lines.join("\n")}`);
  return code;
});
