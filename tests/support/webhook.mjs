/** The provider that WEBHOOK_URL names: takes codes as a strict Standard Webhooks receiver and keeps what came. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { until } from "./poll.mjs";
import { webhookSecret } from "./keys.mjs";

const TOLERANCE_SECONDS = 5 * 60;
const COMMON = ["channel", "expires_at", "expires_in", "language", "tenant", "text", "to", "type"];
/** The members of a body, in their order: those of a code or a notice, and those of mail. */
const members = ({ type, channel }) =>
  [...COMMON, type === "mfa.notice" ? "notice" : "code", ...(channel === "email" ? ["html", "subject"] : [])].sort();

export class Webhook {
  static async start({ secret = webhookSecret() } = {}) {
    const webhook = new Webhook();
    webhook.secret = secret;
    webhook.server = createServer((request, response) => webhook.#answer(request, response));
    webhook.server.listen(0, "127.0.0.1");
    await once(webhook.server, "listening");
    webhook.url = `http://127.0.0.1:${webhook.server.address().port}/codes`;
    return webhook;
  }

  /** What it accepted, oldest first: the message's body plus its `id`. */
  accepted = [];
  /** Every call in order: { id, status }. */
  calls = [];
  /** What was wrong with a call. Whoever uses the receiver asserts that this stays empty. */
  problems = [];
  /** The times in whole seconds, of which a call's timestamp must be near one. */
  times = () => [Math.floor(Date.now() / 1000)];
  #answers = [];
  #waiting = [];

  /**
   * The next answers: a status, { status, headers }, or "hang", which answers only at `release`. Afterwards it accepts
   * again.
   */
  next(...answers) {
    this.#answers.push(...answers);
  }

  /** From now on it accepts, whatever was to come next. */
  recover() {
    this.#answers.length = 0;
  }

  /** How many calls it is holding. */
  get held() {
    return this.#waiting.length;
  }

  release() {
    for (const answer of this.#waiting.splice(0)) answer();
  }

  async #answer(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const id = request.headers["webhook-id"];
    const problem = this.#problem(request, body);
    if (problem) this.problems.push(problem);
    const wanted = problem ? 400 : (this.#answers.shift() ?? 202);
    const answer = () => {
      const { status, headers } = typeof wanted === "object" ? wanted : { status: wanted === "hang" ? 202 : wanted };
      this.calls.push({ id, status });
      if (status >= 200 && status < 300) this.accepted.push({ id, ...JSON.parse(body) });
      response.writeHead(status, headers).end();
    };
    if (wanted === "hang") this.#waiting.push(answer);
    else answer();
  }

  #problem(request, body) {
    const { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures } = request.headers;
    if (request.method !== "POST" || request.url !== "/codes") return `${request.method} ${request.url}`;
    if (!/^application\/json\b/.test(request.headers["content-type"] ?? "")) return "content type is not JSON";
    if (!id || id.includes(".")) return `webhook-id ${id}`;
    if (!/^[0-9]+$/.test(timestamp ?? "")) return `webhook-timestamp ${timestamp}`;
    const near = this.times().some((time) => Math.abs(time - Number(timestamp)) <= TOLERANCE_SECONDS);
    if (!near) return `webhook-timestamp ${timestamp} is too far off`;
    const secret = this.secret.split(" ")[0].replace(/^whsec_/, "");
    const expected = createHmac("sha256", Buffer.from(secret, "base64")).update(`${id}.${timestamp}.${body}`).digest();
    const matches = (signatures ?? "").split(" ").some((each) => {
      const given = Buffer.from(each.replace(/^v1,/, ""), "base64");
      return each.startsWith("v1,") && given.length === expected.length && timingSafeEqual(given, expected);
    });
    if (!matches) return "webhook-signature does not match";
    const message = JSON.parse(body);
    const keys = Object.keys(message).sort();
    if (!["mfa.code", "mfa.notice"].includes(message.type)) return `type ${message.type}`;
    if (keys.join() !== members(message).join()) return `members ${keys}`;
    return null;
  }

  /** The codes that were accepted for `to`, oldest first. */
  messagesTo(to) {
    return this.accepted.filter((message) => message.to === to && message.type === "mfa.code");
  }

  /** The notices that were accepted for `to`, oldest first. */
  noticesTo(to) {
    return this.accepted.filter((message) => message.to === to && message.type === "mfa.notice");
  }

  /** The newest code for `to`, once there are `count` messages for it. */
  async codeFor(to, { count = 1 } = {}) {
    await until(`${count} message(s) for ${to} arrived`, () => this.messagesTo(to).length >= count);
    return this.messagesTo(to).at(-1).code;
  }

  async stop() {
    this.release();
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, "close");
  }
}
