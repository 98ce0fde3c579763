// Where the CPU time of a contestant's requests goes: a profile by workerd's inspector, reduced to a table.
import { setTimeout } from "node:timers/promises";
import { Stand } from "./stand.mjs";
import { cpuSeconds } from "./workerd.mjs";

const INTERVAL_MICROSECONDS = 100;
const COUNTED_REQUESTS = 100;
/** How long what a Worker has logged is on its way. */
const LOG_MILLISECONDS = 500;

/**
 * Profiles a contestant while it is under load. What the inspector itself costs is in the figures.
 *
 * @param {object} contestant as `ready` makes it
 * @param {import("./stand.mjs").Plan} plan
 * @param {import("./stand.mjs").World} world
 * @returns {Promise<{ taken: object, requests: number, perSecond: number, cpu: number, calls: [string, number][] }>} the
 *   profile as V8 gives it, workerd's CPU time in microseconds a request (NaN where it is not known), and how often a
 *   request calls what wasm imports
 */
export async function profile(contestant, plan, world) {
  const { warmup, requests } = plan;
  const stand = await Stand.open(contestant, plan, world, { inspectorPort: 0 });
  let result;
  try {
    await stand.sendFirst();
    await stand.send(warmup);
    const inspector = await Inspector.attach(new URL(`/core:user:${contestant.name}`, await stand.miniflare.getInspectorURL()));
    await inspector.ask("Profiler.enable");
    await inspector.ask("Profiler.setSamplingInterval", { interval: INTERVAL_MICROSECONDS });
    await inspector.ask("Profiler.start");
    const before = cpuSeconds(stand.pid);
    const { seconds } = await stand.send(requests);
    const cpu = ((cpuSeconds(stand.pid) - before) / requests) * 1e6;
    const { profile: taken } = await inspector.ask("Profiler.stop");
    inspector.close();
    result = { taken, requests, perSecond: requests / seconds, cpu };
  } finally {
    await stand.close();
  }
  return { ...result, calls: await crossings(contestant, plan, world) };
}

/**
 * How often a request calls each function that wasm imports, on a stand of its own, for counting slows down.
 *
 * @returns {Promise<[string, number][]>} beginning with the most often called; empty where there is no wasm
 */
async function crossings(contestant, plan, world) {
  const stand = await Stand.open(contestant, { ...plan, counting: true }, world);
  const counts = async () => {
    await setTimeout(LOG_MILLISECONDS);
    return JSON.parse(stand.log.at(-1) ?? "{}");
  };
  try {
    await stand.sendFirst();
    await stand.send(COUNTED_REQUESTS);
    const before = await counts();
    await stand.send(COUNTED_REQUESTS);
    return Object.entries(await counts())
      .map(([name, count]) => [readable(name), (count - before[name]) / COUNTED_REQUESTS])
      .filter(([, count]) => count > 0)
      .sort(([, a], [, b]) => b - a);
  } finally {
    await stand.close();
  }
}

/** A session with a Worker's inspector, by the Chrome DevTools Protocol. */
class Inspector {
  #next = 1;
  #waiting = new Map();

  static async attach(url) {
    const inspector = new Inspector();
    inspector.socket = new WebSocket(url);
    inspector.socket.onmessage = ({ data }) => inspector.#take(JSON.parse(data));
    await new Promise((resolve, reject) => {
      inspector.socket.onopen = resolve;
      inspector.socket.onerror = () => reject(new Error(`The inspector at ${url} does not answer.`));
    });
    return inspector;
  }

  ask(method, params = {}) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.socket.send(JSON.stringify({ id, method, params }));
    });
  }

  #take({ id, result, error }) {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) waiting?.reject(new Error(error.message));
    else waiting?.resolve(result);
  }

  close() {
    this.socket.close();
  }
}

const KINDS = [
  ["wasm", ({ url }) => url.startsWith("wasm://")],
  ["between wasm and JavaScript", ({ functionName }) => /^(wasm-to-js|js-to-wasm)/.test(functionName)],
  ["idle: the thread waits, or works for another isolate (D1's, the queue's)", named("(idle)")],
  ["the runtime outside of JavaScript", named("(program)")],
  ["garbage collection", named("(garbage collector)")],
  ["the D1 binding's own JavaScript", ({ url }) => url.startsWith("cloudflare-internal:d1")],
  ["JavaScript of the runtime", ({ url }) => /^(cloudflare|node)(-internal)?:/.test(url)],
  ["JavaScript of the Worker, with what it calls", ({ url }) => url !== ""],
  ["called of the runtime", () => true],
];

function named(name) {
  return ({ functionName }) => functionName === name;
}

/**
 * @param {{ taken: object, requests: number }} result what `profile` gives
 * @returns {{ kinds: [string, number][], functions: [string, string, number][] }} microseconds a request by kind, and by
 *   kind and function, both beginning with the largest. What is called of the runtime is told with whoever calls it
 */
export function reduced({ taken: { nodes, samples, timeDeltas }, requests }) {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const callers = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, byId.get(id)])));
  const kinds = new Map();
  const functions = new Map();
  const add = (map, key, time) => map.set(key, (map.get(key) ?? 0) + time / requests);
  for (const [index, id] of samples.entries()) {
    const node = byId.get(id);
    const [kind] = KINDS.find(([, holds]) => holds(node.callFrame));
    add(kinds, kind, timeDeltas[index]);
    add(functions, JSON.stringify([kind, place(node, callers)]), timeDeltas[index]);
  }
  const sorted = (map) => [...map].sort(([, a], [, b]) => b - a);
  return { kinds: sorted(kinds), functions: sorted(functions).map(([key, time]) => [...JSON.parse(key), time]) };
}

function place(node, callers) {
  const { functionName, url, lineNumber } = node.callFrame;
  const name = readable(functionName);
  if (/^(cloudflare|node)-internal:/.test(url)) return `${name}, ${url}:${lineNumber + 1}`;
  const caller = callers.get(node.id);
  return url === "" && caller && caller.callFrame.functionName !== "(root)" ? `${name} ← ${place(caller, callers)}` : name;
}

/** The name, without what wasm-bindgen adds to it. */
function readable(name) {
  return name.replace(/^__wbg_(\w+?)_[0-9a-f]{16}$/, "$1 (wasm-bindgen)") || "(nameless)";
}

const FUNCTIONS_SHOWN = 60;

/** Both as tables. */
export function profileTable(result) {
  const { kinds, functions } = reduced(result);
  const total = kinds.reduce((sum, [, time]) => sum + time, 0);
  const share = (time) => `${time.toFixed(1)} | ${((100 * time) / total).toFixed(1)} %`;
  const cpu = Number.isNaN(result.cpu) ? "" : `; workerd took ${Math.round(result.cpu)} µs of CPU time a request`;
  return [
    `${Math.round(result.perSecond)} requests per second under the profiler${cpu}.`,
    "",
    "| where | µs a request | share |",
    "| --- | --- | --- |",
    ...kinds.map(([kind, time]) => `| ${kind} | ${share(time)} |`),
    "",
    "| function | kind | µs a request | share |",
    "| --- | --- | --- | --- |",
    ...functions.slice(0, FUNCTIONS_SHOWN).map(([kind, name, time]) => `| ${name} | ${kind} | ${share(time)} |`),
    ...(result.calls.length > 0 ? ["", `| imported by wasm | calls a request |`, "| --- | --- |"] : []),
    ...result.calls.map(([name, count]) => `| ${name} | ${Number(count.toFixed(2))} |`),
  ].join("\n");
}
