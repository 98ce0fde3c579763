/** Text messages and calls by Twilio: in their published form, with its documented errors, and who steps in. */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { accepted } from "../support/answers.mjs";
import { until } from "../support/poll.mjs";
import { ACCOUNT, FROM, TOKEN, Twilio, twilioError } from "../support/providers/twilio.mjs";
import { waiting as waitingOn } from "../support/providers/waiting.mjs";
import { Stage } from "../support/stage.mjs";

const stage = new Stage();
let twilio;

beforeAll(async () => {
  twilio = await Twilio.start();
  await stage.set([{}], { vars: twilio.vars, consume: false });
});
afterAll(async () => {
  await stage.clear();
  await twilio.stop();
});
beforeEach(async () => {
  twilio.recover();
  // Breakers forget nothing but time.
  await stage.world.advance(61);
});

const waiting = (channel) => waitingOn(stage, channel);

describe("a code", () => {
  test("comes as a text message, from the sender that is configured, and confirms", async () => {
    const { to, row, confirm, deliver } = await waiting("sms");
    await deliver();
    const message = await twilio.messageFor(to);
    expect(message.from).toBe(FROM);
    expect(await row()).toEqual({ state: "sent", provider: "twilio", failure: null, cleared: 1 });
    await accepted(await confirm(message.code));
  });

  test("is read out twice, digit by digit", async () => {
    const { to, confirm, deliver } = await waiting("voice");
    await deliver();
    const { said, code } = await twilio.messageFor(to);
    expect(said).toHaveLength(2);
    expect(said[0]).toBe(said[1]);
    expect(said[0]).toContain([...code].join(", "));
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

  test("answer at once, it is waited for", async () => {
    const { to, row, deliver } = await waiting("sms");
    twilio.next("hang");
    const delivered = deliver();
    await until("the request is held", () => twilio.held === 1);
    await pause(3000);
    twilio.release();
    await delivered;
    expect(stage.webhook.messagesTo(to)).toEqual([]);
    expect(await row()).toMatchObject({ state: "sent", provider: "twilio" });
  });
});

test("no code, number or credential stands in the log", async () => {
  const lines = (await stage.world.logLines()).join("\n");
  const told = twilio.accepted.flatMap(({ to, code }) => [to, code]);
  expect(told.length).toBeGreaterThan(4);
  for (const secret of [...told, TOKEN]) expect(lines).not.toContain(secret);
});

describe("the counterpart is strict", () => {
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
});
