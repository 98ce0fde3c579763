/** `npm run clients`: what may be registered, the SQL it becomes, and the command itself on a local database. */
import { spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readArguments, USAGE } from "../../scripts/clients/arguments.mjs";
import { trustedIssuers, unknownIssuers } from "../../scripts/clients/issuers.mjs";
import { publicKeySet } from "../../scripts/clients/public-keys.mjs";
import { changes, checkedHours, registration, secretHash } from "../../scripts/clients/registration.mjs";
import {
  insertClient,
  listClients,
  putClient,
  removeClient,
  replaceLostSecret,
  rotateSecret,
  showClient,
  updateClient,
} from "../../scripts/clients/statements.mjs";
import { execute, migrate } from "../../scripts/database.mjs";
import { literal } from "../../scripts/sql.mjs";
import CLIENT_KEYS from "../support/client-keys.json" with { type: "json" };
import { migrationStatements } from "../support/migrations.mjs";

const FRESH = { id: "fresh-id", secret: "ab12cd34ef56".padEnd(64, "0789"), version: 7 };
const SECRET = "0123456789abcdef".repeat(4);

/** Registers what a command line says. */
function register(...args) {
  const { given, audiences } = readArguments(["add", ...args]);
  return registration({ given, audiences, jwks: given.jwks && "{}", fresh: FRESH, now: 1_800_000_000 });
}

