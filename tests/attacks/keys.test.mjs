/** Keys that must not verify anything, whatever stands beside them, and proofs by such keys. */
import { constants, createHash, createHmac, privateEncrypt } from "node:crypto";
import { describe, expect, test } from "vitest";
import { accepted, refused } from "../support/answers.mjs";
import { signature, signingPair } from "../support/jwt.mjs";
import { random } from "../support/person.mjs";
import { totp } from "../support/totp.mjs";
import { PUBLIC_URL } from "../support/worker.mjs";
import { ASSERTION, ASSOCIATE, encoded, useDoors } from "./doors.mjs";

const stage = useDoors();

const pairs = {
  RS256: signingPair("RS256", "key-1"),
  ES256: signingPair("ES256", "key-1"),
  short: signingPair("RS256", "key-1", { bits: 1024 }),
};
const { n } = pairs.RS256.jwk;
const privateJwk = (pair) => ({ ...pair.privateKey.export({ format: "jwk" }), kid: pair.kid, alg: pair.alg, use: "sig" });
const zeroBefore = (text) => Buffer.concat([Buffer.alloc(128), Buffer.from(text, "base64url")]).toString("base64url");
const flipped = (text) => {
  const bytes = Buffer.from(text, "base64url");
  bytes[31] ^= 1;
  return bytes.toString("base64url");
};

const UNFIT = [
  ["for encryption", "RS256", { use: "enc" }],
  ["for signing and encryption in a list", "RS256", { use: ["sig"] }],
  ["for a use that is no text", "RS256", { use: 1 }],
  ["whose operations are encryption", "RS256", { use: undefined, key_ops: ["encrypt"] }],
  ["whose operations are signing alone", "RS256", { use: undefined, key_ops: ["sign"] }],
  ["whose operations are none", "RS256", { key_ops: [] }],
  ["whose operations are a text", "RS256", { key_ops: "verify" }],
  ["for PS256", "RS256", { alg: "PS256" }],
  ["for RS512", "RS256", { alg: "RS512" }],
  ["for RSA-OAEP", "RS256", { alg: "RSA-OAEP" }],
  ["for HS256", "RS256", { alg: "HS256" }],
  ["for none", "RS256", { alg: "none" }],
  ["for an algorithm of another family", "RS256", { alg: "ES256" }],
  ["for an algorithm that is no text", "RS256", { alg: ["RS256"] }],
  ["of another type", "RS256", { kty: "EC" }],
  ["of a type in lower case", "RS256", { kty: "rsa" }],
  ["without its exponent", "RS256", { e: undefined }],
  ["whose exponent is one", "RS256", { e: "AQ" }],
  ["whose exponent is two", "RS256", { e: "Ag" }],
  ["whose exponent is huge", "RS256", { e: "AQAAAAAB" }],
  ["whose modulus is padded base64", "RS256", { n: `${n}==` }],
  ["whose modulus is a number", "RS256", { n: 7 }],
  ["of 1024 bits", "short", {}],
  ["of 1024 bits that are zeros before", "short", { n: zeroBefore(pairs.short.jwk.n) }],
  ["with its private exponent", "RS256", { d: privateJwk(pairs.RS256).d }],
  ["with one of its primes", "RS256", { p: privateJwk(pairs.RS256).p }],
  ["as a whole private key", "RS256", privateJwk(pairs.RS256)],
  ["with its private number (EC)", "ES256", { d: privateJwk(pairs.ES256).d }],
  ["on another curve by name", "ES256", { crv: "P-384" }],
  ["on no curve", "ES256", { crv: undefined }],
  ["off its curve", "ES256", { y: flipped(pairs.ES256.jwk.y) }],
  ["with half a coordinate", "ES256", { x: pairs.ES256.jwk.x.slice(0, 22) }],
  ["of another type (EC)", "ES256", { kty: "RSA" }],
];

const published = (pair, members) => JSON.parse(JSON.stringify({ ...pair.jwk, ...members }));

test.each(UNFIT)("a key that is published %s verifies nothing", async (_, name, members) => {
  const key = pairs[name];
  const unfit = await ASSERTION.guest(stage, { key, jwks: { keys: [published(key, members)] } });
  await ASSERTION.shut(await unfit.knock(unfit.sign()));
  await ASSERTION.shut(await unfit.knock(unfit.sign({}, { kid: undefined })));
  // The same key beside it, as it should be, does: it is the publication that was refused.
  const fit = name === "short" ? pairs.RS256 : key;
  const mended = await ASSERTION.guest(stage, { key: fit, jwks: { keys: [published(key, members), fit.jwk] } });
  await ASSERTION.opened(await mended.knock(mended.sign()));
});

const digest = (input) => createHash("sha256").update(input).digest();
/** What RS256 signs (RFC 8017, section 9.2), for a modulus of 2048 bits. */
const paddedDigest = (input) =>
  Buffer.concat([
    Buffer.from([0, 1]),
    Buffer.alloc(202, 0xff),
    Buffer.from("003031300d060960864801650304020105000420", "hex"),
    digest(input),
  ]);
