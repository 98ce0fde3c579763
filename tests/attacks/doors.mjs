/**
 * The doors: each place where a token decides who somebody is. A guest comes to a door with an honest token, which opens
 * it, and with forgeries, which must not. What an opened door answers is chosen to cost little and to change nothing.
 */
import { accepted, refused, refusedBearer } from "../support/answers.mjs";
import { signature, signingPair } from "../support/jwt.mjs";
import { random } from "../support/person.mjs";
import { useStage } from "../support/stage.mjs";
import { SUBJECT_AUDIENCE, subjectTokenOf, tokenExchange } from "../support/token-exchange.mjs";
import { ISSUER } from "../support/worker.mjs";

export const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
export const NOBODYS = "totp|dev_0000000000000000";

const MAY_EVERYTHING = ["exchange", "mfa_token", "access_token"];

/** A stage with issuers that may do everything, one for each of `algorithms`; the first is called "idp". */
export function useDoors(algorithms = ["RS256"], options) {
  const named = algorithms.map((alg, index) => ({ alg, name: index === 0 ? "idp" : `idp-${alg.toLowerCase()}` }));
  const second = { name: "second", alg: algorithms[0] };
  const issuers = [...named, second].map((each) => ({
    ...each,
    may: MAY_EVERYTHING,
    entry: { audiences: [SUBJECT_AUDIENCE] },
  }));
  return useStage({ issuers, ...options });
}

