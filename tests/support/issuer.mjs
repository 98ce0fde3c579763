/** A trusted issuer on loopback, whose keys, answers and moods are the test's to choose. It counts what is fetched. */
import { createServer } from "node:http";
import { once } from "node:events";
import { signed, signingPair } from "./jwt.mjs";

export class Issuer {
  /**
   * @param {object} [options]
   * @param {string} [options.name] its name in TRUSTED_ISSUERS
   * @param {string} [options.alg] of its first key
   * @param {string[]} [options.may] what it is trusted with
   * @param {boolean} [options.discovery] whether TRUSTED_ISSUERS leaves the key set to be discovered
   * @param {object} [options.entry] further members of its entry in TRUSTED_ISSUERS
   */
  static async start({ name = "idp", alg = "RS256", may = ["mfa_token", "access_token"], discovery = false, entry = {} } = {}) {
    const issuer = new Issuer();
    Object.assign(issuer, { name, alg, may, discovery, entry });
    issuer.generation = 0;
    issuer.rotate();
    issuer.server = createServer((request, response) => issuer.#answer(request, response));
    await issuer.#listen(0);
    issuer.port = issuer.server.address().port;
    return issuer;
  }

  /** How often each document was asked for. */
  fetches = { keySet: 0, discovery: 0 };
  /** Cache-Control of what it publishes; null sends none. */
  cacheControl = "public, max-age=600";
  /** What the key set's address answers instead of the key set: { status, headers, body }. */
  instead = null;
  /** Members that the discovery document gets on top, or instead. */
  metadata = {};
  #waiting = [];
  #slow = false;

  async #listen(port) {
    this.server.listen(port, "127.0.0.1");
    await once(this.server, "listening");
  }

  get origin() {
    return `http://127.0.0.1:${this.port}`;
  }

  get url() {
    return `${this.origin}/`;
  }

  get jwksUri() {
    return `${this.origin}/keys.json`;
  }

  /** Its entry in TRUSTED_ISSUERS. */
  trusted() {
    return {
      name: this.name,
      issuer: this.url,
      ...(!this.discovery && { jwks_uri: this.jwksUri }),
      algorithms: [this.alg],
      may: this.may,
      ...this.entry,
    };
  }

  #answer(request, response) {
    const path = new URL(request.url, this.origin).pathname;
    const headers = {
      "content-type": "application/json",
      ...(this.cacheControl && { "cache-control": this.cacheControl }),
    };
    const send = (status, body, more = {}) => {
      response.writeHead(status, { ...headers, ...more });
      response.end(typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body));
    };
    const answer = () => {
      if (path === "/keys.json") {
        if (this.instead) return send(this.instead.status ?? 200, this.instead.body ?? "", this.instead.headers);
        return send(200, { keys: this.published });
      }
      // The same set at another address, for redirects that nobody should follow.
      if (path === "/other.json") return send(200, { keys: this.published });
      if (path === "/.well-known/openid-configuration") {
        return send(200, { issuer: this.url, jwks_uri: this.jwksUri, ...this.metadata });
      }
      return send(404, { error: "not_found" });
    };
    if (path === "/keys.json") this.fetches.keySet += 1;
    if (path === "/.well-known/openid-configuration") this.fetches.discovery += 1;
    if (this.#slow) this.#waiting.push(answer);
    else answer();
  }

  /** Holds every answer back until `release`. */
  hold() {
    this.#slow = true;
  }

  /** How many requests it is holding. */
  get held() {
    return this.#waiting.length;
  }

  release() {
    this.#slow = false;
    for (const answer of this.#waiting.splice(0)) answer();
  }

  /** Refuses connections, as an issuer that is down does, until `comeBack`. */
  async goDown() {
    const closed = once(this.server, "close");
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  comeBack() {
    return this.#listen(this.port);
  }

  /** A new key, which it publishes alone (or beside the old ones) and signs with from now on. */
  rotate({ keep = false, alg = this.alg, ...options } = {}) {
    this.generation += 1;
    this.key = signingPair(alg, `${this.name}-${this.generation}`, options);
    this.published = [...(keep ? this.published : []), this.key.jwk];
    return this.key;
  }

  /** Signs with the current key; members of `header` replace the usual ones, undefined leaves one out. */
  sign(claims, header = {}, key = this.key) {
    const whole = { alg: key.alg, typ: "JWT", kid: key.kid, ...header };
    return signed(JSON.parse(JSON.stringify(whole)), claims, key.privateKey);
  }

  async stop() {
    this.release();
    if (this.server.listening) await this.goDown();
  }
}
