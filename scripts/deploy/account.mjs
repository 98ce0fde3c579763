// What a Cloudflare account has already, asked through wrangler.
import { recordedKeys } from "../keys/statements.mjs";
import { wrangler, wranglerFailure, wranglerOrFail } from "../wrangler.mjs";

/**
 * @param {ReturnType<typeof import("./settings.mjs").resourcesOf>} resources
 * @returns {Promise<import("./plan.mjs").Account>}
 */
export async function readAccount(resources) {
  const { databases, namespaces } = await readIds();
  const queues = [];
  for (const name of resources.queues) if (await queueExists(name)) queues.push(name);
  const secrets = await secretNames(resources.worker);
  const isThere = resources.databaseId || databases[resources.database];
  // Only keys that nobody relies on yet may be made anew.
  const sql = "SELECT EXISTS (SELECT 1 FROM authenticators) AS sealed";
  const [{ sealed } = { sealed: 0 }] = isThere ? await rowsOf(resources.database, sql) : [];
  const recorded = isThere ? await rowsOf(resources.database, recordedKeys()) : [];
  return { databases, namespaces, queues, secrets, sealed: sealed === 1, recorded };
}

/** The ids of databases and namespaces, by name. */
export async function readIds() {
  return {
    databases: byName(await list(["d1", "list", "--json"]), "name", "uuid"),
    namespaces: byName(await list(["kv", "namespace", "list"]), "title", "id"),
  };
}

async function list(args) {
  const { stdout } = await wranglerOrFail(args, `\`wrangler ${args.join(" ")}\` failed.`);
  return JSON.parse(stdout);
}

function byName(entries, name, id) {
  return Object.fromEntries(entries.map((entry) => [entry[name], entry[id]]));
}

async function queueExists(name) {
  const { code, output } = await wrangler(["queues", "info", name]);
  if (code !== 0 && !output.includes("does not exist"))
    throw wranglerFailure(output, `The queue ${name} could not be looked up.`);
  return code === 0;
}

/** The names of a Worker's secrets. Nobody can read their values. */
export async function secretNames(worker) {
  const { code, stdout, output } = await wrangler(["secret", "list", "--name", worker, "--format", "json"]);
  if (code === 0) return JSON.parse(stdout).map(({ name }) => name);
  if (output.includes("not found")) return []; // the Worker has not been deployed yet
  throw wranglerFailure(output, "The Worker's secrets could not be listed.");
}

/** The rows of a query; none where its table is not there yet. */
async function rowsOf(database, sql) {
  const { code, stdout, output } = await wrangler(["d1", "execute", database, "--remote", "--yes", "--json", "--command", sql]);
  if (code === 0) return JSON.parse(stdout)[0].results;
  if (output.includes("no such table")) return [];
  throw wranglerFailure(output, "The database could not be read.");
}
