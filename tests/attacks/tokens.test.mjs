/** Forged and twisted tokens, at every door that a token opens. */
import { constants, createHmac, createPublicKey, generateKeyPairSync, privateEncrypt, sign } from "node:crypto";
import { createServer } from "node:http";
import { once } from "node:events";
import { expect, test } from "vitest";
import { signingPair } from "../support/jwt.mjs";
import { random } from "../support/person.mjs";
import { PUBLIC_URL } from "../support/worker.mjs";
import { ASSERTION, CHALLENGE, DOORS, EXCHANGE, PERSONS, encoded, opensNone, useDoors } from "./doors.mjs";

const stage = useDoors(["RS256", "ES256"]);
const issuerOf = (alg) => stage.issuers.find((each) => each.alg === alg);
const second = () => stage.issuers.find(({ name }) => name === "second");
const at = (seconds) => stage.world.now() + seconds;
const shut = (forge, options) => opensNone(stage, forge, options);

const own = signingPair("RS256", "own");
const parts = (token) => token.split(".");
const withSignature = (token, signature) => [...parts(token).slice(0, 2), signature].join(".");
const signatureOf = (token) => Buffer.from(parts(token)[2], "base64url");
const members = (object) => JSON.parse(JSON.stringify(object));

// --- The algorithm ---

const NONE = ["none", "None", "NONE", "nOnE", " none", "none ", "none\n", "\tnone", "none\u0000", "", "null", "no\u00adne"];

test.each(NONE)("alg none is no algorithm, signed or not: %j", (alg) =>
  shut((guest) => {
    const honest = guest.sign();
    const bare = `${encoded({ ...guest.header, alg })}.${encoded(guest.claims)}`;
    return [`${bare}.`, `${bare}.${parts(honest)[2]}`, `${bare}.${encoded("x")}`];
  }),
);

const PUBLIC_KEY_AS_SECRET = [
  ["PEM of its SPKI", (key) => key.export({ type: "spki", format: "pem" })],
  ["PEM without the last line feed", (key) => key.export({ type: "spki", format: "pem" }).trimEnd()],
  ["PEM of PKCS#1", (key) => key.export({ type: "pkcs1", format: "pem" })],
  ["DER of its SPKI", (key) => key.export({ type: "spki", format: "der" })],
  ["DER of PKCS#1", (key) => key.export({ type: "pkcs1", format: "der" })],
  ["JWK", (key) => JSON.stringify(key.export({ format: "jwk" }))],
  ["JWK as it is published", (_, jwk) => JSON.stringify(jwk)],
  ["modulus as text", (_, jwk) => jwk.n],
  ["modulus as bytes", (_, jwk) => Buffer.from(jwk.n, "base64url")],
  ["kid", (_, jwk) => jwk.kid],
  ["nothing at all", () => Buffer.alloc(0)],
];

test.each(PUBLIC_KEY_AS_SECRET)("an HMAC keyed with the public key's %s is no signature", (_, secretOf) =>
  shut((guest) => {
    const secret = secretOf(createPublicKey(guest.key.privateKey), guest.key.jwk);
    return ["HS256", "HS384", "HS512"].map((alg) => {
      const input = `${encoded({ ...guest.header, alg })}.${encoded(guest.claims)}`;
      return `${input}.${createHmac(`sha${alg.slice(2)}`, secret)
        .update(input)
        .digest("base64url")}`;
    });
  }),
);

test.each(["RS384", "RS512", "PS256", "PS384", "PS512"])(
  "an algorithm that the issuer does not use is refused though its own key made it: %s",
  (alg) => shut((guest) => guest.sign({}, { alg }), { doors: PERSONS }),
);

test("an algorithm of another family than the key's is refused", () => {
  const elliptic = signingPair("ES256", "own");
  const edwards = generateKeyPairSync("ed25519").privateKey;
  return shut((guest) => {
    const input = `${encoded({ ...guest.header, alg: "EdDSA" })}.${encoded(guest.claims)}`;
    const byEdwards = `${input}.${sign(null, Buffer.from(input), edwards).toString("base64url")}`;
    return [guest.sign({}, { alg: "ES256" }, elliptic), byEdwards];
  });
});

// --- The key ---

