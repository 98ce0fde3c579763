/**
 * Isolates whose clocks differ: number 0 has the time, number 1 or the consumer is ahead of it or behind. Requests of
 * one person reach both.
 */
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { accepted, done, refused, refusedBearer, refusedFor429 } from "../support/answers.mjs";
import { ProofKey } from "../support/dpop.mjs";
import { until } from "../support/poll.mjs";
import { useStage } from "../support/stage.mjs";
import { SUBJECT_AUDIENCE, subjectTokenOf, tokenExchange } from "../support/token-exchange.mjs";
import { STEP_SECONDS, totp, wrongTotp } from "../support/totp.mjs";
import { MFA_AUDIENCE } from "../support/worker.mjs";

const CODE_SECONDS = 300;
const GUESSES = 10;
const SPENT = [403, "invalid_grant", "mfa_token has already been used"];
const WRONG = [403, "invalid_grant", "Invalid otp_code."];
const [HERE, THERE] = [{ isolate: 0 }, { isolate: 1 }];

const stage = useStage({
  isolates: 2,
  issuers: [
    { may: ["exchange", "mfa_token", "access_token"], entry: { audiences: [SUBJECT_AUDIENCE] } },
    { name: "cooling" },
    { name: "shared" },
  ],
});
const issuer = (name) => stage.issuers.find((each) => each.name === name);
const userId = (person) => `idp|${person.sub}`;

// In the middle of a time step, so that each difference means what it says.
beforeEach(async () => {
  const { world } = stage;
  await world.freeze((Math.floor(world.now() / STEP_SECONDS) + 4) * STEP_SECONDS + STEP_SECONDS / 2);
});
afterEach(async () => {
  await Promise.all([1, "consumer"].map((isolate) => stage.world.skew(isolate, 0)));
  await stage.world.thaw();
});

/** Another login of somebody who has an app: its own mfa_token, sealed by an isolate. */
async function demanded(person, isolate) {
  // Its issuer has the time as well, and what is from the future is refused by whoever is behind.
  const iat = stage.world.now() - 299;
  const subject_token = subjectTokenOf(person, SUBJECT_AUDIENCE, { iat });
  const response = await tokenExchange(stage.world, person, { subject_token }, isolate);
  expect(response.status).toBe(403);
  return (await response.json()).mfa_token;
}

describe("enrolling", () => {
  test.each([-60, -5, 5, 60])("with one isolate and confirming with another that is %i seconds off goes through", async (off) => {
    const { world, webhook } = stage;
    await world.skew(1, off);
    const [one, other] = [stage.person(), stage.person()];
    for (const [person, first, second] of [
      [one, HERE, THERE],
      [other, THERE, HERE],
    ]) {
      const mfa_token = person.mfaToken();
      const { oob_code } = await accepted(await person.associateSms({ token: mfa_token, ...first }));
      const binding_code = await webhook.codeFor(person.number);
      await accepted(await person.exchange("oob", { mfa_token, oob_code, binding_code }, second));
      const list = await accepted(await person.list(first));
      expect(list.map(({ authenticator_type }) => authenticator_type)).toEqual(["oob", "oob", "recovery-code"]);
      expect(list.map(({ active }) => active)).not.toContain(false);
    }
  });

  test("is not confirmed where the code has ended already, and still is where it has not", async () => {
    const { world, webhook } = stage;
    await world.skew(1, CODE_SECONDS);
    const person = stage.person();
    const mfa_token = person.mfaToken({ exp: world.now() + 600 });
    const { oob_code } = await accepted(await person.associateSms({ token: mfa_token, ...HERE }));
    const binding_code = await webhook.codeFor(person.number);
    const parameters = { mfa_token, oob_code, binding_code };
    await refused(await person.exchange("oob", parameters, THERE), 401, "expired_token", "oob_code is expired");
    await accepted(await person.exchange("oob", parameters, HERE));
  });

  test("is over when it is by the sweep's clock, and can be begun anew", async () => {
    const { world, webhook } = stage;
    const person = stage.person();
    const mfa_token = person.mfaToken();
    const { oob_code } = await accepted(await person.associateSms({ token: mfa_token }));
    const binding_code = await webhook.codeFor(person.number);
    await world.skew("consumer", CODE_SECONDS);
    await world.sweep();
    const parameters = { mfa_token, oob_code, binding_code };
    await refused(await person.exchange("oob", parameters), 401, "expired_token", "oob_code is expired");
    await accepted(await person.associateSms({ token: mfa_token }));
  });
});

