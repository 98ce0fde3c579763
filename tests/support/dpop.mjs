/** A client's key, and proofs that it has it (DPoP, RFC 9449), made by another implementation. */
import { createHash, randomUUID } from "node:crypto";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from "jose";
import { PUBLIC_URL } from "./worker.mjs";

export class ProofKey {
  static async generate(alg = "ES256") {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
    const jwk = await exportJWK(publicKey);
    const key = new ProofKey();
    return Object.assign(key, { alg, privateKey, jwk, thumbprint: await calculateJwkThumbprint(jwk) });
  }

  /** A proof for `method` and `path`. Members of `claims` and `header` replace the usual ones; undefined leaves one out. */
  proof(method, path, { nonce, token, claims = {}, header = {} } = {}) {
    const ath = token && createHash("sha256").update(token).digest("base64url");
    const iat = Math.floor(Date.now() / 1000);
    const all = { htm: method, htu: `${PUBLIC_URL}${path}`, iat, jti: randomUUID(), nonce, ath, ...claims };
    const jws = new SignJWT(JSON.parse(JSON.stringify(all)));
    return jws.setProtectedHeader({ alg: this.alg, typ: "dpop+jwt", jwk: this.jwk, ...header }).sign(this.privateKey);
  }
}
