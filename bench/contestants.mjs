// The contestants: where their modules come from, what they are bound to, and what they must have done in the end.
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { addClient } from "../tests/support/clients.mjs";
import { encryptionKeys, signingKey } from "../tests/support/keys.mjs";
import { migrate } from "../tests/support/migrations.mjs";
import { compatibility } from "../tests/support/repository.mjs";
import { builtFolder, PUBLIC_URL, QUEUE, TENANT_NAME } from "../tests/support/worker.mjs";
import { CLIENT, RANGES, SECRET } from "./cast.mjs";
import { PASSWORD } from "./contestants/better-auth/password.js";

/** @typedef {import("./cast.mjs").Cast} Cast */
/** @typedef {"otp" | "sms"} Workload */

/** Whom the ratios are to. */
export const BASE = "bare-batch";

/** Where the requests say that they come from: what Cloudflare tells a Worker of each. */
const ORIGIN = JSON.stringify({ asn: 64500, country: "DE" });

const BODIES = {
  otp: () => ({ authenticator_types: ["otp"] }),
  sms: ({ phone }) => ({ authenticator_types: ["oob"], oob_channels: ["sms"], phone_number: phone }),
};

/**
 * The rows of buckets of so many people's messages: each has a user, a recipient, an address, a prefix and a range of numbers
 * (as long as there are enough) of their own; one is everybody's.
 */
const BUDGETS = (requests) => 4 * requests + Math.min(requests, RANGES) + 1;

/** The request that all but better-auth are sent. */
const associate = (person, workload) => ({
  path: "/mfa/associate",
  headers: {
    authorization: `Bearer ${person.token}`,
    "cf-connecting-ip": person.address,
    "mf-cf-blob": ORIGIN,
    "user-agent": "bench",
  },
  body: JSON.stringify(BODIES[workload](person)),
});

/** What all that write Countersign's tables have written after so many requests: { what: [rows, wanted] }. */
const associated = async (db, workload, requests, delivered, budgets = BUDGETS(requests)) => ({
  enrollments: [await count(db, "enrollments WHERE recovery_hash IS NOT NULL AND length(sealed) > 40"), requests],
  ...(workload === "sms" && {
    deliveries: [await count(db, `deliveries WHERE state = '${delivered ? "sent" : "waiting"}'`), requests],
    "message budgets": [await count(db, "message_budgets WHERE full_at > 0"), budgets],
  }),
});

const prepareAssociate = async (db) => {
  await migrate(db);
  await addClient({ db, now: () => Math.floor(Date.now() / 1000) }, { id: CLIENT });
};

const answered = (workload) =>
  workload === "otp"
    ? ["id", "authenticator_type", "secret", "barcode_uri", "recovery_codes"]
    : ["id", "authenticator_type", "oob_channel", "oob_code", "binding_method", "recovery_codes"];

const typescript = {
  workloads: ["otp", "sms"],
  queue: true,
  env: ({ issuer, webhook }) => ({
    PUBLIC_URL,
    TENANT_NAME,
    ISSUER: issuer.url,
    JWKS_URI: issuer.jwksUri,
    SEAL_KEY: randomBytes(32).toString("base64url"),
    HASH_KEY: randomBytes(32).toString("base64url"),
    WEBHOOK_URL: webhook.url,
    WEBHOOK_SECRET: webhook.secret,
  }),
  prepare: prepareAssociate,
  request: associate,
  rows: associated,
  answered,
};

/**
 * Each: { title, workloads, modules, queue, flags, env, prepare, request, rows, answered }. `modules` gives { main, files };
 * `rows` says what must stand in the database after so many requests; `answered` names the members of an answer.
 */
