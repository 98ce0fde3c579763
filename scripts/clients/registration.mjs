// What a client must be like to be registered. Pure: what is random or comes from the clock is passed in.
import { createHash } from "node:crypto";
import { Failure } from "../terminal/failure.mjs";

export const AUTHENTICATIONS = ["none", "post", "basic", "private_key_jwt"];
const GRANTS = ["mfa-otp", "mfa-oob", "mfa-recovery-code", "token-exchange"];
const FACTORS = ["otp", "sms", "voice", "email", "recovery-code"];
const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

/** A client row as it is stored. */
export function registration({ given, audiences, jwks, fresh, now }) {
  const authentication = given.auth;
  const name = checkedName(given.name);
  if (!AUTHENTICATIONS.includes(authentication)) throw new Failure(`--auth must be one of ${AUTHENTICATIONS.join(", ")}.`);
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
      ...settings(given, audiences),
      require_authentication: given["require-authentication"] ? 1 : 0,
      created_at: now,
    },
  };
}

/** The columns that `update` changes: those of what is given, and no other. */
export function changes({ given, audiences, jwks, client }) {
  const asserting = client.authentication === "private_key_jwt";
  const sources = ["jwks", "jwks-uri"].filter((name) => given[name] !== undefined);
  if (sources.length > 0 && !asserting) throw new Failure(`--${sources[0]} goes with --auth private_key_jwt only.`);
  if (sources.length > 1) throw new Failure("A client has one source of keys: either --jwks FILE or --jwks-uri URL.");
  const all = settings(given, audiences);
  const named = {
    origins: given.origin,
    issuers: given.issuer,
    audiences: given.audience,
    grants: given.grant,
    factors: given.factor,
    policy: given.policy,
  };
  const columns = Object.keys(named).filter((column) => named[column] !== undefined);
  const changed = Object.fromEntries(columns.map((column) => [column, all[column]]));
  if (given.name !== undefined) changed.name = checkedName(given.name);
  if (given.jwks !== undefined) Object.assign(changed, { jwks, jwks_uri: null });
  if (given["jwks-uri"] !== undefined) Object.assign(changed, { jwks: null, jwks_uri: checkedUri(given["jwks-uri"]) });
  const demand = given["require-authentication"];
  if (demand !== undefined) {
    if (!["yes", "no"].includes(demand)) throw new Failure("--require-authentication must be yes or no.");
    if (demand === "yes" && client.authentication === "none")
      throw new Failure("--require-authentication asks for what a client with --auth none cannot do.");
    changed.require_authentication = demand === "yes" ? 1 : 0;
  }
  if (Object.keys(changed).length === 0) throw new Failure("update needs something to change.");
  return changed;
}

function settings(given, audiences) {
  const list = (values, check) => JSON.stringify(unique((values ?? []).filter((value) => value !== "").map(check)));
  return {
    origins: list(given.origin, checkedOrigin),
    issuers: list(given.issuer, checkedIssuer),
    audiences: JSON.stringify(checkedAudiences(audiences.filter(({ audience }) => audience !== ""))),
    grants: list(given.grant, (name) => oneOf(GRANTS, "--grant", name)),
    factors: list(given.factor, (name) => oneOf(FACTORS, "--factor", name)),
    policy: given.policy ? checkedPolicy(given.policy) : null,
  };
}

function oneOf(known, option, name) {
  if (!known.includes(name)) throw new Failure(`${option} must be one of ${known.join(", ")}.`);
  return name;
}

// What the Worker accepts as POLICY.
function checkedPolicy(text) {
  let policy;
  try {
    policy = JSON.parse(text);
  } catch {
    policy = undefined;
  }
  if (typeof policy !== "object" || policy === null || Array.isArray(policy))
    throw new Failure('--policy must be a JSON object, such as {"require": "always"}.');
  const texts = (value) => Array.isArray(value) && value.every((item) => typeof item === "string");
  const rules = {
    require: [(value) => ["when-enrolled", "always"].includes(value), '"when-enrolled" or "always"'],
    audiences: [texts, "an array of strings"],
    scopes: [texts, "an array of strings"],
    factors: [(value) => value === 1 || value === 2, "1 or 2"],
  };
  for (const [name, value] of Object.entries(policy)) {
    if (!Object.hasOwn(rules, name))
      throw new Failure(`--policy has the unknown member "${name}"; it may have ${Object.keys(rules).join(", ")}.`);
    const [holds, expected] = rules[name];
    if (!holds(value)) throw new Failure(`--policy must have ${expected} as "${name}".`);
  }
  return JSON.stringify(policy);
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
  if (new Set(secret.toLowerCase()).size < 8) throw new Failure("--secret is not random; leave it out to get one made.");
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
    throw new Failure("A client with --auth private_key_jwt needs its public keys: either --jwks FILE or --jwks-uri URL.");
  }
  if (authentication !== "private_key_jwt" && sources.length > 0)
    throw new Failure(`--${sources[0]} goes with --auth private_key_jwt only.`);
  if (given.secret !== undefined && !hasSecret(authentication))
    throw new Failure("--secret goes with --auth post or basic only.");
}

function checkedName(name) {
  if (!name?.trim()) throw new Failure("--name is missing: what people call this client.");
  if (name.length > 100 || /\p{Cc}/u.test(name)) throw new Failure("--name must be one line of at most 100 characters.");
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
  // The Worker reads the text itself, and takes no host but in the form in which it is looked up.
  const inForm = safe && text.startsWith(`${url.protocol}//`) && text.toLowerCase().startsWith(`${url.protocol}//${url.host}`);
  const plain = inForm && /^[!#-;=?-[\]-~]+$/.test(text);
  if (!plain || url.hash || url.username || url.password)
    throw new Failure(`"${text}" cannot be --jwks-uri: it must be an https URL in plain characters.`);
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
