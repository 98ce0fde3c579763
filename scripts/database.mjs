// The Worker's D1 database, local or deployed, through wrangler.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fromCaller, packageProgram, ROOT } from "./setup/repository.mjs";
import { run } from "./terminal/command.mjs";
import { Failure } from "./terminal/failure.mjs";

const DATABASE = "countersign";

/**
 * @typedef {object} Where
 * @property {boolean} [remote] the deployed database instead of the local one
 * @property {string} [persistTo] where the local one lives, if not in .wrangler/state
 * @property {string} [database] another name than wrangler.toml's
 */

/**
 * Runs one SQL statement.
 *
 * @param {string} sql
 * @param {Where} where
 * @returns {Promise<object[]>} its rows
 */
export async function execute(sql, where = {}) {
  const result = await wrangler(["d1", "execute", where.database ?? DATABASE, ...place(where), "--yes", "--json", "--command", sql]);
  if (result.code !== 0) throw databaseFailure(result.output, where);
  return JSON.parse(result.stdout).flatMap(({ results }) => results);
}

/**
 * Applies the migrations that are missing.
 *
 * @param {Where} where
 */
export async function migrate(where = {}) {
  const result = await wrangler(["d1", "migrations", "apply", where.database ?? DATABASE, ...place(where)]);
  if (result.code !== 0) throw new Failure("The database could not be migrated: wrangler's message stands above.", result.output);
}

/** The settings that `npm run deploy` keeps, with the account's ids, if there are any. */
export function deployedSettings() {
  const path = join(ROOT, "wrangler.deploy.json");
  return existsSync(path) ? path : undefined;
}

function place({ remote, persistTo }) {
  const settings = remote ? deployedSettings() : undefined;
  return [
    remote ? "--remote" : "--local",
    ...(persistTo ? ["--persist-to", fromCaller(persistTo)] : []),
    ...(settings ? ["--config", settings] : []),
  ];
}

// CI keeps wrangler from asking.
function wrangler(args) {
  return run(packageProgram("wrangler"), args, { cwd: ROOT, env: { ...process.env, CI: "true", NO_COLOR: "1" } });
}

/** Says in one sentence what a database usually misses. */
function databaseFailure(output, { remote }) {
  if (output.includes("no such table")) {
    return new Failure(`The database has no tables yet: run \`npm ${remote ? "run deploy" : "start"}\` once.`);
  }
  if (output.includes("UNIQUE constraint failed: clients.id")) return new Failure("That id is taken: `npm run clients -- list` shows all of them.");
  if (/not authenticated|CLOUDFLARE_API_TOKEN/.test(output)) {
    return new Failure("Not logged in to Cloudflare: run `npx wrangler login` or set CLOUDFLARE_API_TOKEN, then repeat.");
  }
  return new Failure("The database refused: wrangler's message stands above.", output);
}
