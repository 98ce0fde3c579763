/** Challenges, their codes and removals that meet: one code lives, one request wins, and what is gone stays gone. */
import { describe, expect, test } from "vitest";
import { accepted, done, refused, refusedFor429 } from "../support/answers.mjs";
import { changeClient, removeClient, sha256 } from "../support/clients.mjs";
import { GUESSES, SECONDS_A_GUESS, TOO_MANY_CODES, TRIES, dead, invalid, redeem, spent, wrong } from "../support/codes.mjs";
import { CHALLENGE, CHARGE, REDEMPTION, REMOVAL, atOnce } from "../support/race.mjs";
import { useStage } from "../support/stage.mjs";

const stage = useStage({ isolates: 2 });
const userId = (person) => `idp|${person.sub}`;

/** Somebody with an active phone. */
async function withPhone() {
  const person = stage.person();
  const phone = await person.enrollSms();
  return Object.assign(person, { phone });
}

describe("at once", () => {
  /** How many guesses a person has been charged for, the clock standing. */
  async function charged(person) {
    const [row] = await stage.world.rows("SELECT full_at FROM budgets WHERE key = ?", `guess:${userId(person)}`);
    return Math.max(0, row.full_at - stage.world.now()) / SECONDS_A_GUESS;
  }

  test.each([
    [2, "their guesses are charged", CHARGE],
    [2, "they consume", REDEMPTION],
    [50, "their guesses are charged", CHARGE],
    [50, "they consume", REDEMPTION],
  ])("%i redemptions of one code that meet where %s succeed once", async (count, _, at) => {
    const { world } = stage;
    await world.freeze();
    const person = await withPhone();
    const parameters = await person.receiveCode();
    const { responses, tally } = await atOnce(world, count, at, (isolate) => redeem(person, parameters, { isolate }));
    expect(tally).toEqual({ winners: 1, crashes: 0 });
    for (const response of responses) {
      if (response.status === 200) await accepted(response);
      else expect([401, 403, 429]).toContain(response.status);
    }
    // Those who lost have paid, those who found the bucket empty or the login over have not; the winner has its
    // guess back.
    if (at === REDEMPTION) expect(await charged(person)).toBe(Math.min(count, GUESSES) - 1);
    else expect(await charged(person)).toBeLessThanOrEqual(Math.min(count, GUESSES));
    expect(await world.rows("SELECT id FROM challenges WHERE user_id = ?", userId(person))).toEqual([]);
    await world.thaw();
  });

  test("fifty wrong ones are charged exactly: five are compared, five more find the code used up", async () => {
    const { world } = stage;
    await world.freeze();
    const person = await withPhone();
    const parameters = await person.receiveCode();
    const { responses, statuses } = await atOnce(world, 50, CHARGE, (isolate) => redeem(person, wrong(parameters), { isolate }));
    expect(statuses).toEqual([...Array(TRIES).fill(403), ...Array(50 - TRIES).fill(429)]);
    expect(responses.filter(({ headers }) => headers.has("x-ratelimit-limit"))).toHaveLength(50 - GUESSES);
    expect(await charged(person)).toBe(GUESSES);
    await refusedFor429(await redeem(person, parameters), TOO_MANY_CODES, { now: world.now() });
    await world.thaw();
  });

  test("two challenges leave one living code", async () => {
    const { world } = stage;
    const person = await withPhone();
    const tokens = [person.mfaToken(), person.mfaToken()];
    const { responses } = await atOnce(world, 2, CHALLENGE, (isolate) =>
      person.challenge({ mfa_token: tokens[isolate] }, { isolate }),
    );
    const codes = [];
    for (const response of responses) codes.push((await accepted(response)).oob_code);
    await stage.webhook.codeFor(person.number, { count: 3 });
    const received = stage.webhook.messagesTo(person.number).slice(1);
    let good = 0;
    for (const [index, oob_code] of codes.entries()) {
      for (const { code } of received) {
        const response = await redeem(person, { mfa_token: tokens[index], oob_code, binding_code: code });
        if (response.status === 200) good += 1;
      }
    }
    expect(good).toBe(1);
  });

  test("a challenge and a redemption of the code before it: at most one code is redeemed", async () => {
    const { world } = stage;
    for (const order of [CHALLENGE, REDEMPTION]) {
      const person = await withPhone();
      const one = await person.receiveCode();
      let two;
      if (order === REDEMPTION) {
        const response = await world.during(
          REDEMPTION,
          () => redeem(person, one),
          async () => (two = await person.receiveCode({ mfa_token: one.mfa_token })),
        );
        await invalid(response);
        await accepted(await redeem(person, two));
      } else {
        const response = await world.during(
          CHALLENGE,
          () => person.challenge({ mfa_token: one.mfa_token }),
          async () => accepted(await redeem(person, one)),
        );
        await spent(response);
      }
    }
  });
});

