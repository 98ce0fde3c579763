/** `Idempotency-Key`: a request that is sent again gets the answer that it got, and nothing is made or sent twice. */
import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { accepted, refused } from "../support/answers.mjs";
import { signed, signingPair } from "../support/jwt.mjs";
import { until } from "../support/poll.mjs";
import { atOnce, CHALLENGE, ENROLLMENT } from "../support/race.mjs";
import { useStage } from "../support/stage.mjs";
import { totp } from "../support/totp.mjs";
import { ISSUER } from "../support/worker.mjs";

const stage = useStage({ isolates: 2 });

const keyed = (key, rest = {}) => ({ headers: { "idempotency-key": key }, ...rest });
const replayed = (response) => response.headers.get("idempotent-replayed");
const count = async (table, person) => {
  const [{ n }] = await stage.world.rows(`SELECT COUNT(*) AS n FROM ${table} WHERE user_id = ?`, `idp|${person.sub}`);
  return n;
};
/** Both answers, byte for byte the same, the second marked as a repetition. */
async function sameTwice(first, second) {
  expect(first.status).toBe(200);
  expect(second.status).toBe(200);
  expect(replayed(first)).toBe(null);
  expect(replayed(second)).toBe("true");
  const text = await first.text();
  expect(await second.text()).toBe(text);
  return JSON.parse(text);
}

