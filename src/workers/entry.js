// The module that the runtime loads: Cloudflare's events. Each crosses into wasm once, as a text, bytes and handles, and
// what comes back is turned into what the runtime wants.
//
// wasm.js is what wasm-bindgen writes; scripts/build/worker.mjs puts it beside this file.
import { collect, TOO_LARGE } from "./glue.js";
import { __wbg_reset_state as beginAnew, queue, request as answered, scheduled } from "./wasm.js";

/** Longer bodies are refused with 413, unread (docs/contract.md). */
const MAXIMUM_BODY_BYTES = 64 * 1024;

/** The headers that src/http/request.rs has, all of them. */
const HEADERS = [
  "accept-language",
  "auth0-forwarded-for",
  "authorization",
  "cf-connecting-ip",
  "content-type",
  "dpop",
  "idempotency-key",
  "origin",
];

const NO_BYTES = new Uint8Array();

export default {
  fetch: mended(async (request, env, context) => {
    const body = await bodyOf(request);
    const answer = answered(
      headOf(request, typeof body === "string" ? body : null),
      typeof body === "string" ? NO_BYTES : body,
      request,
      env,
      context,
    );
    // When a client hangs up, the runtime drops what the handler waits for, and a Rust future that waits for it is never run
    // nor freed again: its memory would leak, and a renewal of keys that it had begun would never end. So the work is handed
    // to the event's lifetime.
    context.waitUntil(answer.catch(() => {}));
    return responseOf(await answer);
  }),

  queue: mended(async (batch, env, context) => {
    const verdicts = await queue(batch.queue, messagesOf(batch), env, context);
    // Nothing is lost while the operator mends the configuration: the messages come again, and so does the sweep.
    if (verdicts === undefined) return batch.retryAll();
    for (const [index, delaySeconds] of JSON.parse(verdicts).entries()) {
      const message = batch.messages[index];
      if (delaySeconds === null) message.ack();
      else message.retry({ delaySeconds });
    }
  }),

  scheduled: mended((_, env, context) => scheduled(env, context)),
};

/** The handler; an instance that traps in it is replaced. */
function mended(handle) {
  return async (...event) => {
    try {
      return await handle(...event);
    } catch (error) {
      mend(error);
      throw error;
    }
  };
}

// What traps in the middle of an event is told here; whoever waits for it waits in vain.
addEventListener("error", ({ error }) => mend(error));
addEventListener("unhandledrejection", ({ reason }) => mend(reason));

let lastTrap;

/** A trap leaves the instance in a state that nobody knows: a new one takes its place, and nothing of it goes on. */
function mend(error) {
  if (!(error instanceof WebAssembly.RuntimeError) || error === lastTrap) return;
  lastTrap = error;
  console.error(error);
  beginAnew();
}

function headOf({ method, url, headers, cf }, obstacle) {
  const read = {};
  for (const name of HEADERS) {
    const value = headers.get(name);
    if (value !== null) read[name] = value;
  }
  return JSON.stringify({ method, url, headers: read, country: cf?.country, asn: cf?.asn, body: obstacle });
}

/** The bytes, or why there are none: "too large", "unreadable". */
async function bodyOf(request) {
  if (request.method !== "POST") return NO_BYTES;
  const announced = request.headers.get("content-length");
  try {
    if (announced === null) return request.body === null ? NO_BYTES : await collect(request.body, MAXIMUM_BODY_BYTES);
    // The runtime holds clients to what they announce, and a service that calls this one may announce anything.
    if (!(Number(announced) <= MAXIMUM_BODY_BYTES)) return TOO_LARGE;
    const bytes = new Uint8Array(await request.arrayBuffer());
    return bytes.length > MAXIMUM_BODY_BYTES ? TOO_LARGE : bytes;
  } catch {
    return "unreadable";
  }
}

/** `answer` is a line of JSON that says status and headers, and the body behind it; or a file's response. */
function responseOf(answer) {
  if (typeof answer !== "string") return answer;
  const end = answer.indexOf("\n");
  // Some statuses, such as 204, must not have even an empty body.
  return new Response(answer.slice(end + 1) || null, JSON.parse(answer.slice(0, end)));
}

/** Of each message its id, and the delivery that it names: null if it is none of ours. */
function messagesOf({ messages }) {
  const delivery = (body) => (typeof body?.delivery === "string" ? body.delivery.toWellFormed() : null);
  return JSON.stringify(messages.map(({ id, body }) => [id, delivery(body)]));
}
