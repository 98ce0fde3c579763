// `npm run phone-prefixes`: which numbers are no person's phone, made of libphonenumber's metadata. To bring the table up
// to date: `npm install --save-dev --save-exact google-libphonenumber@latest`, then this.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { credit, credited, installedVersion, numberingPlans, PACKAGE } from "./phone-prefixes/source.mjs";
import { EXAMPLES, examples, rustFile, TABLE } from "./phone-prefixes/table.mjs";
import { ROOT } from "./setup/repository.mjs";
import { runOrFail } from "./terminal/command.mjs";
import { runMain } from "./terminal/failure.mjs";

await runMain(async () => {
  const version = installedVersion();
  const source = credit(version, knownDate(version) ?? (await publishedOn(version)));
  const plans = numberingPlans();
  mkdirSync(dirname(TABLE), { recursive: true });
  writeFileSync(TABLE, rustFile(plans, source));
  writeFileSync(EXAMPLES, examples(plans, source));
  console.log(`Written from ${source}`);
});

/** The package does not say when it was published. The table that is there does, unless the version is new. */
function knownDate(version) {
  const known = existsSync(TABLE) ? credited(readFileSync(TABLE, "utf8")) : null;
  return known?.version === version ? known.date : undefined;
}

async function publishedOn(version) {
  const args = ["view", `${PACKAGE}@${version}`, "time", "--json"];
  const sentence = `npm did not say when ${PACKAGE} ${version} was published.`;
  const { stdout } = await runOrFail("npm", args, { cwd: ROOT, env: process.env }, sentence);
  return JSON.parse(stdout)[version].slice(0, "2026-01-01".length);
}
