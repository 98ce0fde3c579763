/** `npm run users`: what may be asked for, the SQL it becomes, and the command itself on a local database. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { execute, migrate } from "../../scripts/database.mjs";
import { literal } from "../../scripts/sql.mjs";
import { readArguments, USAGE } from "../../scripts/users/arguments.mjs";
import { BUCKETS, counted, shown } from "../../scripts/users/shown.mjs";
import { removeUser, resetUser, showUser, unlockUser } from "../../scripts/users/statements.mjs";
import { migrationStatements } from "../support/migrations.mjs";

const NOW = 1_800_000_000;
const [ANN, BOB] = ["idp|ann", "idp|bob"];
const BY = { at: NOW, operator: "O'Hara@host" };
const ISO = "2027-01-15T08:00:00Z";
const SEALED = "s1.c2VhbGVk";
const HASH = "h1.aGFzaA";

/** What two people have, in every table that can tell of one. `name` is in every id. */
const rowsOf = (user, name) => ({
  authenticators: [
    {
      id: `totp|dev_${name}1`,
      user_id: user,
      kind: "totp",
      sealed: SEALED,
      failures: 100,
      created_at: NOW,
      confirmed_at: NOW,
      last_used_at: NOW,
    },
    {
      id: `sms|dev_${name}2`,
      user_id: user,
      kind: "sms",
      sealed: SEALED,
      address_index: HASH,
      failures: 131,
      created_at: NOW,
      confirmed_at: NOW,
      last_used_at: NOW,
    },
    {
      id: `email|dev_${name}3`,
      user_id: user,
      kind: "email",
      sealed: SEALED,
      address_index: HASH,
      failures: 99,
      created_at: NOW,
      confirmed_at: NOW,
      last_used_at: NOW,
    },
  ],
  enrollments: [
    {
      id: `sms|dev_${name}4`,
      user_id: user,
      place: 0,
      sequence: 0,
      client_id: "app",
      kind: "sms",
      sealed: SEALED,
      address_index: HASH,
      code_hash: HASH,
      attempts: 2,
      recovery_id: "r",
      recovery_hash: HASH,
      proof: 0,
      created_at: NOW,
      answer_key: `answer-1-${name}`,
      answer: SEALED,
      answer_expires_at: NOW + 300,
      expires_at: NOW + 300,
    },
    {
      id: `totp|dev_${name}5`,
      user_id: user,
      place: 1,
      sequence: 1,
      client_id: "app",
      kind: "totp",
      sealed: SEALED,
      proof: 0,
      created_at: NOW - 90_000,
      expires_at: NOW,
    },
  ],
  challenges: [
    {
      id: `challenge-${name}`,
      authenticator_id: `sms|dev_${name}2`,
      channel: "sms",
      user_id: user,
      client_id: "app",
      transaction_id: "t",
      code_hash: HASH,
      attempts: 1,
      created_at: NOW,
      expires_at: NOW + 300,
    },
  ],
  recovery_codes: [{ user_id: user, id: `recovery-code|dev_${name}`, hash: HASH, created_at: NOW }],
  contacts: [{ user_id: user, sealed: SEALED, address_index: HASH, updated_at: NOW }],
  budgets: [
    { key: `guess:${user}`, full_at: NOW + 3600, attempt: "a" },
    { key: `recovery:${user}`, full_at: NOW + 361, attempt: "a" },
  ],
  sweep_positions: [
    { swept: `enrollments ${name}`, after: user, upto: null },
    { swept: `budgets ${name}`, after: "", upto: `guess:${user}` },
  ],
  redemptions: [{ spent: `totp|dev_${name}1`, redemption: "r", expires_at: NOW + 600 }],
  deliveries: [
    {
      id: `notice-${name}`,
      channel: "email",
      state: "waiting",
      due_at: NOW,
      created_at: NOW,
      expires_at: NOW,
      user_id: user,
      target: "contact",
      address: SEALED,
    },
    {
      id: `code-1-${name}`,
      channel: "sms",
      state: "sent",
      due_at: NOW,
      created_at: NOW,
      expires_at: NOW,
      owner: `sms|dev_${name}4`,
    },
    {
      id: `code-2-${name}`,
      channel: "sms",
      state: "sent",
      due_at: NOW,
      created_at: NOW,
      expires_at: NOW,
      owner: `challenge-${name}`,
    },
    {
      id: `code-3-${name}`,
      channel: "sms",
      state: "sent",
      due_at: NOW,
      created_at: NOW,
      expires_at: NOW,
      owner: `sms|dev_${name}2`,
    },
  ],
});

const OTHERS = { redemptions: [{ spent: "sha256-of-a-token", redemption: "x", expires_at: NOW + 600 }] };

