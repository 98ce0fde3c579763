/** Messages by Twilio and Resend: in their published forms, with their documented errors, and who steps in for whom. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { accepted, refused } from "../support/answers.mjs";
import { until } from "../support/poll.mjs";
import { ACCOUNT, TOKEN, Twilio, twilioError } from "../support/providers/twilio.mjs";
import { API_KEY, Resend, resendError } from "../support/providers/resend.mjs";
import { waiting as waitingOn } from "../support/providers/waiting.mjs";
import { Stage } from "../support/stage.mjs";

const FROM = "+15550100123";
const SENDER = "Example <codes@example.com>";
const stage = new Stage();
let twilio;
let resend;

beforeAll(async () => {
  [twilio, resend] = await Promise.all([Twilio.start(), Resend.start()]);
  const vars = {
    TWILIO_ACCOUNT_SID: ACCOUNT,
    TWILIO_AUTH_TOKEN: TOKEN,
    TWILIO_FROM: FROM,
    TWILIO_URL: twilio.url,
    RESEND_API_KEY: API_KEY,
    RESEND_URL: resend.url,
    EMAIL_FROM: SENDER,
  };
  await stage.set([{}], { vars, consume: false });
});
afterAll(async () => {
  await stage.clear();
  await Promise.all([twilio.stop(), resend.stop()]);
});
beforeEach(async () => {
  twilio.recover();
  resend.recover();
  // Breakers forget nothing but time.
  await stage.world.advance(61);
});

const waiting = (channel) => waitingOn(stage, channel);

describe("a code", () => {
  test("comes as a text message by Twilio, from the sender that is configured, and confirms", async () => {
    const { to, row, confirm, deliver } = await waiting("sms");
    await deliver();
    const message = await twilio.messageFor(to);
    expect(message.from).toBe(FROM);
    expect(await row()).toEqual({ state: "sent", provider: "twilio", failure: null, cleared: 1 });
    await accepted(await confirm(message.code));
  });

  test("is read out twice by Twilio, digit by digit", async () => {
    const { to, confirm, deliver } = await waiting("voice");
    await deliver();
    const { said, code } = await twilio.messageFor(to);
    expect(said).toHaveLength(2);
    expect(said[0]).toBe(said[1]);
    expect(said[0]).toContain([...code].join(", "));
    await accepted(await confirm(code));
  });

  test("comes as mail by Resend, as text and HTML, with no code in the subject", async () => {
    const { to, id, row, confirm, deliver } = await waiting("email");
    await deliver();
    const { from, subject, text, html, code, id: key } = await resend.messageFor(to);
    expect({ from, key }).toEqual({ from: SENDER, key: id });
    expect(subject).not.toContain(code);
    for (const part of [text, html]) expect(part).toContain(code);
    expect(await row()).toMatchObject({ state: "sent", provider: "resend" });
    await accepted(await confirm(code));
  });
});

describe("when Twilio cannot", () => {
  test.each([
    ["is down", { status: 503, body: {} }],
    ["is too busy", twilioError(429, 20429)],
    ["does not let the account in", twilioError(401, 20003)],
    ["has not switched the region on", twilioError(400, 21408)],
    ["does not reach it from this sender", twilioError(400, 21612)],
    ["breaks the connection", "reset"],
  ])("because it %s, the webhook steps in within the same attempt", async (_, answer) => {
    const { to, row, deliver } = await waiting("sms");
    twilio.next(answer);
    const { retryMessages } = await deliver();
    expect(retryMessages).toEqual([]);
    expect(stage.webhook.messagesTo(to)).toHaveLength(1);
    expect(await row()).toMatchObject({ state: "sent", provider: "webhook" });
  });

  test("because it does not answer, the webhook steps in after ten seconds", async () => {
    const { to, deliver } = await waiting("sms");
    twilio.next("hang");
    await deliver();
    twilio.release();
    expect(stage.webhook.messagesTo(to)).toHaveLength(1);
  }, 30_000);

  test.each([21211, 21610, 21614])("because of the number (%i), nobody else is bothered", async (code) => {
    const { to, row, deliver } = await waiting("sms");
    twilio.next(twilioError(400, code));
    const { retryMessages } = await deliver();
    expect(retryMessages).toEqual([]);
    expect(stage.webhook.messagesTo(to)).toEqual([]);
    expect(await row()).toMatchObject({ state: "failed", failure: `twilio: status 400, code ${code}`, cleared: 1 });
  });

  test("because of one region, again and again, it is asked for others all the same", async () => {
    for (let index = 0; index < 4; index += 1) {
      const { to, deliver } = await waiting("sms");
      twilio.next(twilioError(400, 21408));
      await deliver();
      expect(stage.webhook.messagesTo(to)).toHaveLength(1);
    }
    const { to, deliver } = await waiting("sms");
    await deliver();
    expect(twilio.messagesTo(to)).toHaveLength(1);
  });

  test("again and again, it is passed over, and the log says when it is down and up", async () => {
    const { world } = stage;
    const events = async (name) =>
      new Set((await world.logLines()).filter((line) => line.includes(`"${name}"`)).map((line) => line.slice(-80))).size;
    twilio.next(...Array(9).fill({ status: 500, body: {} }));
    for (let index = 0; index < 3; index += 1) await (await waiting("sms")).deliver();
    expect(await events("provider_down")).toBeGreaterThan(0);
    const before = twilio.calls.length;
    await (await waiting("sms")).deliver();
    expect(twilio.calls).toHaveLength(before);
    twilio.recover();
    await world.advance(31);
    const { to, deliver } = await waiting("sms");
    await deliver();
    expect(twilio.messagesTo(to)).toHaveLength(1);
    expect(await events("provider_up")).toBeGreaterThan(0);
  });
});

describe("when Resend cannot", () => {
  test.each([
    ["rate_limit_exceeded", 429],
    ["daily_quota_exceeded", 429],
    ["invalid_api_key", 403],
    ["application_error", 500],
  ])("because of %s, the webhook steps in", async (name, status) => {
    const { to, row, deliver } = await waiting("email");
    resend.next(resendError(status, name));
    await deliver();
    expect(stage.webhook.messagesTo(to)).toHaveLength(1);
    expect(await row()).toMatchObject({ state: "sent", provider: "webhook" });
  });

  test("because of the address, the mail has failed for good", async () => {
    const { row, deliver } = await waiting("email");
    resend.next(resendError(422, "validation_error"));
    await deliver();
    expect(await row()).toMatchObject({ state: "failed", failure: "resend: status 422, validation_error" });
  });

  test("tell that it has taken a mail, it is not sent twice", async () => {
    const { to, deliver } = await waiting("email");
    await stage.world.fail({ on: "DB", times: 1, matching: "state = 'sent'" });
    await deliver();
    await stage.world.heal();
    await stage.world.advance(61);
    await deliver();
    expect(resend.messagesTo(to)).toHaveLength(1);
  });
});

test("all down for a minute: the code waits and then comes, once", async () => {
  const { world, webhook } = stage;
  const { to, row, deliver } = await waiting("sms");
  for (let second = 0; second < 60; second += 20) {
    twilio.next({ status: 503, body: {} });
    webhook.next(503);
    const { retryMessages } = await deliver();
    expect(retryMessages).toHaveLength(1);
    await world.advance(20);
  }
  expect((await row()).failure).toMatch(/^(twilio: status 503; )?webhook: status 503$/);
  twilio.recover();
  webhook.recover();
  await world.advance(31);
  await deliver();
  await until("it is there", () => twilio.messagesTo(to).length + webhook.messagesTo(to).length > 0);
  expect(twilio.messagesTo(to).length + webhook.messagesTo(to).length).toBe(1);
});

test("no code, number, address or credential of a provider stands in the log", async () => {
  const lines = (await stage.world.logLines()).join("\n");
  const told = [...twilio.accepted, ...resend.accepted].flatMap(({ to, code }) => [to, code]);
  expect(told.length).toBeGreaterThan(8);
  for (const secret of [...told, TOKEN, API_KEY]) expect(lines).not.toContain(secret);
});

test("a channel without anybody to carry it is not enabled", async () => {
  const { world } = stage;
  const alone = new Stage();
  await alone.set([{}], { vars: { DELIVERY: '{"voice":[]}' } });
  const body = { authenticator_types: ["oob"], oob_channels: ["voice"], phone_number: "+4915123456789" };
  await refused(await alone.person().associate(body), 400, "invalid_request", "The voice factor is not enabled.");
  await alone.clear();
  expect(world).toBeDefined();
});

describe("the doubles are strict", () => {
  const post = (url, headers, body) => fetch(url, { method: "POST", headers, body });
  const basic = (user, password) => `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  const form = "application/x-www-form-urlencoded";
  const right = { To: "+4915123456789", From: FROM, Body: "123456 is your code" };
  const call = { To: "+4915123456789", From: FROM, Twiml: "<Response><Say>1, 2</Say></Response>" };

  test.each([
    ["without credentials", { authorization: "" }, right, 20003],
    ["with another token", { authorization: basic(ACCOUNT, "x") }, right, 20003],
    ["as JSON", { "content-type": "application/json" }, right, 20001],
    ["without To", {}, { ...right, To: undefined }, 21604],
    ["to something that is no number", {}, { ...right, To: "0151" }, 21211],
    ["without From", {}, { ...right, From: undefined }, 21603],
    ["from something that is no number", {}, { ...right, From: "Example" }, 21212],
    ["from a service that is none", {}, { ...right, From: undefined, MessagingServiceSid: "x" }, 21701],
    ["without Body", {}, { ...right, Body: undefined }, 21602],
    ["with a body that is too long", {}, { ...right, Body: "x".repeat(1601) }, 21617],
  ])("Twilio refuses a message %s", async (_, headers, parameters, code) => {
    const all = { authorization: basic(ACCOUNT, TOKEN), "content-type": form, ...headers };
    const body = new URLSearchParams(JSON.parse(JSON.stringify(parameters)));
    const response = await post(`${twilio.url}/2010-04-01/Accounts/${ACCOUNT}/Messages.json`, all, String(body));
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect((await response.json()).code).toBe(code);
  });

  test.each([
    ["without To", { ...call, To: undefined }, 21201],
    ["to something that is no number", { ...call, To: "x" }, 13224],
    ["without From", { ...call, From: undefined }, 21213],
    ["without words", { ...call, Twiml: undefined }, 21205],
    ["with broken TwiML", { ...call, Twiml: "<Response><Say>A & B" }, 12100],
  ])("Twilio refuses a call %s", async (_, parameters, code) => {
    const headers = { authorization: basic(ACCOUNT, TOKEN), "content-type": form };
    const body = new URLSearchParams(JSON.parse(JSON.stringify(parameters)));
    const response = await post(`${twilio.url}/2010-04-01/Accounts/${ACCOUNT}/Calls.json`, headers, String(body));
    expect((await response.json()).code).toBe(code);
  });

  test("Twilio refuses another account's path", async () => {
    const headers = { authorization: basic(ACCOUNT, TOKEN), "content-type": form };
    const path = `/2010-04-01/Accounts/AC${"f".repeat(32)}/Messages.json`;
    expect((await (await post(twilio.url + path, headers, "")).json()).code).toBe(20404);
  });

  const mail = { from: SENDER, to: ["a@example.com"], subject: "s", text: "t" };
  test.each([
    ["without a key", { authorization: undefined }, mail, "missing_api_key"],
    ["with another key", { authorization: "Bearer re_x" }, mail, "invalid_api_key"],
    ["with an empty idempotency key", { "idempotency-key": "x".repeat(257) }, mail, "invalid_idempotency_key"],
    ["without from", {}, { ...mail, from: undefined }, "missing_required_field"],
    ["without to", {}, { ...mail, to: undefined }, "missing_required_field"],
    ["without subject", {}, { ...mail, subject: undefined }, "missing_required_field"],
    ["without content", {}, { ...mail, text: undefined }, "missing_required_field"],
    ["from nobody", {}, { ...mail, from: "nobody" }, "invalid_from_address"],
    ["to nobody", {}, { ...mail, to: ["nobody"] }, "validation_error"],
  ])("Resend refuses a mail %s", async (_, headers, body, name) => {
    const all = { authorization: `Bearer ${API_KEY}`, "content-type": "application/json", ...headers };
    const response = await post(`${resend.url}/emails`, JSON.parse(JSON.stringify(all)), JSON.stringify(body));
    expect((await response.json()).name).toBe(name);
  });
});
