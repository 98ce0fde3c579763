/** `npm run keys`: which step is next and when, the SQL, and the command itself, here and on an account. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { text } from "node:stream/consumers";
import { parseEnv } from "node:util";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { execute, migrate } from "../../scripts/database.mjs";
import { EMPTY, planDeployment } from "../../scripts/deploy/plan.mjs";
import { repositorySettings, resourcesOf } from "../../scripts/deploy/settings.mjs";
import { readArguments } from "../../scripts/keys/arguments.mjs";
import { freshEncryptionKeys, freshSecret, freshSigningKey } from "../../scripts/keys/fresh.mjs";
import { changed } from "../../scripts/keys/places.mjs";
import { agreed, needing, nextStep, plan, SPREAD_SECONDS, STEPS, Unrecorded } from "../../scripts/keys/rotation.mjs";
import {
  countRows,
  KEYED,
  recordAdded,
  recordedKeys,
  recordUsed,
  release,
  reserve,
  settle,
} from "../../scripts/keys/statements.mjs";
import { ROOT } from "../../scripts/setup/repository.mjs";
import { migrationStatements } from "../support/migrations.mjs";
import { startCloudflare } from "./cloudflare.mjs";

const NOW = 1_800_000_000;
const LONG_AGO = NOW - 100_000;

/** A world with these secrets, all known and in use for long, and nothing that needs a key. */
function world(names, variables = {}, more = {}) {
  const recorded = names.map((name) => ({ name, added_at: LONG_AGO, used_at: LONG_AGO }));
  return { names, variables, recorded, rows: [], ...more };
}

/** Does a step and says what the world is then, with what was recorded. */
function after(kind, step, state, now) {
  const { make, variables, remove } = plan(kind, step, state, now);
  const names = [...state.names, ...make].filter((name) => !remove.includes(name));
  const used = Object.keys(variables).length > 0 && step === "use" ? Object.values(variables)[0] : undefined;
  const recorded = [...state.recorded, ...make.map((name) => ({ name, added_at: now, used_at: null }))]
    .filter(({ name }) => names.includes(name))
    .map((each) => (used && each.name.endsWith(`_${used}`) ? { ...each, used_at: now } : each));
  return { ...state, names, variables: { ...state.variables, ...variables }, recorded };
}

describe("a command line", () => {
  test.each([
    [["rotate"], "rotate takes one kind of keys: encryption, signing, webhook."],
    [["rotate", "door"], /^rotate takes one kind/],
    [["rotate", "signing", "webhook"], /^rotate takes one kind/],
    [["rotate", "signing", "--step", "skip"], "--step must be one of add, use, drop."],
    [["rotate", "webhook", "--step", "use"], /^Webhook secrets all sign/],
    [["status", "signing"], 'status takes no "signing".'],
    [["status", "--step", "add"], /^Unknown option '--step'/],
    [["status", "--remote", "--dev-vars", "x"], /leave them out with --remote/],
    [["lose"], /^There is no command "lose"/],
    [[], /^Keys are replaced in steps/],
  ])("%j is refused in one sentence", (args, sentence) => {
    expect(() => readArguments(args)).toThrow(sentence);
  });

  test("explains itself", () => {
    for (const args of [["--help"], ["-h"], ["help"], ["rotate", "--help"]])
      expect(readArguments(args)).toEqual({ command: "help" });
  });
});

