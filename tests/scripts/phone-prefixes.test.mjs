/** `npm run phone-prefixes`: what is committed is what it makes, and right about numbers drawn at random. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Automaton, DEAD, parsePattern } from "../../scripts/phone-prefixes/pattern.mjs";
import {
  credit,
  credited,
  installedVersion,
  library,
  numberingPlans,
  PRICED,
  REACHABLE,
  REFUSED,
} from "../../scripts/phone-prefixes/source.mjs";
import { EXAMPLES, examples, refusedRanges, rustFile, TABLE } from "../../scripts/phone-prefixes/table.mjs";

const plans = numberingPlans();
const committed = readFileSync(TABLE, "utf8");
const table = [...committed.matchAll(/\((?:(\d\d?), )?(\d{9}), (\d{9})\)/g)].map(([, ...row]) => row.map(Number));

describe("what is committed", () => {
  const { version, date } = credited(committed);

  test("names the version that is installed, and when it was published; so does the page about it", () => {
    expect(version).toBe(installedVersion());
    expect(date).toMatch(/^20\d\d-\d\d-\d\d$/);
    const page = readFileSync(new URL("../../docs/sending-limits.md", import.meta.url), "utf8");
    expect(page).toContain(`version ${version}, published on ${date}`);
  });

  test("is what the command makes", () => {
    const source = credit(version, date);
    expect(committed === rustFile(plans, source), "run npm run phone-prefixes").toBe(true);
    expect(readFileSync(EXAMPLES, "utf8") === examples(plans, source), "run npm run phone-prefixes").toBe(true);
  });
});

describe("a plan", () => {
  const ranges = (types) => {
    const named = Object.entries(types).map(([type, pattern]) => [type, { pattern }]);
    const country = { name: "XX", leading: null, types: Object.fromEntries(named) };
    const [row] = refusedRanges([{ code: "999", countries: [country] }]);
    return [row.ranges, row.byLength];
  };

  test.each([
    ["a prefix of which all is refused", { premium_rate: "9\\d{6}" }, [[["999900000", "999999999"]], []]],
    ["neighbours as one range", { premium_rate: "9[0-3]\\d{5}|94\\d{6}" }, [[["999900000", "999949999"]], []]],
    [
      "nothing that is nobody's",
      { uan: "[79]\\d{6}" },
      [
        [
          ["999700000", "999799999"],
          ["999900000", "999999999"],
        ],
        [],
      ],
    ],
    ["nothing where phones are", { premium_rate: "9\\d{6}", mobile: "9\\d{6}" }, [[], []]],
    ["what is left beside phones", { pager: "9\\d{6}", voip: "9[1-9]\\d{5}" }, [[["999900000", "999909999"]], []]],
    ["what only its length tells", { premium_rate: "9\\d{7}", fixed_line: "9\\d{6}" }, [[], [[11, "999900000", "999999999"]]]],
    ["no mailbox by its length", { voicemail: "90\\d{6}", mobile: "90\\d{5}" }, [[], []]],
  ])("has of its numbers in the table %s", (_, types, expected) => {
    expect(ranges(types)).toEqual(expected);
  });

  test("whose pattern is of a kind not known breaks the command", () => {
    for (const pattern of ["9\\d+", "9\\d*", "(9", "9)", "[^1]", "9(?!0)", "9."]) {
      expect(() => ranges({ mobile: pattern }), pattern).toThrow(SyntaxError);
    }
  });
});

test("an automaton and a regular expression agree", () => {
  const random = generator(2);
  for (const pattern of ["9(?:0[01]|8\\d){1,2}\\d", "(1|23?)4{2}", "[2-46]{0,3}7|5?"]) {
    const automaton = new Automaton([pattern]);
    for (let count = 0; count < 2000; count++) {
      const digits = random(3) ? draw(parsePattern(pattern), random) : String(random(100_000));
      const matches = new RegExp(`^(?:${pattern})$`).test(digits);
      expect(automaton.canEndAfter(automaton.after(digits), 0), `${pattern} ${digits}`).toBe(matches);
    }
    expect(automaton.after("0")).toBe(DEAD);
  }
});

describe("of numbers drawn from the patterns of all types in all countries", () => {
  // The library says by itself what type each is, by regular expressions and not by what made the table.
  const drawn = typedNumbers(100_000);
  const share = (types) => {
    const some = drawn.filter(({ type }) => types.includes(type.toLowerCase()));
    expect(some.length).toBeGreaterThan(300);
    return some.filter(({ digits }) => isRefused(digits)).length / some.length;
  };

  test("none that is a phone's is refused", () => {
    expect(share([...Object.keys(REACHABLE), "fixed_line_or_mobile"])).toBe(0);
  });

  test.each(Object.keys(PRICED))("nearly all that are %s are refused", (type) => {
    expect(share([type])).toBeGreaterThan(type === "shared_cost" ? 0.98 : 0.995);
  });

  test("most of the other types are refused", () => {
    const others = Object.keys(REFUSED).filter((type) => !(type in PRICED));
    expect(share(others)).toBeGreaterThan(0.9);
  });
});

/** Numbers with the type that the library gives them; one country's type is as likely as another's. */
function typedNumbers(count) {
  const random = generator(1);
  const types = Object.fromEntries(Object.entries(library.PhoneNumberType).map(([name, type]) => [type, name]));
  const util = library.PhoneNumberUtil.getInstance();
  const patterns = plans.flatMap(({ code, countries }) =>
    countries.flatMap((country) => Object.values(country.types).map(({ pattern }) => [code, parsePattern(pattern)])),
  );
  return Array.from({ length: count }, () => {
    const [code, pattern] = patterns[random(patterns.length)];
    const digits = code + draw(pattern, random);
    return { digits, type: digits.length < 7 ? "TOO_SHORT" : types[util.getNumberType(util.parse(`+${digits}`))] };
  });
}

/** A number that matches. */
function draw({ digits, sequence, alternatives, repeated, least, most }, random) {
  if (digits) return String(digits[random(digits.length)]);
  if (sequence) return sequence.map((each) => draw(each, random)).join("");
  if (alternatives) return draw(alternatives[random(alternatives.length)], random);
  return Array.from({ length: least + random(most - least + 1) }, () => draw(repeated, random)).join("");
}

/** As the Worker looks a number up, in the table that is committed. */
function isRefused(digits) {
  const [least, most] = ["0", "9"].map((rest) => Number(digits.padEnd(9, rest).slice(0, 9)));
  return table.some(([length, first, last]) => (!length || length === digits.length) && first <= least && most <= last);
}

/** Whole numbers below a bound, the same at each run. */
function generator(seed) {
  let state = seed;
  return (bound) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}
