/** One client that has got hold of what was another's. Both are honest to the service: each proves who it is. */
import { describe, expect, test } from "vitest";
import { accepted, read, refused } from "../support/answers.mjs";
import { signed, signingPair } from "../support/jwt.mjs";
import { random } from "../support/person.mjs";
import { useStage } from "../support/stage.mjs";
import { SUBJECT_AUDIENCE, subjectTokenOf, tokenExchange } from "../support/token-exchange.mjs";
import { totp } from "../support/totp.mjs";
import { ISSUER } from "../support/worker.mjs";

const MULTI_FACTOR = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";
const stage = useStage({
  issuers: [{ may: ["exchange", "mfa_token", "access_token"], entry: { audiences: [SUBJECT_AUDIENCE] } }],
});
const now = () => stage.world.now();
const notIssued = (response) => refused(response, 400, "invalid_request", "mfa_token not issued to this client");
const unauthorized = (response) => refused(response, 401, "access_denied", "Unauthorized");

/** The same person through two clients with a secret each. */
async function throughBoth({ authentication = "post" } = {}) {
  const [one, other] = [await stage.addClient({ authentication }), await stage.addClient({ authentication })];
  const person = stage.person({ client: one });
  return { person, elsewhere: stage.person({ client: other, sub: person.sub }) };
}

const TOKENS = {
  "an issuer's mfa_token": (person) => person.mfaToken(),
  "an own mfa_token": async (person) => {
    const subject_token = subjectTokenOf(person, SUBJECT_AUDIENCE);
    const body = await read(await tokenExchange(stage.world, person, { subject_token, acr_values: MULTI_FACTOR }));
    return body.mfa_token;
  },
};

describe.each(Object.keys(TOKENS))("%s that was given to one client", (kind) => {
  test("is of no use to another at the challenge, with its own credentials", async () => {
    const { person, elsewhere } = await throughBoth();
    await person.enrollSms();
    const mfa_token = await TOKENS[kind](person);
    await notIssued(await elsewhere.challenge({ mfa_token }));
    await accepted(await person.challenge({ mfa_token }));
  });

  test("is of no use to another at the exchange, with its own credentials and a right code", async () => {
    const { person, elsewhere } = await throughBoth();
    const { secret } = await person.enrollOtp();
    await stage.world.advance(60);
    const grant = { mfa_token: await TOKENS[kind](person), otp: totp(secret, now()) };
    await notIssued(await elsewhere.exchange("otp", grant));
    await accepted(await person.exchange("otp", grant));
  });

  test("is of no use to another at the enrollment, with its own credentials", async () => {
    const { person, elsewhere } = await throughBoth();
    const token = await TOKENS[kind](person);
    const as = ({ client }) => ({ authenticator_types: ["otp"], client_id: client.id, client_secret: client.secret });
    await notIssued(await person.associate(as(elsewhere), { token }));
    await accepted(await person.associate(as(person), { token }));
  });

  test("does not pass with the credentials of one and the name of the other", async () => {
    const { person, elsewhere } = await throughBoth();
    const mfa_token = await TOKENS[kind](person);
    await unauthorized(await person.challenge({ mfa_token, client_secret: elsewhere.client.secret }));
    await unauthorized(await elsewhere.challenge({ mfa_token, client_secret: person.client.secret }));
    await refused(await person.challenge({ mfa_token }), 400, "association_required");
  });
});

test("a subject token that names one public client is not exchanged by another", async () => {
  const [person, other] = [stage.person(), await stage.addClient()];
  const subject_token = subjectTokenOf(person, SUBJECT_AUDIENCE, { azp: person.client.id });
  await notIssued(await tokenExchange(stage.world, { client: other }, { subject_token }));
  await accepted(await tokenExchange(stage.world, person, { subject_token }));
});

test("an access token that names one client enrolls nothing through another", async () => {
  const { person, elsewhere } = await throughBoth();
  const token = person.accessToken();
  const body = ({ client }) => ({ authenticator_types: ["otp"], client_id: client.id, client_secret: client.secret });
  await notIssued(await person.associate(body(elsewhere), { token }));
  const { secret } = await accepted(await person.associate(body(person), { token }));
  await notIssued(await elsewhere.exchange("otp", { mfa_token: token, otp: totp(secret, now()) }));
  await accepted(await person.exchange("otp", { mfa_token: token, otp: totp(secret, now()) }));
});

test("what was begun through one client is not confirmed through another", async () => {
  const { person, elsewhere } = await throughBoth();
  const { secret } = await accepted(await person.associateOtp());
  const otp = totp(secret, now());
  const response = await elsewhere.exchange("otp", { mfa_token: elsewhere.mfaToken(), otp });
  await refused(response, 403, "invalid_grant", "Invalid otp_code.");
  await accepted(await person.exchange("otp", { mfa_token: person.mfaToken(), otp }));
});

test("an assertion of one client does not stand for another, whoever signs it", async () => {
  const pairs = [signingPair("RS256", "app"), signingPair("RS256", "app")];
  const register = ({ jwk }) => stage.addClient({ authentication: "private_key_jwt", jwks: { keys: [jwk] } });
  const [one, other] = [await register(pairs[0]), await register(pairs[1])];
  const person = stage.person({ client: one });
  const ask = ({ iss = one.id, sub = one.id, pair = pairs[0] }) => {
    const claims = { iss, sub, aud: ISSUER, iat: now(), exp: now() + 120, jti: random() };
    return person.challenge({
      client_assertion: signed({ alg: "RS256", kid: "app" }, claims, pair.privateKey),
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    });
  };
  await unauthorized(await ask({ iss: other.id, sub: other.id, pair: pairs[1] }));
  await unauthorized(await ask({ pair: pairs[1] }));
  await unauthorized(await ask({ iss: other.id, pair: pairs[1] }));
  await unauthorized(await ask({ sub: other.id }));
  await unauthorized(await ask({ iss: person.issuer.url, pair: { privateKey: person.issuer.key.privateKey } }));
  await refused(await ask({}), 400, "association_required");
});

test("a client that is only another's issuer's has no way to its people", async () => {
  const closed = await stage.addClient({ issuers: ["somebody"] });
  const person = stage.person({ client: closed });
  const subject_token = subjectTokenOf(person, SUBJECT_AUDIENCE);
  await unauthorized(await person.associateOtp());
  await unauthorized(await person.challenge());
  await unauthorized(await person.list());
  await unauthorized(await person.exchange("otp", { mfa_token: person.mfaToken(), otp: "000000" }));
  await unauthorized(await tokenExchange(stage.world, person, { subject_token }));
  const open = stage.person();
  expect((await open.list()).status).toBe(200);
});