describe("a one-time password", () => {
  test.each([
    [-15, 200],
    [-16, 403],
    [44, 200],
    [45, 403],
  ])("of the present, in the middle of its step, at an isolate that is %i seconds off is answered %i", async (off, status) => {
    const { world } = stage;
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    await world.advance(2 * STEP_SECONDS);
    await world.skew(1, off);
    const parameters = { mfa_token: person.mfaToken(), otp: totp(secret, world.now()) };
    const response = await person.exchange("otp", parameters, THERE);
    if (status === 200) await accepted(response);
    else {
      await refused(response, ...WRONG);
      // Nothing is lost by it: the login goes on wherever the clock is right.
      await accepted(await person.exchange("otp", parameters, HERE));
    }
  });

  test.each([-30, -5, 0, 5, 30])("is good once, raced over isolates that are %i seconds apart", async (off) => {
    const { world } = stage;
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    await world.advance(3 * STEP_SECONDS);
    await world.skew(1, off);
    const otp = totp(secret, world.now() + Math.min(off, 0));
    const start = (isolate) => () => person.exchange("otp", { mfa_token: person.mfaToken(), otp }, isolate);
    const starts = [HERE, THERE, HERE, THERE].map(start);
    const answers = await world.race("INSERT INTO redemptions", starts);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 403, 403, 403]);
  });

  test("of a step that an isolate ahead has used is good nowhere else, nor is one before it; the next one is", async () => {
    const { world } = stage;
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    await world.advance(3 * STEP_SECONDS);
    await world.skew(1, STEP_SECONDS);
    const guess = (steps, isolate) => {
      const parameters = { mfa_token: person.mfaToken(), otp: totp(secret, world.now(), steps) };
      return person.exchange("otp", parameters, isolate);
    };
    await accepted(await guess(1, THERE));
    for (const steps of [-1, 0, 1]) await refused(await guess(steps, HERE), ...WRONG);
    await world.advance(STEP_SECONDS);
    await refused(await guess(0, HERE), ...WRONG);
    await world.advance(STEP_SECONDS);
    await accepted(await guess(0, HERE));
    const [{ last_step }] = await world.rows("SELECT last_step FROM authenticators WHERE user_id = ?", userId(person));
    expect(last_step).toBe(Math.floor(world.now() / STEP_SECONDS));
  });
});

describe("a login", () => {
  test("that was spent stays spent where the clock is up to a minute behind that of the sweep", async () => {
    const { world } = stage;
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    await world.advance(2 * STEP_SECONDS);
    const mfa_token = await demanded(person, HERE);
    await accepted(await person.exchange("otp", { mfa_token, otp: totp(secret, world.now()) }, HERE));
    // The last second in which isolate 0 takes it for a living one.
    await world.advance(599);
    await world.skew("consumer", 60);
    await world.sweep();
    await refused(await person.exchange("otp", { mfa_token, otp: totp(secret, world.now()) }, HERE), ...SPENT);
  });

  test.each([-300, -5, 5, 300])("goes on at an isolate that is %i seconds off", async (off) => {
    const { world } = stage;
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    await world.advance(3 * STEP_SECONDS);
    await world.skew(1, off);
    const mfa_token = await demanded(person, HERE);
    const otp = totp(secret, world.now() + off);
    // Behind, the step may be one that is used up already: then it is refused as that, and not as a login.
    const response = await person.exchange("otp", { mfa_token, otp }, THERE);
    if (off >= -5) await accepted(response);
    else await refused(response, ...WRONG);
    const other = await demanded(person, THERE);
    await refused(await person.exchange("otp", { mfa_token: other, otp: wrongTotp(secret, world.now()) }, HERE), ...WRONG);
  });

  test("ends at each isolate by its own clock", async () => {
    const { world } = stage;
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    await world.advance(3 * STEP_SECONDS);
    await world.skew(1, 600);
    const mfa_token = await demanded(person, HERE);
    const parameters = { mfa_token, otp: totp(secret, world.now()) };
    await refused(await person.exchange("otp", parameters, THERE), 401, "expired_token", "mfa_token is expired");
    await accepted(await person.exchange("otp", parameters, HERE));
  });
});

