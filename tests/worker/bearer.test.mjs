/** The bearer token: whose it may be, how it must be signed, and what it must say. */
import { createServer } from "node:http";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { accepted, read, refused, refusedBearer } from "../support/answers.mjs";
import { encode, signed, signingPair } from "../support/jwt.mjs";
import { GRANT, random } from "../support/person.mjs";
import { useStage } from "../support/stage.mjs";
import { totp } from "../support/totp.mjs";
import { MFA_AUDIENCE, PUBLIC_URL } from "../support/worker.mjs";

const stage = useStage({
  issuers: [
    { name: "idp" },
    { name: "second" },
    { name: "exchange-only", may: ["exchange"], entry: { audiences: ["https://app.example.com"] } },
    { name: "mfa-only", may: ["mfa_token"] },
    { name: "access-only", may: ["access_token"] },
    { name: "silent", entry: { may: undefined, audiences: ["https://app.example.com"] } },
    { name: "elliptic", alg: "ES256" },
    { name: "unfit" },
  ],
});
const issuer = (name) => stage.issuers.find((each) => each.name === name);
const at = (seconds) => stage.world.now() + seconds;

describe("an mfa_token is accepted", () => {
  test.each([
    ["for the MFA audience", (p) => p.mfaToken({ aud: MFA_AUDIENCE })],
    ["for the MFA audience without its slash", (p) => p.mfaToken({ aud: MFA_AUDIENCE.slice(0, -1) })],
    ["for several audiences", (p) => p.mfaToken({ aud: ["https://elsewhere.example.com", MFA_AUDIENCE] })],
    ["marked by its type", (p) => p.mfaToken({}, { typ: "mfa+jwt" })],
    ["marked by a claim", (p) => p.mfaToken({ token_use: "mfa" }, { typ: "JWT" })],
    ["marked by a claim, without a type", (p) => p.mfaToken({ token_use: "mfa" }, { typ: undefined })],
    ["that lives ten minutes", (p) => p.mfaToken({ exp: at(600) })],
    ["that is valid from a moment ago", (p) => p.mfaToken({ nbf: at(-1) })],
    ["from a clock that is a little fast", (p) => p.mfaToken({ iat: at(30), nbf: at(30), exp: at(300) })],
    ["with claims nobody knows", (p) => p.mfaToken({ zebra: { a: [1, null] }, "": "" })],
    ["of just under 8 KB", (p) => p.mfaToken({ padding: "x".repeat(5_400) })],
  ])("%s", async (_, make) => {
    const person = stage.person();
    await accepted(await person.associateOtp({ token: make(person) }));
  });

  test("of an issuer that signs with ES256", async () => {
    await accepted(await stage.person({ issuer: issuer("elliptic") }).associateOtp());
  });
});

