// Values in SQL text. `wrangler d1 execute` takes no parameters, so values become literals, all of them here.
import { Failure } from "./terminal/failure.mjs";

/** A value as an SQL literal. */
export function literal(value) {
  if (value === null) return "NULL";
  if (typeof value === "number" && Number.isSafeInteger(value)) return String(value);
  if (typeof value !== "string") throw new TypeError("only texts, whole numbers and null can be written into SQL");
  // SQLite's text ends at a NUL in some places and not in others.
  if (value.includes("\0")) throw new Failure("A value must not contain the character NUL.");
  return `'${value.replaceAll("'", "''")}'`;
}
