/** Broken configuration: a neutral 503 for everybody, and one line for the operator that names the variable. */
import { generateKeyPairSync } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encryptionKeys, signingKey, webhookSecret } from "../support/keys.mjs";
import { PUBLIC_URL, startWorkers } from "../support/worker.mjs";

const json = JSON.stringify;
const issuer = { name: "idp", issuer: "https://idp.example.com/", algorithms: ["RS256"], may: ["mfa_token"] };
const issuers = (...list) => json(list.map((each) => ({ ...issuer, ...each })));
const keys = encryptionKeys();
const { kid, ...withoutKid } = signingKey("k");
const small = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey.export({ format: "jwk" });

/** What is broken, the variable that the log must name, and the variables that break it. */
const BROKEN = [
  ["PUBLIC_URL is missing", "PUBLIC_URL", { PUBLIC_URL: undefined }],
  ["PUBLIC_URL is no URL", "PUBLIC_URL", { PUBLIC_URL: "mfa.example.com" }],
  ["PUBLIC_URL has a path", "PUBLIC_URL", { PUBLIC_URL: `${PUBLIC_URL}/mfa` }],
  ["PUBLIC_URL has a query", "PUBLIC_URL", { PUBLIC_URL: `${PUBLIC_URL}/?a` }],
  ["PUBLIC_URL is plain http", "PUBLIC_URL", { PUBLIC_URL: "http://mfa.example.com" }],
  ["TENANT_NAME is missing", "TENANT_NAME", { TENANT_NAME: undefined }],
  ["TENANT_NAME is empty", "TENANT_NAME", { TENANT_NAME: "  " }],
  ["TENANT_NAME has a colon, at which apps split", "TENANT_NAME", { TENANT_NAME: "A: tenant" }],
  ["TENANT_NAME is too long for a picture", "TENANT_NAME", { TENANT_NAME: "x".repeat(65) }],
  ["TRUSTED_ISSUERS is missing", "TRUSTED_ISSUERS", { TRUSTED_ISSUERS: undefined }],
  ["TRUSTED_ISSUERS is no JSON", "TRUSTED_ISSUERS", { TRUSTED_ISSUERS: "idp" }],
  ["TRUSTED_ISSUERS is no list", "TRUSTED_ISSUERS", { TRUSTED_ISSUERS: json(issuer) }],
  ["an issuer has no name", "TRUSTED_ISSUERS", { TRUSTED_ISSUERS: issuers({ name: undefined }) }],
  ["an issuer has a bad name", "TRUSTED_ISSUERS", { TRUSTED_ISSUERS: issuers({ name: "a|b" }) }],
  ["two issuers share a name", "TRUSTED_ISSUERS", { TRUSTED_ISSUERS: issuers({}, { issuer: "https://other.example.com/" }) }],
  ["two issuers share an address", "TRUSTED_ISSUERS", { TRUSTED_ISSUERS: issuers({}, { name: "other" }) }],
  ["an issuer is plain http", "TRUSTED_ISSUERS", { TRUSTED_ISSUERS: issuers({ issuer: "http://idp.example.com/" }) }],
  [
    "an issuer's key set is plain http",
    "TRUSTED_ISSUERS",
    { TRUSTED_ISSUERS: issuers({ jwks_uri: "http://idp.example.com/k" }) },
  ],
  ["an issuer may do the unknown", "TRUSTED_ISSUERS", { TRUSTED_ISSUERS: issuers({ may: ["everything"] }) }],
  ["an issuer may exchange without audiences", "TRUSTED_ISSUERS", { TRUSTED_ISSUERS: issuers({ may: ["exchange"] }) }],
  ["an issuer uses a shared secret", "TRUSTED_ISSUERS", { TRUSTED_ISSUERS: issuers({ algorithms: ["HS256"] }) }],
  ["an issuer uses no signature", "TRUSTED_ISSUERS", { TRUSTED_ISSUERS: issuers({ algorithms: ["none"] }) }],
  ["an issuer has a member nobody knows", "TRUSTED_ISSUERS", { TRUSTED_ISSUERS: issuers({ algorithm: "RS256" }) }],
  ["the issuer is this service", "TRUSTED_ISSUERS", { TRUSTED_ISSUERS: issuers({ issuer: `${PUBLIC_URL}/` }) }],
  ["FACTORS is no JSON", "FACTORS", { FACTORS: "otp" }],
  ["FACTORS has an unknown one", "FACTORS", { FACTORS: json({ otp: {}, fax: {} }) }],
  ["FACTORS has a limit of words", "FACTORS", { FACTORS: json({ sms: { burst: "ten", per_hour: 1 } }) }],
  ["ACCESS_TOKEN_SECONDS is no number", "ACCESS_TOKEN_SECONDS", { ACCESS_TOKEN_SECONDS: "an hour" }],
  ["ACCESS_TOKEN_SECONDS is zero", "ACCESS_TOKEN_SECONDS", { ACCESS_TOKEN_SECONDS: "0" }],
  ["ENCRYPTION_KEYS is missing", "ENCRYPTION_KEYS", { ENCRYPTION_KEYS: undefined }],
  ["ENCRYPTION_KEYS is no JSON", "ENCRYPTION_KEYS", { ENCRYPTION_KEYS: "s3cr3t-in-clear" }],
  [
    "an encryption key in use is not there",
    "ENCRYPTION_KEYS",
    { ENCRYPTION_KEYS: json({ ...keys, seal: { ...keys.seal, use: "s2" } }) },
  ],
  [
    "an encryption key is short",
    "ENCRYPTION_KEYS",
    { ENCRYPTION_KEYS: json({ ...keys, hash: { use: "h1", keys: { h1: "s3cr3tAAAA" } } }) },
  ],
  [
    "an encryption key has a bad id",
    "ENCRYPTION_KEYS",
    { ENCRYPTION_KEYS: json({ ...keys, hash: { use: "H.1", keys: { "H.1": keys.hash.keys.h1 } } }) },
  ],
  ["there is no signing key", "SIGNING_KEY_", { SIGNING_KEY_MAIN: undefined }],
  ["a signing key is no JWK", "SIGNING_KEY_MAIN", { SIGNING_KEY_MAIN: "s3cr3t-in-clear" }],
  ["a signing key is small", "SIGNING_KEY_MAIN", { SIGNING_KEY_MAIN: json({ ...small, kid: "k", alg: "RS256", use: "sig" }) }],
  ["a signing key has no kid", "SIGNING_KEY_MAIN", { SIGNING_KEY_MAIN: json(withoutKid) }],
  [
    "two signing keys share a kid",
    "SIGNING_KEY_",
    {
      SIGNING_KEY_A: json({ ...withoutKid, kid }),
      SIGNING_KEY_B: json({ ...withoutKid, kid }),
      ACTIVE_SIGNING_KEY: "A",
    },
  ],
  ["it is not said which signing key signs", "ACTIVE_SIGNING_KEY", { SIGNING_KEY_OTHER: json({ ...withoutKid, kid }) }],
  ["the signing key that signs is not there", "ACTIVE_SIGNING_KEY", { ACTIVE_SIGNING_KEY: "NOBODY" }],
  ["WEBHOOK_URL is no URL", "WEBHOOK_URL", { WEBHOOK_URL: "provider", WEBHOOK_SECRET: webhookSecret() }],
  ["WEBHOOK_URL is plain http", "WEBHOOK_URL", { WEBHOOK_URL: "http://provider.example.com/", WEBHOOK_SECRET: webhookSecret() }],
  ["WEBHOOK_SECRET is missing", "WEBHOOK_SECRET", { WEBHOOK_URL: "https://provider.example.com/" }],
  [
    "WEBHOOK_SECRET is not whsec_",
    "WEBHOOK_SECRET",
    { WEBHOOK_URL: "https://provider.example.com/", WEBHOOK_SECRET: "s3cr3t-in-clear" },
  ],
];

