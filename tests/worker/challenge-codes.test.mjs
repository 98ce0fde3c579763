/** The code of a challenge: what it buys, once, for whom, how long, after how many tries, and what it costs. */
import { describe, expect, test } from "vitest";
import { accepted, refused, refusedFor429 } from "../support/answers.mjs";
import { GUESSES, SECONDS_A_GUESS, TOO_MANY_CODES, TRIES, dead, invalid, redeem, spent, wrong } from "../support/codes.mjs";
import { decode } from "../support/jwt.mjs";
import { until } from "../support/poll.mjs";
import { CHALLENGE, atOnce } from "../support/race.mjs";
import { useStage } from "../support/stage.mjs";
import { totp } from "../support/totp.mjs";

const TOO_MANY_SMS = "Too many SMS sent by the user. Wait for some minutes before retrying.";
const TOO_MANY_EMAILS = "Too many emails sent by the user. Wait for some minutes before retrying.";
const CODE_SECONDS = 300;

const stage = useStage({ isolates: 2 });
const userId = (person) => `idp|${person.sub}`;

const mismatched = (response) => refused(response, 400, "invalid_request", "The oob_code doesn't match the mfa_token");

/** Somebody with an active phone. */
async function withPhone() {
  const person = stage.person();
  const phone = await person.enrollSms();
  return Object.assign(person, { phone });
}

describe("a good code", () => {
  test.each([
    ["a form", { form: true }],
    ["JSON", { form: false }],
  ])("in %s buys tokens that say how", async (_, how) => {
    const person = await withPhone();
    const mfa_token = person.mfaToken({ scope: "openid read:things" });
    const tokens = await accepted(await redeem(person, await person.receiveCode({ mfa_token }), how));
    expect(Object.keys(tokens).sort()).toEqual(["access_token", "expires_in", "id_token", "scope", "token_type"]);
    expect(tokens).toMatchObject({ token_type: "Bearer", scope: "openid read:things", expires_in: 3600 });
    for (const token of [tokens.access_token, tokens.id_token]) {
      expect(decode(token).claims).toMatchObject({ sub: userId(person), amr: ["pwd", "sms", "mfa"] });
    }
  });

  test("may be a number in JSON, its leading zeros lost", async () => {
    const person = await withPhone();
    const parameters = await person.receiveCode();
    const binding_code = Number(parameters.binding_code);
    await accepted(await redeem(person, { ...parameters, binding_code }, { form: false }));
  });

  test("leaves the authenticators as they were, and brings no recovery code", async () => {
    const person = await withPhone();
    const before = await accepted(await person.list());
    const tokens = await accepted(await redeem(person, await person.receiveCode()));
    expect(tokens).not.toHaveProperty("recovery_code");
    expect(await accepted(await person.list())).toEqual(before);
  });

  test("is good once: its mfa_token is spent, and no other one will do", async () => {
    const person = await withPhone();
    const parameters = await person.receiveCode();
    await accepted(await redeem(person, parameters));
    await spent(await redeem(person, parameters));
    await mismatched(await redeem(person, { ...parameters, mfa_token: person.mfaToken() }));
  });

  test("spends the login: no other factor completes it again", async () => {
    const person = await withPhone();
    await stage.world.advance(2);
    const app = await person.enrollOtp({ token: person.provenToken() });
    await stage.world.advance(60);
    const parameters = await person.receiveCode();
    await accepted(await redeem(person, parameters));
    const otp = totp(app.secret, stage.world.now());
    await spent(await person.exchange("otp", { mfa_token: parameters.mfa_token, otp }));
    await accepted(await person.exchange("otp", { mfa_token: person.mfaToken(), otp }));
  });

  test("costs two round trips to D1", async () => {
    const person = await withPhone();
    await accepted(await redeem(person, await person.receiveCode()));
    const parameters = await person.receiveCode();
    const { result, roundTrips } = await stage.world.cost(() => redeem(person, parameters));
    await accepted(result);
    expect(roundTrips).toHaveLength(2);
  });

  test("is not needed: a challenge may be left for another factor of the same login", async () => {
    const person = await withPhone();
    await stage.world.advance(2);
    const app = await person.enrollOtp({ token: person.provenToken() });
    await stage.world.advance(60);
    const { mfa_token } = await person.receiveCode();
    const otp = totp(app.secret, stage.world.now());
    await accepted(await person.exchange("otp", { mfa_token, otp }));
  });
});