const FOREIGN_KEYS = [
  ["another trusted issuer's key under its own kid", () => second().key, () => second().key.kid],
  ["another trusted issuer's key under the honest kid", () => second().key, (guest) => guest.key.kid],
  ["another trusted issuer's key without a kid", () => second().key, () => undefined],
  ["a key of the attacker's own under the honest kid", () => own, (guest) => guest.key.kid],
  ["a key of the attacker's own without a kid", () => own, () => undefined],
  ["a key of the attacker's own under the service's kid", () => own, () => "main-1"],
];

test.each(FOREIGN_KEYS)("%s signs nothing for this one", (_, key, kid) =>
  shut((guest) => guest.sign({}, { kid: kid(guest) }, key())),
);

const KIDS = [
  ["a path upwards", "../../../../dev/null"],
  ["a path to an empty file", "/dev/null"],
  ["SQL that is always true", "' OR '1'='1"],
  ["SQL with a row of its own", "x' UNION SELECT 'AAAA' --"],
  ["a command", "| cat /etc/passwd"],
  ["a URL", "http://127.0.0.1:9/keys.json"],
  ["a member of every object", "__proto__"],
  ["a function of every object", "constructor"],
  ["a thousand characters", "k".repeat(1000)],
  ["empty", ""],
  ["a number", 1],
  ["true", true],
  ["a list", ["idp-1"]],
  ["an object", { kid: "idp-1" }],
];

test.each(KIDS)("kid leads to no other key: %s", (_, kid) =>
  shut((guest) => {
    const input = `${encoded({ ...guest.header, alg: "HS256", kid })}.${encoded(guest.claims)}`;
    const empty = `${input}.${createHmac("sha256", "").update(input).digest("base64url")}`;
    return [guest.sign({}, { kid }, own), guest.sign({}, { kid }), empty];
  }),
);

const SPELLINGS = [
  ["with a space behind it", (kid) => `${kid} `],
  ["in capitals", (kid) => kid.toUpperCase()],
  ["with NUL behind it", (kid) => `${kid}\u0000`],
  ["with a zero-width space in it", (kid) => `${kid.slice(0, 2)}\u200b${kid.slice(2)}`],
  ["of letters that look alike", (kid) => kid.replace("i", "\u0456")],
];

test.each(SPELLINGS)("kid is compared byte by byte: %s", (_, spell) =>
  shut((guest) => guest.sign({}, { kid: spell(guest.key.kid) })),
);