describe("a rotation", () => {
  test("of signing keys names the one in use with the second, uses it once it is known, and drops the first after its last token", () => {
    let state = world(["SIGNING_KEY_1", "ENCRYPTION_KEYS"]);
    expect(nextStep("signing", state)).toBe("add");
    expect(plan("signing", "add", state, NOW)).toMatchObject({
      make: ["SIGNING_KEY_2"],
      variables: { ACTIVE_SIGNING_KEY: "1" },
    });
    state = after("signing", "add", state, NOW);
    expect(nextStep("signing", state)).toBe("use");
    expect(() => plan("signing", "use", state, NOW + SPREAD_SECONDS - 1)).toThrow(
      "SIGNING_KEY_2 is not known everywhere yet: repeat in a minute.",
    );
    expect(() => plan("signing", "add", state, NOW)).toThrow(/waits for the step use/);
    expect(() => plan("signing", "drop", state, NOW)).toThrow(/waits for the step use/);
    const used = NOW + SPREAD_SECONDS;
    state = after("signing", "use", state, used);
    expect(state.variables).toEqual({ ACTIVE_SIGNING_KEY: "2" });
    expect(nextStep("signing", state)).toBe("drop");
    const gone = used + SPREAD_SECONDS + 3600 + 60;
    expect(() => plan("signing", "drop", state, gone - 1)).toThrow(
      "Tokens that SIGNING_KEY_1 has signed are still good: repeat in a minute.",
    );
    expect(() => plan("signing", "add", state, gone)).toThrow(/drop comes before another key/);
    const long = { ...state, variables: { ...state.variables, ACCESS_TOKEN_SECONDS: "86400" } };
    expect(() => plan("signing", "drop", long, gone)).toThrow(/are still good/);
    expect(plan("signing", "drop", state, gone)).toMatchObject({
      remove: ["SIGNING_KEY_1"],
      make: [],
      // Said once more, before anything is deleted.
      variables: { ACTIVE_SIGNING_KEY: "2" },
    });
    state = after("signing", "drop", state, gone);
    expect(nextStep("signing", state)).toBe("add");
    expect(() => plan("signing", "drop", state, gone)).toThrow(/nothing can be dropped/);
    expect(() => plan("signing", "use", state, gone)).toThrow(/No key waits/);
    expect(plan("signing", "add", state, gone)).toMatchObject({ make: ["SIGNING_KEY_3"], variables: {} });
  });

  test("of encryption keys refuses to drop one while a row needs it, and may begin anew meanwhile", () => {
    let state = world(["ENCRYPTION_KEYS"]);
    state = after("encryption", "add", state, NOW);
    expect([state.names, state.variables]).toEqual([["ENCRYPTION_KEYS", "ENCRYPTION_KEYS_2"], {}]);
    state = after("encryption", "use", state, NOW + SPREAD_SECONDS);
    expect(state.variables).toEqual({ ACTIVE_ENCRYPTION_KEYS: "2" });
    const later = NOW + 2 * SPREAD_SECONDS + 660;
    expect(() => plan("encryption", "drop", state, later - 1)).toThrow(/Logins that ENCRYPTION_KEYS has sealed go on/);
    const rows = [
      { place: "authenticators.sealed", key: "s2", count: 9 },
      { place: "recovery_codes.hash", key: "h1", count: 3 },
    ];
    expect(() => plan("encryption", "drop", { ...state, rows }, later)).toThrow(
      /^Still needed, and lost with the key: ENCRYPTION_KEYS: 3 of recovery_codes\.hash \(h1\)\. /,
    );
    expect(plan("encryption", "add", { ...state, rows }, later).make).toEqual(["ENCRYPTION_KEYS_3"]);
    expect(plan("encryption", "drop", { ...state, rows: rows.slice(0, 1) }, later).remove).toEqual(["ENCRYPTION_KEYS"]);
  });

  test("takes what is under no other known key for the first one's, whatever its keys are called", () => {
    const own = ["ENCRYPTION_KEYS", "ENCRYPTION_KEYS_2", "ENCRYPTION_KEYS_3"];
    const rows = ["s1", "h2", "s3", "own", "s22"].map((key) => ({ key }));
    expect(needing("ENCRYPTION_KEYS", own, rows).map(({ key }) => key)).toEqual(["s1", "own", "s22"]);
    expect(needing("ENCRYPTION_KEYS_2", own, rows).map(({ key }) => key)).toEqual(["h2"]);
  });

  test("of a webhook's secret signs with both until the receiver has the new one", () => {
    let state = world(["WEBHOOK_SECRET"]);
    state = after("webhook", "add", state, NOW);
    expect(state.names).toEqual(["WEBHOOK_SECRET", "WEBHOOK_SECRET_2"]);
    expect(nextStep("webhook", state)).toBe("drop");
    expect(() => plan("webhook", "drop", state, NOW + SPREAD_SECONDS - 1)).toThrow(/not known everywhere yet/);
    expect(plan("webhook", "drop", state, NOW + SPREAD_SECONDS).remove).toEqual(["WEBHOOK_SECRET"]);
  });

  test("takes its time where nobody knows since when a key is there", () => {
    const unknown = (names, variables) => world(names, variables, { recorded: [] });
    expect(() => plan("signing", "use", unknown(["SIGNING_KEY_1", "SIGNING_KEY_2"], { ACTIVE_SIGNING_KEY: "1" }), NOW)).toThrow(
      Unrecorded,
    );
    expect(() =>
      plan("encryption", "drop", unknown(["ENCRYPTION_KEYS", "ENCRYPTION_KEYS_2"], { ACTIVE_ENCRYPTION_KEYS: "2" }), NOW),
    ).toThrow("It is not known since when this key stands as it does: it counts from now. Repeat in 21 minutes.");
  });

  test("is refused where it is not certain which key is used", () => {
    expect(() => nextStep("signing", world(["SIGNING_KEY_1", "SIGNING_KEY_2"]))).toThrow(
      "ACTIVE_SIGNING_KEY does not say which of SIGNING_KEY_1, SIGNING_KEY_2 is used: set it first.",
    );
    expect(() => nextStep("signing", world(["SIGNING_KEY_1"], { ACTIVE_SIGNING_KEY: "9" }))).toThrow(
      /names SIGNING_KEY_9, which is not there/,
    );
    expect(() => nextStep("webhook", world(["SIGNING_KEY_1"]))).toThrow(
      "There is no WEBHOOK_SECRET: there is nothing to rotate.",
    );
  });

  test("is refused where the settings are older than the last rotation, by all commands that would deploy them", () => {
    const used = (name, at) => ({ name, added_at: LONG_AGO, used_at: at });
    const names = ["SIGNING_KEY_1", "SIGNING_KEY_2"];
    const recorded = [used("SIGNING_KEY_2", NOW), used("SIGNING_KEY_1", LONG_AGO), used("SIGNING_KEY_9", NOW + 1)];
    const state = world(names, { ACTIVE_SIGNING_KEY: "1" }, { recorded });
    const sentence =
      "The settings of this machine say that SIGNING_KEY_1 is used, the database that SIGNING_KEY_2 is, since 2027-01-15 08:00 UTC. " +
      "They are older than the last rotation: write ACTIVE_SIGNING_KEY 2 into them, or take those of the machine that rotated.";
    for (const step of STEPS) expect(() => plan("signing", step, state, NOW)).toThrow(sentence);
    expect(() => nextStep("signing", state)).toThrow(sentence);
    expect(() => agreed("signing", names, {}, [used("SIGNING_KEY_2", NOW)])).toThrow(/does not say which/);
    for (const value of ["2", "SIGNING_KEY_2"]) agreed("signing", names, { ACTIVE_SIGNING_KEY: value }, recorded);
    // Added and not used yet, or gone: neither is in use.
    agreed("signing", names, { ACTIVE_SIGNING_KEY: "1" }, [used("SIGNING_KEY_2", null), used("SIGNING_KEY_9", NOW)]);
    agreed("encryption", ["ENCRYPTION_KEYS", "ENCRYPTION_KEYS_2"], {}, [used("ENCRYPTION_KEYS", NOW)]);
    const further = { ACTIVE_ENCRYPTION_KEYS: "OLD" };
    expect(() =>
      agreed("encryption", ["ENCRYPTION_KEYS", "ENCRYPTION_KEYS_OLD"], further, [used("ENCRYPTION_KEYS", NOW)]),
    ).toThrow(/: take ACTIVE_ENCRYPTION_KEYS out of them/);
    const account = { ...EMPTY, secrets: ["ENCRYPTION_KEYS", ...names], recorded };
    const given = { variables: { ACTIVE_SIGNING_KEY: "1" }, secrets: {} };
    expect(() => planDeployment(resourcesOf(repositorySettings()), account, given)).toThrow(sentence);
  });

  test("goes on where a key that is newer than the one used last is not recorded as used", () => {
    const known = (name, added, used) => ({ name, added_at: added, used_at: used });
    const names = ["SIGNING_KEY_1", "SIGNING_KEY_2", "SIGNING_KEY_3"];
    const recorded = [known("SIGNING_KEY_2", 50, 100), known("SIGNING_KEY_3", 200, null)];
    const state = world(names, { ACTIVE_SIGNING_KEY: "3" }, { recorded });
    expect(nextStep("signing", state)).toBe("use");
    expect(plan("signing", "use", state, NOW)).toMatchObject({
      variables: { ACTIVE_SIGNING_KEY: "3" },
      used: "SIGNING_KEY_3",
    });
    expect(() => plan("signing", "use", state, 200 + SPREAD_SECONDS - 1)).toThrow(/not known everywhere yet/);
    expect(() => plan("signing", "drop", state, NOW)).toThrow(
      "The step use of SIGNING_KEY_3 is not finished: repeat it before drop.",
    );
    // Nor where the database knows less: one that was restored, or a key that was set by hand.
    agreed("signing", names, { ACTIVE_SIGNING_KEY: "3" }, recorded.slice(0, 1));
    // What was used before the other one is older, whatever its name.
    expect(() => agreed("signing", names, { ACTIVE_SIGNING_KEY: "3" }, [recorded[0], known("SIGNING_KEY_3", 40, 60)])).toThrow(
      /write ACTIVE_SIGNING_KEY 2 into them/,
    );
    // Where names have no numbers, the database says which was added first.
    const own = ["SIGNING_KEY_A", "SIGNING_KEY_B"];
    const used = known("SIGNING_KEY_A", 50, 100);
    agreed("signing", own, { ACTIVE_SIGNING_KEY: "B" }, [used, known("SIGNING_KEY_B", 51, null)]);
    for (const rows of [[used], [used, known("SIGNING_KEY_B", 49, null)]])
      expect(() => agreed("signing", own, { ACTIVE_SIGNING_KEY: "B" }, rows)).toThrow(/write ACTIVE_SIGNING_KEY A into/);
    // Webhook secrets are not put to use.
    const hooks = world(["WEBHOOK_SECRET", "WEBHOOK_SECRET_2"], {}, { recorded: [known("WEBHOOK_SECRET_2", 50, null)] });
    expect(nextStep("webhook", hooks)).toBe("drop");
  });

  test("knows the operator's own names", () => {
    const state = world(["SIGNING_KEY_MAIN"]);
    expect(plan("signing", "add", state, NOW)).toMatchObject({
      make: ["SIGNING_KEY_1"],
      variables: { ACTIVE_SIGNING_KEY: "MAIN" },
    });
    const both = world(["SIGNING_KEY_MAIN", "SIGNING_KEY_NEXT"], { ACTIVE_SIGNING_KEY: "SIGNING_KEY_NEXT" });
    expect(plan("signing", "drop", both, NOW).remove).toEqual(["SIGNING_KEY_MAIN"]);
  });
});

