/** POST /oauth/token with the MFA grants: what confirms, what verifies, and what comes back. */
import { createLocalJWKSet, jwtVerify } from "jose";
import { describe, expect, test } from "vitest";
import { accepted, refused, refusedBearer } from "../support/answers.mjs";
import { API } from "../support/clients.mjs";
import { decode } from "../support/jwt.mjs";
import { useStage } from "../support/stage.mjs";
import { STEP_SECONDS, totp } from "../support/totp.mjs";
import { ISSUER } from "../support/worker.mjs";

const stage = useStage();

const keys = (body) => Object.keys(body).sort();
const invalidOtp = (response) => refused(response, 403, "invalid_grant", "Invalid otp_code.");

/** Stops the clock one second into a time step. */
async function startOfAStep() {
  const now = stage.world.now();
  await stage.world.freeze(now - (now % STEP_SECONDS) + STEP_SECONDS + 1);
}

describe("the answer", () => {
  test.each([
    ["JSON", { form: false }],
    ["a form", { form: true }],
  ])("to %s has an access token, its type, its lifetime as a number and its scope", async (_, options) => {
    const person = stage.person();
    const mfa_token = person.mfaToken({ audience: API, scope: "read:things" });
    const { secret } = await accepted(await person.associateOtp({ token: mfa_token }));
    const body = await accepted(await person.exchange("otp", { mfa_token, otp: totp(secret, stage.world.now()) }, options));
    expect(keys(body)).toEqual(["access_token", "expires_in", "scope", "token_type"]);
    expect(body).toMatchObject({ expires_in: 3600, scope: "read:things", token_type: "Bearer" });
  });

  test("the access token is signed by a published key and says who, for what, how and when", async () => {
    const { world } = stage;
    const person = stage.person();
    const { tokens } = await person.enrollOtp({ token: person.mfaToken({ audience: API, scope: "read:things" }) });
    const jwks = await (await world.fetch("/.well-known/jwks.json")).json();
    const { payload, protectedHeader } = await jwtVerify(tokens.access_token, createLocalJWKSet(jwks), {
      issuer: ISSUER,
      audience: API,
      currentDate: new Date(world.now() * 1000),
    });
    expect(protectedHeader).toMatchObject({ alg: "RS256", kid: world.secrets.signing.kid });
    expect(payload).toMatchObject({ sub: `idp|${person.sub}`, azp: stage.client.id, scope: "read:things" });
    expect(payload.exp - payload.iat).toBe(3600);
    expect(Math.abs(payload.iat - world.now())).toBeLessThan(60);
    expect(payload.auth_time).toBe(payload.iat);
    expect(payload.amr).toEqual(expect.arrayContaining(["otp", "mfa", "pwd"]));
    expect(payload.jti).toBeTruthy();
  });

  test("an id_token comes with scope openid, verifies, and is for the client", async () => {
    const { world } = stage;
    const person = stage.person({ claims: { email: "ann@mail.example.com", email_verified: true, name: "Ann" } });
    const { tokens } = await person.enrollOtp({ token: person.mfaToken({ scope: "openid profile email" }) });
    expect(keys(tokens)).toEqual(["access_token", "expires_in", "id_token", "scope", "token_type"]);
    const jwks = await (await world.fetch("/.well-known/jwks.json")).json();
    const { payload, protectedHeader } = await jwtVerify(tokens.id_token, createLocalJWKSet(jwks), {
      issuer: ISSUER,
      audience: stage.client.id,
      currentDate: new Date(world.now() * 1000),
    });
    expect(protectedHeader.alg).toBe("RS256");
    expect(payload.sub).toBe(`idp|${person.sub}`);
    expect(Number.isInteger(payload.iat) && Number.isInteger(payload.exp)).toBe(true);
    expect(payload.amr).toEqual(expect.arrayContaining(["otp", "mfa"]));
    expect(payload).toHaveProperty("auth_time");
    expect(payload).not.toHaveProperty("nonce");
  });

  test("no id_token comes without openid", async () => {
    const person = stage.person();
    const { tokens } = await person.enrollOtp({ token: person.mfaToken({ scope: "read:things" }) });
    expect(tokens).not.toHaveProperty("id_token");
  });

  test("each access token is one of its own", async () => {
    const [one, two] = [await stage.person().enrollOtp(), await stage.person().enrollOtp()];
    expect(decode(one.tokens.access_token).claims.jti).not.toBe(decode(two.tokens.access_token).claims.jti);
  });

  test("parameters of others and unknown ones are ignored", async () => {
    const person = stage.person();
    const mfa_token = person.mfaToken();
    const { secret } = await accepted(await person.associateOtp({ token: mfa_token }));
    const more = { challenge_type: "otp", zebra: "1", redirect_uri: "https://app.example.com" };
    await accepted(await person.exchange("otp", { mfa_token, otp: totp(secret, stage.world.now()), ...more }));
  });
});