describe("a registration", () => {
  test("has a fresh id, and a fresh secret of which only the hash is stored", () => {
    const { row, secret } = register("--name", "Back end", "--auth", "post");
    expect(secret).toBe(FRESH.secret);
    expect(row).toMatchObject({
      id: "fresh-id",
      version: 7,
      name: "Back end",
      authentication: "post",
      created_at: 1_800_000_000,
    });
    expect(row.secret_hash).toBe(secretHash(FRESH.secret));
    expect(JSON.stringify(row)).not.toContain(FRESH.secret);
  });

  test("of a public client has no secret", () => {
    const { row, secret } = register("--name", "Page", "--auth", "none");
    expect(secret).toBeUndefined();
    expect(row.secret_hash).toBeNull();
  });

  test("keeps origins, issuers and audiences in order and once each, and scopes with their audience", () => {
    const { row } = register(
      ...[
        "--name",
        "Page",
        "--auth",
        "none",
        "--origin",
        "https://a.example",
        "--origin",
        "http://localhost:3000",
        "--origin",
        "https://a.example",
      ],
      ...["--issuer", "idp", "--audience", "https://one.example", "--scope", "read write", "--scope", "read"],
      ...["--audience", "https://two.example"],
    );
    expect(JSON.parse(row.origins)).toEqual(["https://a.example", "http://localhost:3000"]);
    expect(JSON.parse(row.issuers)).toEqual(["idp"]);
    expect(JSON.parse(row.audiences)).toEqual([
      { audience: "https://one.example", scopes: ["read", "write"] },
      { audience: "https://two.example", scopes: [] },
    ]);
  });

  test("may allow less than everything", () => {
    const { row } = register(
      ...["--name", "x", "--auth", "none", "--grant", "mfa-otp", "--grant", "token-exchange", "--factor", "otp"],
      ...["--policy", '{ "require": "always", "factors": 2, "scopes": ["pay"], "audiences": [] }'],
    );
    expect(JSON.parse(row.grants)).toEqual(["mfa-otp", "token-exchange"]);
    expect(JSON.parse(row.factors)).toEqual(["otp"]);
    expect(row.policy).toBe('{"require":"always","factors":2,"scopes":["pay"],"audiences":[]}');
    const free = register("--name", "x", "--auth", "none").row;
    expect(free).toMatchObject({ grants: "[]", factors: "[]", policy: null });
  });

  test("may bring a secret along", () => {
    expect(register("--name", "x", "--auth", "basic", "--secret", SECRET).secret).toBe(SECRET);
  });

  const page = ["--name", "x", "--auth", "none"];
  test.each([
    ["no name", ["--auth", "none"], /--name is missing/],
    ["a name of two lines", ["--name", "a\nb", "--auth", "none"], /--name must be one line/],
    ["no authentication", ["--name", "x"], /--auth must be one of/],
    ["an unknown authentication", ["--name", "x", "--auth", "magic"], /--auth must be one of/],
    ["an id with a colon, at which Basic ends it", [...page, "--id", "a:b"], /cannot be an id/],
    ["a secret of 31 bytes", ["--name", "x", "--auth", "post", "--secret", SECRET.slice(2)], /at least 32 random bytes/],
    [
      "a secret that is a word",
      ["--name", "x", "--auth", "post", "--secret", "correct horse battery staple"],
      /at least 32 random bytes/,
    ],
    ["a secret of one digit", ["--name", "x", "--auth", "post", "--secret", "a".repeat(64)], /not random/],
    ["a secret for a public client", [...page, "--secret", SECRET], /--secret goes with/],
    ["keys for a public client", [...page, "--jwks-uri", "https://a.example/jwks"], /--jwks-uri goes with/],
    ["assertions without keys", ["--name", "x", "--auth", "private_key_jwt"], /needs its public keys/],
    [
      "two sources of keys",
      ["--name", "x", "--auth", "private_key_jwt", "--jwks", "f", "--jwks-uri", "https://a.example"],
      /either --jwks FILE or/,
    ],
    ...[
      ["keys over plain http", "http://a.example/jwks"],
      ["keys at a host that has another form on the wire", "https://schlüssel.example/jwks"],
      ["keys at a URL with a shouting scheme", "HTTPS://a.example/jwks"],
      ["keys at a URL with brackets", "https://a.example/<jwks>"],
    ].map(([what, url]) => [what, ["--name", "x", "--auth", "private_key_jwt", "--jwks-uri", url], /must be an https URL/]),
    ["an origin with a slash", [...page, "--origin", "https://a.example/"], /write https:\/\/a\.example\./],
    ["an origin with a default port", [...page, "--origin", "https://a.example:443"], /write https:\/\/a\.example\./],
    ["an origin that is a host", [...page, "--origin", "a.example"], /is not an origin/],
    ["any origin", [...page, "--origin", "*"], /is not an origin/],
    ["an issuer's URL", [...page, "--issuer", "https://idp.example"], /is not a name in TRUSTED_ISSUERS/],
    ["a scope before its audience", [...page, "--scope", "read"], /must follow the --audience/],
    ["an audience twice", [...page, "--audience", "https://a.example", "--audience", "https://a.example"], /is given twice/],
    ["a scope with a quote", [...page, "--audience", "https://a.example", "--scope", 'a"b'], /is not a scope/],
    ["required authentication of a public client", [...page, "--require-authentication"], /cannot do/],
    ["an unknown grant", [...page, "--grant", "password"], /--grant must be one of mfa-otp,/],
    ["an unknown factor", [...page, "--factor", "totp"], /--factor must be one of otp,/],
    ["a policy that is no JSON", [...page, "--policy", "always"], /--policy must be a JSON object/],
    ["a policy of a list", [...page, "--policy", "[]"], /--policy must be a JSON object/],
    ["an unknown rule", [...page, "--policy", '{"demand": "always"}'], /unknown member "demand"/],
    ["a rule of no sense", [...page, "--policy", '{"require": "never"}'], /"when-enrolled" or "always" as "require"/],
    ["a rule of another type", [...page, "--policy", '{"scopes": "pay"}'], /an array of strings as "scopes"/],
    ["three factors", [...page, "--policy", '{"factors": 3}'], /1 or 2 as "factors"/],
    ["an unknown option", [...page, "--nmae", "x"], /Unknown option '--nmae'/],
    ["an option without its value", ["--name"], /argument missing/],
    ["something left over", [...page, "more"], /takes no "more"/],
    ["a local folder for the deployed database", [...page, "--remote", "--persist-to", "x"], /leave it out with --remote/],
  ])("is refused with %s, in one sentence", (_, args, sentence) => {
    expect(() => register(...args)).toThrow(sentence);
    try {
      register(...args);
    } catch (error) {
      expect(error.message).not.toContain("\n");
    }
  });
});

