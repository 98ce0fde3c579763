// What a client must be like to be registered. Pure: what is random or comes from the clock is passed in.
import { createHash } from "node:crypto";
import { Failure } from "../terminal/failure.mjs";

export const AUTHENTICATIONS = ["none", "post", "basic", "private_key_jwt"];
const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

/** A client row as it is stored. */
export function registration({ given, audiences, jwks, fresh, now }) {
  const authentication = given.auth;
  const name = checkedName(given.name);
  if (!AUTHENTICATIONS.includes(authentication))
    throw new Failure(`--auth must be one of ${AUTHENTICATIONS.join(", ")}.`);
  checkKeys(given, authentication);
  if (given["require-authentication"] && authentication === "none") {
    throw new Failure("--require-authentication asks for what a client with --auth none cannot do.");
  }
  const secret = hasSecret(authentication)
    ? given.secret === undefined
      ? fresh.secret
      : checkedSecret(given.secret)
    : undefined;
  return {
    secret,
    row: {
      id: given.id === undefined ? fresh.id : checkedId(given.id),
      version: fresh.version,
      name,
      authentication,
      secret_hash: secret === undefined ? null : secretHash(secret),
      jwks: jwks ?? null,
      jwks_uri: given["jwks-uri"] === undefined ? null : checkedUri(given["jwks-uri"]),
      origins: JSON.stringify(unique((given.origin ?? []).map(checkedOrigin))),
      issuers: JSON.stringify(unique((given.issuer ?? []).map(checkedIssuer))),
      audiences: JSON.stringify(checkedAudiences(audiences)),
      require_authentication: given["require-authentication"] ? 1 : 0,
      created_at: now,
    },
  };
}

export const hasSecret = (authentication) => authentication === "post" || authentication === "basic";

/** What is stored of a secret: it has 256 random bits, so a plain hash is enough. */
export const secretHash = (secret) => createHash("sha256").update(secret).digest("hex");

/** A secret that somebody brings along. */
export function checkedSecret(secret) {
  if (!/^[0-9a-f]{64,256}$/i.test(secret)) {
    throw new Failure(
      "--secret must be at least 32 random bytes in hexadecimal (64 digits or more); leave it out to get one made.",
    );
  }
  if (new Set(secret.toLowerCase()).size < 8)
    throw new Failure("--secret is not random; leave it out to get one made.");
  return secret;
}

/** Hours for which the secret before stays valid. */
export function checkedHours(text) {
  if (!/^\d{1,4}$/.test(text))
    throw new Failure("--keep-hours must be a whole number of hours, 0 to end the old secret at once.");
  return Number(text);
}

function checkKeys(given, authentication) {
  const sources = ["jwks", "jwks-uri"].filter((name) => given[name] !== undefined);
  if (authentication === "private_key_jwt" && sources.length !== 1) {
    throw new Failure(
      "A client with --auth private_key_jwt needs its public keys: either --jwks FILE or --jwks-uri URL.",
    );
  }
  if (authentication !== "private_key_jwt" && sources.length > 0)
    throw new Failure(`--${sources[0]} goes with --auth private_key_jwt only.`);
  if (given.secret !== undefined && !hasSecret(authentication))
    throw new Failure("--secret goes with --auth post or basic only.");
}

function checkedName(name) {
  if (!name?.trim()) throw new Failure("--name is missing: what people call this client.");
  if (name.length > 100 || /\p{Cc}/u.test(name))
    throw new Failure("--name must be one line of at most 100 characters.");
  return name.trim();
}

// No colon: Basic authentication ends the id there.
function checkedId(id) {
  if (!/^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$/.test(id)) {
    throw new Failure(
      `"${id}" cannot be an id: up to 64 letters, digits, ".", "_", "~" and "-", beginning with a letter or digit.`,
    );
  }
  return id;
}

function checkedOrigin(text) {
  const url = parsed(text);
  if (!url || !["http:", "https:"].includes(url.protocol))
    throw new Failure(`"${text}" is not an origin, such as https://app.example.com.`);
  if (url.origin !== text) throw new Failure(`"${text}" is not an origin: write ${url.origin}.`);
  return text;
}

function checkedIssuer(name) {
  if (!/^[a-z0-9][a-z0-9_-]{0,31}$/.test(name))
    throw new Failure(`"${name}" is not a name in TRUSTED_ISSUERS (a name, not a URL).`);
  return name;
}

function checkedUri(text) {
  const url = parsed(text);
  const safe = url && (url.protocol === "https:" || (url.protocol === "http:" && LOOPBACK.includes(url.hostname)));
  if (!safe || url.hash || url.username || url.password)
    throw new Failure(`"${text}" cannot be --jwks-uri: it must be an https URL.`);
  return text;
}

function checkedAudiences(audiences) {
  for (const { audience, scopes } of audiences) {
    if (audience === "" || /[\s"\\]/.test(audience))
      throw new Failure(`"${audience}" is not an audience, such as https://api.example.com.`);
    // RFC 6749, section 3.3.
    const bad = scopes.find((scope) => !/^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope));
    if (bad !== undefined) throw new Failure(`"${bad}" is not a scope.`);
  }
  const names = audiences.map(({ audience }) => audience);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Failure(`--audience ${twice} is given twice: put its scopes into one --scope.`);
  return audiences.map(({ audience, scopes }) => ({ audience, scopes: unique(scopes) }));
}

function parsed(text) {
  return URL.canParse(text) ? new URL(text) : undefined;
}

function unique(values) {
  return [...new Set(values)];
}
