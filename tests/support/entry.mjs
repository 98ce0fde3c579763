/**
 * The entry module of a Worker under test. It stands around the built Worker, which it imports unchanged, and adds what
 * a test needs and a deployed Worker must not have: a clock that can be moved, faults in the bindings, a death in the
 * middle of a request, and counts of what a request cost. It is driven by requests to CONTROL_PATH, which the built Worker never sees.
 */
import { WorkerEntrypoint } from "cloudflare:workers";
import built from "./built/index.js";
import trap from "./trap.wasm";

const CONTROL_PATH = "/__test/control";

// --- The clock -----------------------------------------------------------------------------------------------------

const RealDate = Date;
// `skew` is this isolate's own: how far it is ahead of the others.
const clock = { offset: 0, frozenAt: null, skew: 0 };

function now() {
  return (clock.frozenAt ?? RealDate.now() + clock.offset) + clock.skew;
}

globalThis.Date = class extends RealDate {
  constructor(...parts) {
    if (parts.length === 0) super(now());
    else super(...parts);
  }

  static now() {
    return now();
  }
};

// --- What happened -------------------------------------------------------------------------------------------------

const nothing = () => ({
  roundTrips: [],
  nearby: [],
  statements: 0,
  rowsRead: 0,
  rowsWritten: 0,
  kvReads: [],
  kvWrites: [],
  fetches: [],
  sent: [],
});
let counts = nothing();
let pending = 0;
const queued = [];
const points = [];
const lines = [];

for (const level of ["debug", "log", "info", "warn", "error"]) {
  const write = console[level].bind(console);
  console[level] = (...parts) => {
    lines.push({ level, text: parts.map(asText).join(" ") });
    write(...parts);
  };
}

function asText(part) {
  if (typeof part === "string") return part;
  if (part instanceof Error) return `${part.stack}`;
  return JSON.stringify(part) ?? String(part);
}

// --- Faults --------------------------------------------------------------------------------------------------------

/**
 * Each: { on, matching, mode, times, message, milliseconds }. `mode` is "before", "after", "hang", "slow", "twice", "dies
 * before" or "dies after". `on` is a binding (DB, JWKS, OOB_QUEUE, SHIELD, AUDIT_QUEUE, METRICS), "fetch", or "queue" for the
 * consumer as a whole, which then dies before it does anything.
 */
let faults = [];

function takeFault(on, subject) {
  const fault = faults.find((each) => each.on === on && each.times > 0 && new RegExp(each.matching ?? "", "i").test(subject));
  if (fault) fault.times -= 1;
  return fault;
}

async function withFaults(on, subject, run) {
  const born = deaths;
  const fault = takeFault(on, subject);
  if (fault?.mode === "before") throw new Error(fault.message);
  if (fault?.mode === "dies before") return die();
  if (fault?.mode === "hang") {
    fault.held = (fault.held ?? 0) + 1;
    // A request may not wait on another request's promise, so it looks again instead.
    while (faults.includes(fault)) await new Promise((resolve) => setTimeout(resolve, 2));
    if (deaths !== born) return new Promise(() => {});
  }
  if (fault?.mode === "slow") await new Promise((resolve) => setTimeout(resolve, fault.milliseconds));
  if (fault?.mode === "twice") await run();
  const result = await run();
  if (fault?.mode === "after") throw new Error(fault.message);
  if (fault?.mode === "dies after") return die();
  return result;
}

// --- Death ---------------------------------------------------------------------------------------------------------

/** How often this isolate has died. */
let deaths = 0;

/**
 * Throws the instance away, with its memory and everything that is under way in it, and makes a new one: what becomes of
 * an isolate that is evicted or reset, and of one whose code traps, by whose means it is done. Whoever waits here waits for
 * ever: nothing of the old instance goes on.
 */
function die() {
  deaths += 1;
  pending = 0;
  // In a microtask, as all of the Worker's code runs that has waited for something.
  Promise.resolve().then(() => new WebAssembly.Instance(trap).exports.trap());
  return new Promise(() => {});
}

