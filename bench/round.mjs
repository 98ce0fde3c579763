// One round: each contestant in a fresh workerd, warmed up, measured in turn with the others, checked.
import { Stand } from "./stand.mjs";
import { percentile, rotated } from "./statistics.mjs";
import { cpuSeconds, peakMegabytes } from "./workerd.mjs";

/** How often each contestant's turn comes. What slows the machine for some seconds slows all of them. */
const TURNS = 10;

/**
 * @param {object[]} contestants as `ready` makes them, in the order in which they are measured
 * @param {import("./stand.mjs").Plan} plan
 * @param {import("./stand.mjs").World} world
 * @returns {Promise<Record<string, object>>} by contestant: requests per second, latencies in milliseconds, CPU seconds of
 *   workerd per 1000 requests, …
 */
export async function round(contestants, plan, world) {
  const tracks = [];
  try {
    for (const contestant of contestants) {
      const stand = await Stand.open(contestant, plan, world);
      tracks.push(new Track(stand));
      await tracks.at(-1).warmUp(plan.warmup);
    }
    for (const [turn, count] of shares(plan.requests, TURNS).entries()) {
      for (const track of rotated(tracks, turn)) await track.turn(count);
    }
    for (const { stand } of tracks) await stand.mustHaveWritten();
    return Object.fromEntries(tracks.map((track) => [track.stand.contestant.name, track.sample()]));
  } finally {
    for (const { stand } of tracks) await stand.close();
  }
}

/** So many as so many whole numbers, none of them 0. */
export function shares(total, parts) {
  const upTo = (part) => Math.floor((total * part) / parts);
  const all = Array.from({ length: parts }, (_, index) => upTo(index + 1) - upTo(index));
  return all.filter((share) => share > 0);
}

/** A contestant's way through a round. */
class Track {
  #latencies = [];
  #seconds = 0;
  #busy = 0;
  #cpu = 0;

  constructor(stand) {
    this.stand = stand;
  }

  async warmUp(count) {
    this.firstAnswer = await this.stand.sendFirst();
    await this.stand.send(count);
  }

  async turn(count) {
    const before = cpuSeconds(this.stand.pid);
    const { seconds, latencies, busy } = await this.stand.send(count);
    this.#cpu += cpuSeconds(this.stand.pid) - before;
    this.#seconds += seconds;
    this.#busy += busy;
    this.#latencies.push(...latencies);
  }

  sample() {
    const requests = this.#latencies.length;
    return {
      perSecond: requests / this.#seconds,
      p50: percentile(this.#latencies, 50),
      p99: percentile(this.#latencies, 99),
      cpu: this.stand.pid === undefined ? undefined : (this.#cpu / requests) * 1000,
      megabytes: peakMegabytes(this.stand.pid),
      start: this.stand.startMilliseconds,
      firstAnswer: this.firstAnswer,
      busy: this.#busy / this.#seconds,
    };
  }
}
