// The command line of `npm run templates`, read and judged as far as no words are needed for it.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { fromCaller } from "../setup/repository.mjs";
import { Failure } from "../terminal/failure.mjs";
import { asksForHelp } from "../terminal/help.mjs";

export const MESSAGES = [
  "code",
  "authenticator_added",
  "authenticator_removed",
  "recovery_code_used",
  "guesses_locked",
  "guessing_suspected",
  "authenticator_disabled",
];
export const CHANNELS = ["sms", "voice", "email"];

export const USAGE = `What people read and hear, in your own words.

  npm run templates -- set --message MESSAGE --channel CHANNEL --language TAG
      --text TEXT | --text-file FILE [--subject TEXT] [--html-file FILE]
  npm run templates -- check [what set takes]
  npm run templates -- list
  npm run templates -- show --message MESSAGE --channel CHANNEL --language TAG
  npm run templates -- remove --message MESSAGE --channel CHANNEL --language TAG

  --message   ${MESSAGES.join(", ")}
  --channel   ${CHANNELS.join(", ")}; notices go by sms and email
  --language  its tag, such as it or pt-BR
  --text      what is read, or read out. Places: {{tenant}}; {{code}} and {{minutes}} of a code; {{method}} of a notice
              about an authenticator. Text messages get the line by which phones fill the code in
  --subject   of mail, without the code
  --html-file of mail; without, the text is made into HTML
  check       says what is wrong and shows what a person would get; set does so before it stores anything
  --remote    the deployed database; without, the local one of npm start (--persist-to DIR says where that is)`;

const WHERE = { remote: { type: "boolean" }, "persist-to": { type: "string" } };
const WHICH = { message: { type: "string" }, channel: { type: "string" }, language: { type: "string" } };
const WORDS = {
  ...WHICH,
  text: { type: "string" },
  "text-file": { type: "string" },
  subject: { type: "string" },
  "html-file": { type: "string" },
};
const OPTIONS = { set: WORDS, check: WORDS, list: {}, show: WHICH, remove: WHICH };

/**
 * @param {string[]} args what follows `npm run templates --`
 * @returns {{ command: string, template?: object, where?: object }}
 */
export function readArguments(args) {
  if (asksForHelp(args)) return { command: "help" };
  const [command, ...rest] = args;
  const options = Object.hasOwn(OPTIONS, command ?? "") ? OPTIONS[command] : undefined;
  if (!options) throw new Failure(command ? `There is no command "${command}".\n\n${USAGE}` : USAGE);
  const { values, positionals } = parse(rest, { ...options, ...WHERE });
  if (positionals.length > 0) throw new Failure(`${command} takes no "${positionals[0]}".`);
  if (values.remote && values["persist-to"])
    throw new Failure("--persist-to is about the local database: leave it out with --remote.");
  const { remote, "persist-to": persistTo, ...given } = values;
  const template = options === WORDS ? wordsOf(given) : options === WHICH ? which(given) : undefined;
  return { command, template, where: { remote, persistTo } };
}

function parse(args, options) {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new Failure(`${error.message.split(". ")[0]}.`);
  }
}

/** Which template is meant. */
function which({ message, channel, language }) {
  const one = (name, value, known) => {
    if (value === undefined) throw new Failure(`--${name} is missing: ${known.join(", ")}.`);
    if (!known.includes(value)) throw new Failure(`--${name} must be one of ${known.join(", ")}.`);
    return value;
  };
  one("message", message, MESSAGES);
  one("channel", channel, CHANNELS);
  if (message !== "code" && channel === "voice") throw new Failure("Notices go by sms and email.");
  if (!/^[a-z\d]{1,8}(?:-[a-z\d]{1,8})*$/i.test(language ?? "") || language.length > 35)
    throw new Failure("--language must be a language's tag, such as it or pt-BR.");
  return { message, channel, language };
}

function wordsOf(given) {
  const { text, "text-file": textFile, subject, "html-file": htmlFile } = given;
  if ((text === undefined) === (textFile === undefined)) throw new Failure("Give either --text or --text-file.");
  return {
    ...which(given),
    subject: subject ?? null,
    text: text ?? fileText(textFile),
    html: htmlFile === undefined ? null : fileText(htmlFile),
  };
}

/** A file's text, with the ends of lines that everybody reads. */
function fileText(path) {
  try {
    return readFileSync(fromCaller(path), "utf8").replaceAll("\r\n", "\n").trimEnd();
  } catch (error) {
    throw new Failure(`${path} cannot be read (${error.code}).`);
  }
}
