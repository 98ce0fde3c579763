/** The queue's consumer, handed its batches by the test: what it sends, what it tries again, what it gives up. */
import { once } from "node:events";
import { createServer } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { accepted } from "../support/answers.mjs";
import { freshNumber } from "../support/person.mjs";
import { until } from "../support/poll.mjs";
import { useStage } from "../support/stage.mjs";
import { DEAD_LETTERS } from "../support/worker.mjs";

const stage = useStage({ consume: false });

/** Somebody whose code waits to be sent: the queue's message, and the row's id. */
async function waiting() {
  const person = stage.person();
  const { result, sent } = await stage.world.cost(() => person.associateSms());
  await accepted(result);
  const [message] = sent;
  const id = typeof message === "string" ? message : Object.values(message)[0];
  return { person, message, id, received: () => stage.webhook.messagesTo(person.number), calls: () => callsFor(id) };
}

const callsFor = (id) => stage.webhook.calls.filter((call) => call.id === id).map(({ status }) => status);
const row = async (id) => (await stage.world.rows("SELECT state, sealed IS NULL AS cleared FROM deliveries WHERE id = ?", id))[0];
const again = ({ retryMessages, retryBatch, outcome }) =>
  (retryMessages?.length ?? 0) > 0 || retryBatch?.retry || outcome !== "ok";

describe("an answer of the provider", () => {
  test.each([500, 503, 429, 408])(
    "%i makes the consumer try again later, under the same id, until it is taken",
    async (status) => {
      const { world, webhook } = stage;
      const { message, id, received, calls } = await waiting();
      webhook.next(status);
      const { outcome, retryMessages } = await world.deliver([message]);
      expect(outcome).toBe("ok");
      expect(retryMessages).toHaveLength(1);
      const { delaySeconds } = retryMessages[0];
      expect(delaySeconds).toBeGreaterThan(0);
      expect(await row(id)).toEqual({ state: "waiting", cleared: 0 });
      await world.advance(delaySeconds);
      expect(again(await world.deliver([message], { attempts: 2 }))).toBe(false);
      expect(calls()).toEqual([status, 202]);
      expect(received()).toHaveLength(1);
      expect(await row(id)).toEqual({ state: "sent", cleared: 1 });
    },
  );

  test("pauses grow from attempt to attempt, and are not the same for all", async () => {
    const { world, webhook } = stage;
    const { message, received } = await waiting();
    const pauses = [];
    for (let attempt = 1; attempt <= 4; attempt += 1) {
      webhook.next(500);
      const { retryMessages } = await world.deliver([message], { attempts: attempt });
      pauses.push(retryMessages[0].delaySeconds);
      await world.advance(pauses.at(-1));
    }
    expect(pauses).toEqual([...pauses].sort((a, b) => a - b));
    const around = [2, 5, 15, 30];
    for (const [index, pause] of pauses.entries()) {
      // A quarter shorter or longer, in whole seconds.
      expect(pause).toBeGreaterThanOrEqual(Math.floor(around[index] * 0.75));
      expect(pause).toBeLessThanOrEqual(Math.ceil(around[index] * 1.25));
    }
    await world.deliver([message], { attempts: 5 });
    expect(received()).toHaveLength(1);

    // Of ten messages that failed together, not all come back together.
    const all = [];
    for (let index = 0; index < 10; index += 1) all.push(await waiting());
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      webhook.next(...Array(10).fill(503));
      const { retryMessages } = await world.deliver(
        all.map((each) => each.message),
        { attempts: attempt },
      );
      const delays = retryMessages.map(({ delaySeconds }) => delaySeconds);
      expect(delays).toHaveLength(10);
      if (attempt === 3) expect(new Set(delays).size).toBeGreaterThan(1);
      await world.advance(Math.max(...delays));
    }
  });

  test("Retry-After is heeded", async () => {
    const { world, webhook } = stage;
    const { message, received } = await waiting();
    webhook.next({ status: 429, headers: { "retry-after": "90" } });
    const { retryMessages } = await world.deliver([message]);
    expect(retryMessages[0].delaySeconds).toBe(90);
    await world.advance(90);
    await world.deliver([message], { attempts: 2 });
    expect(received()).toHaveLength(1);
  });

  test.each([400, 410, 422])("%i is final: nothing is tried again, by queue or sweep, and nothing kept", async (status) => {
    const { world, webhook } = stage;
    const { message, id, calls } = await waiting();
    webhook.next(status);
    expect(again(await world.deliver([message]))).toBe(false);
    expect(await row(id)).toEqual({ state: "failed", cleared: 1 });
    await world.advance(60);
    await world.sweep();
    await world.deliver([message], { attempts: 2 });
    expect(calls()).toEqual([status]);
  });

  test.each([401, 403, 404, 405, 407, 411])(
    "%i asks the operator to mend something: the log alerts, and the code waits for it",
    async (status) => {
      const { world, webhook } = stage;
      const { message, id, received } = await waiting();
      webhook.next(status);
      const { retryMessages } = await world.deliver([message]);
      expect(retryMessages).toHaveLength(1);
      expect(await row(id)).toEqual({ state: "waiting", cleared: 0 });
      const lines = (await world.logLines()).filter((line) => line.includes('"provider_misconfigured"'));
      expect(lines.some((line) => line.includes('"alert"') && line.includes(`status ${status}`))).toBe(true);
      await world.advance(retryMessages[0].delaySeconds);
      await world.deliver([message], { attempts: 2 });
      expect(received()).toHaveLength(1);
    },
  );

  test.each([301, 302, 307, 308])("%i is not followed: no code goes where the operator did not say", async (status) => {
    const { world, webhook } = stage;
    const seen = [];
    const elsewhere = createServer((request, response) => {
      seen.push(request.url);
      response.end();
    }).listen(0, "127.0.0.1");
    await once(elsewhere, "listening");
    const { message, received } = await waiting();
    webhook.next({ status, headers: { location: `http://127.0.0.1:${elsewhere.address().port}/` } });
    await world.deliver([message]);
    expect(seen).toEqual([]);
    expect(received()).toEqual([]);
    elsewhere.close();
  });

  test("that does not come is as good as a 500, after ten seconds", async () => {
    const { world, webhook } = stage;
    const { message, id } = await waiting();
    webhook.next("hang");
    const { retryMessages } = await world.deliver([message]);
    expect(retryMessages).toHaveLength(1);
    expect(await row(id)).toEqual({ state: "waiting", cleared: 0 });
    webhook.release();
  });
});

