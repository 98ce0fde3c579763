// `npm run sbom [file]`: the bill of materials of the deployed Worker, as CycloneDX.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, relative } from "node:path";
import { parseArgs } from "node:util";
import { materials } from "./sbom/materials.mjs";
import { cyclonedx } from "./sbom/cyclonedx.mjs";
import { fromCaller, ROOT } from "./setup/repository.mjs";
import { rustToolchain } from "./setup/rust-toolchain.mjs";
import { Failure, runMain } from "./terminal/failure.mjs";

const USAGE = `What the deployed Worker is made of and made with, as CycloneDX.

  npm run sbom [-- FILE]

  FILE  where it is written; without, target/sbom.cdx.json`;

await runMain(async () => {
  const { help, file } = readArguments();
  if (help) return console.log(USAGE);
  const path = file ? fromCaller(file) : `${ROOT}/target/sbom.cdx.json`;
  const found = await materials(await rustToolchain());
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(cyclonedx(found), null, 2)}\n`);
  const shipped = found.components.filter(({ shipped }) => shipped).length;
  const tools = found.components.length - shipped;
  console.log(`${relative(process.cwd(), path)}: ${shipped} components in the Worker, ${tools} that it is made with.`);
});

function readArguments() {
  try {
    const { values, positionals } = parseArgs({ options: { help: { type: "boolean", short: "h" } }, allowPositionals: true });
    if (positionals.length < 2) return { help: values.help, file: positionals[0] };
  } catch {}
  throw new Failure(`\`npm run sbom\` takes the name of one file and no option.\n\n${USAGE}`);
}
