// Keys of a deployment, made fresh: for .dev.vars, for an account that has none yet, and for a rotation.
import { createHash, generateKeyPairSync, randomBytes } from "node:crypto";
import { isFurtherEncryptionKeys, isSigningKey, isWebhookSecret } from "../configuration/variables.mjs";

const key = () => randomBytes(32).toString("base64url");

/** A value of ENCRYPTION_KEYS: one key to seal with, one to hash with. */
export function freshEncryptionKeys() {
  return JSON.stringify({ seal: { use: "s1", keys: { s1: key() } }, hash: { use: "h1", keys: { h1: key() } } });
}

/** A value of ENCRYPTION_KEYS_…: the same beside the first ones. Its name names the keys. */
export function freshFurtherEncryptionKeys() {
  return JSON.stringify({ seal: key(), hash: key() });
}

/** A value of SIGNING_KEY_…: a private RSA key as JWK, named by its thumbprint (RFC 7638). */
export function freshSigningKey() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwk = privateKey.export({ format: "jwk" });
  const kid = createHash("sha256")
    .update(JSON.stringify({ e: jwk.e, kty: jwk.kty, n: jwk.n }))
    .digest("base64url");
  return JSON.stringify({ ...jwk, kid, alg: "RS256", use: "sig" });
}

/** A fresh value of any secret that configures Countersign. */
export function freshSecret(name) {
  if (name === "ENCRYPTION_KEYS") return freshEncryptionKeys();
  if (isFurtherEncryptionKeys(name)) return freshFurtherEncryptionKeys();
  if (isSigningKey(name)) return freshSigningKey();
  if (isWebhookSecret(name)) return `whsec_${randomBytes(32).toString("base64")}`;
  return randomBytes(16).toString("hex");
}
