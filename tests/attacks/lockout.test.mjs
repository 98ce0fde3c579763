/**
 * Limits as a weapon: what somebody can use up to keep an honest person out, for how long, and what stays open. Without
 * the password nothing at all; with it, codes for six minutes after the last try.
 */
import { describe, expect, test } from "vitest";
import { accepted, refused, refusedFor429 } from "../support/answers.mjs";
import { GUESSES, SECONDS_A_GUESS, TOO_MANY_CODES } from "../support/codes.mjs";
import { signingPair } from "../support/jwt.mjs";
import { random } from "../support/person.mjs";
import { useStage } from "../support/stage.mjs";
import { totp, wrongTotp } from "../support/totp.mjs";

const stage = useStage({ isolates: 2, issuers: [{ name: "idp" }, { name: "second" }] });
const now = () => stage.world.now();
const TOO_MANY_SMS = "Too many SMS sent by the user. Wait for some minutes before retrying.";
const wrongOtp = (response) => refused(response, 403, "invalid_grant", "Invalid otp_code.");
const locked = (response) => refusedFor429(response, TOO_MANY_CODES, { now: now() });

/** Somebody with an app, whose code that confirmed it is of the past. */
async function owner() {
  const person = stage.person();
  const app = await person.enrollOtp();
  await stage.world.freeze();
  await stage.world.advance(90);
  const guess = () => person.exchange("otp", { mfa_token: person.mfaToken(), otp: wrongTotp(app.secret, now()) });
  const enter = () => person.exchange("otp", { mfa_token: person.mfaToken(), otp: totp(app.secret, now()) });
  return { person, ...app, guess, enter };
}

describe("somebody with the password", () => {
  test("locks the owner out of codes until the next guess is there, and the recovery code stays", async () => {
    const { person, recoveryCode, guess, enter } = await owner();
    for (let count = 0; count < GUESSES; count += 1) await wrongOtp(await guess());
    const { retryAfter } = await locked(await enter());
    expect(retryAfter).toBe(SECONDS_A_GUESS);
    const recovery = { mfa_token: person.mfaToken(), recovery_code: recoveryCode };
    await accepted(await person.exchange("recovery", recovery));
    await stage.world.advance(retryAfter);
    await accepted(await enter());
    await stage.world.thaw();
  });

  test("prolongs nothing by going on while there is no guess left", async () => {
    const { guess, enter } = await owner();
    for (let count = 0; count < GUESSES; count += 1) await wrongOtp(await guess());
    const { reset } = await locked(await guess());
    for (let minute = 1; minute < SECONDS_A_GUESS / 60; minute += 1) {
      await stage.world.advance(60);
      for (let count = 0; count < 10; count += 1) expect((await locked(await guess())).reset).toBe(reset);
    }
    await stage.world.advance(60);
    expect(now()).toBe(reset);
    await accepted(await enter());
    await stage.world.thaw();
  });

  test("goes on locking only by being first at each new guess, and never costs the owner one", async () => {
    const { guess, enter } = await owner();
    for (let count = 0; count < GUESSES; count += 1) await wrongOtp(await guess());
    for (let round = 0; round < 3; round += 1) {
      await stage.world.advance(SECONDS_A_GUESS);
      await wrongOtp(await guess());
      await locked(await enter());
    }
    // The owner is first, or the thief is stopped: a right code gives its guess back, so that the next is there at once.
    await stage.world.advance(SECONDS_A_GUESS);
    await accepted(await enter());
    await stage.world.advance(30);
    await accepted(await enter());
    await stage.world.thaw();
  });

  test("locks the recovery code apart from the app", async () => {
    const { person, recoveryCode, enter } = await owner();
    const recover = (recovery_code) => person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code });
    for (let count = 0; count < GUESSES; count += 1) {
      await refused(await recover("A".repeat(24)), 403, "invalid_grant", "MFA Authorization rejected.");
    }
    const { retryAfter } = await locked(await recover(recoveryCode));
    await accepted(await enter());
    await stage.world.advance(retryAfter);
    await accepted(await recover(recoveryCode));
    await stage.world.thaw();
  });

  test("uses up text messages for an hour, and the app stays", async () => {
    const { person, enter } = await owner();
    await person.enrollSms({ token: person.provenToken() });
    const phone = (await (await person.list()).json()).find((item) => item.oob_channel === "sms").id;
    const ask = () => person.challenge({ authenticator_id: phone });
    let response = await ask();
    for (; response.status === 200; response = await ask());
    const { retryAfter } = await refusedFor429(response, TOO_MANY_SMS, { now: now() });
    for (let count = 0; count < 5; count += 1) await refusedFor429(await ask(), TOO_MANY_SMS, { now: now() });
    await accepted(await enter());
    await stage.world.advance(retryAfter);
    const code = await person.receiveCode({ authenticator_id: phone });
    await accepted(await person.exchange("oob", code));
    await stage.world.thaw();
  });

  test("uses up the tries of a code on its way, and the next one is as good as new", async () => {
    const person = stage.person();
    await person.enrollSms();
    await stage.world.advance(2);
    const code = await person.receiveCode();
    const wrong = { ...code, binding_code: code.binding_code === "000000" ? "000001" : "000000" };
    for (let count = 0; count < 5; count += 1) {
      await refused(await person.exchange("oob", wrong), 403, "invalid_grant", "Invalid binding_code.");
    }
    expect((await person.exchange("oob", code)).status).toBe(429);
    await accepted(await person.exchange("oob", await person.receiveCode()));
  });

  test("pushes out an enrollment that was begun, and the owner who begins anew ends all of theirs", async () => {
    const person = stage.person();
    const mfa_token = person.mfaToken();
    const begun = await accepted(await person.associateOtp({ token: mfa_token }));
    const parked = [];
    for (let count = 0; count < 10; count += 1) parked.push(await accepted(await person.associateOtp()));
    await wrongOtp(await person.exchange("otp", { mfa_token, otp: totp(begun.secret, now()) }));
    await person.enrollOtp();
    for (const { secret } of parked) {
      await wrongOtp(await person.exchange("otp", { mfa_token: person.mfaToken(), otp: totp(secret, now()) }));
      await stage.world.advance(SECONDS_A_GUESS);
    }
    expect(await (await person.list()).json()).toHaveLength(2);
  });
});

