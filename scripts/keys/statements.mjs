// The SQL of `npm run keys`. Of what is sealed or hashed, only the key's id before the "." is read.
import { literal } from "../sql.mjs";

/** Every column that names its key. Counters of messages have keyed names as well, but nothing is lost with those. */
export const KEYED = [
  ["authenticators", ["sealed", "address_index"]],
  ["enrollments", ["sealed", "address_index", "code_hash", "recovery_hash", "answer"]],
  ["challenges", ["code_hash", "answer"]],
  ["recovery_codes", ["hash"]],
  ["contacts", ["sealed", "address_index"]],
  ["idempotent_answers", ["sealed"]],
  ["deliveries", ["sealed", "address"]],
];

/** D1 takes five terms in one compound SELECT; those of a subquery count apart. */
const TERMS = 4;

/** How many rows need each key: { place, key, count }. */
export function countRows() {
  const terms = KEYED.flatMap(([table, columns]) => columns.map((column) => countOf(table, column)));
  const groups = Array.from({ length: Math.ceil(terms.length / TERMS) }, (_, index) =>
    terms.slice(index * TERMS, (index + 1) * TERMS).join(" UNION ALL "),
  );
  return `${groups.map((group) => `SELECT * FROM (${group})`).join(" UNION ALL ")} ORDER BY 1, 2`;
}

function countOf(table, column) {
  return (
    `SELECT '${table}.${column}' AS place, substr(${column}, 1, instr(${column}, '.') - 1) AS key, COUNT(*) AS count ` +
    `FROM ${table} WHERE ${column} IS NOT NULL GROUP BY 2`
  );
}

export function recordedKeys() {
  return "SELECT name, added_at, used_at FROM keys ORDER BY name";
}

/**
 * Takes a key's name, before it is made: of two who add one at once, one gets a row. `until` is when the deployment must
 * have ended; a reservation that came to nothing is taken over from then on, by whoever has read it (`seen`).
 *
 * @param {string} name
 * @param {{ until: number, seen?: number, now: number }} times
 */
export function reserve(name, { until, seen = null, now }) {
  return (
    `INSERT INTO keys (name, added_at) VALUES (${literal(name)}, ${literal(until)}) ` +
    `ON CONFLICT (name) DO UPDATE SET added_at = excluded.added_at, used_at = NULL ` +
    `WHERE added_at = ${literal(seen)} AND added_at <= ${literal(now)} RETURNING name`
  );
}

/** The reserved key is deployed. No row where the reservation (`until`) has ended and somebody else has the name. */
export function settle(name, until, now) {
  return (
    `UPDATE keys SET added_at = ${literal(now)} ` +
    `WHERE name = ${literal(name)} AND added_at = ${literal(until)} RETURNING name`
  );
}

/** The deployment has failed: the reservation, and nothing else, is undone. */
export function release(name, until) {
  return `DELETE FROM keys WHERE name = ${literal(name)} AND added_at = ${literal(until)}`;
}

/** Notes that a key is there. When it was first noted stays. */
export function recordAdded(name, now) {
  return `INSERT INTO keys (name, added_at) VALUES (${literal(name)}, ${literal(now)}) ON CONFLICT (name) DO NOTHING`;
}

/** Notes that a key is in use. */
export function recordUsed(name, now) {
  return (
    `INSERT INTO keys (name, added_at, used_at) VALUES (${literal(name)}, ${literal(now)}, ${literal(now)}) ` +
    "ON CONFLICT (name) DO UPDATE SET used_at = excluded.used_at"
  );
}

export function forget(name) {
  return `DELETE FROM keys WHERE name = ${literal(name)}`;
}
