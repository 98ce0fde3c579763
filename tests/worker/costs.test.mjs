/**
 * What each request costs, counted: round trips to the database and statements in them, reads of the cache, fetches,
 * messages to the queue; and the bundle in bytes. A change that raises a number fails here with both. One that lowers it
 * fails as well: the table says what is so, and docs/performance.md repeats it.
 */
import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { REPOSITORY } from "../support/repository.mjs";
import { Stage } from "../support/stage.mjs";
import { subjectTokenOf, tokenExchange } from "../support/token-exchange.mjs";
import { STEP_SECONDS, totp } from "../support/totp.mjs";
import { builtFolder } from "../support/worker.mjs";

const SUBJECT_AUDIENCE = "https://app.example.com";

/** Round trips, statements, cache reads, fetches, queue messages. */
const WARM = {
  "associate, app": [1, 1, 0, 0, 0],
  "associate, SMS": [1, 3, 0, 0, 1],
  "associate, e-mail": [1, 3, 0, 0, 1],
  "associate, SMS, with an Idempotency-Key": [1, 3, 0, 0, 1],
  "challenge, app": [1, 2, 0, 0, 0],
  "challenge, SMS": [2, 5, 0, 0, 1],
  "token, first code of an app": [2, 15, 0, 0, 0],
  "token, code of an app": [2, 8, 0, 0, 0],
  "token, first code of a text message": [2, 16, 0, 0, 0],
  "token, code of a text message": [2, 12, 0, 0, 0],
  "token, first code of a mail": [3, 18, 0, 0, 0],
  "token, recovery code": [2, 8, 0, 0, 0],
  "token, wrong code": [1, 4, 0, 0, 0],
  "token exchange": [1, 2, 0, 0, 0],
  list: [1, 2, 0, 0, 0],
  remove: [1, 9, 0, 0, 1],
  "an invalid bearer": [0, 0, 0, 0, 0],
  preflight: [0, 0, 0, 0, 0],
  "key set": [0, 0, 0, 0, 0],
};

/** The first request of an isolate, with the issuer's keys in the cache or not: the client's row comes with it. */
const COLD = {
  "the first of all": [2, 2, 1, 1, 0],
  "the first of an isolate": [2, 2, 1, 0, 0],
};

const stage = new Stage();
beforeAll(() =>
  stage.set([{ may: ["exchange", "mfa_token", "access_token"], entry: { audiences: [SUBJECT_AUDIENCE] } }], {
    isolates: 2,
    consume: false,
  }),
);
afterAll(() => stage.clear());

/** Asks, and returns what it cost. */
async function cost(ask, status = 200) {
  const { result, roundTrips, statements, kvReads, fetches, sent } = await stage.world.cost(ask);
  expect({ status: result.status, body: await result.clone().text() }).toMatchObject({ status });
  return [roundTrips.length, statements, kvReads.length, fetches.length, sent.length];
}

const measured = {};
const measure = async (name, ask, status) => {
  measured[name] = await cost(ask, status);
};