const inserts = (tables) =>
  Object.entries(tables).flatMap(([table, rows]) =>
    rows.map(
      (row) => `INSERT INTO ${table} (${Object.keys(row).join(", ")}) VALUES (${Object.values(row).map(literal).join(", ")})`,
    ),
  );

describe("a command line", () => {
  test("names a user, whatever their subject looks like", () => {
    const where = { remote: true, persistTo: undefined };
    expect(readArguments(["show", "idp|auth0|it's a\nsub", "--remote"])).toMatchObject({
      user: "idp|auth0|it's a\nsub",
      where,
    });
    expect(readArguments(["unlock", ANN, "--authenticator", "totp|dev_1"])).toMatchObject({
      authenticator: "totp|dev_1",
    });
    expect(readArguments(["remove", ANN, "--yes"])).toMatchObject({ command: "remove", user: ANN });
  });

  test.each([
    [["show"], 'show takes one user, such as "idp|42", in quotes.'],
    [["show", ANN, BOB], /^show takes one user/],
    [["show", "ann"], /^"ann" is not a user: write the issuer's name/],
    [["show", "idp|"], /is not a user/],
    [["show", "https://idp.example/|ann"], /is not a user/],
    [["reset", ANN], /^reset cannot be undone: .* --yes does it\.$/],
    [["remove", ANN], /^remove cannot be undone/],
    [["show", ANN, "--yes"], /^Unknown option '--yes'/],
    [["reset", ANN, "--authenticator", "x", "--yes"], /^Unknown option '--authenticator'/],
    [["show", ANN, "--remote", "--persist-to", "x"], /^--persist-to is about the local database/],
    [["ban", ANN], /^There is no command "ban"/],
    [[], /^What is stored of a person/],
  ])("%j is refused in one sentence", (args, sentence) => {
    expect(() => readArguments(args)).toThrow(sentence);
  });
});

describe("the SQL", () => {
  let database;
  const all = (sql) => database.prepare(sql).all();
  /** Everything but what tells of the command itself. */
  const dump = () => {
    const tables = all(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('operator_acts', 'sqlite_sequence') ORDER BY name",
    ).map(({ name }) => name);
    return Object.fromEntries(tables.map((table) => [table, all(`SELECT * FROM "${table}"`)]));
  };
  const show = (user, now = NOW) => shown(all(showUser(user, now))[0], now);

  beforeEach(async () => {
    database = new DatabaseSync(":memory:");
    for (const statement of await migrationStatements()) database.exec(statement);
    for (const sql of inserts(rowsOf(ANN, "ann"))) database.exec(sql);
    for (const sql of inserts(rowsOf(BOB, "bob"))) database.exec(sql);
    for (const sql of inserts(OTHERS)) database.exec(sql);
    return () => database.close();
  });

  test("shows what there is and when, and nothing sealed or hashed", () => {
    const row = show(ANN);
    expect(row).toEqual({
      authenticators: ["email|dev_ann3", "sms|dev_ann2", "totp|dev_ann1"].map((id, index) => ({
        id,
        kind: id.split("|")[0],
        created_at: ISO,
        confirmed_at: ISO,
        last_used_at: ISO,
        failures: [99, 131, 100][index],
        disabled: [false, true, true][index],
      })),
      pending: [
        {
          id: "sms|dev_ann4",
          kind: "sms",
          client_id: "app",
          attempts: 2,
          created_at: ISO,
          expires_at: "2027-01-15T08:05:00Z",
        },
      ],
      challenges: [
        {
          authenticator_id: "sms|dev_ann2",
          channel: "sms",
          client_id: "app",
          attempts: 1,
          created_at: ISO,
          expires_at: "2027-01-15T08:05:00Z",
        },
      ],
      recovery_code: { created_at: ISO },
      contact: { updated_at: ISO },
      guesses: { left: 0, of: 10, next_at: "2027-01-15T08:06:00Z", full_at: "2027-01-15T09:00:00Z" },
      recovery_guesses: { left: 8, of: 10, next_at: null, full_at: "2027-01-15T08:06:01Z" },
    });
    const read = JSON.stringify(all(showUser(ANN, NOW)));
    for (const hidden of [SEALED, HASH, "bob"]) expect(read).not.toContain(hidden);
    expect(show("idp|nobody")).toBeUndefined();
    expect(show(ANN, NOW + 3600)).toMatchObject({ guesses: { left: 10, next_at: null, full_at: null } });
  });

  test("counts guesses as the Worker does, at every second of a bucket", () => {
    const { burst, interval } = BUCKETS.guesses;
    // The Worker charges while full_at <= now + (burst - 1) * interval, and each charge moves full_at by an interval.
    for (let owed = 0; owed <= burst * interval; owed += 1) {
      let left = 0;
      for (let fullAt = NOW + owed; fullAt <= NOW + (burst - 1) * interval; fullAt += interval) left += 1;
      const row = {
        authenticators: "[{}]",
        pending: "[]",
        challenges: "[]",
        recovery_code: null,
        contact: null,
        recovery_guesses: null,
      };
      const { guesses } = shown({ ...row, guesses: NOW + owed }, NOW);
      expect({ owed, left: guesses.left, empty: guesses.next_at !== null }).toEqual({ owed, left, empty: left === 0 });
    }
    const rust = readFileSync(new URL("../../src/mfa/budget.rs", import.meta.url), "utf8");
    for (const [name, bucket] of [
      ["GUESSES", BUCKETS.guesses],
      ["RECOVERY_GUESSES", BUCKETS.recovery_guesses],
    ])
      expect(rust).toContain(`pub const ${name}: Budget = Budget { burst: ${bucket.burst}, interval: ${bucket.interval} };`);
  });

  test("unlocks what is disabled, gives all guesses back, and touches nobody else", () => {
    const before = dump();
    database.exec(unlockUser(ANN, undefined, BY));
    const failures = { "totp|dev_ann1": 0, "sms|dev_ann2": 0 };
    expect(dump()).toEqual({
      ...before,
      authenticators: before.authenticators.map((row) => ({ ...row, failures: failures[row.id] ?? row.failures })),
      budgets: before.budgets.filter(({ key }) => !key.endsWith(ANN)),
    });
  });

  test("unlocks one authenticator, if it is the user's", () => {
    const failures = () =>
      Object.fromEntries(all("SELECT id, failures FROM authenticators WHERE failures >= 100").map(Object.values));
    database.exec(unlockUser(ANN, "sms|dev_bob2", BY));
    expect(Object.keys(failures())).toHaveLength(4);
    database.exec(unlockUser(ANN, "sms|dev_ann2", BY));
    expect(Object.keys(failures()).sort()).toEqual(["sms|dev_bob2", "totp|dev_ann1", "totp|dev_bob1"]);
  });

  const without = (tables, name) =>
    Object.fromEntries(
      Object.entries(tables).map(([table, rows]) => [
        table,
        rows.filter((row) => !JSON.stringify(Object.values(row)).includes(name)),
      ]),
    );

  test("resets a user: nothing is left to prove a second factor with, and messages go on", () => {
    const before = dump();
    database.exec(resetUser(ANN, BY));
    const { deliveries, redemptions, contacts, sweep_positions } = before;
    // The contact stays: the person shall hear of what comes after.
    expect(dump()).toEqual({ ...without(before, "ann"), deliveries, redemptions, contacts, sweep_positions });
  });

  test("removes a user: no row names them, and all others are as they were", () => {
    const before = dump();
    database.exec(removeUser(ANN, BY));
    expect(dump()).toEqual(without(before, "ann"));
    expect(dump().redemptions.map(({ spent }) => spent)).toEqual(["sha256-of-a-token", "totp|dev_bob1"]);
  });

  test("counts what is removed, by what support calls it, and has a word for each table", () => {
    const rows = removeUser(BOB, BY).split(";\n").flatMap(all);
    expect(counted(rows)).toBe(
      "authenticators 3, pending authenticators 2, codes under way 1, recovery codes 1, addresses for notices 1, " +
        "counters of guesses 2, messages 4, marks of spent tokens 1, places of the sweep 2",
    );
    expect(removeUser("idp|nobody", BY).split(";\n").flatMap(all)).toEqual([]);
  });

  test("records who did what to whom, and nothing where there was nobody to do it to", () => {
    for (const sql of [
      unlockUser(ANN, "sms|dev_ann2", BY),
      unlockUser(BOB, undefined, BY),
      resetUser(ANN, BY),
      resetUser(ANN, BY),
      removeUser(ANN, BY),
      removeUser(ANN, BY),
      unlockUser(ANN, undefined, BY),
    ])
      database.exec(sql);
    const act = (command, user, detail = null) => ({
      ...BY,
      command: `users ${command}`,
      user_id: user,
      client_id: null,
      detail,
    });
    expect(all("SELECT at, command, operator, user_id, client_id, detail FROM operator_acts ORDER BY id")).toEqual([
      act("unlock", ANN, "sms|dev_ann2"),
      act("unlock", BOB),
      act("reset", ANN),
      act("remove", ANN),
    ]);
  });

  test("means the user and nobody whose name looks like theirs", () => {
    const before = dump();
    for (const user of ["idp|an_", "idp|%", "idp|ANN", "idp|ann' OR '1'='1", "idp|ann "])
      for (const sql of [unlockUser(user, undefined, BY), resetUser(user, BY), removeUser(user, BY)]) database.exec(sql);
    expect(dump()).toEqual(before);
  });

  test("knows every table in which a user, an authenticator or a challenge stands", () => {
    const naming = all("SELECT name, sql FROM sqlite_master WHERE type = 'table'").filter(({ sql }) =>
      /\b(user_id|authenticator_id|owner|spent)\b/.test(sql),
    );
    const known = Object.keys(rowsOf(ANN, "ann")).filter((table) => !["budgets", "sweep_positions"].includes(table));
    // What operators did names the user until the next sweep has told of it.
    expect(naming.map(({ name }) => name).sort()).toEqual([...known, "operator_acts"].sort());
  });
});

describe("the command", () => {
  const OPERATOR = "grace@example.com";
  const folder = mkdtempSync(join(tmpdir(), "countersign-users-"));
  const script = fileURLToPath(new URL("../../scripts/run.mjs", import.meta.url));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function users(...args) {
    const child = spawn(process.execPath, [script, "users", ...args, "--persist-to", folder], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, COUNTERSIGN_OPERATOR: OPERATOR },
    });
    const ended = new Promise((resolve) => child.on("close", resolve));
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
    return { code: await ended, out, err };
  }

  test("explains itself", async () => {
    for (const args of [["--help"], ["-h"], ["help"], ["show", "--help"]])
      expect(readArguments(args)).toEqual({ command: "help" });
    expect(await users("--help")).toEqual({ code: 0, out: `${USAGE}\n`, err: "" });
  });

  test("shows, unlocks, resets and removes", async () => {
    const where = { persistTo: folder };
    await migrate(where);
    const nothing = `Nothing is stored of "${ANN}": look whether the issuer's name and the sub are right.\n`;
    for (const args of [["show"], ["unlock"], ["reset", "--yes"], ["remove", "--yes"]])
      expect(await users(args[0], ANN, ...args.slice(1))).toEqual({ code: 1, out: "", err: nothing });
    await execute(inserts(rowsOf(ANN, "ann")).join(";\n"), where);

    expect(JSON.parse((await users("show", ANN)).out).authenticators.map(({ disabled }) => disabled)).toEqual([
      false,
      true,
      true,
    ]);
    expect(await users("unlock", ANN, "--authenticator", "totp|dev_x")).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^"idp\|ann" has no active authenticator "totp\|dev_x"/),
    });
    expect(await users("unlock", ANN, "--authenticator", "totp|dev_ann1")).toEqual({
      code: 0,
      out: "totp|dev_ann1 is let in again.\nAll guesses are given back.\n",
      err: "",
    });
    expect((await users("unlock", ANN)).out).toBe("sms|dev_ann2 is let in again.\nAll guesses are given back.\n");
    expect((await users("unlock", ANN)).out).toBe("No authenticator was disabled.\nAll guesses are given back.\n");

    expect(await users("reset", ANN)).toMatchObject({ code: 1, out: "" });
    const reset = await users("reset", ANN, "--yes");
    expect(reset.out).toMatch(/^"idp\|ann" has no second factor any more/);
    expect(reset.out).toMatch(/\nRemoved: authenticators 3, pending authenticators 2, codes under way 1, recovery codes 1\.\n$/);
    expect(await users("reset", ANN, "--yes")).toEqual({
      code: 1,
      out: "",
      err: `"${ANN}" had no second factor: nothing was removed.\n`,
    });
    expect(JSON.parse((await users("show", ANN)).out)).toMatchObject({ authenticators: [], recovery_code: null });
    expect(await execute("SELECT count(*) AS left FROM deliveries", where)).toEqual([{ left: 4 }]);
    expect((await users("remove", ANN, "--yes")).out).toMatch(
      /^Nothing that names "idp\|ann" is stored any more, but that this was done: the next sweep tells of it\.\nRemoved: addresses for notices 1, messages 1, places of the sweep 2\.\nWhat stays/,
    );
    expect(await users("remove", ANN, "--yes")).toEqual({ code: 1, out: "", err: nothing });
    expect(await execute("SELECT id FROM deliveries WHERE user_id IS NOT NULL", where)).toEqual([]);
    expect(await execute("SELECT command, operator FROM operator_acts ORDER BY id", where)).toEqual(
      ["unlock", "unlock", "unlock", "reset", "remove"].map((command) => ({ command: `users ${command}`, operator: OPERATOR })),
    );
  }, 300_000);
});
