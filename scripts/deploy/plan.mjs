// What has to be done for an account to serve Countersign. Pure: from the account as it is to a list of steps.
import { isEncryptionKeys, isKey, isSecret, isSigningKey, isWebhookSecret } from "../configuration/variables.mjs";
import { agreed, KINDS } from "../keys/rotation.mjs";
import { Failure } from "../terminal/failure.mjs";

/**
 * @typedef {object} Account what there is already
 * @property {Record<string, string>} databases ids by name
 * @property {Record<string, string>} namespaces ids by title
 * @property {string[]} queues
 * @property {string[]} secrets names of the Worker's secrets
 * @property {import("../keys/rotation.mjs").State["recorded"]} [recorded] what the database knows of the keys
 * @property {boolean} sealed whether the database holds something that only its present keys can open
 */

/** An account that has nothing. */
export const EMPTY = { databases: {}, namespaces: {}, queues: [], secrets: [], sealed: false };

/**
 * The steps, in order. What is there already needs none.
 *
 * @param {ReturnType<typeof import("./settings.mjs").resourcesOf>} resources
 * @param {Account} account
 * @param {object} given
 * @param {Record<string, string>} given.variables
 * @param {Record<string, string>} given.secrets values that the operator brings along
 */
export function planDeployment(resources, account, { variables, secrets }) {
  for (const kind of Object.keys(KINDS)) agreed(kind, account.secrets, variables, account.recorded);
  const steps = [];
  if (!resources.databaseId && !account.databases[resources.database]) {
    steps.push({ what: "database", name: resources.database, text: `Create the D1 database ${resources.database}` });
  }
  if (!resources.namespaceId && !account.namespaces[resources.namespace]) {
    steps.push({
      what: "namespace",
      name: resources.namespace,
      text: `Create the KV namespace ${resources.namespace}`,
    });
  }
  for (const name of resources.queues.filter((queue) => !account.queues.includes(queue))) {
    steps.push({ what: "queue", name, text: `Create the queue ${name}` });
  }
  steps.push({ what: "settings", text: "Write wrangler.deploy.json" });
  // Before the migrations, so that the Worker of before stands on the new tables for no longer than an upload takes.
  steps.push({ what: "build", text: "Build the Worker" });
  steps.push({ what: "migrations", text: `Apply the migrations that the database ${resources.database} lacks` });
  const missing = missingSecrets(account, variables, secrets);
  const replaced = replacedSecrets(account, secrets);
  const listed = (which, list) => (list.length > 0 ? `, ${which} ${list.map(({ name }) => name).join(", ")}` : "");
  steps.push({
    what: "worker",
    name: resources.worker,
    secrets: [...missing, ...replaced],
    text: `Deploy the Worker ${resources.worker}${listed("with the secrets", missing)}${listed("with other values of the secrets", replaced)}`,
  });
  return steps;
}

/**
 * The secrets of providers that the Worker has and the operator brings along: one that a provider has replaced is of no use.
 * Keys are not replaced but rotated, since something is sealed or signed with them.
 */
function replacedSecrets(account, given) {
  const replaced = Object.keys(given).filter((name) => isSecret(name) && !isKey(name) && account.secrets.includes(name));
  return replaced.map((name) => ({ name, value: given[name], made: false }));
}

/** The secrets that the Worker lacks, each made afresh or given by the operator. */
export function missingSecrets(account, variables, given) {
  const there = (name) => account.secrets.includes(name);
  const missing = [];
  const encryption = Object.keys(given).filter(isEncryptionKeys);
  if (!account.secrets.some(isEncryptionKeys)) missing.push(...(encryption.length > 0 ? encryption : ["ENCRYPTION_KEYS"]));
  const signing = Object.keys(given).filter(isSigningKey);
  if (!account.secrets.some(isSigningKey)) missing.push(...(signing.length > 0 ? signing : ["SIGNING_KEY_1"]));
  // Of the others the check of the configuration says which are needed.
  missing.push(...Object.keys(given).filter((name) => isSecret(name) && !isKey(name) && !there(name)));
  if (variables.WEBHOOK_URL && ![...account.secrets, ...missing].some(isWebhookSecret)) missing.push("WEBHOOK_SECRET");

  if (missing.includes("ENCRYPTION_KEYS") && account.sealed && !given.ENCRYPTION_KEYS) {
    throw new Failure(
      "The database holds authenticators, and the Worker has no ENCRYPTION_KEYS to open them: set ENCRYPTION_KEYS to the keys it had, then repeat.",
    );
  }
  if (missing.includes("WEBHOOK_SECRET") && !given.WEBHOOK_SECRET) {
    throw new Failure(
      "WEBHOOK_URL is set: set WEBHOOK_SECRET, too, to the secret that its receiver knows (whsec_…), then repeat.",
    );
  }
  return missing.map((name) => ({ name, value: given[name], made: given[name] === undefined }));
}
