/** The table of README.md is held to the tests, and the tests to the table. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const own = readdirSync(new URL(".", import.meta.url)).filter((file) => file.endsWith(".test.mjs") && file !== "table.test.mjs");

/** The names of the tests in a file. */
function namesIn(file) {
  const named = /^\s*(?:test|test\.each\([\s\S]*?\))\(\s*(["`])((?:\\.|(?!\1).)*)\1,\s*(?:async )?\(/gm;
  return [...read(file).matchAll(named)].map(([, , name]) => name);
}

const rows = [...read("README.md").matchAll(/^\| (.+) \| (.+) \| `([^`]+)`(?: › (.+))? \|$/gm)].map(
  ([, requirement, source, file, named]) => ({ source, file, name: named ?? requirement.replaceAll("&#124;", "|") }),
);

test("each row names a test that exists", () => {
  expect(rows.length).toBeGreaterThan(100);
  const names = Object.fromEntries([...new Set(rows.map(({ file }) => file))].map((file) => [file, namesIn(file)]));
  expect(rows.filter(({ file, name }) => !names[file].includes(name))).toEqual([]);
});

test("each test here has a row, and no row is there twice", () => {
  const listed = rows.map(({ file, name }) => `${file} ${name}`);
  expect(own.flatMap((file) => namesIn(file).map((name) => `${file} ${name}`)).filter((each) => !listed.includes(each))).toEqual(
    [],
  );
  expect(listed.filter((each, index) => listed.indexOf(each) !== index)).toEqual([]);
});

test("no test here escapes the reading of names", () => {
  for (const file of own) {
    const written = [...read(file).matchAll(/^\s*test(?:\.each\b|\()/gm)].length;
    expect({ file, names: namesIn(file).length }).toEqual({ file, names: written });
  }
});

test("each source exists: section, statement, or a specification's section", () => {
  const sources = statements(read("../../docs/contract.md"));
  const specification = /^(?:RFC \d{4}|OpenID Connect [A-Z][a-z]+ 1\.0), (?:section \d+(?:\.\d+)*|appendix [A-Z])$/;
  expect(sources.filter((source) => !source.includes("(")).length).toBeGreaterThan(40);
  expect(sources.length).toBeGreaterThan(200);
  const cited = rows.flatMap(({ source }) => source.split("; "));
  expect(cited.filter((source) => !sources.includes(source) && !specification.test(source))).toEqual([]);
});

/** What can be cited of the contract: "2.1" is a section, "2.1 (3)" the statement with that number. */
function statements(contract) {
  const all = [];
  for (const line of contract.split("\n")) {
    const [, section] = /^#{2,3} (\d+(?:\.\d+)?) /.exec(line) ?? [];
    const [, number] = /^(\d+)\. /.exec(line) ?? [];
    if (section) all.push(section);
    if (number) all.push(`${all.findLast((each) => !each.includes("("))} (${number})`);
  }
  return all;
}
