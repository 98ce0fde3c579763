/** What must hold when requests come at once: each code, token and "first" has one winner, and each guess its price. */
import { describe, expect, test } from "vitest";
import { accepted, refused, refusedFor429 } from "../support/answers.mjs";
import { useStage } from "../support/stage.mjs";
import { STEP_SECONDS, totp, wrongTotp } from "../support/totp.mjs";

const TOO_MANY_CODES = "Too many failed codes. Wait for some minutes before retrying.";
const GUESSES = 10;
const SECONDS_A_GUESS = 360;

const stage = useStage({ isolates: 2 });
const db = (sql, ...values) => stage.world.rows(sql, ...values);
const userId = (person) => `idp|${person.sub}`;
const authenticators = (person) => db("SELECT id FROM authenticators WHERE user_id = ? ORDER BY id", userId(person));

/** Runs `count` requests at once, spread over both isolates, and returns their statuses, sorted, and the answers. */
async function atOnce(count, ask) {
  const responses = await Promise.all(Array.from({ length: count }, (_, index) => ask(index % 2, index)));
  return { responses, statuses: responses.map(({ status }) => status).sort() };
}

const winners = ({ statuses }) => statuses.filter((status) => status === 200).length;
const crashes = ({ statuses }) => statuses.filter((status) => status >= 500).length;

describe.each([2, 20])("%i redemptions at once", (count) => {
  test("of one confirming code succeed once", async () => {
    const person = stage.person();
    const mfa_token = person.mfaToken();
    const { secret } = await accepted(await person.associateOtp({ token: mfa_token }));
    const otp = totp(secret, stage.world.now());
    const outcome = await atOnce(count, (isolate) => person.exchange("otp", { mfa_token, otp }, { isolate }));
    expect({ winners: winners(outcome), crashes: crashes(outcome) }).toEqual({ winners: 1, crashes: 0 });
    expect(await authenticators(person)).toHaveLength(1);
  });

  test("of one verifying code, each with an mfa_token of its own, succeed once", async () => {
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    await stage.world.advance(2 * STEP_SECONDS);
    const otp = totp(secret, stage.world.now());
    const outcome = await atOnce(count, (isolate) =>
      person.exchange("otp", { mfa_token: person.mfaToken(), otp }, { isolate }),
    );
    expect({ winners: winners(outcome), crashes: crashes(outcome) }).toEqual({ winners: 1, crashes: 0 });
  });

  test("of one mfa_token with two good codes succeed once", async () => {
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    await stage.world.advance(5 * STEP_SECONDS);
    const now = stage.world.now();
    const mfa_token = person.mfaToken();
    const outcome = await atOnce(count, (isolate, index) =>
      person.exchange("otp", { mfa_token, otp: totp(secret, now, -(index % 2)) }, { isolate }),
    );
    expect({ winners: winners(outcome), crashes: crashes(outcome) }).toEqual({ winners: 1, crashes: 0 });
  });

  test("of one out-of-band code succeed once", async () => {
    const person = stage.person();
    const { oob_code } = await accepted(await person.associateSms());
    const binding_code = await stage.webhook.codeFor(person.number);
    const ask = (isolate) =>
      person.exchange("oob", { mfa_token: person.mfaToken(), oob_code, binding_code }, { isolate });
    const outcome = await atOnce(count, ask);
    expect({ winners: winners(outcome), crashes: crashes(outcome) }).toEqual({ winners: 1, crashes: 0 });
    expect(await authenticators(person)).toHaveLength(1);
  });

  test("of one recovery code succeed once, and the code it brings works", async () => {
    const person = stage.person();
    const { recoveryCode } = await person.enrollOtp();
    const ask = (isolate) =>
      person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code: recoveryCode }, { isolate });
    const outcome = await atOnce(count, ask);
    expect({ winners: winners(outcome), crashes: crashes(outcome) }).toEqual({ winners: 1, crashes: 0 });
    const { recovery_code } = await accepted(outcome.responses.find(({ status }) => status === 200));
    await stage.world.advance(2 * SECONDS_A_GUESS * count);
    await accepted(await person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code }));
  });
});

