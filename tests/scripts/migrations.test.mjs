/** Migrations that carry rows over: what the Worker before has written is good after them, and what it still does, does no harm. */
import { DatabaseSync } from "node:sqlite";
import { beforeEach, describe, expect, test } from "vitest";
import { migrationStatements } from "../support/migrations.mjs";

const NOW = Math.floor(Date.now() / 1000);
let database;
const all = (sql, ...values) =>
  database
    .prepare(sql)
    .all(...values)
    .map((row) => ({ ...row }));
const run = (sql, ...values) => database.prepare(sql).run(...values);

async function migrated(isWanted) {
  for (const statement of await migrationStatements(isWanted)) database.exec(statement);
}

describe("0013: an hour's and a day's bucket share a row", () => {
  const NAME = "0013_message_windows.sql";
  const budgets = () => all("SELECT key, full_at, day_full_at FROM message_budgets ORDER BY key");
  const add = (key, fullAt) => run("INSERT INTO message_budgets (key, full_at) VALUES (?, ?)", key, fullAt);

  // What the Worker before says to its table.
  const CHARGE = `INSERT INTO message_budgets (key, full_at) SELECT value, 9000 FROM json_each(?) WHERE 1
                  ON CONFLICT (key) DO UPDATE SET full_at = excluded.full_at`;
  const RETURN = `UPDATE message_budgets SET full_at = full_at - 1
                  WHERE key IN (SELECT charge.value ->> 0 FROM deliveries CROSS JOIN json_each(charges) AS charge)`;
  const ADVANCE = `INSERT INTO sweep_positions (swept, after, upto) VALUES ('message_budgets', '', NULL)
                   ON CONFLICT (swept) DO UPDATE SET
                     after = COALESCE(upto, ''),
                     upto = (SELECT key FROM message_budgets WHERE key > COALESCE(upto, '') ORDER BY key LIMIT 1 OFFSET 9999)`;
  const SWEEP = `DELETE FROM message_budgets
                 WHERE key > (SELECT after FROM sweep_positions WHERE swept = 'message_budgets')
                   AND key <= (SELECT COALESCE(upto, x'') FROM sweep_positions WHERE swept = 'message_budgets')
                   AND full_at <= ?`;

  beforeEach(async () => {
    database = new DatabaseSync(":memory:");
    await migrated((name) => name < NAME);
  });

  test("rows of both, and those of one alone", async () => {
    add("user:phone:h1.A", 1000);
    add("overall:phone:h1.B:h", 2000);
    add("overall:phone:h1.B:d", 3000);
    add("overall:email:h1.C:d", 4000);
    add("overall:email:h1.D:h", 5000);
    add("user:phone:h1.E-h", 6000);
    await migrated((name) => name === NAME);
    expect(budgets()).toEqual([
      { key: "overall:email:h1.C", full_at: 0, day_full_at: 4000 },
      { key: "overall:email:h1.D", full_at: 5000, day_full_at: null },
      { key: "overall:phone:h1.B", full_at: 2000, day_full_at: 3000 },
      { key: "user:phone:h1.A", full_at: 1000, day_full_at: null },
      { key: "user:phone:h1.E-h", full_at: 6000, day_full_at: null },
    ]);
  });

  test("what comes back with a code that is on its way", async () => {
    const deliver = (id, expiresAt, charges) =>
      run(
        `INSERT INTO deliveries (id, channel, state, due_at, created_at, expires_at, owner, charges)
         VALUES (?, 'sms', 'sent', 0, 0, ?, ?, ?)`,
        ...[id, expiresAt, id, charges && JSON.stringify(charges)],
      );
    const before = [
      ["range:h1.B:h", 20],
      ["range:h1.B:d", 30],
      ["all:h1.A:d", 50],
      ["all:h1.A:h", 40],
    ];
    deliver("on its way", NOW + 100, before);
    deliver("of a weight of one", NOW + 100, []);
    deliver("come back", NOW + 100, null);
    deliver("too late", NOW - 100, before);
    await migrated((name) => name === NAME);
    const rows = all("SELECT id, charges FROM deliveries").map(({ id, charges }) => [id, JSON.parse(charges)]);
    expect(Object.fromEntries(rows)).toEqual({
      "on its way": [
        ["all:h1.A", 40, 50],
        ["range:h1.B", 20, 30],
      ],
      "of a weight of one": [],
      "come back": null,
      "too late": before,
    });
  });

  test("the Worker before goes on until it is replaced, and its next sweep takes nothing", async () => {
    add("overall:phone:h1.B:h", 2000);
    add("overall:phone:h1.B:d", 3000);
    run(ADVANCE);
    await migrated((name) => name === NAME);
    run(CHARGE, JSON.stringify(["overall:phone:h1.B:h", "overall:phone:h1.B:d", "user:phone:h1.A"]));
    run(CHARGE, JSON.stringify(["user:phone:h1.A"]));
    run(RETURN);
    run(ADVANCE);
    run(SWEEP, 10_000);
    expect(budgets()).toHaveLength(4);
    // The one after it, which the new Worker runs, begins with the first key.
    run(ADVANCE);
    run(SWEEP, 2500);
    expect(budgets().map(({ key }) => key)).toEqual(["overall:phone:h1.B:d", "overall:phone:h1.B:h", "user:phone:h1.A"]);
  });
});

