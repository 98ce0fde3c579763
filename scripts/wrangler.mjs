// Cloudflare's command line, of the version in package-lock.json.
import { join } from "node:path";
import { ROOT } from "./setup/repository.mjs";
import { run } from "./terminal/command.mjs";
import { Failure } from "./terminal/failure.mjs";

/** wrangler's script, to be run on the Node that runs this: the first one on the PATH may be too old. */
export const WRANGLER = join(ROOT, "node_modules", "wrangler", "bin", "wrangler.js");

/** Whether wrangler could ask somebody, and would: it looks at the output alone. */
export const isAttended = () => Boolean(process.stdin.isTTY && process.stdout.isTTY);

/**
 * Runs wrangler without letting it ask anything, unless `terminal` hands it the terminal.
 *
 * @param {string[]} args
 * @param {{ echo?: boolean, terminal?: boolean, env?: Record<string, string> }} [options]
 */
export function wrangler(args, { echo = false, terminal = false, env = {} } = {}) {
  // CI keeps wrangler from asking.
  const quiet = terminal ? {} : { CI: "true", NO_COLOR: "1" };
  return run(process.execPath, [WRANGLER, ...args], {
    cwd: ROOT,
    env: { ...process.env, ...quiet, ...env },
    echo,
    terminal,
  });
}

/** Like `wrangler`, but a failure ends in one sentence: why, where that is known, else the given one. */
export async function wranglerOrFail(args, sentence, options) {
  const result = await wrangler(args, options);
  if (result.code === 0) return result;
  const failure = wranglerFailure(result.output, sentence);
  throw options?.echo ? new Failure(failure.message) : failure; // it has been shown already
}

const REFUSED =
  "run `npx wrangler login`, or set CLOUDFLARE_API_TOKEN to a token with the permissions to edit Workers Scripts, D1, " +
  "Workers KV Storage and Queues of the account (CLOUDFLARE_ACCOUNT_ID) and Workers Routes of the zone, then repeat.";

/** The failure that wrangler's output tells of. */
export function wranglerFailure(output, sentence) {
  if (/not authenticated|not logged in|"loggedIn": false|CLOUDFLARE_API_TOKEN environment variable for wrangler/i.test(output)) {
    return new Failure("Not logged in to Cloudflare: run `npx wrangler login` or set CLOUDFLARE_API_TOKEN, then repeat.");
  }
  // Wrangler tells of it by a stack trace, where it may not even look at who is logged in: what it says is left out.
  if (/\bcode: (10000|10001|10405|9106|9109|6003|6111)\b|Authentication error|Invalid access token/i.test(output)) {
    const [, request] = /Cloudflare API \(([^)]+)\)/.exec(output) ?? [];
    return new Failure(`${sentence} Cloudflare refused the login${request ? ` at ${request}` : ""}: ${REFUSED}`);
  }
  if (output.includes("More than one account available")) {
    return new Failure(
      "This login has several Cloudflare accounts: set CLOUDFLARE_ACCOUNT_ID to one of those above, then repeat.",
      output,
    );
  }
  return new Failure(`${sentence} Wrangler's message stands above.`, output);
}