describe("a code", () => {
  // Seconds decide here, and a slow machine must not spend them.
  beforeEach(() => stage.world.freeze());
  afterEach(() => stage.world.thaw());

  test("that has expired is never sent, and its row is cleared", async () => {
    const { world } = stage;
    const { message, id, calls } = await waiting();
    await world.advance(301);
    expect(again(await world.deliver([message]))).toBe(false);
    await world.sweep();
    expect(calls()).toEqual([]);
    expect(await row(id)).toEqual({ state: "expired", cleared: 1 });
  });

  test("is not tried again when it would be dead by then", async () => {
    const { world, webhook } = stage;
    const { message, id } = await waiting();
    await world.advance(299);
    webhook.next(500);
    expect(again(await world.deliver([message]))).toBe(false);
    expect((await row(id)).cleared).toBe(1);
  });

  test("says how many seconds it has left", async () => {
    const { world } = stage;
    const { message, received } = await waiting();
    await world.advance(100);
    await world.deliver([message]);
    expect(received()[0].expires_in).toBe(200);
    expect(received()[0].expires_at).toBe(world.now() + 200);
  });
});

describe("a message that the queue has given up on", () => {
  const giveUp = (bodies, queue = DEAD_LETTERS) => stage.world.deliver(bodies, { queue });
  const alerts = async () =>
    (await stage.world.logLines())
      .filter((line) => line.includes('"delivery_given_up"'))
      .map((line) => line.slice(line.indexOf("{")));

  test("is recorded with its reason and told to the log, and the sweep tries it again", async () => {
    const { world, webhook } = stage;
    const { message, id, received } = await waiting();
    webhook.next(500);
    await world.deliver([message]);
    expect(again(await giveUp([message]))).toBe(false);
    const [{ state, failure }] = await world.rows("SELECT state, failure FROM deliveries WHERE id = ?", id);
    expect({ state, failure }).toEqual({ state: "waiting", failure: "the queue has given up; webhook: status 500" });
    const alert = JSON.parse((await alerts()).find((line) => line.includes(id)));
    expect(alert).toMatchObject({ severity: "alert", channel: "sms", attempts: 1, reason: failure });

    const before = (await world.queued()).length;
    await world.advance(30);
    await world.sweep();
    const told = (await world.queued()).slice(before);
    expect(told).toContainEqual(message);
    await world.deliver([message]);
    expect(received()).toHaveLength(1);
  });

  test("and that is done after all is no alert", async () => {
    const { message, id } = await waiting();
    await stage.world.deliver([message]);
    await giveUp([message, null, "garbage"]);
    expect((await alerts()).filter((line) => line.includes(id))).toEqual([]);
    expect((await row(id)).state).toBe("sent");
  });

  test("is told in an environment whose queues have other names", async () => {
    const { message, id } = await waiting();
    await giveUp([message], "countersign-staging-oob-dead");
    expect((await alerts()).some((line) => line.includes(id))).toBe(true);
    expect((await row(id)).state).toBe("waiting");
  });

  test("is kept while the database is down", async () => {
    const { message } = await waiting();
    await stage.world.fail({ on: "DB", times: 1 });
    expect(again(await giveUp([message]))).toBe(true);
    await stage.world.heal();
  });
});

