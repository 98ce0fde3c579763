// wrangler.deploy.json: wrangler.toml plus what belongs to one account, its ids and variables. Made by `npm run deploy`,
// kept for the next time, ignored by git. It lies beside wrangler.toml, so that the paths in both mean the same.
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { experimental_readRawConfig as readRawConfig } from "wrangler";
import { isSecret, OPTIONAL, REQUIRED, variablesIn } from "../configuration/variables.mjs";
import { ROOT } from "../setup/repository.mjs";
import { Failure } from "../terminal/failure.mjs";

/** The file's name. The tests have one of their own. */
export const DEPLOYMENT = process.env.COUNTERSIGN_DEPLOYMENT || "wrangler.deploy.json";

/** What wrangler.toml says. */
export function repositorySettings() {
  return readRawConfig({ config: join(ROOT, "wrangler.toml") }).rawConfig;
}

/** What the last deployment kept, or undefined. */
export function keptSettings() {
  const path = join(ROOT, DEPLOYMENT);
  if (!existsSync(path)) return undefined;
  try {
    return readRawConfig({ config: path }).rawConfig;
  } catch (error) {
    if (!error.location) throw error;
    const { line, column } = error.location;
    throw new Failure(
      `${DEPLOYMENT} is no JSON any more, from line ${line}, column ${column + 1} on (${error.text}): put that right. Or delete the file, and \`npm run deploy\` begins with the variables that the Worker has.`,
    );
  }
}

/** Writes the file as a whole or not at all: half of one would be no JSON. */
export function keepSettings(settings) {
  const written = join(ROOT, DEPLOYMENT.replace(/(\.json)?$/, `.${process.pid}.json`));
  writeFileSync(written, `${JSON.stringify(settings, null, 2)}\n`);
  renameSync(written, join(ROOT, DEPLOYMENT));
}

/**
 * What wrangler.toml says and what the last deployment kept, if there was one. Both must be about the same Worker and
 * database: otherwise one environment's variables, its address among them, would be deployed to another.
 */
export function environmentSettings() {
  const [repository, kept] = [repositorySettings(), keptSettings()];
  const named = (settings) => `the Worker ${settings.name} and the database ${settings.d1_databases?.[0]?.database_name}`;
  if (kept && named(kept) !== named(repository)) {
    throw new Failure(
      `${DEPLOYMENT} is about ${named(kept)}, wrangler.toml about ${named(repository)}. Names are changed in wrangler.toml, and another environment has a clone of its own. If this one is to have the new names from now on, delete ${DEPLOYMENT}.`,
    );
  }
  return { repository, kept };
}

/** The database that is deployed: its name, its id, and the file that says so. */
export function deployedDatabase() {
  const { repository, kept } = environmentSettings();
  const [{ database_name: name, database_id: id } = {}] = (kept ?? repository).d1_databases ?? [];
  const file = kept ? DEPLOYMENT : "wrangler.toml";
  if (name && id) return { name, id, file };
  throw new Failure(
    kept
      ? `${DEPLOYMENT} does not say which database is deployed (database_name and database_id): run \`npm run deploy\`, then repeat.`
      : `${DEPLOYMENT} is not there, so it is not known which database is deployed: run \`npm run deploy\` on this machine once, or bring the file from the one that deploys, then repeat.`,
  );
}

/** The variables that are known already: the environment's win over what was kept, and that over wrangler.toml's. */
export function knownVariables({ repository, kept, environment }) {
  const all = { ...variablesIn(repository.vars), ...variablesIn(kept?.vars), ...variablesIn(environment) };
  return Object.fromEntries(
    [...REQUIRED, ...OPTIONAL].filter((name) => all[name] !== undefined).map((name) => [name, all[name]]),
  );
}

/** The secrets that the operator brings along in the environment. */
export function givenSecrets(environment) {
  return Object.fromEntries(Object.entries(variablesIn(environment)).filter(([name]) => isSecret(name)));
}

/** What the Worker needs of an account, by wrangler.toml and the variables. The namespace is named after its binding. */
export function resourcesOf(repository, variables = {}) {
  const [database] = repository.d1_databases;
  const [namespace] = repository.kv_namespaces;
  const { producers, consumers } = queuesOf(repository, variables);
  const queues = [...producers, ...consumers].flatMap(({ queue, dead_letter_queue: dead }) => [queue, dead]);
  return {
    worker: repository.name,
    database: database.database_name,
    databaseId: database.database_id,
    namespace: `${repository.name}-${namespace.binding.toLowerCase()}`,
    namespaceId: namespace.id,
    queues: [...new Set(queues.filter(Boolean))],
  };
}

/** The settings to deploy with. */
export function deploymentSettings({ repository, variables, databaseId, namespaceId }) {
  const [database, ...databases] = repository.d1_databases;
  const [namespace, ...namespaces] = repository.kv_namespaces;
  return {
    ...repository,
    ...addressOf(repository, variables.PUBLIC_URL),
    vars: { ...repository.vars, ...variables },
    d1_databases: [{ ...database, database_id: databaseId }, ...databases],
    kv_namespaces: [{ ...namespace, id: namespaceId }, ...namespaces],
    ...mailOf(repository, variables.CLOUDFLARE_EMAIL),
    queues: queuesOf(repository, variables),
    ...metricsOf(repository, variables.EXPORT_METRICS),
  };
}

const isOn = (switched) => switched?.trim() === "on";

// The queue by which events leave the Worker, where they are to.
function queuesOf({ name, queues }, { EXPORT_EVENTS: switched }) {
  if (!isOn(switched) || queues.producers.some(({ binding }) => binding === "AUDIT_QUEUE")) return queues;
  return { ...queues, producers: [...queues.producers, { binding: "AUDIT_QUEUE", queue: `${name}-audit` }] };
}

// The dataset that metrics are written to. The account makes it when the first point comes.
function metricsOf({ name, analytics_engine_datasets: datasets = [] }, switched) {
  if (!isOn(switched) || datasets.some(({ binding }) => binding === "METRICS")) return {};
  // SQL asks for it by this name.
  const dataset = name.replaceAll("-", "_");
  return { analytics_engine_datasets: [...datasets, { binding: "METRICS", dataset }] };
}

// The binding by which Cloudflare Email Service takes mails. Accounts without that service must do without the binding.
function mailOf({ send_email: bindings = [] }, switched) {
  if (!isOn(switched) || bindings.some(({ name }) => name === "EMAIL")) return {};
  return { send_email: [...bindings, { name: "EMAIL" }] };
}

// An address of one's own becomes a custom domain of the Worker, unless wrangler.toml says how it is reached.
function addressOf(repository, publicUrl) {
  const { host, hostname } = new URL(publicUrl);
  const said = ["route", "routes", "workers_dev"].some((name) => repository[name] !== undefined);
  return said || hostname.endsWith(".workers.dev") ? {} : { routes: [{ pattern: host, custom_domain: true }] };
}
