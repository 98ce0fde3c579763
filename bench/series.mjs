// Rounds of several contestants under one plan.
import { BASE } from "./contestants.mjs";
import { round } from "./round.mjs";
import { rotated, summarize } from "./statistics.mjs";

/**
 * Measures the contestants of this workload in so many rounds, in another order in each.
 *
 * @param {object[]} contestants as `ready` makes them
 * @param {import("./stand.mjs").Plan} plan
 * @param {number} rounds
 * @param {{ cast: import("./cast.mjs").Cast, load: import("./load/load.mjs").Load }} world
 * @param {(round: number, samples: Record<string, object>) => void} [tell] is told each round, from 1
 * @returns {Promise<object[]>} lines as `summarize` makes them
 */
export async function series(contestants, plan, rounds, { cast, load }, tell = () => {}) {
  const running = contestants.filter(({ workloads }) => workloads.includes(plan.workload));
  const all = [];
  for (let number = 1; number <= rounds; number += 1) {
    // A token lives for ten minutes, and a round takes one or two.
    const people = cast.people(1 + plan.warmup + plan.requests);
    const samples = await round(rotated(running, number - 1), plan, { cast, load, people });
    all.push(Object.fromEntries(running.map(({ name }) => [name, samples[name]])));
    tell(number, samples);
  }
  return summarize(all, BASE);
}