const inputOf = (header, claims) => `${encoded(header)}.${encoded(claims)}`;

/** By a key whose exponent is one anybody signs: the signature is the padded digest itself. */
const byExponentOne = (header, claims) => {
  const input = inputOf(header, claims);
  return `${input}.${paddedDigest(input).toString("base64url")}`;
};

/** By a key that is published as a secret, anybody signs as well. */
const bySharedSecret = (header, claims) => {
  const input = inputOf({ ...header, alg: "HS256" }, claims);
  return `${input}.${createHmac("sha256", "known to all").update(input).digest("base64url")}`;
};
const SHARED_SECRET = { kty: "oct", k: encoded("known to all"), alg: "HS256", use: "sig" };

test("what the exponent one would verify is what RS256 pads", () => {
  const input = random();
  const raw = privateEncrypt({ key: pairs.RS256.privateKey, padding: constants.RSA_NO_PADDING }, paddedDigest(input));
  expect(raw.toString("base64url")).toBe(signature("RS256", input, pairs.RS256.privateKey));
});

const FOR_ANYBODY = [
  ["of the exponent one", { kty: "RSA", n, e: "AQ", alg: "RS256", use: "sig" }, byExponentOne],
  ["of the exponent one, written longer", { kty: "RSA", n, e: "AAAB", alg: "RS256", use: "sig" }, byExponentOne],
  ["that is a shared secret", SHARED_SECRET, bySharedSecret],
  ["that is a shared secret and says nothing of algorithms", { ...SHARED_SECRET, alg: undefined }, bySharedSecret],
];

test.each(FOR_ANYBODY)("with a key %s anybody could sign, so nobody does: a client's", async (_, weak, forge) => {
  const keys = [{ ...pairs.RS256.jwk }, JSON.parse(JSON.stringify({ ...weak, kid: "weak" }))];
  const guest = await ASSERTION.guest(stage, { key: pairs.RS256, jwks: { keys } });
  await ASSERTION.opened(await guest.knock(guest.sign()));
  for (const kid of ["weak", pairs.RS256.kid, undefined]) {
    await ASSERTION.shut(await guest.knock(forge({ ...guest.header, kid }, guest.claims)));
  }
});

test.each(FOR_ANYBODY)("with a key %s anybody could sign, so nobody does: an issuer's", async (_, weak, forge) => {
  const { issuer } = stage;
  issuer.rotate();
  issuer.published.push(JSON.parse(JSON.stringify({ ...weak, kid: "weak" })));
  await stage.world.advance(4000);
  const guest = ASSOCIATE.guest(stage);
  await ASSOCIATE.opened(await guest.knock(guest.sign()));
  for (const kid of ["weak", issuer.key.kid, undefined]) {
    await ASSOCIATE.shut(await guest.knock(forge({ ...guest.header, kid }, guest.claims)));
  }
});