/** Base64url of an object's JSON, of a text, or of bytes. */
export const encoded = (value) =>
  Buffer.from(Buffer.isBuffer(value) || typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

const known = (members) => JSON.parse(JSON.stringify(members));

/** Somebody at a door, with everything that an honest token for it is made of. */
export class Guest {
  /**
   * @param {object} parts
   * @param {import("../support/person.mjs").Person} parts.person
   * @param {{ alg: string, kid: string, privateKey: object, jwk: object }} parts.key whose signatures count here
   * @param {string} parts.honest an honest token, whose header and claims are the pattern
   * @param {(token: string) => Promise<Response>} parts.knock
   */
  constructor({ person, key, honest, knock }) {
    const [header, claims] = honest.split(".").map((part) => Buffer.from(part, "base64url"));
    Object.assign(this, { person, key, knock, header: JSON.parse(header), pattern: JSON.parse(claims) });
  }

  /** The claims of another honest token. */
  get claims() {
    return { ...this.pattern, jti: random() };
  }

  /** A token with these members instead of the honest ones; undefined leaves one out. */
  sign(claims = {}, header = {}, key = this.key) {
    const whole = known({ ...this.header, ...header });
    return this.write(whole, known({ ...this.claims, ...claims }), { alg: whole.alg, key });
  }

  /** A token of exactly these parts: objects, texts or bytes. */
  write(header, claims, { alg = this.key.alg, key = this.key } = {}) {
    const input = `${encoded(header)}.${encoded(claims)}`;
    return `${input}.${signature(alg, input, key.privateKey)}`;
  }
}

/** What a login, or an access token, may be refused with. */
const noBearer = async (response, { expired = false } = {}) => {
  if (expired && (await response.clone().json()).error === "expired_token") {
    return refused(response, 401, "expired_token", "mfa_token is expired");
  }
  return refusedBearer(response);
};
const noMfaToken = (response, { expired = false } = {}) =>
  expired && response.status === 401
    ? refused(response, 401, "expired_token", "mfa_token is expired")
    : refused(response, 403, "invalid_grant", "Malformed mfa_token");

const nothingEnrolled = (response) => refused(response, 400, "association_required");

function door(name, { claims = {}, maximum = 8192, inBody = false, token, knock, opened, shut }) {
  return {
    name,
    maximum,
    inBody,
    opened,
    shut,
    guest(stage, { issuer = stage.issuer, ...options } = {}) {
      const person = stage.person({ issuer, ...options });
      const honest = token(person, claims);
      return new Guest({ person, key: issuer.key, honest, knock: (given) => knock(stage, person, given) });
    },
  };
}

const mfaToken = (person) => person.mfaToken();

export const ASSOCIATE = door("POST /mfa/associate", {
  token: mfaToken,
  knock: (_, person, token) => person.associateOtp({ token }),
  opened: accepted,
  shut: noBearer,
});

export const LIST = door("GET /mfa/authenticators", {
  token: mfaToken,
  knock: (_, person, token) => person.list({ token }),
  opened: accepted,
  shut: noBearer,
});

export const REMOVE = door("DELETE /mfa/authenticators/{id}", {
  token: (person) => person.accessToken({ scope: "remove:authenticators" }),
  knock: (_, person, token) => person.remove(NOBODYS, { token }),
  opened: (response) => refused(response, 404, "not_found"),
  shut: noBearer,
});

export const CHALLENGE = door("mfa_token at POST /mfa/challenge", {
  inBody: true,
  token: mfaToken,
  knock: (_, person, mfa_token) => person.challenge({ mfa_token }),
  opened: nothingEnrolled,
  shut: noMfaToken,
});

export const GRANT = door("mfa_token at POST /oauth/token", {
  inBody: true,
  token: mfaToken,
  knock: (_, person, mfa_token) => person.exchange("otp", { mfa_token, otp: "000000" }),
  opened: (response) => refused(response, 403, "invalid_grant", "Invalid otp_code."),
  shut: noMfaToken,
});

export const EXCHANGE = door("subject_token at POST /oauth/token", {
  inBody: true,
  token: (person) => subjectTokenOf(person, SUBJECT_AUDIENCE),
  knock: (stage, person, subject_token) => tokenExchange(stage.world, person, { subject_token }),
  opened: accepted,
  shut: (response) => refused(response, 400, "invalid_request", "The subject_token is invalid."),
});

/** The keys of the clients that come with assertions, made once for each algorithm. */
const clientKeys = new Map();
const clientKey = (alg) => {
  if (!clientKeys.has(alg)) clientKeys.set(alg, signingPair(alg, `client-${alg}`));
  return clientKeys.get(alg);
};

export const ASSERTION = {
  name: "client_assertion",
  maximum: 2048,
  inBody: true,
  opened: nothingEnrolled,
  shut: (response) => refused(response, 401, "access_denied", "Unauthorized"),
  /** `key` is the client's, `jwks` what it has registered. */
  async guest(stage, { issuer = stage.issuer, key = clientKey(issuer.alg), jwks = { keys: [key.jwk] } } = {}) {
    const client = await stage.addClient({ authentication: "private_key_jwt", jwks });
    const person = stage.person({ issuer, client });
    const now = stage.world.now();
    const claims = { iss: client.id, sub: client.id, aud: ISSUER, iat: now, exp: now + 120 };
    const honest = `${encoded({ alg: key.alg, typ: "JWT", kid: key.kid })}.${encoded(claims)}.`;
    const knock = (client_assertion) => person.challenge({ client_assertion, client_assertion_type: ASSERTION_TYPE });
    return new Guest({ person, key, honest, knock });
  },
};

/** The doors that a person's token opens. */
export const PERSONS = [ASSOCIATE, LIST, REMOVE, CHALLENGE, GRANT, EXCHANGE];
export const DOORS = [...PERSONS, ASSERTION];

/**
 * Brings what `forge` makes of a guest (one token or several) to each of `doors`: none may open. The same guest's honest
 * token opens it before and after, so that it is the forgery that is refused.
 */
export async function opensNone(stage, forge, { doors = DOORS, expired = false, ...options } = {}) {
  for (const each of doors) {
    const guest = await each.guest(stage, options);
    await each.opened(await guest.knock(guest.sign()));
    for (const token of [await forge(guest, each)].flat()) await each.shut(await guest.knock(token), { expired });
    await each.opened(await guest.knock(guest.sign()));
  }
}
