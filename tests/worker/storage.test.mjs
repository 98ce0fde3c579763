/** What is at rest: nothing readable, nothing that can be moved, nothing lost by a crash, nothing kept too long. */
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { accepted } from "../support/answers.mjs";
import { signed, signingPair } from "../support/jwt.mjs";
import { random } from "../support/person.mjs";
import { useStage } from "../support/stage.mjs";
import { STEP_SECONDS, base32Decode, base32Encode, totp } from "../support/totp.mjs";
import { ISSUER } from "../support/worker.mjs";

const persist = await mkdtemp(join(tmpdir(), "countersign-storage-"));
afterAll(() => rm(persist, { recursive: true, force: true }));
const stage = useStage({ isolates: 2, persist, exports: true });

const userId = (person) => `idp|${person.sub}`;

/** Every way in which a stored string may hold bytes: itself, and what it is in base64, base64url, hex and base32. */
function readings(text) {
  const decoded = [Buffer.from(text)];
  for (const word of text.match(/[A-Za-z0-9+/_-]{8,}/g) ?? []) {
    decoded.push(Buffer.from(word, "base64"));
    if (/^([0-9a-f]{2})+$/i.test(word)) decoded.push(Buffer.from(word, "hex"));
    if (/^[A-Z2-7]+$/.test(word)) decoded.push(base32Decode(word));
  }
  return decoded;
}

/** What must not be found for `secret`: its text, its bytes if it is base32, and its plain SHA-256 in the usual spellings. */
function traces(secret) {
  const hash = createHash("sha256").update(secret);
  const digest = hash.digest();
  const spelled = [secret, secret.toLowerCase(), secret.toUpperCase(), encodeURIComponent(secret)].map((text) =>
    Buffer.from(text),
  );
  const bytes = /^[A-Z2-7]{32}$/.test(secret) ? [base32Decode(secret)] : [];
  return [...spelled, ...bytes, digest, Buffer.from(digest.toString("hex")), Buffer.from(base32Encode(digest))];
}

/** Whether `bytes` occur in `reading`; six digits only as a word of their own, or every long number would hold some. */
function occurs(bytes, reading) {
  if (!/^[0-9]{6}$/.test(bytes.toString("latin1"))) return reading.includes(bytes);
  return new RegExp(`(?<![0-9A-Za-z_-])${bytes}(?![0-9A-Za-z_-])`).test(reading.toString("latin1"));
}

