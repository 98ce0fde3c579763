// What `npm run phone-prefixes` writes, made of numbering plans: the table of src/mfa/region/prefixes.rs, and the
// examples that tests hold it to.
import { join } from "node:path";
import { ROOT } from "../setup/repository.mjs";
import { Automaton, DEAD, DIGITS } from "./pattern.mjs";
import { PRICED, REACHABLE, REFUSED } from "./source.mjs";

/** The files. */
export const TABLE = join(ROOT, "src", "mfa", "region", "prefixes.rs");
export const EXAMPLES = join(ROOT, "src", "mfa", "region", "examples.txt");

/** A number is looked up by so many of its digits, calling code included: as many as 32 bits have room for. */
export const DIGITS_LOOKED_AT = 9;

// E.164: a number's fewest and most digits.
const LENGTHS = [7, 8, 9, 10, 11, 12, 13, 14, 15];

// Area codes that the North American plan keeps for services as a whole. The source knows of those numbers only that
// are assigned already. Non-geographic 5XX, 700, the government's 710, toll-free with what is reserved for it, 900.
const WHOLE_AREAS = { 1: ["(?:5(?:00|2[1-9]|33|44|66|77|88)|700|710|8(?:00|22|33|44|55|66|77|88)|900)\\d{7}"] };

// China has shared-cost numbers 96xxx in each of its area codes: 650 ranges more, for a country that an operator has to
// open knowingly.
const NOT_BY_LENGTH = ["86"];

/**
 * Which numbers are refused, as ranges of their first nine digits.
 *
 * A prefix is in them if every number that begins with it has a type of `REFUSED`, and none of `REACHABLE`, in all the
 * countries of its calling code. What is assigned to nobody is in none, as far as nine digits tell: it may be given to
 * phones tomorrow.
 *
 * Some priced numbers begin as phones' do and are longer: +353 1 520 1234 is in Dublin, +353 1520 123456 premium rate.
 * They are refused at their length.
 *
 * @returns {{ code: string, names: string[], ranges: [string, string][], byLength: [number, string, string][] }[]}
 *   sorted by code as texts are, which is the order of the ranges
 */
export function refusedRanges(plans) {
  return plans
    .map(({ code, countries }) => {
      const ranges = rangesOf(code, countries);
      const byLength = NOT_BY_LENGTH.includes(code) ? [] : rangesByLength(code, countries, ranges);
      return { code, names: countries.map(({ name }) => name), ranges, byLength };
    })
    .sort((one, other) => (one.code < other.code ? -1 : 1));
}

function rangesOf(code, countries) {
  const reachable = new Automaton(patterns(countries, REACHABLE));
  const refused = new Automaton([...patterns(countries, REFUSED), ...(WHOLE_AREAS[code] ?? [])]);
  const found = [];
  const walk = (digits, mayReach, mayRefuse) => {
    if (mayRefuse === DEAD) return;
    const isLast = digits.length === DIGITS_LOOKED_AT;
    if (mayReach === DEAD && (isLast || refused.mustEnd(mayRefuse))) {
      add(found, digits);
    } else if (!isLast) {
      for (const digit of DIGITS) {
        walk(digits + digit, reachable.step(mayReach, digit), refused.step(mayRefuse, digit));
      }
    }
  };
  walk(code, reachable.start, refused.start);
  return found;
}

/** What of the priced numbers is missing in `ranges` and told by its length. */
function rangesByLength(code, countries, ranges) {
  const reachable = new Automaton(patterns(countries, REACHABLE));
  const priced = new Automaton(patterns(countries, PRICED));
  const isCovered = (digits) => ranges.some(([first, last]) => first <= filled(digits, "0") && filled(digits, "9") <= last);
  return LENGTHS.flatMap((length) => {
    const found = [];
    const walk = (digits, mayReach, mayRefuse) => {
      const more = length - digits.length;
      if (more < 0 || !priced.canEndAfter(mayRefuse, more) || isCovered(digits)) return;
      const isLast = digits.length === DIGITS_LOOKED_AT;
      if (!reachable.canEndAfter(mayReach, more) && (isLast || priced.mustEndAfter(mayRefuse, more))) {
        add(found, digits);
      } else if (!isLast) {
        for (const digit of DIGITS) {
          walk(digits + digit, reachable.step(mayReach, digit), priced.step(mayRefuse, digit));
        }
      }
    };
    walk(code, reachable.start, priced.start);
    return found.map((range) => [length, ...range]);
  });
}

function patterns(countries, types) {
  return countries.flatMap((country) => Object.keys(types).flatMap((type) => country.types[type]?.pattern ?? []));
}

const filled = (digits, rest) => digits.padEnd(DIGITS_LOOKED_AT, rest);

/** Prefixes come in ascending order; one that follows on the last range lengthens it. */
function add(found, prefix) {
  const before = found.at(-1);
  if (before && Number(before[1]) + 1 === Number(filled(prefix, "0"))) before[1] = filled(prefix, "9");
  else found.push([filled(prefix, "0"), filled(prefix, "9")]);
}