describe("a newer code", () => {
  test("kills the older, of the same login or another", async () => {
    const person = await withPhone();
    const mfa_token = person.mfaToken();
    const one = await person.receiveCode({ mfa_token });
    const two = await person.receiveCode({ mfa_token });
    const three = await person.receiveCode();
    await dead(await redeem(person, one));
    await dead(await redeem(person, two));
    await accepted(await redeem(person, three));
  });

  test("by the twin's channel kills the older as well: it is one authenticator", async () => {
    const person = await withPhone();
    const one = await person.receiveCode({ authenticator_id: person.phone.id });
    const two = await person.receiveCode({ authenticator_id: person.phone.id.replace("sms", "voice") });
    await dead(await redeem(person, one));
    await accepted(await redeem(person, two));
  });

  test("is not good with the older one's oob_code, nor the older with its", async () => {
    const person = await withPhone();
    const one = await person.receiveCode();
    const two = await person.receiveCode({ mfa_token: one.mfa_token });
    expect(one.oob_code).not.toBe(two.oob_code);
    await dead(await redeem(person, { ...two, oob_code: one.oob_code }));
    if (one.binding_code !== two.binding_code) {
      await invalid(await redeem(person, { ...one, oob_code: two.oob_code }));
    }
    await accepted(await redeem(person, two));
  });

  test("of another authenticator leaves it alive", async () => {
    const person = await withPhone();
    await stage.world.advance(2);
    const email = await person.enrollOob("email", { token: person.provenToken() });
    const one = await person.receiveCode();
    await person.receiveCode({ authenticator_id: email.id, to: person.email });
    await accepted(await redeem(person, one));
  });

  test("of somebody else with the same number leaves it alive", async () => {
    const person = await withPhone();
    const other = stage.person();
    other.number = person.number;
    await other.enrollSms();
    const one = await person.receiveCode();
    const two = await other.receiveCode();
    await accepted(await redeem(person, one));
    await accepted(await redeem(other, two));
  });
});

describe("a code is bound", () => {
  test("to its mfa_token, and keeps its tries when another comes", async () => {
    const person = await withPhone();
    const parameters = await person.receiveCode();
    for (let count = 0; count < TRIES + 1; count += 1) {
      await mismatched(await redeem(person, { ...parameters, mfa_token: person.mfaToken() }));
    }
    await accepted(await redeem(person, parameters));
  });

  test("to its person", async () => {
    const person = await withPhone();
    const thief = await withPhone();
    const parameters = await person.receiveCode();
    await mismatched(await redeem(thief, { ...parameters, mfa_token: thief.mfaToken() }));
    await accepted(await redeem(person, parameters));
  });

  test("to its client", async () => {
    const person = await withPhone();
    const elsewhere = stage.person({ sub: person.sub, client: await stage.addClient() });
    const parameters = await person.receiveCode();
    await mismatched(await redeem(elsewhere, { ...parameters, mfa_token: elsewhere.mfaToken() }));
    const response = await redeem(elsewhere, parameters);
    await refused(response, 400, "invalid_request", "mfa_token not issued to this client");
    await accepted(await redeem(person, parameters));
  });

  test("to a login: no access token will do, whatever its scope", async () => {
    const person = await withPhone();
    await stage.world.advance(2);
    const parameters = await person.receiveCode();
    for (const mfa_token of [person.accessToken(), person.provenToken()]) {
      await mismatched(await redeem(person, { ...parameters, mfa_token }));
    }
    await accepted(await redeem(person, parameters));
  });

  test("to the oob_code it was sent with, which cannot be made up or changed", async () => {
    const person = await withPhone();
    const parameters = await person.receiveCode();
    const { oob_code } = parameters;
    const changed = [10, oob_code.length >> 1, oob_code.length - 2].map((at) => {
      const letter = oob_code[at] === "A" ? "B" : "A";
      return `${oob_code.slice(0, at)}${letter}${oob_code.slice(at + 1)}`;
    });
    for (const broken of ["x", `${oob_code}A`, oob_code.slice(0, -4), ...changed]) {
      await refused(await redeem(person, { ...parameters, oob_code: broken }), 403, "invalid_grant", "Malformed oob_code");
    }
    await accepted(await redeem(person, parameters));
  });
});

