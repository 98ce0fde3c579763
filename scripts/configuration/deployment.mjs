// What `npm run deploy` would deploy from this machine.
import { deployedVariables, readAccount } from "../deploy/account.mjs";
import { withSecrets } from "../deploy/check.mjs";
import { EMPTY, planDeployment } from "../deploy/plan.mjs";
import { completed } from "../deploy/questions.mjs";
import { environmentSettings, givenSecrets, knownVariables, resourcesOf } from "../deploy/settings.mjs";
import { isSecret } from "./variables.mjs";

/**
 * The whole configuration, with fresh secrets for those that the Worker has, whose values nobody reads, and for those that are to
 * be made.
 *
 * @param {boolean} asksAccount whether the account is asked what there is already; it is new otherwise
 */
export async function deploymentVariables(asksAccount) {
  const { repository, kept } = environmentSettings();
  // As deploying does where another machine has deployed it.
  const last = kept ?? { vars: asksAccount ? await deployedVariables(repository.name) : {} };
  const variables = completed(knownVariables({ repository, kept: last, environment: process.env }));
  const resources = resourcesOf(repository, variables);
  const account = asksAccount ? await readAccount(resources) : EMPTY;
  const steps = planDeployment(resources, account, { variables, secrets: givenSecrets(process.env) });
  return withSecrets(variables, [...account.secrets.filter(isSecret).map((name) => ({ name })), ...steps.at(-1).secrets]);
}
