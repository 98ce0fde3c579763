/** What is used up: guesses, tries, messages. */
import { expect, test } from "vitest";
import { accepted, refused, refusedFor429 } from "../support/answers.mjs";
import { wrongTotp } from "../support/totp.mjs";
import { another, beginApp, beginMessage, useConformanceStage } from "./cast.mjs";

const FACTORS = { otp: {}, sms: { burst: 3, per_hour: 1 }, email: { burst: 2, per_hour: 60 }, "recovery-code": {} };
const stage = useConformanceStage({ vars: { FACTORS: JSON.stringify(FACTORS) } });

const TOO_MANY_CODES = "Too many failed codes. Wait for some minutes before retrying.";

/** Fails `times` times in the expected way, and returns what comes next. */
async function afterFailures(times, ask, text) {
  for (let count = 0; count < times; count += 1) await refused(await ask(), 403, "invalid_grant", text);
  return ask();
}

test("the eleventh wrong one-time password is 429 Too many failed codes.", async () => {
  const { world } = stage;
  await world.freeze();
  const { person, enrollment, parameters } = await beginApp(stage);
  const wrong = { ...parameters, otp: wrongTotp(enrollment.secret, world.now()) };
  const response = await afterFailures(10, () => person.exchange("otp", wrong), "Invalid otp_code.");
  const { limit, retryAfter } = await refusedFor429(response, TOO_MANY_CODES, { now: world.now() });
  expect({ limit, retryAfter }).toEqual({ limit: 10, retryAfter: 360 });
  await world.thaw();
});

test("with guesses used up a right code is refused too, and a recovery code is not", async () => {
  const { person, enrollment, parameters } = await beginApp(stage);
  await accepted(await person.exchange("otp", parameters));
  const wrong = () => ({ mfa_token: person.mfaToken(), otp: wrongTotp(enrollment.secret, stage.world.now()) });
  const response = await afterFailures(10, () => person.exchange("otp", wrong()), "Invalid otp_code.");
  await refusedFor429(response, TOO_MANY_CODES, { now: stage.world.now() });
  const recovery = { mfa_token: person.mfaToken(), recovery_code: enrollment.recovery_codes[0] };
  await accepted(await person.exchange("recovery", recovery));
});

test("the eleventh wrong recovery code is 429 Too many failed codes.", async () => {
  const person = stage.person();
  await person.enrollOtp();
  const wrong = () => person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code: "A".repeat(24) });
  const response = await afterFailures(10, wrong, "MFA Authorization rejected.");
  await refusedFor429(response, TOO_MANY_CODES, { now: stage.world.now() });
});

test("one code that was sent may be tried five times", async () => {
  const { person, parameters } = await beginMessage(stage);
  const wrong = { ...parameters, binding_code: another(parameters.binding_code) };
  const response = await afterFailures(5, () => person.exchange("oob", wrong), "Invalid binding_code.");
  await refused(response, 429, "too_many_requests", TOO_MANY_CODES);
  expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
});

test("messages used up are 429 Too many SMS sent by the user., at associate and at challenge", async () => {
  const person = stage.person();
  await person.enrollSms();
  await person.receiveCode();
  await person.receiveCode();
  const text = "Too many SMS sent by the user. Wait for some minutes before retrying.";
  const { limit } = await refusedFor429(await person.challenge(), text, { now: stage.world.now() });
  expect(limit).toBe(3);
  await stage.world.advance(2);
  await refusedFor429(await person.associateSms({ token: person.provenToken() }), text, { now: stage.world.now() });
});

test("e-mails used up are 429 Too many emails sent by the user.", async () => {
  const person = stage.person();
  for (let count = 0; count < 2; count += 1) await accepted(await person.associateEmail());
  const text = "Too many emails sent by the user. Wait for some minutes before retrying.";
  await refusedFor429(await person.associateEmail(), text, { now: stage.world.now() });
});

test("a channel that is switched off is 400 The voice factor is not enabled.", async () => {
  const person = stage.person();
  const body = { authenticator_types: ["oob"], oob_channels: ["voice"], phone_number: person.number };
  await refused(await person.associate(body), 400, "invalid_request", "The voice factor is not enabled.");
});
