// Who is in the benchmark besides the contestants: the issuer, the provider of messages, and people with tokens.
import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { Issuer } from "../tests/support/issuer.mjs";
import { webhookSecret } from "../tests/support/keys.mjs";
import { MFA_AUDIENCE } from "../tests/support/worker.mjs";

export const CLIENT = "client_bench";
/** What better-auth signs its cookies with. */
export const SECRET = randomBytes(32).toString("base64url");
/** Ranges of numbers (all but the last four digits) that people's phones are spread over. */
export const RANGES = 10_000;
/** Seconds that a token is good for: more is not allowed to an mfa_token. */
const TOKEN_SECONDS = 600;

/** The issuer and the provider, on loopback. */
export class Cast {
  static async assemble() {
    const cast = new Cast();
    cast.issuer = await Issuer.start();
    cast.webhook = { secret: webhookSecret(), taken: 0 };
    cast.server = createServer((request, response) => {
      request.resume().on("end", () => {
        cast.webhook.taken += 1;
        response.writeHead(202).end();
      });
    });
    cast.server.listen(0, "127.0.0.1");
    await once(cast.server, "listening");
    cast.webhook.url = `http://127.0.0.1:${cast.server.address().port}/codes`;
    return cast;
  }

  /** So many people with a token, a phone, an address on the internet and a session each. */
  people(count) {
    const now = Math.floor(Date.now() / 1000);
    return Array.from({ length: count }, (_, index) => {
      const sub = `user-${String(index).padStart(6, "0")}-${randomBytes(6).toString("hex")}`;
      const email = `${sub}@mail.example.com`;
      const session = randomBytes(24).toString("base64url");
      const jti = randomBytes(12).toString("base64url");
      const claims = { iss: this.issuer.url, sub, aud: MFA_AUDIENCE, azp: CLIENT, iat: now, exp: now + TOKEN_SECONDS };
      return {
        sub,
        email,
        session,
        token: this.issuer.sign({ ...claims, jti, email, email_verified: true, amr: ["pwd"] }, { typ: "mfa+jwt" }),
        // Nobody shares a range of numbers or a prefix of addresses with many others, so that no limit speaks.
        phone: `+49151${String((index * 7919) % RANGES).padStart(4, "0")}${String(index % 10_000).padStart(4, "0")}`,
        address: `93.${(index >> 8) & 255}.${index & 255}.${1 + (index % 250)}`,
        cookie: `${session}.${createHmac("sha256", SECRET).update(session).digest("base64")}`,
      };
    });
  }

  async disperse() {
    await this.issuer.stop();
    this.server.close();
    this.server.closeAllConnections();
  }
}
