/** Storage that fails: neutral answers, guesses given back, and nothing half done. */
import { describe, expect, test } from "vitest";
import { accepted, refused } from "../support/answers.mjs";
import { useStage } from "../support/stage.mjs";
import { STEP_SECONDS, totp } from "../support/totp.mjs";

const GUESSES = 10;
const stage = useStage();

/** Answered as broken for now, without a word of what is broken. */
async function neutral(response) {
  const text = "The service is temporarily unavailable. Try again in a moment.";
  await refused(response, 503, "temporarily_unavailable", text);
}

describe("an enrollment", () => {
  test.each(["before", "after"])(
    "whose write fails %s it is done is answered neutrally or well, and can be tried again",
    async (mode) => {
      const { world } = stage;
      const person = stage.person();
      const token = person.mfaToken();
      await world.fail({ on: "DB", mode, times: 1 });
      const response = await person.associateOtp({ token });
      await world.heal();
      if (response.status === 200) await accepted(response);
      else await neutral(response);
      const { secret } = await accepted(await person.associateOtp({ token }));
      await accepted(await person.exchange("otp", { mfa_token: token, otp: totp(secret, world.now()) }));
    },
  );

  test("whose connection is lost after the write is written once at most", async () => {
    const { world } = stage;
    const person = stage.person();
    await world.fail({ on: "DB", mode: "after", times: 1, message: "D1_ERROR: Network connection lost." });
    const response = await person.associateSms();
    await world.heal();
    if (response.status !== 200) await neutral(response);
    await world.advance(60);
    await world.sweep();
    await world.delivered();
    const enrollments = await world.rows("SELECT id FROM enrollments WHERE user_id = ?", `idp|${person.sub}`);
    expect(enrollments).toHaveLength(1);
    expect(stage.webhook.messagesTo(person.number)).toHaveLength(1);
  });

  test("says in the log which request broke, and answers with that request's id", async () => {
    const { world } = stage;
    await world.fail({ on: "DB", times: 5 });
    const response = await stage.person().associateOtp();
    await world.heal();
    await neutral(response);
    const id = response.headers.get("x-request-id");
    expect((await world.logLines()).some((line) => line.includes(id))).toBe(true);
  });
});

const CHARGE = "INSERT INTO budgets";
const REDEMPTION = "INSERT INTO redemptions";
const LOST = "D1_ERROR: Network connection lost.";

describe("a guess", () => {
  /** Somebody with an active app, at a moment whose code is not used. The clock stands. */
  async function withApp() {
    const { world } = stage;
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    await world.freeze();
    await world.advance(2 * STEP_SECONDS);
    const right = () => person.exchange("otp", { mfa_token: person.mfaToken(), otp: totp(secret, world.now()) });
    const wrong = () => person.exchange("otp", { mfa_token: person.mfaToken(), otp: "abcdef" });
    return { person, secret, right, wrong };
  }

  /** Expects that exactly `count` wrong guesses are left. */
  async function left(count, wrong) {
    for (let guess = 0; guess < count; guess += 1) {
      await refused(await wrong(), 403, "invalid_grant", "Invalid otp_code.");
    }
    expect((await wrong()).status).toBe(429);
  }

  test.each([
    ["the charge fails before it is done", { matching: CHARGE, mode: "before", times: 1 }],
    ["the charge is done and its answer lost", { matching: CHARGE, mode: "after", times: 1, message: LOST }],
    ["the redemption fails", { matching: REDEMPTION, mode: "before", times: 10 }],
    ["the redemption fails for want of a connection", { matching: REDEMPTION, mode: "before", times: 10, message: LOST }],
  ])("is not charged when %s", async (_, fault) => {
    const { world } = stage;
    const { right, wrong } = await withApp();
    for (let guess = 0; guess < 4; guess += 1) expect((await wrong()).status).toBe(403);
    await world.fail({ on: "DB", ...fault });
    await neutral(await right());
    await world.heal();
    await world.settle();
    await accepted(await right());
    // Neither more nor less than before: what was not charged is not given back either.
    await left(GUESSES - 4, wrong);
    await world.thaw();
  });

  test.each(["before", "after"])(
    "succeeds once when its redemption fails %s it is done, and is given back once",
    async (mode) => {
      const { world } = stage;
      const { person, right, wrong } = await withApp();
      for (let guess = 0; guess < 4; guess += 1) expect((await wrong()).status).toBe(403);
      await world.fail({ on: "DB", mode, times: 1, matching: REDEMPTION, message: LOST });
      const first = await right();
      await world.heal();
      const second = await right();
      if (first.status === 200) {
        await accepted(first);
        await refused(second, 403, "invalid_grant", "Invalid otp_code.");
        await left(GUESSES - 5, wrong);
      } else {
        await neutral(first);
        expect([200, 403]).toContain(second.status);
      }
      expect(await world.rows("SELECT id FROM authenticators WHERE user_id = ?", `idp|${person.sub}`)).toHaveLength(1);
      await world.thaw();
    },
  );
});

