/** A policy that wants two different factors: the login goes on until it has them. */
import { describe, expect, test } from "vitest";
import { accepted, refused } from "../support/answers.mjs";
import { useStage } from "../support/stage.mjs";
import { decode } from "../support/jwt.mjs";
import { SUBJECT_AUDIENCE, subjectTokenOf, tokenExchange } from "../support/token-exchange.mjs";
import { STEP_SECONDS, totp } from "../support/totp.mjs";

const stage = useStage({
  issuers: [{ may: ["exchange", "mfa_token", "access_token"], entry: { audiences: [SUBJECT_AUDIENCE] } }],
  vars: { POLICY: '{"factors":2}' },
});

const exchange = (person, parameters) =>
  tokenExchange(stage.world, person, { subject_token: subjectTokenOf(person, SUBJECT_AUDIENCE), ...parameters });
const types = (list) => list.map(({ type }) => type);

/** The demand of another factor, checked. */
async function demanded(response) {
  const body = await response.json();
  expect({ status: response.status, ...body }).toMatchObject({ status: 403, error: "mfa_required" });
  return body;
}

/** Somebody whose phone was enrolled while one factor was enough, and who has an app besides. */
async function withAppAndPhone() {
  const person = stage.person();
  const app = await enrollApp(person);
  const body = { authenticator_types: ["oob"], oob_channels: ["sms"], phone_number: person.number };
  const enrollment = await accepted(await person.associate(body, { token: app.chained.mfa_token }));
  const binding_code = await stage.webhook.codeFor(person.number);
  const parameters = { mfa_token: app.chained.mfa_token, oob_code: enrollment.oob_code, binding_code };
  const tokens = await accepted(await person.exchange("oob", parameters));
  await stage.world.advance(STEP_SECONDS);
  return { person, app, phone: enrollment, tokens };
}

/** Enrolls an app; the answer to its confirmation is the demand of another factor. */
async function enrollApp(person) {
  const mfa_token = person.mfaToken();
  const enrolled = await accepted(await person.associateOtp({ token: mfa_token }));
  const otp = totp(enrolled.secret, stage.world.now());
  const chained = await demanded(await person.exchange("otp", { mfa_token, otp }));
  return { ...enrolled, recoveryCode: enrolled.recovery_codes[0], chained };
}

const code = ({ secret }) => totp(secret, stage.world.now());

describe("who enrolls the first factor", () => {
  test("is asked to enroll another, which the token of the demand allows, and gets tokens with both", async () => {
    const person = stage.person();
    const { chained } = await enrollApp(person);
    expect(types(chained.mfa_requirements.enroll)).toEqual(["phone"]);
    const { tokens } = await withAppAndPhone();
    const { claims } = decode(tokens.access_token);
    expect(claims.amr).toEqual(["pwd", "otp", "sms", "mfa"]);
  });

  test("has it active, whatever becomes of the other", async () => {
    const person = stage.person();
    await enrollApp(person);
    const list = await accepted(await person.list());
    expect(list.find(({ type }) => type === "otp").active).toBe(true);
  });
});

describe("who has two", () => {
  test("is asked for the other after either, and for nothing else", async () => {
    const { person, app, phone } = await withAppAndPhone();
    const first = await demanded(await exchange(person));
    expect(types(first.mfa_requirements.challenge)).toEqual(["otp", "phone", "oob", "recovery-code"]);
    const second = await demanded(await person.exchange("otp", { mfa_token: first.mfa_token, otp: code(app) }));
    expect(types(second.mfa_requirements.challenge)).toEqual(["phone", "oob", "recovery-code"]);
    const parameters = await person.receiveCode({ mfa_token: second.mfa_token });
    const tokens = await accepted(await person.exchange("oob", parameters));
    expect(decode(tokens.access_token).claims.amr).toEqual(["otp", "sms", "mfa"]);
    expect(phone.oob_channel).toBe("sms");
  });

  test("is not let in by the same factor twice", async () => {
    const { person, app } = await withAppAndPhone();
    const first = await demanded(await person.exchange("otp", { mfa_token: person.mfaToken(), otp: code(app) }));
    await stage.world.advance(STEP_SECONDS);
    const second = await demanded(await person.exchange("otp", { mfa_token: first.mfa_token, otp: code(app) }));
    expect(types(second.mfa_requirements.challenge)).toEqual(["phone", "oob", "recovery-code"]);
  });

  test("is challenged by the one that is left, also where none is named", async () => {
    const { person, app } = await withAppAndPhone();
    const { mfa_token } = await demanded(await person.exchange("otp", { mfa_token: person.mfaToken(), otp: code(app) }));
    const challenge = await accepted(await person.challenge({ mfa_token }));
    expect(challenge.challenge_type).toBe("oob");
    await refused(await person.challenge({ mfa_token, challenge_type: "otp" }), 401, "unsupported_challenge_type");
  });

  test("spends the login's token at each step", async () => {
    const { person, app } = await withAppAndPhone();
    const mfa_token = person.mfaToken();
    await demanded(await person.exchange("otp", { mfa_token, otp: code(app) }));
    await stage.world.advance(STEP_SECONDS);
    const again = await person.exchange("otp", { mfa_token, otp: code(app) });
    await refused(again, 403, "invalid_grant", "mfa_token has already been used");
  });
});

