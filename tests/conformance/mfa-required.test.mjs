/** The demand of a second factor, and the mfa_token that comes with it. */
import { expect, test } from "vitest";
import { accepted, refused, refusedBearer } from "../support/answers.mjs";
import { API } from "../support/clients.mjs";
import { decode } from "../support/jwt.mjs";
import { STEP_SECONDS, totp, wrongTotp } from "../support/totp.mjs";
import { MFA_AUDIENCE } from "../support/worker.mjs";
import { beginMessage, demanded, MULTI_FACTOR, personOfMfaAudience, signIn, useConformanceStage } from "./cast.mjs";

const stage = useConformanceStage();

const types = (list) => list.map(({ type }) => type);

/** Somebody with an app who has signed in: the demand, and the code that answers it. */
async function signedIn(parameters) {
  const person = stage.person();
  const { secret, recoveryCode } = await person.enrollOtp();
  const demand = await demanded(await signIn(stage, person, parameters));
  await stage.world.advance(STEP_SECONDS);
  return { person, secret, recoveryCode, demand, code: () => totp(secret, stage.world.now()) };
}

test("every type of the list of authenticators that can be used is among challenge", async () => {
  const person = stage.person();
  await person.enrollOtp();
  await stage.world.advance(2);
  await person.enrollSms({ token: person.provenToken() });
  const { mfa_requirements } = await demanded(await signIn(stage, person));
  const listed = await accepted(await person.list());
  expect(types(mfa_requirements.challenge)).toEqual(expect.arrayContaining(types(listed)));
});

test("an mfa_token is opaque and shorter than a kilobyte", async () => {
  const { demand } = await signedIn({ audience: API, scope: "openid read:things" });
  expect(demand.mfa_token).toMatch(/^csmfa_[A-Za-z0-9._-]+$/);
  expect(demand.mfa_token.length).toBeLessThan(1024);
});

test("an mfa_token is good for list, challenge, wrong codes and the exchange, in this order", async () => {
  const { person, secret, demand, code } = await signedIn();
  const { mfa_token } = demand;
  expect(await accepted(await person.list({ token: mfa_token }))).toHaveLength(2);
  await accepted(await person.challenge({ mfa_token }));
  const otp = wrongTotp(secret, stage.world.now());
  await refused(await person.exchange("otp", { mfa_token, otp }), 403, "invalid_grant", "Invalid otp_code.");
  await accepted(await person.exchange("otp", { mfa_token, otp: code() }));
});

test("an mfa_token adds the first authenticator of who has none", async () => {
  const person = stage.person();
  const { mfa_token } = await demanded(await signIn(stage, person, { acr_values: MULTI_FACTOR }));
  const { secret } = await accepted(await person.associateOtp({ token: mfa_token }));
  await accepted(await person.exchange("otp", { mfa_token, otp: totp(secret, stage.world.now()) }));
});

test("an mfa_token lives ten minutes, then it is expired_token", async () => {
  const { world } = stage;
  await world.freeze();
  const person = stage.person();
  await person.enrollOtp();
  const { mfa_token } = await demanded(await signIn(stage, person));
  await world.advance(599);
  await accepted(await person.challenge({ mfa_token }));
  await world.advance(62);
  await refused(await person.challenge({ mfa_token }), 401, "expired_token", "mfa_token is expired");
  await world.thaw();
});

test("an mfa_token is refused everywhere once it has been exchanged", async () => {
  const { person, demand, code } = await signedIn();
  const { mfa_token } = demand;
  await accepted(await person.exchange("otp", { mfa_token, otp: code() }));
  await refusedBearer(await person.list({ token: mfa_token }));
  await refusedBearer(await person.associateOtp({ token: mfa_token }));
  for (const response of [await person.challenge({ mfa_token }), await person.exchange("otp", { mfa_token, otp: "000000" })]) {
    await refused(response, 403, "invalid_grant", "mfa_token has already been used");
  }
});

test("an mfa_token removes nothing", async () => {
  const { person, demand } = await signedIn();
  const [{ id }] = await accepted(await person.list());
  await refusedBearer(await person.remove(id, { token: demand.mfa_token }));
});

test("the tokens are for the audience and scope of the login, which the exchange need not repeat", async () => {
  const { person, demand, code } = await signedIn({ audience: API, scope: "openid read:things" });
  const tokens = await accepted(await person.exchange("otp", { mfa_token: demand.mfa_token, otp: code() }));
  expect(tokens.scope).toBe("openid read:things");
  expect(decode(tokens.access_token).claims.aud).toBe(API);
});

test("the MFA audience demands a factor of who has one, and none of who has none or only e-mail", async () => {
  const person = await personOfMfaAudience(stage);
  await accepted(await signIn(stage, person, { audience: MFA_AUDIENCE, scope: "enroll" }));
  await person.enrollOob("email");
  await accepted(await signIn(stage, person, { audience: MFA_AUDIENCE, scope: "enroll" }));
  await person.enrollOtp();
  await demanded(await signIn(stage, person, { audience: MFA_AUDIENCE, scope: "enroll" }));
});

test("e-mail does not satisfy the demand: the login goes on with a new mfa_token and what is left", async () => {
  const person = stage.person();
  const mail = await person.enrollOob("email");
  const { secret } = await person.enrollOtp();
  const { mfa_token } = await demanded(await signIn(stage, person));
  const code = await person.receiveCode({ mfa_token, authenticator_id: mail.id, to: person.email });
  const chained = await demanded(await person.exchange("oob", code));
  expect(chained.mfa_token).not.toBe(mfa_token);
  await refused(await person.challenge({ mfa_token }), 403, "invalid_grant", "mfa_token has already been used");
  await stage.world.advance(STEP_SECONDS);
  const otp = totp(secret, stage.world.now());
  const { access_token } = await accepted(await person.exchange("otp", { mfa_token: chained.mfa_token, otp }));
  expect(decode(access_token).claims.amr).toEqual(["email", "otp", "mfa"]);
});

test("a policy of two factors demands another after the first, and takes its type off the list", async () => {
  const client = await stage.addClient({ policy: { factors: 2 } });
  const person = stage.person({ client });
  const begun = await beginMessage(stage, "sms", person);
  const first = await demanded(await person.exchange("oob", begun.parameters));
  expect(first.mfa_requirements).toEqual({ enroll: [{ type: "otp" }] });
  const { secret } = await accepted(await person.associateOtp({ token: first.mfa_token }));
  const otp = totp(secret, stage.world.now());
  const { access_token } = await accepted(await person.exchange("otp", { mfa_token: first.mfa_token, otp }));
  expect(decode(access_token).claims.amr).toEqual(["pwd", "sms", "otp", "mfa"]);
});

test("acr_values with multi-factor demands a factor of who has none", async () => {
  const person = stage.person();
  await accepted(await signIn(stage, person));
  await demanded(await signIn(stage, person, { acr_values: `urn:x ${MULTI_FACTOR}` }));
});