describe("a request", () => {
  test("costs what the table says", async () => {
    const { world } = stage;
    const deliver = async (ask) => {
      const { result, sent } = await world.cost(ask);
      await world.deliver(sent);
      return await result.json();
    };
    await measure("the first of all", () => stage.person().associateOtp({ isolate: 0 }));
    await measure("the first of an isolate", () => stage.person().associateOtp({ isolate: 1 }));
    const cold = { ...measured };
    for (const name of Object.keys(cold)) delete measured[name];

    await measure("associate, app", () => stage.person().associateOtp());
    await measure("associate, SMS", () => stage.person().associateSms());
    await measure("associate, e-mail", () => stage.person().associateEmail());
    const headers = { "idempotency-key": "k-0123456789abcdef" };
    await measure("associate, SMS, with an Idempotency-Key", () => stage.person().associateSms({ headers }));

    const person = stage.person();
    const { secret, recovery_codes } = await (await person.associateOtp()).json();
    const otp = () => totp(secret, world.now());
    const code = { mfa_token: person.mfaToken(), otp: otp() };
    await measure("token, first code of an app", () => person.exchange("otp", code));
    await world.advance(STEP_SECONDS);
    await measure("token, code of an app", () => person.exchange("otp", { mfa_token: person.mfaToken(), otp: otp() }));
    await measure("token, wrong code", () => person.exchange("otp", { mfa_token: person.mfaToken(), otp: "000000" }), 403);
    const recovery_code = recovery_codes[0];
    await measure("token, recovery code", () => person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code }));
    await measure("challenge, app", () => person.challenge());

    const caller = stage.person();
    const mfa_token = caller.mfaToken();
    const { oob_code } = await deliver(() => caller.associateSms({ token: mfa_token }));
    const binding_code = await stage.webhook.codeFor(caller.number);
    await measure("token, first code of a text message", () => caller.exchange("oob", { mfa_token, oob_code, binding_code }));
    const login = caller.mfaToken();
    await measure("challenge, SMS", () => caller.challenge({ mfa_token: login }));
    const challenge = await deliver(() => caller.challenge({ mfa_token: login }));
    const next = await stage.webhook.codeFor(caller.number, { count: 2 });
    const parameters = { mfa_token: login, oob_code: challenge.oob_code, binding_code: next };
    await measure("token, code of a text message", () => caller.exchange("oob", parameters));

    const reader = stage.person();
    const beginning = reader.mfaToken();
    const mail = await deliver(() => reader.associateEmail({ token: beginning }));
    const typed = { mfa_token: beginning, oob_code: mail.oob_code, binding_code: await stage.webhook.codeFor(reader.email) };
    await measure("token, first code of a mail", () => reader.exchange("oob", typed));

    const client = await stage.addClient({ authentication: "post" });
    const exchanging = stage.person({ client });
    const subject_token = () => subjectTokenOf(exchanging, SUBJECT_AUDIENCE);
    await tokenExchange(world, exchanging, { subject_token: subject_token() });
    await measure("token exchange", () => tokenExchange(world, exchanging, { subject_token: subject_token() }));
    await measure("list", () => person.list());
    const other = stage.person({ claims: { sub: caller.sub } });
    const list = await (await other.list({ token: caller.mfaToken() })).json();
    await measure("remove", () => caller.remove(list.find(({ type }) => type === "phone").id), 204);
    await measure("an invalid bearer", () => person.associateOtp({ token: "x" }), 401);
    const origin = { origin: "https://app.example.com", "access-control-request-method": "POST" };
    await stage.addClient({ origins: [origin.origin] });
    await world.advance(61);
    const preflight = () => world.fetch("/mfa/associate", { method: "OPTIONS", headers: origin });
    await preflight();
    await measure("preflight", preflight, 204);
    await measure("key set", () => world.fetch("/.well-known/jwks.json"));
    expect(measured).toEqual(WARM);
    expect(cold).toEqual(COLD);
  });
});

describe("the documentation", () => {
  test("repeats the table", async () => {
    const text = await readFile(new URL("docs/performance.md", REPOSITORY), "utf8");
    for (const [name, numbers] of Object.entries({ ...WARM, ...COLD }))
      expect(text).toContain(`| ${name} | ${numbers.join(" | ")} |`);
  });
});

const built = (name) => readFile(new URL(name, builtFolder("deploy")));

describe("the bundle", () => {
  /** Of 1000 bytes, gzipped as the platform counts them. Compilers differ by a hundredth. */
  const KILOBYTES = 310;

  test("has grown no further, and docs/performance.md says how large it is", async () => {
    const files = await Promise.all(["index.js", "index_bg.wasm"].map(built));
    const kilobytes = files.reduce((sum, file) => sum + gzipSync(file, { level: 9 }).length, 0) / 1000;
    expect(kilobytes).toBeLessThanOrEqual(KILOBYTES * 1.01);
    expect(kilobytes).toBeGreaterThan(KILOBYTES * 0.98);
    expect(await readFile(new URL("docs/performance.md", REPOSITORY), "utf8")).toContain(`takes ${KILOBYTES} KB gzipped`);
  });
});

describe("a start", () => {
  /** What is done before the first request: pages of 64 KB, and calls from wasm to JavaScript. */
  const PAGES = 18;
  const CALLS = 1;

  test("takes no more memory and does no more work than it did", async () => {
    const module = new WebAssembly.Module(await built("index_bg.wasm"));
    const called = [];
    const imports = {};
    for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
      expect(kind).toBe("function");
      (imports[from] ??= {})[name] = () => void called.push(name);
    }
    const { exports } = new WebAssembly.Instance(module, imports);
    exports.__wbindgen_start();
    expect({ pages: exports.memory.buffer.byteLength / 65_536, calls: called.length }).toEqual({ pages: PAGES, calls: CALLS });
  });
});
