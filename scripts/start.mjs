// `npm start`: from a bare checkout to the Worker serving on this machine, with a demo issuer beside it.
import { spawn } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";
import { buildFolder, buildWorker } from "./build/worker.mjs";
import { migrate } from "./database.mjs";
import { startDemoIssuer } from "./demo-issuer.mjs";
import { DEMO_AUDIENCE, DEMO_ISSUER, putDemoClient } from "./setup/demo-client.mjs";
import { makeDevelopmentKeys } from "./setup/development-keys.mjs";
import { freePort } from "./setup/ports.mjs";
import { fromCaller, ROOT } from "./setup/repository.mjs";
import { Failure, runMain } from "./terminal/failure.mjs";
import { step } from "./terminal/step.mjs";
import { WRANGLER } from "./wrangler.mjs";

const PATIENCE = 10_000;

await runMain(async () => {
  if (process.argv.length > 2) throw new Failure("npm start takes no options. PORT=9000 npm start chooses the port.");
  const port = await freePort();
  const publicUrl = `http://localhost:${port}`;
  // Tests start this on a database of their own.
  const where = { persistTo: process.env.COUNTERSIGN_STATE && fromCaller(process.env.COUNTERSIGN_STATE) };

  await buildWorker("development");
  makeDevelopmentKeys();
  await step("Migrate the local database", "seconds", () => migrate(where));
  await step('Register the client "demo"', "seconds", () => putDemoClient(publicUrl, where));

  const demoIssuer = await startDemoIssuer({ port: port + 1, countersign: publicUrl, audience: DEMO_AUDIENCE });
  try {
    return await serve({ port, publicUrl, issuer: demoIssuer.issuer, where });
  } finally {
    demoIssuer.close();
  }
});

/** Runs `wrangler dev` until it stops or is stopped. */
async function serve({ port, publicUrl, issuer, where }) {
  const trusted = [{ name: DEMO_ISSUER, issuer, may: ["mfa_token"] }];
  const args = [
    "dev",
    `${buildFolder("development")}/index.js`,
    "--ip=localhost",
    `--port=${port}`,
    "--inspector-port=0",
    "--show-interactive-dev-session=false",
    ...(where.persistTo ? [`--persist-to=${where.persistTo}`] : []),
    `--var=PUBLIC_URL:${publicUrl}`,
    "--var=TENANT_NAME:Countersign Demo",
    `--var=TRUSTED_ISSUERS:${JSON.stringify(trusted)}`,
  ];
  const env = { ...process.env, COUNTERSIGN_BUILD: "development" };
  const wrangler = spawn(process.execPath, [WRANGLER, ...args], {
    cwd: ROOT,
    env,
    stdio: ["ignore", "inherit", "inherit"],
  });
  const ended = new Promise((resolve, reject) => {
    wrangler.on("error", reject);
    wrangler.on("exit", (code, signal) => resolve(code ?? signal));
  });

  let stopping = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      stopping = true;
      // A terminal has already sent Ctrl-C to wrangler, and a second one would cut its cleaning up short.
      if (signal !== "SIGINT" || !process.stdin.isTTY) wrangler.kill("SIGTERM");
      setTimeout(() => wrangler.kill("SIGKILL"), PATIENCE).unref();
    });
  }

  let running = true;
  ended.finally(() => (running = false)).catch(() => {});
  while (running && !(await answers(publicUrl))) await pause(200);
  if (running) console.log(`\nCountersign is ready at ${publicUrl} (the demo issuer at ${issuer}). Ctrl-C stops both.\n`);

  const how = await ended;
  if (!stopping) throw new Failure(`wrangler dev stopped by itself (${how}): its message stands above.`);
  return 0;
}

async function answers(publicUrl) {
  try {
    await (await fetch(`${publicUrl}/.well-known/jwks.json`, { signal: AbortSignal.timeout(2000) })).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
