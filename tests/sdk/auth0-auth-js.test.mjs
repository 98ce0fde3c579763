/** The published SDK against the built Worker. Only its transport is redirected: what it sends and reads is its own. */
import { AuthClient, isMfaRequiredError } from "@auth0/auth0-auth-js";
import { describe, expect, test } from "vitest";
import { accepted } from "../support/answers.mjs";
import { API } from "../support/clients.mjs";
import { signingPair } from "../support/jwt.mjs";
import { useStage } from "../support/stage.mjs";
import { SUBJECT_AUDIENCE, subjectTokenOf, TOKEN_TYPE } from "../support/token-exchange.mjs";
import { STEP_SECONDS, totp, wrongTotp } from "../support/totp.mjs";
import { MFA_AUDIENCE, PUBLIC_URL } from "../support/worker.mjs";

const stage = useStage({
  issuers: [{ may: ["exchange", "mfa_token", "access_token"], entry: { audiences: [SUBJECT_AUDIENCE] } }],
});

const SCOPES = ["enroll", "read:authenticators", "remove:authenticators"];
const ASSERTING = signingPair("RS256", "app-1");

/** How a client is registered, and what the SDK is given to authenticate with. */
const REGISTRATIONS = {
  post: [{ authentication: "post" }, ({ secret }) => ({ clientSecret: secret })],
  basic: [{ authentication: "basic" }, ({ secret }) => ({ clientSecret: secret })],
  private_key_jwt: [
    { authentication: "private_key_jwt", jwks: { keys: [ASSERTING.jwk] } },
    () => ({ clientAssertionSigningKey: ASSERTING.privateKey.export({ type: "pkcs8", format: "pem" }) }),
  ],
  none: [{ authentication: "none" }, () => ({})],
};

/** What the Worker said last, as an application sees it that wraps `fetch`. */
let lastAnswer;

/** Somebody new, with the SDK as an application sets it up that is registered for `authentication`. */
async function application(authentication, options) {
  const [registration, credentials] = REGISTRATIONS[authentication];
  const client = await stage.addClient({ ...registration, ...options });
  const customFetch = async (input, init) => {
    const request = new Request(input, init);
    const body = ["GET", "HEAD"].includes(request.method) ? undefined : await request.text();
    const response = await stage.world.fetch(request.url, { method: request.method, headers: request.headers, body });
    lastAnswer = await response
      .clone()
      .json()
      .catch(() => undefined);
    return response;
  };
  const domain = new URL(PUBLIC_URL).host;
  const sdk = new AuthClient({ domain, clientId: client.id, customFetch, ...credentials(client) });
  return { sdk, person: stage.person({ client }) };
}

describe.each(["post", "basic", "private_key_jwt"])("an application registered for %s", (authentication) => {
  test("enrolls an app by otp, confirms it, and is let in by the next code", async () => {
    const { sdk, person } = await application(authentication);
    const mfaToken = person.mfaToken({ audience: API, scope: "openid read:things" });
    const enrolled = await sdk.mfa.enrollAuthenticator({ mfaToken, authenticatorTypes: ["otp"] });
    expect(enrolled).toMatchObject({ authenticatorType: "otp", id: expect.stringMatching(/^totp\|dev_/) });
    expect(enrolled.barcodeUri).toContain(enrolled.secret);
    expect(enrolled.recoveryCodes).toHaveLength(1);

    // The step before is still good, and leaves the present one for the next login.
    await stage.world.freeze();
    const now = stage.world.now();
    const tokens = await sdk.mfa.verify({ mfaToken, factorType: "otp", otp: totp(enrolled.secret, now, -1) });
    expect(tokens.accessToken).toBeTruthy();
    expect(tokens.idToken).toBeTruthy();
    expect(tokens.claims.sub).toBe(`idp|${person.sub}`);

    const next = { mfaToken: person.mfaToken(), factorType: "otp", otp: totp(enrolled.secret, now) };
    expect(await sdk.mfa.verify(next)).toHaveProperty("accessToken");
    await stage.world.thaw();
  });

  test("enrolls a phone by sms and confirms it with the code that was sent", async () => {
    const { sdk, person } = await application(authentication);
    const mfaToken = person.mfaToken({ scope: "openid" });
    const options = { mfaToken, authenticatorTypes: ["oob"], oobChannels: ["sms"], phoneNumber: person.number };
    const enrolled = await sdk.mfa.enrollAuthenticator(options);
    expect(enrolled).toMatchObject({ authenticatorType: "oob", oobChannel: "sms", bindingMethod: "prompt" });
    expect(enrolled.recoveryCodes).toHaveLength(1);

    const bindingCode = await stage.webhook.codeFor(person.number);
    const tokens = await sdk.mfa.verify({ mfaToken, factorType: "oob", oobCode: enrolled.oobCode, bindingCode });
    expect(tokens.accessToken).toBeTruthy();
    expect(tokens.idToken).toBeTruthy();
  });
});

