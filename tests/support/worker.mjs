/**
 * The built Worker in real workerd, by Miniflare's own API, with real D1, KV and queues: one Miniflare per test file.
 *
 * `isolates` Workers answer requests, and one more, the consumer, takes the queue's batches and the cron event; all of
 * them run the same modules on the same database, namespace and queue, as the isolates of one deployed Worker do.
 */
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { fileURLToPath } from "node:url";
import { Miniflare, NoOpLog } from "miniflare";
import { encryptionKeys, signingKey, webhookSecret } from "./keys.mjs";
import { dump, rows, run } from "./database.mjs";
import { problems, templateOf } from "./description.mjs";
import { migrate } from "./migrations.mjs";
import { until } from "./poll.mjs";
import { REPOSITORY, compatibility } from "./repository.mjs";

export const PUBLIC_URL = "https://mfa.example.com";
export const MFA_AUDIENCE = `${PUBLIC_URL}/mfa/`;
export const ISSUER = `${PUBLIC_URL}/`;
export const TENANT_NAME = "Example & Söhne";
export const QUEUE = "countersign-oob";
export const DEAD_LETTERS = "countersign-oob-dead";
export const EVENTS = "countersign-audit";

const CONSUMER = "consumer";
const ROUTE = "MF-Route-Override";

/** Where scripts/build.mjs puts a build; the variable lets the harness be tried on a Worker from elsewhere. */
export function builtFolder(build) {
  const elsewhere = process.env.COUNTERSIGN_WORKER_UNDER_TEST;
  return elsewhere ? new URL(`file://${elsewhere}/`) : new URL(`target/worker/${build}/`, REPOSITORY);
}

/**
 * @param {object} options
 * @param {"deploy" | "development"} [options.build]
 * @param {number} [options.isolates] how many isolates answer requests
 * @param {{ trusted(): object }[]} [options.issuers] what TRUSTED_ISSUERS lists
 * @param {{ url: string }} [options.webhook] the provider of the out-of-band channels
 * @param {Record<string, string | undefined>} [options.vars] variables and secrets to add, replace or (undefined) leave out
 * @param {boolean} [options.consume] whether the queue has its consumer; without, what was sent is only counted
 * @param {(index: number) => Record<string, string | undefined>} [options.varsOf] the same for one isolate alone
 * @param {{ limit: number, period: number }} [options.shield] the rate of the binding SHIELD; without, there is none
 * @param {string | true} [options.email] the double that plays the binding EMAIL, by its URL, or true for Miniflare's own;
 *   without, there is none
 * @param {boolean} [options.exports] whether events go to a queue and metrics to a dataset, which the bindings are there for
 * @param {string} [options.persist] a folder that outlives this Miniflare
 * @param {boolean} [options.files] whether the files of public/ are served, as a deployment does
 */
export async function startWorkers(options = {}) {
  const world = new World(options);
  await world.start();
  return world;
}

/** What a client gets of an isolate that dies over its request: nothing. */
export class NoAnswer extends Error {}

/** A module of one function, `trap`, which does nothing else. */
const TRAP = Uint8Array.from([
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  ...[0x01, 0x04, 0x01, 0x60, 0x00, 0x00], // the type of a function that takes and gives nothing
  ...[0x03, 0x02, 0x01, 0x00],
  ...[0x07, 0x08, 0x01, 0x04, 0x74, 0x72, 0x61, 0x70, 0x00, 0x00], // exported
  ...[0x0a, 0x05, 0x01, 0x03, 0x00, 0x00, 0x0b], // unreachable
]);