test("keys that a token brings along, or says where to find, are neither used nor fetched", async () => {
  const seen = [];
  const server = createServer((request, response) => {
    seen.push(request.url);
    response.end(JSON.stringify({ keys: [own.jwk] }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${server.address().port}/keys.json`;
  const certificate = own.jwk.n.slice(0, 300);
  const headers = [{ jku: url }, { x5u: url }, { jwk: own.jwk }, { x5c: [certificate] }, { x5t: "A".repeat(27) }];
  try {
    for (const header of headers) {
      await shut((guest) => [
        guest.sign({}, { ...header, kid: own.kid }, own),
        guest.sign({}, { ...header, kid: undefined }, own),
        guest.sign({}, { ...header, kid: guest.key.kid }, own),
      ]);
      // The honest key's signature counts beside them.
      for (const door of DOORS) {
        const guest = await door.guest(stage);
        await door.opened(await guest.knock(guest.sign({}, header)));
      }
    }
    expect(seen).toEqual([]);
  } finally {
    server.close();
  }
});

// --- Extensions ---

const CRITICAL = [
  ["a member that everybody knows", { crit: ["exp"], exp: 4102444800 }],
  ["an extension that nobody knows", { crit: ["http://example.com/x"], "http://example.com/x": true }],
  ["b64", { crit: ["b64"], b64: true }],
  ["b64 that is false", { crit: ["b64"], b64: false }],
  ["nothing", { crit: [] }],
  ["null", { crit: null }],
  ["a text", { crit: "b64" }],
  ["an object", { crit: {} }],
];

test.each(CRITICAL)("crit is refused, whatever it names: %s", (_, header) => shut((guest) => guest.sign({}, header)));

test("a signature over the unencoded payload (b64 false) is none over the encoded one", () =>
  shut((guest) => {
    const [header, payload] = [encoded({ ...guest.header, b64: false }), JSON.stringify(guest.claims)];
    const raw = sign("sha256", Buffer.from(`${header}.${payload}`), guest.key.privateKey);
    return `${header}.${encoded(payload)}.${raw.toString("base64url")}`;
  }));

test("an unencoded payload is not read", () =>
  shut(
    (guest) =>
      [{ b64: false }, { b64: false, crit: ["b64"] }].map((more) => {
        const input = `${encoded({ ...guest.header, ...more })}.${JSON.stringify(guest.claims)}`;
        return `${input}.${sign("sha256", Buffer.from(input), guest.key.privateKey).toString("base64url")}`;
      }),
    { doors: DOORS.filter(({ inBody }) => inBody) },
  ));

// --- Claims ---

const NOT_A_TEXT = [undefined, null, "", 0, 7, true, {}];
const IDENTIFYING = ["iss", "sub", "aud"].flatMap((claim) => NOT_A_TEXT.map((value) => [claim, value]));

test.each(IDENTIFYING)("a token says who and for whom, in texts: %s %j", (claim, value) =>
  shut((guest) => guest.sign({ [claim]: value })),
);

const ISSUERS = [
  ["in a list", (iss) => [iss]],
  ["with one slash more", (iss) => `${iss}/`],
  ["with a fragment", (iss) => `${iss}#`],
  ["with a query", (iss) => `${iss}?`],
  ["with a dot segment", (iss) => `${iss}./`],
  ["in capitals", (iss) => iss.toUpperCase()],
  ["with a space behind it", (iss) => `${iss} `],
  ["with NUL behind it", (iss) => `${iss}\u0000`],
  ["with a byte order mark before it", (iss) => `\ufeff${iss}`],
  ["of letters that look alike", (iss) => iss.replace(/[ticp]/, (letter) => "\u0442\u0456\u0441\u0440"["ticp".indexOf(letter)])],
  ["of somebody else whom the service trusts", () => second().url],
  ["of the service itself", () => `${PUBLIC_URL}/`],
];

test.each(ISSUERS)("iss is compared byte by byte: %s", (_, spell) =>
  shut((guest) => guest.sign({ iss: spell(guest.pattern.iss) })),
);

test.each([
  ["without its slash", (iss) => iss.replace(/\/$/, "")],
  ["as the host's user", (iss) => iss.replace("://", "://evil.example@")],
  ["without its port", (iss) => iss.replace(/:\d+/, "")],
  ["by another name of its host", (iss) => iss.replace("127.0.0.1", "127.1")],
  ["by its name in the configuration", () => "idp"],
])("iss is a text, not a URL to be understood: %s", (_, spell) =>
  shut((guest) => guest.sign({ iss: spell(guest.pattern.iss) }), { doors: PERSONS }),
);

const AUDIENCES = [
  ["somebody else", () => "https://api.example.com"],
  ["several others", () => ["https://api.example.com", "https://other.example.com"]],
  ["nobody", () => []],
  ["a list in a list", (aud) => [[aud]]],
  ["a list with a number in it", (aud) => [aud, 1]],
  ["a list with null in it", (aud) => [aud, null]],
  ["an object", (aud) => ({ 0: aud })],
  ["two in one text", (aud) => `${aud} https://api.example.com`],
  ["two with a comma", (aud) => `${aud},https://api.example.com`],
  ["something below it", (aud) => `${aud}/x`],
  ["itself in capitals", (aud) => aud.toUpperCase()],
  ["itself with NUL behind it", (aud) => `${aud}\u0000`],
  ["itself with a port", (aud) => aud.replace(".com", ".com:443")],
];

test.each(AUDIENCES)("aud names the service, or it is somebody else's token: %s", (_, twist) =>
  shut((guest) => guest.sign({ aud: twist(guest.pattern.aud) })),
);

const TIMES = [
  ["a text", (time) => String(time)],
  ["negative", (time) => -time],
  ["huge", () => Number.MAX_SAFE_INTEGER],
  ["beyond all numbers", () => 1e300],
  ["in milliseconds", (time) => time * 1000],
  ["true", () => true],
  ["a list", (time) => [time]],
  ["an object", () => ({})],
];

test.each(["exp", "iat", "nbf"].flatMap((claim) => TIMES.map(([name, twist]) => [claim, name, twist])))(
  "a time is a number of seconds of this era: %s that is %s",
  (claim, _, twist) => shut((guest) => guest.sign({ [claim]: twist(guest.pattern[claim] ?? at(0)) })),
);

const NUMERALS = [
  "1e9",
  "2e9",
  "0x7fffffff",
  "+4102444800",
  "04102444800",
  "99999999999999999999",
  "NaN",
  "Infinity",
  ".5",
  "4102444800.",
];

test.each(NUMERALS)("a time is written in digits alone: %s", (numeral) =>
  shut((guest) => {
    const claims = JSON.stringify(guest.claims).replace(/"exp":\d+/, `"exp":${numeral}`);
    return guest.write(guest.header, claims);
  }),
);

test.each([
  ["exp is missing", () => ({ exp: undefined }), false],
  ["exp is null", () => ({ exp: null }), false],
  ["exp is the beginning of time", () => ({ exp: 0 }), true],
  ["exp has passed", () => ({ iat: at(-400), exp: at(-100) }), true],
  ["iat is in the future", () => ({ iat: at(120), exp: at(240) }), false],
  ["nbf is in the future", () => ({ nbf: at(120) }), false],
  ["nbf is in another century", () => ({ nbf: 4102444800 }), false],
])("a token is good in its time only: %s", (_, claims, expired) => shut((guest) => guest.sign(claims()), { expired }));

test.each([
  ["more than ten minutes", () => ({ exp: at(700) })],
  ["until the end of time", () => ({ exp: 253402300799 })],
  ["long since and for long", () => ({ iat: at(-3600), exp: at(300) })],
])("a login does not live for long: %s", (_, claims) =>
  shut((guest) => guest.sign(claims()), { doors: PERSONS.filter((door) => door !== EXCHANGE) }),
);

test.each([
  ["is older than ten minutes", () => ({ iat: at(-700), exp: at(300) })],
  ["is for nobody", () => ({ aud: undefined, client_id: "https://other.example.com" })],
  ["is for the service, not for the application", () => ({ aud: PUBLIC_URL })],
  ["does not say when the person was there", () => ({ auth_time: "yesterday" })],
])("a public client exchanges no token that %s", (_, claims) => shut((guest) => guest.sign(claims()), { doors: [EXCHANGE] }));

const TYPES = ["id_token+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt", "JWE", "", "mfa+jwt ", "at+jwt\u0000", "x"];

test.each(TYPES)("typ of another kind of token is refused: %j", (typ) => shut((guest) => guest.sign({}, { typ })));

test.each([7, true, [], {}])("typ is a text: %j", (typ) => shut((guest) => guest.sign({}, { typ })));

// --- Size and form ---

/** An honest token of exactly `bytes` bytes. */
function sized(guest, bytes) {
  for (let header = 0; ; header += 1) {
    for (let claims = Math.max(0, Math.floor((bytes - guest.sign().length) * 0.75) - 30); ; claims += 1) {
      const token = guest.sign({ padding: "x".repeat(claims) }, { padding: "x".repeat(header) });
      if (token.length === bytes) return token;
      if (token.length > bytes) break;
    }
  }
}

test.each(DOORS)("a token may be as long as $maximum bytes at $name, and not a byte longer", async (door) => {
  const guest = await door.guest(stage);
  await door.opened(await guest.knock(sized(guest, door.maximum)));
  for (const more of [1, 2, 3, 400]) await door.shut(await guest.knock(sized(guest, door.maximum + more)));
});

const nested = (open, shut, depth) => `${open.repeat(depth)}1${shut.repeat(depth)}`;
const within = (object, name, json) => JSON.stringify({ ...object, [name]: 0 }).replace(`"${name}":0`, `"${name}":${json}`);

test.each([
  ["lists in the claims", (guest, depth) => guest.write(guest.header, within(guest.claims, "x", nested("[", "]", depth)))],
  ["objects in the claims", (guest, depth) => guest.write(guest.header, within(guest.claims, "x", nested('{"a":', "}", depth)))],
  [
    "lists in the header",
    (guest, depth) => guest.write(JSON.parse(within(guest.header, "x", nested("[", "]", depth))), guest.claims),
  ],
])("JSON is not followed into the deep: %s", async (_, make) => {
  for (const door of PERSONS) {
    const guest = await door.guest(stage);
    await door.opened(await guest.knock(make(guest, 20)));
    await door.shut(await guest.knock(make(guest, 500)));
    await door.opened(await guest.knock(guest.sign()));
  }
});

const twice = (object, name, first, last) => {
  const rest = members({ ...object, [name]: undefined });
  const pair = (value) => `${JSON.stringify(name)}:${JSON.stringify(value)}`;
  return `{${pair(first)},${JSON.stringify(rest).slice(1, -1)},${pair(last)}}`;
};

test.each(["iss", "sub", "aud", "exp", "iat", "azp", "scope", "anything"])(
  "a claim that comes twice is read by nobody, neither the first nor the last: %s",
  (name) =>
    shut((guest) => {
      const claims = guest.claims;
      const honest = claims[name] ?? "x";
      const other = typeof honest === "number" ? honest + 1 : "https://evil.example.com/";
      const escaped = `\\u00${name.charCodeAt(0).toString(16)}${name.slice(1)}`;
      const pairs = [
        [honest, other],
        [other, honest],
        [honest, honest],
      ];
      return [
        ...pairs.map((pair) => guest.write(guest.header, twice(claims, name, ...pair))),
        guest.write(guest.header, twice(claims, name, honest, other).replace(`"${name}"`, `"${escaped}"`)),
      ];
    }),
);

test.each([
  ["alg", "none"],
  ["kid", "other"],
  ["typ", "x"],
])("a header's member that comes twice is refused: %s", (name, other) =>
  shut((guest) => {
    const { alg } = guest.header;
    const honest = guest.header[name];
    const pairs = [
      [honest, other],
      [other, honest],
      [honest, honest],
    ];
    return pairs.map((pair) => guest.write(twice(guest.header, name, ...pair), guest.claims, { alg }));
  }),
);

const BYTES = [
  ["a byte order mark before it", (json) => Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), json])],
  ["UTF-16", (json) => Buffer.from(json.toString(), "utf16le")],
  ["an overlong slash", (json) => splice(json, [0xc0, 0xaf])],
  ["an overlong NUL", (json) => splice(json, [0xc0, 0x80])],
  ["a lone continuation byte", (json) => splice(json, [0x80])],
  ["an encoded surrogate", (json) => splice(json, [0xed, 0xa0, 0x80])],
  ["an escaped lone surrogate", (json) => splice(json, Buffer.from("\\ud800"))],
  ["a control character", (json) => splice(json, [0x0a])],
  ["something behind it", (json) => Buffer.concat([json, Buffer.from("{}")])],
  ["NUL behind it", (json) => Buffer.concat([json, Buffer.from([0])])],
  ["a comma at its end", (json) => Buffer.from(json.toString().replace(/}$/, ",}"))],
  ["a comment", (json) => Buffer.from(json.toString().replace("{", "{/**/"))],
];

/** The bytes in a text of the object that ends with a member "x". */
function splice(json, bytes) {
  const whole = Buffer.from(JSON.stringify({ ...JSON.parse(json), x: "" }));
  return Buffer.concat([whole.subarray(0, -2), Buffer.from(bytes), whole.subarray(-2)]);
}

test.each(BYTES)("claims and header are strict JSON in UTF-8: %s", (_, spoil) =>
  shut((guest) => {
    const json = (object) => Buffer.from(JSON.stringify(object));
    const { alg } = guest.header;
    return [guest.write(guest.header, spoil(json(guest.claims))), guest.write(spoil(json(guest.header)), guest.claims, { alg })];
  }),
);

/** An honest token each of whose parts has unused bits in its last character. */
function withUnusedBits(guest) {
  for (let header = 0; ; header += 1) {
    for (let claims = 0; claims < 3; claims += 1) {
      const token = guest.sign({ y: "y".repeat(claims) }, { y: "y".repeat(header) });
      if (parts(token).every((part) => part.length % 4 > 1)) return token;
    }
  }
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const otherLastBits = (part) => `${part.slice(0, -1)}${ALPHABET[ALPHABET.indexOf(part.at(-1)) ^ 1]}`;
const eachPart = (token, change) => {
  const all = parts(token);
  return all.map((part, index) => all.with(index, change(part)).join("."));
};

test.each([
  ["other unused bits", (guest) => eachPart(withUnusedBits(guest), otherLastBits)],
  ["padding", (guest) => eachPart(withUnusedBits(guest), (part) => part.padEnd(Math.ceil(part.length / 4) * 4, "="))],
  [
    "a percent escape",
    (guest) => eachPart(guest.sign(), (part) => part.replace(/^./, (c) => `%${c.charCodeAt(0).toString(16)}`)),
  ],
  ["a character of no alphabet", (guest) => eachPart(guest.sign(), (part) => `${part.slice(0, 5)}!${part.slice(5)}`)],
  ["a part that is missing", (guest) => eachPart(guest.sign(), () => "")],
  ["a part too many", (guest) => [`${guest.sign()}.`, `.${guest.sign()}`, `${guest.sign()}.${encoded("x")}`]],
])("each part has one spelling in base64url: not %s", (_, forge) => shut(forge));

test("each part has one spelling in base64url: not that of plain base64", () =>
  shut((guest) => {
    for (;;) {
      const honest = guest.sign();
      if (/[-_]/.test(parts(honest)[2])) return honest.replaceAll("-", "+").replaceAll("_", "/");
    }
  }));

test("each part has one spelling in base64url: no white space within a body's token", () =>
  shut(
    (guest) =>
      [" ", "\n", "\r\n", "\t", "\u0000"].flatMap((space) => [
        ...eachPart(guest.sign(), (part) => `${part.slice(0, 8)}${space}${part.slice(8)}`),
        `${guest.sign()}${space}`,
      ]),
    { doors: DOORS.filter(({ inBody }) => inBody) },
  ));

// --- Signatures ---

const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const number = (bytes) => BigInt(`0x${bytes.toString("hex") || "0"}`);
const bytesOf = (value, length) => Buffer.from(value.toString(16).padStart(length * 2, "0"), "hex");
const halves = (signature) => [number(signature.subarray(0, 32)), number(signature.subarray(32))];
const pair = (r, s) => Buffer.concat([bytesOf(r, 32), bytesOf(s, 32)]);

/** ECDSA-Sig-Value (RFC 3279, section 2.2.3). */
function der(r, s) {
  const integer = (value) => {
    const bytes = bytesOf(value, 33);
    const short = bytes.subarray(bytes.findIndex((byte, index) => byte !== 0 || index === 32));
    const whole = short[0] > 127 ? Buffer.concat([Buffer.from([0]), short]) : short;
    return Buffer.concat([Buffer.from([2, whole.length]), whole]);
  };
  const body = Buffer.concat([integer(r), integer(s)]);
  return Buffer.concat([Buffer.from([0x30, body.length]), body]);
}

test.each([
  ["DER", (r, s) => der(r, s)],
  ["r of zero", (_, s) => pair(0n, s)],
  ["s of zero", (r) => pair(r, 0n)],
  ["both of zero", () => pair(0n, 0n)],
  ["r and s of one", () => pair(1n, 1n)],
  ["r of the order", (_, s) => pair(N, s)],
  ["s of the order", (r) => pair(r, N)],
  ["s negated without the order", (r, s) => pair(r, 2n ** 256n - s)],
  ["r and s swapped", (r, s) => pair(s, r)],
  ["a zero before each", (r, s) => Buffer.concat([bytesOf(r, 33), bytesOf(s, 33)])],
  ["a zero behind", (r, s) => Buffer.concat([pair(r, s), Buffer.alloc(1)])],
  ["a byte too few", (r, s) => pair(r, s).subarray(0, 63)],
  ["r alone", (r) => bytesOf(r, 32)],
  ["nothing", () => Buffer.alloc(0)],
])("a signature of ES256 is r and s at full length and within bounds: not %s", (_, twist) =>
  shut(
    (guest) => {
      const honest = guest.sign();
      return withSignature(honest, twist(...halves(signatureOf(honest))).toString("base64url"));
    },
    { issuer: issuerOf("ES256") },
  ),
);

const rsaNumbers = (guest) => ({ n: number(Buffer.from(guest.key.jwk.n, "base64url")) });

/** An RSA signature over what `message` is, with no padding but its own. */
const rawRsa = (guest, message) => privateEncrypt({ key: guest.key.privateKey, padding: constants.RSA_NO_PADDING }, message);

test.each([
  ["zero", () => Buffer.alloc(256)],
  ["one", () => bytesOf(1n, 256)],
  ["the modulus", (_, guest) => bytesOf(rsaNumbers(guest).n, 256)],
  ["the modulus less one", (_, guest) => bytesOf(rsaNumbers(guest).n - 1n, 256)],
  ["a zero before it", (honest) => Buffer.concat([Buffer.alloc(1), honest])],
  ["a zero behind it", (honest) => Buffer.concat([honest, Buffer.alloc(1)])],
  ["a byte too few", (honest) => honest.subarray(0, 255)],
  ["nothing", () => Buffer.alloc(0)],
  ["SHA-1 inside", (_, guest, input) => sign("sha1", input, guest.key.privateKey)],
  ["SHA-512 inside", (_, guest, input) => sign("sha512", input, guest.key.privateKey)],
  [
    "PSS",
    (_, guest, input) =>
      sign("sha256", input, { key: guest.key.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }),
  ],
  [
    "no padding at all",
    (_, guest, input) => rawRsa(guest, Buffer.concat([Buffer.alloc(224), createHmac("sha256", "").update(input).digest()])),
  ],
  ["itself and the modulus", (honest, guest) => sumOf(honest, guest)],
])("a signature of RS256 is one number at full length, padded in one way: not %s", (_, twist) =>
  shut((guest) => {
    const honest = guest.sign();
    const input = Buffer.from(parts(honest).slice(0, 2).join("."));
    return withSignature(honest, twist(signatureOf(honest), guest, input).toString("base64url"));
  }),
);

/** The number that is equal to the signature modulo n, with as many bytes as it takes. */
function sumOf(honest, guest) {
  const sum = number(honest) + rsaNumbers(guest).n;
  return bytesOf(sum, sum >= 2n ** 2048n ? 257 : 256);
}

test("an assertion is used up under each of its signatures: (r, s) and (r, n - s) are one", async () => {
  const guest = await ASSERTION.guest(stage, { issuer: issuerOf("ES256") });
  const negated = (token) => {
    const [r, s] = halves(signatureOf(token));
    return withSignature(token, pair(r, N - s).toString("base64url"));
  };
  // Both are good signatures: either may be the first to come.
  const [one, other] = [guest.sign(), guest.sign()];
  await ASSERTION.opened(await guest.knock(one));
  await ASSERTION.shut(await guest.knock(negated(one)));
  await ASSERTION.opened(await guest.knock(negated(other)));
  await ASSERTION.shut(await guest.knock(other));
});

test("a login is spent under each of its signatures: (r, s) and (r, n - s) are one", async () => {
  const person = stage.person({ issuer: issuerOf("ES256") });
  const mfa_token = person.mfaToken();
  await person.enrollOtp({ token: mfa_token });
  const [r, s] = halves(signatureOf(mfa_token));
  const twin = withSignature(mfa_token, pair(r, N - s).toString("base64url"));
  for (const spent of [mfa_token, twin]) {
    const response = await person.challenge({ mfa_token: spent });
    expect({ status: response.status, ...(await response.json()) }).toEqual({
      status: 403,
      error: "invalid_grant",
      error_description: "mfa_token has already been used",
    });
  }
  const other = person.mfaToken();
  const [r2, s2] = halves(signatureOf(other));
  const fresh = await person.challenge({ mfa_token: withSignature(other, pair(r2, N - s2).toString("base64url")) });
  expect(fresh.status).toBe(200);
});

// --- Subjects ---

const NFC = "jos\u00e9";
test.each([
  ["the same letters in another normal form", NFC, NFC.normalize("NFD")],
  ["another case", "alice", "Alice"],
  ["a space behind it", "alice", "alice "],
  ["a byte order mark before it", "alice", "\ufeffalice"],
  ["a zero-width space in it", "alice", "al\u200bice"],
  ["letters that look alike", "alice", "\u0430lice"],
  ["full-width letters", "alice", "\uff41lice"],
  ["another issuer's name before it", "alice", "idp|alice"],
  ["an escape in it", "alice", "%61lice"],
])("a subject is compared byte by byte: %s is somebody else", async (_, one, other) => {
  const prefix = random();
  const owner = stage.person({ sub: `${prefix}-${one}` });
  const twin = stage.person({ sub: other.startsWith("idp|") ? `idp|${prefix}-alice` : `${prefix}-${other}` });
  await owner.enrollOtp();
  expect(await (await owner.list()).json()).toHaveLength(2);
  expect(await (await twin.list()).json()).toEqual([]);
  await CHALLENGE.opened(await twin.challenge());
});

test.each(["alice\u0000", "alice\u0000admin", "\u0007alice", "alice\u007f", "a".repeat(256)])(
  "a subject with control characters, or too long, is nobody: %j",
  (sub) => shut((guest) => guest.sign({ sub }), { doors: PERSONS }),
);

test("the longest subject is somebody", async () => {
  const person = stage.person({ sub: "a".repeat(255) });
  expect((await person.associateOtp()).status).toBe(200);
});
