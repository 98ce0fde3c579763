/** Tokens that are taken and issued, the demand of a factor, discovery and key set, as the contract has them. */
import { createLocalJWKSet, jwtVerify } from "jose";
import { describe, expect, test } from "vitest";
import { accepted, refused, refusedBearer } from "../support/answers.mjs";
import { API } from "../support/clients.mjs";
import { decode, signed, signingPair } from "../support/jwt.mjs";
import { GRANT } from "../support/person.mjs";
import { useStage } from "../support/stage.mjs";
import { EXCHANGE_GRANT, SUBJECT_AUDIENCE, subjectTokenOf, TOKEN_TYPE, tokenExchange } from "../support/token-exchange.mjs";
import { STEP_SECONDS, totp } from "../support/totp.mjs";
import { ISSUER, MFA_AUDIENCE, PUBLIC_URL } from "../support/worker.mjs";
import { beginApp, beginMessage, MFA_SCOPES, personOfMfaAudience, signIn } from "./cast.mjs";

const stage = useStage({
  issuers: [{ may: ["exchange", "mfa_token", "access_token"], entry: { audiences: [SUBJECT_AUDIENCE] } }],
});
const exchange = (person, parameters) =>
  tokenExchange(stage.world, person, { subject_token: subjectTokenOf(person, SUBJECT_AUDIENCE), ...parameters });

async function tokensOf(person) {
  const mfa_token = person.mfaToken({ audience: API, scope: "openid read:things" });
  const { secret } = await accepted(await person.associateOtp({ token: mfa_token }));
  const otp = totp(secret, stage.world.now());
  return accepted(await person.exchange("otp", { mfa_token, otp }));
}

const keySet = async () => createLocalJWKSet(await (await stage.world.fetch("/.well-known/jwks.json")).json());

/** The tokens of a login for `claims`, by an app. */
async function tokensFor(claims, person = stage.person()) {
  const begun = await beginApp(stage, person, claims);
  return { person, tokens: await accepted(await person.exchange("otp", begun.parameters)) };
}

describe("issued tokens", () => {
  test("are RS256, of the issuer with its slash, and verify by the key set", async () => {
    const tokens = await tokensOf(stage.person());
    const keys = createLocalJWKSet(await (await stage.world.fetch("/.well-known/jwks.json")).json());
    const options = { issuer: ISSUER, algorithms: ["RS256"], currentDate: new Date(stage.world.now() * 1000) };
    for (const token of [tokens.access_token, tokens.id_token]) await jwtVerify(token, keys, options);
  });

  test("access tokens have the type at+jwt and the claims of RFC 9068", async () => {
    const person = stage.person();
    const { header, claims } = decode((await tokensOf(person)).access_token);
    expect(header.typ).toBe("at+jwt");
    expect(claims).toMatchObject({
      iss: ISSUER,
      aud: API,
      sub: `idp|${person.sub}`,
      client_id: person.client.id,
      scope: "openid read:things",
      iat: expect.any(Number),
      exp: expect.any(Number),
      jti: expect.any(String),
    });
  });

  test("id_tokens are for the client, with whole numbers as times", async () => {
    const person = stage.person();
    const { claims } = decode((await tokensOf(person)).id_token);
    expect(claims.aud).toBe(person.client.id);
    for (const time of [claims.iat, claims.exp, claims.auth_time]) expect(Number.isInteger(time)).toBe(true);
  });

  test("say how somebody was authenticated: amr, acr, auth_time", async () => {
    const { claims } = decode((await tokensOf(stage.person())).access_token);
    expect(claims.amr).toEqual(["pwd", "otp", "mfa"]);
    expect(claims.acr).toBe("http://schemas.openid.net/pape/policies/2007/06/multi-factor");
    expect(Math.abs(claims.auth_time - stage.world.now())).toBeLessThan(30);
  });

  test("for the MFA API live 600 seconds", async () => {
    const client = await stage.addClient({ audiences: [{ audience: MFA_AUDIENCE, scopes: ["enroll"] }] });
    const person = stage.person({ client });
    const answer = await accepted(await exchange(person, { audience: MFA_AUDIENCE, scope: "enroll" }));
    expect(answer.expires_in).toBe(600);
  });
});

