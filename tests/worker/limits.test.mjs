/** What guesses cost, exactly and over all isolates, and how many enrollments and authenticators a person may have. */
import { describe, expect, test } from "vitest";
import { accepted, refused, refusedFor429 } from "../support/answers.mjs";
import { CHARGE, ENROLLMENT, REDEMPTION, atOnce } from "../support/race.mjs";
import { useStage } from "../support/stage.mjs";
import { STEP_SECONDS, totp, wrongTotp } from "../support/totp.mjs";

const TOO_MANY_CODES = "Too many failed codes. Wait for some minutes before retrying.";
const GUESSES = 10;
const SECONDS_A_GUESS = 360;
const GUESSES_OF_ADDRESS = 300;
const SECONDS_A_GUESS_OF_ADDRESS = 12;

const stage = useStage({ isolates: 2 });
const db = (sql, ...values) => stage.world.rows(sql, ...values);
const userId = (person) => `idp|${person.sub}`;
const authenticators = (person) => db("SELECT id FROM authenticators WHERE user_id = ? ORDER BY id", userId(person));

describe("guesses", () => {
  test("fifty at once over two isolates are charged exactly", async () => {
    const { world } = stage;
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    await world.freeze();
    await world.advance(5 * STEP_SECONDS);
    const mfa_token = person.mfaToken();
    const otp = wrongTotp(secret, world.now());
    const { responses, statuses } = await atOnce(stage.world, 50, CHARGE, (isolate) =>
      person.exchange("otp", { mfa_token, otp }, { isolate }),
    );
    expect(statuses).toEqual([...Array(GUESSES).fill(403), ...Array(50 - GUESSES).fill(429)]);
    for (const response of responses) {
      if (response.status === 403) await refused(response, 403, "invalid_grant", "Invalid otp_code.");
      else {
        const { retryAfter, limit, reset } = await refusedFor429(response, TOO_MANY_CODES, { now: world.now() });
        expect({ retryAfter, limit, reset }).toEqual({
          retryAfter: SECONDS_A_GUESS,
          limit: GUESSES,
          reset: world.now() + SECONDS_A_GUESS,
        });
      }
    }
    const right = () => person.exchange("otp", { mfa_token: person.mfaToken(), otp: totp(secret, world.now()) });
    expect((await right()).status).toBe(429);
    await world.advance(SECONDS_A_GUESS - 1);
    expect((await right()).status).toBe(429);
    await world.advance(1);
    await accepted(await right());
    await world.thaw();
  });

  test("fifty right and wrong ones at once: one success, and the wrong ones charged exactly", async () => {
    const { world } = stage;
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    await world.freeze();
    await world.advance(5 * STEP_SECONDS);
    const [right, wrong] = [totp(secret, world.now()), wrongTotp(secret, world.now())];
    const outcome = await atOnce(stage.world, 50, CHARGE, (isolate, index) =>
      person.exchange("otp", { mfa_token: person.mfaToken(), otp: index < 3 ? right : wrong }, { isolate }),
    );
    expect(outcome.tally.crashes).toBe(0);
    expect(outcome.tally.winners).toBeLessThanOrEqual(1);
    // The winner's guess is out while it is under way, so one of the others may have found the bucket empty.
    let failed = outcome.statuses.filter((status) => status === 403).length;
    while ((await person.exchange("otp", { mfa_token: person.mfaToken(), otp: wrong })).status === 403) failed += 1;
    expect(failed).toBe(GUESSES);
    await world.thaw();
  });

  test("that succeed cost nothing: ten wrong ones in all are allowed around any number of right ones", async () => {
    const { world } = stage;
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    await world.freeze();
    const wrong = async (times) => {
      for (let guess = 0; guess < times; guess += 1) {
        const response = await person.exchange("otp", { mfa_token: person.mfaToken(), otp: "abcdef" });
        await refused(response, 403, "invalid_grant", "Invalid otp_code.");
      }
    };
    for (let round = 0; round < 3; round += 1) {
      await wrong(3);
      await world.advance(STEP_SECONDS);
      await accepted(await person.exchange("otp", { mfa_token: person.mfaToken(), otp: totp(secret, world.now()) }));
    }
    // Ninety seconds have passed, too little to win back a guess.
    await wrong(1);
    expect((await person.exchange("otp", { mfa_token: person.mfaToken(), otp: "abcdef" })).status).toBe(429);
    await world.thaw();
  });

  test("count over all factors of a person, but recovery codes have a bucket of their own", async () => {
    const { world } = stage;
    const person = stage.person();
    const { recoveryCode } = await person.enrollOtp();
    await world.advance(2);
    const phone = await accepted(await person.associateSms({ token: person.provenToken() }));
    await world.freeze();
    for (let guess = 0; guess < GUESSES; guess += 1) {
      const mfa_token = person.mfaToken();
      const response =
        guess % 3 === 0
          ? await person.exchange("oob", { mfa_token, oob_code: phone.oob_code, binding_code: "abcdef" })
          : await person.exchange("otp", { mfa_token, otp: "abcdef" });
      expect(response.status).toBe(403);
    }
    expect((await person.exchange("otp", { mfa_token: person.mfaToken(), otp: "abcdef" })).status).toBe(429);
    const recover = (code) => person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code: code });
    for (let guess = 0; guess < GUESSES - 1; guess += 1) expect((await recover("A".repeat(24))).status).toBe(403);
    const { recovery_code } = await accepted(await recover(recoveryCode));
    expect((await recover("A".repeat(24))).status).toBe(403);
    await refusedFor429(await recover(recovery_code), TOO_MANY_CODES, { now: world.now() });
    await world.thaw();
  });

  test("of one out-of-band code: five, then it is dead, however many come at once", async () => {
    const person = stage.person();
    const { oob_code } = await accepted(await person.associateSms());
    const binding_code = await stage.webhook.codeFor(person.number);
    const wrong = String((Number(binding_code) + 1) % 1_000_000).padStart(6, "0");
    const outcome = await atOnce(stage.world, 9, CHARGE, (isolate) =>
      person.exchange("oob", { mfa_token: person.mfaToken(), oob_code, binding_code: wrong }, { isolate }),
    );
    expect(outcome.tally).toEqual({ winners: 0, crashes: 0 });
    await stage.world.advance(100);
    const response = await person.exchange("oob", { mfa_token: person.mfaToken(), oob_code, binding_code });
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(await authenticators(person)).toEqual([]);
  });

  test("that lose a race with the very code that won it are charged", async () => {
    const { world } = stage;
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    await world.freeze();
    await world.advance(5 * STEP_SECONDS);
    const otp = totp(secret, world.now());
    const ask = (isolate) => person.exchange("otp", { mfa_token: person.mfaToken(), otp }, { isolate });
    const outcome = await atOnce(world, GUESSES, REDEMPTION, ask);
    expect(outcome.tally).toEqual({ winners: 1, crashes: 0 });
    const wrong = () => person.exchange("otp", { mfa_token: person.mfaToken(), otp: "abcdef" });
    expect((await wrong()).status).toBe(403);
    expect((await wrong()).status).toBe(429);
    await world.thaw();
  });

  test("that find the bucket empty do not count towards disabling an app", async () => {
    const { world } = stage;
    const person = stage.person();
    const { id } = await person.enrollOtp();
    await world.freeze();
    const wrong = () => person.exchange("otp", { mfa_token: person.mfaToken(), otp: "abcdef" });
    for (let guess = 0; guess < GUESSES; guess += 1) expect((await wrong()).status).toBe(403);
    for (let guess = 0; guess < 5; guess += 1) expect((await wrong()).status).toBe(429);
    expect(await db("SELECT failures FROM authenticators WHERE id = ?", id)).toEqual([{ failures: GUESSES }]);
    await world.thaw();
  });

  test("that find the bucket empty do not use up the tries of a code", async () => {
    const { world } = stage;
    const person = stage.person();
    const enrollment = await accepted(await person.associateSms());
    const binding_code = await stage.webhook.codeFor(person.number);
    await world.freeze();
    for (let guess = 0; guess < GUESSES; guess += 1) {
      expect((await person.exchange("otp", { mfa_token: person.mfaToken(), otp: "abcdef" })).status).toBe(403);
    }
    for (let guess = 0; guess < 6; guess += 1) {
      const parameters = { mfa_token: person.mfaToken(), oob_code: enrollment.oob_code, binding_code };
      expect((await person.exchange("oob", parameters)).status).toBe(429);
    }
    expect(await db("SELECT attempts FROM enrollments WHERE id = ?", enrollment.id)).toEqual([{ attempts: 0 }]);
    await world.thaw();
  });

  test("are not given back by a new code", async () => {
    const { world } = stage;
    const person = stage.person();
    await world.freeze();
    for (let round = 0; round < 2; round += 1) {
      const { oob_code } = await accepted(await person.associateSms());
      for (let guess = 0; guess < 5; guess += 1) {
        const response = await person.exchange("oob", {
          mfa_token: person.mfaToken(),
          oob_code,
          binding_code: "abcdef",
        });
        expect(response.status).toBe(403);
      }
    }
    const { oob_code } = await accepted(await person.associateSms());
    const binding_code = await stage.webhook.codeFor(person.number, { count: 3 });
    const response = await person.exchange("oob", { mfa_token: person.mfaToken(), oob_code, binding_code });
    expect(response.status).toBe(429);
    await world.thaw();
  });

  test("of many people at once from one address are as many as that has left", async () => {
    const { world } = stage;
    const address = { headers: { "cf-connecting-ip": "198.51.100.7" } };
    const guess = (options) => {
      const person = stage.person();
      return person.exchange("otp", { mfa_token: person.mfaToken(), otp: "abcdef" }, { ...address, ...options });
    };
    await world.freeze();
    await refused(await guess(), 403, "invalid_grant", "Invalid otp_code.");
    const [{ key, full_at }] = await db("SELECT key, full_at FROM budgets WHERE key LIKE 'guess_address:%'");
    expect(full_at).toBe(world.now() + SECONDS_A_GUESS_OF_ADDRESS);
    expect(key).not.toContain("198.51.100");
    const left = 7;
    const used = (GUESSES_OF_ADDRESS - left) * SECONDS_A_GUESS_OF_ADDRESS;
    await db("UPDATE budgets SET full_at = ? WHERE key = ?", world.now() + used, key);
    const { responses, statuses } = await atOnce(world, 50, CHARGE, (isolate) => guess({ isolate }));
    expect(statuses).toEqual([...Array(left).fill(403), ...Array(50 - left).fill(429)]);
    const { limit, retryAfter } = await refusedFor429(
      responses.find(({ status }) => status === 429),
      TOO_MANY_CODES,
      { now: world.now() },
    );
    expect({ limit, retryAfter }).toEqual({ limit: GUESSES_OF_ADDRESS, retryAfter: SECONDS_A_GUESS_OF_ADDRESS });
    const elsewhere = { headers: { "cf-connecting-ip": "198.51.100.8" } };
    expect((await guess(elsewhere)).status).toBe(403);
    await world.thaw();
  });

  test("of one person do not touch another's", async () => {
    const [guesser, other] = [stage.person(), stage.person()];
    for (let guess = 0; guess <= GUESSES; guess += 1)
      await guesser.exchange("otp", { mfa_token: guesser.mfaToken(), otp: "abcdef" });
    await other.enrollOtp();
  });
});