describe("a DPoP proof", () => {
  const PATH = "/oauth/token";
  let nonce;

  /** A grant with this proof; a wrong code, so that a proof that is let through costs nobody anything. */
  const send = (proof) => {
    const person = stage.person();
    return person.exchange("otp", { mfa_token: person.mfaToken(), otp: "000000" }, { headers: { dpop: proof } });
  };
  const through = (response) => refused(response, 403, "invalid_grant", "Invalid otp_code.");
  const shut = (response) => refused(response, 400, "invalid_dpop_proof", "The DPoP proof is invalid.");
  const stale = (response) => refused(response, 400, "use_dpop_nonce");

  const publicOf = ({ jwk: { kid, alg, use, ...material } }) => material;
  const headerOf = (pair, jwk) => ({ alg: pair.alg, typ: "dpop+jwt", jwk: { ...publicOf(pair), ...jwk } });
  const claimsOf = (claims) => ({
    htm: "POST",
    htu: `${PUBLIC_URL}${PATH}`,
    iat: stage.world.now(),
    jti: random(),
    nonce,
    ...claims,
  });

  async function fresh() {
    const response = await send(make(pairs.ES256, {}, { nonce: undefined }));
    nonce = response.headers.get("dpop-nonce");
    await stale(response);
  }

  function make(pair, { jwk, ...header } = {}, claims = {}) {
    const whole = JSON.parse(JSON.stringify({ ...headerOf(pair, jwk), ...header }));
    const input = inputOf(whole, JSON.parse(JSON.stringify(claimsOf(claims))));
    return `${input}.${signature(pair.alg, input, pair.privateKey)}`;
  }
  const altered = (proof, change) => {
    const parts = proof.split(".");
    return [...parts.slice(0, 2), change(Buffer.from(parts[2], "base64url")).toString("base64url")].join(".");
  };
  const withText = (pair, header, claims) => {
    const input = `${encoded(header)}.${encoded(claims)}`;
    return `${input}.${signature(pair.alg, input, pair.privateKey)}`;
  };
  const doubled = (object, name, value) => `{${JSON.stringify(name)}:${JSON.stringify(value)},${JSON.stringify(object).slice(1)}`;

  test.each([
    ["by alg none", () => `${inputOf({ ...headerOf(pairs.ES256), alg: "none" }, claimsOf())}.`],
    ["by a shared secret that it brings along", () => bySharedSecret({ typ: "dpop+jwt", jwk: SHARED_SECRET }, claimsOf())],
    [
      "by an HMAC keyed with the public key that it brings along",
      () => {
        const header = { ...headerOf(pairs.RS256), alg: "HS256" };
        const input = inputOf(header, claimsOf());
        return `${input}.${createHmac("sha256", JSON.stringify(header.jwk)).update(input).digest("base64url")}`;
      },
    ],
    ["by an RSA key of 1024 bits", () => make(pairs.short)],
    ["by a key of the exponent one", () => byExponentOne({ ...headerOf(pairs.RS256, { e: "AQ" }) }, claimsOf())],
    ["with the private key", () => make(pairs.ES256, { jwk: { d: privateJwk(pairs.ES256).d } })],
    ["by a key whose modulus has a zero before it", () => make(pairs.RS256, { jwk: { n: `AA${n}` } })],
    ["by a key off its curve", () => make(pairs.ES256, { jwk: { y: flipped(pairs.ES256.jwk.y) } })],
    ["by a key for encryption", () => make(pairs.ES256, { jwk: { use: "enc" } })],
    ["with a critical extension", () => make(pairs.ES256, { crit: ["exp"] })],
    ["of no type", () => make(pairs.ES256, { typ: undefined })],
    [
      "whose key is at a URL",
      () => withText(pairs.ES256, { alg: "ES256", typ: "dpop+jwt", jku: "http://127.0.0.1:9/" }, claimsOf()),
    ],
    [
      "whose signature is DER",
      () =>
        altered(make(pairs.ES256), (bytes) =>
          Buffer.concat([Buffer.from([0x30, 68, 2, 32]), bytes.subarray(0, 32), Buffer.from([2, 32]), bytes.subarray(32)]),
        ),
    ],
    ["whose r is zero", () => altered(make(pairs.ES256), (bytes) => Buffer.concat([Buffer.alloc(32), bytes.subarray(32)]))],
    ["whose signature is zero", () => altered(make(pairs.ES256), () => Buffer.alloc(64))],
    [
      "that says htu twice",
      () => withText(pairs.ES256, headerOf(pairs.ES256), doubled(claimsOf(), "htu", "https://evil.example.com/")),
    ],
    [
      "that brings two keys",
      () => withText(pairs.ES256, doubled(headerOf(pairs.ES256), "jwk", publicOf(pairs.RS256)), claimsOf()),
    ],
    ["for a longer path", () => make(pairs.ES256, {}, { htu: `${PUBLIC_URL}${PATH}/x` })],
    ["for a host that begins alike", () => make(pairs.ES256, {}, { htu: `${PUBLIC_URL}.evil.example.com${PATH}` })],
    [
      "for this host as somebody else's user",
      () => make(pairs.ES256, {}, { htu: `https://mfa.example.com@evil.example.com${PATH}` }),
    ],
    ["in lower-case verb", () => make(pairs.ES256, {}, { htm: "post" })],
  ])("%s is refused", async (_, forge) => {
    await fresh();
    await through(await send(make(pairs.ES256)));
    await through(await send(make(pairs.RS256)));
    await shut(await send(forge()));
  });

  test.each([
    ["made up", () => "nonce"],
    ["with another time", (good) => good.replace(/^\d+/, (time) => String(Number(time) + 30))],
    ["with another hash", (good) => `${good.slice(0, -4)}AAAA`],
    ["with its time alone", (good) => good.split(".")[0]],
    ["empty", () => ""],
  ])("with a nonce %s is asked for a good one", async (_, twist) => {
    await fresh();
    await through(await send(make(pairs.ES256)));
    await stale(await send(make(pairs.ES256, {}, { nonce: twist(nonce) })));
  });

  test("captured with its request buys nothing: the login is spent, and after a minute it is stale", async () => {
    await fresh();
    const person = stage.person();
    const mfa_token = person.mfaToken();
    const { secret } = await accepted(await person.associateOtp({ token: mfa_token }));
    const headers = { dpop: make(pairs.ES256) };
    const grant = { mfa_token, otp: totp(secret, stage.world.now()) };
    await accepted(await person.exchange("otp", grant, { headers }));
    await refused(await person.exchange("otp", grant, { headers }), 403, "invalid_grant", "mfa_token has already been used");
    await stage.world.advance(70);
    await stale(await person.exchange("otp", grant, { headers }));
  });
});
