// Builds the Worker: `npm run build [deploy|development]`. wrangler runs it, too, and passes the variant in COUNTERSIGN_BUILD.
import { buildWorker, VARIANTS } from "./build/worker.mjs";
import { Failure, runMain } from "./terminal/failure.mjs";

await runMain(async () => {
  const variant = process.argv[2] ?? process.env.COUNTERSIGN_BUILD ?? "deploy";
  if (!Object.hasOwn(VARIANTS, variant)) throw new Failure(`There is no build "${variant}": it is deploy or development.`);
  await buildWorker(variant);
});