describe("the SQL", () => {
  const empty = async () => {
    const database = new DatabaseSync(":memory:");
    for (const statement of await migrationStatements()) database.exec(statement);
    return database;
  };

  test("counts the rows of every key in every column that is sealed or hashed", async () => {
    const database = await empty();
    database.exec(`
      INSERT INTO recovery_codes VALUES ('a', 'r', 'h1.x', 1), ('b', 'r', 'h2.x', 1), ('c', 'r', 'h2.y', 1);
      INSERT INTO authenticators VALUES ('a', 'x', 'totp', 's1.x', NULL, 0, 0, 1, 1, 1, 0)`);
    expect(database.prepare(countRows()).all()).toEqual([
      { place: "authenticators.sealed", key: "s1", count: 1 },
      { place: "recovery_codes.hash", key: "h1", count: 1 },
      { place: "recovery_codes.hash", key: "h2", count: 2 },
    ]);
    // Columns of this kind have these names; what is hashed without a key is not of them.
    const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
    const keyed = tables.flatMap(({ name: table }) =>
      database
        .prepare(`SELECT name FROM pragma_table_info('${table}')`)
        .all()
        .filter(({ name }) => /^(sealed|answer|address|address_index|(code_|recovery_)?hash)$/.test(name))
        .map(({ name }) => `${table}.${name}`),
    );
    expect(KEYED.flatMap(([table, columns]) => columns.map((column) => `${table}.${column}`)).sort()).toEqual(keyed.sort());
    database.close();
  });

  test("gives a name to one of two, and to another one only when that came to nothing", async () => {
    const database = await empty();
    const take = (times) => database.prepare(reserve("K", times)).all().length;
    expect(take({ until: 900, now: 0 })).toBe(1);
    // Whoever has read before, whoever has read since, and whoever comes when it must have ended but has read nothing.
    expect(take({ until: 901, now: 1 })).toBe(0);
    expect(take({ until: 901, seen: 900, now: 899 })).toBe(0);
    expect(take({ until: 1800, now: 900 })).toBe(0);
    expect(take({ until: 1800, seen: 900, now: 900 })).toBe(1);
    expect(take({ until: 1801, seen: 900, now: 901 })).toBe(0);
    // The first one fails after all, which is none of the second one's business.
    database.exec(release("K", 900));
    expect(database.prepare(recordedKeys()).all()).toEqual([{ name: "K", added_at: 1800, used_at: null }]);
    // Nor does it pass for added when the first one comes to its end late.
    const settled = (until, now) => database.prepare(settle("K", until, now)).all().length;
    expect(settled(900, 950)).toBe(0);
    expect(database.prepare(recordedKeys()).all()).toEqual([{ name: "K", added_at: 1800, used_at: null }]);
    expect(settled(1800, 1000)).toBe(1);
    expect(settled(1800, 1001)).toBe(0);
    // It is there: whoever has read before that gets no key of the same name.
    expect(take({ until: 2000, seen: 1800, now: 1100 })).toBe(0);
    expect(take({ until: 2000, now: 1100 })).toBe(0);
    database.exec(release("K", 1800));
    expect(database.prepare(recordedKeys()).all()).toEqual([{ name: "K", added_at: 1000, used_at: null }]);
    database.close();
  });

  test("notes when a key was first there and last put to use", async () => {
    const database = await empty();
    for (const sql of [recordAdded("K", 1), recordAdded("K", 2), recordUsed("K", 3), recordUsed("L", 4)]) database.exec(sql);
    expect(database.prepare(recordedKeys()).all()).toEqual([
      { name: "K", added_at: 1, used_at: 3 },
      { name: "L", added_at: 4, used_at: 4 },
    ]);
    database.close();
  });
});

