// The Worker's D1 database, local or deployed, through wrangler.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { DEPLOYMENT } from "./deploy/settings.mjs";
import { fromCaller, ROOT } from "./setup/repository.mjs";
import { Failure } from "./terminal/failure.mjs";
import { wrangler, wranglerFailure, wranglerOrFail } from "./wrangler.mjs";

const DATABASE = "countersign";

/**
 * @typedef {object} Where
 * @property {boolean} [remote] the deployed database instead of the local one
 * @property {string} [persistTo] where the local one lives, if not in .wrangler/state
 * @property {string} [database] another name than wrangler.toml's
 */

/**
 * Runs SQL: one statement, or several with ";" between them, as one transaction.
 *
 * @param {string} sql
 * @param {Where} where
 * @returns {Promise<object[]>} its rows
 */
export async function execute(sql, where = {}) {
  const result = await wrangler([
    "d1",
    "execute",
    where.database ?? DATABASE,
    ...place(where),
    "--yes",
    "--json",
    "--command",
    sql,
  ]);
  if (result.code !== 0) throw databaseFailure(result.output, where);
  return JSON.parse(result.stdout).flatMap(({ results }) => results);
}

/**
 * Applies the migrations that are missing.
 *
 * @param {Where} where
 */
export async function migrate(where = {}) {
  await wranglerOrFail(
    ["d1", "migrations", "apply", where.database ?? DATABASE, ...place(where)],
    "The database could not be migrated.",
  );
}

function place({ remote, persistTo }) {
  if (!remote) return ["--local", ...(persistTo ? ["--persist-to", fromCaller(persistTo)] : [])];
  return ["--remote", ...(existsSync(join(ROOT, DEPLOYMENT)) ? ["--config", DEPLOYMENT] : [])];
}

/** Says in one sentence what a database usually misses. */
function databaseFailure(output, { remote }) {
  if (output.includes("no such table")) {
    return new Failure(`The database has no tables yet: run \`npm ${remote ? "run deploy" : "start"}\` once.`);
  }
  if (output.includes("UNIQUE constraint failed: clients.id"))
    return new Failure("That id is taken: `npm run clients -- list` shows all of them.");
  return wranglerFailure(output, "The database refused.");
}
