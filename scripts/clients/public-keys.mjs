// The key set of a client that signs its assertions (RFC 7523): public keys only, of kinds that the Worker can use. It leaves
// out those that it cannot, so that a client would be refused for ever. tests/support/client-keys.json holds both together.
import { createPublicKey } from "node:crypto";
import { Failure } from "../terminal/failure.mjs";

const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
const RSA_BITS = { least: 2048, most: 8192 };
/** What may sign an assertion, by the key's type. */
const ALGORITHMS = { RSA: ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"], EC: ["ES256"] };

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
  if (key.key_ops !== undefined && !(Array.isArray(key.key_ops) && key.key_ops.includes("verify")))
    return 'is not for verifying ("key_ops" has no "verify")';
  const algorithms = ALGORITHMS[key.kty];
  if (key.alg !== undefined && !algorithms.includes(key.alg))
    return `is for ${JSON.stringify(key.alg)}: "alg" must be ${algorithms.join(", ")} or left out`;
  let details;
  try {
    details = createPublicKey({ key, format: "jwk" }).asymmetricKeyDetails;
  } catch {
    return "is not a well-formed JWK";
  }
  return key.kty === "RSA" ? problemOfNumbers(details) : undefined;
}

function problemOfNumbers({ modulusLength, publicExponent }) {
  if (modulusLength < RSA_BITS.least) return `has ${modulusLength} bits: RSA needs at least ${RSA_BITS.least}`;
  if (modulusLength > RSA_BITS.most) return `has ${modulusLength} bits: RSA may have ${RSA_BITS.most} at most`;
  const usable = publicExponent % 2n === 1n && publicExponent >= 3n && publicExponent < 2n ** 32n;
  return usable ? undefined : 'has an exponent ("e") that is even, below 3 or over 32 bits; AQAB is usual';
}