describe(".dev.vars", () => {
  test("keeps every other line as it is", () => {
    const before = "# mine\nA='1'\nexport SIGNING_KEY_1=x\n\nACTIVE_SIGNING_KEY='1'\n";
    expect(changed(before, { ACTIVE_SIGNING_KEY: "2", B: "{}" }, ["SIGNING_KEY_1"])).toBe(
      "# mine\nA='1'\n\nACTIVE_SIGNING_KEY='2'\nB='{}'\n",
    );
    expect(changed("A='1'", { B: "2" }, [])).toBe("A='1'\nB='2'\n");
  });

  test("is left alone where a value has several lines", () => {
    expect(() => changed('A="{\nC=1\n}"\nB=2\n', {}, ["A"])).toThrow(/several lines/);
  });
});

describe("the command", () => {
  const folder = mkdtempSync(join(tmpdir(), "countersign-keys-"));
  const script = fileURLToPath(new URL("../../scripts/run.mjs", import.meta.url));
  const file = join(folder, "dev-vars");
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function keys(...args) {
    const child = spawn(process.execPath, [script, "keys", ...args, "--persist-to", folder, "--dev-vars", file], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended = new Promise((resolve) => child.on("close", resolve));
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
    return { code: await ended, out, err };
  }
  const variables = () => parseEnv(readFileSync(file, "utf8"));

  test("goes through the steps, waits where it must, and never shows a key that nobody needs to know", async () => {
    const where = { persistTo: folder };
    await migrate(where);
    writeFileSync(
      file,
      `ENCRYPTION_KEYS='${freshEncryptionKeys()}'\nSIGNING_KEY_1='${freshSigningKey()}'\nWEBHOOK_SECRET='${freshSecret("WEBHOOK_SECRET")}'\n`,
    );
    const first = variables();
    const added = await keys("rotate", "encryption");
    expect(added).toMatchObject({ code: 0, err: "" });
    expect(added.out).toMatch(/^ENCRYPTION_KEYS_2 is added\. It is known, and not used yet\./);
    const second = JSON.parse(variables().ENCRYPTION_KEYS_2);
    expect(second).toEqual({ seal: expect.stringMatching(/^[\w-]{43}$/), hash: expect.stringMatching(/^[\w-]{43}$/) });
    for (const key of Object.values(second)) expect(added.out).not.toContain(key);

    const early = await keys("rotate", "encryption");
    expect(early).toMatchObject({
      code: 1,
      out: "",
      err: expect.stringMatching(/^ENCRYPTION_KEYS_2 is not known everywhere yet: repeat in \d+ minutes\.\n$/),
    });
    await execute("UPDATE keys SET added_at = added_at - 3600", where);
    expect(await keys("rotate", "encryption")).toMatchObject({ code: 0, err: "" });
    expect(variables()).toEqual({ ...first, ENCRYPTION_KEYS_2: JSON.stringify(second), ACTIVE_ENCRYPTION_KEYS: "2" });

    await execute("UPDATE keys SET used_at = used_at - 86400; INSERT INTO recovery_codes VALUES ('a', 'r', 'h1.x', 1)", where);
    const needed = await keys("rotate", "encryption");
    expect(needed).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^Still needed.*1 of recovery_codes\.hash \(h1\)/),
    });
    expect(variables().ENCRYPTION_KEYS).toBe(first.ENCRYPTION_KEYS);
    expect((await keys("status")).out).toMatch(
      /^ENCRYPTION_KEYS_2 {2}in use\nENCRYPTION_KEYS {2}not used any more\nSIGNING_KEY_1 {2}in use\nWEBHOOK_SECRET {2}signs\nh1 {6}1 of recovery_codes\.hash\n$/,
    );
    await execute("UPDATE recovery_codes SET hash = 'h2.x'", where);
    expect((await keys("rotate", "encryption", "--step", "drop")).out).toMatch(/^ENCRYPTION_KEYS is gone\./);
    expect(Object.keys(variables()).sort()).toEqual([
      "ACTIVE_ENCRYPTION_KEYS",
      "ENCRYPTION_KEYS_2",
      "SIGNING_KEY_1",
      "WEBHOOK_SECRET",
    ]);

    // Somebody else adds the same one: nothing is written, until that must have ended.
    const until = Math.floor(Date.now() / 1000) + 600;
    await execute(reserve("WEBHOOK_SECRET_2", { until, now: 0 }), where);
    expect(await keys("rotate", "webhook")).toMatchObject({
      code: 1,
      out: "",
      err: expect.stringMatching(/^WEBHOOK_SECRET_2 is being added by somebody else, or was a moment ago: /),
    });
    expect(variables()).not.toHaveProperty("WEBHOOK_SECRET_2");
    await execute("UPDATE keys SET added_at = added_at - 3600 WHERE name = 'WEBHOOK_SECRET_2'", where);
    const hook = await keys("rotate", "webhook");
    expect(hook.out).toContain(`WEBHOOK_SECRET_2  ${variables().WEBHOOK_SECRET_2}\n`);
    expect(await keys("rotate", "signing", "--step", "drop")).toMatchObject({
      code: 1,
      err: "There is no key but the one in use: nothing can be dropped.\n",
    });
  }, 600_000);
});

