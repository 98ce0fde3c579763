/** What a person is told of by another channel: authenticators that come and go, the recovery code, guessing. */
import { describe, expect, test } from "vitest";
import { setTemplate } from "../../scripts/templates/statements.mjs";
import { accepted } from "../support/answers.mjs";
import { freshNumber } from "../support/person.mjs";
import { until } from "../support/poll.mjs";
import { CHARGE, atOnce } from "../support/race.mjs";
import { useStage } from "../support/stage.mjs";
import { STEP_SECONDS, totp } from "../support/totp.mjs";

const stage = useStage();
// Nobody takes messages out of the queue here.
const unread = useStage({ consume: false });
const twins = useStage({ isolates: 2 });

/** Adds the mail authenticator of somebody for whom nobody reads the queue. */
async function enrollMail(person) {
  const mfa_token = person.mfaToken();
  const { result, sent } = await unread.world.cost(() => person.associateEmail({ token: mfa_token }));
  const { id, oob_code } = await accepted(result);
  await unread.world.deliver(sent);
  const binding_code = await unread.webhook.codeFor(person.email);
  await accepted(await person.exchange("oob", { mfa_token, oob_code, binding_code }));
  return id;
}

const rowsOf = (person, world = stage.world) =>
  world.rows("SELECT id, message, state, channel, failure FROM deliveries WHERE user_id = ?", `idp|${person.sub}`);

/** The newest notice for `to`, once it is there. */
async function notice(to, { count = 1 } = {}) {
  await until(`${count} notice(s) for ${to} arrived`, () => stage.webhook.noticesTo(to).length >= count);
  return stage.webhook.noticesTo(to).at(-1);
}

/** Adds an app to somebody who has other factors already. */
async function addApp(person, options) {
  const token = person.provenToken();
  const { secret, id } = await accepted(await person.associateOtp({ token }));
  const otp = totp(secret, stage.world.now());
  const tokens = await accepted(await person.exchange("otp", { mfa_token: token, otp }, options));
  return { secret, id, tokens };
}

/** Adds the number to somebody who has other factors already. */
async function addNumber(person, number, { token = person.provenToken(), channel = "sms" } = {}) {
  const body = { authenticator_types: ["oob"], oob_channels: [channel], phone_number: number };
  const { oob_code, id } = await accepted(await person.associate(body, { token }));
  const binding_code = await stage.webhook.codeFor(number);
  await accepted(await person.exchange("oob", { mfa_token: token, oob_code, binding_code }));
  return id;
}

let addresses = 0;
/** Claims of somebody whose address the issuer has verified. */
const verified = () => ({ email: `owner-${Date.now()}-${(addresses += 1)}@mail.example.com`, email_verified: true });