describe("amr names", () => {
  async function byChannel(oob_channel, address) {
    const person = stage.person();
    const to = person[address];
    const mfa_token = person.mfaToken();
    const body = {
      authenticator_types: ["oob"],
      oob_channels: [oob_channel],
      [address === "email" ? "email" : "phone_number"]: to,
    };
    const { oob_code } = await accepted(await person.associate(body, { token: mfa_token }));
    const binding_code = await stage.webhook.codeFor(to);
    const tokens = await accepted(await person.exchange("oob", { mfa_token, oob_code, binding_code }));
    return decode(tokens.access_token).claims.amr.sort();
  }

  test("sms, and mfa, beside the first factor's", async () => {
    expect(await byChannel("sms", "number")).toEqual(["mfa", "pwd", "sms"]);
  });

  test("tel for a call", async () => {
    expect(await byChannel("voice", "number")).toEqual(["mfa", "pwd", "tel"]);
  });

  test("email, and not mfa: e-mail alone is no second factor", async () => {
    expect(await byChannel("email", "email")).toEqual(["email", "pwd"]);
  });

  test("recovery, and mfa", async () => {
    const person = stage.person();
    const { recoveryCode } = await person.enrollOtp();
    const tokens = await accepted(
      await person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code: recoveryCode }),
    );
    expect(decode(tokens.access_token).claims.amr.sort()).toEqual(["mfa", "pwd", "recovery"]);
  });

  test("what the first factor's token said, once each", async () => {
    const person = stage.person();
    const { tokens } = await person.enrollOtp({ token: person.mfaToken({ amr: ["pwd", "otp"] }) });
    expect(decode(tokens.access_token).claims.amr.sort()).toEqual(["mfa", "otp", "pwd"]);
  });
});

