/**
 * Published vectors in the real runtime. Their payloads are no claims, so a token that the Worker would judge cannot be
 * had from them as they are. Where that is enough, what is wrong with a vector's signature is carried over to a token
 * with claims; all of them are given to the runtime's own verification, with the parameters of src/workers/glue.js.
 * The way of a vector through the Worker's own code is tested in src/trust/vectors.rs.
 */
import { constants, createHash, privateEncrypt } from "node:crypto";
import { readFileSync } from "node:fs";
import { Miniflare, NoOpLog } from "miniflare";
import { afterAll, beforeAll, expect, test } from "vitest";
import { privateKeyOf } from "../support/jwt.mjs";
import { compatibility } from "../support/repository.mjs";
import { ASSOCIATE, encoded, useDoors } from "./doors.mjs";

const read = (name) => JSON.parse(readFileSync(new URL(`vectors/${name}.json`, import.meta.url), "utf8")).groups;
const SIGNATURES = read("json_web_signature");

const number = (bytes) => BigInt(`0x${bytes.toString("hex")}`);
function power(base, exponent, modulus) {
  let [result, square] = [1n, base % modulus];
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % modulus;
    square = (square * square) % modulus;
  }
  return result;
}
const digest = (input) => createHash("sha256").update(input).digest();

// --- Carried over: the paddings of PKCS#1 v1.5 ---

const stage = useDoors();
const {
  keys: [publicJwk],
  private: privateJwk,
  tests: paddings,
} = SIGNATURES.find((group) => group.private);
const key = { alg: "RS256", kid: publicJwk.kid, privateKey: privateKeyOf(privateJwk), jwk: publicJwk };
const modulus = number(Buffer.from(publicJwk.n, "base64url"));

/** What a vector's signature is when it is opened, with our digest in the place of its own. */
function encodedMessage({ jws }, input) {
  const [header, payload, signature] = jws.split(".");
  const opened = power(number(Buffer.from(signature, "base64url")), 65537n, modulus);
  const hex = opened.toString(16).padStart(512, "0");
  const theirs = digest(`${header}.${payload}`).toString("hex");
  return { digested: hex.includes(theirs), bytes: Buffer.from(hex.replace(theirs, digest(input).toString("hex")), "hex") };
}

const complete = paddings.filter(({ jws }) => /^[\w-]+\.[\w-]+\.[\w-]{342}$/.test(jws));

test("a padding of PKCS#1 v1.5 that is not the one is refused, and the one is not", async () => {
  stage.issuer.key = key;
  stage.issuer.published = [publicJwk];
  let [good, bad] = [0, 0];
  for (const vector of complete) {
    const guest = ASSOCIATE.guest(stage);
    const input = `${encoded(guest.header)}.${encoded(guest.claims)}`;
    const { digested, bytes } = encodedMessage(vector, input);
    const signature = privateEncrypt({ key: key.privateKey, padding: constants.RSA_NO_PADDING }, bytes);
    const response = await guest.knock(`${input}.${signature.toString("base64url")}`);
    if (vector.result === "valid") {
      expect(digested).toBe(true);
      await ASSOCIATE.opened(response);
      good += 1;
    } else {
      await ASSOCIATE.shut(response);
      bad += digested ? 1 : 0;
    }
  }
  expect(good).toBe(1);
  // So many differ from the good one in nothing but their padding.
  expect(bad).toBeGreaterThan(150);
});

// --- The runtime ---

