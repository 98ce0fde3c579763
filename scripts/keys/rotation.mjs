// Which step of a rotation is next, and whether it may be done. Pure: from what there is to what changes.
import { Failure } from "../terminal/failure.mjs";

/** The kinds of keys. Each key is a secret of its own, since nobody can read a deployed one to add something to it. */
export const KINDS = {
  encryption: { first: "ENCRYPTION_KEYS", prefix: "ENCRYPTION_KEYS_", active: "ACTIVE_ENCRYPTION_KEYS" },
  signing: { prefix: "SIGNING_KEY_", active: "ACTIVE_SIGNING_KEY" },
  webhook: { first: "WEBHOOK_SECRET", prefix: "WEBHOOK_SECRET_" },
};
export const STEPS = ["add", "use", "drop"];

/** Seconds after which every isolate has a new deployment, and every cache of the key set (300 s) a new key. */
export const SPREAD_SECONDS = 600;
/** Within this a deployment has come to its end, or to nothing. */
export const DEPLOYMENT_SECONDS = 900;
/** mfa_tokens and access tokens for the MFA audience; the skew that is granted. */
const OWN_TOKEN_SECONDS = 600;
const SKEW_SECONDS = 60;
const DEFAULT_ACCESS_TOKEN_SECONDS = 3600;

/**
 * @typedef {object} State
 * @property {string[]} names of the kind's secrets
 * @property {Record<string, string>} variables
 * @property {{ name: string, added_at: number, used_at: number | null }[]} recorded what the database knows of each key.
 *   One that is being added has its `added_at` in the future, until its deployment must have ended
 * @property {{ place: string, key: string, count: number }[]} rows what is sealed and hashed, by the key's id
 */

/**
 * @typedef {object} Change
 * @property {string[]} make secrets to be made
 * @property {Record<string, string>} variables to be set
 * @property {string[]} remove secrets
 * @property {string} [used] the secret that is in use from then on
 * @property {string} told what it means, and what comes next
 */

/**
 * The key that is in use, those that wait to be, and those that were. `unfinished`: the one in use took over from another
 * one, and the database does not say when. The step use broke off, perhaps before it was deployed.
 *
 * @param {string} kind
 * @param {State} state
 */
export function standing(kind, { names, variables, recorded = [] }) {
  const { first, prefix, active: variable } = KINDS[kind];
  const own = names.filter((name) => isOf(kind, name));
  if (own.length === 0) throw new Failure(`There is no ${first ?? `${prefix}…`}: there is nothing to rotate.`);
  const newest = own.toSorted((a, b) => number(kind, b) - number(kind, a))[0];
  const active = variable ? named(kind, own, variables[variable]) : newest;
  agreed(kind, own, variables, recorded);
  const newer = own.filter((name) => number(kind, name) > number(kind, active));
  const older = own.filter((name) => name !== active && !newer.includes(name));
  const unfinished = Boolean(variable) && older.length > 0 && find(recorded, active)?.used_at === null;
  return { own, active, newer, older, unfinished };
}

function named(kind, own, value) {
  const { first, prefix, active: variable } = KINDS[kind];
  if (!value) {
    if (own.includes(first)) return first;
    if (own.length === 1 && !first) return own[0];
    throw new Failure(`${variable} does not say which of ${own.join(", ")} is used: set it first.`);
  }
  const name = value.startsWith(prefix) ? value : prefix + value;
  if (!own.includes(name)) throw new Failure(`${variable} names ${name}, which is not there: set it right first.`);
  return name;
}

/**
 * Throws a Failure where the settings name an older key than the one that the database says was put to use last: their file
 * is one machine's, and another one may have rotated since. A newer one is not yet recorded as used, and may go on.
 *
 * @param {string} kind
 * @param {string[]} names
 * @param {Record<string, string>} variables
 * @param {State["recorded"]} recorded
 */
