// What only the operator knows.
import { createInterface } from "node:readline/promises";
import { REQUIRED } from "../configuration/variables.mjs";
import { Failure } from "../terminal/failure.mjs";
import { step } from "../terminal/step.mjs";

const QUESTIONS = {
  PUBLIC_URL: "Where will clients reach it, e.g. https://mfa.example.com? ",
  TENANT_NAME: "Which name shall authenticator apps show? ",
  TRUSTED_ISSUERS: "Whose mfa_tokens does it trust: the issuer's URL, or the JSON of TRUSTED_ISSUERS? ",
};

/**
 * The variables, complete: asks for what is missing, where there is somebody to ask. An answer that is wrong is asked for
 * again, with the others kept.
 *
 * @param {Record<string, string>} variables
 * @param {(name: string, variables: Record<string, string>) => Promise<string | undefined>} problemOf what is wrong with one
 * @param {{ input: NodeJS.ReadStream, output: NodeJS.WriteStream }} [streams]
 */
export async function askForMissing(variables, problemOf, { input, output } = { input: process.stdin, output: process.stdout }) {
  const missing = REQUIRED.filter((name) => !variables[name]);
  if (missing.length === 0) return variables;
  if (!input.isTTY) throw new Failure(`Set ${missing.join(", ")} in the environment: nobody is here to be asked.`);
  // The check is built here, so that nobody waits for it between two questions.
  await step("Prepare the check of the answers", "a minute the first time", async () => {
    await problemOf(missing[0], variables);
  });
  const terminal = createInterface({ input, output, terminal: true });
  // Ctrl-D leaves a question open for ever; Ctrl-C ends it in an error of readline's own.
  const left = new Promise((_, reject) => {
    terminal.once("close", () => reject(new Failure("\nNothing was deployed: not all questions were answered.")));
  });
  const ask = async (question) => await terminal.question(question);
  try {
    let known = variables;
    for (const name of missing) {
      for (let problem = ""; problem !== undefined; ) {
        const answer = await Promise.race([left, ask(`${problem}${QUESTIONS[name]}`).catch(() => left)]);
        const answered = completed({ ...known, [name]: answer.trim() });
        problem = await problemOf(name, answered);
        if (problem === undefined) known = answered;
        else problem += "\n";
      }
    }
    return known;
  } finally {
    terminal.close();
  }
}

/** A lone URL stands for the one issuer that signs mfa_tokens. */
export function completed(variables) {
  const { TRUSTED_ISSUERS: issuers } = variables;
  if (!issuers || !URL.canParse(issuers)) return variables;
  return {
    ...variables,
    TRUSTED_ISSUERS: JSON.stringify([{ name: "idp", issuer: issuers, may: ["mfa_token"] }]),
  };
}
