// `npm run mutants`: takes away one guard after the other and shows for each the test that notices. See docs/testing.md.
//
// Options: `--only text` tries those whose name or file contains the text; `--native` and `--black-box` those that tests of
// this kind kill.
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { alone } from "./build/lock.mjs";
import { MUTANTS } from "./mutants/list.mjs";
import { mutate, mutated } from "./mutants/mutate.mjs";
import { Trial } from "./mutants/trial.mjs";
import { copyTree } from "./setup/copy-tree.mjs";
import { ROOT } from "./setup/repository.mjs";
import { rustToolchain } from "./setup/rust-toolchain.mjs";
import { wasmTools } from "./setup/wasm-tools.mjs";
import { Failure, runMain } from "./terminal/failure.mjs";
import { step } from "./terminal/step.mjs";

const FOLDER = join(ROOT, "target", "mutants");
const TREE = join(FOLDER, "tree");
// Not the checkout's: to cargo both are one package, and what it has built of a mutant it would take for the checkout's.
const TARGET = join(FOLDER, "target");

await runMain(async () => {
  const mutants = chosen(process.argv.slice(2));
  for (const mutant of mutants) mutate(readFileSync(join(ROOT, mutant.file), "utf8"), mutant);
  const toolchain = await rustToolchain();
  await wasmTools(toolchain);
  return await alone(join(FOLDER, "lock"), async () => {
    await copyTree(TREE);
    try {
      const trial = new Trial(TREE, TARGET, toolchain);
      await step("The same tests without a mutant", "some minutes", () => trial.mustPassUnmutated(mutants));
      console.log("\n| mutant | killed by | time |\n| --- | --- | --- |");
      const results = [];
      for (const mutant of mutants) {
        const begin = Date.now();
        const verdict = await mutated(TREE, mutant, () => trial.judge(mutant));
        results.push({ mutant, verdict, seconds: Math.round((Date.now() - begin) / 1000) });
        console.log(line(results.at(-1)));
      }
      return summed(results);
    } finally {
      rmSync(TREE, { recursive: true, force: true });
    }
  });
});

function chosen(args) {
  const { only, ...asked } = options(args);
  const isAsked = ({ killedBy }) => !asked[typeof killedBy === "string" ? "black-box" : "native"];
  const mutants = MUTANTS.filter(({ name, file }) => name.includes(only) || file.includes(only)).filter(isAsked);
  if (mutants.length === 0) throw new Failure(`No mutant has "${only}" in its name or file.`);
  return mutants;
}

function options(args) {
  const flag = { type: "boolean", default: false };
  try {
    return parseArgs({ args, options: { only: { type: "string", default: "" }, native: flag, "black-box": flag } }).values;
  } catch {
    throw new Failure("The options are --only TEXT (a part of a mutant's name or file), --native and --black-box.");
  }
}

function title(killedBy) {
  return typeof killedBy === "string" ? killedBy : `${killedBy.file}: ${killedBy.test}`;
}

function line({ mutant, verdict, seconds }) {
  return `| ${mutant.name} | ${verdict === "killed" ? title(mutant.killedBy) : `NOT KILLED: ${verdict}`} | ${seconds} s |`;
}

function summed(results) {
  const left = results.filter(({ verdict }) => verdict !== "killed");
  console.log(`\n${results.length - left.length} of ${results.length} mutants were killed.`);
  for (const { mutant, verdict } of left)
    console.log(`${verdict}: ${mutant.name} (${mutant.file}); ${title(mutant.killedBy)} should have failed.`);
  return left.length === 0 ? 0 : 1;
}