describe("an update", () => {
  const client = (authentication) => ({ id: "one", authentication });
  const update = (authentication, ...args) => {
    const { given, audiences } = readArguments(["update", "one", ...args]);
    return changes({ given, audiences, jwks: given.jwks && "{}", client: client(authentication) });
  };

  test("changes what is named and nothing else", () => {
    expect(update("none", "--origin", "https://a.example")).toEqual({ origins: '["https://a.example"]' });
    expect(update("none", "--audience", "https://a.example", "--scope", "read")).toEqual({
      audiences: '[{"audience":"https://a.example","scopes":["read"]}]',
    });
    expect(update("post", "--name", "New", "--require-authentication", "yes", "--factor", "otp")).toEqual({
      name: "New",
      require_authentication: 1,
      factors: '["otp"]',
    });
    expect(update("private_key_jwt", "--jwks-uri", "https://a.example/jwks")).toEqual({
      jwks: null,
      jwks_uri: "https://a.example/jwks",
    });
    expect(update("private_key_jwt", "--jwks", "f")).toEqual({ jwks: "{}", jwks_uri: null });
  });

  test("clears by an empty value", () => {
    const empty = update(
      "none",
      ...["origin", "issuer", "audience", "grant", "factor", "policy"].flatMap((name) => [`--${name}`, ""]),
    );
    const none = "[]";
    expect(empty).toEqual({ origins: none, issuers: none, audiences: none, grants: none, factors: none, policy: null });
  });

  test.each([
    ["nothing", "none", [], /needs something to change/],
    ["a secret", "post", ["--secret", SECRET], /Unknown option/],
    ["keys of a public client", "none", ["--jwks-uri", "https://a.example/jwks"], /goes with --auth private_key_jwt/],
    ["two sources of keys", "private_key_jwt", ["--jwks", "f", "--jwks-uri", "https://a.example"], /one source of keys/],
    ["authentication of a public client", "none", ["--require-authentication", "yes"], /cannot do/],
    ["a maybe", "post", ["--require-authentication", "maybe"], /must be yes or no/],
    ["no name", "none", ["--name", ""], /--name is missing/],
  ])("is refused with %s", (_, authentication, args, sentence) => {
    expect(() => update(authentication, ...args)).toThrow(sentence);
  });
});

describe("a key set", () => {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwk = { ...rsa.publicKey.export({ format: "jwk" }), kid: "k" };
  const curve = (namedCurve) => generateKeyPairSync("ec", { namedCurve }).publicKey.export({ format: "jwk" });
  const short = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export({ format: "jwk" });
  const set = (...keys) => JSON.stringify({ keys });

  test("of public keys is kept in one line, without what is around the keys", () => {
    const kept = publicKeySet(JSON.stringify({ keys: [jwk, curve("P-256")], extra: 1 }, null, 2), "f");
    expect(JSON.parse(kept).keys).toHaveLength(2);
    expect(JSON.parse(kept).extra).toBeUndefined();
    expect(kept).not.toContain("\n");
  });

  test.each([
    ["a private key", set(rsa.privateKey.export({ format: "jwk" })), /Key 1 of f has the private member "d"/],
    ["a shared secret", set({ kty: "oct", k: "AAAA" }), /private member "k"/],
    ["a short RSA key", set(jwk, short), /Key 2 of f has 1024 bits/],
    ["a curve that is not accepted", set(curve("P-384")), /must be an RSA key or an EC key on P-256/],
    ["a key for encryption", set({ ...jwk, use: "enc" }), /not for signatures/],
    ["a broken key", set({ kty: "RSA", n: 5, e: "AQAB" }), /not a well-formed JWK/],
    ["no keys", set(), /at least one key/],
    ["a lone key", JSON.stringify(jwk), /must be a JWK Set/],
    ["no JSON", "-----BEGIN PUBLIC KEY-----", /is not JSON/],
  ])("with %s is refused", (_, content, sentence) => {
    expect(() => publicKeySet(content, "f")).toThrow(sentence);
  });
});

test.each(CLIENT_KEYS)("of keys, $what is registered where the Worker can use it, and else refused", ({ key, accepted }) => {
  const registered = () => publicKeySet(JSON.stringify({ keys: [key] }), "keys.json");
  if (accepted) expect(JSON.parse(registered())).toEqual({ keys: [key] });
  else expect(registered).toThrow(/^Key 1 of keys\.json /);
});