test("a dump after a full run holds no secret, code, recovery code, token, number or address that occurred", async () => {
  const { world, webhook } = stage;
  const secrets = {};
  const keep = (what, ...values) => {
    for (const [index, value] of values.flat().entries()) if (value) secrets[`${what} ${index}`] = value;
  };
  const client = await stage.addClient({ authentication: "post" });
  const person = stage.person({
    client,
    claims: { email: `ann-${random()}@mail.example.com`, email_verified: true, name: `Ann ${random()}` },
  });
  keep("claim", person.claims.email, person.claims.name);

  // Every kind of enrollment, confirmed, left pending, guessed wrong and refused.
  const first = person.mfaToken({ scope: "openid read:things" });
  const app = await person.enrollOtp({ token: first });
  keep("mfa_token", first);
  keep("app", app.secret, app.recoveryCode, app.enrollment.barcode_uri);
  keep("one-time password", app.otp);
  keep("tokens", app.tokens.access_token, app.tokens.id_token);
  await world.advance(STEP_SECONDS);
  for (const channel of ["sms", "voice"]) {
    const body = { authenticator_types: ["oob"], oob_channels: [channel], phone_number: person.number };
    const token = person.provenToken();
    const before = webhook.messagesTo(person.number).length;
    const { oob_code } = await accepted(await person.associate(body, { token }));
    const binding_code = await webhook.codeFor(person.number, { count: before + 1 });
    await accepted(await person.exchange("oob", { mfa_token: token, oob_code, binding_code }));
    keep(channel, token, oob_code, binding_code);
  }
  keep("number", person.number, person.number.slice(1));
  const pending = stage.person();
  const phone = await accepted(await pending.associateSms());
  const mail = await accepted(await pending.associateEmail());
  const other = await accepted(await pending.associateOtp());
  keep("pending", phone.oob_code, mail.oob_code, other.secret, ...[phone, mail, other].flatMap((body) => body.recovery_codes));
  keep("pending address", pending.number, pending.email);
  keep("pending code", await webhook.codeFor(pending.number), await webhook.codeFor(pending.email));
  const recovery = person.mfaToken();
  const next = await accepted(await person.exchange("recovery", { mfa_token: recovery, recovery_code: app.recoveryCode }));
  keep("recovery", recovery, next.recovery_code, next.access_token);
  keep("guess", "918273", "RECOVERYGUESSAAAAAAAAAAA");
  await person.exchange("otp", { mfa_token: person.mfaToken(), otp: "918273" });
  await person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code: "RECOVERYGUESSAAAAAAAAAAA" });
  // One that cannot be sent for now, one that the provider refuses, one whose storage breaks, and one the queue refuses.
  const unlucky = stage.person();
  webhook.next(400);
  keep("unlucky", (await accepted(await unlucky.associateSms())).oob_code, unlucky.number);
  await world.delivered();
  await world.fail({ on: "OOB_QUEUE", times: 1 });
  const stuck = stage.person();
  keep("stuck", (await accepted(await stuck.associateSms())).oob_code, stuck.number);
  await world.settle();
  await world.fail({ on: "DB", times: 3 });
  await unlucky.associateSms();
  await world.heal();
  keep(
    "configuration",
    world.secrets.signing.d,
    world.secrets.encryption.seal.keys.s1,
    world.secrets.encryption.hash.keys.h1,
    world.secrets.webhook,
    client.secret,
  );

  const stored = await world.dump();
  const FILLED = ["authenticators", "budgets", "deliveries", "enrollments", "message_budgets", "recovery_codes"];
  for (const table of [...FILLED, "redemptions"]) expect(stored[table]?.length, table).toBeGreaterThan(0);
  const places = {
    ...Object.fromEntries(Object.entries(stored).map(([table, rows]) => [`table ${table}`, rows.flatMap(Object.values)])),
    queue: await world.queued(),
    log: await world.logLines(),
    events: await world.exported(),
    metrics: await world.points(),
    KV: await Promise.all((await world.kv.list()).keys.map(async ({ name }) => `${name} ${await world.kv.get(name)}`)),
  };
  for (const place of ["queue", "log", "events", "metrics"]) expect(places[place].length, place).toBeGreaterThan(0);
  const found = [];
  for (const [place, values] of Object.entries(places)) {
    const seen = values
      .filter((value) => value !== null)
      .flatMap((value) => readings(typeof value === "string" ? value : JSON.stringify(value)));
    for (const [what, secret] of Object.entries(secrets)) {
      // A client's secret is 256 random bits, so its plain SHA-256 is what the registry keeps.
      const looked = secret === client.secret ? [Buffer.from(secret)] : traces(secret);
      if (looked.some((bytes) => seen.some((reading) => occurs(bytes, reading)))) found.push(`${what} in ${place}`);
    }
  }
  expect(Object.keys(secrets).length).toBeGreaterThan(30);
  expect(found).toEqual([]);
});

