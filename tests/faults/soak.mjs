/** Mixed traffic over two isolates while everything underneath fails now and then. */
import { seeded } from "../support/seeded.mjs";
import { Actor } from "./actor.mjs";
import { Weather } from "./weather.mjs";

const PEOPLE = 10;
/** The clock is moved on, so that codes get old, claims end and budgets fill up again: by so many seconds, */
const STEP = 4;
/** each so many milliseconds. */
const PACE = 600;

export class Soak {
  /** What is not as it was acknowledged, in words. */
  differences = [];
  /** Acknowledged messages: { owner, to }, of which each is to arrive once. */
  promised = [];
  /** Every enrollment that was acknowledged. */
  enrollments = new Set();
  /** Every authenticator whose removal was acknowledged. */
  removed = new Set();
  /** Every authenticator whose number or address was confirmed anew. */
  replaced = new Set();
  /** Deliveries that were claimed when the processes were killed: these may have been sent and not recorded. */
  interrupted = new Set();
  counts = {};
  over = false;
  #up = Promise.resolve();

  constructor(stage, { seed, seconds, restart }) {
    Object.assign(this, { stage, seed, seconds, restart });
    this.actors = Array.from({ length: PEOPLE }, (_, index) => new Actor(this, seeded(seed + 1000 * (index + 1))));
    this.weather = new Weather(stage, seeded(seed));
  }

  get records() {
    return this.actors.flatMap(({ records }) => records);
  }

  now() {
    return this.stage.world.now();
  }

  up() {
    return this.#up;
  }

  /** What is stored, looked at behind the faults. */
  async rows(sql, ...values) {
    const look = () => this.#up.then(() => this.stage.world.rows(sql, ...values));
    // The processes may be killed while it looks.
    return look().catch(look);
  }

  count(what) {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  differs(words, { what, status, body, unknown }) {
    this.differences.push(`${words} ${JSON.stringify({ what, status, said: body?.error_description, unknown })}`);
  }

  /** Lets it run, then ends the faults and waits until everybody knows what has become of what they asked for. */
  async run() {
    const { world } = this.stage;
    await this.weather.begin(this);
    const end = performance.now() + this.seconds * 1000;
    const people = Promise.all(this.actors.map((actor) => actor.run()));
    let toRestart = this.restart;
    for (let round = 1; performance.now() < end; round += 1) {
      await pause(PACE);
      if (toRestart && performance.now() > end - (this.seconds * 1000) / 2) {
        toRestart = false;
        await this.#kill();
      }
      await world.advance(STEP);
      if (round % 5 === 0) await world.sweep({ settle: false }).catch(() => this.count("sweep failed"));
    }
    await this.weather.end();
    this.over = true;
    let known = false;
    const knowing = people.then(() => (known = true));
    // What they still ask for may wait for a cool-down of half a minute.
    while (!known) {
      await Promise.race([knowing, pause(PACE)]);
      await world.advance(STEP);
    }
    await world.settle();
  }

  /** Ends all processes in the middle of what they do, and starts them anew on what is stored. */
  async #kill() {
    this.count("killed");
    const { world } = this.stage;
    await this.weather.hold(async () => {
      this.#up = world.restart();
      await this.#up;
      const claimed = await world.rows("SELECT id FROM deliveries WHERE state = 'claimed'");
      for (const { id } of claimed) this.interrupted.add(id);
    });
  }

  /** Lets the queue and the sweep bring out what is still to be sent. */
  async drain() {
    const { world } = this.stage;
    const open = () => world.rows("SELECT id FROM deliveries WHERE state IN ('waiting', 'claimed')");
    // A day and more: a notice that finds no room waits so long.
    for (let round = 0; round === 0 || (round < 130 && (await open()).length > 0); round += 1) {
      await world.advance(round < 20 ? 20 : 900);
      await world.sweep();
      await pause(100);
      await world.settle();
    }
    // From here on nothing gets old any more between the sweep and the audit.
    await world.freeze();
    await world.sweep();
  }

  /** Lets three days go by, with as many sweeps as it takes. */
  async age() {
    const { world } = this.stage;
    await world.advance(3 * 24 * 3600);
    for (let sweeps = 0; sweeps < 10; sweeps += 1) await world.sweep();
  }
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
