// `npm run deploy`: everything that a Cloudflare account needs to serve Countersign. It can be repeated: what is there
// stays, and keys are never replaced.
import { parseArgs } from "node:util";
import { isKey, isSecret, REQUIRED } from "./configuration/variables.mjs";
import { deployedVariables, idsOf, readAccount, readIds } from "./deploy/account.mjs";
import { carryOut } from "./deploy/carry-out.mjs";
import { addressProblem, checkBefore, problemOf, sameAccount, tellLost } from "./deploy/check.mjs";
import { EMPTY, planDeployment } from "./deploy/plan.mjs";
import { askForMissing, completed } from "./deploy/questions.mjs";
import {
  DEPLOYMENT,
  deploymentSettings,
  environmentSettings,
  givenSecrets,
  knownVariables,
  resourcesOf,
} from "./deploy/settings.mjs";
import { Failure, runMain } from "./terminal/failure.mjs";
import { asksForHelp } from "./terminal/help.mjs";
import { step } from "./terminal/step.mjs";
import { isAttended } from "./wrangler.mjs";

const USAGE = `Everything that a Cloudflare account needs to serve Countersign. It can be repeated: what is there stays.

  npm run deploy [-- --dry-run]

  --dry-run  only says what it would do in an empty account, and looks at none

docs/configuration.md says what is taken from the environment, wrangler.deploy.json and wrangler.toml.`;

await runMain(async () => {
  if (asksForHelp(process.argv.slice(2))) return console.log(USAGE);
  const { dryRun } = readArguments();
  const { repository, kept } = environmentSettings();
  const secrets = givenSecrets(process.env);
  const knownFrom = (last) => completed(knownVariables({ repository, kept: last, environment: process.env }));

  if (dryRun) {
    const known = knownFrom(kept);
    tell(planDeployment(resourcesOf(repository, known), EMPTY, { variables: known, secrets }));
    const missing = REQUIRED.filter((name) => !known[name]);
    if (missing.length > 0) console.log(`It would ask for ${missing.join(", ")}.`);
    return;
  }

  let running;
  await step("Look at the Worker that runs", "seconds", async () => {
    running = await deployedVariables(repository.name);
  });
  // Another machine has deployed it: what that one was told must not be lost.
  const last = kept ?? { vars: running };
  if (!kept && running) console.log(`${DEPLOYMENT} is not there: the variables of the Worker that runs are taken over.`);
  const variables = await askForMissing(knownFrom(last), problemOf);
  const problem = addressProblem(variables);
  if (problem) throw new Failure(problem);
  const resources = resourcesOf(repository, variables);
  let account;
  await step("Look at the account", "seconds", async () => {
    account = await readAccount(resources);
  });
  sameAccount(kept, account);
  const steps = planDeployment(resources, account, { variables, secrets });
  const { secrets: added } = steps.at(-1);
  tell(steps);
  tellLost(running, { ...repository.vars, ...variables });
  tellUnused(secrets, added);
  tellTakenOver(running, variables, repository);
  let warnings;
  await step("Check the configuration", "a minute the first time", async () => {
    warnings = await checkBefore(variables, [...account.secrets.filter(isSecret).map((name) => ({ name })), ...added]);
  });
  for (const warning of warnings) console.log(`Warning: ${warning}`);
  await carryOut(steps, { repository, variables, findIds: async () => idsOf(resources, await readIds()) });

  if (added.some(({ name, made }) => made && name === "ENCRYPTION_KEYS")) {
    console.log("ENCRYPTION_KEYS were made and cannot be read back: nobody but the Worker opens the database.");
  }
  console.log(
    `Deployed. Try ${new URL("/.well-known/openid-configuration", variables.PUBLIC_URL)}, then register a client: npm run clients -- add --remote …`,
  );
});

function readArguments() {
  try {
    const { values } = parseArgs({ options: { "dry-run": { type: "boolean", default: false } } });
    return { dryRun: values["dry-run"] };
  } catch {
    throw new Failure("`npm run deploy` takes one option, --dry-run (npm run deploy -- --dry-run).");
  }
}

function tell(steps) {
  console.log("Steps:");
  for (const [index, { text }] of steps.entries()) console.log(`  ${index + 1}. ${text}`);
}

function tellUnused(given, added) {
  const unused = Object.keys(given).filter((name) => isKey(name) && !added.some((each) => each.name === name));
  if (unused.length === 0) return;
  console.log(`The Worker has keys, which \`npm run keys\` replaces: not used of the environment: ${unused.join(", ")}.`);
}

/** Without a terminal wrangler does not ask before it replaces a DNS record with the Worker's, as it does with one. */
function tellTakenOver(running, { PUBLIC_URL: publicUrl }, repository) {
  const [domain] = deploymentSettings({ repository, variables: { PUBLIC_URL: publicUrl } }).routes ?? [];
  if (isAttended() || running?.PUBLIC_URL === publicUrl || !domain?.custom_domain) return;
  console.log(
    `${domain.pattern} becomes the Worker's address. Nobody is here to be asked: a DNS record that it has is replaced.`,
  );
}
