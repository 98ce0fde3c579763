// What `npm start` runs with on this machine: .dev.vars, and three variables of its own that win over what stands there.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { repositorySettings } from "../deploy/settings.mjs";
import { DEMO_ISSUER } from "../setup/demo-client.mjs";
import { withMissingKeys } from "../setup/development-keys.mjs";
import { fromCaller, ROOT } from "../setup/repository.mjs";
import { variablesIn } from "./variables.mjs";

/** Tests have a file of their own. */
export const OTHER_DEV_VARS = process.env.COUNTERSIGN_DEV_VARS && fromCaller(process.env.COUNTERSIGN_DEV_VARS);

const DEV_VARS = OTHER_DEV_VARS || join(ROOT, ".dev.vars");

const developmentText = () => (existsSync(DEV_VARS) ? readFileSync(DEV_VARS, "utf8") : "");

/** Everything that stands in .dev.vars. */
export function devVars() {
  return parseEnv(developmentText());
}

/** The three that must be set. */
export function demoVariables({ publicUrl, issuer }) {
  return {
    PUBLIC_URL: publicUrl,
    TENANT_NAME: "Countersign Demo",
    TRUSTED_ISSUERS: JSON.stringify([{ name: DEMO_ISSUER, issuer, may: ["mfa_token"] }]),
  };
}

/** The whole configuration. Keys that .dev.vars lacks are made when it starts, so that fresh ones stand for them. */
export function localVariables(demo) {
  const written = parseEnv(withMissingKeys(developmentText()));
  return { ...variablesIn(repositorySettings().vars), ...variablesIn(written), ...demoVariables(demo) };
}
