/** How many messages may be asked for, from where and to where: what is refused, and what an honest person notices. */
import { describe, expect, test } from "vitest";
import { accepted, refusedFor429 } from "../support/answers.mjs";
import { freshNumber } from "../support/person.mjs";
import { until } from "../support/poll.mjs";
import { ENROLLMENT, atOnce } from "../support/race.mjs";
import { useStage } from "../support/stage.mjs";

const TOO_MANY = "Too many SMS sent by the user. Wait for some minutes before retrying.";
const LIMITS = {
  client_address: { hour: 12, day: 60 },
  address_prefix: { hour: 30, day: 90 },
  overall: { hour: 3000, day: 30_000 },
  unverified_weight: 3,
  verified_percent: 20,
  judged_from: 5,
  closed_seconds: 600,
};
const stage = useStage({ isolates: 2, vars: { SENDING_LIMITS: JSON.stringify(LIMITS) } });

let hosts = 0;
/** An address in a prefix of its own. */
const freshAddress = () => `198.18.${(hosts += 1)}.1`;
const from = (address) => ({ headers: { "cf-connecting-ip": address } });
const sms = (address, person = stage.person()) => person.associateSms(from(address));
const statuses = async (count, ask) => {
  const all = [];
  for (let index = 0; index < count; index += 1) all.push((await ask(index)).status);
  return all;
};
/** The number after this one, or, behind the last of ten, the first. */
const nextTo = (number) => `${number.slice(0, -1)}${(+number.at(-1) + 1) % 10}`;
const refused = async (response) => refusedFor429(response, TOO_MANY, { now: stage.world.now() });
const spoken = async (world = stage.world) =>
  (await world.logLines())
    .filter((line) => line.includes('"message_limit"'))
    .map((line) => JSON.parse(line.slice(line.indexOf("{"))));

