// What operators do by command is told as an event, by the Worker: the transaction of each command leaves a row, which the
// next sweep tells of and deletes.
import { hostname, userInfo } from "node:os";
import { literal } from "./sql.mjs";

const LONGEST_NAME = 100;

/**
 * The SQL of one command, before whose statements a row is left that tells of it.
 *
 * @param {{ command: string, user?: string, client?: string, detail?: string }} act the command, such as "users reset", and
 *   whom or what it is about
 * @param {{ at: number, operator: string }} by when (seconds since 1970) and by whom
 * @param {string[]} statements what the command does
 * @param {string[]} [existing] queries: nothing is recorded where none of them finds anything, since then the command
 *   does nothing
 */
export function recorded(act, by, statements, existing) {
  return [recordAct(act, by, existing), ...statements].join(";\n");
}

function recordAct({ command, user = null, client = null, detail = null }, { at, operator }, existing) {
  const values = [at, command, operator, user, client, detail].map(literal).join(", ");
  // One by one: D1 takes few terms in a UNION.
  const condition = existing ? ` WHERE ${existing.map((query) => `EXISTS (${query})`).join(" OR ")}` : "";
  return `INSERT INTO operator_acts (at, command, operator, user_id, client_id, detail) SELECT ${values}${condition}`;
}

/** Now, and who runs the command: COUNTERSIGN_OPERATOR, else the account on this machine. Nobody checks either. */
export function byWhom(env = process.env) {
  const operator = env.COUNTERSIGN_OPERATOR || `${account()}@${hostname()}`;
  return { at: Math.floor(Date.now() / 1000), operator: operator.slice(0, LONGEST_NAME) };
}

function account() {
  try {
    return userInfo().username;
  } catch {
    return "unknown"; // a container whose user has no name
  }
}
