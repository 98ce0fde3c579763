/**
 * Keys that are replaced while requests go on. The isolates have the configurations of a rotation's steps, as `npm run
 * keys` plans them; requests go to two neighbours at a time, as while a deployment spreads, and nothing is refused.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { freshSecret } from "../../scripts/keys/fresh.mjs";
import { plan } from "../../scripts/keys/rotation.mjs";
import { countRows } from "../../scripts/keys/statements.mjs";
import { accepted, read } from "../support/answers.mjs";
import { API } from "../support/clients.mjs";
import { encryptionKeys, signingKey, webhookSecret } from "../support/keys.mjs";
import { Stage } from "../support/stage.mjs";
import { STEP_SECONDS, totp } from "../support/totp.mjs";
import { MFA_AUDIENCE } from "../support/worker.mjs";

const PATIENCE = 300_000;
const VISITORS = 4;
/** How often each visitor goes through everything while two neighbours answer. */
const ROUNDS = 3;
const DAY = 86_400;
const AUDIENCES = [
  { audience: API, scopes: [] },
  { audience: MFA_AUDIENCE, scopes: ["enroll", "read:authenticators"] },
];
const ENROLL = { audience: MFA_AUDIENCE, scope: "enroll read:authenticators" };
const FREE = {
  FACTORS: '{"otp":{},"sms":{"burst":1000,"per_hour":1000},"recovery-code":{}}',
  SENDING_LIMITS: '{"mode":"record_only"}',
  // Nobody here reads mail; notices by text message would wait for room, sealed with a key that is to go.
  NOTICES: "email",
};

const persist = await mkdtemp(join(tmpdir(), "countersign-rotation-load-"));
const stage = new Stage();
afterAll(async () => {
  await stage.clear();
  await rm(persist, { recursive: true, force: true });
});

/** The configuration after a step, with fresh keys; time is no matter here, and nothing is left for a dropped key. */
function after(kind, step, variables) {
  const names = Object.keys(variables);
  const recorded = names.map((name) => ({ name, added_at: 0, used_at: 0 }));
  const { make, variables: set, remove } = plan(kind, step, { names, variables, recorded, rows: [] }, DAY);
  const made = Object.fromEntries(make.map((name) => [name, freshSecret(name)]));
  const all = Object.entries({ ...variables, ...made, ...set });
  return Object.fromEntries(all.filter(([name]) => !remove.includes(name)));
}