describe("a confirmation", () => {
  test.each([
    ["an app", "before"],
    ["an app", "after"],
    ["a phone", "before"],
    ["a phone", "after"],
  ])("of %s whose storage fails once %s it is done is whole all the same", async (kind, mode) => {
    const { world } = stage;
    const person = stage.person();
    const mfa_token = person.mfaToken();
    const phone = kind === "a phone";
    const enrollment = await accepted(
      await (phone ? person.associateSms({ token: mfa_token }) : person.associateOtp({ token: mfa_token })),
    );
    const parameters = phone
      ? { mfa_token, oob_code: enrollment.oob_code, binding_code: await stage.webhook.codeFor(person.number) }
      : { mfa_token, otp: totp(enrollment.secret, world.now()) };
    await world.fail({ on: "DB", mode, times: 1, matching: REDEMPTION, message: LOST });
    const response = await person.exchange(phone ? "oob" : "otp", parameters);
    await world.heal();
    if (response.status === 200) await accepted(response);
    else await neutral(response);
    const active = await world.rows("SELECT id FROM authenticators WHERE user_id = ?", `idp|${person.sub}`);
    const pending = await world.rows("SELECT id FROM enrollments WHERE user_id = ?", `idp|${person.sub}`);
    if (response.status === 200 || mode === "after")
      expect({ active, pending }).toEqual({ active: [{ id: enrollment.id }], pending: [] });
    else expect({ active, pending }).toEqual({ active: [], pending: [{ id: enrollment.id }] });
    if (active.length === 1) {
      const recovery = { mfa_token: person.mfaToken(), recovery_code: enrollment.recovery_codes[0] };
      await accepted(await person.exchange("recovery", recovery));
    }
  });

  test("that fails in storage for good leaves nothing half confirmed, and can be tried again", async () => {
    const { world } = stage;
    const person = stage.person();
    const mfa_token = person.mfaToken();
    const { secret, recovery_codes } = await accepted(await person.associateOtp({ token: mfa_token }));
    await world.fail({ on: "DB", times: 10, matching: REDEMPTION });
    await neutral(await person.exchange("otp", { mfa_token, otp: totp(secret, world.now()) }));
    await world.heal();
    for (const table of ["authenticators", "recovery_codes"]) {
      expect(await world.rows(`SELECT * FROM ${table} WHERE user_id = ?`, `idp|${person.sub}`)).toEqual([]);
    }
    await accepted(await person.exchange("otp", { mfa_token, otp: totp(secret, world.now()) }));
    await accepted(await person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code: recovery_codes[0] }));
  });

  test.each(["before", "after"])(
    "by a recovery code whose storage fails once %s it is done leaves one code that works",
    async (mode) => {
      const { world } = stage;
      const person = stage.person();
      const { recoveryCode } = await person.enrollOtp();
      await world.fail({ on: "DB", mode, times: 1, matching: REDEMPTION, message: LOST });
      const response = await person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code: recoveryCode });
      await world.heal();
      const { recovery_code } = await accepted(response);
      await accepted(await person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code }));
    },
  );
});

test("no fault at any round trip of the whole path makes anything but a neutral answer", async () => {
  const { world } = stage;
  for (const mode of ["before", "after"]) {
    for (let trip = 0; trip < 4; trip += 1) {
      const person = stage.person();
      const mfa_token = person.mfaToken();
      const { secret } = await accepted(await person.associateOtp({ token: mfa_token }));
      // Passes `trip` round trips, then fails one.
      await world.fail(...Array.from({ length: trip }, () => ({ on: "DB", mode: "pass", times: 1 })), {
        on: "DB",
        mode,
        times: 1,
      });
      const response = await person.exchange("otp", { mfa_token, otp: totp(secret, world.now()) });
      await world.heal();
      if (response.status === 200) await accepted(response);
      else await neutral(response);
    }
  }
});