export class World {
  constructor({
    build = "deploy",
    isolates = 1,
    issuers = [],
    webhook,
    vars = {},
    varsOf,
    consume = true,
    persist,
    files = false,
    shield,
    email,
    exports = false,
  } = {}) {
    this.options = { build, varsOf, consume, persist, files, shield, email, exports };
    this.isolates = Array.from({ length: isolates }, (_, index) => `isolate-${index}`);
    this.logged = [];
    this.secrets = {
      encryption: encryptionKeys(),
      signing: signingKey("main-1"),
      webhook: webhook?.secret ?? webhookSecret(),
    };
    this.vars = {
      PUBLIC_URL,
      TENANT_NAME,
      TRUSTED_ISSUERS: JSON.stringify(issuers.map((issuer) => issuer.trusted())),
      ENCRYPTION_KEYS: JSON.stringify(this.secrets.encryption),
      SIGNING_KEY_MAIN: JSON.stringify(this.secrets.signing),
      ...(exports && { EXPORT_EVENTS: "on", EXPORT_METRICS: "on" }),
      ...(webhook && { WEBHOOK_URL: webhook.url, WEBHOOK_SECRET: this.secrets.webhook }),
      ...vars,
    };
  }

  async start() {
    const { build, varsOf, consume, persist, files, shield, email, exports } = this.options;
    const folder = builtFolder(build);
    const [entry, driver, script, wasm] = await Promise.all([
      readFile(new URL("entry.mjs", import.meta.url), "utf8"),
      readFile(new URL("driver.mjs", import.meta.url), "utf8"),
      readFile(new URL("index.js", folder), "utf8"),
      readFile(new URL("index_bg.wasm", folder)),
    ]);
    const modules = {
      "entry.mjs": { type: "esm", contents: entry },
      "trap.wasm": { type: "wasm", contents: TRAP },
      "built/index.js": { type: "esm", contents: script },
      "built/index_bg.wasm": { type: "wasm", contents: new Uint8Array(wasm) },
    };
    const directory = fileURLToPath(new URL("public", REPOSITORY));
    const worker = (name, { vars = {}, triggers = [], files = false } = {}) => ({
      config: {
        name,
        ...(files && { assets: { directory, hasUserWorker: true, runWorkerFirst: true } }),
        ...compatibility(),
        triggers,
        manifest: { mainModule: "entry.mjs", modulesRoot: "/", modules },
        env: {
          ...variables({ ...this.vars, ...vars }),
          DB: { type: "d1", id: "countersign" },
          JWKS: { type: "kv", id: "jwks" },
          OOB_QUEUE: { type: "queue", name: QUEUE },
          ...(shield && { SHIELD: { type: "rate-limit", namespace: "1001", simple: shield } }),
          ...(exports && { AUDIT_QUEUE: { type: "queue", name: EVENTS }, METRICS_DOUBLE: { type: "text", value: "on" } }),
          ...(files && { ASSETS: { type: "assets" } }),
          ...(email === true && { EMAIL: { type: "send-email" } }),
          ...(typeof email === "string" && { EMAIL_DOUBLE: { type: "text", value: email } }),
        },
      },
    });
    const names = [...this.isolates, CONSUMER];
    const consumer = {
      type: "queue",
      name: QUEUE,
      deadLetterQueue: DEAD_LETTERS,
      maxBatchSize: 10,
      maxBatchTimeout: 0,
      maxRetries: 10,
    };
    this.miniflare = new Miniflare({
      log: new NoOpLog(),
      handleStructuredLogs: ({ level, message }) => this.logged.push({ level, text: message }),
      cf: false,
      logRequests: false,
      enableDevRegistry: false,
      telemetry: { enabled: false },
      ...(persist && { resourcePersistencePath: persist }),
      workers: [
        ...this.isolates.map((name, index) => worker(name, { vars: varsOf?.(index), files })),
        worker(CONSUMER, { triggers: consume ? [consumer] : [] }),
        {
          config: {
            name: "driver",
            compatibilityDate: compatibility().compatibilityDate,
            compatibilityFlags: ["service_binding_extra_handlers"],
            triggers: [DEAD_LETTERS, EVENTS].map((name) => ({ type: "queue", name, maxBatchTimeout: 0 })),
            manifest: {
              mainModule: "driver.mjs",
              modulesRoot: "/",
              modules: { "driver.mjs": { type: "esm", contents: driver } },
            },
            env: Object.fromEntries(names.map((name) => [name, { type: "worker", worker: name }])),
          },
        },
      ],
    });
    await this.miniflare.ready;
    this.db = await this.miniflare.getD1Database("DB", this.isolates[0]);
    this.kv = await this.miniflare.getKVNamespace("JWKS", this.isolates[0]);
    const { results } = await this.db.prepare("SELECT name FROM sqlite_master WHERE name = 'clients'").all();
    if (results.length === 0) await migrate(this.db);
  }

