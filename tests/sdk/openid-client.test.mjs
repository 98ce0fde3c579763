/** openid-client as published, against the built Worker: discovery, every grant, every way to authenticate. */
import { createLocalJWKSet, jwtVerify } from "jose";
import * as oidc from "openid-client";
import { describe, expect, test } from "vitest";
import { API } from "../support/clients.mjs";
import { decode, signingPair } from "../support/jwt.mjs";
import { GRANT } from "../support/person.mjs";
import { useStage } from "../support/stage.mjs";
import { EXCHANGE_GRANT, SUBJECT_AUDIENCE, subjectTokenOf, TOKEN_TYPE } from "../support/token-exchange.mjs";
import { STEP_SECONDS, totp, wrongTotp } from "../support/totp.mjs";
import { ISSUER } from "../support/worker.mjs";

const stage = useStage({
  issuers: [{ may: ["exchange", "mfa_token", "access_token"], entry: { audiences: [SUBJECT_AUDIENCE] } }],
});
const ASSERTING = signingPair("RS256", "app-1");

/** How a client is registered, and how openid-client is told to authenticate. */
const METHODS = {
  None: [{ authentication: "none" }, () => oidc.None()],
  ClientSecretPost: [{ authentication: "post" }, ({ secret }) => oidc.ClientSecretPost(secret)],
  ClientSecretBasic: [{ authentication: "basic" }, ({ secret }) => oidc.ClientSecretBasic(secret)],
  PrivateKeyJwt: [
    { authentication: "private_key_jwt", jwks: { keys: [ASSERTING.jwk] } },
    async () => {
      const key = ASSERTING.privateKey.export({ format: "der", type: "pkcs8" });
      const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
      return oidc.PrivateKeyJwt({
        key: await crypto.subtle.importKey("pkcs8", key, algorithm, false, ["sign"]),
        kid: ASSERTING.kid,
      });
    },
  ],
};

/** Only the transport is redirected. */
function customFetch(url, { method, headers, body }) {
  return stage.world.fetch(String(url), { method, headers: Object.entries(headers), body: body && String(body) });
}

/** Somebody new at a client that is registered for `method`, and openid-client as an application sets it up. */
async function application(method) {
  const [registration, authentication] = METHODS[method];
  const client = await stage.addClient(registration);
  // Its clock is this machine's, the Worker's has been moved by the tests.
  const metadata = { [oidc.clockSkew]: stage.world.now() - Math.floor(Date.now() / 1000) };
  const configuration = await oidc.discovery(new URL(ISSUER), client.id, metadata, await authentication(client), {
    [oidc.customFetch]: customFetch,
  });
  return { configuration, person: stage.person({ client }) };
}

const grant = (configuration, type, parameters, options) =>
  oidc.genericGrantRequest(configuration, GRANT[type] ?? type, parameters, options);

/** openid-client takes an id_token that came over TLS at its word; here it is held to the published keys. */
async function signedByThisService(idToken, configuration) {
  const { jwks_uri: jwksUri, issuer } = configuration.serverMetadata();
  const keys = createLocalJWKSet(await (await customFetch(jwksUri, { method: "GET", headers: {} })).json());
  const audience = configuration.clientMetadata().client_id;
  const { protectedHeader } = await jwtVerify(idToken, keys, {
    issuer,
    audience,
    algorithms: ["RS256"],
    currentDate: new Date(stage.world.now() * 1000),
  });
  expect(protectedHeader.kid).toEqual(expect.any(String));
}

test("discovery is read, and says what there is", async () => {
  const { configuration } = await application("None");
  const metadata = configuration.serverMetadata();
  expect(metadata.issuer).toBe(ISSUER);
  expect(metadata.grant_types_supported).toEqual(expect.arrayContaining([...Object.values(GRANT), EXCHANGE_GRANT]));
  expect(metadata.mfa_challenge_endpoint).toBe(`${ISSUER}mfa/challenge`);
});