describe("a recovery code", () => {
  test("stands for one of the two, is used up by it, and the next one comes with the demand", async () => {
    const { person, app } = await withAppAndPhone();
    const mfa_token = person.mfaToken();
    const demand = await demanded(await person.exchange("recovery", { mfa_token, recovery_code: app.recoveryCode }));
    expect(demand.recovery_code).toMatch(/^[A-Z0-9]{24}$/);
    expect(types(demand.mfa_requirements.challenge)).toEqual(["otp", "phone", "oob"]);
    const again = { mfa_token: person.mfaToken(), recovery_code: app.recoveryCode };
    await refused(await person.exchange("recovery", again), 403, "invalid_grant", "MFA Authorization rejected.");
    const tokens = await accepted(await person.exchange("otp", { mfa_token: demand.mfa_token, otp: code(app) }));
    expect(decode(tokens.access_token).claims.amr).toEqual(["pwd", "recovery", "otp", "mfa"]);
    const next = { mfa_token: person.mfaToken(), recovery_code: demand.recovery_code };
    await demanded(await person.exchange("recovery", next));
  });

  test("does not make two of one factor, and is not used up by trying", async () => {
    const person = stage.person();
    const { chained, recoveryCode } = await enrollApp(person);
    const parameters = { mfa_token: chained.mfa_token, recovery_code: recoveryCode };
    const demand = await demanded(await person.exchange("recovery", parameters));
    expect(demand).not.toHaveProperty("recovery_code");
    expect(types(demand.mfa_requirements.enroll)).toEqual(["phone"]);
    await stage.world.advance(STEP_SECONDS);
    const fresh = { mfa_token: person.mfaToken(), recovery_code: recoveryCode };
    expect(await demanded(await person.exchange("recovery", fresh))).toHaveProperty("recovery_code");
  });

  test("nor does it where it is used before that factor", async () => {
    const person = stage.person();
    const app = await enrollApp(person);
    const parameters = { mfa_token: person.mfaToken(), recovery_code: app.recoveryCode };
    const { mfa_token } = await demanded(await person.exchange("recovery", parameters));
    await stage.world.advance(STEP_SECONDS);
    const demand = await demanded(await person.exchange("otp", { mfa_token, otp: code(app) }));
    expect(types(demand.mfa_requirements.enroll)).toEqual(["phone"]);
  });
});

describe("who has proved one of two", () => {
  test("may add no third in place of the other: that would make two out of one", async () => {
    const { person, app } = await withAppAndPhone();
    const { mfa_token } = await demanded(await person.exchange("otp", { mfa_token: person.mfaToken(), otp: code(app) }));
    const own = { authenticator_types: ["oob"], oob_channels: ["sms"], phone_number: stage.person().number };
    for (const body of [own, { ...own, oob_channels: ["voice"] }, { authenticator_types: ["otp"] }])
      await refused(await person.associate(body, { token: mfa_token }), 403, "access_denied", "User is already enrolled.");
    const parameters = await person.receiveCode({ mfa_token });
    await accepted(await person.exchange("oob", parameters));
  });

  test("nor may who has used the recovery code, which stands for a factor and names none", async () => {
    const { person, app } = await withAppAndPhone();
    const parameters = { mfa_token: person.mfaToken(), recovery_code: app.recoveryCode };
    const { mfa_token } = await demanded(await person.exchange("recovery", parameters));
    await refused(await person.associateOtp({ token: mfa_token }), 403, "access_denied", "User is already enrolled.");
  });

  test("adds one with a token behind which both stand", async () => {
    const { person } = await withAppAndPhone();
    await accepted(await person.associateOtp({ token: person.provenToken() }));
  });
});

test("the token of the demand proves a factor where one is to be added, a login's own does not", async () => {
  const person = stage.person();
  const { chained } = await enrollApp(person);
  await refused(await person.associateOtp(), 403, "access_denied", "User is already enrolled.");
  await accepted(await person.associateOtp({ token: chained.mfa_token }));
});
