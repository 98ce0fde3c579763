// What the Worker asks of the runtime: its bindings, the network, timers and WebCrypto. Lists and objects cross as JSON, in
// one text each way: a crossing for each member costs more than all that is done with them.

// What is given instead of a body or an answer. src/http/crossing.rs and src/workers/ know these words.
export const TOO_LARGE = "too large";

const TOO_LATE = "too late";

// How long what only spares work is waited for: a cache, which an issuer answers as fast, and a shield, behind which the exact
// counters are.
const AID_MILLISECONDS = 1000;

/** The variables and secrets, by name. */
export function variables(env) {
  return JSON.stringify(Object.fromEntries(Object.entries(env).filter(([, value]) => typeof value === "string")));
}

/**
 * Runs statements as one transaction, and returns the rows of each. `sqls` has NULs between the statements, `parameters` a
 * list for each of them. `nearby` asks for whichever copy of the database is nearest, which may lag.
 */
export async function batch(env, nearby, sqls, parameters) {
  const primary = binding(env, "DB");
  const database = nearby ? primary.withSession("first-unconstrained") : primary;
  const values = JSON.parse(parameters);
  const statements = sqls.split("\0").map((sql, index) => database.prepare(sql).bind(...values[index]));
  const results = statements.length === 1 ? [await statements[0].all()] : await database.batch(statements);
  return JSON.stringify(results.map(({ results }) => results));
}

/** The text that the cache has, if it can say so in time. */
export async function cached(env, key) {
  try {
    const text = await within(AID_MILLISECONDS, binding(env, "JWKS").get(key));
    return text === TOO_LATE || text === null ? undefined : text;
  } catch {
    return undefined;
  }
}

/** Writes a text to the cache; one that was not written is read from the issuer again. */
export async function cache(env, key, value, seconds) {
  try {
    // KV refuses to keep anything for less than a minute.
    await binding(env, "JWKS").put(key, value, { expirationTtl: Math.max(seconds, 60) });
  } catch {}
}

/** Sends a message to the queue `name`. */
export async function send(env, name, message) {
  await binding(env, name).send(JSON.parse(message), { contentType: "json" });
}

/** Writes a data point to the dataset, which only a deployment that wants it has. */
export function measure(env, point) {
  binding(env, "METRICS").writeDataPoint(JSON.parse(point));
}

/** Whether the shield lets through what has this key: a promise; at once where there is none, and true. */
export function isWithinRate(env, key) {
  return isObject(env.SHIELD) ? withinRate(env.SHIELD, key) : true;
}

async function withinRate(shield, key) {
  try {
    const { success } = await within(AID_MILLISECONDS, shield.limit({ key }));
    return success !== false;
  } catch {
    // One that cannot answer in time lets through, too.
    return true;
  }
}

/**
 * Hands a mail to Cloudflare Email Service. Returns nothing if that took it, else "missing", "too late", or JSON of how it
 * was refused: `{ code }`, null where it has none. Its messages name addresses, and are left alone.
 */
export async function sendMail(env, mail, milliseconds) {
  if (!isObject(env.EMAIL)) return "missing";
  try {
    const sent = await within(milliseconds, env.EMAIL.send(JSON.parse(mail)));
    return sent === TOO_LATE ? TOO_LATE : undefined;
  } catch (error) {
    return JSON.stringify({ code: typeof error?.code === "string" ? error.code : null });
  }
}

/**
 * One HTTP exchange without redirects: `{ url, method, headers, body, milliseconds, bytes }`. Returns what is read of the
 * answer's head and the bytes of its body, or why there is none: "too late", "too large".
 */
export async function exchange(request) {
  const { url, milliseconds, bytes, ...init } = JSON.parse(request);
  const abort = new AbortController();
  const outcome = await within(milliseconds, answerOf(url, { ...init, redirect: "manual", signal: abort.signal }, bytes));
  if (outcome === TOO_LATE) abort.abort();
  return outcome;
}

