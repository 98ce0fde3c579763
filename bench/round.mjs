// One contestant in one round: a workerd of its own, its database in memory, warmed up, measured, checked.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Miniflare, NoOpLog } from "miniflare";
import { until } from "../tests/support/poll.mjs";
import { PUBLIC_URL } from "../tests/support/worker.mjs";
import { workerOptions } from "./contestants.mjs";
import { wire } from "./load/load.mjs";
import { percentile } from "./statistics.mjs";
import { cpuSeconds, peakMegabytes, workerdOf } from "./workerd.mjs";

/** How many of the last lines of a Worker's log are shown where it fails. */
const LOG_LINES = 5;
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
 */

/** A contestant in a fresh workerd. */
export class Stand {
  /** The last lines that the Worker has logged. */
  log = [];

  /** Starts it; `more` are further options of Miniflare. */
  static async open(contestant, cast, { consumer = false, logs = false, ...more } = {}) {
    const stand = new Stand();
    stand.contestant = contestant;
    stand.folder = mkdtempSync(join(databaseFolder(), "countersign-bench-"));
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
      workers: [workerOptions(contestant, cast, { consumer, logs })],
    });
    try {
      await stand.miniflare.ready;
      stand.startMilliseconds = performance.now() - begin;
      stand.pid = workerdOf();
      stand.startCpu = cpuSeconds(stand.pid);
      stand.port = Number((await stand.miniflare.unsafeGetDirectURL(contestant.name)).port);
      if (contestant.prepare) stand.db = await stand.miniflare.getD1Database("DB", contestant.name);
      return stand;
    } catch (error) {
      await stand.close();
      throw error;
    }
  }

  /** Makes tables and users. */
  async prepare(people) {
    await this.contestant.prepare?.(this.db, people);
  }

  /** How many messages have been sent by the consumer. */
  async sent() {
    const row = await this.db.prepare("SELECT COUNT(*) AS count FROM deliveries WHERE state = 'sent'").first();
    return row.count;
  }

  async close() {
    await this.miniflare.dispose();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/**
 * Measures a contestant once.
 *
 * @param {object} contestant as `ready` makes it
 * @param {Plan} plan
 * @param {{ cast: import("./cast.mjs").Cast, load: import("./load/load.mjs").Load, people: object[] }} world `people`: one
 *   for each request, and one more
 * @returns {Promise<object>} requests per second, latencies in milliseconds, CPU seconds per 1000 requests, …
 */
export async function measure(contestant, plan, { cast, load, people }) {
  const { workload, warmup, requests, inFlight, consumer, logs } = plan;
  const bytes = people.map((person) => wire(contestant.request(person, workload), HOST));
  const stand = await Stand.open(contestant, cast, { consumer, logs });
  try {
    await stand.prepare(people);
    const first = await load.run(stand.port, bytes.slice(0, 1), 1);
    mustHaveAnswered(contestant, workload, first.first);
    await load.run(stand.port, bytes.slice(1, 1 + warmup), inFlight);
    const delivers = consumer && contestant.queue && workload === "sms";
    const delivered = async (count) => {
      if (delivers) await until("every message is sent", async () => (await stand.sent()) === count, { deadlineMs: 60_000 });
    };
    await delivered(1 + warmup);
    const before = cpuSeconds(stand.pid);
    const result = await load.run(stand.port, bytes.slice(1 + warmup, 1 + warmup + requests), inFlight);
    await delivered(1 + warmup + requests);
    const after = cpuSeconds(stand.pid);
    await mustHaveWritten(stand, workload, 1 + warmup + requests, delivers);
    return {
      perSecond: requests / result.seconds,
      p50: percentile(result.latencies, 50),
      p99: percentile(result.latencies, 99),
      cpu: before === undefined ? undefined : ((after - before) / requests) * 1000,
      megabytes: peakMegabytes(stand.pid),
      start: stand.startMilliseconds,
      startCpu: stand.startCpu,
      firstAnswer: first.latencies[0],
      busy: result.busy,
    };
  } catch (error) {
    const log = ["", ...stand.log].join("\n");
    throw new Error(`${contestant.name}, ${workload}: ${error.message}${log}`, { cause: error });
  } finally {
    await stand.close();
  }
}

function mustHaveAnswered({ answered }, workload, text) {
  const body = JSON.parse(text);
  const missing = answered(workload).filter((member) => body[member] === undefined);
  if (missing.length > 0) throw new Error(`The answer has no ${missing.join(", ")}: ${text}`);
}

/** No contestant may skip the work. */
async function mustHaveWritten({ contestant, db }, workload, requests, delivered) {
  for (const [what, [rows, wanted]] of Object.entries(await contestant.rows(db, workload, requests, delivered))) {
    if (rows !== wanted) throw new Error(`${what}: ${rows} in the database, and there should be ${wanted}.`);
  }
}
