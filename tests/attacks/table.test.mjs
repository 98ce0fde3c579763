/** The table of README.md is held to the tests, and the tests to the table. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const own = readdirSync(new URL(".", import.meta.url)).filter((file) => file.endsWith(".test.mjs") && file !== "table.test.mjs");

/** The names of the tests in a file. */
function namesIn(file) {
  const named = file.endsWith(".rs")
    ? /#\[test\]\s*fn ()(\w+)\(/g
    : /^\s*(?:test|test\.each\([\s\S]*?\))\(\s*(["`])((?:\\.|(?!\1).)*)\1,\s*(?:async )?\(/gm;
  return [...read(file).matchAll(named)].map(([, , name]) => name);
}

const rows = [...read("README.md").matchAll(/^\| (.+) \| `([^`]+)` › (.+) \|$/gm)].map(([, attack, file, name]) => ({
  attack,
  file,
  name: name.replaceAll("&#124;", "|"),
}));

test("each attack names a test that exists", () => {
  expect(rows.length).toBeGreaterThan(130);
  const names = Object.fromEntries([...new Set(rows.map(({ file }) => file))].map((file) => [file, namesIn(file)]));
  expect(rows.filter(({ file, name }) => !names[file].includes(name))).toEqual([]);
});

test("each claim of SECURITY.md names a test that exists", () => {
  const claims = [...read("../../SECURITY.md").matchAll(/^\| .+ \| `(tests\/[^`]+)` › (.+) \|$/gm)];
  expect(claims.length).toBeGreaterThan(40);
  const unknown = claims.filter(([, file, name]) => !namesIn(`../../${file}`).includes(name));
  expect(unknown.map(([, file, name]) => `${file} › ${name}`)).toEqual([]);
});

test("each row of the tables is read, and none is there twice", () => {
  const written = read("README.md")
    .split("\n")
    .filter((line) => line.startsWith("| ") && line.includes("›"));
  expect(rows).toHaveLength(written.length);
  const listed = rows.map(({ file, name }) => `${file} ${name}`);
  expect(listed.filter((each, index) => listed.indexOf(each) !== index)).toEqual([]);
});

test("each test here, and of the vectors, shows an attack", () => {
  const listed = rows.map(({ file, name }) => `${file} ${name}`);
  const all = [...own, "../../src/trust/vectors.rs"].flatMap((file) => namesIn(file).map((name) => `${file} ${name}`));
  expect(all.filter((each) => !listed.includes(each))).toEqual([]);
});

test("no test here escapes the reading of names", () => {
  for (const file of own) {
    const written = [...read(file).matchAll(/^\s*test(?:\.each\b|\()/gm)].length;
    expect({ file, names: namesIn(file).length }).toEqual({ file, names: written });
  }
});
