/** Sealing, hashing and random values by WebCrypto. A key is imported once in an isolate's life. */
import type { Bindings } from "./bindings.ts";

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const RECOVERY = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const NONCE_BYTES = 12;
const text = new TextEncoder();

export interface Keys {
  seal: CryptoKey;
  hash: CryptoKey;
}

let keys: Keys | undefined;

export async function importedKeys(env: Bindings): Promise<Keys> {
  if (keys) return keys;
  const [seal, hash] = await Promise.all([
    crypto.subtle.importKey("raw", fromBase64Url(env.SEAL_KEY), "AES-GCM", false, ["encrypt", "decrypt"]),
    crypto.subtle.importKey("raw", fromBase64Url(env.HASH_KEY), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]),
  ]);
  keys = { seal, hash };
  return keys;
}

/** Seals with AES-256-GCM, bound to the `place` where it is stored: nonce and ciphertext, base64url. */
export async function seal({ seal: key }: Keys, place: string, data: Uint8Array | string): Promise<string> {
  const iv = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const plain = typeof data === "string" ? text.encode(data) : data;
  const algorithm = { name: "AES-GCM", iv, additionalData: text.encode(place) };
  const sealed = new Uint8Array(await crypto.subtle.encrypt(algorithm, key, plain));
  const joined = new Uint8Array(iv.length + sealed.length);
  joined.set(iv);
  joined.set(sealed, iv.length);
  return toBase64Url(joined);
}

/** The text that `seal` has sealed for this place. */
export async function open({ seal: key }: Keys, place: string, sealed: string): Promise<string> {
  const bytes = fromBase64Url(sealed);
  const algorithm = { name: "AES-GCM", iv: bytes.subarray(0, NONCE_BYTES), additionalData: text.encode(place) };
  return new TextDecoder().decode(await crypto.subtle.decrypt(algorithm, key, bytes.subarray(NONCE_BYTES)));
}

/** A keyed hash of several values, base64url. */
export async function hashed({ hash: key }: Keys, ...parts: string[]): Promise<string> {
  return toBase64Url(new Uint8Array(await crypto.subtle.sign("HMAC", key, text.encode(JSON.stringify(parts)))));
}

export function randomId(prefix: string): string {
  return prefix + toBase64Url(crypto.getRandomValues(new Uint8Array(16)));
}

/** Six digits, each as likely as another. */
export function randomCode(): string {
  const word = new Uint32Array(1);
  do crypto.getRandomValues(word);
  while (word[0] >= 4_294_000_000);
  return String(word[0] % 1_000_000).padStart(6, "0");
}

/** 24 characters that are not mistaken for each other, 120 bits. */
export function randomRecoveryCode(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(24)), (byte) => RECOVERY[byte & 31]).join("");
}

/** A TOTP secret of 160 bits: its bytes and their base32. */
export function randomSecret(): { bytes: Uint8Array; base32: string } {
  const bytes = crypto.getRandomValues(new Uint8Array(20));
  let base32 = "";
  let held = 0;
  let bits = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    for (; bits >= 5; bits -= 5) base32 += BASE32[(held >> (bits - 5)) & 31];
    held &= (1 << bits) - 1;
  }
  return { bytes, base32 };
}

export function barcodeUri(tenant: string, label: string, secret: string): string {
  const issuer = encodeURIComponent(tenant);
  return `otpauth://totp/${issuer}:${encodeURIComponent(label)}?secret=${secret}&issuer=${issuer}&algorithm=SHA1&digits=6&period=30`;
}

function toBase64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

function fromBase64Url(encoded: string): Uint8Array {
  return Uint8Array.from(atob(encoded.replaceAll("-", "+").replaceAll("_", "/")), (each) => each.charCodeAt(0));
}
