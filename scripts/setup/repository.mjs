// Where things are.
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The root of the repository. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url)).replace(/[/\\]$/, "");

/** The programs that npm packages bring. */
export const PACKAGE_PROGRAMS = join(ROOT, "node_modules", ".bin");

/** A program of an npm package. */
export const packageProgram = (name) => join(PACKAGE_PROGRAMS, name);

/** The user's cache of built tools, shared by all checkouts. */
export function toolCache(environment = process.env) {
  const home = environment.XDG_CACHE_HOME || join(homedir(), ".cache");
  return resolve(environment.COUNTERSIGN_CACHE || join(home, "countersign"));
}

/** A path that somebody typed: npm runs scripts in the repository's root, wherever it was called. */
export const fromCaller = (path) => resolve(process.env.INIT_CWD ?? process.cwd(), path);
