/** Token exchange (RFC 8693): a trusted issuer's token for own ones, or the demand of a second factor. */
import { describe, expect, test } from "vitest";
import { accepted, refused } from "../support/answers.mjs";
import { API, API_SCOPES } from "../support/clients.mjs";
import { useStage } from "../support/stage.mjs";
import { SUBJECT_AUDIENCE, subjectTokenOf, TOKEN_TYPE, tokenExchange } from "../support/token-exchange.mjs";
import { totp } from "../support/totp.mjs";
import { MFA_AUDIENCE } from "../support/worker.mjs";

const stage = useStage({
  issuers: [{ may: ["exchange", "mfa_token", "access_token"], entry: { audiences: [SUBJECT_AUDIENCE] } }],
});

const STEP_SECONDS = 30;

const subjectToken = (person, claims) => subjectTokenOf(person, SUBJECT_AUDIENCE, claims);
const exchange = (person, parameters) =>
  tokenExchange(stage.world, person, { subject_token: subjectToken(person), ...parameters });

/** The demand, checked. */
async function demanded(response) {
  const body = await response.json();
  expect({ status: response.status, ...body }).toMatchObject({
    status: 403,
    error: "mfa_required",
    error_description: "Multifactor authentication required",
  });
  expect(body.mfa_token).toMatch(/^csmfa_/);
  expect(body.mfa_token.length).toBeLessThan(1024);
  return body;
}

describe("somebody without a second factor", () => {
  test("gets tokens that say so", async () => {
    const person = stage.person();
    const answer = await accepted(await exchange(person));
    expect(answer).toMatchObject({ token_type: "Bearer", issued_token_type: `${TOKEN_TYPE}access_token` });
    const [, claims] = answer.access_token.split(".");
    const { sub, amr } = JSON.parse(Buffer.from(claims, "base64url"));
    expect(sub).toBe(`${stage.issuer.name}|${person.sub}`);
    expect(amr).not.toContain("mfa");
  });

  test("is asked for one by acr_values, enrolls it with the mfa_token, and gets what was asked for", async () => {
    const person = stage.person();
    const acr_values = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";
    const { mfa_token, mfa_requirements } = await demanded(await exchange(person, { acr_values }));
    expect(mfa_requirements).toEqual({ enroll: [{ type: "otp" }, { type: "phone" }] });
    const { secret } = await accepted(await person.associateOtp({ token: mfa_token }));
    const answer = await accepted(await person.exchange("otp", { mfa_token, otp: totp(secret, stage.world.now()) }));
    const [, claims] = answer.access_token.split(".");
    expect(JSON.parse(Buffer.from(claims, "base64url")).amr).toContain("mfa");
  });
});

describe("somebody with a second factor", () => {
  test("is asked for it, and the mfa_token leads through challenge and verification", async () => {
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    const { mfa_token, mfa_requirements } = await demanded(await exchange(person));
    expect(mfa_requirements).toEqual({ challenge: [{ type: "otp" }, { type: "recovery-code" }] });
    await stage.world.advance(STEP_SECONDS);
    const verify = () => person.exchange("otp", { mfa_token, otp: totp(secret, stage.world.now()) });
    await accepted(await verify());
    await stage.world.advance(STEP_SECONDS);
    await refused(await verify(), 403, "invalid_grant", "mfa_token has already been used");
  });

  test("whose issuer says that one was used already gets tokens for an API, and no proof for the MFA API", async () => {
    const client = await stage.addClient({
      audiences: [
        { audience: API, scopes: API_SCOPES },
        { audience: MFA_AUDIENCE, scopes: ["enroll"] },
      ],
    });
    const person = stage.person({ client });
    await person.enrollOtp();
    const subject_token = subjectToken(person, { amr: ["pwd", "mfa"] });
    await accepted(await exchange(person, { subject_token }));
    const { mfa_requirements } = await demanded(await exchange(person, { subject_token, audience: MFA_AUDIENCE }));
    expect(mfa_requirements).toEqual({ challenge: [{ type: "otp" }, { type: "recovery-code" }] });
  });
});

describe("an exchange is refused", () => {
  test.each([
    [
      "without a subject token",
      { subject_token: undefined },
      400,
      "invalid_request",
      "Missing required parameter: subject_token",
    ],
    [
      "of an unknown type",
      { subject_token_type: `${TOKEN_TYPE}saml2` },
      400,
      "invalid_request",
      "This token type is not supported.",
    ],
    [
      "for a refresh token",
      { requested_token_type: `${TOKEN_TYPE}refresh_token` },
      400,
      "invalid_request",
      "This token type is not supported.",
    ],
    ["of garbage", { subject_token: "garbage" }, 400, "invalid_request", "The subject_token is invalid."],
    [
      "with an actor",
      { actor_token: "a", actor_token_type: `${TOKEN_TYPE}jwt` },
      400,
      "invalid_request",
      "MFA is not supported using actor_token with the requested token exchange profile.",
    ],
    ["for an audience that is not registered", { audience: "https://other.example.com" }, 400, "invalid_target", undefined],
  ])("%s", async (_, parameters, status, error, description) => {
    await refused(await exchange(stage.person(), parameters), status, error, description);
  });

  test.each([
    ["an mfa_token", (person) => person.mfaToken()],
    ["a token for the MFA API", (person) => person.accessToken()],
    ["a token for somebody else", (person) => subjectToken(person, { aud: "https://other.example.com" })],
    ["an own token", async (person) => (await person.enrollOtp()).tokens.access_token],
  ])("of %s", async (_, token) => {
    const person = stage.person();
    const subject_token = await token(person);
    await refused(await exchange(person, { subject_token }), 400, "invalid_request", "The subject_token is invalid.");
  });
});

test("e-mail confirmed first never completes the login of who has a real factor", async () => {
  const person = stage.person();
  const mail = await person.enrollOob("email");
  await person.enrollOtp();
  const code = await person.receiveCode({ authenticator_id: mail.id, to: person.email });
  const demand = await demanded(await person.exchange("oob", code));
  expect(demand.mfa_requirements.challenge).toContainEqual({ type: "otp" });
});