describe("an address", () => {
  test("has four messages that nobody answers, then it waits, whoever asks and wherever they go", async () => {
    const address = freshAddress();
    expect(await statuses(4, () => sms(address))).toEqual([200, 200, 200, 200]);
    const { retryAfter, limit } = await refused(await sms(address));
    expect(limit).toBe(12);
    expect(retryAfter).toBeGreaterThan(0);
    expect(retryAfter).toBeLessThanOrEqual(900);
    await stage.world.advance(retryAfter);
    expect((await sms(address)).status).toBe(200);
  });

  test("has its day's limit too, which tells when there is room, however empty the hour is", async () => {
    const address = freshAddress();
    const hourly = () => statuses(4, () => sms(address));
    // An hour gives four back, a day's limit five sixths of one.
    for (let hour = 0; hour < 6; hour += 1) {
      expect(await hourly(), `hour ${hour}`).toEqual([200, 200, 200, 200]);
      await stage.world.advance(3600);
    }
    expect(await hourly()).toEqual([200, 429, 429, 429]);
    const { retryAfter, limit } = await refused(await sms(address));
    expect(limit).toBe(60);
    // Three of sixty take 72 minutes to come back.
    expect(retryAfter).toBeGreaterThan(4300);
    expect(retryAfter).toBeLessThanOrEqual(4320);
    expect((await spoken()).at(-1)).toMatchObject({ reason: "client_address", retry_after: retryAfter });
    await stage.world.advance(retryAfter);
    expect((await sms(address)).status).toBe(200);
  });

  test("is named by the record of the refusal, with the rule and nothing that is secret", async () => {
    const address = freshAddress();
    await statuses(4, () => sms(address));
    const person = stage.person();
    await refused(await sms(address, person));
    const last = (await spoken()).at(-1);
    expect(last).toMatchObject({ event: "message_limit", reason: "client_address", enforced: true, factor: "sms" });
    expect(JSON.stringify(last)).not.toContain(address);
    expect(JSON.stringify(last)).not.toContain(person.number);
  });

  test("of a person whose codes come back has three times as many", async () => {
    const address = freshAddress();
    for (let index = 0; index < 9; index += 1) {
      const person = stage.person();
      const mfa_token = person.mfaToken();
      const { oob_code } = await accepted(await person.associateSms({ token: mfa_token, ...from(address) }));
      const binding_code = await stage.webhook.codeFor(person.number);
      await accepted(await person.exchange("oob", { mfa_token, oob_code, binding_code }));
    }
    expect((await sms(address)).status).toBe(200);
    await refused(await sms(address));
  });

  test("shares its prefix: the neighbours of a crowd wait with it", async () => {
    const prefix = `198.18.${(hosts += 1)}`;
    const asked = await statuses(11, (index) => sms(`${prefix}.${index}`));
    expect(asked).toEqual([...Array(10).fill(200), 429]);
    expect((await spoken()).at(-1)).toMatchObject({ reason: "address_prefix" });
    expect((await sms(freshAddress())).status).toBe(200);
  });

  test("is charged by challenges as by enrollments", async () => {
    const address = freshAddress();
    const people = [stage.person(), stage.person()];
    for (const person of people) await person.enrollSms();
    const challenge = () => people[0].challenge({ mfa_token: people[0].mfaToken() }, from(address));
    expect(await statuses(2, () => sms(address))).toEqual([200, 200]);
    expect(await statuses(2, challenge)).toEqual([200, 200]);
    await refused(await challenge());
    await refused(await sms(address));
  });

  test("and strangers who enroll a number do not keep its owner from their codes", async () => {
    const owner = stage.person();
    await owner.enrollSms();
    const stranger = () => sms(freshAddress(), Object.assign(stage.person(), { number: owner.number }));
    const asked = await statuses(12, stranger);
    expect(asked.at(-1)).toBe(429);
    const neighbour = Object.assign(stage.person(), { number: nextTo(owner.number) });
    expect((await sms(freshAddress(), neighbour)).status).toBe(429);
    const challenge = () => owner.challenge({ mfa_token: owner.mfaToken() }, from(freshAddress()));
    expect(await statuses(3, challenge)).toEqual([200, 200, 200]);
  });

  test("and strangers with numbers of the same range do not keep anybody from their codes", async () => {
    const owner = stage.person();
    await owner.enrollSms();
    const neighbour = stage.person();
    neighbour.number = nextTo(owner.number);
    await neighbour.enrollSms();
    const challenge = (person) => person.challenge({ mfa_token: person.mfaToken() }, from(freshAddress()));
    expect((await statuses(12, () => challenge(neighbour))).at(-1)).toBe(429);
    const unknown = Object.assign(stage.person(), { number: owner.number.replace(/..$/, "77") });
    expect((await sms(freshAddress(), unknown)).status).toBe(200);
    expect((await challenge(owner)).status).toBe(200);
  });

  test("of mail is counted apart from that of phones", async () => {
    const address = freshAddress();
    await statuses(4, () => sms(address));
    expect((await sms(address)).status).toBe(429);
    expect((await stage.person().associateEmail(from(address))).status).toBe(200);
  });

  test("is charged exactly by fifty at once over two isolates", async () => {
    const address = freshAddress();
    const people = Array.from({ length: 50 }, () => stage.person());
    const race = await atOnce(stage.world, 50, ENROLLMENT, (isolate, index) =>
      people[index].associateSms({ ...from(address), isolate }),
    );
    expect(race.tally).toEqual({ winners: 4, crashes: 0 });
    expect(race.statuses.filter((status) => status === 429)).toHaveLength(46);
  });

  test("of a back end does not count; what it says of whom it speaks for does, once it has authenticated", async () => {
    const client = await stage.addClient({ authentication: "post" });
    const address = freshAddress();
    const ask = (person, headers) =>
      person.associate(
        {
          authenticator_types: ["oob"],
          oob_channels: ["sms"],
          phone_number: person.number,
          client_id: client.id,
          client_secret: client.secret,
        },
        { headers },
      );
    const own = { "cf-connecting-ip": address };
    expect(await statuses(6, () => ask(stage.person({ client }), own))).toEqual(Array(6).fill(200));
    const visitor = { ...own, "auth0-forwarded-for": freshAddress() };
    expect(await statuses(5, () => ask(stage.person({ client }), visitor))).toEqual([200, 200, 200, 200, 429]);

    // Many SDKs leave the credentials out. Such a back end speaks for nobody, and its own address is that of all its users.
    const bare = () => stage.person({ client }).associateSms({ headers: visitor });
    expect(await statuses(6, bare)).toEqual(Array(6).fill(200));
  });
});