describe("0014 to 0016: rows stand under their user, deliveries under their id", () => {
  const NAMES = ["0014_rows_of_a_user.sql", "0015_pending_rows_of_a_user.sql", "0016_deliveries_by_id.sql"];
  const TABLES = ["authenticators", "contacts", "enrollments", "challenges", "idempotent_answers", "deliveries"];
  const migrate = () => migrated((name) => NAMES.includes(name));
  const add = (table, row) => {
    const columns = Object.keys(row);
    run(`INSERT OR REPLACE INTO ${table} (${columns}) VALUES (${columns.map(() => "?")})`, ...Object.values(row));
  };
  const times = { created_at: 1, expires_at: NOW + 1000 };
  const authenticator = (id, user_id) => ({
    id,
    user_id,
    kind: "sms",
    sealed: "s",
    address_index: "h",
    last_step: 7,
    failures: 3,
  });
  const enrollment = (id, user_id, sequence, more) => ({
    ...{ id, user_id, sequence, client_id: "app", kind: "totp", sealed: "s", address_index: "i", code_hash: null, attempts: 2 },
    ...{ recovery_id: "r", recovery_hash: "h", proof: 1, ...times, ...more },
  });
  const challenge = (id, user_id, authenticator_id) => ({
    ...{ id, user_id, authenticator_id, channel: "sms", client_id: "app", transaction_id: "t", code_hash: "h", attempts: 4 },
    ...times,
  });
  const delivery = (id, owner, more) => ({
    ...{ id, owner, channel: "sms", sealed: "s", state: "waiting", attempts: 1, failure: "f", due_at: 5, ...times },
    ...{ region: "49", network: "1", charges: "[]", verified_at: 6, provider: "p", message: "code" },
    ...{ user_id: null, target: null, address: null, ...more },
  });
  const answer = (key, enrollment_id, challenge_id) => ({ key, sealed: "s", enrollment_id, challenge_id, expires_at: NOW + 600 });

  beforeEach(async () => {
    database = new DatabaseSync(":memory:");
    await migrated((name) => name < NAMES[0]);
  });

  test("every row is carried over, in every column", async () => {
    for (const id of ["sms|a", "sms|b"]) {
      add("authenticators", { ...authenticator(id, "alice"), created_at: 1, confirmed_at: 2, last_used_at: 3 });
    }
    add("contacts", { user_id: "alice", sealed: "s", address_index: "i", updated_at: 4 });
    for (let sequence = 7; sequence < 17; sequence += 1) add("enrollments", enrollment(`totp|${sequence}`, "alice", sequence));
    add("enrollments", enrollment("sms|e", "bob", 0, { kind: "sms", code_hash: "h", expires_at: NOW + 300 }));
    add("challenges", challenge("c", "alice", "sms|a"));
    add("deliveries", delivery("d1", "sms|e"));
    add("deliveries", delivery("d2", "c"));
    const told = { message: "authenticator_added", user_id: "alice", target: "contact", address: "s" };
    add("deliveries", delivery("n", null, { ...told, sealed: null, state: "sent", charges: null }));
    add("idempotent_answers", answer("k1", "sms|e", null));
    add("idempotent_answers", answer("k2", null, "c"));
    add("idempotent_answers", answer("k3", null, null));
    add("idempotent_answers", answer("k4", "totp|16", null));
    const rows = () => Object.fromEntries(TABLES.map((table) => [table, all(`SELECT * FROM ${table} ORDER BY 1, 2, 3`)]));
    const before = rows();
    await migrate();
    const none = { answer_key: null, answer: null, answer_expires_at: null };
    const kept = (key, row) => ({ answer_key: key, answer: "s", answer_expires_at: Math.min(NOW + 600, row.expires_at) });
    const added = {
      enrollments: (row) => ({
        place: row.sequence % 10,
        delivery_id: row.id === "sms|e" ? "d1" : null,
        ...(row.id === "sms|e" ? kept("k1", row) : row.id === "totp|16" ? kept("k4", row) : none),
      }),
      challenges: (row) => ({ delivery_id: "d2", ...kept("k2", row) }),
    };
    before.idempotent_answers = [{ key: "k3", sealed: "s", expires_at: NOW + 600 }];
    const after = rows();
    for (const table of TABLES) {
      const expected = before[table].map((row) => ({ ...row, ...added[table]?.(row) }));
      expect(after[table], table).toHaveLength(expected.length);
      expect(after[table], table).toEqual(expect.arrayContaining(expected));
    }
  });

  test("the Worker before cannot enroll, keep an answer or sweep, and takes nothing", async () => {
    add("enrollments", enrollment("totp|0", "alice", 0));
    await migrate();
    expect(() => add("enrollments", enrollment("totp|1", "alice", 1))).toThrow(/NOT NULL constraint failed: enrollments.place/);
    expect(() => run("INSERT INTO idempotent_answers (key, sealed, enrollment_id) VALUES ('k', 's', NULL)")).toThrow(/no column/);
    expect(() => run("DELETE FROM enrollments WHERE rowid IN (SELECT rowid FROM enrollments LIMIT 1000)")).toThrow(/no such/);
    expect(all("SELECT id FROM enrollments")).toEqual([{ id: "totp|0" }]);
  });
});
