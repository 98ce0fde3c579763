// What `npm run deploy` would deploy from this machine.
import { readAccount } from "../deploy/account.mjs";
import { EMPTY, planDeployment } from "../deploy/plan.mjs";
import { completed } from "../deploy/questions.mjs";
import { keptSettings, knownVariables, repositorySettings, resourcesOf } from "../deploy/settings.mjs";
import { freshSecret } from "../keys/fresh.mjs";
import { isSecret, variablesIn } from "./variables.mjs";

/**
 * The whole configuration. Nobody reads the values of secrets that the Worker has, nor of those that are to be made: fresh ones
 * of the right shape stand for them.
 *
 * @param {boolean} asksAccount whether the account is asked what there is already; it is new otherwise
 */
export async function deploymentVariables(asksAccount) {
  const repository = repositorySettings();
  const variables = completed(knownVariables({ repository, kept: keptSettings(), environment: process.env }));
  const given = Object.entries(variablesIn(process.env)).filter(([name]) => isSecret(name));
  const resources = resourcesOf(repository, variables);
  const account = asksAccount ? await readAccount(resources) : EMPTY;
  const steps = planDeployment(resources, account, { variables, secrets: Object.fromEntries(given) });
  const secrets = [...account.secrets.filter(isSecret).map((name) => ({ name })), ...steps.at(-1).secrets];
  return { ...variables, ...Object.fromEntries(secrets.map(({ name, value }) => [name, value ?? freshSecret(name)])) };
}