describe("a batch", () => {
  test("with garbage in it delivers the good ones and is done with the rest", async () => {
    const { world } = stage;
    const one = await waiting();
    const two = await waiting();
    const garbage = [
      null,
      42,
      "",
      "no such delivery",
      { id: { id: 1 } },
      [one.id],
      { zebra: true },
      { delivery: 5 },
      { delivery: "\ud800" },
      "x".repeat(10_000),
      true,
    ];
    const bodies = [garbage[0], one.message, ...garbage.slice(1), two.message];
    const logged = (await world.logLines()).length;
    expect(again(await world.deliver(bodies))).toBe(false);
    expect(one.received()).toHaveLength(1);
    expect(two.received()).toHaveLength(1);
    expect((await world.logLines()).length).toBeGreaterThan(logged);
  });

  test("sends side by side: one slow answer does not hold back the others", async () => {
    const { world, webhook } = stage;
    const all = [await waiting(), await waiting(), await waiting()];
    webhook.next("hang", "hang", "hang");
    const delivered = world.deliver(all.map(({ message }) => message));
    await until("all three are being sent", () => webhook.held === 3);
    webhook.release();
    expect(again(await delivered)).toBe(false);
    for (const { received } of all) expect(received()).toHaveLength(1);
  });

  test("some of which fail tries again those and no others", async () => {
    const { world, webhook } = stage;
    const all = [await waiting(), await waiting()];
    webhook.next(500);
    const { retryMessages } = await world.deliver(all.map(({ message }) => message));
    expect(retryMessages).toHaveLength(1);
    expect(all.map(({ received }) => received().length).sort()).toEqual([0, 1]);
  });

  test("whose claim fails in storage is tried again as a whole, and then sent once", async () => {
    const { world } = stage;
    const { message, received } = await waiting();
    await world.fail({ on: "DB", times: 1 });
    expect(again(await world.deliver([message]))).toBe(true);
    await world.heal();
    expect(received()).toEqual([]);
    await world.deliver([message], { attempts: 2 });
    expect(received()).toHaveLength(1);
  });

  test("handed to two consumers at once is sent once", async () => {
    const { world, webhook } = stage;
    const { message, received, calls } = await waiting();
    webhook.next("hang");
    const first = world.deliver([message]);
    await until("the first is sending", () => webhook.held === 1);
    // The second cannot wait for the first, which settles only at the release.
    const second = world.deliver([message]);
    webhook.release();
    await Promise.all([first, second]);
    expect(calls()).toEqual([202]);
    expect(received()).toHaveLength(1);
  });

  test("that was sent but not recorded is not sent again before its claim has ended", async () => {
    const { world } = stage;
    const { message, received } = await waiting();
    await world.fail({ on: "DB", times: 1, matching: "state = 'sent'" });
    await world.deliver([message]);
    await world.heal();
    expect(received()).toHaveLength(1);
    await world.advance(20);
    await world.deliver([message], { attempts: 2 });
    expect(received()).toHaveLength(1);
  });

  test("whose consumer died is told to the queue again by the sweep, once the claim has ended", async () => {
    const { world } = stage;
    const { message, id, received } = await waiting();
    await world.rows("UPDATE deliveries SET state = 'claimed', attempts = 1, due_at = ? WHERE id = ?", world.now() + 60, id);
    await world.deliver([message]);
    expect(received()).toEqual([]);
    const before = (await world.queued()).length;
    await world.advance(121);
    await world.sweep();
    const told = (await world.queued()).slice(before);
    expect(told).toContainEqual(message);
    await world.deliver([message], { attempts: 2 });
    expect(received()).toHaveLength(1);
  });
});

test("the sweep leaves alone what the queue has just been told", async () => {
  const { world } = stage;
  const { message } = await waiting();
  await world.sweep();
  expect((await world.queued()).filter((each) => JSON.stringify(each) === JSON.stringify(message))).toHaveLength(1);
});

test("a number is called by voice and written to by e-mail as the enrollment asked", async () => {
  const { world, webhook } = stage;
  const number = freshNumber();
  const person = stage.person();
  const voice = await world.cost(() =>
    person.associate({ authenticator_types: ["oob"], oob_channels: ["voice"], phone_number: number }),
  );
  const email = await world.cost(() => person.associateEmail());
  await world.deliver([...voice.sent, ...email.sent]);
  expect(webhook.messagesTo(number)[0].channel).toBe("voice");
  expect(webhook.messagesTo(person.email)[0].channel).toBe("email");
});
