/** `npm run check-config`: what would be deployed and what runs here, never mixed; and what is hardly meant. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { unknownNames, warnings } from "../../scripts/configuration/warnings.mjs";
import { freshEncryptionKeys, freshSigningKey } from "../../scripts/keys/fresh.mjs";
import { startCloudflare } from "./cloudflare.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const TWILIO = { TWILIO_ACCOUNT_SID: `AC${"0".repeat(32)}`, TWILIO_FROM: "+15550100000" };
const MAIL = { EMAIL_FROM: "codes@example.com", RESEND_API_KEY: "re_1" };
const TWO = { POLICY: '{"factors":2}' };
const ALONE = /^POLICY demands two factors/;

describe("a warning", () => {
  test.each([
    ["nothing is set", {}],
    ["a provider is complete", { ...TWILIO, TWILIO_AUTH_TOKEN: "t" }],
    ["mail is carried", { ...MAIL, FACTORS: '{"otp":{},"email":{}}' }],
    ["a webhook carries all", { WEBHOOK_URL: "https://hook.example.com", FACTORS: '{"sms":{},"voice":{},"email":{}}' }],
    ["what nobody carries is on by default alone", { NOTICES: "off" }],
    ["two factors can be added", { ...TWO, ...TWILIO, FACTORS: '{"otp":{},"voice":{}}' }],
    ["one factor is demanded", { POLICY: '{"require":"always"}', FACTORS: '{"otp":{}}' }],
  ])("is not given where %s", (_, variables) => {
    expect(warnings(variables)).toEqual([]);
  });

  test.each([
    [
      "a webhook's secret has no address",
      { WEBHOOK_SECRET: "s" },
      /^WEBHOOK_SECRET is set, but nothing uses it without WEBHOOK_URL/,
    ],
    ["a token has no account", { TWILIO_AUTH_TOKEN: "t" }, /^TWILIO_AUTH_TOKEN is set, but nothing uses it without TWILIO_ACC/],
    [
      "a sender has no provider",
      { EMAIL_FROM: "a@b.example", CLOUDFLARE_EMAIL: "off" },
      /^EMAIL_FROM is set, .* CLOUDFLARE_EMAIL/,
    ],
    ["a factor has no carrier", { ...MAIL, FACTORS: '{"otp":{},"sms":{},"email":{}}' }, /^FACTORS has sms on, but nobody/],
    ["DELIVERY leaves a channel to nobody", { ...TWILIO, DELIVERY: '{"sms":[]}', FACTORS: '{"sms":{}}' }, /^FACTORS has sms on/],
    ["e-mail is the only factor", { ...MAIL, FACTORS: '{"email":{},"recovery-code":{}}' }, /^Neither an app nor a phone/],
    ["two factors are demanded of an app", { ...TWO, FACTORS: '{"otp":{}}', ...TWILIO }, ALONE],
    ["the other one would be e-mail", { ...TWO, FACTORS: '{"otp":{},"email":{}}', ...MAIL }, ALONE],
    ["the other one is a phone that nobody calls", TWO, ALONE],
    ["two kinds of messages go to one phone", { ...TWO, FACTORS: '{"sms":{},"voice":{}}', ...TWILIO }, ALONE],
  ])("is given where %s", (_, variables, sentence) => {
    expect(warnings(variables)).toEqual([expect.stringMatching(sentence)]);
  });

  test("names what nobody reads, and the name that was meant", () => {
    const names = ["TWILLIO_FROM", "twilio_form", "FACTOR", "SOMETHING_ELSE", "TWILIO_FROM", "SIGNING_KEY_9"];
    expect(unknownNames(names, ".dev.vars")).toEqual([
      "TWILLIO_FROM in .dev.vars is read by nobody: is TWILIO_FROM meant?",
      "twilio_form in .dev.vars is read by nobody: is TWILIO_FROM meant?",
      "FACTOR in .dev.vars is read by nobody: is FACTORS meant?",
      "SOMETHING_ELSE in .dev.vars is read by nobody.",
    ]);
  });
});

describe("the command", () => {
  const folder = mkdtempSync(join(tmpdir(), "countersign-check-"));
  const devVars = join(folder, "dev.vars");
  const kept = `wrangler.deploy-check-test-${process.pid}.json`;
  const variables = {
    PUBLIC_URL: "https://mfa.example.com",
    TENANT_NAME: "Example",
    TRUSTED_ISSUERS: "https://idp.example.com/",
  };
  let cloudflare;

  beforeAll(async () => {
    cloudflare = await startCloudflare();
    const keys = `ENCRYPTION_KEYS='${freshEncryptionKeys()}'\nSIGNING_KEY_1='${freshSigningKey()}'\n`;
    writeFileSync(devVars, `${keys}FACTORS='{"smss":{}}'\nTWILLIO_FROM=+15550100000\n`);
  });
  afterAll(async () => {
    await cloudflare.stop();
    for (const path of [folder, join(ROOT, kept)]) rmSync(path, { recursive: true, force: true });
  });

  async function check(args = [], env = {}) {
    const child = spawn(process.execPath, [join(ROOT, "scripts", "run.mjs"), "check-config", ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...cloudflare.env, COUNTERSIGN_DEPLOYMENT: kept, COUNTERSIGN_DEV_VARS: devVars, ...env },
    });
    const ended = new Promise((resolve) => child.on("close", resolve));
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
    return { code: await ended, out, err };
  }

  test("explains itself, and refuses options that there are not", async () => {
    expect(await check(["--help"])).toMatchObject({ code: 0, out: expect.stringMatching(/^What is wrong with/), err: "" });
    for (const args of [["--lcoal"], ["--local", "--remote"], ["here"]])
      expect(await check(args)).toMatchObject({ code: 1, out: "", err: expect.stringMatching(/takes one of --local and/) });
  });

  test("takes what a first deploy takes, and nothing from .dev.vars", async () => {
    const { code, out, err } = await check([], variables);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toMatch(
      /^What `npm run deploy` would deploy \(.*\), to an account that has nothing yet:\nThe configuration is complete\. .*\n$/,
    );
    expect(cloudflare.account.requests).toEqual([]);
  }, 600_000);

  test.each([
    ["no address", { ...variables, PUBLIC_URL: "" }, "PUBLIC_URL is missing.\n"],
    ["an address of this machine", { ...variables, PUBLIC_URL: "http://localhost:8787" }, "PUBLIC_URL must begin with https://"],
  ])("refuses %s", async (_, env, sentence) => {
    expect(await check([], env)).toMatchObject({ code: 1, out: expect.stringContaining(`:\n${sentence}`) });
  });

  test("knows the secrets of what was deployed from here, by their names", async () => {
    const secrets = ["ENCRYPTION_KEYS", "ENCRYPTION_KEYS_2", "SIGNING_KEY_1", "SIGNING_KEY_2", "TWILIO_AUTH_TOKEN"];
    const worker = { name: "countersign", bindings: [], secrets: Object.fromEntries(secrets.map((name) => [name, ""])) };
    cloudflare.account.worker = worker;
    const rotated = { ACTIVE_SIGNING_KEY: "2", ACTIVE_ENCRYPTION_KEYS: "2", TWILLIO_FROM: "+15550100000" };
    const issuers = '[{"name":"idp","issuer":"https://idp.example.com/","may":["mfa_token"]}]';
    const vars = { ...variables, ...TWILIO, ...rotated, TRUSTED_ISSUERS: issuers };
    const settings = { name: "countersign", d1_databases: [{ database_name: "countersign" }], vars };
    writeFileSync(join(ROOT, kept), JSON.stringify(settings));
    const { code, out, err } = await check();
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toMatch(
      /:\nThe configuration is complete\. .*\nWarning: TWILLIO_FROM in wrangler.deploy-.* is TWILIO_FROM meant\?\n$/,
    );

    delete worker.secrets.TWILIO_AUTH_TOKEN;
    expect(await check()).toMatchObject({ code: 1, out: expect.stringContaining("TWILIO_AUTH_TOKEN is missing") });
    // Of another environment.
    writeFileSync(join(ROOT, kept), JSON.stringify({ ...settings, name: "countersign-staging" }));
    expect(await check()).toMatchObject({ code: 1, err: expect.stringContaining("about the Worker countersign-staging") });
    rmSync(join(ROOT, kept));
    expect(await check(["--remote"], { ...vars, TWILIO_AUTH_TOKEN: "t" })).toMatchObject({ code: 0 });
    // In a clone from which nothing was deployed, what the Worker has counts.
    worker.bindings = Object.entries(vars).map(([name, text]) => ({ type: "plain_text", name, text }));
    expect(await check(["--remote"], { TWILIO_AUTH_TOKEN: "t" })).toMatchObject({ code: 0 });
  }, 600_000);

  test("checks what runs on this machine where that is asked, and nothing of a deployment", async () => {
    const { code, out, err } = await check(["--local"], { PUBLIC_URL: "nonsense" });
    expect({ code, err }).toEqual({ code: 1, err: "" });
    expect(out).toBe(
      "What `npm start` runs with (.dev.vars and the variables that it sets):\n" +
        'FACTORS has the unknown factor "smss"; known are otp, sms, voice, email and recovery-code.\n' +
        "Warning: TWILLIO_FROM in .dev.vars is read by nobody: is TWILIO_FROM meant?\n\n" +
        "docs/configuration.md has all variables.\n",
    );
  }, 600_000);
});
