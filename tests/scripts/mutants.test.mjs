/** The list of mutants fits the sources, and a mutant counts as killed only where its test has failed. `npm run mutants` runs them. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { MUTANTS } from "../../scripts/mutants/list.mjs";
import { mutate } from "../../scripts/mutants/mutate.mjs";
import { blackBoxVerdict, nativeVerdict } from "../../scripts/mutants/verdict.mjs";

const text = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const native = MUTANTS.filter(({ killedBy }) => typeof killedBy === "string");
const blackBox = MUTANTS.filter(({ killedBy }) => typeof killedBy !== "string");

describe("the list of mutants", () => {
  test("is long, and names each once", () => {
    expect(native.length).toBeGreaterThanOrEqual(60);
    expect(blackBox.length).toBeGreaterThanOrEqual(10);
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
  });

  test.each(MUTANTS)("finds its text once, and changes it: $name", (mutant) => {
    expect(mutate(text(mutant.file), mutant)).not.toBe(text(mutant.file));
  });

  test.each(native)("names a native test that is there: $name", ({ killedBy }) => {
    const modules = killedBy.split("::");
    const name = modules.pop();
    const files = modules.map((_, index) => `src/${modules.slice(0, index + 1).join("/")}`);
    const source = files.flatMap((path) => [`${path}.rs`, `${path}/mod.rs`]).filter((path) => existsSync(path));
    expect(source.some((path) => new RegExp(`#\\[test\\]\\n(\\s*#\\[.*\\n)*\\s*fn ${name}\\(`).test(text(path)))).toBe(true);
  });

  test.each(blackBox)("names a black-box test that is there: $name", ({ killedBy }) => {
    expect(text(killedBy.file)).toContain(`"${killedBy.test}`);
  });
});

describe("a text that stands in its file", () => {
  const mutant = { name: "x", file: "y.rs", text: "if guard {", replacement: "if false {" };

  test("once is replaced", () => {
    expect(mutate("a(); if guard { b(); }", mutant)).toBe("a(); if false { b(); }");
  });
  test.each([
    ["not at all", "a();", "0 times"],
    ["twice", "if guard { } if guard { }", "2 times"],
  ])("%s says that the list is out of date", (_, source, times) => {
    expect(() => mutate(source, mutant)).toThrow(`The list of mutants is out of date`);
    expect(() => mutate(source, mutant)).toThrow(times);
  });
});

describe("a run of cargo test", () => {
  const output = (passed, failed) =>
    `\nrunning ${passed + failed} tests\n..\ntest result: x. ${passed} passed; ${failed} failed; 0 ignored; 0 measured`;

  test.each([
    ["in which the test failed kills", { code: 101, output: output(0, 1) }, 1, "killed"],
    ["that broke down in the middle kills", { code: 101, output: "running 1 test\nthread overflowed its stack" }, 1, "killed"],
    ["in which the test passed does not", { code: 0, output: output(1, 0) }, 1, "survived"],
    ["that did not compile proves nothing", { code: 101, output: "error[E0308]: mismatched types" }, 1, "not compiled"],
    ["that found no such test proves nothing", { code: 0, output: output(0, 0) }, 1, "not tested"],
    ["that found one of two proves nothing", { code: 0, output: output(1, 0) }, 2, "not tested"],
  ])("%s", (_, run, tests, verdict) => {
    expect(nativeVerdict(run, tests)).toBe(verdict);
  });
});

describe("a run of vitest", () => {
  const report = (...results) => ({
    testResults: [{ status: "x", assertionResults: results.map(([title, status]) => ({ title, status })) }],
  });

  test.each([
    ["in which the test failed kills", report(["a test", "failed"], ["b", "passed"]), "killed"],
    ["in which one of its rows failed kills", report(["a test: GET", "passed"], ["a test: POST", "failed"]), "killed"],
    ["in which it passed does not, whatever else failed", report(["a test", "passed"], ["b", "failed"]), "survived"],
    ["that left it out proves nothing", report(["a test", "skipped"]), "not tested"],
    ["without it proves nothing", report(["b", "failed"]), "not tested"],
    ["that could not read the file proves nothing", { testResults: [{ status: "failed", assertionResults: [] }] }, "not tested"],
  ])("%s", (_, told, verdict) => {
    expect(blackBoxVerdict(told, "a test")).toBe(verdict);
  });
});