describe("sealed columns", () => {
  test("equal plaintexts differ, in one row's life and between rows", async () => {
    const { world } = stage;
    const number = stage.person().number;
    const sealed = [];
    for (let count = 0; count < 4; count += 1) {
      const person = stage.person();
      person.number = number;
      const { id } = await person.enrollSms();
      sealed.push(...(await world.rows("SELECT sealed FROM authenticators WHERE id = ?", id)).map((row) => row.sealed));
    }
    expect(sealed).toHaveLength(4);
    expect(new Set(sealed).size).toBe(4);
    const parts = sealed.map((text) => text.split(/[.:]/).at(-1).slice(-16));
    expect(new Set(parts).size).toBe(4);
  });

  test("swapped between two people's authenticators open for neither", async () => {
    const { world } = stage;
    const [one, two] = [stage.person(), stage.person()];
    const secrets = [(await one.enrollOtp()).secret, (await two.enrollOtp()).secret];
    await swap("authenticators", one, two);
    await world.advance(3 * STEP_SECONDS);
    for (const person of [one, two]) {
      for (const secret of secrets) {
        const response = await person.exchange("otp", { mfa_token: person.mfaToken(), otp: totp(secret, world.now()) });
        expect(response.status).toBeGreaterThanOrEqual(400);
        expect(await response.text()).not.toContain("access_token");
      }
    }
    await swap("authenticators", one, two);
    for (const [index, person] of [one, two].entries()) {
      await accepted(await person.exchange("otp", { mfa_token: person.mfaToken(), otp: totp(secrets[index], world.now()) }));
    }
  });

  test("swapped between two people's enrollments confirm neither", async () => {
    const { world } = stage;
    const [one, two] = [stage.person(), stage.person()];
    const tokens = [one.mfaToken(), two.mfaToken()];
    const secrets = [];
    for (const [index, person] of [one, two].entries())
      secrets.push((await accepted(await person.associateOtp({ token: tokens[index] }))).secret);
    await swap("enrollments", one, two);
    for (const [index, person] of [one, two].entries()) {
      for (const secret of secrets) {
        const response = await person.exchange("otp", { mfa_token: tokens[index], otp: totp(secret, world.now()) });
        expect(response.status).toBeGreaterThanOrEqual(400);
      }
    }
    expect(await world.rows("SELECT id FROM authenticators WHERE user_id IN (?, ?)", userId(one), userId(two))).toEqual([]);
  });

  test("swapped between two deliveries send no code to anybody else", async () => {
    const { world, webhook } = stage;
    const [one, two] = [stage.person(), stage.person()];
    await world.fail({ on: "OOB_QUEUE", times: 2 });
    const owners = [];
    for (const person of [one, two]) owners.push((await accepted(await person.associateSms())).id);
    await world.settle();
    await world.heal();
    const waiting = "SELECT id, sealed FROM deliveries WHERE state = 'waiting' AND owner IN (?, ?)";
    const [a, b] = await world.rows(waiting, ...owners);
    await world.rows("UPDATE deliveries SET sealed = ? WHERE id = ?", b.sealed, a.id);
    await world.rows("UPDATE deliveries SET sealed = ? WHERE id = ?", a.sealed, b.id);
    await world.deliver([a.id, b.id].map((id) => id));
    await world.advance(60);
    await world.sweep();
    expect([...webhook.messagesTo(one.number), ...webhook.messagesTo(two.number)]).toEqual([]);
  });

  async function swap(table, one, two) {
    const sealed = async (person) =>
      (await stage.world.rows(`SELECT id, sealed FROM ${table} WHERE user_id = ?`, userId(person)))[0];
    const [a, b] = [await sealed(one), await sealed(two)];
    await stage.world.rows(`UPDATE ${table} SET sealed = ? WHERE id = ?`, b.sealed, a.id);
    await stage.world.rows(`UPDATE ${table} SET sealed = ? WHERE id = ?`, a.sealed, b.id);
  }
});