test.each(["voice", "email"])("an application enrolls %s, confirms it, and has a code sent that lets in", async (channel) => {
  const { sdk, person } = await application("post");
  const to = channel === "email" ? { email: person.email } : { phoneNumber: person.number };
  const address = channel === "email" ? person.email : person.number;
  const mfaToken = person.mfaToken({ scope: "openid" });
  const enrolled = await sdk.mfa.enrollAuthenticator({
    mfaToken,
    authenticatorTypes: ["oob"],
    oobChannels: [channel],
    ...to,
  });
  expect(enrolled).toMatchObject({ authenticatorType: "oob", oobChannel: channel, bindingMethod: "prompt" });
  const bindingCode = await stage.webhook.codeFor(address);
  const tokens = await sdk.mfa.verify({ mfaToken, factorType: "oob", oobCode: enrolled.oobCode, bindingCode });
  expect(tokens.accessToken).toBeTruthy();

  const login = person.mfaToken();
  const [item] = await sdk.mfa.listAuthenticators({ mfaToken: login });
  expect(item).toMatchObject({ active: true, authenticatorType: "oob", type: channel === "email" ? "email" : "phone" });
  const options = { mfaToken: login, challengeType: "oob", authenticatorId: enrolled.id };
  const { oobCode } = await sdk.mfa.challengeAuthenticator(options);
  const next = await stage.webhook.codeFor(address, { count: 2 });
  const second = await sdk.mfa.verify({ mfaToken: login, factorType: "oob", oobCode, bindingCode: next });
  expect(second.accessToken).toBeTruthy();
});

describe("a login that wants more", () => {
  /** The token of the demand. The error of the SDK's `verify` has code and description; the rest stands in the answer. */
  async function demanded(sdk, options) {
    const thrown = await sdk.mfa.verify({ ...options, fullResponse: true }).catch((error) => error);
    expect(thrown.cause).toEqual({
      error: "mfa_required",
      error_description: "Multifactor authentication required",
    });
    expect(thrown.statusCode).toBe(403);
    return lastAnswer.mfa_token;
  }

  test("after e-mail alone goes on with the token of mfa_required, and ends with another factor", async () => {
    const { sdk, person } = await application("post", { policy: { require: "always" } });
    const token = person.mfaToken();
    const { oob_code } = await (await person.associateEmail({ token })).json();
    const binding_code = await stage.webhook.codeFor(person.email);
    const confirmed = await person.exchange("oob", { mfa_token: token, oob_code, binding_code });
    expect({ status: confirmed.status, ...(await confirmed.json()) }).toMatchObject({ status: 403, error: "mfa_required" });
    const mfaToken = person.mfaToken();
    const { oobCode } = await sdk.mfa.challengeAuthenticator({ mfaToken, challengeType: "oob" });
    const bindingCode = await stage.webhook.codeFor(person.email, { count: 2 });
    const chained = await demanded(sdk, { mfaToken, factorType: "oob", oobCode, bindingCode });
    const { secret } = await sdk.mfa.enrollAuthenticator({ mfaToken: chained, authenticatorTypes: ["otp"] });
    const otp = totp(secret, stage.world.now());
    const tokens = await sdk.mfa.verify({ mfaToken: chained, factorType: "otp", otp });
    expect(tokens.accessToken).toBeTruthy();
  });

  test("begins at token exchange, whose error the SDK itself reads, and ends with the factor", async () => {
    const { sdk, person } = await application("post");
    const { secret } = await person.enrollOtp();
    await stage.world.advance(STEP_SECONDS);
    const exchange = {
      subjectToken: subjectTokenOf(person, SUBJECT_AUDIENCE),
      subjectTokenType: `${TOKEN_TYPE}access_token`,
      audience: API,
      scope: "openid read:things",
    };
    const thrown = await sdk.exchangeToken(exchange).catch((error) => error);
    expect(isMfaRequiredError(thrown)).toBe(true);
    expect(thrown.cause.mfa_requirements.challenge).toContainEqual({ type: "otp" });
    const mfaToken = thrown.cause.mfa_token;
    expect(await sdk.mfa.challengeAuthenticator({ mfaToken, challengeType: "otp" })).toMatchObject({ challengeType: "otp" });
    const tokens = await sdk.mfa.verify({ mfaToken, factorType: "otp", otp: totp(secret, stage.world.now()) });
    expect(tokens.claims.amr).toContain("mfa");
  });

  test("after one factor of two goes on the same way", async () => {
    const { sdk, person } = await application("post", { policy: { factors: 2 } });
    const mfaToken = person.mfaToken({ scope: "openid" });
    const { secret } = await sdk.mfa.enrollAuthenticator({ mfaToken, authenticatorTypes: ["otp"] });
    const otp = totp(secret, stage.world.now());
    const chained = await demanded(sdk, { mfaToken, factorType: "otp", otp });
    const options = { authenticatorTypes: ["oob"], oobChannels: ["sms"], phoneNumber: person.number };
    const { oobCode } = await sdk.mfa.enrollAuthenticator({ mfaToken: chained, ...options });
    const bindingCode = await stage.webhook.codeFor(person.number);
    const tokens = await sdk.mfa.verify({ mfaToken: chained, factorType: "oob", oobCode, bindingCode });
    expect(tokens.claims.amr).toEqual(["pwd", "otp", "sms", "mfa"]);
  });
});

