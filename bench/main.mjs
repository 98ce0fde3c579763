// The benchmark from its beginning to its page.
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { packageProgram, ROOT } from "../scripts/setup/repository.mjs";
import { run } from "../scripts/terminal/command.mjs";
import { Failure } from "../scripts/terminal/failure.mjs";
import { Cast } from "./cast.mjs";
import { BASE, ready } from "./contestants.mjs";
import { Load } from "./load/load.mjs";
import { profile, profileTable } from "./profile.mjs";
import { inserted, plot, section, table } from "./report.mjs";
import { series } from "./series.mjs";
import { databaseFolder } from "./stand.mjs";

const PAGE = join(ROOT, "docs", "performance.md");
const PICTURE = join(ROOT, "docs", "benchmark.svg");

/** What is measured beside the main tables, of those that it is about, in half as many rounds. */
const VARIANTS = [
  { title: "`sms`, the queue with its consumer", workload: "sms", consumer: true, logs: false },
  { title: "`otp`, with log lines", workload: "otp", consumer: false, logs: true },
  { title: "`sms`, with log lines", workload: "sms", consumer: false, logs: true },
];
const OF_VARIANTS = [BASE, "countersign", "typescript-tuned"];

/** Runs it as `options` says. */
export async function bench(asked) {
  const contestants = await Promise.all(asked.only.map(ready));
  const cast = await Cast.assemble();
  const load = new Load();
  try {
    if (asked.profile) await profiled(contestants, asked, { cast, load });
    else await report(await measured(contestants, asked, { cast, load }), asked);
  } finally {
    load.close();
    await cast.disperse();
  }
}

async function profiled(contestants, asked, { cast, load }) {
  const { workloads, ...plan } = asked;
  for (const workload of workloads) {
    for (const contestant of contestants.filter((each) => each.workloads.includes(workload))) {
      const people = cast.people(1 + plan.warmup + plan.requests);
      const result = await profile(contestant, { ...plan, workload }, { cast, load, people });
      console.log(`\n## ${contestant.title}, ${workload}\n${profileTable(result)}`);
    }
  }
}

async function measured(contestants, asked, world) {
  const { workloads, rounds, whole, ...plan } = asked;
  const known = new Map(contestants.map(({ name, title, kilobytes }) => [name, { title, kilobytes }]));
  const under = async (title, among, conditions, times = rounds) => {
    const lines = await series(among, { ...plan, ...conditions }, times, world, (round, samples) => {
      const speeds = Object.entries(samples).map(([name, { perSecond }]) => `${name} ${Math.round(perSecond)}`);
      console.log(`${title}, round ${round} of ${times}, requests/s: ${speeds.join(", ")}`);
    });
    return lines.map((line) => ({ ...line, ...known.get(line.name) }));
  };
  const results = { series: [], variants: [] };
  for (const workload of workloads) {
    results.series.push({ workload, lines: await under(workload, contestants, { workload }) });
  }
  for (const { title, ...conditions } of whole ? VARIANTS : []) {
    const among = contestants.filter(({ name }) => OF_VARIANTS.includes(name));
    results.variants.push({ title, lines: await under(title, among, conditions, Math.ceil(rounds / 2)) });
  }
  return results;
}

async function report(results, asked) {
  // What leaves somebody out is for whoever asked, not for the page.
  if (!asked.whole) {
    for (const { workload, lines } of results.series) console.log(`\n${workload}\n\n${table(lines)}`);
    return;
  }
  const text = section({ ...results, plan: asked, machine: await machine() });
  console.log(`\n${text}`);
  if (asked.dry) return;
  writeFileSync(PAGE, inserted(readFileSync(PAGE, "utf8"), text));
  writeFileSync(PICTURE, plot(results.series, BASE));
  console.log("\nWritten into docs/performance.md and docs/benchmark.svg.");
}

async function machine() {
  const git = async (...args) => (await run("git", args, { cwd: ROOT })).stdout.trim();
  const changed = await git("status", "--porcelain", "--untracked-files=no");
  const workerd = await run(packageProgram("workerd"), ["--version"], { cwd: ROOT });
  if (workerd.code !== 0) throw new Failure("workerd does not say its version.", workerd.output);
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: `${await git("rev-parse", "--short", "HEAD")}${changed ? ", changed" : ""}`,
    processor: cpus()[0].model.trim(),
    cores: cpus().length,
    workerd: workerd.stdout.trim().replace(/^workerd /, ""),
    node: process.versions.node,
    memory: databaseFolder() === "/dev/shm",
  };
}
