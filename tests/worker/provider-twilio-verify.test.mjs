/** Messages by Twilio Verify: with our code, in its published form, with its documented errors, and who steps in. */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { accepted } from "../support/answers.mjs";
import { until } from "../support/poll.mjs";
import { invalidParameter, SERVICE, TwilioVerify } from "../support/providers/twilio-verify.mjs";
import { ACCOUNT, TOKEN, twilioError } from "../support/providers/twilio.mjs";
import { alerts, waiting as waitingOn } from "../support/providers/waiting.mjs";
import { Stage } from "../support/stage.mjs";

const stage = new Stage();
let verify;

beforeAll(async () => {
  verify = await TwilioVerify.start();
  // Verify alone: no sender is named.
  const vars = {
    TWILIO_ACCOUNT_SID: ACCOUNT,
    TWILIO_AUTH_TOKEN: TOKEN,
    TWILIO_VERIFY_SERVICE_SID: SERVICE,
    TWILIO_VERIFY_URL: verify.url,
  };
  await stage.set([{}], { vars, consume: false });
});
afterAll(async () => {
  await stage.clear();
  await verify.stop();
});
beforeEach(async () => {
  verify.recover();
  // Breakers forget nothing but time.
  await stage.world.advance(61);
});

const waiting = (channel, more) => waitingOn(stage, channel, more);

describe("a code", () => {
  test.each([
    ["sms", "sms", "de"],
    ["voice", "call", "es"],
  ])("by %s is handed to Verify, in the person's language, and confirms", async (channel, name, locale) => {
    const { to, row, confirm, deliver } = await waiting(channel, { ui_locales: locale });
    await deliver();
    const message = await verify.messageFor(to);
    expect(message).toMatchObject({ channel: name, locale });
    expect(await row()).toEqual({ state: "sent", provider: "twilio_verify", failure: null, cleared: 1 });
    await accepted(await confirm(message.code));
  });

  test("is called in a language of Verify's choice where calls lack the person's", async () => {
    const { to, row, confirm, deliver } = await waiting("voice", { ui_locales: "ar" });
    await deliver();
    const message = await verify.messageFor(to);
    expect(message.locale).toBeNull();
    expect(await row()).toMatchObject({ state: "sent", provider: "twilio_verify" });
    await accepted(await confirm(message.code));
  });
});

describe("when Verify cannot", () => {
  test.each([
    ["is down", { status: 503, body: {} }],
    ["is too busy", twilioError(429, 20429)],
    ["gets too much at once for the number", twilioError(429, 60212)],
    ["has sent five codes already", twilioError(429, 60203)],
    ["suspects fraud", twilioError(403, 60410)],
    ["has the region switched off", twilioError(403, 60605)],
    ["breaks the connection", "reset"],
  ])("because it %s, the webhook steps in within the same attempt, and nobody is alerted", async (_, answer) => {
    const { to, id, row, deliver } = await waiting("sms");
    const before = (await alerts(stage)).length;
    verify.next(answer);
    const { retryMessages } = await deliver();
    expect(retryMessages).toEqual([]);
    expect(stage.webhook.messagesTo(to).map((message) => message.id)).toEqual([id]);
    expect(await row()).toMatchObject({ state: "sent", provider: "webhook" });
    expect(await alerts(stage)).toHaveLength(before);
  });

  test.each([
    ["does not let the account in", twilioError(401, 20003), "status 401, code 20003"],
    ["does not take codes of one's own", twilioError(403, 60204), "status 403, code 60204"],
    ["has the channel switched off", twilioError(400, 60223), "status 400, code 60223"],
    ["does not give access to the channel", invalidParameter("Channel"), "status 400, code 60200"],
  ])("because it %s, the webhook steps in and the operator is alerted", async (_, answer, reason) => {
    const { to, deliver } = await waiting("sms");
    const before = (await alerts(stage, reason)).length;
    verify.next(answer);
    await deliver();
    expect(stage.webhook.messagesTo(to)).toHaveLength(1);
    expect((await alerts(stage, reason)).length).toBeGreaterThan(before);
  });

  test.each([
    ["it is none", invalidParameter("To"), "status 400, code 60200"],
    ["it is out of service", twilioError(400, 60006), "status 400, code 60006"],
    ["text messages do not reach it", twilioError(403, 60205), "status 403, code 60205"],
  ])("because of the number (%s), nobody else is bothered", async (_, answer, reason) => {
    const { to, row, deliver } = await waiting("sms");
    verify.next(answer);
    const { retryMessages } = await deliver();
    expect(retryMessages).toEqual([]);
    expect(stage.webhook.messagesTo(to)).toEqual([]);
    expect(await row()).toMatchObject({ state: "failed", failure: `twilio_verify: ${reason}`, cleared: 1 });
  });

  test("because it does not answer, the webhook steps in after ten seconds", async () => {
    const { to, deliver } = await waiting("sms");
    verify.next("hang");
    await deliver();
    expect(stage.webhook.messagesTo(to)).toHaveLength(1);
    verify.release();
  }, 30_000);

  test("answer at once, it is waited for", async () => {
    const { to, row, deliver } = await waiting("sms");
    verify.next("hang");
    const delivered = deliver();
    await until("the request is held", () => verify.held === 1);
    await pause(3000);
    verify.release();
    await delivered;
    expect(stage.webhook.messagesTo(to)).toEqual([]);
    expect(await row()).toMatchObject({ state: "sent", provider: "twilio_verify" });
  });
});