describe("an mfa_token is refused", () => {
  const unlike = (make) => async () => {
    const person = stage.person();
    return make(person);
  };
  const resigned = (person, header, key) => {
    const [, claims] = person.mfaToken().split(".");
    return signed(
      { alg: "RS256", typ: "mfa+jwt", kid: person.issuer.key.kid, ...header },
      JSON.parse(Buffer.from(claims, "base64url")),
      key,
    );
  };
  const tampered = (person, claims) => {
    const [header, payload, signature] = person.mfaToken().split(".");
    return `${header}.${encode({ ...JSON.parse(Buffer.from(payload, "base64url")), ...claims })}.${signature}`;
  };
  const publicKeyAsSecret = (person) => JSON.stringify(person.issuer.key.jwk);

  test.each([
    // Its form
    ["that is a word", () => "token"],
    ["of three words", () => "a.b.c"],
    ["without a signature", (p) => p.mfaToken().split(".").slice(0, 2).join(".")],
    ["with an empty signature", (p) => p.mfaToken().replace(/[^.]*$/, "")],
    ["of four parts", (p) => `${p.mfaToken()}.x`],
    ["with padding", (p) => `${p.mfaToken()}==`],
    ["in the alphabet of plain base64", (p) => p.mfaToken().replace(/^ey/, "+/")],
    ["whose header is no JSON", (p) => p.mfaToken().replace(/^[^.]*/, encode("header"))],
    [
      "whose claims are a list",
      (p) => signed({ alg: "RS256", typ: "mfa+jwt", kid: p.issuer.key.kid }, [1], p.issuer.key.privateKey),
    ],
    ["of more than 8 KB", (p) => p.mfaToken({ padding: "x".repeat(8_192) })],
    // Its signature
    ["with another signature", (p) => `${p.mfaToken().replace(/[^.]*$/, "")}${p.mfaToken({ n: 1 }).split(".")[2]}`],
    ["whose claims were changed", (p) => tampered(p, { sub: "admin" })],
    ["signed by another key of the same kid", (p) => resigned(p, {}, signingPair("RS256", p.issuer.key.kid).privateKey)],
    ["with alg none", (p) => resigned(p, { alg: "none" })],
    [
      "with alg none in capitals",
      (p) => resigned(p, { alg: "none" }).replace(/^[^.]*/, encode({ alg: "NONE", typ: "mfa+jwt", kid: p.issuer.key.kid })),
    ],
    ["with HS256 by the public key", (p) => resigned(p, { alg: "HS256" }, publicKeyAsSecret(p))],
    ["with HS256 by the public key's modulus", (p) => resigned(p, { alg: "HS256" }, p.issuer.key.jwk.n)],
    ["with an algorithm the issuer does not use, by its own key", (p) => resigned(p, { alg: "RS512" }, p.issuer.key.privateKey)],
    ["with PSS where plain RSA is agreed", (p) => resigned(p, { alg: "PS256" }, p.issuer.key.privateKey)],
    ["with ES256 by a key of one's own", (p) => resigned(p, { alg: "ES256" }, signingPair("ES256", "own").privateKey)],
    ["of an unknown kid", (p) => p.mfaToken({}, { kid: "unknown" })],
    ["whose kid is a path", (p) => p.mfaToken({}, { kid: "../../etc/passwd" })],
    ["whose kid is no string", (p) => p.mfaToken({}, { kid: 1 })],
    // Its header
    ["with a critical header it understands", (p) => p.mfaToken({}, { crit: ["exp"], exp: at(60) })],
    [
      "with a critical header it does not",
      (p) => p.mfaToken({}, { crit: ["http://example.com/x"], "http://example.com/x": true }),
    ],
    ["with an empty list of critical headers", (p) => p.mfaToken({}, { crit: [] })],
    // Its claims
    ["of an issuer nobody trusts", (p) => p.mfaToken({ iss: "https://idp.example.com/" })],
    ["whose issuer lacks its slash", (p) => p.mfaToken({ iss: p.issuer.url.slice(0, -1) })],
    ["whose issuer is in capitals", (p) => p.mfaToken({ iss: p.issuer.url.toUpperCase() })],
    ["whose issuer is its name", (p) => p.mfaToken({ iss: p.issuer.name })],
    ["whose issuer is this service", (p) => p.mfaToken({ iss: `${PUBLIC_URL}/` })],
    ["without an issuer", (p) => p.mfaToken({ iss: undefined })],
    ["whose issuer is a list", (p) => p.mfaToken({ iss: [p.issuer.url] })],
    ["for another audience", (p) => p.mfaToken({ aud: "https://api.example.com" })],
    ["for the origin alone", (p) => p.mfaToken({ aud: PUBLIC_URL })],
    ["for something below the MFA audience", (p) => p.mfaToken({ aud: `${MFA_AUDIENCE}x` })],
    ["for no audience", (p) => p.mfaToken({ aud: undefined })],
    ["for an empty list of audiences", (p) => p.mfaToken({ aud: [] })],
    ["for an audience that is no string", (p) => p.mfaToken({ aud: 1 })],
    ["without a subject", (p) => p.mfaToken({ sub: undefined })],
    ["whose subject is empty", (p) => p.mfaToken({ sub: "" })],
    ["whose subject is a number", (p) => p.mfaToken({ sub: 7 })],
    ["without an expiry", (p) => p.mfaToken({ exp: undefined })],
    ["whose expiry is a string", (p) => p.mfaToken({ exp: String(at(300)) })],
    ["without an issue time", (p) => p.mfaToken({ iat: undefined })],
    ["whose issue time is a string", (p) => p.mfaToken({ iat: String(at(0)) })],
    ["issued in the future", (p) => p.mfaToken({ iat: at(120), exp: at(400) })],
    ["valid only later", (p) => p.mfaToken({ nbf: at(120) })],
    ["whose start is a string", (p) => p.mfaToken({ nbf: "now" })],
    ["that lives longer than ten minutes", (p) => p.mfaToken({ exp: at(700) })],
    ["that was issued long ago and lives on", (p) => p.mfaToken({ iat: at(-3600), exp: at(300) })],
    ["that never ends", (p) => p.mfaToken({ exp: Number.MAX_SAFE_INTEGER })],
    ["that ends beyond all numbers", (p) => p.mfaToken({ exp: 1e300 })],
    ["that was issued before time", (p) => p.mfaToken({ iat: -1e300 })],
    ["whose client is a number", (p) => p.mfaToken({ azp: 7 })],
  ])("%s", async (_, make) => {
    const token = await unlike(make)();
    await refusedBearer(await stage.person().associateOtp({ token }));
  });

  test("that has expired, as such", async () => {
    const person = stage.person();
    const token = person.mfaToken({ iat: at(-400), exp: at(-100) });
    await refused(await person.associateOtp({ token }), 401, "expired_token", "mfa_token is expired");
  });

  test("that has expired and was signed by somebody else, as any other bad one", async () => {
    const person = stage.person();
    const good = person.mfaToken({ iat: at(-400), exp: at(-100) });
    await refusedBearer(await person.associateOtp({ token: `${good.slice(0, -6)}AAAAAA` }));
  });

  test.each([
    ["meant for encryption", { members: { use: "enc" } }],
    ["whose operations are others", { members: { use: undefined, key_ops: ["encrypt"] } }],
    ["published for another algorithm", { members: { alg: "RS512" } }],
    ["of 1024 bits", { bits: 1024 }],
  ])("that was signed by an RSA key %s, published beside a good one", async (_, unfit) => {
    const from = issuer("unfit");
    from.rotate();
    from.rotate({ keep: true, ...unfit });
    await stage.world.advance(4000);
    await refusedBearer(await stage.person({ issuer: from }).associateOtp());
    from.rotate();
    await stage.world.advance(4000);
    await accepted(await stage.person({ issuer: from }).associateOtp());
  });
});