describe("the first factor", () => {
  test("two first enrollments at once may both be begun; confirmed at once, one wins and the other is dead", async () => {
    const person = stage.person();
    const tokens = [person.mfaToken(), person.mfaToken()];
    const { responses } = await atOnce(2, (isolate) => person.associateOtp({ token: tokens[isolate], isolate }));
    const enrollments = [];
    for (const response of responses) enrollments.push(await accepted(response));
    const now = stage.world.now();
    const confirm = (index) =>
      person.exchange(
        "otp",
        { mfa_token: tokens[index], otp: totp(enrollments[index].secret, now) },
        { isolate: index },
      );
    const outcome = await atOnce(2, confirm);
    expect({ winners: winners(outcome), crashes: crashes(outcome) }).toEqual({ winners: 1, crashes: 0 });
    expect(await authenticators(person)).toHaveLength(1);

    const lost = outcome.responses[0].status === 200 ? 1 : 0;
    const [{ id }] = await authenticators(person);
    expect(id).toBe(enrollments[1 - lost].id);
    await stage.world.advance(STEP_SECONDS);
    const late = { mfa_token: person.mfaToken(), otp: totp(enrollments[lost].secret, stage.world.now()) };
    await refused(await person.exchange("otp", late), 403, "invalid_grant", "Invalid otp_code.");
    const recovery = (index) => ({ mfa_token: person.mfaToken(), recovery_code: enrollments[index].recovery_codes[0] });
    await refused(
      await person.exchange("recovery", recovery(lost)),
      403,
      "invalid_grant",
      "MFA Authorization rejected.",
    );
    await accepted(await person.exchange("recovery", recovery(1 - lost)));
  });

  test("an app and a phone confirmed at once: one wins", async () => {
    const person = stage.person();
    const [app, phone] = [person.mfaToken(), person.mfaToken()];
    const { secret } = await accepted(await person.associateOtp({ token: app }));
    const { oob_code } = await accepted(await person.associateSms({ token: phone }));
    const binding_code = await stage.webhook.codeFor(person.number);
    const otp = totp(secret, stage.world.now());
    const outcome = await atOnce(2, (isolate) =>
      isolate === 0
        ? person.exchange("otp", { mfa_token: app, otp }, { isolate })
        : person.exchange("oob", { mfa_token: phone, oob_code, binding_code }, { isolate }),
    );
    expect({ winners: winners(outcome), crashes: crashes(outcome) }).toEqual({ winners: 1, crashes: 0 });
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
      await accepted(
        await owner.exchange("otp", { mfa_token: owner.mfaToken(), otp: totp(secret, stage.world.now()) }),
      );
      // Even an owner who later proves MFA does not bring the parked one back to life.
      await stage.world.advance(STEP_SECONDS);
      expect((await confirm(owner.provenToken())).status).toBeGreaterThanOrEqual(400);
      expect(await authenticators(owner)).toHaveLength(1);
    },
  );

  test("an enrollment begun while a confirmation is under way does not survive it", async () => {
    const person = stage.person();
    const mfa_token = person.mfaToken();
    const { secret } = await accepted(await person.associateOtp({ token: mfa_token }));
    const otp = totp(secret, stage.world.now());
    const begin = [person.mfaToken(), person.mfaToken()];
    const [confirmed, ...begun] = await Promise.all([
      person.exchange("otp", { mfa_token, otp }),
      person.associateOtp({ token: begin[0], isolate: 1 }),
      person.associateOtp({ token: begin[1], isolate: 1 }),
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

describe("guesses", () => {
  test("fifty at once over two isolates are charged exactly", async () => {
    const { world } = stage;
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    await world.freeze();
    await world.advance(5 * STEP_SECONDS);
    const mfa_token = person.mfaToken();
    const otp = wrongTotp(secret, world.now());
    const { responses, statuses } = await atOnce(50, (isolate) =>
      person.exchange("otp", { mfa_token, otp }, { isolate }),
    );
    expect(statuses).toEqual([...Array(GUESSES).fill(403), ...Array(50 - GUESSES).fill(429)]);
    for (const response of responses) {
      if (response.status === 403) await refused(response, 403, "invalid_grant", "Invalid otp_code.");
      else {
        const { retryAfter, limit, reset } = await refusedFor429(response, TOO_MANY_CODES, { now: world.now() });
        expect({ retryAfter, limit, reset }).toEqual({
          retryAfter: SECONDS_A_GUESS,
          limit: GUESSES,
          reset: world.now() + SECONDS_A_GUESS,
        });
      }
    }
    const right = () => person.exchange("otp", { mfa_token: person.mfaToken(), otp: totp(secret, world.now()) });
    expect((await right()).status).toBe(429);
    await world.advance(SECONDS_A_GUESS - 1);
    expect((await right()).status).toBe(429);
    await world.advance(1);
    await accepted(await right());
    await world.thaw();
  });

  test("fifty right and wrong ones at once: one success, and the wrong ones charged exactly", async () => {
    const { world } = stage;
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    await world.freeze();
    await world.advance(5 * STEP_SECONDS);
    const [right, wrong] = [totp(secret, world.now()), wrongTotp(secret, world.now())];
    const outcome = await atOnce(50, (isolate, index) =>
      person.exchange("otp", { mfa_token: person.mfaToken(), otp: index < 3 ? right : wrong }, { isolate }),
    );
    expect(crashes(outcome)).toBe(0);
    expect(winners(outcome)).toBeLessThanOrEqual(1);
    // The winner's guess is out while it is under way, so one of the others may have found the bucket empty.
    let failed = outcome.statuses.filter((status) => status === 403).length;
    while ((await person.exchange("otp", { mfa_token: person.mfaToken(), otp: wrong })).status === 403) failed += 1;
    expect(failed).toBe(GUESSES);
    await world.thaw();
  });

  test("that succeed cost nothing: ten wrong ones in all are allowed around any number of right ones", async () => {
    const { world } = stage;
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    await world.freeze();
    const wrong = async (times) => {
      for (let guess = 0; guess < times; guess += 1) {
        const response = await person.exchange("otp", { mfa_token: person.mfaToken(), otp: "abcdef" });
        await refused(response, 403, "invalid_grant", "Invalid otp_code.");
      }
    };
    for (let round = 0; round < 3; round += 1) {
      await wrong(3);
      await world.advance(STEP_SECONDS);
      await accepted(await person.exchange("otp", { mfa_token: person.mfaToken(), otp: totp(secret, world.now()) }));
    }
    // Ninety seconds have passed, too little to win back a guess.
    await wrong(1);
    expect((await person.exchange("otp", { mfa_token: person.mfaToken(), otp: "abcdef" })).status).toBe(429);
    await world.thaw();
  });

  test("count over all factors of a person, but recovery codes have a bucket of their own", async () => {
    const { world } = stage;
    const person = stage.person();
    const { recoveryCode } = await person.enrollOtp();
    await world.advance(2);
    const phone = await accepted(await person.associateSms({ token: person.provenToken() }));
    await world.freeze();
    for (let guess = 0; guess < GUESSES; guess += 1) {
      const mfa_token = person.mfaToken();
      const response =
        guess % 3 === 0
          ? await person.exchange("oob", { mfa_token, oob_code: phone.oob_code, binding_code: "abcdef" })
          : await person.exchange("otp", { mfa_token, otp: "abcdef" });
      expect(response.status).toBe(403);
    }
    expect((await person.exchange("otp", { mfa_token: person.mfaToken(), otp: "abcdef" })).status).toBe(429);
    const recover = (code) => person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code: code });
    for (let guess = 0; guess < GUESSES - 1; guess += 1) expect((await recover("A".repeat(24))).status).toBe(403);
    const { recovery_code } = await accepted(await recover(recoveryCode));
    expect((await recover("A".repeat(24))).status).toBe(403);
    await refusedFor429(await recover(recovery_code), TOO_MANY_CODES, { now: world.now() });
    await world.thaw();
  });

  test("of one out-of-band code: five, then it is dead, however many come at once", async () => {
    const person = stage.person();
    const { oob_code } = await accepted(await person.associateSms());
    const binding_code = await stage.webhook.codeFor(person.number);
    const wrong = String((Number(binding_code) + 1) % 1_000_000).padStart(6, "0");
    const outcome = await atOnce(9, (isolate) =>
      person.exchange("oob", { mfa_token: person.mfaToken(), oob_code, binding_code: wrong }, { isolate }),
    );
    expect({ winners: winners(outcome), crashes: crashes(outcome) }).toEqual({ winners: 0, crashes: 0 });
    await stage.world.advance(100);
    const response = await person.exchange("oob", { mfa_token: person.mfaToken(), oob_code, binding_code });
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(await authenticators(person)).toEqual([]);
  });

  test("are not given back by a new code", async () => {
    const { world } = stage;
    const person = stage.person();
    await world.freeze();
    for (let round = 0; round < 2; round += 1) {
      const { oob_code } = await accepted(await person.associateSms());
      for (let guess = 0; guess < 5; guess += 1) {
        const response = await person.exchange("oob", {
          mfa_token: person.mfaToken(),
          oob_code,
          binding_code: "abcdef",
        });
        expect(response.status).toBe(403);
      }
    }
    const { oob_code } = await accepted(await person.associateSms());
    const binding_code = await stage.webhook.codeFor(person.number, { count: 3 });
    const response = await person.exchange("oob", { mfa_token: person.mfaToken(), oob_code, binding_code });
    expect(response.status).toBe(429);
    await world.thaw();
  });

  test("of one person do not touch another's", async () => {
    const [guesser, other] = [stage.person(), stage.person()];
    for (let guess = 0; guess <= GUESSES; guess += 1)
      await guesser.exchange("otp", { mfa_token: guesser.mfaToken(), otp: "abcdef" });
    await other.enrollOtp();
  });
});

describe("caps", () => {
  test("the eleventh pending enrollment makes the oldest go, and only that", async () => {
    const person = stage.person();
    const token = person.mfaToken();
    const enrollments = [];
    for (let count = 0; count < 11; count += 1) enrollments.push(await accepted(await person.associateOtp({ token })));
    const confirm = ({ secret }) => person.exchange("otp", { mfa_token: token, otp: totp(secret, stage.world.now()) });
    await refused(await confirm(enrollments[0]), 403, "invalid_grant", "Invalid otp_code.");
    await accepted(await confirm(enrollments[1]));
    expect(await authenticators(person)).toEqual([{ id: enrollments[1].id }]);
  });

  test("thirty begun at once leave ten, and no crash", async () => {
    const person = stage.person();
    const outcome = await atOnce(30, (isolate) => person.associateOtp({ isolate }));
    expect(winners(outcome)).toBe(30);
    expect(await db("SELECT id FROM enrollments WHERE user_id = ?", userId(person))).toHaveLength(10);
  });

  test("the twenty-first active authenticator is refused", async () => {
    const person = stage.person();
    await person.enrollOtp();
    await stage.world.advance(2);
    for (let count = 1; count < 20; count += 1) await person.enrollOtp({ token: person.provenToken() });
    expect(await authenticators(person)).toHaveLength(20);
    await refused(await person.associateOtp({ token: person.provenToken() }), 400, "invalid_request");
    await refused(await person.associateSms({ token: person.provenToken() }), 400, "invalid_request");
  });

  test("the same number confirmed again replaces itself and nothing else", async () => {
    const person = stage.person();
    await person.enrollSms();
    await stage.world.advance(2);
    await person.enrollOtp({ token: person.provenToken() });
    const before = await authenticators(person);
    const { id } = await person.enrollSms({ token: person.provenToken() });
    const after = await authenticators(person);
    expect(after).toHaveLength(2);
    expect(after).toContainEqual({ id });
    expect(after.filter(({ id: one }) => before.some(({ id: other }) => one === other))).toHaveLength(1);
  });
});