test("half a minute after an attempt has begun nobody else is asked, and the code comes with the next", async () => {
  const { world, webhook } = stage;
  const { to, row, deliver } = await waiting("sms");
  verify.next("hang");
  const delivered = deliver();
  await until("the request is held", () => verify.held === 1);
  await world.advance(30);
  const { retryMessages } = await delivered;
  expect(retryMessages).toHaveLength(1);
  expect(webhook.messagesTo(to)).toEqual([]);
  const failure = "twilio_verify: no answer in time; no time was left for the others";
  expect(await row()).toEqual({ state: "waiting", provider: null, failure, cleared: 0 });
  // The double would take it for a message that has come.
  verify.release();
  await until("nothing is held", () => verify.held === 0);
  verify.next({ status: 503, body: {} });
  await deliver();
  expect(webhook.messagesTo(to)).toHaveLength(1);
}, 30_000);

test("no code, number or credential stands in the log", async () => {
  const lines = (await stage.world.logLines()).join("\n");
  const told = verify.accepted.flatMap(({ to, code }) => [to, code]);
  expect(told.length).toBeGreaterThan(4);
  for (const secret of [...told, TOKEN]) expect(lines).not.toContain(secret);
});

describe("the double is strict", () => {
  const basic = (user, password) => `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  const path = `/v2/Services/${SERVICE}/Verifications`;
  const right = { To: "+4915100000001", Channel: "sms", CustomCode: "123456", Locale: "en" };
  const ask = async ({ headers, parameters, at = path, method = "POST" } = {}) => {
    const all = { authorization: basic(ACCOUNT, TOKEN), "content-type": "application/x-www-form-urlencoded", ...headers };
    const body = new URLSearchParams(JSON.parse(JSON.stringify({ ...right, ...parameters })));
    const response = await fetch(verify.url + at, {
      method,
      headers: all,
      ...(method === "POST" && { body: String(body) }),
    });
    return { status: response.status, ...(await response.json()) };
  };

  test("and takes what is right", async () => {
    expect(await ask()).toMatchObject({ status: "pending", channel: "sms", to: right.To });
    expect((await ask({ parameters: { Channel: "call", Locale: undefined } })).sid).toMatch(/^VE/);
  });

  test.each([
    ["without credentials", { headers: { authorization: "" } }, 20003],
    ["with another token", { headers: { authorization: basic(ACCOUNT, "x") } }, 20003],
    ["of another account", { headers: { authorization: basic(`AC${"f".repeat(32)}`, TOKEN) } }, 20003],
    ["with another scheme", { headers: { authorization: basic(ACCOUNT, TOKEN).replace("Basic", "Bearer") } }, 20003],
    ["as JSON", { headers: { "content-type": "application/json" } }, 20001],
    ["by GET", { method: "GET" }, 20004],
    ["of another service", { at: path.replace(SERVICE, `VA${"f".repeat(32)}`) }, 20404],
    ["of another version", { at: path.replace("v2", "v1") }, 20404],
    ["without To", { parameters: { To: undefined } }, 60200],
    ["to something that is no number", { parameters: { To: "0151" } }, 60200],
    ["without Channel", { parameters: { Channel: undefined } }, 60200],
    ["by an unknown channel", { parameters: { Channel: "voice" } }, 60200],
    ["without a code", { parameters: { CustomCode: undefined } }, 60200],
    ["with a code that is too short", { parameters: { CustomCode: "123" } }, 60200],
    ["in an unknown language", { parameters: { Locale: "xx" } }, 20404],
    ["in a language that calls lack", { parameters: { Channel: "call", Locale: "ar" } }, 20404],
  ])("and refuses a verification %s", async (_, request, code) => {
    const answer = await ask(request);
    expect(answer.code).toBe(code);
  });

  test("and refuses a sixth code for one number", async () => {
    const parameters = { To: "+4915100000002" };
    for (let sent = 0; sent < 5; sent += 1) expect((await ask({ parameters })).sid).toBeDefined();
    expect((await ask({ parameters })).code).toBe(60203);
  });
});
