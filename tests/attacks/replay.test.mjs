/** Requests that somebody has seen, sent again: each was worth something once. */
import { describe, expect, test } from "vitest";
import { accepted, done, refused } from "../support/answers.mjs";
import { signed, signingPair } from "../support/jwt.mjs";
import { random } from "../support/person.mjs";
import { useStage } from "../support/stage.mjs";
import { totp } from "../support/totp.mjs";
import { ISSUER } from "../support/worker.mjs";

const stage = useStage({ isolates: 2 });
const now = () => stage.world.now();
const spent = (response) => refused(response, 403, "invalid_grant", "mfa_token has already been used");

/** What each grant is about to send, by somebody who has the factor. */
const GRANTS = {
  otp: async (person, mfa_token) => {
    const { secret } = await person.enrollOtp();
    await stage.world.advance(60);
    return { mfa_token: mfa_token(), otp: totp(secret, now()) };
  },
  oob: async (person, mfa_token) => {
    await person.enrollSms();
    return person.receiveCode({ mfa_token: mfa_token() });
  },
  recovery: async (person, mfa_token) => {
    const { recoveryCode } = await person.enrollOtp();
    return { mfa_token: mfa_token(), recovery_code: recoveryCode };
  },
};
const WITH_A_NEW_LOGIN = {
  otp: (response) => refused(response, 403, "invalid_grant", "Invalid otp_code."),
  oob: (response) => refused(response, 400, "invalid_request", "The oob_code doesn't match the mfa_token"),
  recovery: (response) => refused(response, 403, "invalid_grant", "MFA Authorization rejected."),
};

describe.each(Object.keys(GRANTS))("a grant by %s", (grant) => {
  test("is worth nothing when it comes again, byte for byte, at any isolate", async () => {
    const person = stage.person();
    const parameters = await GRANTS[grant](person, () => person.mfaToken());
    await accepted(await person.exchange(grant, parameters));
    for (const isolate of [0, 1, 0]) await spent(await person.exchange(grant, parameters, { isolate }));
  });

  test("leaves a code that is worth nothing to another login", async () => {
    const person = stage.person();
    const parameters = await GRANTS[grant](person, () => person.mfaToken());
    await accepted(await person.exchange(grant, parameters));
    const again = { ...parameters, mfa_token: person.mfaToken() };
    for (const isolate of [0, 1]) await WITH_A_NEW_LOGIN[grant](await person.exchange(grant, again, { isolate }));
  });

  test("leaves a login that opens nothing any more", async () => {
    const person = stage.person();
    const parameters = await GRANTS[grant](person, () => person.mfaToken());
    await accepted(await person.list({ token: parameters.mfa_token }));
    await accepted(await person.exchange(grant, parameters));
    await spent(await person.challenge({ mfa_token: parameters.mfa_token }));
    expect((await person.list({ token: parameters.mfa_token })).status).toBe(401);
    expect((await person.associateOtp({ token: parameters.mfa_token })).status).toBe(401);
  });
});

test("a confirmation that comes again adds nothing", async () => {
  const person = stage.person();
  const mfa_token = person.mfaToken();
  const { secret } = await accepted(await person.associateOtp({ token: mfa_token }));
  const confirmation = { mfa_token, otp: totp(secret, now()) };
  await accepted(await person.exchange("otp", confirmation));
  await spent(await person.exchange("otp", confirmation));
  const again = { ...confirmation, mfa_token: person.mfaToken() };
  await refused(await person.exchange("otp", again), 403, "invalid_grant", "Invalid otp_code.");
  expect(await (await person.list()).json()).toHaveLength(2);
});

test("an enrollment's answer that somebody has seen is worth nothing after its authenticator is gone", async () => {
  const person = stage.person();
  const { id, secret, recoveryCode } = await person.enrollOtp();
  await stage.world.advance(60);
  await done(await person.remove(id));
  const mfa_token = person.mfaToken();
  const otp = await person.exchange("otp", { mfa_token, otp: totp(secret, now()) });
  await refused(otp, 403, "invalid_grant", "Invalid otp_code.");
  const recovery = await person.exchange("recovery", { mfa_token, recovery_code: recoveryCode });
  await refused(recovery, 403, "invalid_grant", "MFA Authorization rejected.");
});

test("a removal that comes again removes nothing that has the same number since", async () => {
  const person = stage.person();
  const { id } = await person.enrollSms();
  await stage.world.advance(2);
  const token = person.provenToken({ scope: "remove:authenticators" });
  await done(await person.remove(id, { token }));
  const { id: next } = await person.enrollSms();
  await refused(await person.remove(id, { token }), 404, "not_found");
  expect((await (await person.list()).json()).map((item) => item.id)).toContain(next);
});

test("a proof of MFA that comes again removes nothing younger than it", async () => {
  const person = stage.person();
  const { id } = await person.enrollOtp();
  await stage.world.advance(2);
  const token = person.provenToken({ scope: "remove:authenticators" });
  await done(await person.remove(id, { token }));
  await stage.world.advance(2);
  const { id: next } = await person.enrollOtp();
  await refused(await person.remove(next, { token }), 403, "access_denied");
  await stage.world.advance(2);
  await done(await person.remove(next));
});

test("an assertion that was used at one endpoint is used up at all of them", async () => {
  const pair = signingPair("RS256", "app-1");
  const client = await stage.addClient({ authentication: "private_key_jwt", jwks: { keys: [pair.jwk] } });
  const person = stage.person({ client });
  const credentials = (aud = ISSUER) => {
    const claims = { iss: client.id, sub: client.id, aud, iat: now(), exp: now() + 120, jti: random() };
    return {
      client_assertion: signed({ alg: "RS256", kid: "app-1" }, claims, pair.privateKey),
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    };
  };
  const doors = [
    (with_) => person.challenge(with_),
    (with_) => person.exchange("otp", { mfa_token: person.mfaToken(), otp: "abcdef", ...with_ }),
    (with_) => person.associate({ authenticator_types: ["otp"], client_id: client.id, ...with_ }),
  ];
  for (const first of doors) {
    const once = credentials();
    expect((await first(once)).status).not.toBe(401);
    for (const again of doors) await refused(await again(once), 401, "access_denied", "Unauthorized");
  }
});

test.each(["associate", "challenge"])("an Idempotency-Key of somebody else repeats nothing to anybody else: %s", async (at) => {
  const key = random();
  const headers = { "idempotency-key": key };
  const [owner, other] = [stage.person(), stage.person()];
  const others = [other, stage.person({ sub: owner.sub, client: await stage.addClient() })];
  const ask = async (person, token) =>
    at === "associate" ? person.associateOtp({ token, headers }) : person.challenge({ mfa_token: token }, { headers });
  if (at === "challenge") for (const person of [owner, other]) await person.enrollSms();
  const token = owner.mfaToken();
  const first = await ask(owner, token);
  const text = await first.clone().text();
  await accepted(first);
  const repeated = await ask(owner, token);
  expect(repeated.headers.get("idempotent-replayed")).toBe("true");
  expect(await repeated.text()).toBe(text);
  for (const person of others) {
    const response = await ask(person, person.mfaToken());
    expect(response.headers.get("idempotent-replayed")).toBeNull();
    const body = await accepted(response);
    const secret = at === "associate" ? "secret" : "oob_code";
    expect(body[secret]).not.toBe(JSON.parse(text)[secret]);
  }
});
