// The command line of `npm run clients`, read but not yet judged.
import { parseArgs } from "node:util";
import { Failure } from "../terminal/failure.mjs";
import { asksForHelp } from "../terminal/help.mjs";

export const USAGE = `Who may call Countersign.

  npm run clients -- add --name NAME --auth none|post|basic|private_key_jwt [--id ID] [--secret SECRET]
      [--jwks FILE | --jwks-uri URL] [--origin URL]… [--issuer NAME]… [--audience URL [--scope "a b"]]…
      [--grant GRANT]… [--factor FACTOR]… [--policy JSON] [--require-authentication]
  npm run clients -- update ID [what add takes, but for --auth, --id and --secret; --require-authentication yes|no]
  npm run clients -- list
  npm run clients -- show ID
  npm run clients -- rotate-secret ID [--keep-hours HOURS] [--lost | --force] [--secret SECRET]
  npm run clients -- remove ID --yes

  --origin      where its pages are served from, for CORS
  --issuer      a trusted issuer whose tokens may name it; without, all of them may
  --audience    an API its tokens may be for, the first one being the default; --scope says what they may carry there
  --grant       a grant it may use: mfa-otp, mfa-oob, mfa-recovery-code, token-exchange; without, all of them
  --factor      a factor its people may enroll and use: otp, sms, voice, email, recovery-code; without, all that are on
  --policy      when a second factor is demanded of its people, written as POLICY is; without, POLICY decides
  --secret      one that you bring along, in hexadecimal. npm shows what stands on a command line, and logs of CI keep it:
                with --secret - it is read from standard input
  --keep-hours  how long the secret before stays valid (24)
  --lost        the last secret was lost before anybody used it: a new one takes its place, and the one before stays valid
  --force       rotates though a secret from before the last rotation is still valid: that one ends at once
  --yes         what remove removes cannot be brought back
  update        replaces what is named and leaves the rest; an empty value ("") clears
  --remote      the deployed database; without, the local one of npm start (--persist-to DIR says where that is)`;

const WHERE = { remote: { type: "boolean" }, "persist-to": { type: "string" } };
const SETTINGS = {
  name: { type: "string" },
  jwks: { type: "string" },
  "jwks-uri": { type: "string" },
  origin: { type: "string", multiple: true },
  issuer: { type: "string", multiple: true },
  audience: { type: "string", multiple: true },
  scope: { type: "string", multiple: true },
  grant: { type: "string", multiple: true },
  factor: { type: "string", multiple: true },
  policy: { type: "string" },
};
const OPTIONS = {
  add: {
    ...SETTINGS,
    auth: { type: "string" },
    id: { type: "string" },
    secret: { type: "string" },
    "require-authentication": { type: "boolean" },
  },
  update: { ...SETTINGS, "require-authentication": { type: "string" } },
  list: {},
  show: {},
  "rotate-secret": {
    "keep-hours": { type: "string" },
    lost: { type: "boolean" },
    force: { type: "boolean" },
    secret: { type: "string" },
  },
  remove: { yes: { type: "boolean" } },
};
const TAKES_ID = ["update", "show", "rotate-secret", "remove"];

/**
 * @param {string[]} args what follows `npm run clients --`
 * @returns {{ command: string, id?: string, given?: object, audiences?: { audience: string, scopes: string[] }[], where?: object }}
 */
export function readArguments(args) {
  if (asksForHelp(args)) return { command: "help" };
  const [command, ...rest] = args;
  const options = Object.hasOwn(OPTIONS, command ?? "") ? OPTIONS[command] : undefined;
  if (!options) throw new Failure(command ? `There is no command "${command}".\n\n${USAGE}` : USAGE);
  const { values, positionals, tokens } = parse(rest, { ...options, ...WHERE });
  const takesId = TAKES_ID.includes(command);
  if (positionals.length !== (takesId ? 1 : 0)) {
    throw new Failure(takesId ? `${command} takes the id of one client.` : `${command} takes no "${positionals[0]}".`);
  }
  if (values.remote && values["persist-to"])
    throw new Failure("--persist-to is about the local database: leave it out with --remote.");
  if (command === "remove" && !values.yes)
    throw new Failure("remove cannot be undone: `npm run clients -- show` says what there is, --yes does it.");
  if (values.lost && values.force)
    throw new Failure("--lost keeps the secret from before the last rotation, and --force ends it: give one of them.");
  const { remote, "persist-to": persistTo, ...given } = values;
  return {
    command,
    id: positionals[0],
    given,
    audiences: withTheirScopes(tokens),
    where: { remote, persistTo },
  };
}

function parse(args, options) {
  try {
    return parseArgs({ args, options, allowPositionals: true, tokens: true });
  } catch (error) {
    throw new Failure(`${error.message.split(". ")[0]}.`);
  }
}

// Each --scope belongs to the --audience before it.
function withTheirScopes(tokens) {
  const audiences = [];
  for (const token of tokens) {
    if (token.name === "audience") audiences.push({ audience: token.value, scopes: [] });
    if (token.name !== "scope") continue;
    if (audiences.length === 0) throw new Failure("--scope must follow the --audience that it is about.");
    audiences.at(-1).scopes.push(...token.value.split(/\s+/).filter(Boolean));
  }
  return audiences;
}
