/** People with more than one factor: what a further one needs, replaces and leaves alone. */
import { describe, expect, test } from "vitest";
import { accepted, refused } from "../support/answers.mjs";
import { freshNumber } from "../support/person.mjs";
import { useStage } from "../support/stage.mjs";
import { STEP_SECONDS, totp, wrongTotp } from "../support/totp.mjs";

const stage = useStage({ isolates: 2 });

const authenticators = (person) =>
  stage.world.rows("SELECT id, kind FROM authenticators WHERE user_id = ? ORDER BY id", `idp|${person.sub}`);
const kinds = async (person) => (await authenticators(person)).map(({ kind }) => kind).sort();

/** Somebody with an active app, a moment later, so that a proof of MFA issued now is newer than the app. */
async function enrolled() {
  const person = stage.person();
  const app = await person.enrollOtp();
  await stage.world.advance(2);
  return { person, app };
}

/** Enrolls a phone by `channel` and confirms it, with proof. */
async function addPhone(person, channel) {
  const token = person.provenToken();
  const before = stage.webhook.messagesTo(person.number).length;
  const body = { authenticator_types: ["oob"], oob_channels: [channel], phone_number: person.number };
  const { oob_code } = await accepted(await person.associate(body, { token }));
  const binding_code = await stage.webhook.codeFor(person.number, { count: before + 1 });
  await accepted(await person.exchange("oob", { mfa_token: token, oob_code, binding_code }));
}

describe("a further factor, begun with proof", () => {
  test("may be confirmed by whoever may verify: an mfa_token is enough then", async () => {
    const { person } = await enrolled();
    const { secret } = await accepted(await person.associateOtp({ token: person.provenToken() }));
    const otp = totp(secret, stage.world.now());
    await accepted(await person.exchange("otp", { mfa_token: person.mfaToken(), otp }));
    expect(await kinds(person)).toEqual(["totp", "totp"]);
  });

  test("survives that another one is confirmed first", async () => {
    const { person } = await enrolled();
    const token = person.provenToken();
    const one = await accepted(await person.associateOtp({ token }));
    const two = await accepted(await person.associateOtp({ token }));
    const confirm = ({ secret }) => person.exchange("otp", { mfa_token: token, otp: totp(secret, stage.world.now()) });
    await accepted(await confirm(two));
    await accepted(await confirm(one));
    expect(await authenticators(person)).toHaveLength(3);
  });

  test("brings no recovery code and leaves the one there is", async () => {
    const { person, app } = await enrolled();
    await addPhone(person, "sms");
    const parameters = { mfa_token: person.mfaToken(), recovery_code: app.recoveryCode };
    await accepted(await person.exchange("recovery", parameters));
  });

  test("of the same number replaces the one there was, by whichever channel", async () => {
    const { person } = await enrolled();
    await addPhone(person, "sms");
    expect(await kinds(person)).toEqual(["sms", "totp"]);
    await addPhone(person, "voice");
    expect(await kinds(person)).toEqual(["totp", "voice"]);
    person.number = freshNumber();
    await addPhone(person, "voice");
    expect(await kinds(person)).toEqual(["totp", "voice", "voice"]);
  });

  test("replaces nobody else's", async () => {
    const [{ person: one }, { person: two }] = [await enrolled(), await enrolled()];
    two.number = one.number;
    await addPhone(one, "sms");
    await addPhone(two, "sms");
    for (const person of [one, two]) expect(await kinds(person)).toEqual(["sms", "totp"]);
  });

  test("never makes more than twenty, however many are confirmed at once, and says why", async () => {
    const { person } = await enrolled();
    for (let count = 1; count < 18; count += 1) await person.enrollOtp({ token: person.provenToken() });
    const token = person.provenToken();
    const begun = [];
    for (let count = 0; count < 5; count += 1) begun.push(await accepted(await person.associateOtp({ token })));
    const now = stage.world.now();
    const confirm =
      ({ secret }, index) =>
      () =>
        person.exchange("otp", { mfa_token: token, otp: totp(secret, now) }, { isolate: index % 2 });
    const responses = await stage.world.race("INSERT INTO redemptions", begun.map(confirm));
    expect(responses.filter(({ status }) => status === 200)).toHaveLength(2);
    for (const response of responses.filter(({ status }) => status !== 200)) {
      await refused(response, 400, "invalid_request", "The user has 20 authenticators. Remove one first.");
    }
    expect(await authenticators(person)).toHaveLength(20);
  });
});

