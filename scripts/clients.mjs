// `npm run clients`: the registry of who may call.
import { randomBytes, randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { readArguments, USAGE } from "./clients/arguments.mjs";
import { trustedIssuers, unknownIssuers } from "./clients/issuers.mjs";
import { publicKeySet } from "./clients/public-keys.mjs";
import { changes, checkedHours, checkedSecret, hasSecret, registration, secretHash } from "./clients/registration.mjs";
import {
  insertClient,
  listClients,
  removeClient,
  replaceLostSecret,
  rotateSecret,
  showClient,
  updateClient,
} from "./clients/statements.mjs";
import { execute } from "./database.mjs";
import { byWhom } from "./operator-acts.mjs";
import { fromCaller } from "./setup/repository.mjs";
import { Failure, runMain } from "./terminal/failure.mjs";

const commands = { add, update, list, show, "rotate-secret": rotate, remove, help: () => console.log(USAGE) };

await runMain(async () => {
  const { command, ...rest } = readArguments(process.argv.slice(2));
  await commands[command](rest);
});

async function add({ given, audiences, where }) {
  const fresh = { id: freshId(), secret: freshSecret(), version: firstVersion() };
  const jwks = keySetOf(given);
  const brought = { ...given, secret: await broughtSecret(given) };
  const { row, secret } = registration({ given: brought, audiences, jwks, fresh, now: now() });
  await execute(insertClient(row, byWhom()), where);
  warnOfIssuers(given, where);
  console.log(`client_id      ${row.id}`);
  if (secret !== undefined && brought.secret === undefined) tellSecret(secret);
}

async function update({ id, given, audiences, where }) {
  const client = await existing(id, where);
  const changed = changes({ given, audiences, jwks: keySetOf(given), client });
  await execute(updateClient(id, changed, byWhom()), where);
  warnOfIssuers(given, where);
  console.log(`Client "${id}" is changed: ${Object.keys(changed).join(", ")}.`);
}

async function list({ where }) {
  const clients = await execute(listClients(), where);
  if (clients.length === 0) console.log("No clients yet: `npm run clients -- add` makes one.");
  const width = Math.max(...clients.map(({ id }) => id.length));
  for (const { id, authentication, name } of clients) console.log(`${id.padEnd(width)}  ${authentication.padEnd(15)}  ${name}`);
}

async function show({ id, where }) {
  const {
    jwks,
    origins,
    issuers,
    audiences,
    grants,
    factors,
    policy,
    require_authentication,
    has_secret,
    previous_secret_expires_at,
    created_at,
    ...client
  } = await existing(id, where);
  const until = previous_secret_expires_at > now() ? previous_secret_expires_at : null;
  console.log(
    JSON.stringify(
      {
        ...client,
        jwks: jwks && JSON.parse(jwks),
        origins: JSON.parse(origins),
        issuers: JSON.parse(issuers),
        audiences: JSON.parse(audiences),
        grants: JSON.parse(grants),
        factors: JSON.parse(factors),
        policy: policy && JSON.parse(policy),
        require_authentication: require_authentication === 1,
        has_secret: has_secret === 1,
        previous_secret_until: until && isoTime(until),
        created_at: isoTime(created_at),
      },
      null,
      2,
    ),
  );
}

async function rotate({ id, given, where }) {
  const hours = checkedHours(given["keep-hours"] ?? "24");
  if (given.lost && hours === 0) throw new Failure("--lost keeps the secret before: leave --keep-hours 0 out.");
  const brought = await broughtSecret(given);
  const secret = brought === undefined ? freshSecret() : checkedSecret(brought);
  const { authentication } = await existing(id, where);
  if (!hasSecret(authentication)) throw new Failure(`Client "${id}" has no secret: it authenticates by ${authentication}.`);
  const keepUntil = hours === 0 ? null : now() + hours * 3600;
  const change = given.lost ? replaceLostSecret : rotateSecret;
  const rotated = await execute(change(id, secretHash(secret), { keepUntil, forced: given.force }, byWhom()), where);
  if (rotated.length === 0) throw notRotated(await existing(id, where), given);
  console.log(
    keepUntil ? `The secret before stays valid until ${isoTime(keepUntil)}.` : "The secret before is not valid any more.",
  );
  if (brought === undefined) tellSecret(secret);
}

async function remove({ id, where }) {
  const removed = await execute(removeClient(id, byWhom()), where);
  if (removed.length === 0) throw unknown(id);
  console.log(`Client "${id}" is removed.`);
}

function keySetOf({ jwks }) {
  return jwks === undefined ? undefined : publicKeySet(fileText(jwks), jwks);
}

function warnOfIssuers({ issuer = [] }, where) {
  for (const warning of unknownIssuers(issuer, trustedIssuers(where))) console.error(warning);
}

async function existing(id, where) {
  const [client] = await execute(showClient(id), where);
  if (!client) throw unknown(id);
  return client;
}

function unknown(id) {
  return new Failure(`There is no client "${id}": \`npm run clients -- list\` shows all of them.`);
}

function notRotated({ id, previous_secret_expires_at: until }, { lost }) {
  if (lost)
    return new Failure(`Client "${id}" has no secret from before the last rotation that is still valid: leave --lost out.`);
  return new Failure(
    `The secret that client "${id}" had before the last rotation is valid until ${isoTime(until)}, and another rotation ends ` +
      "it at once. If the last secret was lost, --lost makes a new one in its place and keeps the one before; if nobody uses " +
      "the one before any more, --force ends it.",
  );
}

// Of secrets that are made here alone: one that somebody brings along is known, and stays out of logs.
function tellSecret(secret) {
  console.log(`client_secret  ${secret}`);
  console.log("Keep the secret now: only its hash is stored.");
}

/** The secret that somebody brings along, if any. */
async function broughtSecret({ secret }) {
  return secret === "-" ? (await text(process.stdin)).trim() : secret;
}

function fileText(path) {
  try {
    return readFileSync(fromCaller(path), "utf8");
  } catch (error) {
    throw new Failure(`${path} cannot be read (${error.code}).`);
  }
}

// 32 letters and digits, as SDKs and their users know client ids.
function freshId() {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  return Array.from({ length: 32 }, () => alphabet[randomInt(alphabet.length)]).join("");
}

function freshSecret() {
  return randomBytes(32).toString("hex");
}

// Random, so that removing a client and adding it again never repeats a version that somebody remembers.
function firstVersion() {
  return randomInt(1, 2 ** 31);
}

function now() {
  return Math.floor(Date.now() / 1000);
}

function isoTime(seconds) {
  return new Date(seconds * 1000).toISOString().replace(".000", "");
}