export function agreed(kind, names, variables, recorded = []) {
  const { first, prefix, active: variable } = KINDS[kind];
  const used = recorded.filter(({ name, used_at: at }) => isOf(kind, name) && names.includes(name) && at !== null);
  const latest = used.toSorted((a, b) => b.used_at - a.used_at)[0];
  if (!variable || !latest) return;
  const own = names.filter((name) => isOf(kind, name));
  const active = named(kind, own, variables[variable]);
  if (!isOlder(kind, recorded, active, latest)) return;
  const since = new Date(latest.used_at * 1000).toISOString().slice(0, 16).replace("T", " ");
  const right = latest.name === first ? `take ${variable} out of` : `write ${variable} ${latest.name.slice(prefix.length)} into`;
  throw new Failure(
    `The settings of this machine say that ${active} is used, the database that ${latest.name} is, since ${since} UTC. They are older than the last rotation: ${right} them, or take those of the machine that rotated.`,
  );
}

/** Whether a key comes before the one that was put to use last: it was used before it, else made before it. */
function isOlder(kind, recorded, name, latest) {
  const known = find(recorded, name);
  if (typeof known?.used_at === "number") return known.used_at < latest.used_at;
  const ahead = number(kind, name) - number(kind, latest.name);
  if (ahead !== 0) return ahead < 0;
  return known === undefined || known.added_at <= latest.added_at;
}

/** Whether a secret is of a kind. */
export function isOf(kind, name) {
  const { first, prefix } = KINDS[kind];
  return name === first || name.startsWith(prefix);
}

/** The order in which keys are made. The first ones have no number, and names of the operator's own come before all. */
function number(kind, name) {
  const { first, prefix } = KINDS[kind];
  if (name === first) return 1;
  const digits = /^[0-9]{1,9}$/.exec(name.slice(prefix.length));
  return digits ? Number(digits[0]) : 0;
}

/** The step that is next. */
export function nextStep(kind, state) {
  const { newer, older, unfinished } = standing(kind, state);
  if (newer.length > 0 || unfinished) return "use";
  return older.length > 0 ? "drop" : "add";
}

/**
 * What a step changes; a Failure says why it may not be done now.
 *
 * @param {string} kind
 * @param {"add" | "use" | "drop"} step
 * @param {State} state
 * @param {number} now
 * @returns {Change}
 */
export function plan(kind, step, state, now) {
  return { make: [], variables: {}, remove: [], ...steps[step](kind, standing(kind, state), state, now) };
}

const steps = { add, use, drop };

function add(kind, { own, active, newer, older }, { variables, rows = [] }) {
  const { prefix, active: variable } = KINDS[kind];
  if (newer.length > 0) throw new Failure(`${newer.join(", ")} is there already and waits for the step use.`);
  // Rows may need an old encryption key for years, which must not keep anybody from replacing the one in use.
  if (older.length > 0 && kind !== "encryption")
    throw new Failure(`${older.join(", ")} is still there: the step drop comes before another key.`);
  // Nor the number of a key that rows name and nobody sees: one that was written into the first secret by hand, or lost.
  const ids = kind === "encryption" ? rows.map(({ key }) => Number(/^[sh]([0-9]{1,9})$/.exec(key)?.[1] ?? 0)) : [];
  const name = prefix + (Math.max(...own.map((each) => number(kind, each)), ...ids) + 1);
  // Of two signing keys one must be named, in the very deployment that adds the second.
  const naming = kind === "signing" && !variables[variable] ? { [variable]: active.slice(prefix.length) } : {};
  const after =
    kind === "webhook"
      ? "Messages are signed with it, too. Give it to the receiver, then take the old one away (drop)"
      : "It is known, and not used yet. Use it (use)";
  return {
    make: [name],
    variables: naming,
    told: `${name} is added. ${after}, after ${minutes(SPREAD_SECONDS)} at the earliest.`,
  };
}