describe("mfa_required", () => {
  test("is 403 with error, description, mfa_token and mfa_requirements, and is not to be kept", async () => {
    const person = stage.person();
    await person.enrollOtp();
    const response = await exchange(person);
    expect(response.status).toBe(403);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(response.headers.get("pragma")).toBe("no-cache");
    expect(await response.json()).toEqual({
      error: "mfa_required",
      error_description: "Multifactor authentication required",
      mfa_token: expect.stringMatching(/^\S{1,1024}$/),
      mfa_requirements: { challenge: [{ type: "otp" }, { type: "recovery-code" }] },
    });
  });

  test("lists what can be challenged, with oob beside a phone", async () => {
    const person = stage.person();
    await person.enrollSms();
    const { mfa_requirements } = await (await exchange(person)).json();
    expect(mfa_requirements).toEqual({ challenge: [{ type: "phone" }, { type: "oob" }, { type: "recovery-code" }] });
  });

  test("lists what can be enrolled where nothing is", async () => {
    const person = stage.person();
    const acr_values = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";
    const { mfa_requirements } = await (await exchange(person, { acr_values })).json();
    expect(mfa_requirements).toEqual({ enroll: [{ type: "otp" }, { type: "phone" }] });
  });

  test("is not answered for the MFA API while nothing but e-mail is active", async () => {
    const client = await stage.addClient({ audiences: [{ audience: MFA_AUDIENCE, scopes: ["enroll"] }] });
    const person = stage.person({ client });
    await accepted(await exchange(person, { audience: MFA_AUDIENCE, scope: "enroll" }));
    await person.enrollOob("email", { token: person.accessToken() });
    await accepted(await exchange(person, { audience: MFA_AUDIENCE, scope: "enroll" }));
  });
});

describe("token exchange", () => {
  test("says what it has issued", async () => {
    const answer = await accepted(await exchange(stage.person()));
    expect(answer.issued_token_type).toBe(`${TOKEN_TYPE}access_token`);
  });

  test("with an actor token is 400 in the documented words", async () => {
    const parameters = { actor_token: "x", actor_token_type: `${TOKEN_TYPE}jwt` };
    const text = "MFA is not supported using actor_token with the requested token exchange profile.";
    await refused(await exchange(stage.person(), parameters), 400, "invalid_request", text);
  });
});

describe("metadata", () => {
  test("has what clients read, and the member for challenges", async () => {
    const document = await (await stage.world.fetch("/.well-known/openid-configuration")).json();
    expect(document).toMatchObject({
      issuer: ISSUER,
      authorization_endpoint: expect.stringContaining(PUBLIC_URL),
      token_endpoint: `${PUBLIC_URL}/oauth/token`,
      jwks_uri: `${PUBLIC_URL}/.well-known/jwks.json`,
      mfa_challenge_endpoint: `${PUBLIC_URL}/mfa/challenge`,
      id_token_signing_alg_values_supported: ["RS256"],
    });
    expect(document.token_endpoint_auth_methods_supported.sort()).toEqual(
      ["client_secret_basic", "client_secret_post", "none", "private_key_jwt"].sort(),
    );
    expect(document.grant_types_supported.sort()).toEqual([...Object.values(GRANT), EXCHANGE_GRANT].sort());
  });

  test("the key set has public keys only, with kid, use and alg", async () => {
    const { keys } = await (await stage.world.fetch("/.well-known/jwks.json")).json();
    expect(keys.length).toBeGreaterThan(0);
    for (const key of keys) {
      expect(key).toMatchObject({ kty: "RSA", use: "sig", alg: "RS256", kid: expect.any(String) });
      for (const secret of ["d", "p", "q", "dp", "dq", "qi"]) expect(key).not.toHaveProperty(secret);
    }
  });

  test("key set and discovery may be kept for five minutes", async () => {
    for (const path of ["/.well-known/jwks.json", "/.well-known/openid-configuration"])
      expect((await stage.world.fetch(path)).headers.get("cache-control")).toBe("public, max-age=300");
  });
});

test("an access token is RS256, typ at+jwt, of a key of the key set", async () => {
  const { tokens } = await tokensFor({ audience: API, scope: "openid read:things" });
  const { protectedHeader } = await jwtVerify(tokens.access_token, await keySet(), { issuer: ISSUER, audience: API });
  expect(protectedHeader).toEqual({ alg: "RS256", typ: "at+jwt", kid: expect.any(String) });
});

test("no two access tokens have one jti", async () => {
  const ids = [];
  for (let count = 0; count < 2; count += 1) ids.push(decode((await tokensFor({})).tokens.access_token).claims.jti);
  expect(new Set(ids).size).toBe(2);
});

test("an id_token has email with scope email and name with scope profile", async () => {
  const known = { email: "ann@example.com", email_verified: true, name: "Ann" };
  const all = await tokensFor({ ...known, scope: "openid email profile" });
  expect(decode(all.tokens.id_token).claims).toMatchObject(known);
  const none = await tokensFor({ ...known, scope: "openid" });
  for (const name of Object.keys(known)) expect(decode(none.tokens.id_token).claims).not.toHaveProperty(name);
});

test.each([
  ["sms", "sms"],
  ["voice", "tel"],
])("amr of a code by %s is %s", async (channel, amr) => {
  const { person, parameters } = await beginMessage(stage, channel);
  const { access_token } = await accepted(await person.exchange("oob", parameters));
  expect(decode(access_token).claims.amr).toEqual(["pwd", amr, "mfa"]);
});

test("amr of a code by e-mail is email, without mfa", async () => {
  const { person, parameters } = await beginMessage(stage, "email");
  const { access_token } = await accepted(await person.exchange("oob", parameters));
  expect(decode(access_token).claims.amr).toEqual(["pwd", "email"]);
});