describe("a client that changes while a challenge is under way", () => {
  test("and is removed has nothing sent", async () => {
    const person = stage.person({ client: await stage.addClient() });
    await person.enrollSms();
    const response = await stage.world.during(
      CHALLENGE,
      () => person.challenge(),
      () => removeClient(stage.world, person.client.id),
    );
    await refused(response, 401, "access_denied", "Unauthorized");
    await stage.world.delivered();
    expect(stage.webhook.messagesTo(person.number)).toHaveLength(1);
  });

  test("and whose secret is another now has nothing sent", async () => {
    const person = stage.person({ client: await stage.addClient({ authentication: "post" }) });
    await person.enrollSms();
    const response = await stage.world.during(
      CHALLENGE,
      () => person.challenge(),
      () => changeClient(stage.world, person.client.id, "secret_hash", sha256("another")),
    );
    await refused(response, 401, "access_denied", "Unauthorized");
    await stage.world.delivered();
    expect(stage.webhook.messagesTo(person.number)).toHaveLength(1);
  });

  test("and is still good has its code sent once", async () => {
    const person = stage.person({ client: await stage.addClient() });
    await person.enrollSms();
    const response = await stage.world.during(
      CHALLENGE,
      () => person.challenge(),
      () => changeClient(stage.world, person.client.id, "name", "Another name"),
    );
    await accepted(response);
    await stage.world.delivered();
    expect(stage.webhook.messagesTo(person.number)).toHaveLength(2);
  });
});

describe("an authenticator that is removed meanwhile", () => {
  test("by a removal that comes first is not challenged", async () => {
    const person = await withPhone();
    const response = await stage.world.during(
      CHALLENGE,
      () => person.challenge(),
      async () => done(await person.remove(person.phone.id)),
    );
    await refused(response, 400, "association_required");
    await stage.world.delivered();
    expect(stage.webhook.messagesTo(person.number)).toHaveLength(1);
  });

  test("by a removal that comes second has its code voided", async () => {
    const person = await withPhone();
    let parameters;
    const response = await stage.world.during(
      REMOVAL,
      () => person.remove(person.phone.id),
      async () => (parameters = await person.receiveCode()),
    );
    await done(response);
    await dead(await redeem(person, parameters));
  });

  test("while its code is compared verifies nobody", async () => {
    const person = await withPhone();
    const parameters = await person.receiveCode();
    const response = await stage.world.during(
      REDEMPTION,
      () => redeem(person, parameters),
      async () => done(await person.remove(person.phone.id)),
    );
    await invalid(response);
  });

  test("whichever comes first, verifies nobody", async () => {
    const { world } = stage;
    for (let round = 0; round < 6; round += 1) {
      const person = await withPhone();
      const mfa_token = person.mfaToken();
      const [challenged, removed] = await world.race(`${CHALLENGE}|${REMOVAL}`, [
        () => person.challenge({ mfa_token }, { isolate: round % 2 }),
        () => person.remove(person.phone.id, { isolate: (round + 1) % 2 }),
      ]);
      await done(removed);
      await world.delivered();
      if (challenged.status === 200) {
        const { oob_code } = await accepted(challenged);
        const binding_code = await stage.webhook.codeFor(person.number, { count: 2 });
        await dead(await redeem(person, { mfa_token, oob_code, binding_code }));
      } else {
        await refused(challenged, 400, "association_required");
      }
      expect(await world.rows("SELECT id FROM challenges WHERE user_id = ?", userId(person))).toEqual([]);
    }
  });

  test("comes back by a new enrollment without the old codes", async () => {
    const person = await withPhone();
    const parameters = await person.receiveCode();
    await done(await person.remove(person.phone.id));
    await person.enrollSms();
    await dead(await redeem(person, parameters));
  });

  test("by another enrollment of its number has its code voided", async () => {
    const person = await withPhone();
    await stage.world.advance(2);
    const parameters = await person.receiveCode();
    await person.enrollSms({ token: person.provenToken() });
    await dead(await redeem(person, parameters));
  });
});