describe("caps", () => {
  test("the eleventh pending enrollment makes the oldest go, and only that", async () => {
    const person = stage.person();
    const token = person.mfaToken();
    const enrollments = [];
    for (let count = 0; count < 11; count += 1) enrollments.push(await accepted(await person.associateOtp({ token })));
    const confirm = ({ secret }) => person.exchange("otp", { mfa_token: token, otp: totp(secret, stage.world.now()) });
    await refused(await confirm(enrollments[0]), 403, "invalid_grant", "Invalid otp_code.");
    await accepted(await confirm(enrollments[1]));
    expect(await authenticators(person)).toEqual([{ id: enrollments[1].id }]);
  });

  test("thirty begun at once leave ten, and no crash", async () => {
    const person = stage.person();
    const outcome = await atOnce(stage.world, 30, ENROLLMENT, (isolate) => person.associateOtp({ isolate }));
    expect(outcome.tally.winners).toBe(30);
    expect(await db("SELECT id FROM enrollments WHERE user_id = ?", userId(person))).toHaveLength(10);
  });

  test("the twenty-first active authenticator is refused", async () => {
    const person = stage.person();
    await person.enrollOtp();
    await stage.world.advance(2);
    for (let count = 1; count < 20; count += 1) await person.enrollOtp({ token: person.provenToken() });
    expect(await authenticators(person)).toHaveLength(20);
    const text = "The user has 20 authenticators. Remove one first.";
    await refused(await person.associateOtp({ token: person.provenToken() }), 400, "invalid_request", text);
    await refused(await person.associateSms({ token: person.provenToken() }), 400, "invalid_request", text);
  });

  test("the same number confirmed again replaces itself and nothing else", async () => {
    const person = stage.person();
    await person.enrollSms();
    await stage.world.advance(2);
    await person.enrollOtp({ token: person.provenToken() });
    const before = await authenticators(person);
    const { id } = await person.enrollSms({ token: person.provenToken() });
    const after = await authenticators(person);
    expect(after).toHaveLength(2);
    expect(after).toContainEqual({ id });
    expect(after.filter(({ id: one }) => before.some(({ id: other }) => one === other))).toHaveLength(1);
  });
});
