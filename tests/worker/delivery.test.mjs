/** Codes on their way: written with the enrollment, carried by the queue, swept up when it fails, sent once. */
import { describe, expect, test } from "vitest";
import { accepted } from "../support/answers.mjs";
import { freshNumber } from "../support/person.mjs";
import { until } from "../support/poll.mjs";
import { useStage } from "../support/stage.mjs";

const stage = useStage({ isolates: 2 });
const state = async (id) => (await stage.world.rows("SELECT state, sealed, failure FROM deliveries WHERE id = ?", id))[0];

test("a code arrives once, the queue carried nothing but its delivery's id, and then nothing of it is kept", async () => {
  const { world, webhook } = stage;
  const person = stage.person();
  const { result, sent } = await world.cost(() => person.associateSms());
  await accepted(result);
  await world.delivered();
  const [message, ...more] = webhook.messagesTo(person.number);
  expect(more).toEqual([]);
  expect(sent).toHaveLength(1);
  expect([sent[0], Object.values(sent[0])]).toContainEqual(typeof sent[0] === "string" ? message.id : [message.id]);
  expect(await state(message.id)).toEqual({ state: "sent", sealed: null, failure: null });
});

test("fifty at once over two isolates arrive once each", async () => {
  const { world, webhook } = stage;
  const people = Array.from({ length: 50 }, () => stage.person());
  await Promise.all(people.map((person, index) => person.associateSms({ isolate: index % 2 })));
  await world.delivered();
  expect(people.map(({ number }) => webhook.messagesTo(number).length)).toEqual(people.map(() => 1));
});

describe("when the queue refuses", () => {
  test("the answer is the same, and the sweep alone delivers exactly once", async () => {
    const { world, webhook } = stage;
    const person = stage.person();
    await world.fail({ on: "OOB_QUEUE", times: 1, message: "Queue send failed: Bad Gateway" });
    const body = await accepted(await person.associateSms());
    await world.settle();
    await world.heal();
    expect(await world.rows("SELECT state FROM deliveries WHERE state = 'waiting'")).toHaveLength(1);
    expect(webhook.messagesTo(person.number)).toEqual([]);

    await world.advance(60);
    await world.sweep();
    const binding_code = await webhook.codeFor(person.number);
    await world.delivered();
    await world.advance(60);
    await world.sweep();
    await world.delivered();
    expect(webhook.messagesTo(person.number)).toHaveLength(1);
    await accepted(await person.exchange("oob", { mfa_token: person.mfaToken(), oob_code: body.oob_code, binding_code }));
  });

  test("several at once are all swept up, once each, by two sweeps at once", async () => {
    const { world, webhook } = stage;
    const numbers = Array.from({ length: 12 }, freshNumber);
    await world.fail({ on: "OOB_QUEUE", times: numbers.length });
    for (const phone_number of numbers) {
      await accepted(await stage.person().associate({ authenticator_types: ["oob"], oob_channels: ["sms"], phone_number }));
    }
    await world.settle();
    await world.heal();
    await world.advance(60);
    await Promise.all([world.sweep(), world.sweep()]);
    await world.delivered();
    expect(numbers.map((number) => webhook.messagesTo(number).length)).toEqual(numbers.map(() => 1));
  });

  test("the sweep may meet the same fate, and the next one delivers", async () => {
    const { world, webhook } = stage;
    const person = stage.person();
    await world.fail({ on: "OOB_QUEUE", times: 2 });
    await accepted(await person.associateSms());
    await world.settle();
    await world.advance(60);
    await world.sweep();
    await world.heal();
    expect(webhook.messagesTo(person.number)).toEqual([]);
    await world.advance(60);
    await world.sweep();
    await world.delivered();
    expect(webhook.messagesTo(person.number)).toHaveLength(1);
  });

  test("an enrollment that is refused sends nothing", async () => {
    const { world } = stage;
    const person = stage.person();
    await person.enrollOtp();
    const { result, sent } = await world.cost(() => person.associateSms());
    expect(result.status).toBe(403);
    expect(sent).toEqual([]);
  });
});

test("a message that the queue delivers twice is sent once", async () => {
  const { world, webhook } = stage;
  const person = stage.person();
  const { result, sent } = await world.cost(() => person.associateSms());
  await accepted(result);
  await world.delivered();
  await world.deliver([...sent, ...sent]);
  await world.deliver(sent);
  expect(webhook.messagesTo(person.number)).toHaveLength(1);
});

test("a message whose consumer dies again and again ends as a dead letter, and the sweep still delivers it once", async () => {
  const { world, webhook } = stage;
  const person = stage.person();
  await world.fail({ on: "queue", times: 10_000, message: "Worker exceeded CPU time limit." });
  const { result, sent } = await world.cost(() => person.associateSms());
  await accepted(result);
  await until("the queue has given up", async () => (await world.deadLetters()).length === 1);
  expect(await world.deadLetters()).toEqual(sent);
  await world.heal();
  expect(webhook.messagesTo(person.number)).toEqual([]);
  await world.advance(60);
  await world.sweep();
  await world.delivered();
  expect(webhook.messagesTo(person.number)).toHaveLength(1);
});