describe("associate", () => {
  test("sent twice with one key makes one app, with one secret and one recovery code", async () => {
    const person = stage.person();
    const options = keyed(randomUUID(), { token: person.mfaToken() });
    const answer = await sameTwice(await person.associateOtp(options), await person.associateOtp(options));
    expect(answer.recovery_codes).toHaveLength(1);
    expect(await count("enrollments", person)).toBe(1);
  });

  test("sent twice with one key sends one message, and its code confirms", async () => {
    const person = stage.person();
    const mfa_token = person.mfaToken();
    const options = keyed(randomUUID(), { token: mfa_token });
    const { oob_code } = await sameTwice(await person.associateSms(options), await person.associateSms(options));
    const binding_code = await stage.webhook.codeFor(person.number);
    await accepted(await person.exchange("oob", { mfa_token, oob_code, binding_code }));
    expect(stage.webhook.messagesTo(person.number)).toHaveLength(1);
  });

  test("repeats no recovery code that was not given", async () => {
    const person = stage.person();
    await person.enrollOtp();
    const options = keyed(randomUUID(), { token: person.provenToken() });
    const answer = await sameTwice(await person.associateOtp(options), await person.associateOtp(options));
    expect(answer).not.toHaveProperty("recovery_codes");
  });

  test("with the key of another request is 422, and nothing is made", async () => {
    const person = stage.person();
    const options = keyed(randomUUID(), { token: person.mfaToken() });
    await accepted(await person.associateOtp(options));
    const text = "This Idempotency-Key was used with other parameters.";
    await refused(await person.associateSms(options), 422, "idempotency_key_reused", text);
    expect(await count("enrollments", person)).toBe(1);
    expect(stage.webhook.messagesTo(person.number)).toEqual([]);
  });

  test("with parameters in another order is the same request", async () => {
    const person = stage.person();
    const options = keyed(randomUUID(), { token: person.mfaToken() });
    const body = { authenticator_types: ["oob"], oob_channels: ["sms"], phone_number: person.number };
    const reordered = Object.fromEntries(Object.entries(body).reverse());
    await sameTwice(await person.associate(body, options), await person.associate(reordered, options));
  });

  test("fifty times at once with one key makes one enrollment, sends one message and gives fifty equal answers", async () => {
    const person = stage.person();
    const token = person.mfaToken();
    const headers = { "idempotency-key": randomUUID() };
    const race = await atOnce(stage.world, 50, ENROLLMENT, (isolate) => person.associateSms({ token, headers, isolate }));
    expect(race.tally).toEqual({ winners: 50, crashes: 0 });
    const texts = await Promise.all(race.responses.map((response) => response.text()));
    expect(new Set(texts).size).toBe(1);
    expect(race.responses.filter((response) => replayed(response) === null)).toHaveLength(1);
    expect(await count("enrollments", person)).toBe(1);
    await until("the message is there", () => stage.webhook.messagesTo(person.number).length > 0);
    expect(stage.webhook.messagesTo(person.number)).toHaveLength(1);
  });

  test("is scoped to the login: another mfa_token with the same key adds another", async () => {
    const person = stage.person();
    const key = randomUUID();
    const one = await accepted(await person.associateOtp(keyed(key)));
    const other = await accepted(
      await person.associateOtp(keyed(key, { token: person.mfaToken({ iat: stage.world.now() - 1 }) })),
    );
    expect(other.secret).not.toBe(one.secret);
  });

  test("is scoped to the user: somebody else's key is no key", async () => {
    const key = randomUUID();
    const one = await accepted(await stage.person().associateOtp(keyed(key)));
    const other = await accepted(await stage.person().associateOtp(keyed(key)));
    expect(other.secret).not.toBe(one.secret);
  });

  test("of a client that signs assertions may be sent again with a fresh one", async () => {
    const pair = signingPair("ES256", "app-1");
    const client = await stage.addClient({ authentication: "private_key_jwt", jwks: { keys: [pair.jwk] } });
    const person = stage.person({ client });
    const options = keyed(randomUUID(), { token: person.mfaToken() });
    const now = stage.world.now();
    const claims = () => ({ iss: client.id, sub: client.id, aud: ISSUER, iat: now, exp: now + 120, jti: randomUUID() });
    const body = () => ({
      authenticator_types: ["otp"],
      client_id: client.id,
      client_assertion: signed({ alg: "ES256", kid: "app-1" }, claims(), pair.privateKey),
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    });
    await sameTwice(await person.associate(body(), options), await person.associate(body(), options));
  });

  test("that was refused is done afresh", async () => {
    const person = stage.person();
    const options = keyed(randomUUID(), { token: person.mfaToken() });
    await stage.world.fail({ on: "DB", times: 1, matching: ENROLLMENT });
    expect((await person.associateOtp(options)).status).toBe(503);
    await stage.world.heal();
    const response = await person.associateOtp(options);
    expect(replayed(response)).toBe(null);
    await accepted(response);
  });

  test("whose enrollment was stored while the answer was lost is answered when it comes again", async () => {
    const person = stage.person();
    const options = keyed(randomUUID(), { token: person.mfaToken() });
    await stage.world.fail({ on: "DB", times: 1, matching: ENROLLMENT, mode: "after" });
    expect((await person.associateOtp(options)).status).toBe(503);
    await stage.world.heal();
    const response = await person.associateOtp(options);
    expect(replayed(response)).toBe("true");
    expect(await accepted(response)).toHaveProperty("recovery_codes");
    expect(await count("enrollments", person)).toBe(1);
  });

  test("is repeated as long as its token lives, and to nobody with another token", async () => {
    const person = stage.person();
    const token = person.accessToken({ exp: stage.world.now() + 600 });
    const options = keyed(randomUUID(), { token });
    const first = await accepted(await person.associateOtp(options));
    await stage.world.advance(590);
    const still = await accepted(await person.associateOtp(options));
    expect(still.secret).toBe(first.secret);
    const other = await person.associateOtp({ ...options, token: person.accessToken() });
    expect(replayed(other)).toBe(null);
    expect((await accepted(other)).secret).not.toBe(first.secret);
  });

  test("is repeated for as long as its code lives, and acts anew after that, swept or not", async () => {
    const { world } = stage;
    const person = stage.person();
    const headers = { "idempotency-key": randomUUID() };
    const token = person.mfaToken();
    const first = await accepted(await person.associateSms({ token, headers }));
    await world.advance(299);
    const again = await person.associateSms({ token, headers });
    expect(replayed(again)).toBe("true");
    expect((await accepted(again)).id).toBe(first.id);
    await world.advance(1);
    const anew = await person.associateSms({ token, headers });
    expect(replayed(anew)).toBe(null);
    expect((await accepted(anew)).id).not.toBe(first.id);
  });

  test("is forgotten after ten minutes, though its enrollment waits", async () => {
    const { world } = stage;
    const { id } = await accepted(await stage.person().associateOtp(keyed(randomUUID())));
    const kept = () => world.rows("SELECT answer_key, answer FROM enrollments WHERE id = ?", id);
    await world.advance(599);
    await world.sweep();
    expect(await kept()).toEqual([{ answer_key: expect.any(String), answer: expect.any(String) }]);
    await world.advance(1);
    await world.sweep();
    expect(await kept()).toEqual([{ answer_key: null, answer: null }]);
  });

  test("is forgotten when the enrollment is confirmed", async () => {
    const { world } = stage;
    const person = stage.person();
    const options = keyed(randomUUID(), { token: person.mfaToken() });
    const { id, secret } = await accepted(await person.associateOtp(options));
    const kept = () => world.rows("SELECT answer FROM enrollments WHERE id = ? AND answer IS NOT NULL", id);
    expect(await kept()).toHaveLength(1);
    await accepted(await person.exchange("otp", { mfa_token: options.token, otp: totp(secret, world.now()) }));
    expect(await kept()).toEqual([]);
    await refused(await person.associateOtp(options), 401, "invalid_grant");
  });
});

