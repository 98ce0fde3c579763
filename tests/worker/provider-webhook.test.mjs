/** The operator's own server: a receiver of Standard Webhooks (version 1.0.0), which is strict about what it is sent. */
import { createHmac } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { webhookSecret } from "../support/keys.mjs";
import { Webhook } from "../support/webhook.mjs";

describe("the counterpart is strict", () => {
  const secret = webhookSecret();
  let webhook;
  beforeAll(async () => {
    webhook = await Webhook.start({ secret });
  });
  afterAll(() => webhook.stop());

  const now = () => String(Math.floor(Date.now() / 1000));
  const right = {
    type: "mfa.code",
    channel: "sms",
    to: "+4915123456789",
    code: "123456",
    tenant: "Example",
    language: "en",
    text: "123456",
    expires_in: 300,
    expires_at: 1,
  };

  /** Sends a body as it should be, signed, of which `forged` changes parts after that. */
  async function sent(body, { id = "msg_1", timestamp = now(), key = secret, forged = {}, path = "", ...init } = {}) {
    const text = JSON.stringify(body);
    const mac = createHmac("sha256", Buffer.from(key.replace(/^whsec_/, ""), "base64"));
    const signature = `v1,${mac.update(`${id}.${timestamp}.${text}`).digest("base64")}`;
    const headers = {
      "content-type": "application/json",
      "webhook-id": id,
      "webhook-timestamp": timestamp,
      "webhook-signature": signature,
      ...forged,
    };
    const known = Object.entries(headers).filter(([, value]) => value !== undefined);
    const { status } = await fetch(webhook.url + path, { method: "POST", headers: known, body: text, ...init });
    return { status, problem: webhook.problems.splice(0)[0] };
  }

  test("a message as it should be is taken, by any of several signatures", async () => {
    expect(await sent(right)).toEqual({ status: 202, problem: undefined });
    const mail = { ...right, channel: "email", subject: "s", html: "<p>123456</p>" };
    expect(await sent(mail)).toEqual({ status: 202, problem: undefined });
    const { code: _, ...notice } = { ...right, type: "mfa.notice", notice: "guesses_locked" };
    expect(await sent(notice)).toEqual({ status: 202, problem: undefined });
  });

  test.each([
    ["without an id", right, { forged: { "webhook-id": undefined } }],
    ["with another id than was signed", right, { forged: { "webhook-id": "msg_2" } }],
    ["without a time", right, { forged: { "webhook-timestamp": undefined } }],
    ["with another time than was signed", right, { forged: { "webhook-timestamp": String(Number(now()) - 1) } }],
    ["of an hour ago", right, { timestamp: String(Number(now()) - 3600) }],
    ["without a signature", right, { forged: { "webhook-signature": undefined } }],
    ["with a signature of another version", right, { forged: { "webhook-signature": "v2,AAAA" } }],
    ["signed with another secret", right, { key: webhookSecret() }],
    ["of another type of content", right, { forged: { "content-type": "text/plain" } }],
    ["to another path", right, { path: "/x" }],
    ["with a member too many", { ...right, extra: 1 }, {}],
    ["of an unknown type", { ...right, type: "mfa.other" }, {}],
    ...Object.keys(right).map((member) => [`without ${member}`, { ...right, [member]: undefined }, {}]),
  ])("it refuses a message %s", async (_, body, options) => {
    const { status, problem } = await sent(body, options);
    expect(status).toBe(400);
    expect(problem).toEqual(expect.any(String));
  });
});