/** What is unusual but right. */
const SOUND = [
  ["PUBLIC_URL has one slash at its end", { PUBLIC_URL: `${PUBLIC_URL}/` }],
  ["PUBLIC_URL is plain http on a loopback host", { PUBLIC_URL: "http://127.0.0.1:8787" }],
  ["TENANT_NAME is strange", { TENANT_NAME: "Ünïcode, the & tenant %" }],
  ["ACCESS_TOKEN_SECONDS is said", { ACCESS_TOKEN_SECONDS: "900" }],
  ["FACTORS has one", { FACTORS: json({ otp: {} }) }],
  ["there is no provider", { WEBHOOK_URL: undefined, WEBHOOK_SECRET: undefined }],
  [
    "there are two signing keys and it is said which signs",
    { SIGNING_KEY_NEXT: json({ ...withoutKid, kid }), ACTIVE_SIGNING_KEY: "NEXT" },
  ],
  [
    "secrets for the provider are being rotated",
    {
      WEBHOOK_URL: "https://provider.example.com/",
      WEBHOOK_SECRET: `${webhookSecret()} ${webhookSecret()}`,
    },
  ],
];

let world;
beforeAll(async () => {
  const all = [...BROKEN.map(([, , vars]) => vars), ...SOUND.map(([, vars]) => vars)];
  const base = { TRUSTED_ISSUERS: issuers({}) };
  world = await startWorkers({ isolates: all.length, vars: base, varsOf: (index) => all[index] });
}, 60_000);
afterAll(() => world?.dispose());

describe("the service is unavailable, and the log names the variable, when", () => {
  test.each(BROKEN.map(([what, variable], index) => [what, variable, index]))("%s (%s)", async (_, variable, isolate) => {
    for (const path of ["/mfa/associate", "/oauth/token", "/.well-known/jwks.json", "/nowhere"]) {
      const response = await world.post(path, {}, { isolate });
      const text = await response.text();
      expect({ path, status: response.status }).toEqual({ path, status: 503 });
      expect(JSON.parse(text).error).toBe("temporarily_unavailable");
      expect(text).not.toMatch(/[A-Z]+_[A-Z]+/);
      expect(response.headers.get("cache-control")).toBe("no-store");
      expect(response.headers.get("x-content-type-options")).toBe("nosniff");
      expect(response.headers.get("x-request-id")).toBeTruthy();
      expect(response.headers.get("vary")).toBe("Origin");
    }
    const lines = await world.logLinesOf(isolate);
    expect(lines.some((line) => line.includes(variable))).toBe(true);
    expect(lines.filter((line) => line.includes("s3cr3t"))).toEqual([]);
  });
});

describe("the service is there when", () => {
  test.each(SOUND.map(([what, vars], index) => [what, vars, BROKEN.length + index]))("%s", async (_, vars, isolate) => {
    const origin = vars.PUBLIC_URL ?? PUBLIC_URL;
    const response = await world.fetch(new URL("/.well-known/jwks.json", origin), { isolate });
    expect(response.status).toBe(200);
  });
});
