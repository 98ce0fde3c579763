// `npm run bench`: Countersign beside others in one workerd. See docs/performance.md, which it writes.
import { join } from "node:path";
import { buildWorker } from "./build/worker.mjs";
import { installPackages } from "./setup/packages.mjs";
import { ROOT } from "./setup/repository.mjs";
import { runMain } from "./terminal/failure.mjs";

await runMain(async () => {
  await installPackages(join(ROOT, "bench"));
  const { options } = await import("../bench/options.mjs");
  const asked = options(process.argv.slice(2));
  if (process.env.COUNTERSIGN_WORKER_UNDER_TEST === undefined) {
    await buildWorker("deploy");
  }
  const { bench } = await import("../bench/main.mjs");
  await bench(asked);
});
