// The first script of every npm command: installs the npm packages if need be, then runs the command on Node 22.
// It works on Node 20 and in a bare checkout, so it imports nothing but Node's own modules.
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { delimiter, join } from "node:path";
import { installPackages, newNode } from "./setup/packages.mjs";
import { PACKAGE_PROGRAMS, ROOT } from "./setup/repository.mjs";
import { Failure, runMain } from "./terminal/failure.mjs";

const COMMANDS = [
  "start",
  "test",
  "test-long",
  "build",
  "clients",
  "users",
  "keys",
  "templates",
  "check-config",
  "deploy",
  "simulate",
  "timing",
  "phone-prefixes",
  "growth",
  "latency",
  "instructions",
  "mutants",
  "bench",
  "audit",
  "sbom",
  "reproduce",
];
const OLDEST_NODE = 20;

await runMain(async () => {
  const [command, ...rest] = process.argv.slice(2);
  if (!COMMANDS.includes(command)) throw new Failure(`Name one of the commands ${COMMANDS.join(", ")}.`);
  if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) {
    throw new Failure(`Node ${process.versions.node} is too old: install Node ${OLDEST_NODE} or newer.`);
  }
  await installPackages();
  return await handOver(newNode(), [join(ROOT, "scripts", `${command}.mjs`), ...rest]);
});

/** Runs the command in this process's place, as far as Node can: same streams, same signals, same exit code. */
function handOver(program, args) {
  const env = {
    ...process.env,
    PATH: [PACKAGE_PROGRAMS, process.env.PATH].join(delimiter),
    // Both make wrangler wait for the network.
    WRANGLER_SEND_METRICS: "false",
    CLOUDFLARE_CF_FETCH_ENABLED: "false",
  };
  const child = spawn(program, args, { stdio: "inherit", env });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      // A terminal has already sent Ctrl-C to everyone in the foreground.
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    });
  }
  // npm does not pass a signal on when it is ended by one; what it started would then run on unseen.
  const parent = process.ppid;
  setInterval(() => process.ppid !== parent && child.kill("SIGTERM"), 1000).unref();
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}