function use(kind, { active, newer, unfinished }, { recorded }, now) {
  const { prefix, active: variable } = KINDS[kind];
  // What broke off may not have been deployed: all of it is done again.
  const name = newer.at(-1) ?? (unfinished ? active : undefined);
  if (!name) throw new Failure("No key waits to be used: the step add makes one.");
  waited(find(recorded, name)?.added_at, SPREAD_SECONDS, now, `${name} is not known everywhere yet`);
  return {
    variables: { [variable]: name.slice(prefix.length) },
    used: name,
    told: `${name} is used from now on. What was made with the key before stays good; the step drop takes that one away when nothing needs it any more.`,
  };
}

function drop(kind, { own, active, newer, older, unfinished }, { variables, recorded, rows }, now) {
  if (newer.length > 0) throw new Failure(`${newer.join(", ")} waits for the step use, which comes before drop.`);
  if (older.length === 0) throw new Failure("There is no key but the one in use: nothing can be dropped.");
  if (unfinished) throw new Failure(`The step use of ${active} is not finished: repeat it before drop.`);
  const since = find(recorded, active);
  const waits = {
    webhook: [since?.added_at, SPREAD_SECONDS, `${active} is not known everywhere yet`],
    signing: [
      since?.used_at,
      SPREAD_SECONDS + longestToken(variables),
      `Tokens that ${older.join(", ")} has signed are still good`,
    ],
    encryption: [
      since?.used_at,
      SPREAD_SECONDS + OWN_TOKEN_SECONDS + SKEW_SECONDS,
      `Logins that ${older.join(", ")} has sealed go on`,
    ],
  };
  waited(...waits[kind].toSpliced(2, 0, now));
  if (kind === "encryption") {
    const needed = older.map((name) => ({ name, rows: needing(name, own, rows) })).filter((each) => each.rows.length > 0);
    if (needed.length > 0) {
      const counts = needed.map(
        (each) => `${each.name}: ${each.rows.map(({ place, key, count }) => `${count} of ${place} (${key})`).join(", ")}`,
      );
      throw new Failure(
        `Still needed, and lost with the key: ${counts.join("; ")}. Rows are sealed and hashed anew when they are used; keep the key until none is left.`,
      );
    }
  }
  // What is in use is said once more, in a deployment before anything is deleted: another machine's file may have said
  // otherwise since.
  const { prefix, active: variable } = KINDS[kind];
  const naming = variable && variables[variable] ? { [variable]: active.slice(prefix.length) } : {};
  return { variables: naming, remove: older, told: `${older.join(", ")} is gone.` };
}

/** The rows that only this secret opens. Which keys are in the first one is not known: all that are in no other. */
export function needing(name, own, rows) {
  const ids = (each) => ["s", "h"].map((letter) => letter + each.slice(KINDS.encryption.prefix.length));
  if (name !== KINDS.encryption.first) return rows.filter(({ key }) => ids(name).includes(key));
  const others = own.filter((each) => each !== name).flatMap(ids);
  return rows.filter(({ key }) => !others.includes(key));
}

function longestToken({ ACCESS_TOKEN_SECONDS: seconds }) {
  return Math.max(Number(seconds) || DEFAULT_ACCESS_TOKEN_SECONDS, OWN_TOKEN_SECONDS) + SKEW_SECONDS;
}

/** Thrown where nobody knows since when a key stands as it does: it is noted, and time counts from now. */
export class Unrecorded extends Failure {}

function waited(since, seconds, now, reason) {
  if (since === undefined || since === null)
    throw new Unrecorded(
      `It is not known since when this key stands as it does: it counts from now. Repeat in ${minutes(seconds)}.`,
    );
  const left = since + seconds - now;
  if (left > 0) throw new Failure(`${reason}: repeat in ${minutes(left)}.`);
}

function minutes(seconds) {
  const count = Math.ceil(seconds / 60);
  return count === 1 ? "a minute" : `${count} minutes`;
}

function find(recorded, name) {
  return recorded.find((each) => each.name === name);
}
