/**
 * A soak: ten people at once over two isolates, while database, cache, queue, issuer and provider fail at random and
 * all processes are killed once. At its end the faults stop, and what is stored is compared with what the clients were
 * told.
 *
 * COUNTERSIGN_SOAK_SECONDS says for how long, COUNTERSIGN_SOAK_SEED with which dice; a failure names its seed.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { useStage } from "../support/stage.mjs";
import { audit, auditByUse, auditGuesses, auditOfAge } from "./audit.mjs";
import { Soak } from "./soak.mjs";

const seed = Number(process.env.COUNTERSIGN_SOAK_SEED ?? Date.now() % 1_000_000);
const seconds = Number(process.env.COUNTERSIGN_SOAK_SECONDS ?? 15);
const LIMIT = (seconds + 240) * 1000;
const folder = mkdtempSync(join(tmpdir(), "countersign-soak-"));
/** Room for as many messages as ten people ask for; the limits have tests of their own. */
const window = { hour: 900_000, day: 900_000 };
const stage = useStage({
  isolates: 2,
  persist: folder,
  vars: {
    FACTORS: JSON.stringify({
      otp: {},
      sms: { burst: 20, per_hour: 60 },
      voice: { burst: 20, per_hour: 60 },
      email: { burst: 20, per_hour: 60 },
      "recovery-code": {},
    }),
    SENDING_LIMITS: JSON.stringify({
      client_address: window,
      address_prefix: window,
      number_range: window,
      overall: window,
      region: window,
      network: window,
      verified_percent: 0,
    }),
  },
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function restore(soak, table, row) {
  const columns = Object.keys(row);
  const sql = `INSERT OR REPLACE INTO ${table} (${columns}) VALUES (${columns.map(() => "?")})`;
  await soak.rows(sql, ...Object.values(row));
}

/** What no other row of the table has, where that is not an id. */
const KEYS = { recovery_codes: "user_id", message_budgets: "key" };
const keyOf = (table) => KEYS[table] ?? "id";

/** Takes the first such row away, or changes it. Returns how to undo that. */
const spoil = (table, where, change) => async (soak) => {
  const rows = await soak.rows(`SELECT * FROM ${table} WHERE ${where}`);
  // What the kill caught while it was sent may have arrived or not: of that the audit cannot tell.
  const row = rows.find(({ id }) => !soak.interrupted.has(id));
  const sql = change ? `UPDATE ${table} SET ${change}` : `DELETE FROM ${table}`;
  await soak.rows(`${sql} WHERE ${keyOf(table)} = ?`, row[keyOf(table)]);
  return () => restore(soak, table, row);
};

/** Puts a row there that is like another. Returns how to undo that. */
const add = (table, where, members) => async (soak) => {
  const [row] = await soak.rows(`SELECT * FROM ${table} WHERE ${where} LIMIT 1`);
  const changed = { ...row, ...members(soak) };
  await restore(soak, table, changed);
  return () => soak.rows(`DELETE FROM ${table} WHERE ${keyOf(table)} = ?`, changed[keyOf(table)]);
};

const SENT = "state = 'sent'";
/** What is done to the database behind everybody's back, and what the audit has to say of it. */
const TAMPERED = [
  ["an authenticator that is gone", spoil("authenticators", "1"), /acknowledged as active and is gone/],
  ["one that nobody confirmed", add("authenticators", "1", () => ({ id: "totp|dev_nobody" })), /which nobody was told/],
  [
    "one that is back",
    add("authenticators", "1", (soak) => ({ id: [...soak.removed][0] })),
    /acknowledged as removed and is there/,
  ],
  ["a recovery code that is gone", spoil("recovery_codes", "1"), /0 recovery codes, and was told of 1/],
  ["somebody that nobody is", add("recovery_codes", "1", () => ({ user_id: "idp|x" })), /idp\|x, who is nobody/],
  ["a message that is gone", spoil("deliveries", "message = 'code'"), /acknowledged and has 0 messages/],
  ["a message that was not sent", spoil("deliveries", SENT, "state = 'failed', failure = 'x'"), /arrived 1 times/],
  ["a failure without a reason", spoil("deliveries", SENT, "state = 'expired'"), /and nothing says why/],
  ["a message that is still to be sent", spoil("deliveries", SENT, "state = 'waiting'"), /is still waiting/],
  ["content that is kept", spoil("deliveries", SENT, "sealed = 'x'"), /its content is kept/],
  [
    "a code that nobody asked for",
    add("deliveries", SENT, () => ({ id: "x", owner: "x", message: "code" })),
    /codes were sent that nobody was told of/,
  ],
  ["a row that should be swept", spoil("deliveries", "1", "expires_at = 1"), /the sweep should have taken/],
  ["a budget beyond its size", spoil("message_budgets", "1", "full_at = full_at + 172800000"), /more than its size/],
  [
    "a day's budget beyond its size",
    add("message_budgets", "1", (soak) => ({ key: "x", full_at: 0, day_full_at: (soak.now() + 172800) * 1000 })),
    /more than its size/,
  ],
];

describe(`a soak of ${seconds} s with the seed ${seed}`, () => {
  let soak;

  test("ends with the database as the clients know it: not one difference", { timeout: LIMIT }, async () => {
    soak = new Soak(stage, { seed, seconds, restart: true });
    await soak.run();
    const guesses = await auditGuesses(soak);
    await soak.drain();
    const stored = await audit(soak);
    console.log(JSON.stringify({ seed, ...soak.counts, weather: soak.weather.seen }));
    expect([...soak.differences, ...guesses, ...stored]).toEqual([]);
    // It was no idle time: everything was done, and much of it became known only when it was asked for again.
    for (const what of ["enroll", "verify", "recover", "remove", "spend", "list", "known at last"]) {
      expect({ what, times: soak.counts[what] }).toMatchObject({ times: expect.any(Number) });
    }
    expect(soak.promised.length).toBeGreaterThan(10);
  });

  test.each(TAMPERED)("is one whose audit tells of %s", async (_, tamper, words) => {
    const undo = await tamper(soak);
    const told = await audit(soak);
    await undo();
    expect(told.filter((each) => words.test(each))).not.toEqual([]);
    expect(await audit(soak)).toEqual([]);
  });

  test("is one whose audit tells of guesses that were not charged, and of such that were", async () => {
    const [row] = soak.records.filter(({ guesses }) => guesses.length > 0);
    const key = `guess:idp|${row.person.sub}`;
    const at = soak.now() + 3600;
    const kept = await soak.rows("SELECT * FROM budgets WHERE key = ?", key);
    await soak.rows("INSERT OR REPLACE INTO budgets (key, full_at) VALUES (?, ?)", key, at + 30 * 24 * 3600);
    expect(await auditGuesses(soak)).toEqual([expect.stringContaining("at most until")]);
    await soak.rows("DELETE FROM budgets WHERE key = ?", key);
    row.guesses.push({ budget: "guess", from: at, to: at, certainly: true, perhaps: true });
    expect(await auditGuesses(soak)).toEqual([expect.stringContaining("at least until")]);
    row.guesses.pop();
    for (const budget of kept) await restore(soak, "budgets", budget);
  });

  test("leaves recovery codes that work and logins that are spent", { timeout: LIMIT }, async () => {
    expect(await auditByUse(soak)).toEqual([]);
  });

  test("leaves nothing behind, days later, but what people have", async () => {
    await soak.drain();
    await soak.age();
    expect(await auditOfAge(soak)).toEqual([]);
    const ids = (await soak.rows("SELECT id FROM authenticators ORDER BY id")).map(({ id }) => id);
    expect(ids).toEqual(soak.records.flatMap(({ active }) => [...active.keys()]).sort());
  });
});
