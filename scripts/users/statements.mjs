// The SQL of `npm run users`. No sealed value and no hash is read.
import { recorded } from "../operator-acts.mjs";
import { literal } from "../sql.mjs";

/** Wrong codes in a row until an authenticator is disabled, as in src/storage/statements.rs. */
export const MOST_FAILURES = 100;

const bucketKeys = (user) => [`guess:${user}`, `recovery:${user}`];
const among = (texts) => `(${texts.map(literal).join(", ")})`;

/** Everything worth showing of a user, as one row of JSON texts. */
export function showUser(user, now) {
  const mine = `user_id = ${literal(user)}`;
  const list = (members, from) => `(SELECT json_group_array(json_object(${members})) FROM (SELECT * FROM ${from}))`;
  const named = (...columns) => columns.map((column) => `'${column}', ${column}`).join(", ");
  return (
    "SELECT " +
    `${list(
      named("id", "kind", "failures", "created_at", "confirmed_at", "last_used_at"),
      `authenticators WHERE ${mine} ORDER BY created_at, id`,
    )} AS authenticators, ` +
    `${list(
      named("id", "kind", "client_id", "attempts", "created_at", "expires_at"),
      `enrollments WHERE ${mine} AND expires_at > ${literal(now)} ORDER BY sequence`,
    )} AS pending, ` +
    `${list(
      named("authenticator_id", "channel", "client_id", "attempts", "created_at", "expires_at"),
      `challenges WHERE ${mine} AND expires_at > ${literal(now)} ORDER BY created_at, id`,
    )} AS challenges, ` +
    `(SELECT created_at FROM recovery_codes WHERE ${mine}) AS recovery_code, ` +
    `(SELECT updated_at FROM contacts WHERE ${mine}) AS contact, ` +
    `(SELECT full_at FROM budgets WHERE key = ${literal(`guess:${user}`)}) AS guesses, ` +
    `(SELECT full_at FROM budgets WHERE key = ${literal(`recovery:${user}`)}) AS recovery_guesses`
  );
}

/** Lets disabled authenticators in again, all or one, and empties both buckets. Rows come back for what has changed. */
export function unlockUser(user, authenticator, by) {
  const which = authenticator === undefined ? "" : ` AND id = ${literal(authenticator)}`;
  const statements = [
    `UPDATE authenticators SET failures = 0 WHERE user_id = ${literal(user)}${which} AND failures >= ${MOST_FAILURES} ` +
      "RETURNING 'authenticator' AS what, id",
    `DELETE FROM budgets WHERE key IN ${among(bucketKeys(user))} RETURNING 'bucket' AS what, key AS id`,
  ];
  return recorded({ command: "users unlock", user, detail: authenticator }, by, statements, queries(shownRows(user)));
}

/**
 * Removes what a user could prove a second factor with. Notices that are on their way still tell the person of what was done
 * before, and the contact stays, so that they hear of what comes after.
 */
export function resetUser(user, by) {
  return acting({ command: "users reset", user }, by, provingRows(user));
}

/**
 * Removes every row that names a user, or names a row that does: a delivery names the enrollment or challenge whose code
 * it carries, a confirmation by access token the enrollment that it has spent, and the sweep how far it has come.
 */
export function removeUser(user, by) {
  const mine = `WHERE user_id = ${literal(user)}`;
  const ids = ["enrollments", "challenges", "authenticators"].map((table) => `SELECT id FROM ${table} ${mine}`);
  const own = ids.join(" UNION ALL ");
  // A sweep that has come as far as this user begins anew.
  const keys = among([user, ...bucketKeys(user)]);
  return acting({ command: "users remove", user }, by, [
    // Before the rows go whose ids they have.
    ["deliveries", `${mine} OR owner IN (${own})`],
    ["redemptions", `WHERE spent IN (${own})`],
    ...shownRows(user),
    ["sweep_positions", `WHERE after IN ${keys} OR upto IN ${keys}`],
  ]);
}

/** What a second factor is proved with, and guesses at it: [table, which rows]. */
function provingRows(user) {
  const mine = `WHERE user_id = ${literal(user)}`;
  const tables = ["challenges", "enrollments", "authenticators", "recovery_codes"];
  return [...tables.map((table) => [table, mine]), ["budgets", `WHERE key IN ${among(bucketKeys(user))}`]];
}

/** All that `show` tells of. */
function shownRows(user) {
  return [...provingRows(user), ["contacts", `WHERE user_id = ${literal(user)}`]];
}

/** Deletes rows, each of which comes back with its table's name, and records that, unless there are none. */
function acting(act, by, rows) {
  const deletions = rows.map(([table, which]) => `DELETE FROM ${table} ${which} RETURNING '${table}' AS what`);
  return recorded(act, by, deletions, queries(rows));
}

const queries = (rows) => rows.map(([table, which]) => `SELECT 1 FROM ${table} ${which}`);
