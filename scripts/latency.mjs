// `npm run latency`: what each request costs a person who is far from the database. Holds every round trip of the deploy
// build back by 50, 150 and 300 ms, asks everything, and writes what came of it into docs/growth.md.
//
//   npm run latency -- --rounds 3      asks less often
//   npm run latency -- --dry-run       writes nothing
import { parseArgs } from "node:util";
import { buildWorker } from "./build/worker.mjs";
import { DOCUMENT, table, write } from "./growth/document.mjs";
import { askEverything } from "./growth/requests.mjs";
import { MeasuringStage } from "./growth/stage.mjs";
import { Failure, runMain } from "./terminal/failure.mjs";
import { step } from "./terminal/step.mjs";
import { quantile } from "./timing/statistics.mjs";

const MILLISECONDS = [0, 50, 150, 300];
/** The first request of an isolate that has its issuer's keys from KV. */
const COLD = "associate, app, the first of an isolate";
/** Clients and origins are read from the nearest copy. */
const FAR = "^(?!SELECT id, version, authentication|SELECT DISTINCT value AS origin)";

await runMain(async () => {
  const { rounds, dryRun } = options();
  await buildWorker("deploy");
  const roundTrips = new Map();
  const taken = new Map();
  const note = (name, milliseconds) => taken.set(name, [...(taken.get(name) ?? []), milliseconds]);
  for (const milliseconds of MILLISECONDS) {
    await step(`Ask everything, ${milliseconds} ms from the database`, `${rounds} times`, async () => {
      // An isolate for each first request, and one for all others.
      const stage = await MeasuringStage.set({ isolates: rounds + 1 });
      try {
        await askEverything(stage, async (_, ask) => ask());
        await askEverything(stage, async (name, ask) => {
          const { result, roundTrips: all } = await stage.world.cost(ask);
          roundTrips.set(name, all.length);
          return result;
        });
        for (let round = 0; round < rounds; round += 1) {
          const measured = async (name, ask) => {
            // Not while what stands between two requests happens, such as the sending of a code.
            await stage.world.fail({ on: "DB", mode: "slow", milliseconds, times: 1e9, matching: FAR });
            const response = await ask();
            note(`${milliseconds} ${name}`, stage.door.milliseconds);
            await stage.world.heal();
            return response;
          };
          await askEverything(stage, measured);
          const person = stage.person();
          const token = person.mfaToken();
          const response = await measured(COLD, () => person.associateOtp({ token, isolate: round + 1 }));
          if (response.status !== 200) throw new Failure(`The first request of an isolate was answered ${response.status}.`);
        }
      } finally {
        await stage.clear();
      }
    });
  }
  roundTrips.set(COLD, "1, and 1 to the nearest copy");
  const head = ["request", "round trips", ...MILLISECONDS.map((each) => `${each} ms away`)];
  const rows = [...roundTrips].map(([name, count]) => [
    name,
    count,
    ...MILLISECONDS.map((each) => Math.round(quantile(taken.get(`${each} ${name}`), 0.5))),
  ]);
  const part = table(head, rows);
  console.log(`\n${part}`);
  if (dryRun) return;
  write({ latency: part });
  console.log(`\nWritten into ${DOCUMENT}.`);
});

function options() {
  try {
    const { values } = parseArgs({
      options: { rounds: { type: "string", default: "9" }, "dry-run": { type: "boolean" } },
    });
    const rounds = Number(values.rounds);
    if (!(Number.isInteger(rounds) && rounds > 0)) throw new Error("--rounds takes a whole number above 0");
    return { rounds, dryRun: values["dry-run"] };
  } catch (error) {
    throw new Failure(`${error.message}.`);
  }
}