describe("an authenticator that is added", () => {
  test("is told of by mail to the one for mail, at once and without a code", async () => {
    const person = stage.person();
    await person.enrollOob("email");
    await addApp(person);
    const told = await notice(person.email);
    expect(told).toMatchObject({ type: "mfa.notice", notice: "authenticator_added", channel: "email", language: "en" });
    expect(told).not.toHaveProperty("code");
    expect(told.subject).toMatch(/^A sign-in method was added to your account at /);
    expect(told.text).toContain("authenticator app");
    const [row] = await rowsOf(person);
    expect(row).toMatchObject({ message: "authenticator_added", channel: "email" });
  });

  test("is told of to the address that the issuer has verified", async () => {
    const person = stage.person({ claims: verified() });
    await person.enrollSms();
    const told = await notice(person.claims.email);
    expect(told).toMatchObject({ notice: "authenticator_added", text: expect.stringContaining("phone number") });
    const other = stage.person({ claims: { ...verified(), email_verified: false } });
    await other.enrollSms();
    expect(await rowsOf(other)).toEqual([]);
  });

  test("is told of there also when the token that it is added with has no address", async () => {
    const person = stage.person({ claims: verified() });
    const { email } = person.claims;
    await person.enrollSms();
    await notice(email);
    person.claims = {};
    await addApp(person);
    expect(await notice(email, { count: 2 })).toMatchObject({ text: expect.stringContaining("authenticator app") });
  });

  test("is told of at the address before as well, when a token comes with another", async () => {
    const person = stage.person({ claims: verified() });
    const { email } = person.claims;
    await person.enrollSms();
    await notice(email);
    await stage.world.advance(1);
    person.claims = verified();
    await addApp(person);
    expect(await notice(email, { count: 2 })).toMatchObject({ notice: "authenticator_added" });
    // From then on the new one is it.
    await stage.world.advance(STEP_SECONDS);
    await addApp(person);
    await notice(person.claims.email);
    expect(stage.webhook.noticesTo(email)).toHaveLength(2);
  });

  test("is told of by text message, when the first address that is known comes with it", async () => {
    const person = stage.person();
    await person.enrollSms();
    await stage.world.advance(1);
    person.claims = { email: person.email, email_verified: true };
    await person.enrollOob("email", { token: person.provenToken() });
    expect(await notice(person.number)).toMatchObject({ text: expect.stringContaining("e-mail address") });
    expect(stage.webhook.noticesTo(person.email)).toEqual([]);
  });

  test("is told of to every address for mail, so that one that somebody has parked hides nothing", async () => {
    const person = stage.person();
    await person.enrollOob("email");
    person.claims = verified();
    await person.enrollSms();
    for (const to of [person.claims.email, person.email]) await notice(to);
    expect(stage.webhook.noticesTo(person.number)).toEqual([]);
  });

  test("is told of by text message too, where all mail is from before the first factor", async () => {
    const person = stage.person();
    await person.enrollOob("email");
    await stage.world.advance(1);
    await person.enrollSms();
    await notice(person.email);
    await addApp(person);
    for (const [to, count] of [
      [person.email, 2],
      [person.number, 1],
    ])
      await notice(to, { count });
  });

  test("is told of by text message to the oldest number, where no mail reaches", async () => {
    const person = stage.person();
    await person.enrollOob("voice");
    await stage.world.advance(1);
    const second = freshNumber();
    await addNumber(person, second);
    await notice(person.number);
    await addApp(person);
    const { channel, text } = await notice(person.number, { count: 2 });
    expect(stage.webhook.noticesTo(second)).toEqual([]);
    expect(channel).toBe("sms");
    expect(text).not.toContain("@");
    expect(text.length).toBeLessThanOrEqual(160);
  });

  test("is no channel itself: of the first one nobody is told", async () => {
    for (const channel of ["sms", "email"]) {
      const person = stage.person();
      await person.enrollOob(channel);
      expect(await rowsOf(person)).toEqual([]);
    }
    const person = stage.person();
    Object.assign(person.claims, { email: person.email.toUpperCase(), email_verified: true });
    await person.enrollOob("email");
    expect(await rowsOf(person)).toEqual([]);
  });

  test("is told of in the language that the issuer names, whatever the request says", async () => {
    const person = stage.person({ claims: { locale: "de-AT" } });
    await person.enrollOob("email");
    await addApp(person, { headers: { "accept-language": "ja" } });
    expect(await notice(person.email)).toMatchObject({ language: "de", text: expect.stringContaining("Authenticator-App") });
  });

  test("is told of in the operator's own words, where there are some", async () => {
    const own = { message: "authenticator_added", channel: "email", language: "it" };
    const words = { subject: "Novità", text: "{{tenant}}: {{method}}", html: null };
    await stage.world.run(setTemplate({ ...own, ...words }, { at: stage.world.now(), operator: "test" }));
    const person = stage.person({ claims: { locale: "it" } });
    await person.enrollOob("email");
    await addApp(person);
    expect(await notice(person.email)).toMatchObject({ language: "it", subject: "Novità" });
  });

  test("is told of at the address as it was then, though it is removed before anybody reads the queue", async () => {
    const person = unread.person();
    const enrolled = await enrollMail(person);
    const token = person.provenToken();
    const { secret } = await accepted(await person.associateOtp({ token }));
    const otp = totp(secret, unread.world.now());
    const { result, sent } = await unread.world.cost(() => person.exchange("otp", { mfa_token: token, otp }));
    await accepted(result);
    expect((await person.remove(enrolled)).status).toBe(204);
    await unread.world.deliver(sent);
    expect(unread.webhook.noticesTo(person.email)).toHaveLength(1);
  });
});