test("a token for the MFA audience lives 600 seconds, another 3600", async () => {
  const person = await personOfMfaAudience(stage);
  const { tokens } = await tokensFor({ audience: MFA_AUDIENCE, scope: MFA_SCOPES.join(" ") }, person);
  expect(tokens.expires_in).toBe(600);
  expect((await tokensFor({ audience: API })).tokens.expires_in).toBe(3600);
});

test("the access token that a grant gives for the MFA audience lists, adds and removes", async () => {
  const person = await personOfMfaAudience(stage);
  const { id, secret } = await person.enrollOtp();
  await stage.world.advance(STEP_SECONDS);
  const mfa_token = person.mfaToken({ audience: MFA_AUDIENCE, scope: MFA_SCOPES.join(" ") });
  const tokens = await accepted(await person.exchange("otp", { mfa_token, otp: totp(secret, stage.world.now()) }));
  const token = tokens.access_token;
  await accepted(await person.associateOtp({ token }));
  expect(await accepted(await person.list({ token }))).toHaveLength(3);
  expect((await person.remove(id, { token })).status).toBe(204);
});

test("an mfa_token never passes as access token, nor the reverse", async () => {
  const person = stage.person();
  const mfa = person.mfaToken({ scope: "remove:authenticators", amr: ["pwd", "mfa"] });
  await refusedBearer(await person.remove("totp|dev_0000000000000000", { token: mfa }));
  await refused(await person.challenge({ mfa_token: person.provenToken() }), 403, "invalid_grant", "Malformed mfa_token");
});

test("an access token for another audience, another issuer's or past its time is 401 invalid_grant", async () => {
  const person = stage.person();
  const now = stage.world.now();
  for (const claims of [{ aud: API }, { iss: "https://evil.example.com/" }, { iat: now - 600, exp: now - 120 }]) {
    await refusedBearer(await person.list({ token: person.accessToken({ scope: "read:authenticators", ...claims }) }));
  }
});

test("a token that is signed with another key, or not at all, is 401 invalid_grant", async () => {
  const person = stage.person();
  const { header, claims } = decode(person.mfaToken());
  const stranger = signingPair("RS256", header.kid);
  for (const token of [signed(header, claims, stranger.privateKey), signed({ ...header, alg: "none" }, claims)]) {
    await refusedBearer(await person.list({ token }));
  }
});

test("a bearer in the query or in the body is none", async () => {
  const person = stage.person();
  await refusedBearer(await stage.world.fetch(`/mfa/authenticators?access_token=${person.mfaToken()}`));
  const body = { authenticator_types: ["otp"], access_token: person.mfaToken() };
  await refusedBearer(await stage.world.post("/mfa/associate", body));
});

test("an oob_code is opaque, and another user's or client's confirms nothing", async () => {
  const { person, parameters } = await beginMessage(stage);
  expect(parameters.oob_code).toMatch(/^csoob_[A-Za-z0-9._-]+$/);
  const other = stage.person({ sub: person.sub, client: await stage.addClient() });
  for (const stranger of [stage.person(), other]) {
    const response = await stranger.exchange("oob", { ...parameters, mfa_token: stranger.mfaToken() });
    await refused(response, 400, "invalid_request", "The oob_code doesn't match the mfa_token");
  }
});

test("the oob_code of an enrollment goes on with a new mfa_token, as after a reload", async () => {
  const { person, parameters } = await beginMessage(stage);
  await accepted(await person.exchange("oob", { ...parameters, mfa_token: person.mfaToken() }));
});

test.each(["subject_token", "subject_token_type"])("token exchange without %s names it", async (name) => {
  const response = await signIn(stage, stage.person(), { [name]: undefined });
  await refused(response, 400, "invalid_request", `Missing required parameter: ${name}`);
});

test("token exchange of an invalid or unacceptable subject_token is 400 invalid_request", async () => {
  const person = stage.person();
  for (const subject of [{ aud: API }, { iss: "https://evil.example.com/" }, { exp: 1 }]) {
    const response = await signIn(stage, person, {}, { subject });
    await refused(response, 400, "invalid_request", "The subject_token is invalid.");
  }
});

test("token exchange for an audience that is not the client's is 400 invalid_target", async () => {
  const response = await signIn(stage, stage.person(), { audience: "https://other.example.com" });
  await refused(response, 400, "invalid_target", "The audience is not registered for this client.");
});

test("token exchange by a client that may not is 403 unauthorized_client", async () => {
  const person = stage.person({ client: await stage.addClient({ grants: ["mfa-otp"] }) });
  const text = `Grant type '${EXCHANGE_GRANT}' not allowed for the client.`;
  await refused(await signIn(stage, person), 403, "unauthorized_client", text);
});

test("the sub of an own token is the issuer's name and its own sub, and stays the same user", async () => {
  const person = stage.person();
  const { access_token } = await accepted(await signIn(stage, person));
  const { claims } = decode(access_token);
  expect(claims).toMatchObject({ sub: `idp|${person.sub}`, idp_sub: person.sub, idp_iss: stage.issuer.url });
});
