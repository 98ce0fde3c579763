/** Faults that come and go at random: what the platform underneath is documented to do to a Worker. */

/** What D1 says when it fails (developers.cloudflare.com/d1/observability/debug-d1). */
export const D1_ERRORS = {
  lost: "D1_ERROR: Network connection lost.",
  reset: "D1_ERROR: Internal error in D1 DB storage caused object to be reset.",
  updated: "D1_ERROR: D1 DB reset because its code was updated.",
  slow: "D1_ERROR: D1 DB storage operation exceeded timeout which caused object to be reset.",
  overloaded: "D1_ERROR: D1 DB is overloaded. Too many requests queued.",
  waited: "D1_ERROR: D1 DB is overloaded. Requests queued for too long.",
  full: "D1_ERROR: Exceeded maximum DB size",
};

/**
 * A provider has taken a message and nobody could record it: the one window in which a message may come twice, which
 * delivery-attempts.test.mjs and delivery-ledger.test.mjs look into. Here it stays shut, so that once means once.
 */
const NOT_THE_RECORD = String.raw`^(?![\s\S]*state = 'sent')`;

export class Weather {
  #world;
  #stage;
  #random;
  #running;
  #over = false;
  #held = Promise.resolve();
  /** How often each kind has come. */
  seen = {};

  constructor(stage, random) {
    this.#stage = stage;
    this.#world = stage.world;
    this.#random = random;
  }

  begin() {
    this.#running = this.#change();
  }

  /** Changes nothing while `act` runs. */
  async hold(act) {
    let release;
    const before = this.#held;
    this.#held = new Promise((resolve) => (release = resolve));
    await before;
    await this.#idle;
    try {
      await act();
    } finally {
      release();
    }
  }

  #idle = Promise.resolve();

  /** Ends all faults. */
  async end() {
    this.#over = true;
    await this.#running;
    await this.#world.heal();
    this.#stage.webhook.recover();
  }

  async #change() {
    while (!this.#over) {
      const kinds = Object.keys(KINDS);
      const chosen = Array.from({ length: 1 + this.#whole(3) }, () => kinds[this.#whole(kinds.length)]);
      for (const kind of chosen) this.seen[kind] = (this.seen[kind] ?? 0) + 1;
      const faults = chosen.flatMap((kind) => KINDS[kind](this.#stage, (below) => this.#whole(below)));
      await this.#set(() => this.#world.fail(...faults));
      await this.#pause(100 + this.#whole(500));
      await this.#set(() => this.#world.heal());
      this.#stage.webhook.recover();
      await this.#pause(this.#whole(500));
    }
  }

  async #set(act) {
    await this.#held;
    this.#idle = act();
    await this.#idle;
  }

  #whole(below) {
    return Math.floor(this.#random() * below);
  }

  async #pause(milliseconds) {
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
  }
}

const error = (whole) => Object.values(D1_ERRORS)[whole(Object.keys(D1_ERRORS).length)];
const database = (fault) => ({ on: "DB", matching: NOT_THE_RECORD, ...fault });

/** Each kind sets its faults, or tells the provider or issuer how to be. */
const KINDS = {
  clear: () => [],
  "DB before": (_, whole) => [database({ mode: "before", times: 1 + whole(6), message: error(whole) })],
  "DB after": (_, whole) => [database({ mode: "after", times: 1 + whole(6), message: error(whole) })],
  "DB gone": (_, whole) => [database({ mode: "before", times: 1e9, message: error(whole) })],
  "DB loses every answer": () => [database({ mode: "after", times: 1e9, message: D1_ERRORS.lost })],
  "DB slow": (_, whole) => [database({ mode: "slow", times: 20, milliseconds: 50 + whole(300) })],
  "DB loses what is redeemed": () => [
    database({ mode: "after", times: 2, matching: "INSERT INTO redemptions", message: D1_ERRORS.lost }),
  ],
  "DB fails while it gives back": () => [
    database({ mode: "before", times: 4, matching: "INSERT INTO redemptions|UPDATE budgets SET full_at = full_at" }),
  ],
  "isolate dying": (_, whole) => [database({ mode: `dies ${["before", "after"][whole(2)]}`, times: 1, isolate: whole(2) })],
  "KV failing": () => [{ on: "JWKS", mode: "before", times: 1e9 }],
  "KV slow": (_, whole) => [{ on: "JWKS", mode: "slow", times: 1e9, milliseconds: whole(400) }],
  "queue refusing": () => [{ on: "OOB_QUEUE", mode: "before", times: 1e9 }],
  "queue losing its answer": () => [{ on: "OOB_QUEUE", mode: "after", times: 1e9 }],
  "queue delivering twice": () => [{ on: "OOB_QUEUE", mode: "twice", times: 1e9 }],
  "consumer dying": (_, whole) => [{ on: "queue", mode: "before", times: 1 + whole(3) }],
  "issuer unreachable": ({ issuer }) => {
    issuer.rotate({ keep: true });
    return [{ on: "fetch", mode: "before", times: 1e9, matching: "keys.json" }];
  },
  "issuer with new keys": ({ issuer }) => {
    issuer.rotate({ keep: true });
    return [];
  },
  "provider unreachable": () => [{ on: "fetch", mode: "before", times: 1e9, matching: "/codes$" }],
  "provider slow": (_, whole) => [{ on: "fetch", mode: "slow", times: 1e9, matching: "/codes$", milliseconds: whole(500) }],
  "provider failing": ({ webhook }, whole) => {
    webhook.next(...Array.from({ length: 1 + whole(4) }, () => [500, 503, 429, 401][whole(4)]));
    return [];
  },
  "provider refusing": ({ webhook }) => {
    webhook.next(400);
    return [];
  },
};
