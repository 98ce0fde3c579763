/** Registered clients, written into D1 as the command line does. */
import { createHash, randomBytes, randomInt } from "node:crypto";

export const API = "https://api.example.com";
export const API_SCOPES = ["read:things", "write:things"];

export const sha256 = (text) => createHash("sha256").update(text).digest("hex");

/**
 * Registers a client. Unless told otherwise it is a public one that `idp` may name, for the API above.
 *
 * @returns its id and, unless it is public or uses assertions, its secret
 */
export async function addClient(world, options = {}) {
  const {
    id = `client_${randomBytes(8).toString("hex")}`,
    name = "Test client",
    authentication = "none",
    secret = ["post", "basic"].includes(authentication) ? randomBytes(32).toString("hex") : undefined,
    previousSecret,
    previousSecretExpiresAt,
    jwks,
    jwksUri,
    origins = [],
    issuers = ["idp"],
    audiences = [{ audience: API, scopes: API_SCOPES }],
    requireAuthentication = false,
    grants = [],
    factors = [],
    policy,
  } = options;
  const row = {
    id,
    version: randomInt(1, 2 ** 31),
    name,
    authentication,
    secret_hash: secret === undefined ? null : sha256(secret),
    previous_secret_hash: previousSecret === undefined ? null : sha256(previousSecret),
    previous_secret_expires_at: previousSecretExpiresAt ?? null,
    jwks: jwks === undefined ? null : JSON.stringify(jwks),
    jwks_uri: jwksUri ?? null,
    origins: JSON.stringify(origins),
    issuers: JSON.stringify(issuers),
    audiences: JSON.stringify(audiences),
    require_authentication: requireAuthentication ? 1 : 0,
    grants: JSON.stringify(grants),
    factors: JSON.stringify(factors),
    policy: policy === undefined ? null : JSON.stringify(policy),
    created_at: world.now(),
  };
  const columns = Object.keys(row);
  const sql = `INSERT INTO clients (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`;
  await world.db
    .prepare(sql)
    .bind(...Object.values(row))
    .run();
  return { id, secret, authentication };
}

/** Changes a client's row as the command line does: with a new version. */
export async function changeClient(world, id, column, value) {
  await world.db.prepare(`UPDATE clients SET ${column} = ?, version = version + 1 WHERE id = ?`).bind(value, id).run();
}

export async function removeClient(world, id) {
  await world.db.prepare("DELETE FROM clients WHERE id = ?").bind(id).run();
}