describe("time", () => {
  const tokenOf = (person) => person.mfaToken({ exp: stage.world.now() + 600 });

  test("a code is good for five minutes, and not a second longer", async () => {
    const { world } = stage;
    await world.freeze();
    const [early, late] = [await withPhone(), await withPhone()];
    const one = await early.receiveCode({ mfa_token: tokenOf(early) });
    const two = await late.receiveCode({ mfa_token: tokenOf(late) });
    await world.advance(CODE_SECONDS - 1);
    await accepted(await redeem(early, one));
    await world.advance(1);
    await dead(await redeem(late, two));
    await world.thaw();
  });

  test("an expired mfa_token is said to be that, its code good or not", async () => {
    const person = await withPhone();
    const parameters = await person.receiveCode({ mfa_token: person.mfaToken({ exp: stage.world.now() + 60 }) });
    await stage.world.advance(200);
    await refused(await redeem(person, parameters), 401, "expired_token", "mfa_token is expired");
  });

  test("an expired challenge is swept", async () => {
    const { world } = stage;
    const person = await withPhone();
    await person.receiveCode();
    const left = () => world.rows("SELECT id FROM challenges WHERE user_id = ?", userId(person));
    await world.sweep();
    expect(await left()).toHaveLength(1);
    await world.advance(CODE_SECONDS);
    await world.sweep();
    expect(await left()).toEqual([]);
  });
});

describe("tries", () => {
  test.each(["12345", "1234567", "12345a", "１２３４５６", " 123456", "-12345"])(
    "%j is a wrong code like any other",
    async (binding_code) => {
      const person = await withPhone();
      const parameters = await person.receiveCode();
      await invalid(await redeem(person, { ...parameters, binding_code }));
      await accepted(await redeem(person, parameters));
    },
  );

  test("a code allows five; then even the right one is too late, and a new code helps", async () => {
    const { world } = stage;
    await world.freeze();
    const person = await withPhone();
    const mfa_token = person.mfaToken();
    const parameters = await person.receiveCode({ mfa_token });
    await world.advance(20);
    for (let count = 0; count < TRIES; count += 1) await invalid(await redeem(person, wrong(parameters)));
    for (const each of [parameters, wrong(parameters)]) {
      const response = await redeem(person, each);
      expect(response.headers.get("retry-after")).toBe(String(CODE_SECONDS - 20));
      await refused(response, 429, "too_many_requests", TOO_MANY_CODES);
    }
    await accepted(await redeem(person, await person.receiveCode({ mfa_token })));
    await world.thaw();
  });

  test("new codes bring no new guesses: the tenth wrong one is the last, over all codes and factors", async () => {
    const { world } = stage;
    const person = await withPhone();
    await world.freeze();
    for (let round = 0; round < 2; round += 1) {
      const parameters = await person.receiveCode();
      for (let count = 0; count < TRIES; count += 1) await invalid(await redeem(person, wrong(parameters)));
    }
    const parameters = await person.receiveCode();
    for (const each of [parameters, wrong(parameters)]) {
      const { retryAfter, limit } = await refusedFor429(await redeem(person, each), TOO_MANY_CODES, {
        now: world.now(),
      });
      expect({ retryAfter, limit }).toEqual({ retryAfter: SECONDS_A_GUESS, limit: GUESSES });
    }
    const otp = await person.exchange("otp", { mfa_token: person.mfaToken(), otp: "123456" });
    await refusedFor429(otp, TOO_MANY_CODES, { now: world.now() });
    // What found the bucket empty has not used up the code's own tries either.
    expect(await world.rows("SELECT attempts FROM challenges WHERE user_id = ?", userId(person))).toEqual([{ attempts: 0 }]);
    await world.thaw();
  });

  test("a phone whose codes were wrong a hundred times in a row is disabled, and nothing else", async () => {
    const { world } = stage;
    const [locked, lucky] = [await withPhone(), await withPhone()];
    await world.advance(2);
    const { secret } = await locked.enrollOtp({ token: locked.provenToken() });
    await until("the notice of it has come", () => stage.webhook.noticesTo(locked.number).length > 0);
    const wrongTimes = async (person, times) => {
      const parameters = await person.receiveCode({ authenticator_id: person.phone.id });
      for (let count = 0; count < times; count += 1) await invalid(await redeem(person, wrong(parameters)));
      return parameters;
    };
    for (let round = 0; round < 19; round += 1) {
      // For both at once: a code that one waits for must not die by the other's clock.
      await world.advance(3600);
      await Promise.all([wrongTimes(locked, 5), wrongTimes(lucky, 5)]);
    }
    await world.advance(3600);
    const fourMore = await wrongTimes(lucky, 4);
    await accepted(await redeem(lucky, fourMore));
    await world.advance(3600);
    const last = await wrongTimes(locked, 4);
    await invalid(await redeem(locked, wrong(last)));
    await world.advance(3600);
    const named = { authenticator_id: locked.phone.id };
    await refused(await locked.challenge(named), 404, "invalid_authenticator");
    expect(await accepted(await locked.challenge())).toEqual({ challenge_type: "otp" });
    const otp = totp(secret, world.now());
    await accepted(await locked.exchange("otp", { mfa_token: locked.mfaToken(), otp }));
    const recovery = { mfa_token: locked.mfaToken(), recovery_code: locked.phone.recoveryCode };
    await accepted(await locked.exchange("recovery", recovery));
    // A success sets the count back.
    await world.advance(3600);
    const again = await wrongTimes(lucky, 1);
    await accepted(await redeem(lucky, again));
  });
});

