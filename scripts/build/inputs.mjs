// What a build was made from, written down beside it, so that the next one can tell that nothing has changed.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { ROOT } from "../setup/repository.mjs";

// What decides about every build: versions, and how it is done.
const ALWAYS = ["Cargo.toml", "Cargo.lock", "package-lock.json", "scripts/build/worker.mjs"];

/**
 * Whether what the record names is as it was.
 *
 * @param {string} record the file that `writeInputs` wrote
 * @param {Record<string, string>} settings whatever else decides about the outcome: versions, flags
 */
export function inputsUnchanged(record, settings) {
  if (!existsSync(record)) return false;
  const made = JSON.parse(readFileSync(record, "utf8"));
  return (
    JSON.stringify(made.settings) === JSON.stringify(settings) &&
    Object.entries(made.files).every(([path, digest]) => digestOf(path) === digest)
  );
}

/**
 * Writes the record. The files are those that the compiler read, by its own account (`dependencies` is its .d file):
 * what is included from outside src/ counts, too. `others` are read by what comes after it.
 */
export function writeInputs(record, settings, dependencies, others) {
  const paths = [...ALWAYS, ...others, ...filesRead(readFileSync(dependencies, "utf8"))];
  const files = Object.fromEntries([...new Set(paths)].sort().map((path) => [path, digestOf(path)]));
  writeFileSync(record, `${JSON.stringify({ settings, files }, null, 2)}\n`);
}

/** The files that a .d file lists, relative to the repository. */
export function filesRead(makefile) {
  const [rule] = makefile.split("\n");
  const listed = rule.slice(rule.indexOf(": ") + 2);
  return listed
    .split(/(?<!\\) /)
    .filter(Boolean)
    .map((path) => relative(ROOT, resolve(ROOT, path.replaceAll("\\ ", " "))));
}

function digestOf(path) {
  const whole = join(ROOT, path);
  return existsSync(whole) ? createHash("sha256").update(readFileSync(whole)).digest("base64url") : "absent";
}
