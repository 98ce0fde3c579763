// `npm run sbom [file]`: the bill of materials of the deployed Worker, as CycloneDX.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, relative } from "node:path";
import { materials } from "./sbom/materials.mjs";
import { cyclonedx } from "./sbom/cyclonedx.mjs";
import { fromCaller, ROOT } from "./setup/repository.mjs";
import { rustToolchain } from "./setup/rust-toolchain.mjs";
import { runMain } from "./terminal/failure.mjs";

await runMain(async () => {
  const path = process.argv[2] ? fromCaller(process.argv[2]) : `${ROOT}/target/sbom.cdx.json`;
  const found = await materials(await rustToolchain());
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(cyclonedx(found), null, 2)}\n`);
  const shipped = found.components.filter(({ shipped }) => shipped).length;
  const tools = found.components.length - shipped;
  console.log(`${relative(process.cwd(), path)}: ${shipped} components in the Worker, ${tools} that it is made with.`);
});
