// `npm run keys`: replaces keys step by step, so that nothing is refused meanwhile.
import { execute } from "./database.mjs";
import { readArguments, USAGE } from "./keys/arguments.mjs";
import { freshSecret } from "./keys/fresh.mjs";
import { placeOf } from "./keys/places.mjs";
import { DEPLOYMENT_SECONDS, isOf, KINDS, nextStep, plan, SPREAD_SECONDS, standing, Unrecorded } from "./keys/rotation.mjs";
import { countRows, forget, recordAdded, recordedKeys, recordUsed, release, reserve, settle } from "./keys/statements.mjs";
import { Failure, runMain } from "./terminal/failure.mjs";

const commands = { status, rotate, help: () => console.log(USAGE) };

await runMain(async () => {
  const { command, ...rest } = readArguments(process.argv.slice(2));
  await commands[command](rest);
});

async function status({ where }) {
  const state = await read(where);
  const kinds = Object.keys(KINDS).filter((kind) => state.names.some((name) => isOf(kind, name)));
  for (const kind of kinds) {
    const { active, newer, older } = standing(kind, state);
    const note = kind === "webhook" ? "signs" : "in use";
    const told = [
      [newer, "added, not used yet"],
      [[active], note],
      [older, kind === "webhook" ? "signs" : "not used any more"],
    ];
    for (const [names, what] of told) for (const name of names) console.log(`${name}  ${what}`);
  }
  for (const { place, key, count } of state.rows) console.log(`${key.padEnd(6)}  ${count} of ${place}`);
}

async function rotate({ kind, step: asked, where }) {
  const place = placeOf(where);
  const state = await read(where, place);
  const step = asked ?? nextStep(kind, state);
  let change;
  try {
    change = plan(kind, step, state, seconds());
  } catch (error) {
    if (error instanceof Unrecorded) await record(kind, step, state, seconds(), where);
    throw error;
  }
  // Before anything is taken, made or told.
  await place.prepare(change, state.names);
  // A key is in the database before it is anywhere else: of two people who add one at once, one is told.
  const until = seconds() + DEPLOYMENT_SECONDS;
  for (const name of change.make) await reserved(name, until, state, where);
  const secrets = change.make.map((name) => ({ name, value: freshSecret(name) }));
  // The receiver has to be told; nobody needs to know the others. Before it is deployed: nobody can read it after.
  if (kind === "webhook") for (const { name, value } of secrets) console.log(`${name}  ${value}`);
  try {
    await place.change(change, secrets);
  } catch (error) {
    // Why it was not deployed is what has to be told. A reservation that stays ends by itself.
    for (const name of change.make) await execute(release(name, until), where).catch(() => {});
    throw error;
  }
  // The deployment has taken its minutes, and what is waited for counts from its end.
  const now = seconds();
  for (const name of change.make) await settled(name, until, now, where);
  if (change.used) await noteUsed(change.used, now, where);
  for (const name of change.remove) await execute(forget(name), where);
  console.log(change.told);
  if (place.after) console.log(place.after);
}

async function reserved(name, until, { recorded }, where) {
  const seen = recorded.find((each) => each.name === name)?.added_at;
  const rows = await execute(reserve(name, { until, seen, now: seconds() }), where);
  if (rows.length > 0) return;
  throw new Failure(
    `${name} is being added by somebody else, or was a moment ago: look with \`npm run keys -- status\`. If that broke off, repeat in ${DEPLOYMENT_SECONDS / 60} minutes.`,
  );
}

async function settled(name, until, now, where) {
  const rows = await execute(settle(name, until, now), where);
  if (rows.length > 0) return;
  throw new Failure(
    `${name} is deployed, but that took more than ${DEPLOYMENT_SECONDS / 60} minutes, and somebody else has taken its name meanwhile: the Worker has the key that was deployed last, theirs or this one. The next step has to wait until ${SPREAD_SECONDS / 60} minutes after both have ended.`,
  );
}

async function noteUsed(name, now, where) {
  try {
    await execute(recordUsed(name, now), where);
  } catch (error) {
    throw new Failure(
      `${name} is used from now on, but that is not recorded: repeat the command. ${error.message}`,
      error.output,
    );
  }
}

function seconds() {
  return Math.floor(Date.now() / 1000);
}

async function record(kind, step, state, now, where) {
  const { active, newer } = standing(kind, state);
  if (step === "use") await execute(recordAdded(newer.at(-1), now), where);
  else if (KINDS[kind].active) await execute(recordUsed(active, now), where);
  else await execute(recordAdded(active, now), where);
}

async function read(where, place = placeOf(where)) {
  const [recorded, rows] = [await execute(recordedKeys(), where), await execute(countRows(), where)];
  return { ...(await place.read()), recorded, rows };
}