/** The area codes of +1 that are other countries' than the United States and Canada. */
export function foreignAreas(plans) {
  const { countries } = plans.find(({ code }) => code === "1");
  const foreign = countries.filter(({ name, leading }) => isForeign(name, leading)).map(({ leading }) => leading);
  const areas = Array.from({ length: 800 }, (_, index) => String(index + 200));
  return areas.filter((area) => foreign.some((leading) => new RegExp(`^(?:${leading})$`).test(area)));
}

const isForeign = (name, leading) => leading !== null && name !== "US" && name !== "CA";

/**
 * The calling codes behind which a phone's number may begin with 0. Behind all others a 0 is the prefix of calls within
 * the country, which some who carry messages take out: what is looked at here would not be what they send to.
 */
export function leadingZeroCodes(plans) {
  const mayBegin = ({ countries }) => new Automaton(patterns(countries, REACHABLE)).after("0") !== DEAD;
  return plans.filter(mayBegin).map(({ code }) => code);
}

/** The Rust file. */
export function rustFile(plans, source) {
  const codes = plans.map(({ code }) => code);
  const areas = foreignAreas(plans);
  const zeros = leadingZeroCodes(plans);
  const rows = refusedRanges(plans);
  const ranges = rows.flatMap((row) => row.ranges);
  const byLength = rows.flatMap((row) => row.byLength);
  const tuple = (values) => `(${values.join(", ")})`;
  const titled = (key) => {
    const some = rows.filter((row) => row[key].length > 0);
    return some.map((row) => `    // ${row.code}: ${row.names.join(" ")}\n${lines(row[key].map(tuple))}`).join("\n");
  };
  return `//! What numbering plans say: which calling codes there are, and which numbers are no person's phone.
//!
//! Made by \`npm run phone-prefixes\`; what is changed here by hand is lost.
//! Source: ${source}

/// Calling codes of countries, ascending.
#[rustfmt::skip]
pub(super) static CALLING_CODES: [u16; ${codes.length}] = [
${lines(codes)}
];

/// Area codes of the North American plan outside the United States and Canada, ascending.
#[rustfmt::skip]
pub(super) static FOREIGN_AREAS: [u16; ${areas.length}] = [
${lines(areas)}
];

/// Calling codes behind which a phone's number may begin with 0, ascending.
#[rustfmt::skip]
pub(super) static LEADING_ZERO: [u16; ${zeros.length}] = [
${lines(zeros)}
];

/// Numbers that are toll-free, premium rate, shared cost, personal, a pager, voicemail or a company's access number, and
/// none that is a phone's: from the first to the last of their first nine digits, ascending.
#[rustfmt::skip]
pub(super) static REFUSED: [(u32, u32); ${ranges.length}] = [
${titled("ranges")}
];

/// The same of numbers of one length, which comes first, where phones' numbers of other lengths begin alike.
#[rustfmt::skip]
pub(super) static REFUSED_BY_LENGTH: [(u8, u32, u32); ${byLength.length}] = [
${titled("byLength")}
];
`;
}

/** Items with commas, in lines of at most 110 characters. */
function lines(items) {
  const all = [];
  for (const item of items) {
    const longer = `${all.at(-1)} ${item},`;
    if (all.length > 0 && longer.length <= 110) all[all.length - 1] = longer;
    else all.push(`    ${item},`);
  }
  return all.join("\n");
}

/**
 * An example of every type of number in every country, with what becomes of it: its region, or `refused`. Those of a
 * refused type that are not refused have a remark: phones' numbers begin with the same nine digits.
 */
export function examples(plans, source) {
  const rows = plans.flatMap(({ code, countries }) => {
    const isTold = toldFromPhones(code, countries);
    return countries.flatMap((country) =>
      Object.entries(country.types).map(([type, { example }]) => {
        const isRefused = type in REFUSED && isTold(type, example);
        const row = [`+${code}${example}`, isRefused ? "refused" : region(code, country, example), country.name, type];
        return [...row, ...(type in REFUSED && !isRefused ? ["begins as phones do"] : [])].join(" ");
      }),
    );
  });
  return `# What becomes of an example of each type of number: number, region or refused, country, type.
# Made by \`npm run phone-prefixes\`; what is changed here by hand is lost.
# Source: ${source}
${rows.join("\n")}
`;
}

function toldFromPhones(code, countries) {
  const reachable = new Automaton(patterns(countries, REACHABLE));
  return (type, number) => {
    const digits = number.slice(0, DIGITS_LOOKED_AT - code.length);
    const state = reachable.after(digits);
    const byLength = type in PRICED && !NOT_BY_LENGTH.includes(code);
    return state === DEAD || (byLength && !reachable.canEndAfter(state, number.length - digits.length));
  };
}

function region(code, { name, leading }, number) {
  if (name === "KZ") return "77";
  return code === "1" && isForeign(name, leading) ? `1${number.slice(0, 3)}` : code;
}
