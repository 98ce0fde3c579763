// The SQL of `npm run clients`.
import { recorded } from "../operator-acts.mjs";
import { literal } from "../sql.mjs";

// Everything but hashes: nobody needs to read those.
const SHOWN = [
  "id",
  "name",
  "authentication",
  "jwks",
  "jwks_uri",
  "origins",
  "issuers",
  "audiences",
  "require_authentication",
  "grants",
  "factors",
  "policy",
  "created_at",
  "secret_hash IS NOT NULL AS has_secret",
  "previous_secret_expires_at",
].join(", ");

/** Adds a client; fails where its id is taken. */
export function insertClient(row, by) {
  const insertion = `INSERT INTO clients (${Object.keys(row).join(", ")}) VALUES (${Object.values(row).map(literal).join(", ")})`;
  return recorded({ command: "clients add", client: row.id }, by, [`${insertion} RETURNING id`]);
}

/** Adds a client or makes it what the row says. Only a change raises the version, so that repeating changes nothing. */
export function putClient({ id, version, created_at, ...rest }) {
  const columns = Object.keys(rest);
  const changes = columns.map((column) => `${column} = excluded.${column}`);
  const differs = columns.map((column) => `clients.${column} IS NOT excluded.${column}`);
  return (
    `INSERT INTO clients (${["id", "version", "created_at", ...columns].join(", ")}) ` +
    `VALUES (${[id, version, created_at, ...Object.values(rest)].map(literal).join(", ")}) ` +
    `ON CONFLICT (id) DO UPDATE SET version = clients.version + 1, ${changes.join(", ")} WHERE ${differs.join(" OR ")}`
  );
}

export function listClients() {
  return `SELECT ${SHOWN} FROM clients ORDER BY name, id`;
}

export function showClient(id) {
  return `SELECT ${SHOWN} FROM clients WHERE id = ${literal(id)}`;
}

/**
 * A new secret; the one before stays valid until `keepUntil` (seconds since 1970), or not at all where that is null. No row
 * changes where a still older one is valid now, which would end with it, unless it is to be `forced`.
 */
export function rotateSecret(id, secretHash, { keepUntil, forced = false }, by) {
  const previous = keepUntil === null ? "NULL" : "secret_hash";
  const spared = forced ? "" : ` AND coalesce(previous_secret_expires_at, 0) <= ${literal(by.at)}`;
  const changes =
    `previous_secret_hash = ${previous}, previous_secret_expires_at = ${literal(keepUntil)}, ` +
    `secret_hash = ${literal(secretHash)}`;
  return changing("rotate-secret", id, changes, ` AND authentication IN ('post', 'basic')${spared}`, by);
}

/** A new secret in the place of one that was lost before anybody used it: the one before that stays valid until `keepUntil`. */
export function replaceLostSecret(id, secretHash, { keepUntil }, by) {
  const changes = `previous_secret_expires_at = ${literal(keepUntil)}, secret_hash = ${literal(secretHash)}`;
  return changing("rotate-secret", id, changes, ` AND previous_secret_expires_at > ${literal(by.at)}`, by);
}

/** Changes these columns; the new version acts at once. */
export function updateClient(id, columns, by) {
  const changes = Object.entries(columns).map(([column, value]) => `${column} = ${literal(value)}`);
  return changing("update", id, changes.join(", "), "", by);
}

export function removeClient(id, by) {
  const which = `FROM clients WHERE id = ${literal(id)}`;
  return recorded({ command: "clients remove", client: id }, by, [`DELETE ${which} RETURNING id`], [`SELECT 1 ${which}`]);
}

/** Changes a client that fulfils `condition`, which follows on its id; the new version acts at once. */
function changing(command, id, changes, condition, by) {
  const which = `WHERE id = ${literal(id)}${condition}`;
  const update = `UPDATE clients SET ${changes}, version = version + 1 ${which} RETURNING id`;
  return recorded({ command: `clients ${command}`, client: id }, by, [update], [`SELECT 1 FROM clients ${which}`]);
}