test("kill and restart keeps what was acknowledged", async () => {
  const { world, webhook } = stage;
  const [confirmed, begun, waiting] = [stage.person(), stage.person(), stage.person()];
  const { secret, recoveryCode } = await confirmed.enrollOtp();
  const spent = confirmed.mfaToken();
  await world.advance(STEP_SECONDS);
  const used = totp(secret, world.now());
  await accepted(await confirmed.exchange("otp", { mfa_token: spent, otp: used }));
  for (let guess = 0; guess < 4; guess += 1) await confirmed.exchange("otp", { mfa_token: confirmed.mfaToken(), otp: "abcdef" });
  const token = begun.mfaToken();
  const enrollment = await accepted(await begun.associateOtp({ token }));
  await world.fail({ on: "OOB_QUEUE", times: 1 });
  const phone = await accepted(await waiting.associateSms());
  await world.settle();

  await world.restart();
  const invalid = await confirmed.exchange("otp", { mfa_token: confirmed.mfaToken(), otp: used });
  expect(invalid.status).toBe(403);
  expect((await confirmed.exchange("otp", { mfa_token: spent, otp: totp(secret, world.now()) })).status).toBe(403);
  for (let guess = 0; guess < 5; guess += 1) await confirmed.exchange("otp", { mfa_token: confirmed.mfaToken(), otp: "abcdef" });
  expect((await confirmed.exchange("otp", { mfa_token: confirmed.mfaToken(), otp: "abcdef" })).status).toBe(429);
  await accepted(await confirmed.exchange("recovery", { mfa_token: confirmed.mfaToken(), recovery_code: recoveryCode }));
  await accepted(await begun.exchange("otp", { mfa_token: token, otp: totp(enrollment.secret, world.now()) }));
  expect(webhook.messagesTo(waiting.number)).toEqual([]);
  await world.advance(60);
  await world.sweep();
  const binding_code = await webhook.codeFor(waiting.number);
  await accepted(await waiting.exchange("oob", { mfa_token: waiting.mfaToken(), oob_code: phone.oob_code, binding_code }));
  expect(webhook.messagesTo(waiting.number)).toHaveLength(1);
});

describe("the sweep", () => {
  const EXPIRING = ["budgets", "client_assertions", "deliveries", "enrollments", "message_budgets", "redemptions"];

  test("deletes what has expired and nothing else", async () => {
    const { world } = stage;
    const pair = signingPair("RS256", "key-1");
    const client = await stage.addClient({ authentication: "private_key_jwt", jwks: { keys: [pair.jwk] } });
    const claims = { iss: client.id, sub: client.id, aud: ISSUER, exp: world.now() + 120, jti: random() };
    const assertion = signed({ alg: "RS256", kid: "key-1" }, claims, pair.privateKey);
    const client_assertion_type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    const body = {
      authenticator_types: ["otp"],
      client_id: client.id,
      client_assertion: assertion,
      client_assertion_type,
    };
    await accepted(await stage.person({ client }).associate(body));
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    const phone = stage.person();
    await accepted(await phone.associateSms());
    await stage.webhook.codeFor(phone.number);
    await world.settle();
    const before = await world.dump();
    for (const table of EXPIRING) expect(before[table].length, table).toBeGreaterThan(0);

    await world.sweep();
    expect((await world.dump(["enrollments"])).enrollments.length).toBeGreaterThan(0);
    await world.advance(3 * 24 * 3600);
    await world.sweep();
    const after = await world.dump();
    for (const table of EXPIRING) expect(after[table], table).toEqual([]);
    for (const table of ["clients", "authenticators", "recovery_codes"]) expect(after[table]).toEqual(before[table]);
    await accepted(await person.exchange("otp", { mfa_token: person.mfaToken(), otp: totp(secret, world.now()) }));
  });

  test("takes at most ten thousand rows of a table at a time", async () => {
    const { world } = stage;
    // Before all other keys.
    const sql = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 15000)
                 INSERT INTO redemptions (spent, redemption, expires_at) SELECT '!' || i, '!' || i, ? FROM n`;
    await world.rows(sql, world.now() - 100);
    const left = async () => (await world.rows("SELECT count(*) AS n FROM redemptions WHERE spent LIKE '!%'"))[0].n;
    await world.sweep();
    expect(await left()).toBe(5000);
    await world.sweep();
    expect(await left()).toBe(0);
  });
});