describe("a one-time password", () => {
  test("of the current step is accepted once, and not again by another mfa_token", async () => {
    await startOfAStep();
    const person = stage.person();
    const { secret, otp } = await person.enrollOtp();
    await invalidOtp(await person.exchange("otp", { mfa_token: person.mfaToken(), otp }));
    await stage.world.advance(STEP_SECONDS);
    const next = totp(secret, stage.world.now());
    await accepted(await person.exchange("otp", { mfa_token: person.mfaToken(), otp: next }));
    await invalidOtp(await person.exchange("otp", { mfa_token: person.mfaToken(), otp: next }));
    await stage.world.thaw();
  });

  test.each([
    ["the step before", -1, true],
    ["two steps before", -2, false],
    ["the step to come", 1, false],
  ])("of %s: accepted is %s%s", async (_, steps, ok) => {
    await startOfAStep();
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    await stage.world.advance(5 * STEP_SECONDS);
    const otp = totp(secret, stage.world.now(), steps);
    const response = await person.exchange("otp", { mfa_token: person.mfaToken(), otp });
    if (ok) await accepted(response);
    else await invalidOtp(response);
    await stage.world.thaw();
  });

  test("of the step before is refused once a later one was used", async () => {
    await startOfAStep();
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    await stage.world.advance(5 * STEP_SECONDS);
    const now = stage.world.now();
    await accepted(await person.exchange("otp", { mfa_token: person.mfaToken(), otp: totp(secret, now) }));
    await invalidOtp(await person.exchange("otp", { mfa_token: person.mfaToken(), otp: totp(secret, now, -1) }));
    await stage.world.thaw();
  });

  test("of the step before confirms, and counts as used with all before it", async () => {
    await startOfAStep();
    const person = stage.person();
    const mfa_token = person.mfaToken();
    const { secret } = await accepted(await person.associateOtp({ token: mfa_token }));
    const now = stage.world.now();
    const previous = totp(secret, now, -1);
    await accepted(await person.exchange("otp", { mfa_token, otp: previous }));
    await invalidOtp(await person.exchange("otp", { mfa_token: person.mfaToken(), otp: previous }));
    await accepted(await person.exchange("otp", { mfa_token: person.mfaToken(), otp: totp(secret, now) }));
    await stage.world.thaw();
  });

  test("as a JSON number has its leading zeros restored", async () => {
    await startOfAStep();
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    do await stage.world.advance(STEP_SECONDS);
    while (!totp(secret, stage.world.now()).startsWith("0"));
    const otp = Number(totp(secret, stage.world.now()));
    expect(String(otp).length).toBeLessThan(6);
    await accepted(await person.exchange("otp", { mfa_token: person.mfaToken(), otp }, { form: false }));
    await stage.world.thaw();
  });

  test("confirms a pending app for a day, and not after", async () => {
    const { world } = stage;
    const [early, late] = [stage.person(), stage.person()];
    const secrets = [];
    for (const person of [early, late]) secrets.push((await accepted(await person.associateOtp())).secret);
    await world.advance(24 * 3600 - 60);
    const confirm = (person, secret) => person.exchange("otp", { mfa_token: person.mfaToken(), otp: totp(secret, world.now()) });
    await accepted(await confirm(early, secrets[0]));
    await world.advance(61);
    await invalidOtp(await confirm(late, secrets[1]));
  });

  test("confirms whichever pending app it belongs to", async () => {
    const person = stage.person();
    const token = person.mfaToken();
    const first = await accepted(await person.associateOtp({ token }));
    await accepted(await person.associateOtp({ token }));
    await accepted(await person.exchange("otp", { mfa_token: token, otp: totp(first.secret, stage.world.now()) }));
    const active = await stage.world.rows("SELECT id FROM authenticators WHERE user_id = ?", `idp|${person.sub}`);
    expect(active).toEqual([{ id: first.id }]);
  });
});

describe("an out-of-band code", () => {
  test("confirms a phone, and is gone", async () => {
    const person = stage.person();
    const { enrollment, bindingCode } = await person.enrollSms();
    const again = { mfa_token: person.mfaToken(), oob_code: enrollment.oob_code, binding_code: bindingCode };
    const response = await person.exchange("oob", again);
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(response.status).toBeLessThan(500);
  });

  test("may come with another mfa_token of the same person and client, as after a reload", async () => {
    const person = stage.person();
    const { oob_code } = await accepted(await person.associateSms());
    const binding_code = await stage.webhook.codeFor(person.number);
    await accepted(await person.exchange("oob", { mfa_token: person.mfaToken(), oob_code, binding_code }, { form: false }));
  });
});

