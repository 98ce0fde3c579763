// The key set of a client that signs its assertions (RFC 7523): public keys only, of kinds that are accepted.
import { createPublicKey } from "node:crypto";
import { Failure } from "../terminal/failure.mjs";

const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
const RSA_BITS = 2048;

/**
 * Checks a JWK Set and gives it back in one line.
 *
 * @param {string} text the file's content
 * @param {string} name what to call the file in a message
 */
export function publicKeySet(text, name) {
  let set;
  try {
    set = JSON.parse(text);
  } catch {
    throw new Failure(`${name} is not JSON: it must be a JWK Set, {"keys": […]}.`);
  }
  if (!Array.isArray(set?.keys) || set.keys.length === 0)
    throw new Failure(`${name} must be a JWK Set with at least one key, {"keys": […]}.`);
  set.keys.forEach((key, index) => {
    const problem = problemOf(key);
    if (problem) throw new Failure(`Key ${index + 1} of ${name} ${problem}.`);
  });
  return JSON.stringify({ keys: set.keys });
}

function problemOf(key) {
  const revealing = PRIVATE_MEMBERS.find((member) => key?.[member] !== undefined);
  if (revealing) return `has the private member "${revealing}": register the public key only`;
  if (key?.kty !== "RSA" && !(key?.kty === "EC" && key.crv === "P-256")) return "must be an RSA key or an EC key on P-256";
  if (key.use !== undefined && key.use !== "sig") return `is not for signatures ("use" is "${key.use}")`;
  try {
    const { modulusLength } = createPublicKey({ key, format: "jwk" }).asymmetricKeyDetails;
    if (modulusLength < RSA_BITS) return `has ${modulusLength} bits: RSA needs at least ${RSA_BITS}`;
  } catch {
    return "is not a well-formed JWK";
  }
}
