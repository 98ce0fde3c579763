/**
 * One isolate dies in the middle of its requests, with its memory and everything under way in it, and is made anew; the
 * other goes on. Whoever asked the dead one is told nothing.
 */
import { randomUUID } from "node:crypto";
import { afterEach, describe, expect, test } from "vitest";
import { accepted, refused } from "../support/answers.mjs";
import { until } from "../support/poll.mjs";
import { useStage } from "../support/stage.mjs";
import { STEP_SECONDS, totp } from "../support/totp.mjs";
import { NoAnswer } from "../support/worker.mjs";

const SPENT = [403, "invalid_grant", "mfa_token has already been used"];
const stage = useStage({ isolates: 2 });
const userId = (person) => `idp|${person.sub}`;
const [DYING, LIVING] = [{ isolate: 0 }, { isolate: 1 }];

afterEach(() => stage.world.heal());

/** Isolate 0 dies at its next round trip that matches, "before" or "after" the database has done it. */
const dies = (when, matching) => stage.world.fail({ on: "DB", mode: `dies ${when}`, matching, isolate: 0 });

/** What somebody else does at the other isolate meanwhile, from beginning to end. */
async function others() {
  const person = stage.person();
  const mfa_token = person.mfaToken();
  const { secret } = await accepted(await person.associateOtp({ token: mfa_token, ...LIVING }));
  const otp = totp(secret, stage.world.now());
  await accepted(await person.exchange("otp", { mfa_token, otp }, LIVING));
}

/** `ask` is told nothing, while others are answered. */
async function unanswered(ask) {
  const [answer] = await Promise.all([expect(ask()).rejects.toThrow(NoAnswer), others()]);
  return answer;
}

describe("an isolate that dies", () => {
  test.each(["before", "after"])(
    "%s an enrollment is stored: its key gets one enrollment and one message, here or there",
    async (when) => {
      const { world, webhook } = stage;
      for (const next of [DYING, LIVING]) {
        const person = stage.person();
        const mfa_token = person.mfaToken();
        const options = { token: mfa_token, headers: { "idempotency-key": randomUUID() } };
        await dies(when, "INTO enrollments");
        await unanswered(() => person.associateSms({ ...options, ...DYING }));
        const stored = await world.rows("SELECT id FROM enrollments WHERE user_id = ?", userId(person));
        expect(stored).toHaveLength(when === "after" ? 1 : 0);
        const { id, oob_code } = await accepted(await person.associateSms({ ...options, ...next }));
        if (when === "after") expect(id).toBe(stored[0].id);
        // The queue was not told by the one that died, so the sweep is who tells it.
        await world.advance(60);
        await world.sweep();
        const binding_code = await webhook.codeFor(person.number);
        await world.delivered();
        expect(webhook.messagesTo(person.number)).toHaveLength(1);
        await accepted(await person.exchange("oob", { mfa_token, oob_code, binding_code }, next));
      }
    },
  );

  test.each([
    ["before the guess is charged", "before", "INTO budgets", 0],
    ["after the guess is charged", "after", "INTO budgets", 1],
    ["between the two round trips", "before", "INTO redemptions", 1],
  ])(
    "%s has redeemed nothing: the same code is good at the other one, and a guess stays charged at most",
    async (_, when, matching, charged) => {
      const { world } = stage;
      const person = stage.person();
      const { secret } = await person.enrollOtp();
      await world.advance(2 * STEP_SECONDS);
      const parameters = { mfa_token: person.mfaToken(), otp: totp(secret, world.now()) };
      const owed = async () =>
        (await world.rows("SELECT SUM(failures) AS sum FROM authenticators WHERE user_id = ?", userId(person)))[0].sum;
      await dies(when, matching);
      await unanswered(() => person.exchange("otp", parameters, DYING));
      expect(await owed()).toBe(charged);
      await accepted(await person.exchange("otp", parameters, LIVING));
      expect(await owed()).toBe(0);
      await refused(await person.exchange("otp", parameters, DYING), ...SPENT);
    },
  );

  test("after a code is redeemed and before it answers has spent the login and the time step, once and for all", async () => {
    const { world } = stage;
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    await world.advance(2 * STEP_SECONDS);
    const parameters = { mfa_token: person.mfaToken(), otp: totp(secret, world.now()) };
    await dies("after", "INTO redemptions");
    await unanswered(() => person.exchange("otp", parameters, DYING));
    for (const isolate of [DYING, LIVING]) await refused(await person.exchange("otp", parameters, isolate), ...SPENT);
    const other = { ...parameters, mfa_token: person.mfaToken() };
    await refused(await person.exchange("otp", other, LIVING), 403, "invalid_grant", "Invalid otp_code.");
    await world.advance(STEP_SECONDS);
    const next = { mfa_token: person.mfaToken(), otp: totp(secret, world.now()) };
    await accepted(await person.exchange("otp", next, DYING));
  });

  test("after an enrollment is confirmed and before it answers has confirmed it, and its recovery code works", async () => {
    const { world } = stage;
    const person = stage.person();
    const mfa_token = person.mfaToken();
    const { secret, recovery_codes } = await accepted(await person.associateOtp({ token: mfa_token, ...DYING }));
    const parameters = { mfa_token, otp: totp(secret, world.now()) };
    await dies("after", "INTO redemptions");
    await unanswered(() => person.exchange("otp", parameters, DYING));
    await refused(await person.exchange("otp", parameters, DYING), ...SPENT);
    const list = await accepted(await person.list(LIVING));
    expect(list.map(({ active }) => active)).toEqual([true, true]);
    const recovery = { mfa_token: person.mfaToken(), recovery_code: recovery_codes[0] };
    await accepted(await person.exchange("recovery", recovery, LIVING));
  });

  test("after a removal is done and before it answers has removed it", async () => {
    const person = stage.person();
    const { id } = await person.enrollOtp();
    await dies("after", "DELETE FROM authenticators");
    await unanswered(() => person.remove(id, DYING));
    await refused(await person.remove(id, DYING), 404, "not_found", "The user has no such authenticator.");
  });

  test("takes every request with it that is under way in it, and none of the other's", async () => {
    const { world } = stage;
    const people = Array.from({ length: 6 }, () => stage.person());
    // Five wait for the database when the sixth has its isolate die.
    await world.fail(
      { on: "DB", mode: "dies before", matching: "INTO challenges|FROM recovery_codes", isolate: 0 },
      { on: "DB", mode: "hang", times: 1e9, matching: "INTO enrollments", isolate: 0 },
    );
    const waiting = people.slice(1).map((person) => expect(person.associateOtp(DYING)).rejects.toThrow(NoAnswer));
    await until("they wait", async () => (await world.held()) === 5);
    await unanswered(() => people[0].list(DYING));
    await Promise.all(waiting);
    await world.heal();
    await world.settle();
    for (const person of people.slice(1)) {
      expect(await world.rows("SELECT id FROM enrollments WHERE user_id = ?", userId(person))).toEqual([]);
      await accepted(await person.associateOtp(DYING));
    }
  });

  test("knows nothing afterwards that it had only in memory: keys and clients are read again", async () => {
    const { world } = stage;
    const person = stage.person();
    await accepted(await person.list(DYING));
    const warm = await world.cost(() => person.associateOtp(DYING));
    await dies("before", "FROM authenticators");
    await unanswered(() => person.list(DYING));
    const cold = await world.cost(() => person.associateOtp(DYING));
    await accepted(cold.result);
    expect([warm.kvReads.length, cold.kvReads.length]).toEqual([0, 1]);
    expect(cold.roundTrips.length).toBe(warm.roundTrips.length + 1);
  });
});

