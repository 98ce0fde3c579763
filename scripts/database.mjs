// The Worker's D1 database, local or deployed, through wrangler.
import { deployedDatabase, repositorySettings } from "./deploy/settings.mjs";
import { fromCaller } from "./setup/repository.mjs";
import { Failure } from "./terminal/failure.mjs";
import { wrangler, wranglerFailure, wranglerOrFail } from "./wrangler.mjs";

/**
 * @typedef {object} Where
 * @property {boolean} [remote] the deployed database instead of the local one
 * @property {string} [persistTo] where the local one lives, if not in .wrangler/state
 */

/**
 * Runs SQL: one statement, or several with ";" between them, as one transaction.
 *
 * @param {string} sql
 * @param {Where} where
 * @returns {Promise<object[]>} its rows
 */
export async function execute(sql, where = {}) {
  const result = await wrangler(["d1", "execute", ...place(where, writes(sql)), "--yes", "--json", "--command", sql]);
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
    ["d1", "migrations", "apply", ...place(where)],
    "The database could not be migrated. Migrations before the one that failed have run; repeating goes on from there.",
  );
}

// The words may stand in a value as well: then more is said than needed, never less.
function writes(sql) {
  return /\b(INSERT|UPDATE|DELETE)\b/i.test(sql);
}

let told = false;

/** wrangler's arguments for a database. Whoever changes a deployed one is told which, beside what the command answers. */
function place({ remote, persistTo }, tell = false) {
  if (!remote) {
    const name = repositorySettings().d1_databases[0].database_name;
    return [name, "--local", ...(persistTo ? ["--persist-to", fromCaller(persistTo)] : [])];
  }
  const { name, id, file } = deployedDatabase();
  if (tell && !told) console.error(`The deployed database is ${name} (${id}).`);
  told ||= tell;
  return [name, "--remote", "--config", file];
}

/** Says in one sentence what a database usually misses. */
function databaseFailure(output, { remote }) {
  if (output.includes("no such table")) {
    return new Failure(`The database lacks tables of this version: run \`npm ${remote ? "run deploy" : "start"}\` once.`);
  }
  if (output.includes("UNIQUE constraint failed: clients.id"))
    return new Failure("That id is taken: `npm run clients -- list` shows all of them.");
  return wranglerFailure(output, "The database refused.");
}
