// `npm run keys`: replaces keys step by step, so that nothing is refused meanwhile.
import { execute } from "./database.mjs";
import { readArguments } from "./keys/arguments.mjs";
import { freshSecret } from "./keys/fresh.mjs";
import { placeOf } from "./keys/places.mjs";
import { KINDS, nextStep, plan, standing, Unrecorded } from "./keys/rotation.mjs";
import { countRows, forget, recordAdded, recordedKeys, recordUsed } from "./keys/statements.mjs";
import { runMain } from "./terminal/failure.mjs";

const commands = { status, rotate };

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
  const now = Math.floor(Date.now() / 1000);
  let change;
  try {
    change = plan(kind, step, state, now);
  } catch (error) {
    if (error instanceof Unrecorded) await record(kind, step, state, now, where);
    throw error;
  }
  const secrets = change.make.map((name) => ({ name, value: freshSecret(name) }));
  // The receiver has to be told; nobody needs to know the others. Before it is deployed: nobody can read it after.
  if (kind === "webhook") for (const { name, value } of secrets) console.log(`${name}  ${value}`);
  await place.change({ secrets, variables: change.variables, remove: change.remove });
  for (const { name } of secrets) await execute(recordAdded(name, now), where);
  if (step === "use") {
    const { active } = standing(kind, { ...state, variables: { ...state.variables, ...change.variables } });
    await execute(recordUsed(active, now), where);
  }
  for (const name of change.remove) await execute(forget(name), where);
  console.log(change.told);
  if (place.after) console.log(place.after);
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

function isOf(kind, name) {
  const { first, prefix } = KINDS[kind];
  return name === first || name.startsWith(prefix);
}
