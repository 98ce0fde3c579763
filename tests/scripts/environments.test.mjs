/** Two environments in one account: what is asked of the deployed one goes to its own database, or nowhere. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { copyTree } from "../../scripts/setup/copy-tree.mjs";
import { migrationStatements } from "../support/migrations.mjs";
import { startCloudflare } from "./cloudflare.mjs";

// A clone whose wrangler.toml has other names.
const clone = mkdtempSync(join(tmpdir(), "countersign-environment-"));
const path = join(clone, "wrangler.deploy.json");
let cloudflare;
let settings;

async function run(...args) {
  const { COUNTERSIGN_DEPLOYMENT: _, ...env } = process.env;
  const child = spawn(process.execPath, [join(clone, "scripts", "run.mjs"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...env, ...cloudflare.env },
  });
  const ended = new Promise((resolve) => child.on("close", resolve));
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await ended, out, err };
}

const add = [
  "clients",
  "add",
  "--id",
  "app",
  "--name",
  "App",
  "--auth",
  "none",
  "--audience",
  "https://api.example.com",
  "--remote",
];
const clients = () => cloudflare.account.databases.map(({ sqlite }) => sqlite.prepare("SELECT id FROM clients").all().length);

beforeAll(async () => {
  cloudflare = await startCloudflare();
  for (const name of ["countersign", "staging"]) {
    const sqlite = new DatabaseSync(":memory:");
    for (const statement of await migrationStatements()) sqlite.exec(statement);
    cloudflare.account.databases.push({
      uuid: `00000000-0000-4000-8000-${name.length.toString().padStart(12, "0")}`,
      name,
      sqlite,
    });
  }
  await copyTree(clone);
  const toml = join(clone, "wrangler.toml");
  writeFileSync(toml, readFileSync(toml, "utf8").replaceAll('"countersign', '"staging'));
  settings = {
    name: "staging",
    d1_databases: [{ binding: "DB", database_name: "staging", database_id: cloudflare.account.databases[1].uuid }],
  };
});
beforeEach(() => writeFileSync(path, JSON.stringify(settings)));
afterAll(async () => {
  await cloudflare.stop();
  rmSync(clone, { recursive: true, force: true });
});

test("a command for the deployed one changes its own database and says which", async () => {
  expect(await run(...add)).toMatchObject({
    code: 0,
    err: `The deployed database is staging (${settings.d1_databases[0].database_id}).\n`,
  });
  expect(clients()).toEqual([0, 1]);
  // What only looks has nothing to say.
  expect(await run("clients", "list", "--remote")).toMatchObject({ code: 0, out: "app  none             App\n", err: "" });
  expect(await run("deploy", "--dry-run")).toMatchObject({ code: 0, out: expect.not.stringMatching(/countersign/) });
});

test.each([
  [
    "there is no wrangler.deploy.json",
    () => rmSync(path),
    /^wrangler\.deploy\.json is not there, so it is not known which database/,
  ],
  [
    "that names no database",
    () => writeFileSync(path, JSON.stringify({ ...settings, d1_databases: [{ binding: "DB", database_name: "staging" }] })),
    /^wrangler\.deploy\.json does not say which database is deployed/,
  ],
  [
    "that is another environment's",
    () =>
      writeFileSync(
        path,
        JSON.stringify({ ...settings, d1_databases: [{ binding: "DB", database_name: "countersign", database_id: "x" }] }),
      ),
    /^wrangler\.deploy\.json is about the Worker staging and the database countersign, wrangler\.toml about the Worker staging and the database staging\. /,
  ],
])("nothing is done where %s", async (_, spoil, said) => {
  spoil();
  const before = clients();
  cloudflare.account.requests.length = 0;
  expect(await run(...add)).toMatchObject({ code: 1, err: expect.stringMatching(said) });
  expect([clients(), cloudflare.account.requests]).toEqual([before, []]);
});

test("a deployment is refused where wrangler.deploy.json is another environment's, or another account's", async () => {
  writeFileSync(path, JSON.stringify({ ...settings, name: "countersign" }));
  expect(await run("deploy")).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^wrangler\.deploy\.json is about the Worker countersign/),
  });
  const vars = { PUBLIC_URL: "https://mfa.example.com", TENANT_NAME: "Example", TRUSTED_ISSUERS: "https://idp.example.com/" };
  const [database] = settings.d1_databases;
  writeFileSync(path, JSON.stringify({ ...settings, vars, d1_databases: [{ ...database, database_id: "elsewhere" }] }));
  expect(await run("deploy")).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^The database elsewhere of wrangler\.deploy\.json is not in this account: /),
  });
  // A queue of the first environment: its messages would go to whoever does not know them.
  writeFileSync(path, JSON.stringify({ ...settings, vars }));
  cloudflare.account.queues.push({ queue_name: "staging-oob", consumers: [{ type: "worker", script: "countersign" }] });
  expect(await run("deploy")).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^The queue staging-oob is read by the Worker countersign, not by staging: /),
  });
  expect(cloudflare.account.requests.filter((request) => /^(PUT|POST .*(database|queues|namespaces)$)/.test(request))).toEqual(
    [],
  );
});
