/** Fifty requests at once against each limit, over two isolates, that meet where the limit is kept. */
import { expect, test } from "vitest";
import { accepted, refused } from "../support/answers.mjs";
import { signed, signingPair } from "../support/jwt.mjs";
import { random } from "../support/person.mjs";
import { CHARGE, ENROLLMENT, REDEMPTION, atOnce } from "../support/race.mjs";
import { useStage } from "../support/stage.mjs";
import { totp } from "../support/totp.mjs";
import { ISSUER } from "../support/worker.mjs";

const FIFTY = 50;
const stage = useStage({ isolates: 2 });
const now = () => stage.world.now();
const userId = (person) => `idp|${person.sub}`;
const count = async (table, person) =>
  (await stage.world.rows(`SELECT COUNT(*) AS n FROM ${table} WHERE user_id = ?`, userId(person)))[0].n;
const tallied = (statuses) =>
  Object.fromEntries([...new Set(statuses)].map((each) => [each, statuses.filter((one) => one === each).length]));

test("fifty wrong recovery codes at once: ten are compared, the others find none left", async () => {
  const person = stage.person();
  const { recoveryCode } = await person.enrollOtp();
  await stage.world.freeze();
  const { statuses } = await atOnce(stage.world, FIFTY, CHARGE, (isolate) =>
    person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code: "A".repeat(24) }, { isolate }),
  );
  expect(tallied(statuses)).toEqual({ 403: 10, 429: 40 });
  const late = () => person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code: recoveryCode });
  expect((await late()).status).toBe(429);
  await stage.world.advance(360);
  await accepted(await late());
  await stage.world.thaw();
});

test("fifty enrollments at once leave ten, and the owner's next one works", async () => {
  const person = stage.person();
  const { tally } = await atOnce(stage.world, FIFTY, ENROLLMENT, (isolate) => person.associateOtp({ isolate }));
  expect(tally).toEqual({ winners: FIFTY, crashes: 0 });
  expect(await count("enrollments", person)).toBe(10);
  await person.enrollOtp();
  expect(await count("authenticators", person)).toBe(1);
});

test("fifty enrollments at once beside nineteen factors, and all that are left confirmed at once: twenty", async () => {
  const person = stage.person();
  await person.enrollOtp();
  await stage.world.advance(2);
  for (let index = 1; index < 19; index += 1) await person.enrollOtp({ token: person.provenToken() });
  expect(await count("authenticators", person)).toBe(19);
  const { responses, tally } = await atOnce(stage.world, FIFTY, ENROLLMENT, (isolate) =>
    person.associateOtp({ token: person.provenToken(), isolate }),
  );
  expect(tally).toEqual({ winners: FIFTY, crashes: 0 });
  const left = await stage.world.rows("SELECT id FROM enrollments WHERE user_id = ?", userId(person));
  const begun = await Promise.all(responses.map((response) => response.json()));
  const secrets = begun.filter(({ id }) => left.some((row) => row.id === id)).map(({ secret }) => secret);
  expect(secrets).toHaveLength(10);
  const confirmed = await atOnce(stage.world, secrets.length, REDEMPTION, (isolate, index) =>
    person.exchange("otp", { mfa_token: person.mfaToken(), otp: totp(secrets[index], now()) }, { isolate }),
  );
  expect(confirmed.tally).toEqual({ winners: 1, crashes: 0 });
  expect(await count("authenticators", person)).toBe(20);
});

test.each([
  ["their guesses are charged", CHARGE],
  ["they consume", REDEMPTION],
])("fifty exchanges of one login with one code at once, where %s: one of them", async (_, at) => {
  const person = stage.person();
  const { secret } = await person.enrollOtp();
  await stage.world.advance(90);
  const grant = { mfa_token: person.mfaToken(), otp: totp(secret, now()) };
  const { tally, statuses } = await atOnce(stage.world, FIFTY, at, (isolate) => person.exchange("otp", grant, { isolate }));
  expect(tally).toEqual({ winners: 1, crashes: 0 });
  expect(statuses.filter((status) => ![200, 403, 429].includes(status))).toEqual([]);
  await refused(await person.exchange("otp", grant), 403, "invalid_grant", "mfa_token has already been used");
});

test("fifty logins with one recovery code at once: one of them, and one next code", async () => {
  const person = stage.person();
  const { recoveryCode } = await person.enrollOtp();
  await stage.world.advance(90);
  const { tally, responses } = await atOnce(stage.world, FIFTY, CHARGE, (isolate) =>
    person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code: recoveryCode }, { isolate }),
  );
  expect(tally).toEqual({ winners: 1, crashes: 0 });
  const { recovery_code } = await accepted(responses.find(({ status }) => status === 200));
  await stage.world.advance(3600);
  await accepted(await person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code }));
});

test("fifty requests with one assertion at once: one client", async () => {
  const pair = signingPair("ES256", "app-1");
  const client = await stage.addClient({ authentication: "private_key_jwt", jwks: { keys: [pair.jwk] } });
  const person = stage.person({ client });
  const claims = { iss: client.id, sub: client.id, aud: ISSUER, iat: now(), exp: now() + 120, jti: random() };
  const client_assertion = signed({ alg: "ES256", kid: "app-1" }, claims, pair.privateKey);
  const client_assertion_type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
  const { statuses } = await atOnce(stage.world, FIFTY, "INSERT INTO client_assertions", (isolate) =>
    person.challenge({ client_assertion, client_assertion_type }, { isolate }),
  );
  expect(tallied(statuses)).toEqual({ 400: 1, 401: 49 });
});

test("fifty codes asked for by fifty strangers to one number at once are as many as one stranger's", async () => {
  const { number } = stage.person();
  await stage.world.freeze();
  const { statuses } = await atOnce(stage.world, FIFTY, ENROLLMENT, (isolate) => {
    const stranger = stage.person();
    stranger.number = number;
    return stranger.associateSms({ isolate });
  });
  expect(tallied(statuses)).toEqual({ 200: 10, 429: 40 });
  await stage.world.delivered();
  expect(stage.webhook.messagesTo(number)).toHaveLength(10);
  await stage.world.thaw();
});

test("fifty guesses of ten strangers at codes to one number at once are as many as one stranger's", async () => {
  const { number } = stage.person();
  const strangers = Array.from({ length: 10 }, () => Object.assign(stage.person(), { number }));
  const sent = [];
  for (const stranger of strangers) sent.push(await accepted(await stranger.associateSms()));
  await stage.world.freeze();
  const { statuses } = await atOnce(stage.world, FIFTY, CHARGE, (isolate, index) => {
    const stranger = strangers[index % 10];
    const parameters = { mfa_token: stranger.mfaToken(), oob_code: sent[index % 10].oob_code, binding_code: "abcdef" };
    return stranger.exchange("oob", parameters, { isolate });
  });
  expect(tallied(statuses)).toEqual({ 403: 10, 429: 40 });
  const [{ tries }] = await stage.world.rows(
    `SELECT SUM(attempts) AS tries FROM enrollments WHERE user_id IN (${strangers.map((one) => `'${userId(one)}'`)})`,
  );
  expect(tries).toBe(10);
  await stage.world.thaw();
});
