/** What the conformance tests share: a stage whose issuer may do everything, and the shapes that several of them expect. */
import { expect } from "vitest";
import { accepted } from "../support/answers.mjs";
import { useStage } from "../support/stage.mjs";
import { SUBJECT_AUDIENCE, subjectTokenOf, tokenExchange } from "../support/token-exchange.mjs";
import { totp } from "../support/totp.mjs";
import { MFA_AUDIENCE } from "../support/worker.mjs";

export const MULTI_FACTOR = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";
export const MFA_SCOPES = ["enroll", "read:authenticators", "remove:authenticators"];

export const SIX_DIGITS = /^[0-9]{6}$/;
export const RECOVERY_CODE = /^[A-Z0-9]{24}$/;

export function useConformanceStage(options) {
  const may = ["exchange", "mfa_token", "access_token"];
  return useStage({ issuers: [{ may, entry: { audiences: [SUBJECT_AUDIENCE] } }], ...options });
}

/** The order of members does not matter, what members there are does. */
export const members = (body) => Object.keys(body).sort();

/** Token exchange by the person's client: `subject` are claims of the subject token. */
export function signIn(stage, person, parameters = {}, { subject = {}, ...options } = {}) {
  const subject_token = subjectTokenOf(person, SUBJECT_AUDIENCE, subject);
  return tokenExchange(stage.world, person, { subject_token, ...parameters }, options);
}

/** Expects the demand of a second factor and returns it. */
export async function demanded(response) {
  const body = await response.json();
  expect({ status: response.status, error: body.error, description: body.error_description }).toEqual({
    status: 403,
    error: "mfa_required",
    description: "Multifactor authentication required",
  });
  return body;
}

/** Somebody with an app that waits for its first code, and what the exchange needs for it. */
export async function beginApp(stage, person = stage.person(), claims = {}) {
  const mfa_token = person.mfaToken(claims);
  const enrollment = await accepted(await person.associateOtp({ token: mfa_token }));
  return { person, enrollment, parameters: { mfa_token, otp: totp(enrollment.secret, stage.world.now()) } };
}

/** Somebody with a number or address that waits for its code, and what the exchange needs for it. */
export async function beginMessage(stage, channel = "sms", person = stage.person(), claims = {}) {
  const mfa_token = person.mfaToken(claims);
  const to = channel === "email" ? person.email : person.number;
  const body = { authenticator_types: ["oob"], oob_channels: [channel], [addressOf(channel)]: to };
  const enrollment = await accepted(await person.associate(body, { token: mfa_token }));
  const binding_code = await stage.webhook.codeFor(to);
  return { person, enrollment, parameters: { mfa_token, oob_code: enrollment.oob_code, binding_code } };
}

export const addressOf = (channel) => (channel === "email" ? "email" : "phone_number");

/** Another code of six digits. */
export const another = (code) => String((Number(code) + 1) % 1_000_000).padStart(6, "0");

/** Somebody new whose client may ask for the MFA audience. */
export async function personOfMfaAudience(stage, options) {
  const client = await stage.addClient({ audiences: [{ audience: MFA_AUDIENCE, scopes: MFA_SCOPES }] });
  return stage.person({ client, ...options });
}
