/** What `npm run instructions -- --check` makes of counts: one that has risen or fallen fails, with both numbers. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { compared } from "../../scripts/instructions/counts.mjs";

const counted = (counts, rustc = "rustc 1.95.0") => ({ rustc, architecture: "x64", counts });

describe("counts of instructions", () => {
  test("that are as they were, or nearly, pass", () => {
    const { lines, code } = compared(counted({ seal: 1000, open: 1000 }), counted({ seal: 1030, open: 970 }));
    expect({ lines, code }).toEqual({ lines: ["No count has changed by more than 3 %."], code: 0 });
  });

  test("that have risen by more than 3 % fail, with both numbers", () => {
    const { lines, code } = compared(counted({ seal: 1000, open: 1000 }), counted({ seal: 1031, open: 1000 }));
    expect(code).toBe(1);
    expect(lines[0]).toBe('"seal" takes 1031 instructions, and took 1000: +3.1 %.');
  });

  test("that have fallen by more than 3 % fail until they are written down, or they could rise again unnoticed", () => {
    const { lines, code } = compared(counted({ seal: 1000 }), counted({ seal: 969 }));
    expect(code).toBe(1);
    expect(lines).toEqual([
      '"seal" takes 969 instructions, and took 1000: -3.1 %.',
      "Run `npm run instructions` to keep what is so now.",
    ]);
  });

  test("that are new or gone fail until they are written down", () => {
    const { lines, code } = compared(counted({ seal: 1000 }), counted({ open: 1000 }));
    expect(code).toBe(1);
    expect(lines.slice(0, 2)).toEqual(['"seal" is gone.', '"open" is new: 1000.']);
  });

  test("of another compiler are not compared", () => {
    const { lines, code } = compared(counted({ seal: 1000 }), counted({ seal: 2000 }, "rustc 1.96.0"));
    expect(code).toBe(0);
    expect(lines[0]).toMatch(/^Not compared: .*1\.95\.0.*1\.96\.0/);
  });

  test("are there for each case of the program", () => {
    const text = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
    const cases = [...text("scripts/instructions/cases.rs").matchAll(/^ {4}\("([^"]+)", /gm)].map(([, name]) => name);
    expect(cases.length).toBeGreaterThan(10);
    expect(Object.keys(JSON.parse(text("docs/instructions.json")).counts)).toEqual(cases);
  });
});
