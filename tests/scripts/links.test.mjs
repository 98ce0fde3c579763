/** Links between the pages of the repository lead somewhere. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { REPOSITORY } from "../support/repository.mjs";

const ROOT = fileURLToPath(REPOSITORY);
const isOurs = (path) => !/(^|\/)(node_modules|target|\.[^/]+)(\/|$)/.test(path);
const pages = readdirSync(ROOT, { recursive: true }).filter((path) => path.endsWith(".md") && isOurs(path));
const read = (path) => readFileSync(join(ROOT, path), "utf8");

/** The anchors that GitHub makes of a page's headings. */
const anchors = (path) =>
  [...read(path).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_\- ]/gu, "")
      .replaceAll(" ", "-"),
  );

/** The links of a page to other pages, files and headings: [as written, file, anchor]. */
function* links(path) {
  for (const [, link] of read(path).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(link)) continue;
    const [file, anchor] = link.split("#");
    yield [link, file === "" ? path : normalize(join(dirname(path), file)), anchor];
  }
}

test.each(pages)("%s", (page) => {
  for (const [link, file, anchor] of links(page)) {
    expect(statSync(join(ROOT, file), { throwIfNoEntry: false }), link).toBeDefined();
    if (anchor !== undefined) expect(anchors(file), link).toContain(anchor);
  }
});

test("there are pages, and links in them", () => {
  expect(pages).toEqual(expect.arrayContaining(["README.md", "docs/configuration.md", "tests/faults/README.md"]));
  expect([...links("README.md")].length).toBeGreaterThan(5);
});
