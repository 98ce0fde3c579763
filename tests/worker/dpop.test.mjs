/** Tokens that are bound to a client's key (DPoP, RFC 9449): at the token endpoint, and at the MFA API. */
import { exportJWK } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import { accepted, done, read, refused, refusedBearer } from "../support/answers.mjs";
import { ProofKey } from "../support/dpop.mjs";
import { decode } from "../support/jwt.mjs";
import { useStage } from "../support/stage.mjs";
import { SUBJECT_AUDIENCE, subjectTokenOf, tokenExchange } from "../support/token-exchange.mjs";
import { totp } from "../support/totp.mjs";
import { MFA_AUDIENCE } from "../support/worker.mjs";

const STEP_SECONDS = 30;
const TOKEN = "/oauth/token";
const LIST = "/mfa/authenticators";
const ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256"];

const stage = useStage({
  isolates: 2,
  issuers: [{ may: ["exchange", "mfa_token", "access_token"], entry: { audiences: [SUBJECT_AUDIENCE] } }],
});

let key;
let otherKey;
beforeAll(async () => {
  [key, otherKey] = await Promise.all([ProofKey.generate(), ProofKey.generate()]);
});

const nonceWanted = (response, status) =>
  refused(response, status, "use_dpop_nonce", "Authorization server requires nonce in DPoP proof.");
const invalidProof = (response, status = 400) => refused(response, status, "invalid_dpop_proof", "The DPoP proof is invalid.");
const claimsOf = (token) => decode(token).claims;

/** A nonce, as clients come by it: by a first proof without one. */
async function nonce() {
  const dpop = await key.proof("POST", TOKEN);
  const body = { grant_type: "http://auth0.com/oauth/grant-type/mfa-otp", client_id: stage.client.id };
  const response = await stage.world.post(TOKEN, body, { headers: { dpop } });
  await nonceWanted(response, 400);
  return response.headers.get("dpop-nonce");
}

/** The headers of a proof by `by` for a path, with a nonce. */
const proving = async (by = key, { method = "POST", path = TOKEN, ...options } = {}) => ({
  headers: { dpop: await by.proof(method, path, { nonce: await nonce(), ...options }) },
});

/** Somebody who is about to confirm an app: the parameters of the grant. */
async function aboutToConfirm(person, claims) {
  const mfa_token = person.mfaToken(claims);
  const { secret } = await accepted(await person.associateOtp({ token: mfa_token }));
  return { mfa_token, otp: totp(secret, stage.world.now()), secret };
}

const grantOf = ({ mfa_token, otp }) => ({ mfa_token, otp });

/** An own access token for the MFA API that is bound to `key`, and its person. */
async function boundToken() {
  const client = await stage.addClient({
    audiences: [{ audience: MFA_AUDIENCE, scopes: ["enroll", "read:authenticators", "remove:authenticators"] }],
  });
  const person = stage.person({ client });
  const scope = "enroll read:authenticators remove:authenticators";
  const code = await aboutToConfirm(person, { audience: MFA_AUDIENCE, scope });
  const { access_token: token } = await accepted(await person.exchange("otp", grantOf(code), await proving()));
  return { person, token };
}