describe("e-mail", () => {
  async function confirmEmail(person) {
    const token = person.mfaToken();
    const enrollment = await accepted(await person.associateEmail({ token }));
    const binding_code = await stage.webhook.codeFor(person.email);
    await accepted(await person.exchange("oob", { mfa_token: token, oob_code: enrollment.oob_code, binding_code }));
    return enrollment;
  }

  test("confirmed first leaves what else was begun alive, with its recovery code", async () => {
    const person = stage.person();
    const token = person.mfaToken();
    const { secret, recovery_codes } = await accepted(await person.associateOtp({ token }));
    await confirmEmail(person);
    await accepted(await person.exchange("otp", { mfa_token: token, otp: totp(secret, stage.world.now()) }));
    expect(await kinds(person)).toEqual(["email", "totp"]);
    const parameters = { mfa_token: person.mfaToken(), recovery_code: recovery_codes[0] };
    await accepted(await person.exchange("recovery", parameters));
  });

  test("is no proof: the app that follows is the first factor and needs none", async () => {
    const person = stage.person();
    await confirmEmail(person);
    await person.enrollOtp();
    await refused(await person.associateOtp(), 403, "access_denied", "User is already enrolled.");
  });

  test("of a thief, confirmed or not, gives no way around the owner's first factor", async () => {
    const owner = stage.person();
    const thief = stage.person({ sub: owner.sub });
    const { recovery_codes } = await confirmEmail(thief);
    const parked = thief.mfaToken();
    const { secret } = await accepted(await thief.associateOtp({ token: parked }));
    await owner.enrollOtp();
    const late = { mfa_token: thief.mfaToken(), otp: totp(secret, stage.world.now()) };
    await refused(await thief.exchange("otp", late), 403, "invalid_grant", "Invalid otp_code.");
    const recovery = { mfa_token: thief.mfaToken(), recovery_code: recovery_codes[0] };
    await refused(await thief.exchange("recovery", recovery), 403, "invalid_grant", "MFA Authorization rejected.");
  });
});

describe("an app whose codes were wrong a hundred times in a row", () => {
  test("is disabled, and nothing else: recovery works, and so does a good guess before the hundredth", async () => {
    const { world } = stage;
    const [locked, lucky] = [await enrolled(), await enrolled()];
    const wrong = async ({ person, app }) => {
      const otp = wrongTotp(app.secret, world.now());
      await refused(
        await person.exchange("otp", { mfa_token: person.mfaToken(), otp }),
        403,
        "invalid_grant",
        "Invalid otp_code.",
      );
    };
    const right = ({ person, app }) =>
      person.exchange("otp", { mfa_token: person.mfaToken(), otp: totp(app.secret, world.now()) });
    for (let guess = 0; guess < 99; guess += 1) {
      await world.advance(400);
      await wrong(locked);
      await wrong(lucky);
    }
    await world.advance(400);
    await accepted(await right(lucky));
    await wrong(locked);
    await world.advance(400);
    await refused(await right(locked), 403, "invalid_grant", "Invalid otp_code.");
    const { person, app } = locked;
    await accepted(await person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code: app.recoveryCode }));
    // A success sets the count back.
    await world.advance(STEP_SECONDS + 400);
    await wrong(lucky);
    await world.advance(400);
    await accepted(await right(lucky));
  });
});