describe("a notice", () => {
  test("costs the request no further round trip, and the queue is told of it only where somebody can be reached", async () => {
    const cost = async (claims) => {
      const person = unread.person({ claims });
      const mfa_token = person.mfaToken();
      const { secret } = await accepted(await person.associateOtp({ token: mfa_token }));
      const otp = totp(secret, unread.world.now());
      const { result, roundTrips, sent } = await unread.world.cost(() => person.exchange("otp", { mfa_token, otp }));
      await accepted(result);
      return { roundTrips: roundTrips.length, sent: sent.length };
    };
    expect(await cost({})).toEqual({ roundTrips: 2, sent: 0 });
    expect(await cost({ email: "a@mail.example.com", email_verified: true })).toEqual({ roundTrips: 2, sent: 1 });
  });
});

describe("an authenticator that is removed", () => {
  test("is told of", async () => {
    const person = stage.person();
    await person.enrollOob("email");
    const { id } = await addApp(person);
    await notice(person.email);
    await stage.world.advance(STEP_SECONDS);
    expect((await person.remove(id)).status).toBe(204);
    expect(await notice(person.email, { count: 2 })).toMatchObject({ notice: "authenticator_removed" });
    // What was not confirmed was none.
    const pending = await accepted(await person.associateOtp({ token: person.mfaToken() }));
    expect((await person.remove(pending.id)).status).toBe(204);
    expect(await rowsOf(person)).toHaveLength(2);
  });

  test("is told of by itself as well: it may be the owner's, and the rest somebody else's", async () => {
    const person = stage.person();
    const { id } = await person.enrollOob("email");
    const scope = { scope: "remove:authenticators" };
    expect((await person.remove(id, { token: person.accessToken(scope) })).status).toBe(204);
    expect(await notice(person.email)).toMatchObject({ notice: "authenticator_removed" });
  });

  test("takes the contact with it, if it was the last", async () => {
    const person = stage.person({ claims: verified() });
    const contacts = () => stage.world.rows("SELECT * FROM contacts WHERE user_id = ?", `idp|${person.sub}`);
    const { id } = await person.enrollSms();
    const [contact] = await contacts();
    expect(JSON.stringify(contact)).not.toContain(person.claims.email);
    await stage.world.advance(1);
    expect((await person.remove(id)).status).toBe(204);
    expect(await contacts()).toEqual([]);
  });
});

test("a recovery code that is used is told of", async () => {
  const person = stage.person({ claims: verified() });
  const { recoveryCode } = await person.enrollOtp();
  await accepted(await person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code: recoveryCode }));
  expect(await notice(person.claims.email, { count: 2 })).toMatchObject({ notice: "recovery_code_used", channel: "email" });
});

test("guesses that are locked out are told of once a day, however many follow", async () => {
  const person = stage.person({ claims: verified() });
  await person.enrollOtp();
  await notice(person.claims.email);
  const guess = async () => (await person.exchange("otp", { mfa_token: person.mfaToken(), otp: "000000" })).status;
  const locked = async () => {
    for (let tries = 0; tries < 40; tries += 1) if ((await guess()) === 429) return true;
    return false;
  };
  expect(await locked()).toBe(true);
  expect(await notice(person.claims.email, { count: 2 })).toMatchObject({ notice: "guesses_locked" });
  await Promise.all(Array.from({ length: 20 }, guess));
  expect((await rowsOf(person)).filter(({ message }) => message === "guesses_locked")).toHaveLength(1);
  await stage.world.advance(86_400);
  expect(await locked()).toBe(true);
  await notice(person.claims.email, { count: 3 });
});

