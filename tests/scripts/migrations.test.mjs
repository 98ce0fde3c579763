/** Migrations that carry rows over: what the Worker before has written is good after them, and what it still does fails not. */
import { DatabaseSync } from "node:sqlite";
import { beforeEach, describe, expect, test } from "vitest";
import { migrationStatements } from "../support/migrations.mjs";

const NOW = Math.floor(Date.now() / 1000);
let database;
const all = (sql, ...values) => database.prepare(sql).all(...values).map((row) => ({ ...row }));
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
