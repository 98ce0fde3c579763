/** `npm run deploy`: its plan for accounts that have nothing, something and everything, and the command itself. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { experimental_readRawConfig } from "wrangler";
import { EMPTY, planDeployment } from "../../scripts/deploy/plan.mjs";
import { askForMissing, completed } from "../../scripts/deploy/questions.mjs";
import { deploymentSettings, knownVariables, repositorySettings, resourcesOf } from "../../scripts/deploy/settings.mjs";
import { freshEncryptionKeys } from "../../scripts/keys/fresh.mjs";
import { Failure } from "../../scripts/terminal/failure.mjs";
import { WRANGLER } from "../../scripts/wrangler.mjs";
import { startCloudflare } from "./cloudflare.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const repository = repositorySettings();
const resources = resourcesOf(repository);
const variables = {
  PUBLIC_URL: "https://mfa.example.com",
  TENANT_NAME: "Example",
  TRUSTED_ISSUERS: '[{"name":"idp","issuer":"https://idp.example.com/","may":["mfa_token"]}]',
};
const COMPLETE = {
  databases: { countersign: "database-id", other: "x" },
  namespaces: { "countersign-jwks": "namespace-id" },
  queues: ["countersign-oob", "countersign-oob-dead"],
  secrets: ["ENCRYPTION_KEYS", "SIGNING_KEY_2"],
  sealed: true,
};
const plan = (account, given = {}) => planDeployment(resources, account, { variables, secrets: {}, ...given });
const what = (steps) => steps.map(({ what, name }) => (name ? `${what} ${name}` : what));
const secretsIn = (steps) => steps.at(-1).secrets.map(({ name }) => name);

describe("the plan", () => {
  test("for an empty account makes everything, the Worker last", () => {
    const steps = plan(EMPTY);
    expect(what(steps)).toEqual([
      "database countersign",
      "namespace countersign-jwks",
      "queue countersign-oob",
      "queue countersign-oob-dead",
      "settings",
      "build",
      "migrations",
      "worker countersign",
    ]);
    expect(secretsIn(steps)).toEqual(["ENCRYPTION_KEYS", "SIGNING_KEY_1"]);
  });

  test("for an account that was half made does the other half", () => {
    const steps = plan({
      ...EMPTY,
      databases: { countersign: "x" },
      queues: ["countersign-oob"],
      secrets: ["SIGNING_KEY_1"],
    });
    expect(what(steps)).toEqual([
      "namespace countersign-jwks",
      "queue countersign-oob-dead",
      "settings",
      "build",
      "migrations",
      "worker countersign",
    ]);
    expect(secretsIn(steps)).toEqual(["ENCRYPTION_KEYS"]);
  });

  test("for a complete account only deploys again, and leaves the secrets alone", () => {
    const steps = plan(COMPLETE, { secrets: { ENCRYPTION_KEYS: "another", SIGNING_KEY_9: "another" } });
    expect(what(steps)).toEqual(["settings", "build", "migrations", "worker countersign"]);
    expect(secretsIn(steps)).toEqual([]);
  });

  test("takes secrets that the operator brings along instead of making them", () => {
    const steps = plan(EMPTY, { secrets: { ENCRYPTION_KEYS: "own keys", SIGNING_KEY_A: "own key" } });
    expect(steps.at(-1).secrets).toEqual([
      { name: "ENCRYPTION_KEYS", value: "own keys", made: false },
      { name: "SIGNING_KEY_A", value: "own key", made: false },
    ]);
  });

  test("never makes new encryption keys over a database that needs the old ones", () => {
    const lost = { ...COMPLETE, secrets: [] };
    expect(() => plan(lost)).toThrow(/set ENCRYPTION_KEYS to the keys it had/);
    expect(secretsIn(plan(lost, { secrets: { ENCRYPTION_KEYS: "old keys" } }))).toEqual(["ENCRYPTION_KEYS", "SIGNING_KEY_1"]);
  });

  test("needs no first keys where a rotation has left later ones, and takes those back as well", () => {
    const rotated = { ...COMPLETE, secrets: ["ENCRYPTION_KEYS_2", "SIGNING_KEY_2", "WEBHOOK_SECRET_2"] };
    const hooked = { ...variables, WEBHOOK_URL: "https://hook.example.com" };
    expect(secretsIn(planDeployment(resources, rotated, { variables: hooked, secrets: {} }))).toEqual([]);
    const lost = { ...COMPLETE, secrets: ["SIGNING_KEY_2"] };
    expect(secretsIn(plan(lost, { secrets: { ENCRYPTION_KEYS_2: "old keys" } }))).toEqual(["ENCRYPTION_KEYS_2"]);
  });

  test("replaces a provider's secret that is brought along, and no key", () => {
    const account = { ...COMPLETE, secrets: [...COMPLETE.secrets, "RESEND_API_KEY", "WEBHOOK_SECRET_2", "TWILIO_AUTH_TOKEN"] };
    const given = { RESEND_API_KEY: "re_2", WEBHOOK_SECRET_2: "whsec_2", SES_SECRET_ACCESS_KEY: "new" };
    const keys = { ENCRYPTION_KEYS: "another", ENCRYPTION_KEYS_2: "another", SIGNING_KEY_2: "another" };
    const { secrets, text: said } = plan(account, { secrets: { ...given, ...keys } }).at(-1);
    expect(Object.fromEntries(secrets.map(({ name, value }) => [name, value]))).toEqual(given);
    expect(said).toBe(
      "Deploy the Worker countersign, with the secrets SES_SECRET_ACCESS_KEY, with other values of the secrets RESEND_API_KEY, WEBHOOK_SECRET_2",
    );
  });

  test("asks for the webhook's secret, which only its receiver knows", () => {
    const withWebhook = { variables: { ...variables, WEBHOOK_URL: "https://hooks.example.com" } };
    expect(() => plan(COMPLETE, withWebhook)).toThrow(/set WEBHOOK_SECRET/);
    expect(secretsIn(plan(COMPLETE, { ...withWebhook, secrets: { WEBHOOK_SECRET: "whsec_x" } }))).toEqual(["WEBHOOK_SECRET"]);
    expect(secretsIn(plan({ ...COMPLETE, secrets: [...COMPLETE.secrets, "WEBHOOK_SECRET"] }, withWebhook))).toEqual([]);
  });

  test("makes the queue of events where those are exported", () => {
    const steps = planDeployment(resourcesOf(repository, { EXPORT_EVENTS: "on" }), COMPLETE, { variables, secrets: {} });
    expect(what(steps)[0]).toBe("queue countersign-audit");
  });

  test("leaves out what wrangler.toml names by its id", () => {
    const named = resourcesOf({
      ...repository,
      d1_databases: [{ ...repository.d1_databases[0], database_id: "own" }],
      kv_namespaces: [{ ...repository.kv_namespaces[0], id: "own" }],
    });
    const steps = planDeployment(named, EMPTY, { variables, secrets: {} });
    expect(what(steps)[0]).toBe("queue countersign-oob");
  });
});

describe("the settings of a deployment", () => {
  const settings = (publicUrl = variables.PUBLIC_URL, more = {}, switched = {}) =>
    deploymentSettings({
      repository: { ...repository, ...more },
      variables: { ...variables, ...switched, PUBLIC_URL: publicUrl },
      databaseId: "d",
      namespaceId: "n",
    });

  test("are wrangler.toml's with the account's ids and variables", () => {
    const { vars, d1_databases: databases, kv_namespaces: namespaces, routes, ...rest } = settings();
    const { d1_databases: database, kv_namespaces: namespace, ...own } = repository;
    expect(rest).toEqual(own);
    expect(vars).toEqual(variables);
    expect(databases).toEqual([{ ...database[0], database_id: "d" }]);
    expect(namespaces).toEqual([{ ...namespace[0], id: "n" }]);
    expect(routes).toEqual([{ pattern: "mfa.example.com", custom_domain: true }]);
  });

  test("claim no address on workers.dev, nor where wrangler.toml says how the Worker is reached", () => {
    expect(settings("https://countersign.example.workers.dev").routes).toBeUndefined();
    expect(settings(variables.PUBLIC_URL, { routes: [] }).routes).toEqual([]);
  });

  test("have the binding of Cloudflare Email Service where that is switched on, and only there", () => {
    const bindings = (CLOUDFLARE_EMAIL, more) => settings(undefined, more, { CLOUDFLARE_EMAIL }).send_email;
    expect(bindings("on")).toEqual([{ name: "EMAIL" }]);
    expect(bindings(" on ")).toEqual([{ name: "EMAIL" }]);
    expect(bindings("off")).toBeUndefined();
    expect(settings().send_email).toBeUndefined();
    const own = [{ name: "EMAIL", allowed_sender_addresses: ["codes@example.com"] }];
    expect(bindings("on", { send_email: own })).toEqual(own);
  });

  test("have the queue of events and the dataset of metrics where those are switched on, and only there", () => {
    const of = (switched, more) => settings(undefined, more, switched);
    const producer = { binding: "AUDIT_QUEUE", queue: "countersign-audit" };
    const dataset = { binding: "METRICS", dataset: "countersign" };
    expect(of({ EXPORT_EVENTS: " on " }).queues).toEqual({
      ...repository.queues,
      producers: [...repository.queues.producers, producer],
    });
    expect(of({ EXPORT_METRICS: "on" }).analytics_engine_datasets).toEqual([dataset]);
    expect(of({ EXPORT_EVENTS: "off", EXPORT_METRICS: "off" }).queues).toEqual(repository.queues);
    expect(settings().analytics_engine_datasets).toBeUndefined();
    const own = [{ ...dataset, dataset: "own" }];
    expect(of({ EXPORT_METRICS: "on" }, { analytics_engine_datasets: own }).analytics_engine_datasets).toEqual(own);
    const queues = { ...repository.queues, producers: [{ ...producer, queue: "own" }] };
    expect(of({ EXPORT_EVENTS: "on" }, { queues }).queues).toEqual(queues);
    expect(resourcesOf({ ...repository, queues }, { EXPORT_EVENTS: "on" }).queues).toContain("own");
  });

  test("have no name of another environment where wrangler.toml has other names", () => {
    const toml = readFileSync(join(ROOT, "wrangler.toml"), "utf8").replaceAll('"countersign', '"staging');
    const folder = mkdtempSync(join(tmpdir(), "countersign-toml-"));
    try {
      writeFileSync(join(folder, "wrangler.toml"), toml);
      const { rawConfig: own } = experimental_readRawConfig({ config: join(folder, "wrangler.toml") });
      const switched = { ...variables, EXPORT_EVENTS: "on", EXPORT_METRICS: "on" };
      const settings = deploymentSettings({ repository: own, variables: switched, databaseId: "d", namespaceId: "n" });
      for (const all of [settings, resourcesOf(own, switched)]) expect(JSON.stringify(all)).not.toContain("countersign");
      // A dataset is asked for by SQL.
      expect(metricsName({ ...repository, name: "own-staging" })).toBe("own_staging");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    function metricsName(named) {
      const switched = { ...variables, EXPORT_METRICS: "on" };
      const made = deploymentSettings({ repository: named, variables: switched, databaseId: "d", namespaceId: "n" });
      return made.analytics_engine_datasets[0].dataset;
    }
  });

  test("take a variable from the environment, else from the last time, else from wrangler.toml", () => {
    const known = knownVariables({
      repository: { vars: { TENANT_NAME: "one", FACTORS: { otp: {} }, PUBLIC_URL: "https://one.example" } },
      kept: { vars: { TENANT_NAME: "two", PUBLIC_URL: "https://two.example" } },
      environment: { TENANT_NAME: "three", ENCRYPTION_KEYS: "secret", PATH: "/bin" },
    });
    expect(known).toEqual({ PUBLIC_URL: "https://two.example", TENANT_NAME: "three", FACTORS: '{"otp":{}}' });
  });

  test("make one trusted issuer of a lone URL", () => {
    const { TRUSTED_ISSUERS: issuers } = completed({ TRUSTED_ISSUERS: "https://idp.example.com/" });
    expect(JSON.parse(issuers)).toEqual([{ name: "idp", issuer: "https://idp.example.com/", may: ["mfa_token"] }]);
    expect(completed(variables)).toEqual(variables);
  });
});

describe("the command", () => {
  const kept = `wrangler.deploy-test-${process.pid}.json`;
  let cloudflare;
  let child;
  const deploy = async (args = [], env = {}) => {
    child = spawn(process.execPath, [join(ROOT, "scripts", "run.mjs"), "deploy", ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...cloudflare.env, ...variables, COUNTERSIGN_DEPLOYMENT: kept, ...env },
    });
    const ended = new Promise((resolve) => child.on("close", resolve));
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
    return { code: await ended, out, err };
  };

  beforeAll(async () => {
    cloudflare = await startCloudflare();
  });
  afterAll(async () => {
    await cloudflare.stop();
    rmSync(join(ROOT, kept), { force: true });
  });

  test("tells its plan without an account", async () => {
    const { code, out, err } = await deploy(["--dry-run"], { TENANT_NAME: "" });
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toMatch(/1\. Create the D1 database countersign\n.*\n.*\n.*\n.*\n.*\n.*\n *8\. Deploy the Worker/);
    expect(out).toMatch(/It would ask for TENANT_NAME\./);
    expect(cloudflare.account.requests).toEqual([]);
  });

  test("explains itself, and looks at no account for that", async () => {
    const told = await deploy(["--help"], {});
    expect(told).toMatchObject({ code: 0, err: "", out: expect.stringMatching(/^Everything that a Cloudflare account needs/) });
    expect(cloudflare.account.requests).toEqual([]);
  });

  test("says what is missing where nobody can be asked", async () => {
    const { code, err } = await deploy([], { TENANT_NAME: "", PUBLIC_URL: "" });
    expect(code).toBe(1);
    expect(err).toBe("Set PUBLIC_URL, TENANT_NAME in the environment: nobody is here to be asked.\n");
  });

  test("changes nothing where the configuration is wrong", async () => {
    const { code, err } = await deploy([], { PUBLIC_URL: "https://mfa.example.com/path" });
    expect(code).toBe(1);
    expect(err).toMatch(/PUBLIC_URL.*\nNothing was deployed: put this right, then repeat\.\n$/s);
    expect(cloudflare.account.requests.filter((request) => !request.startsWith("GET"))).toEqual([]);
    expect(existsSync(join(ROOT, kept))).toBe(false);
  }, 600_000);

  test("makes everything the first time, and repeated changes neither data nor secrets", async () => {
    const first = await deploy();
    expect(first).toMatchObject({ code: 0, err: "" });
    expect(first.out).toMatch(/mfa\.example\.com becomes the Worker's address\. .*: a DNS record that it has is replaced\.\n/);
    const { account } = cloudflare;
    expect(account.databases.map(({ name }) => name)).toEqual(["countersign"]);
    expect(account.namespaces.map(({ title }) => title)).toEqual(["countersign-jwks"]);
    expect(account.queues.map(({ queue_name: name }) => name)).toEqual(["countersign-oob", "countersign-oob-dead"]);
    expect(account.worker.schedules).toEqual([{ cron: "* * * * *" }]);
    const [consumer, undertaker] = account.worker.consumers;
    expect(undertaker).not.toHaveProperty("dead_letter_queue");
    expect(consumer).toMatchObject({
      dead_letter_queue: "countersign-oob-dead",
      settings: { max_retries: 10, batch_size: 10 },
    });
    const texts = Object.fromEntries(
      account.worker.bindings.filter(({ type }) => type === "plain_text").map(({ name, text }) => [name, text]),
    );
    expect(texts).toEqual(variables);

    const secrets = { ...account.worker.secrets };
    expect(Object.keys(secrets)).toEqual(["ENCRYPTION_KEYS", "SIGNING_KEY_1"]);
    const keptFile = readFileSync(join(ROOT, kept), "utf8");
    for (const secret of Object.values(secrets)) {
      const { d, seal } = JSON.parse(secret);
      for (const said of [first.out, keptFile, account.requests.join()]) expect(said).not.toContain(d ?? seal.keys.s1);
    }

    account.databases[0].sqlite.exec("INSERT INTO authenticators VALUES ('idp|1', 'a', 'totp', 's', NULL, 0, 0, 1, 1, 1, 0)");
    const second = await deploy([], { PUBLIC_URL: "", TENANT_NAME: "", TRUSTED_ISSUERS: "" });
    expect(second).toMatchObject({ code: 0, err: "" });
    expect(second.out).not.toMatch(/Create/);
    expect(account.worker.secrets).toEqual(secrets);
    expect(account.databases).toHaveLength(1);
    expect(account.databases[0].sqlite.prepare("SELECT count(*) AS count FROM authenticators").get().count).toBe(1);

    account.worker = undefined; // the Worker was deleted, and its keys with it
    const third = await deploy();
    expect(third).toMatchObject({ code: 1, err: expect.stringMatching(/set ENCRYPTION_KEYS to the keys it had/) });
    const fourth = await deploy([], { ENCRYPTION_KEYS: freshEncryptionKeys() });
    expect(fourth).toMatchObject({ code: 0, err: "" });
  }, 600_000);

  test("begins with what the Worker has where another machine has deployed it, and says what the next one will not have", async () => {
    const { account } = cloudflare;
    const unset = { PUBLIC_URL: "", TENANT_NAME: "", TRUSTED_ISSUERS: "" };
    const texts = () =>
      Object.fromEntries(
        account.worker.bindings.filter(({ type }) => type === "plain_text").map(({ name, text }) => [name, text]),
      );
    const mail = { EMAIL_FROM: "codes@example.com", RESEND_API_KEY: "re_one" };
    expect(await deploy([], mail)).toMatchObject({ code: 0, err: "" });
    account.worker.bindings.push({ type: "plain_text", name: "OF_SOMEBODY_ELSE", text: "x" });
    rmSync(join(ROOT, kept));

    // What it has cannot be read: nothing is guessed.
    account.refused = /versions/;
    const unread = await deploy([], unset);
    delete account.refused;
    expect(unread).toMatchObject({ code: 1, err: expect.stringMatching(/Cloudflare refused/) });
    expect(texts()).toHaveProperty("OF_SOMEBODY_ELSE");

    // A secret of a provider is replaced, a key is not.
    const before = account.worker.secrets;
    const unused = { TWILIO_FROM: "+15550100123" };
    const changed = { TENANT_NAME: "Other", RESEND_API_KEY: "re_two", ENCRYPTION_KEYS: freshEncryptionKeys() };
    const given = { ...unset, ...unused, ...changed };
    const other = await deploy([], given);
    expect(other).toMatchObject({ code: 0, err: "" });
    expect(other.out).toMatch(/the variables of the Worker that runs are taken over\./);
    expect(other.out).toMatch(/has variables that the new one will not have: OF_SOMEBODY_ELSE\./);
    expect(other.out).toMatch(/\nWarning: TWILIO_FROM is set, but nothing uses it/);
    expect(other.out).toMatch(/with other values of the secrets RESEND_API_KEY\n/);
    // The address is the Worker's already.
    expect(other.out).not.toMatch(/becomes the Worker's address/);
    expect(other.out).toMatch(/not used of the environment: ENCRYPTION_KEYS\./);
    expect(texts()).toEqual({ ...variables, ...unused, TENANT_NAME: "Other", EMAIL_FROM: "codes@example.com" });
    expect(account.worker.secrets).toEqual({ ...before, RESEND_API_KEY: "re_two" });
  }, 600_000);

  test("tells what has happened where it breaks off, and leaves no secret behind", async () => {
    const { account } = cloudflare;
    const temporary = mkdtempSync(join(tmpdir(), "countersign-interrupted-"));
    const env = { RESEND_API_KEY: "re_three", EMAIL_FROM: "codes@example.com", TMPDIR: temporary };
    const secretFiles = () => readdirSync(temporary, { recursive: true }).filter((path) => path.endsWith("secrets.json"));
    const before = account.worker?.secrets;
    const migrated = /\nThe migrations have run before that\. .*`npm run deploy` finishes it\.\n$/;
    try {
      let during;
      account.whileDeploying = async () => {
        during = secretFiles();
        return { status: 400, errors: [{ code: 10021, message: "not today" }] };
      };
      const failed = await deploy([], env);
      expect(failed).toMatchObject({ code: 1, err: expect.stringMatching(migrated) });
      expect([during.length, secretFiles()]).toEqual([1, []]);

      account.whileDeploying = async () => {
        during = secretFiles();
        child.kill("SIGTERM");
        return new Promise(() => {}); // what is interrupted gets no answer
      };
      const interrupted = await deploy([], env);
      expect(interrupted).toMatchObject({ code: 1, err: expect.stringMatching(/^Interrupted \(SIGTERM\)\.\n/) });
      expect(interrupted.err).toMatch(migrated);
      expect([during.length, secretFiles()]).toEqual([1, []]);
      expect(account.worker?.secrets).toEqual(before);
    } finally {
      delete account.whileDeploying;
      rmSync(temporary, { recursive: true, force: true });
    }
  }, 600_000);

  test("says what to do about a login that is refused, and about a file that is broken", async () => {
    const { account } = cloudflare;
    // Where even the token itself may not be looked at, wrangler breaks down in a stack trace.
    for (const refused of [/./, /d1.database/]) {
      account.refused = refused;
      const { code, err } = await deploy();
      expect(code).toBe(1);
      expect(err).toMatch(
        /^[^\n]* Cloudflare refused the login at \S+: run `npx wrangler login`, or set CLOUDFLARE_API_TOKEN to .* then repeat\.\n$/,
      );
    }
    delete account.refused;
    writeFileSync(join(ROOT, kept), '{\n  "name": "countersign",\n  "vars": {,\n}\n');
    expect(await deploy()).toMatchObject({
      code: 1,
      out: "",
      err: expect.stringMatching(new RegExp(`^${kept} is no JSON any more, from line 3, column 12 on `)),
    });
    expect(readdirSync(ROOT).filter((name) => name.startsWith("wrangler.deploy-test-"))).toEqual([kept]);
  }, 600_000);
});

describe("questions", () => {
  const { PUBLIC_URL: _, TENANT_NAME: __, ...known } = variables;
  // A terminal, and somebody who types an answer whenever a question is asked.
  const typing = (answers) => {
    const [input, output] = [new PassThrough(), new PassThrough()];
    const left = [...answers];
    let said = "";
    output.setEncoding("utf8").on("data", (text) => {
      said += text;
      if (text.endsWith("? ")) setImmediate(() => left.length > 0 && input.write(left.shift()));
    });
    return { streams: { input: Object.assign(input, { isTTY: true }), output }, said: () => said };
  };
  const problemOf = async (name, { [name]: value }) => (value === "wrong" ? `${name} must be right.` : undefined);

  test("are asked again where the answer is wrong, and the other answers stay", async () => {
    const { streams, said } = typing(["https://mfa.example.com\r", "wrong\r", "Example\r"]);
    expect(await askForMissing(known, problemOf, streams)).toEqual(variables);
    expect(said()).toMatch(/TENANT_NAME must be right\.\r?\n.*Which name/);
    expect(said().match(/Where will clients/g)).toHaveLength(1);
  });

  test.each([
    ["Ctrl-C", "\x03"],
    ["Ctrl-D", "\x04"],
  ])("end in a sentence with %s", async (_, key) => {
    const ended = askForMissing(known, problemOf, typing(["https://mfa.example.com\r", key]).streams);
    await expect(ended).rejects.toThrow(/Nothing was deployed: not all questions were answered\.$/);
    await expect(ended).rejects.toBeInstanceOf(Failure);
  });
});

test("wrangler deploys the repository as it is, without the pages of local development", () => {
  const folder = mkdtempSync(join(tmpdir(), "countersign-bundle-"));
  try {
    const args = [WRANGLER, "deploy", "--dry-run", "--outdir", folder];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      cwd: ROOT,
      encoding: "utf8",
      env: { ...process.env, CI: "true" },
    });
    expect(status, `${stdout}${stderr}`).toBe(0);
    const bundle = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const contents = bundle.map(({ parentPath, name }) => readFileSync(join(parentPath, name)));
    expect(bundle.map(({ name }) => name).some((name) => name.endsWith(".wasm"))).toBe(true);
    for (const content of contents)
      for (const hidden of ["/dev/outbox", "<!doctype html"]) expect(content.includes(hidden)).toBe(false);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 600_000);
