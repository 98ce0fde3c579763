// `npm run check-config`: what is wrong with the configuration, if anything. Each value comes from the environment, else
// from .dev.vars, else from wrangler.deploy.json (what `npm run deploy` keeps), else from wrangler.toml.
import { checkConfiguration } from "./configuration/check.mjs";
import { developmentVariables, variablesIn } from "./configuration/variables.mjs";
import { keptSettings, repositorySettings } from "./deploy/settings.mjs";
import { rustToolchain } from "./setup/rust-toolchain.mjs";
import { runMain } from "./terminal/failure.mjs";

await runMain(async () => {
  const variables = {
    ...variablesIn(repositorySettings().vars),
    ...variablesIn(keptSettings()?.vars),
    ...developmentVariables(),
    ...variablesIn(process.env),
  };
  const { right, said } = await checkConfiguration(variables, await rustToolchain());
  console.log(said);
  if (!right) {
    console.log(
      "\nEach variable is looked for in the environment, .dev.vars, wrangler.deploy.json (what npm run deploy keeps) and " +
        "wrangler.toml, in this order; npm start brings some of its own. docs/configuration.md has them all.",
    );
  }
  return right ? 0 : 1;
});
