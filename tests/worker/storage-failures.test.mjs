/** Storage that fails: neutral answers, guesses given back, and nothing half done. */
import { describe, expect, test } from "vitest";
import { accepted, read, refused } from "../support/answers.mjs";
import { useStage } from "../support/stage.mjs";
import { STEP_SECONDS, totp } from "../support/totp.mjs";

const GUESSES = 10;
const stage = useStage();

/** Answered as broken for now, without a word of what is broken. */
async function neutral(response) {
  const body = await read(response);
  expect([500, 503]).toContain(response.status);
  expect(["server_error", "temporarily_unavailable"]).toContain(body.error);
  expect(JSON.stringify(body)).not.toMatch(/D1|SQL|test broke|storage/i);
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

describe("a guess", () => {
  test.each([
    ["the charge", 1, "before"],
    ["the charge", 1, "after"],
    ["the redemption", 2, "before"],
  ])("is not charged when %s (round trip %i) fails %s it is done", async (_, trip, mode) => {
    const { world } = stage;
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    await world.freeze();
    await world.advance(2 * STEP_SECONDS);
    const right = () => person.exchange("otp", { mfa_token: person.mfaToken(), otp: totp(secret, world.now()) });
    const redemption = "INSERT INTO redemptions";
    await world.fail({ on: "DB", mode, times: 1, matching: trip === 1 ? "INSERT INTO budgets" : redemption });
    await neutral(await right());
    await world.heal();
    await world.settle();
    // All ten are still there: nine wrong ones, the right one, and one more wrong one.
    for (let guess = 0; guess < GUESSES - 1; guess += 1) {
      const response = await person.exchange("otp", { mfa_token: person.mfaToken(), otp: "abcdef" });
      await refused(response, 403, "invalid_grant", "Invalid otp_code.");
    }
    await accepted(await right());
    const last = await person.exchange("otp", { mfa_token: person.mfaToken(), otp: "abcdef" });
    await refused(last, 403, "invalid_grant", "Invalid otp_code.");
    expect((await person.exchange("otp", { mfa_token: person.mfaToken(), otp: "abcdef" })).status).toBe(429);
    await world.thaw();
  });

  test("whose redemption was done although its connection was lost never succeeds twice", async () => {
    const { world } = stage;
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    await world.advance(2 * STEP_SECONDS);
    const mfa_token = person.mfaToken();
    const otp = totp(secret, world.now());
    const message = "D1_ERROR: Network connection lost.";
    await world.fail({ on: "DB", mode: "after", times: 1, matching: "INSERT INTO redemptions", message });
    const first = await person.exchange("otp", { mfa_token, otp });
    await world.heal();
    const second = await person.exchange("otp", { mfa_token, otp });
    const third = await person.exchange("otp", { mfa_token: person.mfaToken(), otp });
    expect([first, second, third].filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
    expect(second.status).toBe(403);
    expect(third.status).toBe(403);
  });

  test("that fails in storage while confirming leaves nothing half confirmed", async () => {
    const { world } = stage;
    const person = stage.person();
    const mfa_token = person.mfaToken();
    const { secret, recovery_codes } = await accepted(await person.associateOtp({ token: mfa_token }));
    await world.fail({ on: "DB", times: 1, matching: "INSERT INTO redemptions" });
    await neutral(await person.exchange("otp", { mfa_token, otp: totp(secret, world.now()) }));
    await world.heal();
    for (const table of ["authenticators", "recovery_codes"]) {
      expect(await world.rows(`SELECT * FROM ${table} WHERE user_id = ?`, `idp|${person.sub}`)).toEqual([]);
    }
    await accepted(await person.exchange("otp", { mfa_token, otp: totp(secret, world.now()) }));
    await accepted(
      await person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code: recovery_codes[0] }),
    );
  });
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