test("a recovery code lets one in and brings the next", async () => {
  const { sdk, person } = await application("post");
  const { recoveryCode } = await person.enrollOtp();
  const tokens = await sdk.mfa.verify({ mfaToken: person.mfaToken(), factorType: "recovery-code", recoveryCode });
  expect(tokens.recoveryCode).toMatch(/^[A-Z0-9]{24}$/);
  expect(tokens.recoveryCode).not.toBe(recoveryCode);
});

test("a public application enrolls by the SDK and exchanges by itself, as the SDK for browsers does", async () => {
  const { sdk, person } = await application("none");
  const mfaToken = person.mfaToken({ scope: "openid" });
  const { secret } = await sdk.mfa.enrollAuthenticator({ mfaToken, authenticatorTypes: ["otp"] });
  const otp = totp(secret, stage.world.now());
  expect(await accepted(await person.exchange("otp", { mfa_token: mfaToken, otp }))).toHaveProperty("id_token");
});

describe.each(["post", "basic", "none"])("an application registered for %s, of somebody enrolled", (authentication) => {
  test("lists what there is", async () => {
    const { sdk, person } = await application(authentication);
    const { id } = await person.enrollSms();
    const items = await sdk.mfa.listAuthenticators({ mfaToken: person.mfaToken() });
    const name = `XXXXXXXXX${person.number.slice(-4)}`;
    const phone = { authenticatorType: "oob", active: true, type: "phone", name };
    expect(items).toMatchObject([
      { id, ...phone },
      { id: id.replace("sms", "voice"), ...phone },
      { id: expect.stringMatching(/^recovery-code\|dev_/), authenticatorType: "recovery-code", active: true },
    ]);
  });

  test("has a code sent, unnamed and by name", async () => {
    const { sdk, person } = await application(authentication);
    const { id } = await person.enrollSms();
    for (const authenticatorId of [undefined, id, id.replace("sms", "voice")]) {
      const options = { mfaToken: person.mfaToken(), challengeType: "oob", authenticatorId };
      const challenged = await sdk.mfa.challengeAuthenticator(options);
      expect(challenged).toMatchObject({ challengeType: "oob", bindingMethod: "prompt", oobCode: expect.any(String) });
    }
    await stage.webhook.codeFor(person.number, { count: 4 });
    const channels = stage.webhook.messagesTo(person.number).map(({ channel }) => channel);
    expect(channels).toEqual(["sms", "sms", "sms", "voice"]);
  });

  test("is told otp for an app", async () => {
    const { sdk, person } = await application(authentication);
    await person.enrollOtp();
    const challenged = await sdk.mfa.challengeAuthenticator({ mfaToken: person.mfaToken(), challengeType: "otp" });
    expect(challenged).toMatchObject({ challengeType: "otp" });
    expect(challenged.oobCode).toBeUndefined();
  });

  test("removes one with a token that proves MFA", async () => {
    const { sdk, person } = await application(authentication);
    const { id } = await person.enrollSms();
    await stage.world.advance(2);
    const mfaToken = person.provenToken({ scope: "read:authenticators remove:authenticators" });
    await sdk.mfa.deleteAuthenticator({ authenticatorId: id, mfaToken });
    expect(await sdk.mfa.listAuthenticators({ mfaToken })).toEqual([]);
  });
});

