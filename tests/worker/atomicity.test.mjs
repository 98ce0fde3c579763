/** What must hold when requests come at once: each code, each token and each "first" has one winner. */
import { describe, expect, test } from "vitest";
import { accepted, refused } from "../support/answers.mjs";
import { CHARGE, ENROLLMENT, REDEMPTION, atOnce } from "../support/race.mjs";
import { useStage } from "../support/stage.mjs";
import { STEP_SECONDS, totp } from "../support/totp.mjs";

const SECONDS_A_GUESS = 360;

const stage = useStage({ isolates: 2 });
const db = (sql, ...values) => stage.world.rows(sql, ...values);
const userId = (person) => `idp|${person.sub}`;
const authenticators = (person) => db("SELECT id FROM authenticators WHERE user_id = ? ORDER BY id", userId(person));

describe.each([
  [2, "their guesses are charged", CHARGE],
  [2, "they consume", REDEMPTION],
  [20, "their guesses are charged", CHARGE],
  [20, "they consume", REDEMPTION],
])("%i redemptions that meet where %s", (count, _, at) => {
  test("of one confirming code succeed once", async () => {
    const person = stage.person();
    const mfa_token = person.mfaToken();
    const { secret } = await accepted(await person.associateOtp({ token: mfa_token }));
    const otp = totp(secret, stage.world.now());
    const outcome = await atOnce(stage.world, count, at, (isolate) => person.exchange("otp", { mfa_token, otp }, { isolate }));
    expect(outcome.tally).toEqual({ winners: 1, crashes: 0 });
    expect(await authenticators(person)).toHaveLength(1);
  });

  test("of one verifying code, each with an mfa_token of its own, succeed once", async () => {
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    await stage.world.advance(2 * STEP_SECONDS);
    const otp = totp(secret, stage.world.now());
    const outcome = await atOnce(stage.world, count, at, (isolate) =>
      person.exchange("otp", { mfa_token: person.mfaToken(), otp }, { isolate }),
    );
    expect(outcome.tally).toEqual({ winners: 1, crashes: 0 });
  });

  test("of one mfa_token with two good codes succeed once", async () => {
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    await stage.world.advance(5 * STEP_SECONDS);
    const now = stage.world.now();
    const mfa_token = person.mfaToken();
    const outcome = await atOnce(stage.world, count, at, (isolate, index) =>
      person.exchange("otp", { mfa_token, otp: totp(secret, now, -(index % 2)) }, { isolate }),
    );
    expect(outcome.tally).toEqual({ winners: 1, crashes: 0 });
  });

  test("of one out-of-band code succeed once", async () => {
    const person = stage.person();
    const { oob_code } = await accepted(await person.associateSms());
    const binding_code = await stage.webhook.codeFor(person.number);
    const ask = (isolate) => person.exchange("oob", { mfa_token: person.mfaToken(), oob_code, binding_code }, { isolate });
    const outcome = await atOnce(stage.world, count, at, ask);
    expect(outcome.tally).toEqual({ winners: 1, crashes: 0 });
    expect(await authenticators(person)).toHaveLength(1);
  });

  test("of one recovery code succeed once, and the code it brings works", async () => {
    const person = stage.person();
    const { recoveryCode } = await person.enrollOtp();
    const ask = (isolate) =>
      person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code: recoveryCode }, { isolate });
    const outcome = await atOnce(stage.world, count, at, ask);
    expect(outcome.tally).toEqual({ winners: 1, crashes: 0 });
    const { recovery_code } = await accepted(outcome.responses.find(({ status }) => status === 200));
    await stage.world.advance(2 * SECONDS_A_GUESS * count);
    await accepted(await person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code }));
  });
});

