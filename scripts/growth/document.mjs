// Tables in docs/, each between two comments that name it.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../setup/repository.mjs";
import { Failure } from "../terminal/failure.mjs";

export const DOCUMENT = "docs/growth.md";

/** A table in Markdown: the names of its columns, then its rows. */
export function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** `text` with the part called `name` replaced. */
export function withPart(text, name, part) {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Failure(`${DOCUMENT} has no place for "${name}": "${begin}" and "${end}".`);
  return `${text.slice(0, from + begin.length)}\n${part}\n${text.slice(to)}`;
}

/** Puts the parts into the document, by their names. */
export function write(parts) {
  const path = join(ROOT, DOCUMENT);
  let text = readFileSync(path, "utf8");
  for (const [name, part] of Object.entries(parts)) text = withPart(text, name, part);
  writeFileSync(path, text);
}