/** What `work` comes to, or an error if the isolate dies first. */
async function alive(work) {
  const born = deaths;
  let over = false;
  // A request may not wait on another request's promise, so it looks again instead.
  const death = async () => {
    while (!over && deaths === born) await new Promise((resolve) => setTimeout(resolve, 10));
    if (!over) throw new Gone("This isolate has died.");
  };
  try {
    return await Promise.race([work(), death()]);
  } finally {
    over = true;
  }
}

class Gone extends Error {}

// --- Bindings ------------------------------------------------------------------------------------------------------

/** The binding itself, but for the named methods. Everything else, its constructor's name included, is the real one's. */
function instead(target, methods) {
  return new Proxy(target, {
    get(real, name) {
      if (Object.hasOwn(methods, name)) return methods[name];
      const value = Reflect.get(real, name, real);
      return typeof value === "function" && name !== "constructor" ? value.bind(real) : value;
    },
  });
}

const statements = new WeakMap();

function roundTrip(sqls, run) {
  counts.roundTrips.push(sqls);
  counts.statements += sqls.length;
  return withFaults("DB", sqls.join("\n"), run);
}

/** D1 says of each statement how many rows it has read and written, indexes included: what it is paid by. */
function countRows(results) {
  for (const { meta } of results) {
    counts.rowsRead += meta.rows_read;
    counts.rowsWritten += meta.rows_written;
  }
  return results;
}

function statement(sql, real, nearby) {
  const proxy = instead(real, {
    bind: (...values) => statement(sql, real.bind(...values), nearby),
    first: (...args) => roundTrip([sql], () => real.first(...args)),
    run: (...args) => roundTrip([sql], () => real.run(...args)),
    all: () => {
      if (nearby) counts.nearby.push({ constraint: nearby, sqls: [sql] });
      return roundTrip([sql], async () => countRows([await real.all()])[0]);
    },
    raw: (...args) => roundTrip([sql], () => real.raw(...args)),
  });
  statements.set(proxy, { sql, real });
  return proxy;
}

/** The database, or a session of it: `nearby` is the constraint that it began with, if it is one. */
function database(real, nearby) {
  return instead(real, {
    prepare: (sql) => statement(sql, real.prepare(sql), nearby),
    withSession: (constraint) => database(real.withSession(constraint), constraint),
    batch: (list) => {
      const known = Array.from(list, (each) => statements.get(each));
      if (nearby) counts.nearby.push({ constraint: nearby, sqls: known.map((each) => each.sql) });
      return roundTrip(
        known.map((each) => each.sql),
        async () => countRows(await real.batch(known.map((each) => each.real))),
      );
    },
    exec: (sql) => roundTrip([sql], () => real.exec(sql)),
  });
}

function namespace(real) {
  const read =
    (name) =>
    (key, ...rest) => {
      counts.kvReads.push(key);
      return withFaults("JWKS", `${name} ${key}`, () => real[name](key, ...rest));
    };
  return instead(real, {
    get: read("get"),
    getWithMetadata: read("getWithMetadata"),
    list: read("list"),
    put: (key, ...rest) => {
      counts.kvWrites.push(key);
      return withFaults("JWKS", `put ${key}`, () => real.put(key, ...rest));
    },
  });
}

function queue(real) {
  return instead(real, {
    send: (body, ...rest) => {
      counts.sent.push(body);
      queued.push(body);
      return withFaults("OOB_QUEUE", JSON.stringify(body) ?? "", () => real.send(body, ...rest));
    },
    sendBatch: (messages, ...rest) => {
      const list = Array.from(messages);
      counts.sent.push(...list.map((each) => each.body));
      queued.push(...list.map((each) => each.body));
      return withFaults("OOB_QUEUE", JSON.stringify(list) ?? "", () => real.sendBatch(list, ...rest));
    },
  });
}

function rateLimit(real) {
  return instead(real, {
    limit: (options) => withFaults("SHIELD", options.key, () => real.limit(options)),
  });
}

/** The queue of events: whoever takes them from it sees what was sent. */
function auditQueue(real) {
  return instead(real, {
    send: (body, ...rest) => withFaults("AUDIT_QUEUE", JSON.stringify(body) ?? "", () => real.send(body, ...rest)),
  });
}

