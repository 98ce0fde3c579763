// Where keys are: in .dev.vars, or with the deployed Worker.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { isSecret, variablesIn } from "../configuration/variables.mjs";
import { migrate } from "../database.mjs";
import { deployedVariables, idsOf, readAccount, secretNames } from "../deploy/account.mjs";
import { build, deployWorker } from "../deploy/carry-out.mjs";
import { checkBefore, sameAccount, tellLost } from "../deploy/check.mjs";
import { planDeployment } from "../deploy/plan.mjs";
import {
  DEPLOYMENT,
  deploymentSettings,
  environmentSettings,
  keepSettings,
  knownVariables,
  resourcesOf,
} from "../deploy/settings.mjs";
import { fromCaller, ROOT } from "../setup/repository.mjs";
import { Failure } from "../terminal/failure.mjs";
import { step } from "../terminal/step.mjs";
import { wranglerOrFail } from "../wrangler.mjs";

/** The place that the command line names: what is there, and how it changes. */
export function placeOf({ remote, devVars }) {
  return remote ? deployed() : local(devVars ? fromCaller(devVars) : join(ROOT, ".dev.vars"));
}

function local(path) {
  const read = () => {
    if (!existsSync(path)) throw new Failure("There is no .dev.vars yet: run `npm start` once.");
    return readFileSync(path, "utf8");
  };
  return {
    async read() {
      const variables = variablesIn(parseEnv(read()));
      return { names: Object.keys(variables).filter(isSecret), variables };
    },
    async prepare() {},
    async change({ variables, remove }, secrets) {
      const set = { ...Object.fromEntries(secrets.map(({ name, value }) => [name, value])), ...variables };
      writeFileSync(path, changed(read(), set, remove), { mode: 0o600 });
    },
    after: "`npm start` reads .dev.vars when it starts.",
  };
}

/** The file with these lines set and those removed; all others stay as they are. */
export function changed(content, set, remove) {
  const isOf = (names) => (line) => names.includes(/^\s*(?:export\s+)?([A-Za-z0-9_]+)\s*=/.exec(line)?.[1]);
  const gone = isOf([...Object.keys(set), ...remove]);
  const kept = content
    .split("\n")
    .filter((line) => !gone(line))
    .join("\n");
  const added = Object.entries(set)
    .map(([name, value]) => `${name}='${value}'\n`)
    .join("");
  const all = (kept === "" ? "" : kept.replace(/\n?$/, "\n")) + added;
  // A value of several lines cannot be taken away line by line.
  const [before, after] = [content, all].map((text) => parseEnv(text));
  for (const name of remove) delete before[name];
  const expected = JSON.stringify(Object.entries({ ...before, ...set }).sort());
  if (JSON.stringify(Object.entries(after).sort()) !== expected)
    throw new Failure(".dev.vars has a value of several lines, which cannot be changed here: write it in one line first.");
  return all;
}

function deployed() {
  const { repository, kept } = environmentSettings();
  if (!kept) throw new Failure(`${DEPLOYMENT} is not there: run \`npm run deploy\` on this machine once, then repeat.`);
  // As `npm run deploy` does it, but for the environment: a rotation changes the keys and nothing else that is set.
  const variables = knownVariables({ repository, kept, environment: {} });
  const resources = resourcesOf(repository, variables);
  const deploys = (change) => Object.keys(change.variables).length > 0 || change.make.length > 0;
  let ids;
  return {
    async read() {
      return { names: (await secretNames(resources.worker)).filter(isSecret), variables };
    },
    async prepare(change, names) {
      if (!deploys(change)) return;
      let account;
      await step("Look at the account", "seconds", async () => {
        account = await readAccount(resources);
      });
      sameAccount(kept, account);
      const lacking = planDeployment(resources, account, { variables, secrets: {} }).filter(
        ({ name, what }) => name && what !== "worker",
      );
      if (lacking.length > 0) {
        throw new Failure(
          `The account lacks what the checked out version needs (${lacking.map(({ name }) => name).join(", ")}): run \`npm run deploy\`, then repeat.`,
        );
      }
      ids = idsOf(resources, account);
      const changed = { ...variables, ...change.variables };
      tellLost(await deployedVariables(resources.worker), { ...repository.vars, ...changed });
      const secrets = [...names, ...change.make].map((name) => ({ name }));
      await step("Check the configuration", "a minute the first time", () => checkBefore(changed, secrets));
    },
    // Secrets and variables change in one deployment, so that there is no moment with one and without the other.
    async change(change, secrets) {
      if (deploys(change)) {
        await build();
        await migrate({ remote: true });
        keepSettings(deploymentSettings({ repository, variables: { ...variables, ...change.variables }, ...ids }));
        try {
          await deployWorker({ text: `Deploy the Worker ${resources.worker}`, secrets });
        } catch (error) {
          keepSettings(kept);
          throw error;
        }
      }
      for (const name of change.remove)
        await wranglerOrFail(["secret", "delete", name, "--name", resources.worker], `${name} could not be taken away.`);
    },
    after: "",
  };
}