describe("the SQL", () => {
  let database;
  const client = (id) => database.prepare("SELECT * FROM clients WHERE id = ?").get(id);
  /** Runs them, and gives back the rows of all. */
  const run = (statements) => statements.split(";\n").flatMap((sql) => database.prepare(sql).all());
  const AT = 1_800_000_000;
  const by = (at = AT) => ({ at, operator: "O'Hara@host" });

  beforeAll(async () => {
    database = new DatabaseSync(":memory:");
    for (const statement of await migrationStatements()) database.exec(statement);
  });
  afterAll(() => database.close());

  test.each(["O'Brien", "'; DROP TABLE clients; --", 'say "no"', "back\\slash", "two\nlines", "/* hm */", "ünïcödé 🔑", ""])(
    "carries %j as it is",
    (value) => {
      expect(database.prepare(`SELECT ${literal(value)} AS value`).get().value).toBe(value);
    },
  );

  test("refuses a text that SQLite would cut short", () => {
    expect(() => literal("a\0b")).toThrow(/NUL/);
  });

  test("adds, lists and shows clients without any hash", () => {
    const { row } = register("--name", "It's; a client", "--auth", "post", "--id", "one");
    expect(run(insertClient(row, by()))).toEqual([{ id: "one" }]);
    expect({ ...client("one"), previous_secret_hash: undefined, previous_secret_expires_at: undefined }).toEqual({
      ...row,
      previous_secret_hash: undefined,
      previous_secret_expires_at: undefined,
    });
    const shown = [...database.prepare(listClients()).all(), ...database.prepare(showClient("one")).all()];
    expect(shown.map(({ has_secret }) => has_secret)).toEqual([1, 1]);
    expect(JSON.stringify(shown)).not.toContain(row.secret_hash);
  });

  test("updates the named client alone, and raises its version", () => {
    run(insertClient(register("--name", "x", "--auth", "none", "--id", "bystander").row, by()));
    const [before, bystander] = [client("one"), client("bystander")];
    const changed = { factors: '["otp"]', policy: '{"require":"always"}' };
    expect(run(updateClient("one", changed, by()))).toEqual([{ id: "one" }]);
    expect(client("one")).toEqual({ ...before, ...changed, version: before.version + 1 });
    expect(client("bystander")).toEqual(bystander);
  });

  test("rotates a secret, keeps the one before for a while, and raises the version", () => {
    const before = client("one");
    run(rotateSecret("one", "new-hash", { keepUntil: 1_800_003_600 }, by()));
    expect(client("one")).toMatchObject({
      secret_hash: "new-hash",
      previous_secret_hash: before.secret_hash,
      previous_secret_expires_at: 1_800_003_600,
      version: before.version + 1,
    });
  });

  test("rotates no secret while one from before the last rotation is valid, unless it is told to", () => {
    const before = client("one");
    const rotate = (now, more) => run(rotateSecret("one", "newer-hash", { keepUntil: null, ...more }, by(now)));
    expect(rotate(1_800_003_599)).toEqual([]);
    expect(client("one")).toEqual(before);
    database.exec("SAVEPOINT rotation");
    expect(rotate(1_800_003_600)).toHaveLength(1);
    database.exec("ROLLBACK TO rotation");
    expect(rotate(1_800_003_599, { forced: true })).toHaveLength(1);
    database.exec("ROLLBACK TO rotation; RELEASE rotation");
  });

  test("puts a new secret in the place of a lost one, and keeps the one before, if that is still valid", () => {
    const before = client("one");
    const replace = (now) => run(replaceLostSecret("one", "found-hash", { keepUntil: 1_800_007_200 }, by(now)));
    expect(replace(1_800_003_600)).toEqual([]);
    expect(client("one")).toEqual(before);
    expect(replace(1_800_003_599)).toHaveLength(1);
    expect(client("one")).toEqual({
      ...before,
      secret_hash: "found-hash",
      previous_secret_expires_at: 1_800_007_200,
      version: before.version + 1,
    });
  });

  test("rotates a secret and ends the one before at once", () => {
    run(rotateSecret("one", "newer-hash", { keepUntil: null, forced: true }, by()));
    expect(client("one")).toMatchObject({
      secret_hash: "newer-hash",
      previous_secret_hash: null,
      previous_secret_expires_at: null,
    });
  });

  test("gives a public client no secret", () => {
    run(insertClient(register("--name", "x", "--auth", "none", "--id", "public").row, by()));
    expect(run(rotateSecret("public", "hash", { keepUntil: null }, by()))).toEqual([]);
    expect(client("public").secret_hash).toBeNull();
  });

  test("puts a client again without changing anything, and raises the version where something differs", () => {
    const { row } = register("--name", "x", "--auth", "none", "--id", "put");
    database.exec(putClient(row));
    database.exec(putClient({ ...row, version: 99, created_at: 1 }));
    expect(client("put")).toMatchObject({ version: row.version, created_at: row.created_at });
    database.exec(putClient({ ...row, origins: '["http://localhost:9000"]' }));
    expect(client("put")).toMatchObject({ version: row.version + 1, origins: '["http://localhost:9000"]' });
  });

  test("removes the named client alone", () => {
    expect(run(removeClient("one", by()))).toEqual([{ id: "one" }]);
    expect(run(removeClient("one", by()))).toEqual([]);
    expect(client("put")).toBeDefined();
  });

  test("records who did what to which client, where something was done", () => {
    const acts = database
      .prepare("SELECT at, command, operator, user_id, client_id, detail FROM operator_acts ORDER BY id")
      .all();
    const act = (command, id, at = AT) => ({
      ...by(at),
      command: `clients ${command}`,
      user_id: null,
      client_id: id,
      detail: null,
    });
    expect(acts).toEqual([
      act("add", "one"),
      act("add", "bystander"),
      act("update", "one"),
      act("rotate-secret", "one"),
      act("rotate-secret", "one", 1_800_003_599),
      act("rotate-secret", "one"),
      act("add", "public"),
      act("remove", "one"),
    ]);
    expect(JSON.stringify(acts)).not.toContain("hash");
  });
});

