/** Keys of the tests' own, made afresh in each run. */
import { generateKeyPairSync, randomBytes } from "node:crypto";

/** The value of ENCRYPTION_KEYS: one key to seal with, one to hash with. */
export function encryptionKeys() {
  const key = () => randomBytes(32).toString("base64url");
  return { seal: { use: "s1", keys: { s1: key() } }, hash: { use: "h1", keys: { h1: key() } } };
}

/** The value of a SIGNING_KEY_… secret: a private RSA JWK. */
export function signingKey(kid) {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...privateKey.export({ format: "jwk" }), kid, alg: "RS256", use: "sig" };
}

/** A Standard Webhooks secret. */
export function webhookSecret() {
  return `whsec_${randomBytes(32).toString("base64")}`;
}
