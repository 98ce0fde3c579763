// `npm run timing`: whether the time of an answer tells what the answer does not. Pairs of requests that are answered alike
// are put to the deploy build in workerd, in turn and in random order, and their times are compared. It takes some minutes
// and prints the table of docs/performance.md; no test ever looks at a time.
//
// Options: `--samples n` of each side (300), `--only text` pairs with the text in their name.
import { parseArgs } from "node:util";
import { buildWorker } from "./build/worker.mjs";
import { Failure, runMain } from "./terminal/failure.mjs";
import { pairsOf } from "./timing/pairs.mjs";
import { compare } from "./timing/statistics.mjs";
import { Timed } from "./timing/timed.mjs";
import { Stage } from "../tests/support/stage.mjs";
import { SUBJECT_AUDIENCE } from "../tests/support/token-exchange.mjs";

/** Asked before anything is measured: code is compiled, keys are imported. */
const WARM_UP = 30;
const HEAD = ["| asked in turn | medians | quartiles | difference | rank test |", "| --- | --- | --- | --- | --- |"];

await runMain(async () => {
  const { samples, only } = readArguments();
  await buildWorker("deploy");
  const stage = new Stage();
  try {
    await stage.set([{ may: ["exchange", "mfa_token", "access_token"], entry: { audiences: [SUBJECT_AUDIENCE] } }], {});
    const timed = new Timed(stage.world);
    const all = await pairsOf(stage, timed);
    const pairs = all.filter(({ name }) => name.includes(only));
    if (pairs.length === 0) throw new Failure(`No pair has "${only}" in its name.`);
    console.log(`${samples} of each side, after ${WARM_UP} that do not count. Times in milliseconds.\n\n${HEAD.join("\n")}`);
    for (const pair of pairs) console.log(line(pair, await measured(pair, samples), all.length));
    timed.end();
  } finally {
    await stage.clear();
  }
});

function readArguments() {
  try {
    const options = { samples: { type: "string", default: "300" }, only: { type: "string", default: "" } };
    const { values } = parseArgs({ options });
    if (!/^[1-9][0-9]{1,5}$/.test(values.samples)) throw new Failure("--samples is a number from 10 on.");
    return { samples: Number(values.samples), only: values.only };
  } catch (error) {
    throw new Failure(error instanceof Failure ? error.message : "`npm run timing` takes --samples and --only.");
  }
}

/** The times of both sides, which are asked in turn, now this one first and now that one. */
async function measured({ name, before, one, other }, samples) {
  const times = [[], []];
  for (let round = -WARM_UP; round < samples; round += 1) {
    const order = Math.random() < 0.5 ? [0, 1] : [1, 0];
    const answers = [];
    for (const side of order) {
      await before?.();
      const answer = await [one, other][side]();
      answers.push(`${answer.status} ${answer.text}`);
      if (round >= 0) times[side].push(answer.milliseconds);
    }
    if (answers[0] !== answers[1]) throw new Failure(`${name}: the answers differ already.`, answers.join("\n"));
  }
  return times;
}

function line({ name }, [one, other], tests) {
  const { quartiles, difference, superiority, p } = compare(one, other);
  const shown = (number) => number.toFixed(2);
  const [a, b] = quartiles.map((each) => each.map(shown));
  // Of many comparisons some would seem to differ by chance (Bonferroni).
  const verdict = p < 0.01 / tests ? "**differ**" : "do not differ";
  return (
    `| ${name} | ${a[1]}, ${b[1]} | ${a[0]}–${a[2]}, ${b[0]}–${b[2]} | ${shown(difference)} | ` +
    `${verdict}: p = ${p < 0.0001 ? p.toExponential(0) : p.toFixed(4)}, the second is slower in ${Math.round(superiority * 100)} % |`
  );
}