async function answerOf(url, init, bytes) {
  const response = await fetch(url, init);
  const read = (name) => response.headers.get(name);
  const head = {
    status: response.status,
    cache_control: read("cache-control"),
    retry_after: read("retry-after"),
    error_type: read("x-amzn-errortype"),
  };
  const body = response.body === null ? new Uint8Array() : await collect(response.body, bytes);
  return body === TOO_LARGE ? TOO_LARGE : [JSON.stringify(head), body];
}

/** The bytes of a stream, or TOO_LARGE, where nobody waits for the end of it. */
export async function collect(stream, maximum) {
  const chunks = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.byteLength;
    if (length > maximum) return TOO_LARGE;
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(length);
  let end = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, end);
    end += chunk.byteLength;
  }
  return bytes;
}

/** The file of `public/` that a request asks for, with the headers of every answer. It may be kept for five minutes. */
export async function asset(env, request, id) {
  if (!isObject(env.ASSETS)) return undefined;
  try {
    const file = await env.ASSETS.fetch(request);
    if (file.status !== 200 && file.status !== 304) return undefined;
    const headers = new Headers({
      "Cache-Control": "public, max-age=300",
      // They say the same to everybody; tools in browsers read the API's description.
      "Access-Control-Allow-Origin": "*",
      "X-Content-Type-Options": "nosniff",
      "X-Request-Id": id,
    });
    for (const name of ["content-type", "etag"]) {
      const value = file.headers.get(name);
      if (value !== null) headers.set(name, value);
    }
    return new Response(file.body, { status: file.status, headers });
  } catch {
    return undefined;
  }
}

/** Lets `work` go on after the event's handler has answered. */
export function waitUntil(context, work) {
  try {
    context.waitUntil(work);
  } catch {
    // It only ever refuses outside of an event, and an exception must not cross wasm.
  }
}

/** Time passes. */
export function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** What JavaScript would print of an error. */
export function textOf(error) {
  return String(error);
}

// The algorithms of JSON Web Signature (RFC 7518, section 3.1; RFC 8037, section 3.1) as Web Cryptography has them: for
// importing a key, and for using it. The salt of RSASSA-PSS is as long as the hash.
const rsa = (name, bits) => ({ name, hash: `SHA-${bits}` });
const PKCS1 = "RSASSA-PKCS1-v1_5";
const ALGORITHMS = {
  RS256: [rsa(PKCS1, 256), PKCS1],
  RS384: [rsa(PKCS1, 384), PKCS1],
  RS512: [rsa(PKCS1, 512), PKCS1],
  PS256: [rsa("RSA-PSS", 256), { name: "RSA-PSS", saltLength: 32 }],
  PS384: [rsa("RSA-PSS", 384), { name: "RSA-PSS", saltLength: 48 }],
  PS512: [rsa("RSA-PSS", 512), { name: "RSA-PSS", saltLength: 64 }],
  ES256: [
    { name: "ECDSA", namedCurve: "P-256" },
    { name: "ECDSA", hash: "SHA-256" },
  ],
  EdDSA: ["Ed25519", "Ed25519"],
};

/** Imports a JWK for one algorithm and one use, "sign" or "verify". The key cannot be exported again. */
export async function importKey(jwk, algorithm, usage) {
  return crypto.subtle.importKey("jwk", JSON.parse(jwk), ALGORITHMS[algorithm][0], false, [usage]);
}

/** Whether a signature is valid. */
export function verify(algorithm, key, signature, message) {
  return crypto.subtle.verify(ALGORITHMS[algorithm][1], key, signature, message);
}

/** A signature, as bytes. */
export async function sign(algorithm, key, message) {
  return new Uint8Array(await crypto.subtle.sign(ALGORITHMS[algorithm][1], key, message));
}

function binding(env, name) {
  if (!isObject(env[name])) throw `there is no binding ${name}`;
  return env[name];
}

function isObject(value) {
  return typeof value === "object" && value !== null;
}

/** What `work` comes to, or TOO_LATE. */
async function within(milliseconds, work) {
  let timer;
  const end = new Promise((resolve) => (timer = setTimeout(resolve, milliseconds, TOO_LATE)));
  try {
    return await Promise.race([work, end]);
  } finally {
    clearTimeout(timer);
  }
}
