// `npm start`: from a bare checkout to the Worker serving on this machine, with a demo issuer beside it.
import { spawn } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";
import { buildFolder, buildWorker } from "./build/worker.mjs";
import { checkConfiguration } from "./configuration/check.mjs";
import { demoVariables, localVariables, OTHER_DEV_VARS } from "./configuration/local.mjs";
import { migrate } from "./database.mjs";
import { startDemoIssuer } from "./demo-issuer.mjs";
import { DEMO_AUDIENCE, putDemoClient } from "./setup/demo-client.mjs";
import { makeDevelopmentKeys } from "./setup/development-keys.mjs";
import { freePort } from "./setup/ports.mjs";
import { fromCaller, ROOT } from "./setup/repository.mjs";
import { rustToolchain } from "./setup/rust-toolchain.mjs";
import { Failure, runMain } from "./terminal/failure.mjs";
import { step } from "./terminal/step.mjs";
import { WRANGLER } from "./wrangler.mjs";

const PATIENCE = 10_000;
/** What the Worker answers to everything where its configuration is wrong. */
const NOT_CONFIGURED = 503;

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
  const demo = { publicUrl, issuer };
  const args = [
    "dev",
    `${buildFolder("development")}/index.js`,
    "--ip=localhost",
    `--port=${port}`,
    "--inspector-port=0",
    "--show-interactive-dev-session=false",
    ...(where.persistTo ? [`--persist-to=${where.persistTo}`] : []),
    ...(OTHER_DEV_VARS ? [`--env-file=${OTHER_DEV_VARS}`] : []),
    ...Object.entries(demoVariables(demo)).map(([name, value]) => `--var=${name}:${value}`),
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
  const stop = () => {
    stopping = true;
    setTimeout(() => wrangler.kill("SIGKILL"), PATIENCE).unref();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      // A terminal has already sent Ctrl-C to wrangler, and a second one would cut its cleaning up short.
      if (signal !== "SIGINT" || !process.stdin.isTTY) wrangler.kill("SIGTERM");
      stop();
    });
  }

  let running = true;
  ended.finally(() => (running = false)).catch(() => {});
  let status;
  while (running && !(status = await answers(publicUrl))) await pause(200);
  if (running && status === NOT_CONFIGURED) {
    wrangler.kill("SIGTERM");
    stop();
    await ended;
    throw await misconfigured(demo);
  }
  if (running) console.log(`\nCountersign is ready at ${publicUrl} (the demo issuer at ${issuer}). Ctrl-C stops both.\n`);

  const how = await ended;
  if (!stopping) throw new Failure(`wrangler dev stopped by itself (${how}): its message stands above.`);
  return 0;
}

/** The status of an answer that needs nothing but the configuration; nothing where there is none yet. */
async function answers(publicUrl) {
  try {
    const answer = await fetch(`${publicUrl}/.well-known/jwks.json`, { signal: AbortSignal.timeout(2000) });
    await answer.arrayBuffer();
    return answer.status;
  } catch {
    return undefined;
  }
}

/** The Worker has told the log which variables are wrong, one line of JSON among many: this says it in sentences. */
async function misconfigured(demo) {
  let checked;
  await step("Look for what is wrong with the configuration", "a minute the first time", async () => {
    checked = await checkConfiguration(localVariables(demo), await rustToolchain());
  });
  const what = checked.right ? "What is wrong stands in the Worker's log above." : checked.said;
  return new Failure(`${what}\nCountersign cannot start with this configuration: put it right in .dev.vars, then repeat.`);
}
