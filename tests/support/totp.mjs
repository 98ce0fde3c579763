/** One-time passwords as an authenticator app computes them (RFC 6238: SHA-1, 30 seconds, six digits). */
import { createHmac } from "node:crypto";

export const STEP_SECONDS = 30;
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

export function base32Decode(text) {
  const bits = Array.from(text, (character) => ALPHABET.indexOf(character).toString(2).padStart(5, "0")).join("");
  return Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
}

export function base32Encode(bytes) {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, "0")).join("");
  return (bits.match(/.{1,5}/g) ?? []).map((group) => ALPHABET[Number.parseInt(group.padEnd(5, "0"), 2)]).join("");
}

/** The code of a base32 secret at `seconds`, `steps` time steps later (or, negative, earlier). */
export function totp(secret, seconds, steps = 0) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(seconds / STEP_SECONDS) + steps));
  const mac = createHmac("sha1", base32Decode(secret)).update(counter).digest();
  const offset = mac[19] & 0x0f;
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

/** A code that is none of the secret's around `seconds`. */
export function wrongTotp(secret, seconds) {
  const near = [-3, -2, -1, 0, 1, 2, 3].map((steps) => totp(secret, seconds, steps));
  for (let guess = 0; ; guess += 1) {
    const code = String(guess).padStart(6, "0");
    if (!near.includes(code)) return code;
  }
}
