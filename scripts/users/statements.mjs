// The SQL of `npm run users`. No sealed value and no hash is read.
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
export function unlockUser(user, authenticator) {
  const which = authenticator === undefined ? "" : ` AND id = ${literal(authenticator)}`;
  return [
    `UPDATE authenticators SET failures = 0 WHERE user_id = ${literal(user)}${which} AND failures >= ${MOST_FAILURES} ` +
      "RETURNING 'authenticator' AS what, id",
    `DELETE FROM budgets WHERE key IN ${among(bucketKeys(user))} RETURNING 'bucket' AS what, key AS id`,
  ].join(";\n");
}

/**
 * Removes what a user could prove a second factor with. Notices that are on their way still tell the person of what was done
 * before, and the contact stays, so that they hear of what comes after.
 */
export function resetUser(user) {
  return [...deleted(user, ["challenges", "enrollments", "authenticators", "recovery_codes"]), buckets(user)].join(";\n");
}

/**
 * Removes every row that names a user, or names a row that does: a delivery names the enrollment or challenge whose code
 * it carries, a confirmation by access token the enrollment that it has spent, and the sweep how far it has come.
 */
export function removeUser(user) {
  const mine = `WHERE user_id = ${literal(user)}`;
  const ids = ["enrollments", "challenges", "authenticators"].map((table) => `SELECT id FROM ${table} ${mine}`);
  const own = ids.join(" UNION ALL ");
  return [
    `DELETE FROM deliveries ${mine} OR owner IN (${own}) RETURNING 'deliveries' AS what`,
    `DELETE FROM redemptions WHERE spent IN (${own}) RETURNING 'redemptions' AS what`,
    resetUser(user),
    ...deleted(user, ["contacts"]),
    positions(user),
  ].join(";\n");
}

function deleted(user, tables) {
  return tables.map((table) => `DELETE FROM ${table} WHERE user_id = ${literal(user)} RETURNING '${table}' AS what`);
}

/** A sweep that has come as far as this user begins anew. */
function positions(user) {
  const keys = among([user, ...bucketKeys(user)]);
  return `DELETE FROM sweep_positions WHERE after IN ${keys} OR upto IN ${keys} RETURNING 'sweep_positions' AS what`;
}

function buckets(user) {
  return `DELETE FROM budgets WHERE key IN ${among(bucketKeys(user))} RETURNING 'budgets' AS what`;
}