test(
  "every kind of key is replaced under load, nothing is refused, and everything opens without the old ones",
  async () => {
    const first = {
      ENCRYPTION_KEYS: JSON.stringify(encryptionKeys()),
      SIGNING_KEY_1: JSON.stringify(signingKey("first")),
    };
    const configurations = [first];
    for (const [kind, step] of [
      ["encryption", "add"],
      ["encryption", "use"],
      ["signing", "add"],
      ["signing", "use"],
    ])
      configurations.push(after(kind, step, configurations.at(-1)));
    const rotated = configurations.at(-1);
    const dropped = after("signing", "drop", after("encryption", "drop", rotated));
    configurations.push(dropped);
    expect(Object.keys(dropped).sort()).toEqual([
      "ACTIVE_ENCRYPTION_KEYS",
      "ACTIVE_SIGNING_KEY",
      "ENCRYPTION_KEYS_2",
      "SIGNING_KEY_2",
    ]);

    // What no isolate has of its own comes from here, and the consumer has these; it signs with both webhook secrets.
    const hook = after("webhook", "add", { WEBHOOK_SECRET: webhookSecret() });
    const nothing = Object.fromEntries([...Object.keys(rotated), "SIGNING_KEY_MAIN"].map((name) => [name, undefined]));
    const varsOf = (index) => ({ ...nothing, ...configurations[index] });
    const vars = { ...FREE, ...hook, ...rotated, SIGNING_KEY_MAIN: undefined };
    await stage.set([{}], { isolates: configurations.length, vars, varsOf, persist });
    const { world, webhook } = stage;
    webhook.secret = hook.WEBHOOK_SECRET;
    const client = await stage.addClient({ audiences: AUDIENCES });

    let neighbours = [0, 0];
    let turn = 0;
    const isolate = () => neighbours[(turn += 1) % 2];
    const refused = [];
    let asked = 0;
    /** Asks whichever isolate is next; an answer that is not 200 is kept. */
    const ask = async (what, start) => {
      asked += 1;
      const at = isolate();
      const response = await start({ isolate: at });
      const body = await read(response);
      if (response.status !== 200) refused.push({ what, at, neighbours, status: response.status, body });
      return body;
    };

    const people = [];
    /** Somebody new adds an app and a phone, and has what they got once more. */
    async function joins() {
      const person = stage.person({ client });
      const mfa_token = person.mfaToken(ENROLL);
      const headers = { "idempotency-key": `again-${person.sub}` };
      const app = await ask("associate", (init) => person.associateOtp({ token: mfa_token, headers, ...init }));
      const again = await ask("associate again", (init) => person.associateOtp({ token: mfa_token, headers, ...init }));
      if (again.secret !== app.secret) refused.push({ what: "another answer" });
      const otp = totp(app.secret, world.now());
      const tokens = await ask("confirm an app", (init) => person.exchange("otp", { mfa_token, otp }, init));
      await ask("list", (init) => person.list({ token: tokens.access_token, ...init }));
      const sms = await ask("associate a phone", (init) => person.associateSms({ token: tokens.access_token, ...init }));
      const binding_code = await webhook.codeFor(person.number);
      const confirmation = { mfa_token: tokens.access_token, oob_code: sms.oob_code, binding_code };
      const confirmed = await ask("confirm a phone", (init) => person.exchange("oob", confirmation, init));
      people.push({ person, app, recovery_code: app.recovery_codes[0], token: confirmed.access_token });
      return people.at(-1);
    }
    /** Somebody known logs in by phone and by recovery code; a token from before the last step is still good. */
    async function returns(known) {
      const { person } = known;
      const before = webhook.messagesTo(person.number).length;
      const mfa_token = person.mfaToken(ENROLL);
      const { oob_code } = await ask("challenge", (init) => person.challenge({ mfa_token, challenge_type: "oob" }, init));
      const binding_code = await webhook.codeFor(person.number, { count: before + 1 });
      const tokens = await ask("verify a phone", (init) => person.exchange("oob", { mfa_token, oob_code, binding_code }, init));
      await ask("list by the token before", (init) => person.list({ token: known.token, ...init }));
      known.token = tokens.access_token;
      const recovery = { mfa_token: person.mfaToken(), recovery_code: known.recovery_code };
      ({ recovery_code: known.recovery_code } = await ask("recover", (init) => person.exchange("recovery", recovery, init)));
    }
    async function verifies({ person, app }) {
      const otp = totp(app.secret, world.now());
      await ask("verify an app", (init) => person.exchange("otp", { mfa_token: person.mfaToken(), otp }, init));
    }
    const everybody = (act) => Promise.all(people.map(act));
    /** The visitors come and go without a pause while `steps` move the deployment on under them. */
    async function underLoad(steps) {
      let over = false;
      let rounds = 0;
      const visitor = async () => {
        const known = await joins();
        while (!over) {
          await returns(known);
          await joins();
          rounds += 1;
        }
      };
      const visitors = Array.from({ length: VISITORS }, visitor);
      const stopped = Promise.all(visitors).catch((error) => refused.push({ what: "the visitors", error }));
      for (const step of steps) {
        step();
        const until = rounds + VISITORS * ROUNDS;
        while (rounds < until && refused.length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
      }
      over = true;
      await stopped;
      expect(refused).toEqual([]);
    }

    await underLoad([
      () => {},
      () => (neighbours = [0, 1]),
      () => (neighbours = [1, 2]),
      () => (webhook.secret = hook.WEBHOOK_SECRET_2), // the receiver knows the new one from here on, and only that
      () => (neighbours = [2, 3]),
      () => (neighbours = [3, 4]),
      () => (neighbours = [4, 4]),
    ]);
    const kids = JSON.parse(await (await world.fetch("/.well-known/jwks.json", { isolate: 4 })).text()).keys;
    expect(kids).toHaveLength(2);

    // Everybody has used what they have, and the old tokens have expired: nothing needs the old keys any more.
    await world.advance(STEP_SECONDS * 2);
    await everybody(verifies);
    await everybody(returns);
    await world.delivered();
    await world.advance(DAY);
    await world.sweep();
    const rows = await world.rows(countRows());
    expect(new Set(rows.map(({ key }) => key))).toEqual(new Set(["s2", "h2"]));
    for (const known of people) known.token = known.person.provenToken({ scope: "enroll read:authenticators" });

    await underLoad([() => (neighbours = [4, 5]), () => (neighbours = [5, 5])]);
    await world.advance(STEP_SECONDS * 2);
    await everybody(verifies);
    await everybody(returns);
    await world.delivered();
    expect(refused).toEqual([]);
    expect(webhook.problems).toEqual([]);
    expect(asked).toBeGreaterThan(9 * VISITORS * ROUNDS * 10);
  },
  PATIENCE,
);

test(
  "a key that is lost or wrong is one clear error, and destroys nothing",
  async () => {
    const { world } = stage;
    const right = {
      ENCRYPTION_KEYS: undefined,
      ENCRYPTION_KEYS_2: world.vars.ENCRYPTION_KEYS_2,
      ACTIVE_ENCRYPTION_KEYS: "2",
    };
    world.options.varsOf = undefined;
    await world.restart(right);
    const person = stage.person();
    const app = await person.enrollOtp();
    await person.enrollSms({ token: person.provenToken() });
    await world.delivered();
    await world.advance(STEP_SECONDS * 2);
    const tables = ["authenticators", "recovery_codes", "enrollments", "challenges", "contacts"];
    const before = await world.dump(tables);
    const [sealed] = await world.rows("SELECT sealed FROM authenticators WHERE id = ?", app.id);
    const id = sealed.sealed.split(".")[0];
    const otp = () => person.exchange("otp", { mfa_token: person.mfaToken(), otp: totp(app.secret, world.now()) });

    // Another key under the same name, and the key gone.
    const wrong = { ENCRYPTION_KEYS_2: freshSecret("ENCRYPTION_KEYS_2") };
    const lost = {
      ENCRYPTION_KEYS: JSON.stringify(encryptionKeys()).replaceAll("s1", "x1").replaceAll("h1", "y1"),
      ENCRYPTION_KEYS_2: undefined,
      ACTIVE_ENCRYPTION_KEYS: undefined,
    };
    for (const [vars, reason] of [
      [{ ...right, ...wrong }, "forged"],
      [lost, "unknown_key"],
    ]) {
      await world.restart(vars);
      for (let attempt = 0; attempt < 11; attempt += 1) expect((await otp()).status).toBe(503);
      expect((await person.challenge({ challenge_type: "oob" })).status).toBe(503);
      const told = (await world.logLines()).filter((line) => line.includes(reason));
      expect(told.some((line) => line.includes("factor_unreadable") && line.includes(id))).toBe(true);
      expect(await world.dump(tables)).toEqual(before);
    }
    await world.restart(right);
    await accepted(await otp());
  },
  PATIENCE,
);