describe("somebody without the password", () => {
  /** Twenty tries of each kind, with all that may be known of the owner but a login. */
  const TRIES = {
    "forged logins": ({ person }) => {
      const own = signingPair("RS256", person.issuer.key.kid);
      const claims = JSON.parse(Buffer.from(person.mfaToken().split(".")[1], "base64url"));
      return { mfa_token: person.issuer.sign(claims, { typ: "mfa+jwt" }, own) };
    },
    "logins of yesterday": ({ person }) => ({ mfa_token: person.mfaToken({ iat: now() - 900, exp: now() - 600 }) }),
    "a login that was exchanged": ({ spent }) => ({ mfa_token: spent }),
    "logins of another client": ({ person, other }) => ({ mfa_token: person.mfaToken({ azp: other.id }) }),
    "logins of the same subject of another issuer": ({ namesake }) => ({ mfa_token: namesake.mfaToken() }),
    "logins of somebody else": ({ stranger }) => ({ mfa_token: stranger.mfaToken() }),
    "access tokens for something else": ({ person }) => ({ mfa_token: person.accessToken({ scope: "other" }) }),
    "logins through a client that cannot prove itself": ({ person, confidential }) => ({
      mfa_token: person.mfaToken({ azp: confidential.id }),
      client_id: confidential.id,
      client_secret: random(32),
    }),
  };

  test.each(Object.keys(TRIES))("costs the owner no guess by %s", async (kind) => {
    const { person, guess, enter } = await owner();
    const spent = person.mfaToken({ iat: now() - 1 });
    const { secret } = await accepted(await person.associateOtp({ token: person.provenToken({ iat: now(), exp: now() + 300 }) }));
    await accepted(await person.exchange("otp", { mfa_token: spent, otp: totp(secret, now()) }));
    const cast = {
      person,
      spent,
      other: await stage.addClient(),
      confidential: await stage.addClient({ authentication: "post" }),
      stranger: stage.person(),
      namesake: stage.person({ sub: person.sub, issuer: stage.issuers[1] }),
    };
    for (let count = 0; count < 20; count += 1) {
      const response = await person.exchange("otp", { otp: "abcdef", ...TRIES[kind](cast) });
      expect([400, 401, 403, 429]).toContain(response.status);
    }
    // All ten are there still.
    for (let count = 0; count < GUESSES - 1; count += 1) await wrongOtp(await guess());
    await accepted(await enter());
    await wrongOtp(await guess());
    await locked(await guess());
    await stage.world.thaw();
  });

  test("costs a code on its way none of its tries by another's login", async () => {
    const [person, stranger] = [stage.person(), stage.person()];
    await person.enrollSms();
    await stage.world.advance(2);
    const code = await person.receiveCode();
    for (let count = 0; count < 10; count += 1) {
      const attempt = { ...code, mfa_token: stranger.mfaToken(), binding_code: "abcdef" };
      expect((await stranger.exchange("oob", attempt)).status).toBe(400);
    }
    await accepted(await person.exchange("oob", code));
  });

  test("keeps nobody from their codes by enrolling their number, as often as it is let", async () => {
    const person = stage.person();
    await person.enrollSms();
    await stage.world.advance(2);
    let refusals = 0;
    for (let count = 0; count < 15; count += 1) {
      const stranger = stage.person();
      stranger.number = person.number;
      refusals += (await stranger.associateSms()).status === 429 ? 1 : 0;
    }
    expect(refusals).toBeGreaterThan(0);
    await stage.world.delivered();
    await accepted(await person.exchange("oob", await person.receiveCode()));
  });
});