const VERIFIER = `
  const rsa = (name, hash, saltLength) => [{ name, hash: "SHA-" + hash }, { name, ...(saltLength && { saltLength }) }];
  const PARAMETERS = {
    RS256: rsa("RSASSA-PKCS1-v1_5", 256), RS384: rsa("RSASSA-PKCS1-v1_5", 384), RS512: rsa("RSASSA-PKCS1-v1_5", 512),
    PS256: rsa("RSA-PSS", 256, 32), PS384: rsa("RSA-PSS", 384, 48), PS512: rsa("RSA-PSS", 512, 64),
    ES256: [{ name: "ECDSA", namedCurve: "P-256" }, { name: "ECDSA", hash: "SHA-256" }],
    EdDSA: [{ name: "Ed25519" }, { name: "Ed25519" }],
  };
  const bytes = (hex) => new Uint8Array(hex.match(/../g)?.map((byte) => parseInt(byte, 16)) ?? []);
  async function verifies({ alg, jwk, signature, message }) {
    const [importing, verifying] = PARAMETERS[alg];
    try {
      const key = await crypto.subtle.importKey("jwk", jwk, importing, false, ["verify"]);
      return await crypto.subtle.verify(verifying, key, bytes(signature), bytes(message));
    } catch {
      return false;
    }
  }
  export default {
    async fetch(request) {
      return Response.json(await Promise.all((await request.json()).map(verifies)));
    },
  };
`;

let runtime;
beforeAll(async () => {
  const modules = { "verifier.mjs": { type: "esm", contents: VERIFIER } };
  const manifest = { mainModule: "verifier.mjs", modulesRoot: "/", modules };
  runtime = new Miniflare({
    log: new NoOpLog(),
    cf: false,
    telemetry: { enabled: false },
    workers: [{ config: { name: "verifier", ...compatibility(), manifest } }],
  });
  await runtime.ready;
});
afterAll(() => runtime?.dispose());

/** Which of the signatures the runtime judges otherwise than its vector. */
async function judgedOtherwise(vectors) {
  const response = await runtime.dispatchFetch("http://verifier/", { method: "POST", body: JSON.stringify(vectors) });
  const answers = await response.json();
  expect(answers).toHaveLength(vectors.length);
  return vectors.filter(({ valid }, index) => answers[index] !== valid).map(({ id }) => id);
}

const material = ({ kty, crv, x, y, n, e }) => JSON.parse(JSON.stringify({ kty, crv, x, y, n, e }));
const hex = (text) => Buffer.from(text, "base64url").toString("hex");
const FULL = /^[\w-]+\.[\w-]*\.[\w-]*$/;

test("the runtime tells the signatures of JWSs apart", async () => {
  const groups = SIGNATURES.filter(({ keys: [jwk] }) => jwk.use === "sig" || jwk.key_ops?.includes("verify"));
  const vectors = groups.flatMap(({ keys: [jwk], tests }) =>
    tests
      .filter(({ jws }) => FULL.test(jws))
      .map(({ tcId, result, jws }) => {
        const [header, payload, signature] = jws.split(".");
        const { alg } = JSON.parse(Buffer.from(header, "base64url"));
        const message = Buffer.from(`${header}.${payload}`).toString("hex");
        const vector = { id: tcId, valid: result === "valid", jwk: material(jwk), message, signature: hex(signature) };
        // Which algorithm and which key a token names is the Worker's to judge, not the runtime's.
        return { ...vector, alg, own: jwk.alg };
      })
      .filter(({ alg, own, valid }) => alg === own || valid),
  );
  expect(vectors.filter(({ valid }) => valid).length).toBeGreaterThan(20);
  expect(vectors.filter(({ valid }) => !valid).length).toBeGreaterThan(280);
  expect(await judgedOtherwise(vectors)).toEqual([]);
});

test.each(["ecdsa_p256_sha256_p1363", "ed25519"])("the runtime tells the signatures of a curve apart: %s", async (file) => {
  const vectors = read(file).flatMap(({ alg, key: jwk, tests }) =>
    tests.map(({ tcId, result, msg, sig }) => ({
      id: tcId,
      valid: result === "valid",
      alg,
      jwk,
      message: msg,
      signature: sig,
    })),
  );
  expect(vectors.filter(({ valid }) => !valid).length).toBeGreaterThan(60);
  expect(await judgedOtherwise(vectors)).toEqual([]);
});