describe("a consumer that dies", () => {
  const claim = "UPDATE deliveries SET state = 'claimed'";
  const sent = "state = 'sent'";

  test.each([
    ["before it claims a message", "before", claim, 1],
    ["between claiming a message and sending it", "after", claim, 1],
    ["after sending a message and before recording it", "before", sent, 2],
    ["after recording a message and before saying so to the queue", "after", sent, 1],
  ])("%s loses no code: it comes when the claim has ended, and works", async (_, when, matching, count) => {
    const { world, webhook } = stage;
    const person = stage.person();
    const mfa_token = person.mfaToken();
    await world.fail({ on: "DB", mode: `dies ${when}`, matching, isolate: "consumer" });
    const [{ oob_code, id: owner }] = await Promise.all([
      accepted(await person.associateSms({ token: mfa_token, ...LIVING })),
      others(),
    ]);
    const [{ id }] = await world.rows("SELECT id FROM deliveries WHERE owner = ?", owner);
    await until("it has died", async () => (await world.died("consumer")) > 0);
    await world.heal();
    for (let minutes = 0; minutes < 3; minutes += 1) {
      await world.advance(65);
      await world.sweep();
    }
    await world.delivered();
    expect(await world.rows("SELECT state, sealed FROM deliveries WHERE id = ?", id)).toEqual([{ state: "sent", sealed: null }]);
    expect(webhook.messagesTo(person.number).length).toBe(count);
    expect(new Set(webhook.messagesTo(person.number).map((message) => message.id)).size).toBe(1);
    const binding_code = webhook.messagesTo(person.number).at(-1).code;
    await accepted(await person.exchange("oob", { mfa_token, oob_code, binding_code }, LIVING));
  });

  test("in the middle of the sweep leaves it to the next one", async () => {
    const { world } = stage;
    const person = stage.person();
    await accepted(await person.associateOtp());
    await world.advance(86_400);
    await world.fail({ on: "DB", mode: "dies before", matching: "DELETE FROM enrollments", isolate: "consumer" });
    await world.sweep().catch(() => {});
    await others();
    await world.heal();
    await world.sweep();
    expect(await world.rows("SELECT id FROM enrollments WHERE user_id = ?", userId(person))).toEqual([]);
  });
});
