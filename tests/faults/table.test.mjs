/** The tables of README.md are held to the tests, and the tests to the tables. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const own = readdirSync(new URL(".", import.meta.url)).filter((file) => file.endsWith(".test.mjs") && file !== "table.test.mjs");

/** The names of the tests in a file. */
function namesIn(file) {
  const named = file.endsWith(".rs")
    ? /#\[test\]\s*fn ()(\w+)\(/g
    : /^\s*(?:test|test\.each\([\s\S]*?\))\(\s*(["`])((?:\\.|(?!\1).)*)\1,/gm;
  return [...read(file).matchAll(named)].map(([, , name]) => name);
}

const rows = [...read("README.md").matchAll(/^\| (.+?) \|.*\| `([^`]+)` › (.+) \|$/gm)].map(([, fault, file, name]) => ({
  fault,
  file,
  name,
}));
const listed = rows.map(({ file, name }) => `${file} › ${name}`);

test("each fault names a test that exists", () => {
  expect(rows.length).toBeGreaterThan(45);
  const names = Object.fromEntries([...new Set(rows.map(({ file }) => file))].map((file) => [file, namesIn(file)]));
  expect(rows.filter(({ file, name }) => !names[file].includes(name))).toEqual([]);
});

test("each row of the tables is read, and none is there twice", () => {
  const written = read("README.md")
    .split("\n")
    .filter((line) => line.startsWith("| ") && line.includes("›"));
  expect(rows).toHaveLength(written.length);
  expect(listed.filter((each, index) => listed.indexOf(each) !== index)).toEqual([]);
});

test("each test here shows a fault", () => {
  const all = own.flatMap((file) => namesIn(file).map((name) => `${file} › ${name}`));
  expect(all.filter((each) => !listed.includes(each))).toEqual([]);
});

test("no test here escapes the reading of names", () => {
  for (const file of own) {
    const written = [...read(file).matchAll(/^\s*test(?:\.each\b|\()/gm)].length;
    expect({ file, names: namesIn(file).length }).toEqual({ file, names: written });
  }
});
