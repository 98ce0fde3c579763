// `npm run growth`: how cost grows with users. Fills the local D1 with a thousand, ten thousand, a hundred thousand and a
// million of them, asks the deploy build everything two hundred times at each size, counts what an enrollment and a
// login take, and writes what it saw into docs/growth.md. Ten minutes on two cores that do nothing else, 2 GB of disk.
//
//   npm run growth -- --up-to 100000     stops there
//   npm run growth -- --rounds 20        asks less often
//   npm run growth -- --dry-run          writes nothing
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildWorker } from "./build/worker.mjs";
import { fill } from "./growth/database.mjs";
import { DOCUMENT, table, write } from "./growth/document.mjs";
import { addTemplates } from "./growth/fill.mjs";
import { workerdMebibytes } from "./growth/memory.mjs";
import { countDeeds, priceTable } from "./growth/prices.mjs";
import { askEverything } from "./growth/requests.mjs";
import { MeasuringStage } from "./growth/stage.mjs";
import { Failure, runMain } from "./terminal/failure.mjs";
import { step } from "./terminal/step.mjs";
import { quantile } from "./timing/statistics.mjs";

const SIZES = [1_000, 10_000, 100_000, 1_000_000];
const WARMING_ROUNDS = 3;

await runMain(async () => {
  const { upTo, rounds, dryRun } = options();
  await buildWorker("deploy");
  const prices = await counted();
  const folder = mkdtempSync(join(tmpdir(), "countersign-growth-"));
  const stage = await MeasuringStage.set({ persist: folder });
  try {
    await addTemplates(stage);
    const measured = [];
    let users = 1;
    for (const size of SIZES.filter((each) => each <= upTo)) {
      const filled = {};
      await step(`Add users up to ${size}`, "a minute or two for a million", async () => {
        await stage.restart(async () => Object.assign(filled, await fill(folder, users, size)));
      });
      // Of the last step alone: in a small file every page counts for much.
      const each = Object.fromEntries(Object.entries(filled).map(([part, bytes]) => [part, bytes / (size - users)]));
      users = size;
      await step(`Ask ${size} users everything, ${rounds} times`, "about a minute", async () => {
        measured.push({ size, each, ...(await measure(stage, rounds)) });
      });
    }
    const parts = { growth: growth(measured), figures: figures(measured), prices: priceTable(prices) };
    console.log(`\n${Object.values(parts).join("\n\n")}`);
    if (dryRun) return;
    write(parts);
    console.log(`\nWritten into ${DOCUMENT}.`);
  } finally {
    await stage.clear();
    rmSync(folder, { recursive: true, force: true });
  }
});

/** What people do, one of each, in rows and messages. */
async function counted() {
  const stage = await MeasuringStage.set();
  try {
    const deeds = {};
    await step("Count what one enrollment and one login take", "half a minute", async () => {
      Object.assign(deeds, await countDeeds(stage));
    });
    return deeds;
  } finally {
    await stage.clear();
  }
}

function options() {
  try {
    const { values } = parseArgs({
      options: {
        "up-to": { type: "string", default: String(SIZES.at(-1)) },
        rounds: { type: "string", default: "200" },
        "dry-run": { type: "boolean" },
      },
    });
    const [upTo, rounds] = [Number(values["up-to"]), Number(values.rounds)];
    if (!(upTo >= SIZES[0])) throw new Error(`--up-to takes a number from ${SIZES[0]} on`);
    if (!(rounds >= 1)) throw new Error("--rounds takes a number above 0");
    return { upTo, rounds, dryRun: values["dry-run"] };
  } catch (error) {
    throw new Failure(`${error.message}.`);
  }
}

async function measure(stage, rounds) {
  const begin = performance.now();
  await stage.door.fetch("/.well-known/jwks.json");
  const firstAnswer = performance.now() - begin;

  const requests = new Map();
  const of = (name) => {
    if (!requests.has(name)) requests.set(name, { milliseconds: [] });
    return requests.get(name);
  };
  for (let round = 0; round < WARMING_ROUNDS; round += 1) await askEverything(stage, async (_, ask) => ask());
  await askEverything(stage, async (name, ask) => {
    const { result, rowsRead, rowsWritten } = await stage.world.cost(ask);
    Object.assign(of(name), { rowsRead, rowsWritten });
    return result;
  });
  for (let round = 0; round < rounds; round += 1) {
    await askEverything(stage, async (name, ask) => {
      const response = await ask();
      of(name).milliseconds.push(stage.door.milliseconds);
      return response;
    });
  }
  const memory = await workerdMebibytes();
  // The day's hours are counted by the first: in service earlier sweeps have done that.
  await stage.world.sweep();
  const sweep = performance.now();
  await stage.world.sweep();
  return { firstAnswer, requests, memory, sweep: performance.now() - sweep };
}

function thousands(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, " ");
}

function growth(measured) {
  const names = [...measured[0].requests.keys()];
  const head = ["request", ...measured.map(({ size }) => `ms, ${thousands(size)} users`), "rows read", "rows written"];
  const all = (name, key) => [...new Set(measured.map(({ requests }) => requests.get(name)[key]))].sort((a, b) => a - b);
  const range = (numbers) => (numbers.length === 1 ? numbers[0] : `${numbers[0]} to ${numbers.at(-1)}`);
  const rows = names.map((name) => [
    name,
    ...measured.map(({ requests }) => quantile(requests.get(name).milliseconds, 0.5).toFixed(1)),
    range(all(name, "rowsRead")),
    range(all(name, "rowsWritten")),
  ]);
  return table(head, rows);
}

function figures(measured) {
  const head = ["", ...measured.map(({ size }) => `${thousands(size)} users`)];
  const row = (name, each) => [name, ...measured.map(each)];
  return table(head, [
    row("bytes a user, for good", ({ each }) => Math.round(each.lasting)),
    row("bytes a user, of a busy day", ({ each }) => Math.round(each.passing)),
    row("first answer after a start, ms", ({ firstAnswer }) => Math.round(firstAnswer)),
    row("memory of workerd, MiB", ({ memory }) => memory ?? "not known here"),
    row("a minute's sweep, with a day's messages, ms", ({ sweep }) => Math.round(sweep)),
  ]);
}
