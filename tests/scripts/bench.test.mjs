/** The benchmark: its figures, its page, and that nobody gets through who does not do the work. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Cast } from "../../bench/cast.mjs";
import { BASE, CONTESTANTS, ready } from "../../bench/contestants.mjs";
import { Connection, parsed } from "../../bench/load/connection.mjs";
import { Load } from "../../bench/load/load.mjs";
import { options } from "../../bench/options.mjs";
import { profile, profileTable, reduced } from "../../bench/profile.mjs";
import { inserted, plot, section, table } from "../../bench/report.mjs";
import { round, shares } from "../../bench/round.mjs";
import { series } from "../../bench/series.mjs";
import { median, percentile, rotated, summarize } from "../../bench/statistics.mjs";
import { REPOSITORY } from "../support/repository.mjs";

const read = (path) => readFileSync(new URL(path, REPOSITORY), "utf8");

describe("the figures", () => {
  test("a median is the one in the middle, or between the two", () => {
    expect(median([30, 1, 2])).toBe(2);
    expect(median([4, 1, 10, 2])).toBe(3);
  });

  test("a percentile is one of the numbers, the smallest that so many are not above", () => {
    const numbers = Float64Array.from({ length: 200 }, (_, index) => 200 - index);
    expect([percentile(numbers, 50), percentile(numbers, 99), percentile(numbers, 100)]).toEqual([100, 198, 200]);
    expect(percentile([7], 99)).toBe(7);
  });

  test("every round begins with another contestant, and has all", () => {
    expect([0, 1, 2, 3].map((round) => rotated(["a", "b", "c"], round).join(""))).toEqual(["abc", "bca", "cab", "abc"]);
  });

  test("turns have all requests, and none is without", () => {
    expect(shares(25, 10)).toEqual([2, 3, 2, 3, 2, 3, 2, 3, 2, 3]);
    expect(shares(3, 10)).toEqual([1, 1, 1]);
  });

  test("a ratio is taken within a round: a slow minute of the machine slows both", () => {
    const rounds = [
      { base: { perSecond: 1000, cpu: 0.4 }, other: { perSecond: 500, cpu: 0.8 } },
      { base: { perSecond: 100, cpu: 4 }, other: { perSecond: 60, cpu: 5 } },
      { base: { perSecond: 800, cpu: 0.4 }, other: { perSecond: 320, cpu: 1 } },
    ];
    const [base, other] = summarize(rounds, "base");
    expect(base).toMatchObject({ name: "base", perSecond: 800, speed: { median: 1, least: 1, most: 1 } });
    expect(other).toMatchObject({ name: "other", perSecond: 320, cpu: 1, speed: { median: 0.5, least: 0.4, most: 0.6 } });
    expect(other.thrift).toEqual({ median: 0.5, least: 0.4, most: 0.8 });
  });

  test("what a system does not tell is left out", () => {
    const [line] = summarize([{ base: { perSecond: 1, cpu: undefined } }], "base");
    expect(line.cpu).toBeUndefined();
    expect(line.thrift).toBeUndefined();
    expect(line.speed.median).toBe(1);
  });
});

describe("an answer on the wire", () => {
  const bytes = (text) => Buffer.from(text.replaceAll("\n", "\r\n"));

  test("is there when all of it is", () => {
    const whole = bytes('HTTP/1.1 201 Created\nContent-Length: 9\n\n{"ä":"b"}');
    expect(parsed(whole.subarray(0, 30))).toBeUndefined();
    expect(parsed(whole.subarray(0, -2))).toBeUndefined();
    const { status, text } = parsed(bytes('HTTP/1.1 201 Created\nContent-Length: 10\n\n{"ä":"b"}'));
    expect([status, text()]).toEqual([201, '{"ä":"b"}']);
  });

  test("is joined where it comes in chunks", () => {
    const whole = bytes("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n4\nabcd\n2\nef\n0\n\n");
    expect(parsed(whole.subarray(0, -3))).toBeUndefined();
    expect(parsed(whole).text()).toBe("abcdef");
  });

  test("that never comes is an error", async () => {
    const server = createServer((socket) => socket.on("data", () => socket.end("HTTP/1.1 200 OK\r\n"))).listen(0, "127.0.0.1");
    await once(server, "listening");
    const connection = await Connection.open(server.address().port);
    await expect(connection.ask("x")).rejects.toThrow("closed the connection");
    connection.close();
    server.close();
  });
});

describe("the options", () => {
  test("leave nobody out by themselves, and never the one that the ratios are to", () => {
    expect(options([])).toMatchObject({ only: Object.keys(CONTESTANTS), workloads: ["otp", "sms"], whole: true });
    expect(options(["--only", "countersign"])).toMatchObject({ only: [BASE, "countersign"], whole: false });
    expect(options(["--workload", "sms"])).toMatchObject({ workloads: ["sms"], whole: false });
    expect(options(["--profile", "--only", "typescript"]).only).toEqual(["typescript"]);
    expect(options(["--profile"]).only).toEqual(["countersign"]);
  });

  test("that make no sense are named", () => {
    expect(() => options(["--only", "countersing"])).toThrow('no contestant "countersing"');
    expect(() => options(["--rounds", "0"])).toThrow("--rounds is a whole number from 1");
    expect(() => options(["--requests", "1e9x"])).toThrow("--requests");
    expect(() => options(["--workload", "email"])).toThrow("otp or sms");
    expect(() => options(["--fast"])).toThrow("--fast");
  });
});

describe("the page", () => {
  const line = (name, title, ratio, more = {}) => ({
    name,
    title,
    perSecond: 2000.4 * ratio,
    p50: 3.14,
    p99: 9.87,
    cpu: 0.4 / ratio,
    megabytes: 131.4,
    kilobytes: 321.4,
    start: 201.3,
    firstAnswer: 33.34,
    busy: 0.1,
    speed: { median: ratio, least: ratio - 0.1, most: ratio + 0.1 },
    thrift: { median: ratio, least: ratio, most: ratio },
    ...more,
  });
  const lines = [line("bare", "bare", 7), line(BASE, "base", 1), line("countersign", 'C & "S" <it>', 0.75)];
  const machine = {
    date: "2026-11-29",
    commit: "abc",
    processor: "A processor",
    cores: 2,
    workerd: "1",
    node: "22",
    memory: true,
  };
  const plan = { rounds: 7, requests: 100, warmup: 10, inFlight: 8 };

  test("has a row for each contestant, as wide as its head", () => {
    const rows = table(lines).split("\n");
    expect(rows).toHaveLength(5);
    expect(new Set(rows.map((row) => row.match(/(?<!\\)\|/g).length)).size).toBe(1);
    expect(rows[4]).toBe(
      '| C & "S" <it> | 1500 | 0.75 (0.65–0.85) | 3.1 | 9.9 | 0.53 | 0.75 (0.75–0.75) | 131 | 321 | 201 | 33.3 |',
    );
  });

  test("says nothing where nothing is known", () => {
    const unknown = { cpu: undefined, thrift: undefined, megabytes: undefined, speed: undefined };
    expect(table([line("x", "x", 1, unknown)])).toContain("| x | 2000 | – | 3.1 | 9.9 | – | – | – | 321 |");
  });

  test("tells the machine, the plan and the busiest that the load generator was", () => {
    const variants = [{ title: "another way", lines: [line(BASE, "base", 1)] }];
    const text = section({
      machine,
      plan,
      series: [{ workload: "otp", lines: [...lines, line("y", "y", 1, { busy: 0.375 })] }],
      variants,
    });
    const prose = text.replaceAll("\n", " ");
    expect(prose).toContain("commit abc: A processor, 2 cores");
    expect(prose).toContain("7 rounds of 100 requests after 10, 8 at once");
    expect(prose).toContain("0.38 of a core");
    expect(text).toContain("| another way | base | 2000 | 1.00 (0.90–1.10) | 0.40 | 1.00 (1.00–1.00) |");
    expect(text).not.toContain("/dev/shm");
    expect(
      section({ machine: { ...machine, memory: false }, plan, series: [{ workload: "otp", lines }], variants: [] }),
    ).toContain("/dev/shm");
  });

  test("is replaced between its markers, and nowhere else", () => {
    const page = (middle) => `before\n<!-- bench:begin -->${middle}<!-- bench:end -->\nafter\n`;
    const once = inserted(page("\n"), "new\n\n");
    expect(once).toBe(page("\nnew\n"));
    expect(inserted(once, "newer")).toBe(page("\nnewer\n"));
    for (const broken of [
      "",
      page("\n").replace("<!-- bench:end -->", ""),
      page("\n") + page("\n"),
      "<!-- bench:end --><!-- bench:begin -->",
    ]) {
      expect(() => inserted(broken, "new")).toThrow("docs/performance.md must have");
    }
  });

  test("has a bar for each ratio, as long as it is, and text that is no markup", () => {
    const svg = plot([{ workload: "otp", lines }], BASE);
    const widths = [...svg.matchAll(/<rect x="250" [^>]*width="([\d.]+)" height="16"/g)].map(([, width]) => Number(width));
    expect(widths).toHaveLength(2);
    expect(widths[1] / widths[0]).toBeCloseTo(0.75, 2);
    expect(svg).toContain(">C &amp; &quot;S&quot; &lt;it></text>");
    expect(svg).toContain('fill="#ffffff"');
  });
});

test("docs/performance.md has figures of all contestants, and the picture is there", () => {
  const page = read("docs/performance.md");
  const [, measured] = /<!-- bench:begin -->([\s\S]*)<!-- bench:end -->/.exec(page);
  const rows = measured.split("\n");
  for (const { title, workloads } of Object.values(CONTESTANTS)) {
    expect(
      rows.filter((row) => row.startsWith(`| ${title} | `)),
      title,
    ).toHaveLength(workloads.length);
  }
  expect(measured).toContain("](benchmark.svg)");
  expect(read("docs/benchmark.svg")).toMatch(/^<svg /);
});

test("a profile is shared out to what was running, and to who had called it", () => {
  const frame = (functionName, url = "", lineNumber = 0) => ({ functionName, url, lineNumber });
  const nodes = [
    { id: 1, callFrame: frame("(root)"), children: [2, 3, 6] },
    { id: 2, callFrame: frame("__wbg_verify_be295c84dfd4117f", "file:///index.js"), children: [4] },
    { id: 3, callFrame: frame("wasm-function[7]", "wasm://wasm/1"), children: [] },
    { id: 4, callFrame: frame("verify") },
    { id: 6, callFrame: frame("(idle)") },
  ];
  const { kinds, functions } = reduced({
    taken: { nodes, samples: [4, 3, 2, 6, 4], timeDeltas: [10, 20, 6, 100, 30] },
    requests: 2,
  });
  expect(functions.slice(1)).toEqual([
    ["called of the runtime", "verify ← verify (wasm-bindgen)", 20],
    ["wasm", "wasm-function[7]", 10],
    ["JavaScript of the Worker, with what it calls", "verify (wasm-bindgen)", 3],
  ]);
  expect(kinds.map(([, time]) => time)).toEqual([50, 20, 10, 3]);
});

describe("a run", () => {
  const plan = { warmup: 10, requests: 40, inFlight: 4 };
  let cast;
  let load;
  beforeAll(async () => {
    cast = await Cast.assemble();
    load = new Load();
  });
  afterAll(async () => {
    load.close();
    await cast.disperse();
  });

  test("measures whom it is told to, each workload, with the work done", async () => {
    const contestants = await Promise.all(["bare", BASE, "countersign"].map(ready));
    for (const conditions of [{ workload: "otp" }, { workload: "sms", consumer: true, logs: true }]) {
      const lines = await series(contestants, { ...plan, ...conditions }, 1, { cast, load });
      expect(lines.map(({ name }) => name)).toEqual(["bare", BASE, "countersign"]);
      for (const { perSecond, p50, p99, speed, firstAnswer } of lines) {
        expect(perSecond).toBeGreaterThan(0);
        expect(p50).toBeGreaterThan(0);
        expect(p99).toBeGreaterThanOrEqual(p50);
        expect(speed.median).toBeGreaterThan(0);
        expect(firstAnswer).toBeGreaterThan(0);
      }
      if (process.platform === "linux") expect(lines.every(({ megabytes }) => megabytes > 10)).toBe(true);
    }
    // Each of the messages of the second one has reached the provider.
    expect(cast.webhook.taken).toBe(51);
  });

  test("is profiled: what takes the time, and what wasm calls", async () => {
    const people = cast.people(1 + 200);
    const result = await profile(await ready("countersign"), { ...plan, workload: "otp" }, { cast, load, people });
    const imported = Object.fromEntries(result.calls);
    expect(imported).toMatchObject({ "verify (wasm-bindgen)": 1, "batch (wasm-bindgen)": 1 });
    expect(imported["now (wasm-bindgen)"]).toBeGreaterThan(1);
    const table = profileTable(result);
    expect(table).toMatch(/^\| wasm \| [\d.]+ \| [\d.]+ % \|$/m);
    expect(table).toContain("| batch (wasm-bindgen) | 1 |");
  });

  const tried = async (contestant, workload = "otp") =>
    round([{ ...(await ready(BASE)), ...contestant }], { ...plan, workload }, { cast, load, people: cast.people(51) });

  test.each(["otp", "sms"])("puts Countersign's own statements to D1 with all that they bind: %s", async (workload) => {
    await expect(tried(await ready("bare-statements"), workload)).resolves.toMatchObject({
      "bare-statements": expect.any(Object),
    });
  });

  test("ends where an answer is no success, and shows it", async () => {
    const countersign = await ready("countersign");
    const request = (person) => ({ ...countersign.request({ ...person, token: "none" }, "otp") });
    await expect(tried({ ...countersign, request })).rejects.toThrow(
      /countersign, otp: .*answered 401: \{"error":"invalid_grant"/,
    );
  });

  test("ends where the work was not done", async () => {
    const contents = 'export default { fetch: () => Response.json({ id: "x", client: "Client" }) };';
    const files = { "worker.js": { type: "esm", contents } };
    await expect(tried({ files })).rejects.toThrow("first: 0 in the database, and there should be 51.");
  });

  test("ends where an answer lacks what it should have", async () => {
    const contents = 'export default { fetch: () => Response.json({ id: "x" }) };';
    await expect(tried({ files: { "worker.js": { type: "esm", contents } } })).rejects.toThrow("The answer has no client");
  });
});
