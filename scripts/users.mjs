// `npm run users`: what is stored of a person, and what support does about it.
import { execute } from "./database.mjs";
import { byWhom } from "./operator-acts.mjs";
import { Failure, runMain } from "./terminal/failure.mjs";
import { readArguments, USAGE } from "./users/arguments.mjs";
import { counted, shown } from "./users/shown.mjs";
import { removeUser, resetUser, showUser, unlockUser } from "./users/statements.mjs";

const commands = { show, unlock, reset, remove, help: () => console.log(USAGE) };

await runMain(async () => {
  const { command, ...rest } = readArguments(process.argv.slice(2));
  await commands[command](rest);
});

async function show({ user, where }) {
  console.log(JSON.stringify(await stored(user, where), null, 2));
}

async function unlock({ user, authenticator, where }) {
  const { authenticators } = await stored(user, where);
  if (authenticator !== undefined && !authenticators.some(({ id }) => id === authenticator))
    throw new Failure(`"${user}" has no active authenticator "${authenticator}": \`npm run users -- show\` lists them.`);
  await execute(unlockUser(user, authenticator, byWhom()), where);
  const enabled = authenticators.filter(({ id, disabled }) => disabled && [undefined, id].includes(authenticator));
  for (const { id } of enabled) console.log(`${id} is let in again.`);
  if (enabled.length === 0) console.log("No authenticator was disabled.");
  console.log("All guesses are given back.");
}

async function reset({ user, where }) {
  await stored(user, where);
  const removed = await execute(resetUser(user, byWhom()), where);
  if (removed.length === 0) throw new Failure(`"${user}" had no second factor: nothing was removed.`);
  console.log(`"${user}" has no second factor any more: whoever passes the first one adds the next.`);
  console.log(`Removed: ${counted(removed)}.`);
}

// Rows may be left of somebody of whom `show` knows nothing, such as notices: this asks what was removed, and not `show`.
async function remove({ user, where }) {
  const removed = await execute(removeUser(user, byWhom()), where);
  if (removed.length === 0) throw nothingOf(user);
  console.log(`Nothing that names "${user}" is stored any more, but that this was done: the next sweep tells of it.`);
  console.log(`Removed: ${counted(removed)}.`);
  console.log(
    "What stays names nobody and ends by itself: hashes of tokens that were spent (minutes), counters of messages under " +
      "keyed hashes and the ledger of messages without their addresses (a day or two). Cloudflare's own backups of the " +
      "database (Time Travel) end after 30 days at most.",
  );
}

async function stored(user, where) {
  const now = Math.floor(Date.now() / 1000);
  const [row] = await execute(showUser(user, now), where);
  const found = shown(row, now);
  if (!found) throw nothingOf(user);
  return found;
}

function nothingOf(user) {
  return new Failure(`Nothing is stored of "${user}": look whether the issuer's name and the sub are right.`);
}