describe("messages", () => {
  test("of a person by SMS and voice are ten, then one an hour; a refusal leaves the last code alive", async () => {
    const { world } = stage;
    await world.freeze();
    const person = await withPhone();
    const ids = [person.phone.id, person.phone.id.replace("sms", "voice")];
    let last;
    for (let count = 1; count < 10; count += 1) {
      last = await person.receiveCode({ authenticator_id: ids[count % 2] });
    }
    for (const authenticator_id of ids) {
      const response = await person.challenge({ authenticator_id });
      const told = await refusedFor429(response, TOO_MANY_SMS, { now: world.now() });
      expect(told).toMatchObject({ limit: 10, retryAfter: 3600, reset: world.now() + 3600 });
    }
    await world.delivered();
    expect(stage.webhook.messagesTo(person.number)).toHaveLength(10);
    await accepted(await redeem(person, last));
    await world.advance(3599);
    await refusedFor429(await person.challenge(), TOO_MANY_SMS, { now: world.now() });
    await world.advance(1);
    await accepted(await redeem(person, await person.receiveCode()));
    await world.thaw();
  });

  test("by e-mail have a budget of their own: twenty, then one a minute", async () => {
    const { world } = stage;
    const person = await withPhone();
    await world.advance(2);
    const { id } = await person.enrollOob("email", { token: person.provenToken() });
    await world.freeze();
    const ask = () => person.challenge({ authenticator_id: id });
    await world.advance(60);
    for (let count = 0; count < 20; count += 1) await accepted(await ask());
    const told = await refusedFor429(await ask(), TOO_MANY_EMAILS, { now: world.now() });
    expect(told).toMatchObject({ limit: 20, retryAfter: 60, reset: world.now() + 60 });
    await person.receiveCode();
    await world.advance(60);
    await accepted(await ask());
    await world.thaw();
  });

  test("to one number are as many, whoever asks for them", async () => {
    const { world } = stage;
    await world.freeze();
    const person = await withPhone();
    const other = stage.person();
    other.number = person.number;
    await other.enrollSms();
    // Those of the enrollments are counted apart.
    for (let count = 0; count < 5; count += 1) for (const each of [person, other]) await accepted(await each.challenge());
    await refusedFor429(await other.challenge(), TOO_MANY_SMS, { now: world.now() });
    await refusedFor429(await person.challenge(), TOO_MANY_SMS, { now: world.now() });
    await world.thaw();
  });

  test("asked for by fifty challenges at once are as many as the budget has, and one code lives", async () => {
    const { world } = stage;
    await world.freeze();
    const person = await withPhone();
    const { statuses } = await atOnce(world, 50, CHALLENGE, (isolate) => person.challenge({}, { isolate }));
    expect(statuses).toEqual([...Array(9).fill(200), ...Array(41).fill(429)]);
    await world.delivered();
    expect(stage.webhook.messagesTo(person.number)).toHaveLength(10);
    expect(await world.rows("SELECT id FROM challenges WHERE user_id = ?", userId(person))).toHaveLength(1);
    await world.thaw();
  });
});
