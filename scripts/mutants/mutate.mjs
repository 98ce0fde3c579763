// Puts a mutant into a copy of the sources, and takes it back.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../terminal/failure.mjs";

/**
 * Does the work while the mutant stands in the tree, and takes it back.
 *
 * @param {string} folder
 * @param {import("./list.mjs").Mutant} mutant
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 * @template T
 */
export async function mutated(folder, mutant, work) {
  const path = join(folder, mutant.file);
  const original = readFileSync(path, "utf8");
  writeFileSync(path, mutate(original, mutant));
  try {
    return await work();
  } finally {
    writeFileSync(path, original);
  }
}

/** The source with the mutant in it. The text must stand there exactly once: else the list is out of date. */
export function mutate(source, { name, file, text, replacement }) {
  const pieces = source.split(text);
  if (pieces.length !== 2) {
    const times = pieces.length - 1;
    throw new Failure(
      `The list of mutants is out of date: "${name}" must find its text once in ${file}, and finds it ${times} times.`,
    );
  }
  return pieces.join(replacement);
}
