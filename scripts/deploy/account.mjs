// What a Cloudflare account has already, asked through wrangler.
import { recordedKeys } from "../keys/statements.mjs";
import { Failure } from "../terminal/failure.mjs";
import { wrangler, wranglerFailure, wranglerOrFail } from "../wrangler.mjs";

/**
 * @param {ReturnType<typeof import("./settings.mjs").resourcesOf>} resources
 * @returns {Promise<import("./plan.mjs").Account>}
 */
export async function readAccount(resources) {
  const { databases, namespaces } = await readIds();
  const queues = [];
  for (const name of resources.queues) if (await queueExists(name, resources.worker)) queues.push(name);
  const secrets = await secretNames(resources.worker);
  const isThere = resources.databaseId || databases[resources.database];
  // Only keys that nobody relies on yet may be made anew.
  const sql = "SELECT EXISTS (SELECT 1 FROM authenticators) AS sealed";
  const [{ sealed } = { sealed: 0 }] = isThere ? await rowsOf(resources.database, sql) : [];
  const recorded = isThere ? await rowsOf(resources.database, recordedKeys()) : [];
  return { databases, namespaces, queues, secrets, sealed: sealed === 1, recorded };
}

/** The ids of the database and the namespace, of those that are there. */
export function idsOf(resources, { databases, namespaces }) {
  return {
    databaseId: resources.databaseId ?? databases[resources.database],
    namespaceId: resources.namespaceId ?? namespaces[resources.namespace],
  };
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

// A queue has one consumer. Of a second Worker with its name one would send what the other one looks for in vain.
async function queueExists(name, worker) {
  const { code, output } = await wrangler(["queues", "info", name]);
  if (code !== 0 && !output.includes("does not exist"))
    throw wranglerFailure(output, `The queue ${name} could not be looked up.`);
  const consumer = /^Consumers:.*\bworker:([^\s,]+)/m.exec(output)?.[1];
  if (code === 0 && consumer && consumer !== worker) {
    throw new Failure(
      `The queue ${name} is read by the Worker ${consumer}, not by ${worker}: give the queues of this environment names of their own in wrangler.toml.`,
    );
  }
  return code === 0;
}

/**
 * The variables of the Worker that runs, by name; undefined where it has not been deployed yet. Of several versions the one
 * that has most of the requests counts.
 */
export async function deployedVariables(worker) {
  const failed = (output) => wranglerFailure(output, "The variables of the Worker that runs could not be read.");
  const status = await wrangler(["deployments", "status", "--name", worker, "--json"]);
  if (status.code !== 0) {
    if (/code: (10007|10090)\b/.test(status.output)) return undefined;
    if (status.output.includes("has no deployments")) return {};
    throw failed(status.output);
  }
  const [{ version_id: version }] = JSON.parse(status.stdout).versions.toSorted((a, b) => b.percentage - a.percentage);
  const { code, stdout, output } = await wrangler(["versions", "view", version, "--name", worker, "--json"]);
  if (code !== 0) throw failed(output);
  const variables = JSON.parse(stdout).resources.bindings.filter(({ type }) => ["plain_text", "json"].includes(type));
  return Object.fromEntries(variables.map(({ name, text, json }) => [name, text ?? json]));
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