/** A request to the MFA API with a token under the scheme DPoP. */
async function ask(token, { by = key, method = "GET", path = LIST, scheme = "DPoP", body, ...options } = {}) {
  const dpop = await by.proof(method, path, { nonce: await nonce(), token, ...options });
  const headers = { authorization: `${scheme} ${token}`, dpop, ...(body && { "content-type": "application/json" }) };
  return stage.world.fetch(path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
}

describe("a proof at the token endpoint", () => {
  test.each(ALGORITHMS)("by %s binds the access token to its key", async (alg) => {
    const by = await ProofKey.generate(alg);
    const person = stage.person();
    const code = await aboutToConfirm(person);
    const response = await person.exchange("otp", grantOf(code), await proving(by));
    expect(response.headers.get("dpop-nonce")).toBeTruthy();
    const tokens = await accepted(response);
    expect(tokens.token_type).toBe("DPoP");
    expect(claimsOf(tokens.access_token).cnf).toEqual({ jkt: by.thumbprint });
  });

  test("is asked for nonce first, and neither code nor mfa_token are used up by that", async () => {
    const person = stage.person();
    const code = await aboutToConfirm(person);
    const first = await person.exchange("otp", grantOf(code), { headers: { dpop: await key.proof("POST", TOKEN) } });
    expect(first.headers.get("www-authenticate")).toBeNull();
    await nonceWanted(first, 400);
    const dpop = await key.proof("POST", TOKEN, { nonce: first.headers.get("dpop-nonce") });
    const second = await person.exchange("otp", grantOf(code), { headers: { dpop } });
    const third = { headers: { dpop: await key.proof("POST", TOKEN, { nonce: second.headers.get("dpop-nonce") }) } };
    await accepted(second);
    await refused(await person.exchange("otp", grantOf(code), third), 403, "invalid_grant", "mfa_token has already been used");
  });

  test("with a nonce is good for a minute, at every isolate", async () => {
    const fresh = await nonce();
    const attempt = async (isolate) => {
      const dpop = await key.proof("POST", TOKEN, { nonce: fresh });
      const person = stage.person();
      return person.exchange("otp", { mfa_token: person.mfaToken(), otp: "000000" }, { headers: { dpop }, isolate });
    };
    for (const isolate of [0, 1]) await refused(await attempt(isolate), 403, "invalid_grant", "Invalid otp_code.");
    await stage.world.advance(55);
    await refused(await attempt(1), 403, "invalid_grant", "Invalid otp_code.");
    await stage.world.advance(10);
    await nonceWanted(await attempt(0), 400);
  });

  test.each([
    ["of another kind", { header: { typ: "JWT" } }],
    ["for another method", { claims: { htm: "GET" } }],
    ["for another URL", { claims: { htu: "https://evil.example.com/oauth/token" } }],
    ["without a time", { claims: { iat: undefined } }],
    ["without an id", { claims: { jti: undefined } }],
    ["with too long an id", { claims: { jti: "a".repeat(257) } }],
    ["with a nonce that is no text", { claims: { nonce: 5 } }],
    ["without a key", { header: { jwk: undefined } }],
    ["with another's key", { header: () => ({ jwk: otherKey.jwk }) }],
    ["with its private key", { header: async () => ({ jwk: await exportJWK(key.privateKey) }) }],
  ])("%s is refused", async (_, { header, ...options }) => {
    const person = stage.person();
    const grant = { mfa_token: person.mfaToken(), otp: "000000" };
    const headers = typeof header === "function" ? await header() : header;
    const response = await person.exchange("otp", grant, await proving(key, { ...options, header: headers }));
    expect(response.headers.get("www-authenticate")).toBeNull();
    await invalidProof(response);
  });

  test.each([
    ["garbage", () => "garbage"],
    ["two proofs in one header", (proof) => `${proof}, ${proof}`],
    ["a proof of more than 8 KB", (proof) => `${proof}${"A".repeat(8192)}`],
    ["an altered proof", (proof) => `${proof.slice(0, -8)}AAAAAAAA`],
  ])("is not %s", async (_, change) => {
    const person = stage.person();
    const { headers } = await proving();
    const grant = { mfa_token: person.mfaToken(), otp: "000000" };
    await invalidProof(await person.exchange("otp", grant, { headers: { dpop: change(headers.dpop) } }));
  });

  test("twice in one request is none", async () => {
    const person = stage.person();
    const headers = new Headers();
    for (let count = 0; count < 2; count += 1) headers.append("dpop", (await proving()).headers.dpop);
    headers.append("content-type", "application/json");
    const body = JSON.stringify({
      grant_type: "http://auth0.com/oauth/grant-type/mfa-otp",
      client_id: person.client.id,
      mfa_token: person.mfaToken(),
      otp: "000000",
    });
    await invalidProof(await stage.world.fetch(TOKEN, { method: "POST", headers, body }));
  });

  test("is what a page of a registered origin may make, and read the nonce for", async () => {
    const origin = "https://dpop.example.com";
    await stage.addClient({ origins: [origin] });
    await stage.world.advance(61);
    const headers = { origin, dpop: await key.proof("POST", TOKEN) };
    const response = await stage.world.post(
      TOKEN,
      { grant_type: "http://auth0.com/oauth/grant-type/mfa-otp", client_id: stage.client.id },
      { headers },
    );
    expect(response.headers.get("access-control-allow-origin")).toBe(origin);
    expect(response.headers.get("access-control-expose-headers")).toMatch(/\bDPoP-Nonce\b/);
    await nonceWanted(response, 400);
  });
});

test("without a proof tokens are bearers and nothing is said of nonces", async () => {
  const person = stage.person();
  const response = await person.exchange("otp", grantOf(await aboutToConfirm(person)));
  expect(response.headers.get("dpop-nonce")).toBeNull();
  const tokens = await accepted(response);
  expect(tokens.token_type).toBe("Bearer");
  expect(claimsOf(tokens.access_token)).not.toHaveProperty("cnf");
});

describe("an mfa_token that is bound to a key", () => {
  test("by its issuer needs that key's proof at the exchange, and nowhere else", async () => {
    const person = stage.person();
    const code = await aboutToConfirm(person, { cnf: { jkt: key.thumbprint } });
    await read(await person.list({ token: code.mfa_token }));
    await invalidProof(await person.exchange("otp", grantOf(code)));
    await invalidProof(await person.exchange("otp", grantOf(code), await proving(otherKey)));
    const tokens = await accepted(await person.exchange("otp", grantOf(code), await proving()));
    expect(claimsOf(tokens.access_token).cnf).toEqual({ jkt: key.thumbprint });
  });

  test("by token exchange, likewise", async () => {
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    await stage.world.advance(STEP_SECONDS);
    const subject_token = subjectTokenOf(person, SUBJECT_AUDIENCE);
    const response = await tokenExchange(stage.world, person, { subject_token }, await proving());
    expect(response.status).toBe(403);
    expect(response.headers.get("dpop-nonce")).toBeTruthy();
    const { mfa_token } = await response.json();
    const grant = { mfa_token, otp: totp(secret, stage.world.now()) };
    await invalidProof(await person.exchange("otp", grant));
    await invalidProof(await person.exchange("otp", grant, await proving(otherKey)));
    const tokens = await accepted(await person.exchange("otp", grant, await proving()));
    expect(claimsOf(tokens.access_token).cnf).toEqual({ jkt: key.thumbprint });
  });
});

describe("token exchange", () => {
  test("binds what it gives", async () => {
    const person = stage.person();
    const subject_token = subjectTokenOf(person, SUBJECT_AUDIENCE);
    const tokens = await accepted(await tokenExchange(stage.world, person, { subject_token }, await proving()));
    expect(tokens.token_type).toBe("DPoP");
    expect(claimsOf(tokens.access_token).cnf).toEqual({ jkt: key.thumbprint });
  });

  test("takes a bound subject token from its holder only", async () => {
    const person = stage.person();
    const subject_token = subjectTokenOf(person, SUBJECT_AUDIENCE, { cnf: { jkt: key.thumbprint } });
    const exchange = (options) => tokenExchange(stage.world, person, { subject_token }, options);
    const invalid = [400, "invalid_request", "The subject_token is invalid."];
    await refused(await exchange(), ...invalid);
    await refused(await exchange(await proving(otherKey)), ...invalid);
    await accepted(await exchange(await proving()));
  });
});

describe("at the MFA API a bound access token", () => {
  test("opens everything that its scopes do, with a proof for each request", async () => {
    const { token } = await boundToken();
    const listed = await ask(token);
    expect(listed.headers.get("dpop-nonce")).toBeTruthy();
    expect(await read(listed)).toHaveLength(2);
    const body = { authenticator_types: ["otp"] };
    const { id } = await accepted(await ask(token, { method: "POST", path: "/mfa/associate", body }));
    await done(await ask(token, { method: "DELETE", path: `${LIST}/${encodeURIComponent(id)}` }));
  });

  test("needs a nonce, which the refusal brings", async () => {
    const { token } = await boundToken();
    const headers = { authorization: `DPoP ${token}`, dpop: await key.proof("GET", LIST, { token }) };
    const response = await stage.world.fetch(LIST, { headers });
    expect(response.headers.get("www-authenticate")).toBe(`DPoP error="use_dpop_nonce", algs="${ALGORITHMS.join(" ")}"`);
    await nonceWanted(response, 401);
    headers.dpop = await key.proof("GET", LIST, { token, nonce: response.headers.get("dpop-nonce") });
    await read(await stage.world.fetch(LIST, { headers }));
  });

  test.each([
    ["by another key", () => ({ by: otherKey })],
    ["for another token", () => ({ claims: { ath: "AAAA" } })],
    ["for no token", () => ({ claims: { ath: undefined } })],
    ["for another method", () => ({ claims: { htm: "POST" } })],
    ["for another path", () => ({ claims: { htu: "https://mfa.example.com/mfa/associate" } })],
  ])("is refused with a proof %s", async (_, options) => {
    const { token } = await boundToken();
    const response = await ask(token, options());
    expect(response.headers.get("www-authenticate")).toBe(`DPoP error="invalid_dpop_proof", algs="${ALGORITHMS.join(" ")}"`);
    await invalidProof(response, 401);
  });

  test("is refused without a proof", async () => {
    const { token } = await boundToken();
    const response = await stage.world.fetch(LIST, { headers: { authorization: `DPoP ${token}` } });
    expect(response.headers.get("www-authenticate")).toMatch(/^DPoP error="invalid_dpop_proof"/);
    await invalidProof(response, 401);
  });

  test("is an invalid bearer", async () => {
    const { person, token } = await boundToken();
    await refusedBearer(await person.list({ token }));
    await refusedBearer(await ask(token, { scheme: "Bearer" }));
  });

  test("and nothing else goes under the scheme DPoP", async () => {
    const person = stage.person();
    for (const token of [
      person.mfaToken(),
      person.mfaToken({ cnf: { jkt: key.thumbprint } }),
      person.accessToken({ scope: "read:authenticators" }),
      "garbage",
    ]) {
      await refusedBearer(await ask(token));
    }
  });

  test("confirms an enrollment with its key's proof only", async () => {
    const person = stage.person();
    const token = person.accessToken({ cnf: { jkt: key.thumbprint } });
    const body = { authenticator_types: ["otp"] };
    const { secret } = await accepted(await ask(token, { method: "POST", path: "/mfa/associate", body }));
    const grant = { mfa_token: token, otp: totp(secret, stage.world.now()) };
    await invalidProof(await person.exchange("otp", grant));
    const tokens = await accepted(await person.exchange("otp", grant, await proving()));
    expect(claimsOf(tokens.access_token).cnf).toEqual({ jkt: key.thumbprint });
  });
});

test("a token that is bound otherwise than to a key of this kind is not taken for an unbound one", async () => {
  const person = stage.person();
  await refusedBearer(await person.list({ token: person.mfaToken({ cnf: { "x5t#S256": key.thumbprint } }) }));
});

test("discovery says what proofs may be signed with", async () => {
  const response = await stage.world.fetch("/.well-known/openid-configuration");
  const { dpop_signing_alg_values_supported } = await response.json();
  expect(dpop_signing_alg_values_supported).toEqual(ALGORITHMS);
  expect(response.headers.get("dpop-nonce")).toBeNull();
});

test("a proof costs no round trip", async () => {
  const person = stage.person();
  await accepted(await person.exchange("otp", grantOf(await aboutToConfirm(person))));
  const cost = async (options) => {
    const someone = stage.person();
    const code = await aboutToConfirm(someone);
    const { result, roundTrips } = await stage.world.cost(() => someone.exchange("otp", grantOf(code), options));
    await accepted(result);
    return roundTrips.length;
  };
  expect(await cost(await proving())).toBe(await cost());
});
