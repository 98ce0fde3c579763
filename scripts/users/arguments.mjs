// The command line of `npm run users`, read and judged.
import { parseArgs } from "node:util";
import { Failure } from "../terminal/failure.mjs";
import { asksForHelp } from "../terminal/help.mjs";

export const USAGE = `What is stored of a person, and what support does about it.

  npm run users -- show USER
  npm run users -- unlock USER [--authenticator ID]
  npm run users -- reset USER --yes
  npm run users -- remove USER --yes

  USER     {issuer's name}|{sub}, in quotes: "idp|42"
  show     authenticators, those that wait for their first code, the recovery code, and guesses; no secret or address
  unlock   lets the authenticators that too many wrong codes have disabled in again (--authenticator: that one alone), and
           gives the user's own guesses back. Those of a client address or of a number come back by themselves, within an
           hour; the event says which were used up
  reset    for people who have lost everything: removes all authenticators, pending ones, codes under way and the recovery
           code. Whoever passes the first factor then adds the next authenticator. The address for notices stays, so that
           the person hears of it; where somebody else has set it (show tells when), use remove
  remove   deletes everything that is stored of them, and says how much that was
  --yes    what these two remove cannot be brought back
  --remote the deployed database; without, the local one of npm start (--persist-to DIR says where that is)`;

const WHERE = { remote: { type: "boolean" }, "persist-to": { type: "string" } };
const OPTIONS = {
  show: {},
  unlock: { authenticator: { type: "string" } },
  reset: { yes: { type: "boolean" } },
  remove: { yes: { type: "boolean" } },
};

/**
 * @param {string[]} args what follows `npm run users --`
 * @returns {{ command: string, user?: string, authenticator?: string, where?: object }}
 */
export function readArguments(args) {
  if (asksForHelp(args)) return { command: "help" };
  const [command, ...rest] = args;
  const options = Object.hasOwn(OPTIONS, command ?? "") ? OPTIONS[command] : undefined;
  if (!options) throw new Failure(command ? `There is no command "${command}".\n\n${USAGE}` : USAGE);
  const { values, positionals } = parse(rest, { ...options, ...WHERE });
  if (positionals.length !== 1) throw new Failure(`${command} takes one user, such as "idp|42", in quotes.`);
  if (values.remote && values["persist-to"])
    throw new Failure("--persist-to is about the local database: leave it out with --remote.");
  const [user] = positionals;
  // The names of TRUSTED_ISSUERS; a subject may be anything.
  if (!/^[a-z0-9][a-z0-9_-]{0,31}\|./s.test(user))
    throw new Failure(`"${user}" is not a user: write the issuer's name, "|" and the sub, such as "idp|42".`);
  if (options.yes && !values.yes)
    throw new Failure(`${command} cannot be undone: \`npm run users -- show\` says what there is, --yes does it.`);
  const { remote, "persist-to": persistTo, authenticator } = values;
  return { command, user, authenticator, where: { remote, persistTo } };
}

function parse(args, options) {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new Failure(`${error.message.split(". ")[0]}.`);
  }
}