const VARIABLES = {
  PUBLIC_URL: "https://mfa.example.com",
  TENANT_NAME: "Example",
  TRUSTED_ISSUERS: '[{"name": "idp", "issuer": "https://idp.example.com/", "may": ["mfa_token"]}]',
};

/** Runs one of the npm commands against an account, with `kept` for wrangler.deploy.json. */
async function runOn(env, kept, ...args) {
  const child = spawn(process.execPath, [join(ROOT, "scripts", "run.mjs"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env, COUNTERSIGN_DEPLOYMENT: kept },
  });
  const ended = new Promise((resolve) => child.on("close", resolve));
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await ended, out, err };
}

test("the command rotates a deployed Worker's keys without reading one, each step in one deployment", async () => {
  const kept = `wrangler.keys-test-${process.pid}.json`;
  const { account, env, stop } = await startCloudflare();
  const run = (...args) => runOn(env, kept, ...args);
  const deployments = () => account.requests.filter((request) => /^PUT .*\/scripts\/countersign\b[^/]*$/.test(request)).length;
  const active = () => account.worker.bindings.find(({ name }) => name === "ACTIVE_SIGNING_KEY")?.text;
  try {
    expect(await run("keys", "rotate", "signing", "--remote")).toMatchObject({
      code: 1,
      err: `${kept} is not there: run \`npm run deploy\` on this machine once, then repeat.\n`,
    });
    expect(await runOn({ ...env, ...VARIABLES }, kept, "deploy")).toMatchObject({ code: 0, err: "" });
    const first = { ...account.worker.secrets };
    const ofDatabase = `The deployed database is countersign (${account.databases[0].uuid}).\n`;

    const before = deployments();
    const { sqlite } = account.databases[0];
    const addedAt = () => sqlite.prepare("SELECT added_at FROM keys WHERE name = 'SIGNING_KEY_2'").get()?.added_at;
    // What would not serve is not deployed, and no name is taken for it.
    const right = readFileSync(join(ROOT, kept), "utf8");
    const { vars, ratelimits: _, ...old } = JSON.parse(right);
    writeFileSync(join(ROOT, kept), JSON.stringify({ ...old, vars: { ...vars, POLICY: "sometimes" } }));
    expect(await run("keys", "rotate", "signing", "--remote")).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^POLICY .*\nNothing was deployed: put this right, then repeat\.\n$/s),
    });
    // Nor what the account lacks of the version that is checked out.
    writeFileSync(join(ROOT, kept), JSON.stringify({ ...old, vars: { ...vars, EXPORT_EVENTS: "on" } }));
    expect(await run("keys", "rotate", "signing", "--remote")).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^The account lacks .* \(countersign-audit\): run `npm run deploy`, then repeat\.\n$/),
    });
    expect([deployments(), addedAt()]).toEqual([before, undefined]);
    // Bindings are those of wrangler.toml, whatever the file of an older version has.
    writeFileSync(join(ROOT, kept), JSON.stringify({ ...old, vars }));
    account.worker.bindings.push({ type: "plain_text", name: "OF_SOMEBODY_ELSE", text: "x" });
    // A deployment that fails leaves no trace.
    account.whileDeploying = async () => ({ status: 400, errors: [{ code: 10021, message: "not today" }] });
    const failed = await run("keys", "rotate", "signing", "--remote");
    expect(failed).toMatchObject({ code: 1, err: expect.stringMatching(/\nThe migrations have run before that\. /) });
    expect(failed.out).toMatch(/variables that the new one will not have: OF_SOMEBODY_ELSE\./);
    expect([addedAt(), account.worker.secrets]).toEqual([undefined, first]);
    expect(JSON.parse(readFileSync(join(ROOT, kept), "utf8"))).toEqual({ ...old, vars });
    // Somebody else has the same in mind while this one is deployed, which takes some seconds.
    let other;
    let ended;
    account.whileDeploying = async () => {
      other = await run("keys", "rotate", "signing", "--remote");
      ended = Math.floor(Date.now() / 1000);
    };
    expect(await run("keys", "rotate", "signing", "--remote")).toMatchObject({ code: 0, err: ofDatabase });
    delete account.whileDeploying;
    expect(other).toMatchObject({
      code: 1,
      err: expect.stringMatching(
        /\nSIGNING_KEY_2 is being added by somebody else, or was a moment ago: .* repeat in 15 minutes\.\n$/,
      ),
    });
    // What is waited for counts from the end of the deployment.
    expect(addedAt()).toBeGreaterThanOrEqual(ended);
    expect(addedAt()).toBeLessThanOrEqual(Math.floor(Date.now() / 1000));
    expect(deployments()).toBe(before + 2);
    expect(account.worker.bindings.map(({ name }) => name)).toContain("SHIELD");
    const { SIGNING_KEY_2: second, ...rest } = account.worker.secrets;
    expect([active(), rest]).toEqual(["1", first]);
    expect(JSON.parse(second).kid).not.toBe(JSON.parse(first.SIGNING_KEY_1).kid);
    expect(await run("keys", "rotate", "signing", "--remote")).toMatchObject({
      code: 1,
      err: expect.stringMatching(/not known everywhere yet/),
    });

    const older = readFileSync(join(ROOT, kept), "utf8");
    sqlite.exec("UPDATE keys SET added_at = added_at - 86400");
    const used = await run("keys", "rotate", "signing", "--remote");
    expect(used).toMatchObject({ code: 0, err: ofDatabase });
    expect([active(), account.worker.secrets]).toEqual(["2", { ...first, SIGNING_KEY_2: second }]);
    expect(used.out + readFileSync(join(ROOT, kept), "utf8")).not.toContain(JSON.parse(second).d);

    sqlite.exec("UPDATE keys SET used_at = used_at - 86400");
    // A machine that has not heard of it: neither command takes the older key for the one in use.
    const newer = readFileSync(join(ROOT, kept), "utf8");
    writeFileSync(join(ROOT, kept), older);
    const heard = deployments();
    for (const command of [["keys", "rotate", "signing", "--remote"], ["keys", "status", "--remote"], ["deploy"]])
      expect(await run(...command)).toMatchObject({
        code: 1,
        err: expect.stringMatching(
          /^The settings of this machine say that SIGNING_KEY_1 is used, the database that SIGNING_KEY_2 is/,
        ),
      });
    expect([deployments(), active()]).toEqual([heard, "2"]);
    writeFileSync(join(ROOT, kept), newer);
    expect(await run("keys", "rotate", "signing", "--remote")).toMatchObject({ code: 0, err: ofDatabase });
    const { SIGNING_KEY_1: gone, ...left } = first;
    expect(account.worker.secrets).toEqual({ ...left, SIGNING_KEY_2: second });
    // A later deployment keeps what the rotation has set, and makes no key anew.
    expect(await run("deploy")).toMatchObject({ code: 0, err: "" });
    expect([active(), account.worker.secrets]).toEqual(["2", { ...left, SIGNING_KEY_2: second }]);
  } finally {
    await stop();
    rmSync(join(ROOT, kept), { force: true });
  }
}, 900_000);

