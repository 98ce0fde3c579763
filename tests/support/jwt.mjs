/** JSON Web Tokens signed by hand, so that a test can make every broken one as easily as a good one. */
import { constants, createHmac, createPrivateKey, generateKeyPairSync, sign } from "node:crypto";

const SIGNERS = {
  RS256: (key, data) => sign("sha256", data, key),
  RS384: (key, data) => sign("sha384", data, key),
  RS512: (key, data) => sign("sha512", data, key),
  PS256: (key, data) => sign("sha256", data, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }),
  PS384: (key, data) => sign("sha384", data, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 48 }),
  PS512: (key, data) => sign("sha512", data, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 64 }),
  ES256: (key, data) => sign("sha256", data, { key, dsaEncoding: "ieee-p1363" }),
};

const ES256 = /^ES/;

export function encode(value) {
  return Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
}

export function decode(token) {
  const [header, claims] = token.split(".").map((part) => Buffer.from(part, "base64url").toString());
  return { header: JSON.parse(header), claims: JSON.parse(claims) };
}

/** A key pair for `alg`: the private key to sign with, and the public JWK to publish, with `members` on top or instead. */
export function signingPair(alg, kid, { bits = 2048, members = {} } = {}) {
  const { privateKey, publicKey } = ES256.test(alg)
    ? generateKeyPairSync("ec", { namedCurve: "P-256" })
    : generateKeyPairSync("rsa", { modulusLength: bits });
  const jwk = { ...publicKey.export({ format: "jwk" }), kid, alg, use: "sig", ...members };
  return {
    alg,
    kid,
    privateKey,
    jwk: Object.fromEntries(Object.entries(jwk).filter(([, value]) => value !== undefined)),
  };
}

/** `header` and `claims` as they are, signed as `header.alg` says with `key` (a key object, or bytes for HS256). */
export function signed(header, claims, key) {
  const input = `${encode(header)}.${encode(claims)}`;
  return `${input}.${signature(header.alg, input, key)}`;
}

/** The signature over `input` as `alg` says, in base64url. */
export function signature(alg, input, key) {
  if (alg === "none") return "";
  if (alg === "HS256") return createHmac("sha256", key).update(input).digest("base64url");
  return SIGNERS[alg](key, Buffer.from(input)).toString("base64url");
}

/** The private key object of a private JWK. */
export function privateKeyOf(jwk) {
  return createPrivateKey({ key: jwk, format: "jwk" });
}