/** A dataset of Analytics Engine for one event, which takes what the real one takes and nothing else. */
function dataset() {
  const bytes = (text) => new TextEncoder().encode(text).byteLength;
  const list = (values, kind, maximum) =>
    Array.isArray(values) && values.length <= maximum && values.every((value) => typeof value === kind);
  let written = 0;
  return {
    writeDataPoint(point) {
      const { indexes, blobs, doubles, ...others } = point;
      const fault = takeFault("METRICS", JSON.stringify(point));
      if (fault) throw new Error(fault.message);
      written += 1;
      if (written > 250) throw new TypeError("an invocation writes at most 250 data points");
      if (Object.keys(others).length > 0) throw new TypeError(`a data point has no ${Object.keys(others)}`);
      if (!list(indexes, "string", 1) || bytes(indexes.join("")) > 96) throw new TypeError("an index is too long");
      if (!list(blobs, "string", 20) || bytes(blobs.join("")) > 16 * 1024) throw new TypeError("blobs are too long");
      if (!list(doubles, "number", 20) || !doubles.every(Number.isFinite)) throw new TypeError("doubles are no numbers");
      points.push(point);
    },
  };
}

const realFetch = globalThis.fetch;
globalThis.fetch = (input, init) => {
  const url = typeof input === "string" ? input : (input.url ?? String(input));
  counts.fetches.push(url);
  return withFaults("fetch", url, () => realFetch(input, init));
};

/** The binding of Cloudflare Email Service, played by the double at `url`: it throws Errors with a `code`. */
function email(url) {
  return {
    async send(message) {
      const response = await realFetch(url, { method: "POST", body: JSON.stringify(message) });
      const { code, message: problem, ...result } = await response.json();
      if (!response.ok) throw Object.assign(new Error(problem), code && { code });
      return result;
    },
  };
}

function wrapped({ EMAIL_DOUBLE, METRICS_DOUBLE, ...env }) {
  const bindings = { ...env, DB: database(env.DB), JWKS: namespace(env.JWKS), OOB_QUEUE: queue(env.OOB_QUEUE) };
  if (env.SHIELD) bindings.SHIELD = rateLimit(env.SHIELD);
  if (env.AUDIT_QUEUE) bindings.AUDIT_QUEUE = auditQueue(env.AUDIT_QUEUE);
  if (METRICS_DOUBLE) bindings.METRICS = dataset();
  return EMAIL_DOUBLE ? { ...bindings, EMAIL: email(EMAIL_DOUBLE) } : bindings;
}

// --- The Worker ----------------------------------------------------------------------------------------------------

async function whilePending(work) {
  const born = deaths;
  pending += 1;
  try {
    return await work();
  } finally {
    if (deaths === born) pending -= 1;
  }
}

async function control(request) {
  const command = await request.json();
  if (command.clock) Object.assign(clock, command.clock);
  if (command.faults) faults = command.faults;
  if (command.reset) counts = nothing();
  if (command.forget) for (const list of [queued, points, lines]) list.length = 0;
  return Response.json({
    counts,
    pending,
    deaths,
    queued,
    points,
    lines,
    held: faults.reduce((sum, each) => sum + (each.held ?? 0), 0),
  });
}

export default class extends WorkerEntrypoint {
  #tell(event, what) {
    const context = this.ctx;
    const waitUntil = context.waitUntil.bind(context);
    context.waitUntil = (work) => waitUntil(whilePending(() => work));
    return built[event](what, wrapped(this.env), context);
  }

  async fetch(request) {
    if (new URL(request.url).pathname === CONTROL_PATH) return control(request);
    try {
      return await whilePending(() => alive(() => this.#tell("fetch", request)));
    } catch (error) {
      if (error instanceof Gone) return new Response(null, { status: 500, headers: { "test-isolate": "gone" } });
      throw error;
    }
  }

  queue(batch) {
    return whilePending(() => alive(() => withFaults("queue", "", () => this.#tell("queue", batch))));
  }

  scheduled(event) {
    return whilePending(() => alive(() => this.#tell("scheduled", event)));
  }
}
