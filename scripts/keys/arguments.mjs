// The command line of `npm run keys`, read and judged.
import { parseArgs } from "node:util";
import { Failure } from "../terminal/failure.mjs";
import { asksForHelp } from "../terminal/help.mjs";
import { KINDS, STEPS } from "./rotation.mjs";

export const USAGE = `Keys are replaced in steps, so that nothing is refused meanwhile.

  npm run keys -- status
  npm run keys -- rotate encryption|signing|webhook [--step add|use|drop]

  status   which keys there are, and how many rows need each
  add      a new key beside the old ones, known to all before it is used
  use      from now on the new key seals and hashes, or signs (webhook: both sign from the first step on)
  drop     takes the old key away, when nothing needs it any more
  --step   without, the step that is next. Each says how long to wait for the one after it
  --remote the deployed Worker and its database; without, .dev.vars and the database of npm start (--dev-vars FILE and
           --persist-to DIR say where those are). Each step but a webhook's drop deploys the code that is checked out, as
           npm run deploy does: check out the version that runs, unless it is to change

Clients' secrets: npm run clients -- rotate-secret`;

const WHERE = {
  remote: { type: "boolean" },
  "persist-to": { type: "string" },
  "dev-vars": { type: "string" },
};
const OPTIONS = { status: {}, rotate: { step: { type: "string" } } };

/**
 * @param {string[]} args what follows `npm run keys --`
 * @returns {{ command: string, kind?: string, step?: string, where?: object }}
 */
export function readArguments(args) {
  if (asksForHelp(args)) return { command: "help" };
  const [command, ...rest] = args;
  const options = Object.hasOwn(OPTIONS, command ?? "") ? OPTIONS[command] : undefined;
  if (!options) throw new Failure(command ? `There is no command "${command}".\n\n${USAGE}` : USAGE);
  const { values, positionals } = parse(rest, { ...options, ...WHERE });
  const { remote, "persist-to": persistTo, "dev-vars": devVars, step } = values;
  if (remote && (persistTo || devVars))
    throw new Failure("--persist-to and --dev-vars are about this machine: leave them out with --remote.");
  const [kind, ...more] = positionals;
  if (command === "status" && kind !== undefined) throw new Failure(`status takes no "${kind}".`);
  if (command === "rotate") {
    if (!Object.hasOwn(KINDS, kind ?? "") || more.length > 0)
      throw new Failure(`rotate takes one kind of keys: ${Object.keys(KINDS).join(", ")}.`);
    if (step !== undefined && !STEPS.includes(step)) throw new Failure(`--step must be one of ${STEPS.join(", ")}.`);
    if (step === "use" && !KINDS[kind].active)
      throw new Failure("Webhook secrets all sign: there is no step use, drop follows on add.");
  }
  return { command, kind, step, where: { remote, persistTo, devVars } };
}

function parse(args, options) {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new Failure(`${error.message.split(". ")[0]}.`);
  }
}