export const CONTESTANTS = {
  bare: {
    title: "a bare Worker",
    workloads: ["otp", "sms"],
    modules: () => bundled("bare/worker.js"),
    request: associate,
    rows: () => ({}),
    answered: () => ["ok"],
  },
  "bare-batch": {
    title: "a bare Worker, one D1 batch",
    workloads: ["otp", "sms"],
    modules: () => bundled("bare-batch/worker.js"),
    prepare: (db) =>
      db.batch(
        [
          "CREATE TABLE clients (id TEXT PRIMARY KEY, name TEXT NOT NULL) STRICT",
          "CREATE TABLE first (id TEXT PRIMARY KEY, client_id TEXT NOT NULL, created_at INTEGER NOT NULL) STRICT",
          "CREATE TABLE second (id TEXT PRIMARY KEY, client_id TEXT NOT NULL, created_at INTEGER NOT NULL) STRICT",
          "INSERT INTO clients VALUES ('client', 'Client')",
        ].map((sql) => db.prepare(sql)),
      ),
    request: associate,
    rows: async (db, _workload, requests) => ({
      first: [await count(db, "first"), requests],
      second: [await count(db, "second"), requests],
    }),
    answered: () => ["id", "client"],
  },
  "bare-statements": {
    title: "a bare Worker, Countersign's statements",
    workloads: ["otp", "sms"],
    queue: true,
    modules: () => bundled("bare-statements/worker.js"),
    env: () => ({ CLIENT, ...statements("ENROLL", "ADD_DELIVERY", "CHARGE_MESSAGE") }),
    prepare: prepareAssociate,
    request: associate,
    // Each request has a range of numbers to itself as well.
    rows: (db, workload, requests) => associated(db, workload, requests, false, 5 * requests + 1),
    answered: () => ["id"],
  },
  countersign: {
    ...typescript,
    title: "Countersign",
    modules: async () => ({
      main: "index.js",
      files: {
        "index.js": { type: "esm", contents: await readFile(new URL("index.js", builtFolder("deploy")), "utf8") },
        "index_bg.wasm": {
          type: "wasm",
          contents: new Uint8Array(await readFile(new URL("index_bg.wasm", builtFolder("deploy")))),
        },
      },
    }),
    cache: true,
    env: ({ issuer, webhook }) => ({
      PUBLIC_URL,
      TENANT_NAME,
      TRUSTED_ISSUERS: JSON.stringify([issuer.trusted()]),
      ENCRYPTION_KEYS: JSON.stringify(encryptionKeys()),
      SIGNING_KEY_MAIN: JSON.stringify(SIGNING_KEY),
      WEBHOOK_URL: webhook.url,
      WEBHOOK_SECRET: webhook.secret,
      // The limits are as they are by default, but for those of all messages, which a benchmark would empty.
      SENDING_LIMITS: JSON.stringify({ overall: UNLIMITED, region: UNLIMITED, network: UNLIMITED }),
    }),
  },
  typescript: {
    ...typescript,
    title: "TypeScript, as people write it",
    modules: () => bundled("typescript/worker.ts"),
  },
  "typescript-tuned": {
    ...typescript,
    title: "TypeScript, tuned to one batch",
    modules: () => bundled("typescript-tuned/worker.ts"),
  },
  "better-auth": {
    title: "better-auth, two-factor enrolment",
    workloads: ["otp"],
    modules: () => bundled("better-auth/worker.js"),
    flags: ["nodejs_compat"],
    env: () => ({ PUBLIC_URL, SECRET, TENANT_NAME }),
    prepare: async (db, people) => {
      const { createTables, addUsers } = await import("./contestants/better-auth/database.mjs");
      await createTables(db, { PUBLIC_URL, SECRET, TENANT_NAME });
      await addUsers(db, people);
    },
    request: (person) => ({
      path: "/api/auth/two-factor/enable",
      headers: {
        cookie: `__Secure-better-auth.session_token=${encodeURIComponent(person.cookie)}`,
        origin: PUBLIC_URL,
        "cf-connecting-ip": person.address,
        "mf-cf-blob": ORIGIN,
        "user-agent": "bench",
      },
      body: JSON.stringify({ password: PASSWORD, method: "totp" }),
    }),
    rows: async (db, _workload, requests) => ({
      enrolments: [await count(db, `"twoFactor" WHERE length(secret) > 40 AND length("backupCodes") > 40`), requests],
    }),
    answered: () => ["method", "totpURI", "backupCodes"],
  },
};

const UNLIMITED = { hour: 100_000_000, day: 100_000_000 };
const SIGNING_KEY = signingKey("main-1");

