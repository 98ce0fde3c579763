// Rounds of several contestants under one plan.
import { BASE } from "./contestants.mjs";
import { measure } from "./round.mjs";
import { rotated, summarize } from "./statistics.mjs";

/**
 * Measures the contestants of this workload in so many rounds, in another order in each.
 *
 * @param {object[]} contestants as `ready` makes them
 * @param {import("./round.mjs").Plan} plan
 * @param {number} rounds
 * @param {{ cast: import("./cast.mjs").Cast, load: import("./load/load.mjs").Load }} world
 * @param {(done: { round: number, name: string, sample: object }) => void} [tell]
 * @returns {Promise<object[]>} lines as `summarize` makes them
 */
export async function series(contestants, plan, rounds, { cast, load }, tell = () => {}) {
  const running = contestants.filter(({ workloads }) => workloads.includes(plan.workload));
  const samples = [];
  for (let round = 0; round < rounds; round += 1) {
    // Tokens live for ten minutes, and a round takes one or two.
    const people = cast.people(1 + plan.warmup + plan.requests);
    const taken = {};
    for (const contestant of rotated(running, round)) {
      taken[contestant.name] = await measure(contestant, plan, { cast, load, people });
      tell({ round, name: contestant.name, sample: taken[contestant.name] });
    }
    samples.push(Object.fromEntries(running.map(({ name }) => [name, taken[name]])));
  }
  return summarize(samples, BASE);
}
