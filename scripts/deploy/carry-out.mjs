// Carries out the steps of a deployment's plan.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildWorker } from "../build/worker.mjs";
import { migrate } from "../database.mjs";
import { freshSecret } from "../keys/fresh.mjs";
import { Failure } from "../terminal/failure.mjs";
import { step } from "../terminal/step.mjs";
import { isAttended, wranglerOrFail } from "../wrangler.mjs";
import { DEPLOYMENT, deploymentSettings, keepSettings } from "./settings.mjs";

/**
 * Does one step after the other.
 *
 * @param {ReturnType<typeof import("./plan.mjs").planDeployment>} steps
 * @param {object} deployment
 * @param {object} deployment.repository wrangler.toml's settings
 * @param {Record<string, string>} deployment.variables
 * @param {() => Promise<{ databaseId: string, namespaceId: string }>} deployment.findIds
 */
export async function carryOut(steps, deployment) {
  for (const each of steps) {
    if (each.what === "worker") await deployWorker(each);
    else if (each.what === "build") await build();
    else await step(each.text, "seconds", () => actions[each.what](each, deployment));
  }
}

const actions = {
  database: ({ name }) => create(["d1", "create", name], name),
  namespace: ({ name }) => create(["kv", "namespace", "create", name], name),
  queue: ({ name }) => create(["queues", "create", name], name),
  settings: async (_, { repository, variables, findIds }) => {
    keepSettings(deploymentSettings({ repository, variables, ...(await findIds()) }));
  },
  migrations: () => migrate({ remote: true }),
};

/** Builds the Worker before the database is migrated: see the plan. */
export async function build() {
  await buildWorker("deploy");
}

async function create(args, name) {
  await wranglerOrFail(args, `${name} could not be created.`);
}

const MIGRATED =
  "The migrations have run before that. Unless the upload came through, the Worker of before goes on running, on the new " +
  'tables: CHANGELOG.md says under "Upgrading" what it cannot do meanwhile. Once the cause is mended, `npm run deploy` finishes it.';

/**
 * Deploys the Worker (wrangler builds it, where that has not been done) with wrangler.deploy.json and these secrets, which
 * are made where they have no value. Secrets travel in a file that only this user can read and that is gone afterwards,
 * never on a command line. The database has been migrated before: where this fails, it is told what that means.
 */
export async function deployWorker({ text, secrets }) {
  console.log(`• ${text} (three minutes at most)`);
  const folder = mkdtempSync(join(tmpdir(), "countersign-deploy-"));
  try {
    const args = ["deploy", "--config", DEPLOYMENT];
    if (secrets.length > 0) {
      const file = join(folder, "secrets.json");
      const values = Object.fromEntries(secrets.map(({ name, value }) => [name, value ?? freshSecret(name)]));
      writeFileSync(file, JSON.stringify(values), { mode: 0o600 });
      args.push("--secrets-file", file);
    }
    // Where somebody is there, wrangler asks before it takes over a DNS record that exists.
    const shown = isAttended() ? { terminal: true } : { echo: true };
    await wranglerOrFail(args, "The Worker could not be deployed.", { ...shown, env: { COUNTERSIGN_BUILD: "deploy" } });
  } catch (error) {
    if (error instanceof Failure) error.message += `\n${MIGRATED}`;
    throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