test.each([
  ["removal without a word of consent", ["remove", "one"], /^remove cannot be undone: .* --yes does it\.$/],
  ["a secret that is lost and to be kept", ["rotate-secret", "one", "--lost", "--force"], /give one of them/],
])("%s is refused in one sentence", (_, args, sentence) => {
  expect(() => readArguments(args)).toThrow(sentence);
});

test("an issuer that nobody trusts is told of, where it is known who is trusted", () => {
  expect(trustedIssuers({})).toContain("demo");
  expect(unknownIssuers(["demo", "nosuch", ""], ["demo", "idp"])).toEqual([
    'Warning: there is no issuer "nosuch" in TRUSTED_ISSUERS, which has demo, idp.',
  ]);
  expect(unknownIssuers(["nosuch"], undefined)).toEqual([]);
});

test.each(["-1", "1.5", "a day", "", "100000"])("hours are a whole number, not %j", (hours) => {
  expect(() => checkedHours(hours)).toThrow(/--keep-hours/);
});

describe("the command", () => {
  const folder = mkdtempSync(join(tmpdir(), "countersign-clients-"));
  const script = fileURLToPath(new URL("../../scripts/run.mjs", import.meta.url));
  const clients = (...args) => clientsWith("", ...args);
  const clientsWith = async (input, ...args) => {
    const child = spawn(process.execPath, [script, "clients", ...args, "--persist-to", folder]);
    child.stdin.end(input);
    const ended = new Promise((resolve) => child.on("close", resolve));
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
    return { code: await ended, out, err };
  };

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("says in one sentence that the database has no tables", async () => {
    expect(await clients("list")).toMatchObject({
      code: 1,
      out: "",
      err: "The database lacks tables of this version: run `npm start` once.\n",
    });
  });

  test("adds a client, tells its secret once, rotates it and removes the client", async () => {
    await migrate({ persistTo: folder });
    const name = `O'Brien; "the" client -- 1`;
    const added = await clients(
      "add",
      "--name",
      name,
      "--auth",
      "basic",
      "--id",
      "brien",
      "--audience",
      "https://api.example",
      "--scope",
      "read",
    );
    expect(added.err).toBe("");
    const [, secret] = /^client_secret {2}([0-9a-f]{64})$/m.exec(added.out);
    expect(await clients("add", "--name", name, "--auth", "none", "--id", "brien")).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^That id is taken/),
    });

    const shown = await clients("show", "brien");
    expect(JSON.parse(shown.out)).toMatchObject({
      id: "brien",
      name,
      authentication: "basic",
      has_secret: true,
      previous_secret_until: null,
    });
    expect(JSON.parse(shown.out).audiences).toEqual([{ audience: "https://api.example", scopes: ["read"] }]);

    const updated = await clients("update", "brien", "--factor", "otp", "--policy", '{"require":"always"}');
    expect(updated).toMatchObject({ code: 0, out: 'Client "brien" is changed: factors, policy.\n' });
    expect(JSON.parse((await clients("show", "brien")).out)).toMatchObject({
      factors: ["otp"],
      grants: [],
      policy: { require: "always" },
    });

    const rotated = await clients("rotate-secret", "brien", "--keep-hours", "1");
    const [, second] = /^client_secret {2}([0-9a-f]{64})$/m.exec(rotated.out);
    expect(second).not.toBe(secret);
    expect(rotated.out).toMatch(/^The secret before stays valid until 2\d{3}-/);

    // As somebody does whose terminal has lost the secret.
    const { previous_secret_until: until } = JSON.parse((await clients("show", "brien")).out);
    const again = await clients("rotate-secret", "brien");
    expect(again).toMatchObject({ code: 1, out: "", err: expect.stringMatching(/--lost .* --force /) });
    expect(again.err).toContain(`is valid until ${until},`);
    const instead = await clientsWith(`${SECRET}\n`, "rotate-secret", "brien", "--lost", "--secret", "-");
    expect(instead).toMatchObject({ code: 0, err: "" });
    expect(instead.out).not.toContain(SECRET);
    const stored = "SELECT secret_hash AS last, previous_secret_hash AS previous FROM clients WHERE id = 'brien'";
    expect(await execute(stored, { persistTo: folder })).toEqual([{ last: secretHash(SECRET), previous: secretHash(secret) }]);
    expect(await clients("rotate-secret", "brien", "--force", "--keep-hours", "0")).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^The secret before is not valid any more\./),
    });
    expect(await clients("rotate-secret", "brien", "--lost")).toMatchObject({
      code: 1,
      err: expect.stringMatching(/leave --lost out\.\n$/),
    });

    const unknown = await clients("update", "brien", "--issuer", "nosuch");
    expect(unknown).toMatchObject({ code: 0, err: expect.stringMatching(/^Warning: there is no issuer "nosuch" in/) });

    const listed = await clients("list");
    expect(listed.out).toBe(`brien  basic            ${name}\n`);
    for (const said of [shown.out, listed.out])
      for (const hidden of [secret, second, secretHash(secret), secretHash(second)]) expect(said).not.toContain(hidden);

    expect(await clients("remove", "brien", "--yes")).toMatchObject({ code: 0 });
    expect(await clients("remove", "brien", "--yes")).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^There is no client "brien"/),
    });
  }, 300_000);

  test("explains itself", async () => {
    for (const args of [["--help"], ["-h"], ["help"], ["add", "--help"], ["rotate-secret", "one", "-h"]])
      expect(readArguments(args)).toEqual({ command: "help" });
    expect(await clients("--help")).toEqual({ code: 0, out: `${USAGE}\n`, err: "" });
  });

  test("reads a key set from a file and refuses a private one", async () => {
    const file = join(folder, "keys.json");
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    writeFileSync(file, JSON.stringify({ keys: [privateKey.export({ format: "jwk" })] }));
    const refused = await clients("add", "--name", "x", "--auth", "private_key_jwt", "--jwks", file);
    expect(refused).toMatchObject({ code: 1, out: "", err: expect.stringMatching(/has the private member "d"/) });
    const missing = await clients("add", "--name", "x", "--auth", "private_key_jwt", "--jwks", join(folder, "none.json"));
    expect(missing).toMatchObject({ code: 1, err: expect.stringMatching(/cannot be read \(ENOENT\)/) });
  });
});