describe("a recovery code", () => {
  const wrong = (response) => refused(response, 403, "invalid_grant", "MFA Authorization rejected.");

  test("lets its owner in once, and brings the next one", async () => {
    const person = stage.person();
    const { recoveryCode } = await person.enrollOtp();
    let code = recoveryCode;
    for (let round = 0; round < 3; round += 1) {
      const body = await accepted(await person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code: code }));
      expect(keys(body)).toEqual(expect.arrayContaining(["access_token", "recovery_code", "token_type"]));
      expect(body.recovery_code).toMatch(/^[A-Z0-9]{24}$/);
      expect(body.recovery_code).not.toBe(code);
      await wrong(await person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code: code }));
      code = body.recovery_code;
    }
  });

  test("leaves the authenticators as they are", async () => {
    const person = stage.person();
    const { recoveryCode, secret } = await person.enrollOtp();
    await accepted(await person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code: recoveryCode }));
    await stage.world.advance(STEP_SECONDS);
    await accepted(await person.exchange("otp", { mfa_token: person.mfaToken(), otp: totp(secret, stage.world.now()) }));
  });

  test("does nothing before its enrollment is confirmed", async () => {
    const person = stage.person();
    const mfa_token = person.mfaToken();
    const { recovery_codes } = await accepted(await person.associateOtp({ token: mfa_token }));
    await wrong(await person.exchange("recovery", { mfa_token, recovery_code: recovery_codes[0] }));
  });

  test("of an enrollment that lost to another one never works", async () => {
    const person = stage.person();
    const abandoned = await accepted(await person.associateOtp());
    const { recoveryCode } = await person.enrollOtp();
    await wrong(await person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code: abandoned.recovery_codes[0] }));
    await accepted(await person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code: recoveryCode }));
  });

  test.each([
    ["somebody else's", async () => (await stage.person().enrollOtp()).recoveryCode],
    ["a random one", async () => "ABCDEFGHIJKLMNOPQRSTUVWX"],
    ["an empty one", async () => ""],
    ["a long one", async () => "A".repeat(5000)],
  ])("%s is refused", async (_, code) => {
    const person = stage.person();
    await person.enrollOtp();
    const response = await person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code: await code() });
    expect([400, 403]).toContain(response.status);
    if (response.status === 403) await wrong(response);
  });
});

describe("an mfa_token", () => {
  test("is spent by the exchange that succeeds, everywhere", async () => {
    const person = stage.person();
    const mfa_token = person.mfaToken();
    const { secret, recoveryCode } = await person.enrollOtp({ token: mfa_token });
    await stage.world.advance(STEP_SECONDS);
    const spent = (response) => refused(response, 403, "invalid_grant", "mfa_token has already been used");
    await spent(await person.exchange("otp", { mfa_token, otp: totp(secret, stage.world.now()) }));
    await spent(await person.exchange("recovery", { mfa_token, recovery_code: recoveryCode }));
    await refusedBearer(await person.associateOtp({ token: mfa_token }));
  });

  test("is spent by confirming e-mail, too, although that does not make anybody enrolled", async () => {
    const person = stage.person();
    const mfa_token = person.mfaToken();
    const { oob_code } = await accepted(await person.associateEmail({ token: mfa_token }));
    const binding_code = await stage.webhook.codeFor(person.email);
    await accepted(await person.exchange("oob", { mfa_token, oob_code, binding_code }));
    await refusedBearer(await person.associateOtp({ token: mfa_token }));
    await accepted(await person.associateOtp());
  });

  test("is not spent by one that fails", async () => {
    const person = stage.person();
    const mfa_token = person.mfaToken();
    const { secret } = await accepted(await person.associateOtp({ token: mfa_token }));
    for (let guess = 0; guess < 3; guess += 1) await invalidOtp(await person.exchange("otp", { mfa_token, otp: "abcdef" }));
    await accepted(await person.exchange("otp", { mfa_token, otp: totp(secret, stage.world.now()) }));
  });

  test("is the same one whatever its signature: signed anew over the same text it stays spent", async () => {
    const elliptic = stage.person({ issuer: stage.issuer });
    const claims = { jti: "fixed", iat: stage.world.now(), exp: stage.world.now() + 300 };
    const [one, two] = [elliptic.mfaToken(claims), elliptic.mfaToken(claims)];
    expect(one.split(".").slice(0, 2)).toEqual(two.split(".").slice(0, 2));
    await elliptic.enrollOtp({ token: one });
    const response = await elliptic.exchange("otp", { mfa_token: two, otp: "000000" });
    await refused(response, 403, "invalid_grant", "mfa_token has already been used");
  });
});
