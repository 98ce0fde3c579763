// Where keys are: in .dev.vars, or with the deployed Worker.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { isSecret, variablesIn } from "../configuration/variables.mjs";
import { migrate } from "../database.mjs";
import { secretNames } from "../deploy/account.mjs";
import { build, deployWorker } from "../deploy/carry-out.mjs";
import { keepSettings, keptSettings } from "../deploy/settings.mjs";
import { fromCaller, ROOT } from "../setup/repository.mjs";
import { Failure } from "../terminal/failure.mjs";
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
    async change({ secrets, variables, remove }) {
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
  const settings = keptSettings();
  if (!settings) throw new Failure("wrangler.deploy.json is not there: run `npm run deploy` on this machine once, then repeat.");
  return {
    async read() {
      return { names: (await secretNames(settings.name)).filter(isSecret), variables: variablesIn(settings.vars) };
    },
    // Secrets and variables change in one deployment, so that there is no moment with one and without the other.
    async change({ secrets, variables, remove }) {
      if (secrets.length > 0 || Object.keys(variables).length > 0) {
        await build();
        await migrate({ remote: true });
        const before = settings.vars;
        keepSettings({ ...settings, vars: { ...before, ...variables } });
        try {
          await deployWorker({ text: `Deploy the Worker ${settings.name}`, secrets });
        } catch (error) {
          keepSettings({ ...settings, vars: before });
          throw error;
        }
      }
      for (const name of remove)
        await wranglerOrFail(["secret", "delete", name, "--name", settings.name], `${name} could not be taken away.`);
    },
    after: "",
  };
}