describe.each(Object.keys(METHODS))("an application that authenticates by %s", (method) => {
  test("is let in by otp, by a message's code and by a recovery code, and each token verifies", async () => {
    const { configuration, person } = await application(method);
    const authenticator = await person.associateOtp().then((response) => response.json());
    const [recovery_code] = authenticator.recovery_codes;
    await stage.world.freeze();
    const now = stage.world.now();
    const first = await grant(configuration, "otp", {
      mfa_token: person.mfaToken({ audience: API, scope: "openid read:things" }),
      otp: totp(authenticator.secret, now, -1),
    });
    await stage.world.thaw();
    expect(first.token_type).toBe("bearer");
    expect(first.expires_in).toBeGreaterThan(0);
    expect(first.scope).toBe("openid read:things");
    expect(first.claims().sub).toBe(`idp|${person.sub}`);
    await signedByThisService(first.id_token, configuration);
    expect(decode(first.access_token).claims.amr).toEqual(["pwd", "otp", "mfa"]);

    const token = person.provenToken();
    const body = { authenticator_types: ["oob"], oob_channels: ["sms"], phone_number: person.number };
    const { oob_code } = await (await person.associate(body, { token })).json();
    const binding_code = await stage.webhook.codeFor(person.number);
    const second = await grant(configuration, "oob", { mfa_token: person.mfaToken(), oob_code, binding_code });
    expect(decode(second.access_token).claims.amr).toEqual(["pwd", "sms", "mfa"]);

    const third = await grant(configuration, "recovery", { mfa_token: person.mfaToken(), recovery_code });
    expect(third.recovery_code).toMatch(/^[A-Z0-9]{24}$/);
  });

  test("exchanges another issuer's token, is told mfa_required with its token, and goes on with that", async () => {
    const { configuration, person } = await application(method);
    const { secret } = await person.associateOtp().then((response) => response.json());
    const mfa_token = person.mfaToken();
    await grant(configuration, "otp", { mfa_token, otp: totp(secret, stage.world.now()) });
    await stage.world.advance(STEP_SECONDS);

    const exchange = () =>
      grant(configuration, EXCHANGE_GRANT, {
        subject_token: subjectTokenOf(person, SUBJECT_AUDIENCE),
        subject_token_type: `${TOKEN_TYPE}access_token`,
        scope: "openid",
      });
    const error = await exchange().catch((thrown) => thrown);
    expect(error).toBeInstanceOf(oidc.ResponseBodyError);
    expect(error).toMatchObject({
      status: 403,
      error: "mfa_required",
      error_description: "Multifactor authentication required",
    });
    expect(error.cause.mfa_requirements).toEqual({ challenge: expect.arrayContaining([{ type: "otp" }]) });
    const tokens = await grant(configuration, "otp", {
      mfa_token: error.cause.mfa_token,
      otp: totp(secret, stage.world.now()),
    });
    expect(tokens.claims().sub).toBe(`idp|${person.sub}`);
  });
});

test("errors are read from the body: no header stands in their way", async () => {
  const { configuration, person } = await application("ClientSecretPost");
  const { secret } = await person.associateOtp().then((response) => response.json());
  const wrong = { mfa_token: person.mfaToken(), otp: wrongTotp(secret, stage.world.now()) };
  const error = await grant(configuration, "otp", wrong).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(oidc.ResponseBodyError);
  expect(error).toMatchObject({ status: 403, error: "invalid_grant", error_description: "Invalid otp_code." });
});

test("a key of the application binds its tokens (DPoP), after the nonce was asked for", async () => {
  const { configuration, person } = await application("None");
  const { secret } = await person.associateOtp().then((response) => response.json());
  const keys = await oidc.randomDPoPKeyPair();
  const DPoP = oidc.getDPoPHandle(configuration, keys);
  const parameters = { mfa_token: person.mfaToken(), otp: totp(secret, stage.world.now()) };
  // The first request learns the nonce; openid-client tries again by itself.
  const tokens = await grant(configuration, "otp", parameters, { DPoP });
  expect(tokens.token_type).toBe("dpop");
  expect(decode(tokens.access_token).claims.cnf.jkt).toBe(await DPoP.calculateThumbprint());
});