describe("challenge", () => {
  test("sent twice with one key sends one code, and it lets in", async () => {
    const person = stage.person();
    await person.enrollSms();
    const mfa_token = person.mfaToken();
    const options = keyed(randomUUID());
    const { oob_code } = await sameTwice(
      await person.challenge({ mfa_token }, options),
      await person.challenge({ mfa_token }, options),
    );
    const binding_code = await stage.webhook.codeFor(person.number, { count: 2 });
    await accepted(await person.exchange("oob", { mfa_token, oob_code, binding_code }));
    expect(stage.webhook.messagesTo(person.number)).toHaveLength(2);
  });

  test("fifty times at once with one key sends one code and gives fifty equal answers", async () => {
    const person = stage.person();
    await person.enrollSms();
    const parameters = { mfa_token: person.mfaToken() };
    const headers = { "idempotency-key": randomUUID() };
    const race = await atOnce(stage.world, 50, CHALLENGE, (isolate) => person.challenge(parameters, { headers, isolate }));
    expect(race.tally).toEqual({ winners: 50, crashes: 0 });
    const texts = await Promise.all(race.responses.map((response) => response.text()));
    expect(new Set(texts).size).toBe(1);
    await until("the code is there", () => stage.webhook.messagesTo(person.number).length > 1);
    expect(stage.webhook.messagesTo(person.number)).toHaveLength(2);
  });

  test("with the key of another request is 422, also where the first one asked for the app's code", async () => {
    const person = stage.person();
    await person.enrollOtp();
    const mfa_token = person.mfaToken();
    const options = keyed(randomUUID());
    const first = await person.challenge({ mfa_token, challenge_type: "otp" }, options);
    const second = await person.challenge({ mfa_token, challenge_type: "otp" }, options);
    await sameTwice(first, second);
    await refused(await person.challenge({ mfa_token, challenge_type: "oob" }, options), 422, "idempotency_key_reused");
  });

  test("with a key that an enrollment used in the same login is a request of its own", async () => {
    const person = stage.person();
    const mfa_token = person.mfaToken();
    const key = randomUUID();
    const { secret } = await accepted(await person.associateOtp(keyed(key, { token: mfa_token })));
    expect(secret).toBeTruthy();
    await refused(await person.challenge({ mfa_token }, keyed(key)), 400, "association_required");
  });
});

describe("the header", () => {
  test.each([
    ["a quoted string is the text in it", (key) => `"${key}"`],
    ["spaces around it do not count", (key) => `  ${key} `],
  ])("%s", async (_, other) => {
    const person = stage.person();
    const token = person.mfaToken();
    const key = randomUUID();
    await sameTwice(await person.associateOtp(keyed(key, { token })), await person.associateOtp(keyed(other(key), { token })));
  });

  test.each([
    ["too long", "x".repeat(256)],
    ["not ASCII", "schl\u00fcssel"],
    ["two words", "one two"],
    ["an empty string", '""'],
    ["half quoted", '"one'],
  ])("that is %s is 400, and nothing is made", async (_, key) => {
    const person = stage.person();
    const text = "Idempotency-Key must be 1 to 255 visible ASCII characters.";
    await refused(await person.associateOtp(keyed(key)), 400, "invalid_request", text);
    expect(await count("enrollments", person)).toBe(0);
  });

  test("of 255 characters is taken", async () => {
    await accepted(await stage.person().associateOtp(keyed("x".repeat(255))));
  });
});

test("a kept answer is sealed, and swept when it is not repeated any more", async () => {
  const { world } = stage;
  const key = randomUUID();
  const { id, secret, recovery_codes } = await accepted(await stage.person().associateOtp(keyed(key)));
  const person = stage.person();
  await person.enrollOtp();
  await accepted(await person.challenge({ challenge_type: "otp" }, keyed(key)));
  const [{ answer, answer_key }] = await world.rows("SELECT answer, answer_key FROM enrollments WHERE id = ?", id);
  const kept = await world.rows("SELECT * FROM idempotent_answers");
  expect(answer).toMatch(/^s1\./);
  expect(kept.length).toBeGreaterThan(0);
  const dump = JSON.stringify([answer, answer_key, kept]);
  for (const text of [secret, recovery_codes[0], key]) expect(dump).not.toContain(text);
  await world.advance(601);
  await world.sweep();
  expect(await world.rows("SELECT key FROM idempotent_answers")).toEqual([]);
  expect(await world.rows("SELECT id FROM enrollments WHERE answer IS NOT NULL")).toEqual([]);
});
