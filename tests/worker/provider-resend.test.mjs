/** Mails by Resend: in their published form, with its documented errors, and who steps in. */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { accepted } from "../support/answers.mjs";
import { until } from "../support/poll.mjs";
import { API_KEY, Resend, resendError } from "../support/providers/resend.mjs";
import { waiting as waitingOn } from "../support/providers/waiting.mjs";
import { Stage } from "../support/stage.mjs";

const SENDER = "Example <codes@example.com>";
const stage = new Stage();
let resend;

beforeAll(async () => {
  resend = await Resend.start();
  const vars = { RESEND_API_KEY: API_KEY, RESEND_URL: resend.url, EMAIL_FROM: SENDER };
  await stage.set([{}], { vars, consume: false });
});
afterAll(async () => {
  await stage.clear();
  await resend.stop();
});
beforeEach(async () => {
  resend.recover();
  // Breakers forget nothing but time.
  await stage.world.advance(61);
});

const waiting = () => waitingOn(stage, "email");

test("a code comes as mail, as text and HTML, with no code in the subject", async () => {
  const { to, id, row, confirm, deliver } = await waiting();
  await deliver();
  const { from, subject, text, html, code, id: key } = await resend.messageFor(to);
  expect({ from, key }).toEqual({ from: SENDER, key: id });
  expect(subject).not.toContain(code);
  for (const part of [text, html]) expect(part).toContain(code);
  expect(await row()).toMatchObject({ state: "sent", provider: "resend" });
  await accepted(await confirm(code));
});

describe("when Resend cannot", () => {
  test.each([
    ["rate_limit_exceeded", resendError(429, "rate_limit_exceeded")],
    ["daily_quota_exceeded", resendError(429, "daily_quota_exceeded")],
    ["invalid_api_key", resendError(403, "invalid_api_key")],
    ["application_error", resendError(500, "application_error")],
    ["a connection that breaks", "reset"],
  ])("because of %s, the webhook steps in", async (_, answer) => {
    const { to, row, deliver } = await waiting();
    resend.next(answer);
    await deliver();
    expect(stage.webhook.messagesTo(to)).toHaveLength(1);
    expect(await row()).toMatchObject({ state: "sent", provider: "webhook" });
  });

  test("because of the address, the mail has failed for good", async () => {
    const { row, deliver } = await waiting();
    resend.next(resendError(422, "validation_error"));
    await deliver();
    expect(await row()).toMatchObject({ state: "failed", failure: "resend: status 422, validation_error" });
  });

  test("tell that it has taken a mail, it is not sent twice", async () => {
    const { to, deliver } = await waiting();
    await stage.world.fail({ on: "DB", times: 1, matching: "state = 'sent'" });
    await deliver();
    await stage.world.heal();
    await stage.world.advance(61);
    await deliver();
    expect(resend.messagesTo(to)).toHaveLength(1);
  });

  test("because it does not answer, the webhook steps in after ten seconds", async () => {
    const { to, deliver } = await waiting();
    resend.next("hang");
    await deliver();
    resend.release();
    expect(stage.webhook.messagesTo(to)).toHaveLength(1);
  }, 30_000);

  test("answer at once, it is waited for", async () => {
    const { to, row, deliver } = await waiting();
    resend.next("hang");
    const delivered = deliver();
    await until("the request is held", () => resend.held === 1);
    await pause(3000);
    resend.release();
    await delivered;
    expect(stage.webhook.messagesTo(to)).toEqual([]);
    expect(await row()).toMatchObject({ state: "sent", provider: "resend" });
  });
});

test("no code, address or credential stands in the log", async () => {
  const lines = (await stage.world.logLines()).join("\n");
  const told = resend.accepted.flatMap(({ to, code }) => [to, code]);
  expect(told.length).toBeGreaterThan(4);
  for (const secret of [...told, API_KEY]) expect(lines).not.toContain(secret);
});

describe("the counterpart is strict", () => {
  const mail = { from: SENDER, to: ["a@example.com"], subject: "s", text: "t" };
  test.each([
    ["without a key", { authorization: undefined }, mail, "missing_api_key"],
    ["with another key", { authorization: "Bearer re_x" }, mail, "invalid_api_key"],
    ["with an idempotency key that is too long", { "idempotency-key": "x".repeat(257) }, mail, "invalid_idempotency_key"],
    ["without from", {}, { ...mail, from: undefined }, "missing_required_field"],
    ["without to", {}, { ...mail, to: undefined }, "missing_required_field"],
    ["without subject", {}, { ...mail, subject: undefined }, "missing_required_field"],
    ["without content", {}, { ...mail, text: undefined }, "missing_required_field"],
    ["from nobody", {}, { ...mail, from: "nobody" }, "invalid_from_address"],
    ["to nobody", {}, { ...mail, to: ["nobody"] }, "validation_error"],
  ])("Resend refuses a mail %s", async (_, headers, body, name) => {
    const all = { authorization: `Bearer ${API_KEY}`, "content-type": "application/json", ...headers };
    const response = await fetch(`${resend.url}/emails`, {
      method: "POST",
      headers: JSON.parse(JSON.stringify(all)),
      body: JSON.stringify(body),
    });
    expect((await response.json()).name).toBe(name);
  });
});