describe("keys in a token's own header", () => {
  test("are ignored, and their addresses never fetched", async () => {
    const seen = [];
    const own = signingPair("RS256", "own");
    const server = createServer((request, response) => {
      seen.push(request.url);
      response.end(JSON.stringify({ keys: [own.jwk] }));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${server.address().port}/keys`;
    for (const header of [{ jku: url }, { x5u: url }, { jwk: own.jwk }, { x5c: ["MIIB"] }]) {
      const person = stage.person();
      const claims = JSON.parse(Buffer.from(person.mfaToken().split(".")[1], "base64url"));
      for (const kid of ["own", person.issuer.key.kid]) {
        const forged = signed({ alg: "RS256", typ: "mfa+jwt", kid, ...header }, claims, own.privateKey);
        await refusedBearer(await person.associateOtp({ token: forged }));
      }
      await accepted(await person.associateOtp({ token: person.mfaToken({}, header) }));
    }
    expect(seen).toEqual([]);
    server.close();
  });
});

describe("what an issuer may do is opt-in", () => {
  test.each(["exchange-only", "silent"])("%s: neither its mfa_tokens nor its access tokens pass", async (name) => {
    const person = stage.person({ issuer: issuer(name) });
    await refusedBearer(await person.associateOtp());
    await refusedBearer(await person.associateOtp({ token: person.accessToken() }));
  });

  test("mfa_token alone: its access tokens do not pass", async () => {
    const person = stage.person({ issuer: issuer("mfa-only") });
    await accepted(await person.associateOtp());
    await refusedBearer(await person.associateOtp({ token: person.accessToken() }));
  });

  test("access_token alone: its mfa_tokens do not pass", async () => {
    const person = stage.person({ issuer: issuer("access-only") });
    await accepted(await person.associateOtp({ token: person.accessToken() }));
    await refusedBearer(await person.associateOtp());
    await refusedBearer(await person.associateOtp({ token: person.accessToken({ token_use: "mfa" }) }));
  });
});

describe("an access token", () => {
  test.each([
    ["of type at+jwt", (p) => p.accessToken()],
    ["of type JWT", (p) => p.accessToken({}, { typ: "JWT" })],
    ["without a type", (p) => p.accessToken({}, { typ: undefined })],
    ["with enroll among its scopes", (p) => p.accessToken({ scope: "openid enroll read:authenticators" })],
  ])("%s is accepted", async (_, make) => {
    const person = stage.person();
    await accepted(await person.associateOtp({ token: make(person) }));
  });

  test.each([
    ["for another audience", (p) => p.accessToken({ aud: "https://api.example.com" })],
    ["without an audience", (p) => p.accessToken({ aud: undefined })],
    ["that lives longer than ten minutes", (p) => p.accessToken({ exp: at(700) })],
    ["issued long ago", (p) => p.accessToken({ iat: at(-3600), exp: at(60) })],
    ["without an issue time", (p) => p.accessToken({ iat: undefined })],
  ])("%s is refused", async (_, make) => {
    const person = stage.person();
    await refusedBearer(await person.associateOtp({ token: make(person) }));
  });

  test("that has expired is refused", async () => {
    const person = stage.person();
    const response = await person.associateOtp({ token: person.accessToken({ iat: at(-400), exp: at(-100) }) });
    expect(response.status).toBe(401);
    expect(["invalid_grant", "expired_token"]).toContain((await read(response)).error);
  });

  test("whose scope is no string has no scope", async () => {
    const person = stage.person();
    const response = await person.associateOtp({ token: person.accessToken({ scope: { enroll: true } }) });
    expect([401, 403]).toContain(response.status);
  });

  test("never passes as mfa_token at the token endpoint to prove an active factor", async () => {
    const person = stage.person();
    const { secret } = await person.enrollOtp();
    await stage.world.advance(60);
    for (const mfa_token of [person.accessToken(), person.provenToken()]) {
      const response = await person.exchange("otp", { mfa_token, otp: totp(secret, stage.world.now()) });
      await refused(response, 403, "invalid_grant", /^(Malformed mfa_token|Invalid otp_code\.)$/);
    }
  });
});

test("a token marked mfa never passes as access token, whatever else it says", async () => {
  const person = stage.person();
  await person.enrollOtp();
  await stage.world.advance(2);
  for (const [claims, header] of [
    [{ scope: "enroll", amr: ["mfa"] }, { typ: "mfa+jwt" }],
    [{ scope: "enroll", amr: ["mfa"], token_use: "mfa" }, { typ: "at+jwt" }],
  ]) {
    const response = await person.associateOtp({ token: person.mfaToken(claims, header) });
    expect([401, 403]).toContain(response.status);
    if (response.status === 403) await refused(response, 403, "access_denied", "User is already enrolled.");
  }
});

describe("the service's own tokens", () => {
  test("an id_token and an access token for an API are no bearer here", async () => {
    const person = stage.person();
    const { tokens } = await person.enrollOtp({ token: person.mfaToken({ scope: "openid read:things" }) });
    for (const token of [tokens.id_token, tokens.access_token]) {
      expect(token).toBeTruthy();
      await refusedBearer(await person.associateOtp({ token }));
    }
  });
});

describe("two issuers with the same subject share nothing", () => {
  test("neither factors, nor enrollments, nor recovery codes, nor budgets", async () => {
    const sub = `shared-${random()}`;
    const one = stage.person({ sub });
    const two = stage.person({ sub, issuer: issuer("second") });
    const { secret, recoveryCode, tokens } = await one.enrollOtp();

    const mfa_token = two.mfaToken();
    const other = await accepted(await two.associateOtp({ token: mfa_token }));
    expect(other.recovery_codes).toHaveLength(1);
    await stage.world.advance(30);
    const now = stage.world.now();
    await refused(await two.exchange("otp", { mfa_token, otp: totp(secret, now) }), 403, "invalid_grant", "Invalid otp_code.");
    await refused(
      await two.exchange("recovery", { mfa_token, recovery_code: recoveryCode }),
      403,
      "invalid_grant",
      "MFA Authorization rejected.",
    );
    for (let guess = 0; guess < 12; guess += 1) await two.exchange("otp", { mfa_token, otp: "000000" });
    await accepted(await one.exchange("otp", { mfa_token: one.mfaToken(), otp: totp(secret, now) }));
    expect(JSON.parse(Buffer.from(tokens.access_token.split(".")[1], "base64url")).sub).toBe(`idp|${sub}`);
  });

  test("nor keys: the one's kid does not find the other's key", async () => {
    const [one, two] = [issuer("idp"), issuer("second")];
    const person = stage.person();
    await refusedBearer(
      await person.associateOtp({
        token: two.sign(JSON.parse(Buffer.from(person.mfaToken().split(".")[1], "base64url")), { typ: "mfa+jwt" }),
      }),
    );
    await refusedBearer(await person.associateOtp({ token: person.mfaToken({ iss: two.url }) }));
    expect(one.key.kid).not.toBe(two.key.kid);
  });

  test("nor oob_codes", async () => {
    const sub = `shared-${random()}`;
    const one = stage.person({ sub });
    const two = stage.person({ sub, issuer: issuer("second") });
    const { oob_code } = await accepted(await one.associateSms());
    const binding_code = await stage.webhook.codeFor(one.number);
    const response = await two.exchange(GRANT.oob, { mfa_token: two.mfaToken(), oob_code, binding_code });
    await refused(response, 400, "invalid_request", "The oob_code doesn't match the mfa_token");
  });
});