describe("the first factor", () => {
  test("two first enrollments at once may both be begun; confirmed at once, one wins and the other is dead", async () => {
    const person = stage.person();
    const tokens = [person.mfaToken(), person.mfaToken()];
    const { responses } = await atOnce(stage.world, 2, ENROLLMENT, (isolate) =>
      person.associateOtp({ token: tokens[isolate], isolate }),
    );
    const enrollments = [];
    for (const response of responses) enrollments.push(await accepted(response));
    const now = stage.world.now();
    const confirm = (index) =>
      person.exchange("otp", { mfa_token: tokens[index], otp: totp(enrollments[index].secret, now) }, { isolate: index });
    const outcome = await atOnce(stage.world, 2, REDEMPTION, confirm);
    expect(outcome.tally).toEqual({ winners: 1, crashes: 0 });
    expect(await authenticators(person)).toHaveLength(1);

    const lost = outcome.responses[0].status === 200 ? 1 : 0;
    const [{ id }] = await authenticators(person);
    expect(id).toBe(enrollments[1 - lost].id);
    await stage.world.advance(STEP_SECONDS);
    const late = { mfa_token: person.mfaToken(), otp: totp(enrollments[lost].secret, stage.world.now()) };
    await refused(await person.exchange("otp", late), 403, "invalid_grant", "Invalid otp_code.");
    const recovery = (index) => ({ mfa_token: person.mfaToken(), recovery_code: enrollments[index].recovery_codes[0] });
    await refused(await person.exchange("recovery", recovery(lost)), 403, "invalid_grant", "MFA Authorization rejected.");
    await accepted(await person.exchange("recovery", recovery(1 - lost)));
  });

  test("two further factors confirmed at once by one mfa_token: one wins, and the other goes on pending", async () => {
    const person = stage.person();
    await person.enrollOtp();
    await stage.world.advance(2);
    const proof = person.provenToken();
    const begun = [];
    for (let count = 0; count < 2; count += 1) begun.push(await accepted(await person.associateOtp({ token: proof })));
    const mfa_token = person.mfaToken();
    const confirm = (token, { secret }, isolate) =>
      person.exchange("otp", { mfa_token: token, otp: totp(secret, stage.world.now()) }, { isolate });
    const outcome = await atOnce(stage.world, 2, REDEMPTION, (isolate) => confirm(mfa_token, begun[isolate], isolate));
    expect(outcome.tally).toEqual({ winners: 1, crashes: 0 });
    expect(await authenticators(person)).toHaveLength(2);
    const lost = outcome.responses[0].status === 200 ? 1 : 0;
    await accepted(await confirm(person.mfaToken(), begun[lost]));
    expect(await authenticators(person)).toHaveLength(3);
  });

  test("an app and a phone confirmed at once: one wins", async () => {
    const person = stage.person();
    const [app, phone] = [person.mfaToken(), person.mfaToken()];
    const { secret } = await accepted(await person.associateOtp({ token: app }));
    const { oob_code } = await accepted(await person.associateSms({ token: phone }));
    const binding_code = await stage.webhook.codeFor(person.number);
    const otp = totp(secret, stage.world.now());
    const outcome = await atOnce(stage.world, 2, REDEMPTION, (isolate) =>
      isolate === 0
        ? person.exchange("otp", { mfa_token: app, otp }, { isolate })
        : person.exchange("oob", { mfa_token: phone, oob_code, binding_code }, { isolate }),
    );
    expect(outcome.tally).toEqual({ winners: 1, crashes: 0 });
    expect(await authenticators(person)).toHaveLength(1);
  });

  test.each(["otp", "sms"])(
    "what a thief of the password parked (%s) is dead once the owner has confirmed another",
    async (kind) => {
      const owner = stage.person();
      const thief = stage.person({ sub: owner.sub });
      const thiefToken = thief.mfaToken();
      const parked = await accepted(
        await (kind === "otp" ? thief.associateOtp({ token: thiefToken }) : thief.associateSms({ token: thiefToken })),
      );
      const { secret } = await owner.enrollOtp();
      expect(await db("SELECT id FROM enrollments WHERE user_id = ?", userId(owner))).toEqual([]);

      const confirm = async (mfa_token) =>
        kind === "otp"
          ? thief.exchange("otp", { mfa_token, otp: totp(parked.secret, stage.world.now()) })
          : thief.exchange("oob", {
              mfa_token,
              oob_code: parked.oob_code,
              binding_code: await stage.webhook.codeFor(thief.number),
            });
      for (const token of [thiefToken, thief.mfaToken(), thief.accessToken()]) {
        expect((await confirm(token)).status).toBeGreaterThanOrEqual(400);
      }
      const recovery = { mfa_token: thief.mfaToken(), recovery_code: parked.recovery_codes[0] };
      await refused(await thief.exchange("recovery", recovery), 403, "invalid_grant", "MFA Authorization rejected.");
      await stage.world.advance(STEP_SECONDS);
      await accepted(await owner.exchange("otp", { mfa_token: owner.mfaToken(), otp: totp(secret, stage.world.now()) }));
      // Even an owner who later proves MFA does not bring the parked one back to life.
      await stage.world.advance(STEP_SECONDS);
      expect((await confirm(owner.provenToken())).status).toBeGreaterThanOrEqual(400);
      expect(await authenticators(owner)).toHaveLength(1);
    },
  );

  test("an unproven enrollment that is there all the same, beside an active factor, is not confirmed", async () => {
    const { world } = stage;
    const person = stage.person();
    const token = person.mfaToken();
    const parked = await accepted(await person.associateOtp({ token }));
    const phone = await accepted(await person.associateSms({ token }));
    const binding_code = await stage.webhook.codeFor(person.number);
    const rows = await db("SELECT * FROM enrollments WHERE user_id = ?", userId(person));
    await person.enrollOtp();
    for (const row of rows) {
      const columns = Object.keys(row);
      const sql = `INSERT OR REPLACE INTO enrollments (${columns}) VALUES (${columns.map(() => "?")})`;
      await db(sql, ...Object.values(row));
    }
    for (const mfa_token of [token, person.mfaToken()]) {
      const app = { mfa_token, otp: totp(parked.secret, world.now()) };
      await refused(await person.exchange("otp", app), 403, "invalid_grant", "Invalid otp_code.");
      expect((await person.exchange("oob", { mfa_token, oob_code: phone.oob_code, binding_code })).status).toBeGreaterThanOrEqual(
        400,
      );
    }
    expect(await authenticators(person)).toHaveLength(1);
  });

  test("an enrollment begun while a confirmation is under way does not survive it", async () => {
    const person = stage.person();
    const mfa_token = person.mfaToken();
    const { secret } = await accepted(await person.associateOtp({ token: mfa_token }));
    const otp = totp(secret, stage.world.now());
    const begin = [person.mfaToken(), person.mfaToken()];
    const [confirmed, ...begun] = await stage.world.race(`${REDEMPTION}|${ENROLLMENT}`, [
      () => person.exchange("otp", { mfa_token, otp }),
      () => person.associateOtp({ token: begin[0], isolate: 1 }),
      () => person.associateOtp({ token: begin[1], isolate: 1 }),
    ]);
    await accepted(confirmed);
    for (const [index, response] of begun.entries()) {
      if (response.status === 403) continue;
      const late = await accepted(response);
      const parameters = { mfa_token: begin[index], otp: totp(late.secret, stage.world.now()) };
      expect((await person.exchange("otp", parameters)).status).toBe(403);
    }
    expect(await authenticators(person)).toHaveLength(1);
  });
});
