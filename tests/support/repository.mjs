/** Where things are, and what the deployed Worker's configuration says. */
import { readFileSync } from "node:fs";

/** The root of the repository, as a file URL with a slash at its end. */
export const REPOSITORY = new URL("../../", import.meta.url);

/** The compatibility date and flags of wrangler.toml, so that the tests run on what is deployed. */
export function compatibility() {
  const toml = readFileSync(new URL("wrangler.toml", REPOSITORY), "utf8");
  const date = /^compatibility_date\s*=\s*"([^"]+)"/m.exec(toml)?.[1];
  if (!date) throw new Error("wrangler.toml names no compatibility_date");
  const flags = /^compatibility_flags\s*=\s*(\[[^\]]*\])/m.exec(toml)?.[1] ?? "[]";
  return { compatibilityDate: date, compatibilityFlags: JSON.parse(flags) };
}
