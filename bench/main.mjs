// The benchmark from its beginning to its table.
import { Failure } from "../scripts/terminal/failure.mjs";
import { Cast } from "./cast.mjs";
import { ready } from "./contestants.mjs";
import { Load } from "./load/load.mjs";
import { profile, profileTable } from "./profile.mjs";
import { series } from "./series.mjs";

/** Runs it as `options` says. */
export async function bench(asked) {
  const contestants = await Promise.all(asked.only.map(ready));
  const cast = await Cast.assemble();
  const load = new Load();
  try {
    if (asked.profile) await profiled(contestants, asked, { cast, load });
    else await measured(contestants, asked, { cast, load });
  } catch (error) {
    throw new Failure(`The benchmark failed: ${error.message}`);
  } finally {
    load.close();
    await cast.disperse();
  }
}

async function profiled(contestants, asked, { cast, load }) {
  const { requests, warmup, inFlight, consumer, logs } = asked;
  const shown = asked.whole ? contestants.filter(({ name }) => name === "countersign") : contestants;
  for (const workload of asked.workloads) {
    for (const contestant of shown.filter(({ workloads }) => workloads.includes(workload))) {
      const plan = { workload, requests, warmup, inFlight, consumer, logs };
      const result = await profile(contestant, plan, { cast, load, people: cast.people(1 + warmup + requests) });
      console.log(`\n${contestant.title}, ${workload}\n\n${profileTable(result)}`);
    }
  }
}

async function measured(contestants, asked, { cast, load }) {
  const { requests, warmup, inFlight, consumer, logs } = asked;
  for (const workload of asked.workloads) {
    const plan = { workload, requests, warmup, inFlight, consumer, logs };
    const lines = await series(contestants, plan, asked.rounds, { cast, load }, ({ round, name, sample }) =>
      console.log(`${workload}, round ${round + 1}: ${name} ${Math.round(sample.perSecond)}/s`),
    );
    for (const { name, perSecond, cpu, speed, thrift } of lines)
      console.log(name, Math.round(perSecond), cpu?.toFixed(2), speed, thrift);
  }
}