describe("wrong codes in a row", () => {
  const wrong = (person, options) => person.exchange("otp", { mfa_token: person.mfaToken(), otp: "000000" }, options);
  /** Wears the person's authenticators down to so many. */
  const wear = (person, failures, world = stage.world) =>
    world.rows("UPDATE authenticators SET failures = ? WHERE user_id = ?", failures, `idp|${person.sub}`);
  const named = async (person, name, world = stage.world) =>
    (await rowsOf(person, world)).filter(({ message }) => message === name);

  test("are told of at the twentieth, however slowly they come, and once a day", async () => {
    const person = stage.person({ claims: verified() });
    await person.enrollOtp();
    await notice(person.claims.email);
    for (let guess = 1; guess <= 20; guess += 1) {
      await stage.world.advance(360);
      expect((await wrong(person)).status).toBe(403);
      await stage.world.settle();
      expect(await named(person, "guessing_suspected"), `guess ${guess}`).toHaveLength(guess === 20 ? 1 : 0);
    }
    const told = await notice(person.claims.email, { count: 2 });
    expect(told).toMatchObject({ type: "mfa.notice", notice: "guessing_suspected", channel: "email" });
    expect(told.text).toContain("change your password");
    expect(await named(person, "guesses_locked")).toEqual([]);
    await stage.world.advance(86_400);
    await wear(person, 39);
    expect((await wrong(person)).status).toBe(403);
    await notice(person.claims.email, { count: 3 });
    await wear(person, 59);
    expect((await wrong(person)).status).toBe(403);
    await stage.world.settle();
    expect(await named(person, "guessing_suspected")).toHaveLength(2);
  });

  test("are told of by text message, where no mail reaches, and in the person's language", async () => {
    const person = stage.person({ claims: { locale: "fr" } });
    await person.enrollSms();
    await wear(person, 19);
    const mfa_token = person.mfaToken();
    const { oob_code } = await person.receiveCode({ mfa_token });
    const code = (await stage.webhook.codeFor(person.number, { count: 2 })) === "000000" ? "111111" : "000000";
    expect((await person.exchange("oob", { mfa_token, oob_code, binding_code: code })).status).toBe(403);
    expect(await notice(person.number)).toMatchObject({ notice: "guessing_suspected", language: "fr", channel: "sms" });
  });

  test("are told of at the hundredth as what they have done", async () => {
    const person = stage.person({ claims: verified() });
    await person.enrollOtp();
    await notice(person.claims.email);
    await wear(person, 99);
    expect((await wrong(person)).status).toBe(403);
    const told = await notice(person.claims.email, { count: 2 });
    expect(told).toMatchObject({ notice: "authenticator_disabled", text: expect.stringContaining("authenticator app") });
    expect((await wrong(person)).status).toBe(403);
    await stage.world.settle();
    expect(await named(person, "authenticator_disabled")).toHaveLength(1);
    expect(await named(person, "guessing_suspected")).toEqual([]);
  });

  test("are told of in one notice by fifty at once over two isolates", async () => {
    const { world } = twins;
    for (const [failures, names] of [
      [15, ["guessing_suspected", "guesses_locked"]],
      [95, ["authenticator_disabled"]],
    ]) {
      const person = twins.person({ claims: verified() });
      await person.enrollOtp();
      await wear(person, failures, world);
      const { statuses } = await atOnce(world, 50, CHARGE, (isolate) => wrong(person, { isolate }));
      expect(statuses).toEqual([...Array(10).fill(403), ...Array(40).fill(429)]);
      await world.settle();
      // Forty are locked out meanwhile: that somebody guesses is told once, whichever comes first.
      const rows = (await rowsOf(person, world)).filter(({ message }) => names.includes(message));
      expect(rows).toHaveLength(1);
      const told = (await world.told()).filter(({ user }) => user === `idp|${person.sub}`);
      expect(told.filter(({ event }) => event === names[0])).toHaveLength(1);
    }
  });
});