test.each(["post", "basic"])(
  "an application registered for %s lists, has a code sent, verifies it and removes the phone by the tokens it got",
  async (authentication) => {
    const audiences = [{ audience: MFA_AUDIENCE, scopes: SCOPES }];
    const { sdk, person } = await application(authentication, { audiences });
    await person.enrollSms();
    const mfaToken = person.mfaToken({ audience: MFA_AUDIENCE, scope: `openid ${SCOPES.join(" ")}` });
    const [phone] = await sdk.mfa.listAuthenticators({ mfaToken });
    const { oobCode } = await sdk.mfa.challengeAuthenticator({
      mfaToken,
      challengeType: "oob",
      authenticatorId: phone.id,
    });
    const bindingCode = await stage.webhook.codeFor(person.number, { count: 2 });
    const tokens = await sdk.mfa.verify({ mfaToken, factorType: "oob", oobCode, bindingCode });
    expect(tokens.claims.amr).toEqual(["pwd", "sms", "mfa"]);
    await sdk.mfa.deleteAuthenticator({ authenticatorId: phone.id, mfaToken: tokens.accessToken });
    expect(await sdk.mfa.listAuthenticators({ mfaToken: tokens.accessToken })).toEqual([]);
  },
);

describe("what goes wrong is told in the words that applications compare", () => {
  test("a wrong code", async () => {
    const { sdk, person } = await application("post");
    const mfaToken = person.mfaToken();
    const { secret } = await sdk.mfa.enrollAuthenticator({ mfaToken, authenticatorTypes: ["otp"] });
    const failure = sdk.mfa.verify({ mfaToken, factorType: "otp", otp: wrongTotp(secret, stage.world.now()) });
    await expect(failure).rejects.toMatchObject({
      cause: { error: "invalid_grant", error_description: "Invalid otp_code." },
    });
  });

  test("somebody who is enrolled already", async () => {
    const { sdk, person } = await application("post");
    await person.enrollOtp();
    const failure = sdk.mfa.enrollAuthenticator({ mfaToken: person.mfaToken(), authenticatorTypes: ["otp"] });
    await expect(failure).rejects.toMatchObject({
      cause: { error: "access_denied", error_description: "User is already enrolled." },
    });
  });

  test("a wrong code of a challenge", async () => {
    const { sdk, person } = await application("post");
    await person.enrollSms();
    const mfaToken = person.mfaToken();
    const { oobCode } = await sdk.mfa.challengeAuthenticator({ mfaToken, challengeType: "oob" });
    const failure = sdk.mfa.verify({ mfaToken, factorType: "oob", oobCode, bindingCode: "abcdef" });
    await expect(failure).rejects.toMatchObject({
      cause: { error: "invalid_grant", error_description: "Invalid binding_code." },
    });
  });

  test("nobody to challenge, another type than there is, and an id that is unknown", async () => {
    const { sdk, person } = await application("post");
    const ask = (options) =>
      expect(sdk.mfa.challengeAuthenticator({ mfaToken: person.mfaToken(), challengeType: "oob", ...options }));
    await ask().rejects.toMatchObject({ cause: { error: "association_required" } });
    await person.enrollOtp();
    await ask().rejects.toMatchObject({ cause: { error: "unsupported_challenge_type" } });
    const authenticatorId = "sms|dev_0000000000000000";
    await ask({ authenticatorId }).rejects.toMatchObject({ cause: { error: "invalid_authenticator" } });
  });

  test("an access token where only an mfa_token will do, and the reverse", async () => {
    const { sdk, person } = await application("post");
    const { id } = await person.enrollOtp();
    const challenge = sdk.mfa.challengeAuthenticator({ mfaToken: person.accessToken(), challengeType: "otp" });
    await expect(challenge).rejects.toMatchObject({
      cause: { error: "invalid_grant", error_description: "Malformed mfa_token" },
    });
    const removal = sdk.mfa.deleteAuthenticator({ authenticatorId: id, mfaToken: person.mfaToken() });
    await expect(removal).rejects.toMatchObject({ cause: { error: "invalid_grant" } });
  });

  test("an authenticator to remove that is not there", async () => {
    const { sdk, person } = await application("post");
    const mfaToken = person.provenToken({ scope: "remove:authenticators" });
    const failure = sdk.mfa.deleteAuthenticator({ authenticatorId: "totp|dev_0000000000000000", mfaToken });
    await expect(failure).rejects.toMatchObject({ cause: { error: "not_found" } });
  });

  test("an mfa_token that is none", async () => {
    const { sdk } = await application("post");
    const failure = sdk.mfa.enrollAuthenticator({ mfaToken: "nonsense", authenticatorTypes: ["otp"] });
    await expect(failure).rejects.toMatchObject({ cause: { error: "invalid_grant" } });
  });
});
