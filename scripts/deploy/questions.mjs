// What only the operator knows.
import { createInterface } from "node:readline/promises";
import { REQUIRED } from "../configuration/variables.mjs";
import { Failure } from "../terminal/failure.mjs";

const QUESTIONS = {
  PUBLIC_URL: "Where will clients reach it, e.g. https://mfa.example.com? ",
  TENANT_NAME: "Which name shall authenticator apps show? ",
  TRUSTED_ISSUERS: "Whose mfa_tokens does it trust: the issuer's URL, or the JSON of TRUSTED_ISSUERS? ",
};

/** The variables, complete: asks for what is missing, where there is somebody to ask. */
export async function askForMissing(variables) {
  const missing = REQUIRED.filter((name) => !variables[name]);
  if (missing.length === 0) return variables;
  if (!process.stdin.isTTY) throw new Failure(`Set ${missing.join(", ")} in the environment: nobody is here to be asked.`);
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const answers = {};
    for (const name of missing) answers[name] = (await terminal.question(QUESTIONS[name])).trim();
    return completed({ ...variables, ...answers });
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