describe("an own access token", () => {
  /** One for the MFA API that isolate 1 has issued. */
  async function issued() {
    const scope = "enroll read:authenticators remove:authenticators";
    const client = await stage.addClient({ audiences: [{ audience: MFA_AUDIENCE, scopes: scope.split(" ") }] });
    const person = stage.person({ client });
    const mfa_token = person.mfaToken({ audience: MFA_AUDIENCE, scope });
    const { secret, id } = await accepted(await person.associateOtp({ token: mfa_token, ...HERE }));
    const otp = totp(secret, stage.world.now());
    const { access_token: token } = await accepted(await person.exchange("otp", { mfa_token, otp }, THERE));
    return { person, token, id };
  }

  test.each([0, 10, 44])("of an isolate that is %i seconds ahead is good at once", async (off) => {
    await stage.world.skew(1, off);
    const { person, token } = await issued();
    await accepted(await person.list({ token, ...HERE }));
  });

  test("of an isolate that is more than a minute ahead is good when that is over", async () => {
    const { world } = stage;
    await world.skew(1, 44);
    const { person, token } = await issued();
    await world.skew(0, -17);
    await refusedBearer(await person.list({ token, ...HERE }));
    await world.skew(0, 0);
    await accepted(await person.list({ token, ...HERE }));
  });

  test("ends at an isolate ten minutes ahead at once, and not where it was issued", async () => {
    const { world } = stage;
    await world.skew(1, 0);
    const { person, token } = await issued();
    await world.skew(0, 600);
    await refusedBearer(await person.list({ token, ...HERE }));
    await accepted(await person.list({ token, ...THERE }));
    await world.skew(0, 0);
  });

  test("that is older than the factor by another isolate's clock removes nothing, and the next one does", async () => {
    const { world } = stage;
    await world.skew(1, 10);
    const { person, id } = await issued();
    // By the issuer's clock and isolate 0's this is after the confirmation, by isolate 1's before.
    const proof = () => person.provenToken({ scope: "remove:authenticators" });
    const response = await person.remove(id, { token: proof(), ...HERE });
    expect(response.status).toBe(403);
    await world.advance(10);
    await done(await person.remove(id, { token: proof(), ...HERE }));
  });
});

describe("a budget of guesses", () => {
  const spend = async (person, secret, off) => {
    let count = 0;
    for (; count < 2 * GUESSES; count += 1) {
      const now = stage.world.now();
      const mfa_token = person.mfaToken({ iat: now + Math.min(off, 0), exp: now + Math.max(off, 0) + 200 });
      const parameters = { mfa_token, otp: wrongTotp(secret, now) };
      const response = await person.exchange("otp", parameters, { isolate: count % 2 });
      if (response.status === 429) {
        const text = "Too many failed codes. Wait for some minutes before retrying.";
        await refusedFor429(response, text, { now: now + (count % 2) * off });
        // Whoever is behind says so first; the other one may have some left.
        const again = await person.exchange("otp", parameters, { isolate: (count + 1) % 2 });
        if (again.status === 429) return count;
      } else await refused(response, ...WRONG);
    }
    return count;
  };

  test.each([
    [5, GUESSES],
    [-5, GUESSES],
    [60, GUESSES],
    [-60, GUESSES],
    // Six minutes are a guess: one more for whoever begins where the clock is behind.
    [360, GUESSES + 1],
    [-360, GUESSES],
  ])("over isolates %i seconds apart has exactly %i", async (off, count) => {
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    await stage.world.skew(1, off);
    expect(await spend(person, secret, off)).toBe(count);
  });
});

describe("a code by message", () => {
  test.each([-60, -1, 1, 60])("is sent at once by a consumer that is %i seconds off", async (off) => {
    const { world, webhook } = stage;
    await world.skew("consumer", off);
    const person = stage.person();
    await accepted(await person.associateSms());
    await until("it is sent", () => webhook.messagesTo(person.number).length > 0);
    await world.settle();
    await world.advance(90);
    await world.sweep();
    expect(webhook.messagesTo(person.number)).toHaveLength(1);
  });

  test("is not sent by a consumer for whose clock it has ended, and that is recorded", async () => {
    const { world, webhook } = stage;
    await world.skew("consumer", CODE_SECONDS);
    const person = stage.person();
    const { id } = await accepted(await person.associateSms());
    await world.settle();
    await world.sweep();
    await until("it is given up", async () => {
      const rows = await world.rows("SELECT state FROM deliveries WHERE owner = ?", id);
      return rows[0].state === "expired";
    });
    expect(webhook.messagesTo(person.number)).toHaveLength(0);
  });

  test.each([-60, 40])("that is being sent is not sent again by a sweep that is %i seconds off", async (off) => {
    const { world, webhook } = stage;
    const person = stage.person();
    webhook.next("hang");
    await accepted(await person.associateSms());
    await until("the provider is asked", () => webhook.held === 1);
    await world.skew("consumer", off);
    await world.sweep({ settle: false });
    webhook.release();
    await world.delivered();
    expect(webhook.messagesTo(person.number)).toHaveLength(1);
  });
});

