/** Several providers: who steps in for whom, and who is passed over. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { refused } from "../support/answers.mjs";
import { until } from "../support/poll.mjs";
import { Twilio } from "../support/providers/twilio.mjs";
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

test("one that fails again and again is passed over, and the log says when it is down and up", async () => {
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

test("a channel without anybody to carry it is not enabled", async () => {
  const alone = new Stage();
  try {
    await alone.set([{}], { vars: { DELIVERY: '{"voice":[]}' } });
    const body = { authenticator_types: ["oob"], oob_channels: ["voice"], phone_number: "+4915123456789" };
    await refused(await alone.person().associate(body), 400, "invalid_request", "The voice factor is not enabled.");
  } finally {
    await alone.clear();
  }
});
