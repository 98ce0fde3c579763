/** Tokens that are taken and issued, the demand of a factor, discovery and key set, as the contract has them. */
import { createLocalJWKSet, jwtVerify } from "jose";
import { describe, expect, test } from "vitest";
import { accepted, refused } from "../support/answers.mjs";
import { API } from "../support/clients.mjs";
import { decode } from "../support/jwt.mjs";
import { GRANT } from "../support/person.mjs";
import { useStage } from "../support/stage.mjs";
import { EXCHANGE_GRANT, subjectTokenOf, TOKEN_TYPE, tokenExchange } from "../support/token-exchange.mjs";
import { totp } from "../support/totp.mjs";
import { ISSUER, MFA_AUDIENCE, PUBLIC_URL } from "../support/worker.mjs";

const SUBJECT_AUDIENCE = "https://app.example.com";
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