async function count(db, what) {
  const { count } = await db.prepare(`SELECT COUNT(*) AS count FROM ${what}`).first();
  return count;
}

/** Statements of Countersign by their names, as they stand in the Worker. */
function statements(...names) {
  const source = readFileSync(new URL("../src/storage/statements.rs", import.meta.url), "utf8");
  return Object.fromEntries(names.map((name) => [name, source.split(`pub const ${name}: &str = "\\\n`)[1].split('";')[0]]));
}

/** A contestant of bench/contestants/, minified into one module. */
async function bundled(path) {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(`contestants/${path}`, import.meta.url))],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2024",
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["workerd", "worker", "import"],
    external: ["node:*", "cloudflare:*", "bun:*"],
    logLevel: "error",
  });
  return { main: "worker.js", files: { "worker.js": { type: "esm", contents: outputFiles[0].text } } };
}

/** The contestant with its modules built: { …contestant, name, main, files, kilobytes }, gzipped as the platform counts. */
export async function ready(name) {
  const contestant = CONTESTANTS[name];
  const { main, files } = await contestant.modules();
  const sizes = Object.values(files).map(({ contents }) => gzipSync(contents, { level: 9 }).length);
  return { ...contestant, name, main, files, kilobytes: sizes.reduce((sum, size) => sum + size, 0) / 1000 };
}

/**
 * Modules that run before the Worker's own:
 * - what it logs is dropped. workerd writes it to a pipe by way of JavaScript of its own, and Node reads it on the core that
 *   the load comes from; the platform does neither;
 * - calls of what wasm imports are counted, and whenever the Worker logs something, the counts are logged instead.
 */
const BEFORE = {
  "silence.js": "for (const level of ['debug', 'log', 'info', 'warn', 'error']) console[level] = () => {};",
  "count.js": `
    const counts = {};
    const log = console.log;
    console.log = () => log(JSON.stringify(counts));
    const counted = (name, call) => {
      counts[name] = 0;
      return (...values) => ((counts[name] += 1), call(...values));
    };
    const all = (object, change) =>
      Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(name, value)]));
    WebAssembly.Instance = class extends WebAssembly.Instance {
      constructor(module, imports) {
        const each = (name, value) => (typeof value === "function" ? counted(name, value) : value);
        super(module, all(imports, (_, functions) => all(functions, each)));
      }
    };`,
};

/** The contestant's modules behind those named. */
function behind(before, { main, files }) {
  const lines = before.map((name) => `import "./${name}";`);
  const contents = [...lines, `export * from "./${main}";`, `export { default } from "./${main}";`].join("\n");
  const modules = before.map((name) => [name, { type: "esm", contents: BEFORE[name] }]);
  return { mainModule: "first.js", modules: { ...files, ...Object.fromEntries(modules), "first.js": { type: "esm", contents } } };
}

/**
 * What Miniflare is told of it. `consumer` gives the queue its consumer, in the same Worker; `logs` lets it log; `counting`
 * counts the calls of what wasm imports.
 */
export function workerOptions(contestant, cast, { consumer, logs, counting }) {
  const { name, main, files, queue, cache, flags = [], env } = contestant;
  const before = counting ? ["count.js"] : logs ? [] : ["silence.js"];
  const whole = before.length === 0 ? { mainModule: main, modules: files } : behind(before, contestant);
  const { compatibilityDate, compatibilityFlags } = compatibility();
  const variables = Object.entries(env?.(cast) ?? {}).map(([key, value]) => [key, { type: "text", value }]);
  return {
    config: {
      name,
      compatibilityDate,
      compatibilityFlags: [...compatibilityFlags, ...flags],
      triggers: consumer && queue ? [{ type: "queue", name: QUEUE, maxBatchSize: 10, maxBatchTimeout: 0, maxRetries: 10 }] : [],
      manifest: { modulesRoot: "/", ...whole },
      env: {
        ...Object.fromEntries(variables),
        ...(name !== "bare" && { DB: { type: "d1", id: "bench" } }),
        ...(queue && { OOB_QUEUE: { type: "queue", name: QUEUE } }),
        ...(cache && { JWKS: { type: "kv", id: "jwks" } }),
      },
    },
    dev: { unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }] },
  };
}