  /**
   * A request as it arrives from outside. `path` may be a whole URL; `isolate` says which isolate answers. The answer
   * knows the `path` it is from. Throws NoAnswer where the isolate has died over it.
   */
  async fetch(path, { isolate = 0, headers, ...init } = {}) {
    const url = new URL(path, PUBLIC_URL);
    const all = new Headers(headers);
    all.set(ROUTE, this.isolates[isolate]);
    const response = await this.miniflare.dispatchFetch(url, { redirect: "manual", ...init, headers: [...all] });
    // Read at once: what is left unread for a while may be taken for garbage and cancelled.
    const bytes = await response.arrayBuffer();
    const { status, headers: answered } = response;
    if (answered.get("test-isolate") === "gone") throw new NoAnswer();
    this.#judge(init.method ?? "GET", url.pathname, response, new TextDecoder().decode(bytes));
    return Object.assign(new Response(bytes.byteLength > 0 ? bytes : null, { status, headers: [...answered] }), {
      path: url.pathname,
    });
  }

  /** What has been answered so far: method, path of the description, status, and the error if it is one. */
  answers = [];

  /** No answer of any test may be other than openapi.yaml says. */
  #judge(method, path, response, text) {
    const found = problems(method, path, response, text);
    if (found.length > 0) throw new Error(`This is not what openapi.yaml says:\n${found.join("\n")}`);
    const error = response.status >= 400 && method !== "HEAD" ? JSON.parse(text).error : undefined;
    this.answers.push({ method, template: templateOf(path), status: response.status, error });
  }

  /** A request by Node's own client, which its caller may tear down in the middle. */
  async connect(path, { isolate = 0, headers, ...options } = {}) {
    const { hostname, port } = await this.miniflare.ready;
    const all = { host: new URL(PUBLIC_URL).host, [ROUTE]: this.isolates[isolate], ...headers };
    return request({ hostname, port, path, headers: all, ...options });
  }

  post(path, body, { headers, ...init } = {}) {
    return this.fetch(path, {
      method: "POST",
      body: typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body),
      headers: { "content-type": "application/json", ...headers },
      ...init,
    });
  }

  async #control(name, command = {}) {
    const response = await this.miniflare.dispatchFetch(new URL("/__test/control", PUBLIC_URL), {
      method: "POST",
      headers: { [ROUTE]: name },
      body: JSON.stringify(command),
    });
    return response.json();
  }

  #everywhere(command) {
    return Promise.all([...this.isolates, CONSUMER].map((name) => this.#control(name, command)));
  }

  // --- The clock: Unix seconds, the same in every isolate unless one is skewed ---

  #clock = { offset: 0, frozenAt: null };

  /** The Worker's time in whole seconds. */
  now() {
    return Math.floor((this.#clock.frozenAt ?? Date.now() + this.#clock.offset) / 1000);
  }

  /** The time, and what it was when the clock was moved last: work that was under way then may still tell of it. */
  times() {
    return [this.now(), this.#movedAt];
  }

  #movedAt = 0;

  async #setClock(clock) {
    this.#movedAt = this.now();
    this.#clock = clock;
    await this.#everywhere({ clock });
  }

  /** Moves the clock on, whether it runs or stands. */
  advance(seconds) {
    const { offset, frozenAt } = this.#clock;
    return this.#setClock({
      offset: offset + seconds * 1000,
      frozenAt: frozenAt === null ? null : frozenAt + seconds * 1000,
    });
  }

  /** Stops the clock, by default where it is, at a whole second. */
  freeze(at = this.now()) {
    return this.#setClock({ offset: at * 1000 - Date.now(), frozenAt: at * 1000 });
  }

  /** Lets the clock run on from where it stands. */
  async thaw() {
    if (this.#clock.frozenAt === null) return;
    await this.#setClock({ offset: this.#clock.frozenAt - Date.now(), frozenAt: null });
  }

  /** Puts one isolate's clock so many seconds ahead of all others, or (negative) behind, until it is told otherwise. */
  async skew(isolate, seconds) {
    await this.#control(this.#nameOf(isolate), { clock: { skew: seconds * 1000 } });
  }

  #nameOf(isolate) {
    return isolate === CONSUMER ? CONSUMER : this.isolates[isolate];
  }

  // --- Costs, faults, logs ---

  /** Waits until no isolate has work left that a request put off. */
  async settle() {
    await until("every isolate is idle", async () => (await this.#everywhere()).every(({ pending }) => pending === 0));
  }

  /**
   * Runs `act` and says what it cost the isolates that answer requests, work put off by `waitUntil` included and the
   * queue's consumer excluded: { roundTrips, nearby, statements, rowsRead, rowsWritten, kvReads, kvWrites, fetches, sent, result }.
   * What the consumer read and wrote stands in `consumer`, by the same names.
   */
  async cost(act) {
    await this.settle();
    await this.#everywhere({ reset: true });
    const result = await act();
    await this.settle();
    const all = await Promise.all(this.isolates.map((name) => this.#control(name)));
    const { counts: consumer } = await this.#control(CONSUMER);
    const join = (key) => all.flatMap(({ counts }) => counts[key]);
    const sum = (key) => all.reduce((total, { counts }) => total + counts[key], 0);
    return {
      result,
      roundTrips: join("roundTrips"),
      nearby: join("nearby"),
      statements: join("roundTrips").flat().length,
      rowsRead: sum("rowsRead"),
      rowsWritten: sum("rowsWritten"),
      kvReads: join("kvReads"),
      kvWrites: join("kvWrites"),
      fetches: join("fetches"),
      sent: join("sent"),
      consumer,
    };
  }

  /**
   * Sets the faults of every isolate, replacing earlier ones. `on` is DB, JWKS, OOB_QUEUE, AUDIT_QUEUE, METRICS or fetch; `matching` a pattern
   * for the SQL, the key, the message or the URL; `mode` fails "before" or "after" the work was done, lets it "hang", be
   * "slow" by so many `milliseconds`, be done "twice", or has the isolate die of it ("dies before", "dies after").
   * `isolate` (a number, or "consumer") leaves all others alone.
   */
  async fail(...faults) {
    const whole = faults.map((fault) => ({
      mode: "before",
      times: 1,
      message: "D1_ERROR: the test broke this",
      ...fault,
    }));
    const of = (name) => whole.filter(({ isolate }) => isolate === undefined || this.#nameOf(isolate) === name);
    await Promise.all([...this.isolates, CONSUMER].map((name) => this.#control(name, { faults: of(name) })));
  }

  async heal() {
    await this.#everywhere({ faults: [] });
  }

  /**
   * Runs all of `starts` and makes a race of it: each request is held at its first D1 round trip that matches `at`, and
   * all go on together once each is held there or answered. Returns their answers.
   */
  async race(at, starts) {
    await this.fail({ on: "DB", mode: "hang", times: 1e9, matching: at });
    let answered = 0;
    const running = starts.map(async (start) => {
      try {
        return await start();
      } finally {
        answered += 1;
      }
    });
    await until("every request is held or answered", async () => (await this.held()) + answered === starts.length);
    await this.heal();
    return Promise.all(running);
  }

  /**
   * Starts a request and does `meanwhile` while it is held at its first D1 round trip that matches `at`. Returns its
   * answer.
   */
  async during(at, start, meanwhile) {
    await this.fail({ on: "DB", mode: "hang", matching: at });
    let answered = 0;
    const running = start().finally(() => (answered += 1));
    await until("the request is held or answered", async () => (await this.held()) + answered === 1);
    try {
      await meanwhile();
    } finally {
      await this.heal();
    }
    return running;
  }

  /** How many operations faults of mode "hang" have held. */
  async held() {
    return (await this.#everywhere()).reduce((sum, { held }) => sum + held, 0);
  }

  /** Forgets what was logged, sent and measured so far, which every look at an isolate brings along. For long runs. */
  async forget() {
    await this.#everywhere({ forget: true });
    this.logged.length = 0;
    this.answers.length = 0;
  }

  /** How often an isolate (a number, or "consumer") has died by a fault. */
  async died(isolate) {
    return (await this.#control(this.#nameOf(isolate))).deaths;
  }

  /** The body of every message that any isolate ever sent to the queue. */
  async queued() {
    return (await this.#everywhere()).flatMap(({ queued }) => queued);
  }

  /** Every line that any isolate logged, as text: by its console and, panics included, by the runtime. */
  async logLines() {
    const consoles = (await this.#everywhere()).flatMap(({ lines }) => lines.map(({ text }) => text));
    return [...consoles, ...this.logged.map(({ text }) => text)];
  }

  /** Every object that any isolate has logged by its console: events, and lines of requests and of the machinery. */
  async told() {
    const texts = (await this.#everywhere()).flatMap(({ lines }) => lines.map(({ text }) => text));
    return texts.filter((text) => text.startsWith("{")).map((text) => JSON.parse(text));
  }

  /** Every data point that any isolate wrote. */
  async points() {
    return (await this.#everywhere()).flatMap(({ points }) => points);
  }

  /** What one isolate logged by its console. */
  async logLinesOf(isolate) {
    return (await this.#control(this.isolates[isolate])).lines.map(({ text }) => text);
  }

  // --- What is stored ---

  /** Runs several statements, with ";" and a new line between them, as one transaction. */
  run(sql) {
    return run(this.db, sql);
  }

  /** Every row of every table, or of the tables named. */
  dump(tables) {
    return dump(this.db, tables);
  }

  rows(sql, ...values) {
    return rows(this.db, sql, ...values);
  }

  /** Waits until nothing is left to be sent. What has expired never is, and waits for the sweep to say so. */
  async delivered() {
    const left = "SELECT 1 FROM deliveries WHERE state IN ('waiting', 'claimed') AND expires_at > ? LIMIT 1";
    await until("every delivery is done", async () => (await this.rows(left, this.now())).length === 0);
    await this.settle();
  }

  // --- Cloudflare's part ---

  async #drive(command) {
    const response = await this.miniflare.dispatchFetch("http://driver/", {
      method: "POST",
      headers: { [ROUTE]: "driver" },
      body: JSON.stringify(command),
    });
    if (!response.ok) throw new Error(`the driver answered ${response.status}: ${await response.text()}`);
    return response.json();
  }

  /** The cron event, now. Unless told otherwise, waits for what it leads to. */
  async sweep({ settle = true } = {}) {
    const result = await this.#drive({ isolate: CONSUMER, cron: "* * * * *", scheduledTime: this.now() * 1000 });
    if (settle) await this.settle();
    return result;
  }

  /** Hands the consumer one batch. Returns which messages it acknowledged and which it wants again, and when. */
  async deliver(bodies, { attempts = 1, queue = QUEUE } = {}) {
    const messages = bodies.map((body, index) => ({ id: `message-${index}`, body, attempts }));
    const result = await this.#drive({ isolate: CONSUMER, queue, messages });
    await this.settle();
    return result;
  }

  /** The messages that the queue has given up on. */
  deadLetters() {
    return this.#drive({ takenFrom: DEAD_LETTERS });
  }

  /** The events that were exported, as they came out of their queue. */
  exported() {
    return this.#drive({ takenFrom: EVENTS });
  }

  async dispose() {
    await this.miniflare?.dispose();
  }

  /**
   * Ends every process at once and starts anew on what was persisted, at the same time and with the same configuration
   * but for `vars`.
   */
  async restart(vars = {}) {
    await this.dispose();
    Object.assign(this.vars, vars);
    await this.start();
    await this.#setClock(this.#clock);
  }
}

function variables(vars) {
  const known = Object.entries(vars).filter(([, value]) => value !== undefined);
  return Object.fromEntries(known.map(([name, value]) => [name, { type: "text", value: String(value) }]));
}