describe("a network", () => {
  // A stage of its own, and numbers all over the world: here no region shall close.
  const abroad = useStage({ vars: { SENDING_LIMITS: JSON.stringify(LIMITS) } });
  const PREFIXES = ["+49151", "+43664", "+41791", "+31612", "+46701", "+47912", "+45201", "+358401"];
  let travellers = 0;
  const traveller = () => {
    const person = abroad.person();
    travellers += 1;
    person.number = PREFIXES[travellers % PREFIXES.length] + person.number.slice(-6);
    return person;
  };
  const ask = (asn, person = traveller()) => person.associateSms({ ...from(freshAddress()), cf: { asn } });

  /** What nobody has taken is not judged. */
  const taken = (asn, count) =>
    until(`${count} messages from ${asn} are sent`, async () => {
      const sql = "SELECT id FROM deliveries WHERE network = ? AND state = 'sent'";
      return (await abroad.world.rows(sql, String(asn))).length === count;
    });

  test("whose messages nobody has taken is not judged by them", async () => {
    const { world, webhook } = abroad;
    const asn = 64_520;
    webhook.next(...Array(6).fill(422));
    expect(await statuses(6, () => ask(asn))).toEqual(Array(6).fill(200));
    const failed = "SELECT id FROM deliveries WHERE network = ? AND state = 'failed'";
    await until("all have failed", async () => (await world.rows(failed, String(asn))).length === 6);
    await world.advance(301);
    await world.sweep();
    expect((await ask(asn)).status).toBe(200);
  });

  test("whose codes never come back is closed by the sweep, for a while, and others are not", async () => {
    const { world } = abroad;
    const asn = 64_500;
    expect(await statuses(5, () => ask(asn))).toEqual(Array(5).fill(200));
    await taken(asn, 5);
    await world.advance(301);
    await world.sweep();
    const { retryAfter } = await refusedFor429(await ask(asn), TOO_MANY, { now: world.now() });
    expect(retryAfter).toBeLessThanOrEqual(600);
    expect((await spoken(world)).at(-1)).toMatchObject({ reason: "network", network: asn });
    expect((await ask(64_501)).status).toBe(200);
    expect((await abroad.person().associateOtp({ cf: { asn } })).status).toBe(200);
    await world.advance(601);
    expect((await ask(asn)).status).toBe(200);
  });

  test("whose codes come back stays open", async () => {
    const { world } = abroad;
    const asn = 64_510;
    for (let index = 0; index < 5; index += 1) {
      const person = traveller();
      const mfa_token = person.mfaToken();
      const options = { token: mfa_token, ...from(freshAddress()), cf: { asn } };
      const { oob_code } = await accepted(await person.associateSms(options));
      if (index > 0) continue;
      const binding_code = await abroad.webhook.codeFor(person.number);
      await accepted(await person.exchange("oob", { mfa_token, oob_code, binding_code }));
    }
    await taken(asn, 5);
    await world.advance(301);
    await world.sweep();
    expect((await ask(asn)).status).toBe(200);
  });
});

test("nothing tells whether a number is known: refusals are the same for both", async () => {
  const known = stage.person();
  await known.enrollSms();
  const address = freshAddress();
  await statuses(4, () => sms(address));
  const texts = [];
  for (const number of [known.number, freshNumber()]) {
    const person = stage.person();
    person.number = number;
    const { body } = await refused(await sms(address, person));
    texts.push(JSON.stringify(body));
  }
  expect(texts[0]).toBe(texts[1]);
});

describe("the shield before the counters", () => {
  const shielded = useStage({ shield: { limit: 2, period: 60 } });

  test("stops a flood from one address before the database is asked, and nobody else", async () => {
    // Miniflare counts by whole minutes of the machine's clock, and the three requests must be within one.
    const left = 60_000 - (Date.now() % 60_000);
    if (left < 3000) await new Promise((resolve) => setTimeout(resolve, left));
    const address = freshAddress();
    const ask = (from) => shielded.person().associateSms({ headers: { "cf-connecting-ip": from } });
    await accepted(await ask(address));
    await accepted(await ask(address));
    const { result, roundTrips } = await shielded.world.cost(() => ask(address));
    const text = "Too many requests. Check the X-RateLimit-Limit, X-RateLimit-Remaining and X-RateLimit-Reset headers.";
    const { retryAfter } = await refusedFor429(result, text, { now: shielded.world.now() });
    expect(retryAfter).toBe(60);
    expect(roundTrips).toEqual([]);
    await accepted(await ask(freshAddress()));
    const apps = shielded.person().associateOtp({ headers: { "cf-connecting-ip": address } });
    await accepted(await apps);
  });

  test.each([
    ["hangs", "hang"],
    ["fails", "before"],
  ])("keeps nobody from a code where it %s", async (_, mode) => {
    const { world } = shielded;
    const address = freshAddress();
    await world.fail({ on: "SHIELD", mode, times: 1e9, message: "on purpose" });
    const began = performance.now();
    for (let message = 0; message < 3; message += 1)
      await accepted(await shielded.person().associateSms({ headers: { "cf-connecting-ip": address } }));
    expect(performance.now() - began).toBeLessThan(15_000);
    await world.heal();
  });
});

describe("where the limits are only recorded", () => {
  const trial = useStage({ vars: { SENDING_LIMITS: JSON.stringify({ ...LIMITS, mode: "record_only" }) } });

  test("nobody is refused for them, and the log says who would have been", async () => {
    const address = freshAddress();
    const ask = () => trial.person().associateSms(from(address));
    expect(await statuses(6, ask)).toEqual(Array(6).fill(200));
    const logged = (await trial.world.logLines()).filter((line) => line.includes('"message_limit"'));
    const lines = [...new Set(logged.map((line) => line.slice(line.indexOf("{"))))];
    expect(lines).toHaveLength(2);
    for (const line of lines) expect(line).toMatch(/"reason":"client_address","enforced":false/);
  });

  test("users and numbers are held to theirs all the same", async () => {
    const person = trial.person();
    const all = await statuses(11, () => person.associateSms());
    expect(all.filter((status) => status === 429)).toHaveLength(1);
  });
});
