// .dev.vars: the keys of local development. Made once, never overwritten; only missing names are added.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freshEncryptionKeys, freshSigningKey } from "../keys/fresh.mjs";
import { skipped } from "../terminal/step.mjs";
import { ROOT } from "./repository.mjs";

const MAKERS = { ENCRYPTION_KEYS: freshEncryptionKeys, SIGNING_KEY_1: freshSigningKey };
const HEADER = "# Keys of local development, made by `npm start`. Git ignores this file; nothing here is for a deployment.\n";

/** Adds the names that .dev.vars lacks. */
export function makeDevelopmentKeys() {
  const path = join(ROOT, ".dev.vars");
  const before = existsSync(path) ? readFileSync(path, "utf8") : "";
  const after = withMissingKeys(before);
  if (after === before) return skipped("Development keys in .dev.vars", "there");
  writeFileSync(path, after, { mode: 0o600 });
  skipped("Development keys in .dev.vars", before ? "missing names added" : "made");
}

/** The file's content with the missing names at its end; the same content where none is missing. */
export function withMissingKeys(content) {
  const missing = Object.entries(MAKERS).filter(([name]) => !new RegExp(`^\\s*(export\\s+)?${name}\\s*=`, "m").test(content));
  if (missing.length === 0) return content;
  const begin = content === "" ? HEADER : content.replace(/\n?$/, "\n");
  return begin + missing.map(([name, make]) => `${name}='${make()}'\n`).join("");
}
