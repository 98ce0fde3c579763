// What is served of openapi.yaml: /openapi.json for machines, /docs for people. Made with every build, never committed.
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { ROOT } from "../setup/repository.mjs";
import { reference } from "./reference.mjs";

/** The description, with its YAML aliases resolved and its references kept. */
export const readDescription = () => parse(readFileSync(join(ROOT, "openapi.yaml"), "utf8"));

/** Writes both files where they are missing or out of date. */
export function writeOpenApi() {
  const description = readDescription();
  const style = readFileSync(join(ROOT, "src", "development", "page", "page.css"), "utf8");
  put("openapi.json", `${JSON.stringify(description)}\n`);
  put("docs.html", reference(description, style));
}

// At once, because two builds may do it at the same time, and only where needed, because wrangler watches the folder.
function put(name, text) {
  const path = join(ROOT, "public", name);
  if (existsSync(path) && readFileSync(path, "utf8") === text) return;
  const next = `${path}.${process.pid}`;
  writeFileSync(next, text);
  renameSync(next, path);
}
