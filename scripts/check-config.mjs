// `npm run check-config`: what is wrong with the configuration, if anything: the one that `npm run deploy` would deploy, or
// the one that `npm start` runs with.
import { parseArgs } from "node:util";
import { checkConfiguration } from "./configuration/check.mjs";
import { deploymentVariables } from "./configuration/deployment.mjs";
import { devVars, localVariables } from "./configuration/local.mjs";
import { unknownNames, warnings } from "./configuration/warnings.mjs";
import { addressProblem } from "./deploy/check.mjs";
import { DEPLOYMENT, keptSettings, repositorySettings } from "./deploy/settings.mjs";
import { rustToolchain } from "./setup/rust-toolchain.mjs";
import { Failure, runMain } from "./terminal/failure.mjs";

const USAGE = `What is wrong with the configuration, if anything, by the Worker's own code.

  npm run check-config [-- --remote]
  npm run check-config -- --local

  Without --local, what \`npm run deploy\` would deploy from here: what is in the environment, then in wrangler.deploy.json (what
  it keeps), then in wrangler.toml. Keys that it makes need not be set. Where something was deployed from here, the account is
  asked which secrets the Worker has, which takes a login as deploying does.
  --remote  asks the account also where nothing was deployed from here, as in CI
  --local   what \`npm start\` runs with: .dev.vars and the variables that it sets`;

await runMain(async () => {
  const { help, local, remote } = readArguments();
  if (help) return console.log(USAGE);
  const { checked, variables, unknown } = local ? ofStart() : await ofDeployment(remote);
  console.log(checked);
  const { right, said } = await checkConfiguration(variables, await rustToolchain());
  const insecure = !local && right ? addressProblem(variables) : undefined;
  console.log(insecure ?? said);
  // What is said of a configuration as a whole goes for one that can be read.
  for (const warning of [...unknown, ...(right ? warnings(variables) : [])]) console.log(`Warning: ${warning}`);
  if (!right) console.log("\ndocs/configuration.md has all variables.");
  return right && !insecure ? 0 : 1;
});

function readArguments() {
  const options = {
    help: { type: "boolean", short: "h" },
    local: { type: "boolean" },
    remote: { type: "boolean" },
  };
  try {
    const { values } = parseArgs({ options });
    if (!(values.local && values.remote)) return values;
  } catch {}
  throw new Failure(`\`npm run check-config\` takes one of --local and --remote, or nothing.\n\n${USAGE}`);
}

function ofStart() {
  return {
    checked: "What `npm start` runs with (.dev.vars and the variables that it sets):",
    variables: localVariables({ publicUrl: "http://localhost:8787", issuer: "http://localhost:8788/" }),
    unknown: [...unknownNames(Object.keys(devVars()), ".dev.vars"), ...unknownNames(repositoryNames(), "wrangler.toml")],
  };
}

async function ofDeployment(remote) {
  const kept = keptSettings();
  const asksAccount = remote || kept !== undefined;
  const account = asksAccount ? "beside the secrets that the Worker has" : "to an account that has nothing yet";
  // What wrangler.toml has is kept, too.
  const names = Object.keys(kept?.vars ?? {}).filter((name) => !repositoryNames().includes(name));
  return {
    checked: `What \`npm run deploy\` would deploy (the environment, ${DEPLOYMENT} and wrangler.toml), ${account}:`,
    variables: await deploymentVariables(asksAccount),
    unknown: [...unknownNames(names, DEPLOYMENT), ...unknownNames(repositoryNames(), "wrangler.toml")],
  };
}

function repositoryNames() {
  return Object.keys(repositorySettings().vars ?? {});
}
