// A contestant in a workerd of its own, its database in memory.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Miniflare, NoOpLog } from "miniflare";
import { Failure } from "../scripts/terminal/failure.mjs";
import { until } from "../tests/support/poll.mjs";
import { PUBLIC_URL } from "../tests/support/worker.mjs";
import { workerOptions } from "./contestants.mjs";
import { wire } from "./load/load.mjs";
import { workerds } from "./workerd.mjs";

/** How many of the last lines of a Worker's log are shown where it fails. */
const LOG_LINES = 5;
const DELIVERY = { deadlineMs: 60_000 };
const MEMORY = "/dev/shm";
const HOST = new URL(PUBLIC_URL).host;

/** Where databases are: in memory, if the system has a place for that. */
export const databaseFolder = () => (existsSync(MEMORY) ? MEMORY : tmpdir());

/**
 * @typedef {object} Plan
 * @property {"otp" | "sms"} workload
 * @property {number} warmup requests before the clock starts
 * @property {number} requests requests that are measured
 * @property {number} inFlight how many of them at once
 * @property {boolean} [consumer] whether the queue has its consumer
 * @property {boolean} [logs] whether what Workers log goes anywhere
 * @property {boolean} [counting] whether calls of what wasm imports are counted
 *
 * @typedef {{ cast: import("./cast.mjs").Cast, load: import("./load/load.mjs").Load, people: object[] }} World `people`: one
 *   for each request, the first of all included
 */

export class Stand {
  /** The last lines that the Worker has logged. */
  log = [];
  /** How many requests were sent. */
  #sent = 0;

  /**
   * Starts it, with tables and users.
   *
   * @param {object} contestant as `ready` makes it
   * @param {Plan} plan
   * @param {World} world
   * @param {object} [more] further options of Miniflare
   */
  static async open(contestant, plan, world, more = {}) {
    const stand = new Stand();
    Object.assign(stand, { contestant, plan, world });
    stand.requests = world.people.map((person) => wire(contestant.request(person, plan.workload), HOST));
    stand.folder = mkdtempSync(join(databaseFolder(), "countersign-bench-"));
    process.on("exit", stand.#clear);
    const others = workerds();
    const begin = performance.now();
    stand.miniflare = new Miniflare({
      log: new NoOpLog(),
      handleStructuredLogs: ({ message }) => stand.log.push(message) > LOG_LINES && stand.log.shift(),
      cf: false,
      logRequests: false,
      enableDevRegistry: false,
      telemetry: { enabled: false },
      resourcePersistencePath: stand.folder,
      ...more,
      workers: [workerOptions(contestant, world.cast, plan)],
    });
    try {
      await stand.miniflare.ready;
      stand.startMilliseconds = performance.now() - begin;
      [stand.pid] = workerds().filter((pid) => !others.includes(pid));
      stand.port = Number((await stand.miniflare.unsafeGetDirectURL(contestant.name)).port);
      if (contestant.prepare) stand.db = await stand.miniflare.getD1Database("DB", contestant.name);
      await contestant.prepare?.(stand.db, world.people);
      return stand;
    } catch (error) {
      await stand.close();
      throw error;
    }
  }

  /** Sends the next so many requests; the answer to each must be 200. Waits for what they leave to the queue. */
  async send(count, inFlight = this.plan.inFlight) {
    const requests = this.requests.slice(this.#sent, this.#sent + count);
    this.#sent += count;
    const { cast, load } = this.world;
    const taken = cast.webhook.taken;
    const result = await this.#named(load.run(this.port, requests, inFlight));
    if (this.#delivers) {
      // The provider is asked first: what asks the database takes time of the workerd that is measured.
      await until("every message has arrived", () => cast.webhook.taken >= taken + count, DELIVERY);
      const row = () => this.db.prepare("SELECT COUNT(*) AS count FROM deliveries WHERE state = 'sent'").first();
      await until("every message is recorded", async () => (await row()).count === this.#sent, DELIVERY);
    }
    return result;
  }

  get #delivers() {
    return Boolean(this.plan.consumer && this.contestant.queue && this.plan.workload === "sms");
  }

  /** The first request, alone. Returns the milliseconds that it took; its answer must have all that it should. */
  async sendFirst() {
    const { first, latencies } = await this.send(1, 1);
    const body = JSON.parse(first);
    const missing = this.contestant.answered(this.plan.workload).filter((member) => body[member] === undefined);
    if (missing.length > 0) throw this.#failure(`The answer has no ${missing.join(", ")}: ${first}`);
    return latencies[0];
  }

  /** No contestant may skip the work. */
  async mustHaveWritten() {
    const found = await this.contestant.rows(this.db, this.plan.workload, this.#sent, this.#delivers);
    for (const [what, [rows, wanted]] of Object.entries(found)) {
      if (rows !== wanted) throw this.#failure(`${what}: ${rows} in the database, and there should be ${wanted}.`);
    }
  }

  async #named(work) {
    try {
      return await work;
    } catch (error) {
      throw error instanceof Failure ? this.#failure(error.message) : error;
    }
  }

  #failure(sentence) {
    return new Failure(`${this.contestant.name}, ${this.plan.workload}: ${sentence}`, this.log.join("\n"));
  }

  async close() {
    await this.miniflare.dispose();
    this.#clear();
    process.off("exit", this.#clear);
  }

  // Whoever is ended in the middle leaves no database in memory.
  #clear = () => rmSync(this.folder, { recursive: true, force: true });
}