describe("the address for notices", () => {
  test("is not the one that a plain login comes with: somebody may have changed it at the issuer", async () => {
    const owner = verified();
    const mailed = stage.person({ claims: owner });
    const app = await mailed.enrollOtp();
    await notice(owner.email);
    const texted = stage.person();
    const sms = await texted.enrollSms();
    await stage.world.advance(STEP_SECONDS);
    // From here on the issuer says so, in the owner's own tokens too.
    for (const person of [mailed, texted]) person.claims = verified();
    const otp = totp(app.secret, stage.world.now());
    await accepted(await mailed.exchange("otp", { mfa_token: mailed.mfaToken(), otp }));
    await accepted(await texted.exchange("oob", await texted.receiveCode({ authenticator_id: sms.id })));
    await stage.world.advance(STEP_SECONDS);
    for (const [person, to, count] of [
      [mailed, owner.email, 2],
      [texted, texted.number, 1],
    ]) {
      const locked = async () => (await person.exchange("otp", { mfa_token: person.mfaToken(), otp: "000000" })).status === 429;
      for (let tries = 0; tries < 40 && !(await locked()); tries += 1);
      expect(await notice(to, { count })).toMatchObject({ notice: "guesses_locked" });
      await stage.world.settle();
      expect(stage.webhook.noticesTo(person.claims.email)).toEqual([]);
    }
  });
});

test("a notice that nobody can carry waits, and comes when somebody can", async () => {
  const person = stage.person();
  await person.enrollOob("email");
  stage.webhook.next(...Array(40).fill(503));
  await addApp(person);
  await until("it has been tried", async () => (await rowsOf(person))[0]?.state === "waiting");
  stage.webhook.recover();
  await stage.world.advance(3600);
  await stage.world.sweep();
  await notice(person.email);
});

test("a notice that nobody has carried for a day is given up", async () => {
  const person = stage.person();
  await person.enrollOob("email");
  stage.webhook.next(...Array(40).fill(503));
  await addApp(person);
  await until("it has been tried", async () => (await rowsOf(person))[0]?.state === "waiting");
  await stage.world.advance(86_401);
  await stage.world.sweep();
  stage.webhook.recover();
  const sql = "SELECT state, sealed, address FROM deliveries WHERE user_id = ?";
  expect(await stage.world.rows(sql, `idp|${person.sub}`)).toEqual([{ state: "expired", sealed: null, address: null }]);
});

test("whoever adds and removes authenticators all day is told of it twenty times, and of the rest one an hour", async () => {
  const person = stage.person();
  await person.enrollSms();
  let held = [];
  for (let round = 0; round < 14 && held.length === 0; round += 1) {
    const { id } = await addApp(person);
    expect((await person.remove(id)).status).toBe(204);
    await until("all are sent, or wait for room", async () => {
      const rows = await rowsOf(person);
      held = rows.filter(({ state, failure }) => state === "waiting" && failure === "no room for another notice");
      return rows.length === 2 * (round + 1) && rows.every((row) => row.state === "sent" || held.includes(row));
    });
  }
  expect(held.length).toBeGreaterThan(0);
  expect(stage.webhook.noticesTo(person.number)).toHaveLength(20);
  // One comes back, whatever the queue says of them; the sweep tells it again.
  await stage.world.advance(3600);
  await stage.world.db
    .prepare("UPDATE deliveries SET failure = 'the queue has given up; ' || failure WHERE sealed IS NOT NULL")
    .run();
  await stage.world.sweep();
  const sent = () => stage.webhook.noticesTo(person.number).length;
  await until("one has been let through", async () => sent() > 20);
  await until("the others wait on", async () => (await rowsOf(person)).every(({ state }) => state !== "claimed"));
  expect(sent()).toBe(21);
});

describe("NOTICES", () => {
  const quiet = useStage({ vars: { NOTICES: "off" } });
  const mailOnly = useStage({ vars: { NOTICES: "email" } });

  test("off: nobody is told of anything", async () => {
    const person = quiet.person({ claims: { email: "a@mail.example.com", email_verified: true } });
    await person.enrollSms();
    expect(await rowsOf(person, quiet.world)).toEqual([]);
  });

  test("email: nobody is told by text message", async () => {
    const person = mailOnly.person();
    await person.enrollSms();
    const token = person.provenToken();
    const { secret } = await accepted(await person.associateOtp({ token }));
    const otp = totp(secret, mailOnly.world.now());
    await accepted(await person.exchange("otp", { mfa_token: token, otp }));
    expect(await rowsOf(person, mailOnly.world)).toEqual([]);
  });
});