describe("on an account, a step that breaks off", () => {
  const kept = `wrangler.keys-broken-test-${process.pid}.json`;
  const path = join(ROOT, kept);
  const refused = { status: 400, errors: [{ code: 7500, message: "not now" }] };
  let cloudflare;
  const run = (...args) => runOn(cloudflare.env, kept, ...args);
  const active = () => cloudflare.account.worker.bindings.find(({ name }) => name === "ACTIVE_SIGNING_KEY").text;
  const row = (name) =>
    cloudflare.account.databases[0].sqlite.prepare("SELECT added_at, used_at FROM keys WHERE name = ?").get(name);

  beforeAll(async () => {
    cloudflare = await startCloudflare();
    const secrets = { SIGNING_KEY_2: freshSigningKey(), SIGNING_KEY_3: freshSigningKey() };
    const env = { ...cloudflare.env, ...VARIABLES, ...secrets, ACTIVE_SIGNING_KEY: "2" };
    expect(await runOn(env, kept, "deploy")).toMatchObject({ code: 0, err: "" });
    // The second rotation, whose key is known everywhere by now.
    cloudflare.account.databases[0].sqlite.exec(
      "INSERT INTO keys (name, added_at, used_at) VALUES ('SIGNING_KEY_2', 50, 100), ('SIGNING_KEY_3', 200, NULL)",
    );
  }, 600_000);
  afterAll(async () => {
    await cloudflare.stop();
    rmSync(path, { force: true });
  });

  test("is finished by the same command, and keeps nobody from deploying meanwhile", async () => {
    const { account } = cloudflare;
    const older = readFileSync(path, "utf8");
    account.whileQuerying = async (sql) => (sql.includes("SET used_at") ? refused : undefined);
    const broken = await run("keys", "rotate", "signing", "--remote");
    delete account.whileQuerying;
    expect(broken).toMatchObject({
      code: 1,
      err: expect.stringMatching(/\nSIGNING_KEY_3 is used from now on, but that is not recorded: repeat the command\./),
    });
    expect([active(), JSON.parse(readFileSync(path, "utf8")).vars.ACTIVE_SIGNING_KEY]).toEqual(["3", "3"]);
    expect(row("SIGNING_KEY_3")).toEqual({ added_at: 200, used_at: null });

    expect(await run("deploy")).toMatchObject({ code: 0, err: "" });
    expect(await run("keys", "rotate", "signing", "--step", "drop", "--remote")).toMatchObject({
      code: 1,
      err: "The step use of SIGNING_KEY_3 is not finished: repeat it before drop.\n",
    });
    expect(await run("keys", "rotate", "signing", "--remote")).toMatchObject({ code: 0 });
    expect([active(), row("SIGNING_KEY_3").used_at]).toEqual(["3", expect.any(Number)]);

    const newer = readFileSync(path, "utf8");
    writeFileSync(path, older);
    for (const command of [["keys", "rotate", "signing", "--remote"], ["deploy"]])
      expect(await run(...command)).toMatchObject({
        code: 1,
        err: expect.stringMatching(
          /^The settings of this machine say that SIGNING_KEY_2 is used, the database that SIGNING_KEY_3 is/,
        ),
      });
    writeFileSync(path, newer);
    expect(active()).toBe("3");
  }, 600_000);

  test("leaves the key of whoever has taken its name since alone, and hides no error behind another", async () => {
    const { account } = cloudflare;
    const add = () => run("keys", "rotate", "encryption", "--step", "add", "--remote");
    account.whileDeploying = async () => refused;
    account.whileQuerying = async (sql) => (sql.startsWith("DELETE") ? refused : undefined);
    const failed = await add();
    delete account.whileQuerying;
    expect(failed).toMatchObject({ code: 1, err: expect.stringMatching(/The Worker could not be deployed\./) });
    expect(failed.err).not.toMatch(/database could not|database refused/);

    // The next one takes so long that its reservation ends, and somebody else adds the same.
    const { sqlite } = account.databases[0];
    sqlite.exec("DELETE FROM keys WHERE name = 'ENCRYPTION_KEYS_2'");
    let theirs;
    account.whileDeploying = async () => {
      const { added_at: until } = row("ENCRYPTION_KEYS_2");
      theirs = until + 900;
      expect(sqlite.prepare(reserve("ENCRYPTION_KEYS_2", { until: theirs, seen: until, now: until })).all()).toHaveLength(1);
    };
    const late = await add();
    delete account.whileDeploying;
    expect(late).toMatchObject({
      code: 1,
      err: expect.stringMatching(
        /\nENCRYPTION_KEYS_2 is deployed, but that took more than 15 minutes, and somebody else has taken its name meanwhile: /,
      ),
    });
    expect(late.out).not.toMatch(/is added/);
    expect(row("ENCRYPTION_KEYS_2")).toEqual({ added_at: theirs, used_at: null });
  }, 600_000);
});
