// What is looked at before anything is deployed, by `npm run deploy` and by a rotation of keys.
import { checkConfiguration } from "../configuration/check.mjs";
import { warnings } from "../configuration/warnings.mjs";
import { freshSecret } from "../keys/fresh.mjs";
import { rustToolchain } from "../setup/rust-toolchain.mjs";
import { Failure } from "../terminal/failure.mjs";
import { DEPLOYMENT } from "./settings.mjs";

/**
 * Variables and secrets together. The account does not give its secrets away, so fresh ones of the right shape stand for those
 * without a value.
 *
 * @param {Record<string, string>} variables
 * @param {{ name: string, value?: string }[]} secrets the last one of a name counts
 */
export function withSecrets(variables, secrets) {
  const values = secrets.map(({ name, value }) => [name, value ?? freshSecret(name)]);
  return { ...variables, ...Object.fromEntries(values) };
}

/**
 * Asks the Worker's own code whether it could serve with these variables and secrets (as in `withSecrets`), and returns what of
 * it is hardly meant.
 */
export async function checkBefore(variables, secrets) {
  const all = withSecrets(variables, secrets);
  const { right, said } = await checkConfiguration(all, await rustToolchain());
  if (!right) throw new Failure(`${said}\nNothing was deployed: put this right, then repeat.`);
  return warnings(all);
}

/** The Worker serves http on this machine: what is deployed has to be asked for more. */
export function addressProblem({ PUBLIC_URL: publicUrl }) {
  return publicUrl?.startsWith("https://") ? undefined : "PUBLIC_URL must begin with https:// where it is deployed.";
}

/** What is wrong with one variable, as far as it can be told without the secrets. */
export async function problemOf(name, variables) {
  const problem = name === "PUBLIC_URL" ? addressProblem(variables) : undefined;
  if (problem) return problem;
  const { said } = await checkConfiguration(variables, await rustToolchain());
  return said.split("\n").find((line) => line.startsWith(`${name} `));
}

/** Says which variables of the Worker that runs are gone with the next one: nobody else would, and its own file may be newer. */
export function tellLost(running, vars) {
  const lost = Object.keys(running ?? {}).filter((name) => !(name in vars));
  if (lost.length === 0) return;
  console.log(
    `The Worker that runs has variables that the new one will not have: ${lost.join(", ")}. Whatever is to stay belongs into ${DEPLOYMENT}, or into the environment of \`npm run deploy\`.`,
  );
}

/** The account that is deployed to must be the one of the last time: another one would get everything anew. */
export function sameAccount(kept, { databases }) {
  const id = kept?.d1_databases?.[0]?.database_id;
  if (!id || Object.values(databases).includes(id)) return;
  throw new Failure(
    `The database ${id} of ${DEPLOYMENT} is not in this account: log in to the account that has it, or name that in CLOUDFLARE_ACCOUNT_ID. If the database is gone for good, delete ${DEPLOYMENT}.`,
  );
}