describe("an Idempotency-Key", () => {
  test.each([-60, 60])("gets its answer at an isolate that is %i seconds off", async (off) => {
    const { world } = stage;
    await world.skew(1, off);
    const person = stage.person();
    const options = { token: person.mfaToken(), headers: { "idempotency-key": randomUUID() } };
    const first = await accepted(await person.associateSms({ ...options, ...HERE }));
    const again = await person.associateSms({ ...options, ...THERE });
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(await accepted(again)).toEqual(first);
    await world.delivered();
    expect(stage.webhook.messagesTo(person.number)).toHaveLength(1);
  });
});

describe("a nonce for proofs of keys", () => {
  test.each([
    [5, 200],
    [6, 400],
    [-59, 200],
    [-61, 400],
  ])("of an isolate that is %i seconds ahead gets %i, and at worst a new one that is good", async (off, status) => {
    const { world } = stage;
    const key = await ProofKey.generate();
    const person = stage.person();
    await world.skew(1, off);
    const mfa_token = person.mfaToken();
    const { secret } = await accepted(await person.associateOtp({ token: mfa_token }));
    const ask = async (isolate, nonce) => {
      const headers = { dpop: await key.proof("POST", "/oauth/token", { nonce }) };
      return person.exchange("otp", { mfa_token, otp: totp(secret, world.now()) }, { headers, ...isolate });
    };
    const nonce = (await ask(THERE)).headers.get("dpop-nonce");
    const response = await ask(HERE, nonce);
    expect(response.status).toBe(status);
    if (status === 200) return void (await accepted(response));
    expect((await response.json()).error).toBe("use_dpop_nonce");
    await accepted(await ask(HERE, response.headers.get("dpop-nonce")));
  });
});

describe("the keys of an issuer", () => {
  test.each([-120, 120])("are asked for as often as before by isolates %i seconds apart", async (off) => {
    const { world } = stage;
    const from = issuer("cooling");
    await world.skew(1, off);
    const person = stage.person({ issuer: from });
    const ask = (isolate, header) => person.associateOtp({ token: person.mfaToken({}, header), ...isolate });
    // The issuer's clock is the world's, and a token of now is refused where it is from the future.
    const iat = world.now();
    const usual = (isolate) => person.associateOtp({ token: person.mfaToken({ iat: iat - 120, exp: iat + 299 }), ...isolate });
    await world.advance(31);
    for (const isolate of [HERE, THERE]) expect([200, 401]).toContain((await usual(isolate)).status);
    await world.settle();
    const before = from.fetches.keySet;
    for (let count = 0; count < 5; count += 1)
      for (const isolate of [HERE, THERE]) await refusedBearer(await ask(isolate, { kid: "nobody's" }));
    expect(from.fetches.keySet - before).toBeLessThanOrEqual(2);
  });

  test.each([-300, -5, 5, 300])(
    "that are new are found at once by isolates %i seconds apart, whoever has read them",
    async (off) => {
      const { world } = stage;
      const from = issuer("shared");
      await world.skew(1, off);
      const ask = (isolate, now) => {
        const person = stage.person({ issuer: from });
        return person.associateOtp({ token: person.mfaToken({ iat: now, exp: now + 299 }), ...isolate });
      };
      for (let rotations = 0; rotations < 3; rotations += 1) {
        await world.advance(31);
        from.rotate();
        const order = rotations % 2 === 0 ? [HERE, THERE] : [THERE, HERE];
        for (const isolate of order) await accepted(await ask(isolate, world.now() + (isolate === THERE ? off : 0)));
        await world.settle();
      }
    },
  );
});
