// Where the numbering plans come from: Google's libphonenumber, as the npm package google-libphonenumber carries it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { ROOT } from "../setup/repository.mjs";

const require = createRequire(import.meta.url);

/** The name of the npm package. */
export const PACKAGE = "google-libphonenumber";

/** The library, which also tells the type of a number. */
export const library = require(PACKAGE);

/** The version that is installed; package.json pins it. */
export const installedVersion = () =>
  JSON.parse(readFileSync(join(ROOT, "node_modules", PACKAGE, "package.json"), "utf8")).version;

/** The line by which what is made names its source. */
export const credit = (version, date) => `${PACKAGE} ${version}, published on ${date} (Google's libphonenumber, Apache-2.0).`;

/** The version and date of the line in `text`, or null. */
export const credited = (text) => /Source: \S+ (?<version>\S+), published on (?<date>\S+) /.exec(text)?.groups ?? null;

// A country's metadata is an array, with the fields of phonemetadata.proto at the places of their tags.
const LEADING_DIGITS = 23;
const PATTERN = 2;
const EXAMPLE = 6;

/** Types of numbers behind which a person's phone can be. */
export const REACHABLE = { fixed_line: 2, mobile: 3, voip: 8 };

/** Types of numbers for which somebody else pays than a caller is used to. */
export const PRICED = { toll_free: 4, premium_rate: 5, shared_cost: 6, personal_number: 7 };

/** Those, and the others behind which no person's phone is. */
export const REFUSED = { ...PRICED, pager: 21, uan: 25, voicemail: 28 };

// The region code of numbers that belong to no country: satellites, global services.
const WORLD = "001";

/**
 * The countries of each calling code.
 *
 * @param {object} metadata the library's
 * @returns {{ code: string, countries: { name: string, leading: string?, types: object }[] }[]} by type its
 *   `{ pattern, example }`; `leading` is the pattern of the digits that tell a country from others of its code
 */
export function numberingPlans(metadata = library.metadata) {
  return Object.entries(metadata.countryCodeToRegionCodeMap)
    .filter(([, names]) => !names.includes(WORLD))
    .map(([code, names]) => {
      const countries = names.map((name) => country(name, metadata.countryToMetadata[name]));
      return { code, countries };
    });
}

function country(name, fields) {
  const types = {};
  for (const [type, tag] of Object.entries({ ...REACHABLE, ...REFUSED })) {
    const pattern = fields[tag]?.[PATTERN];
    if (pattern) types[type] = { pattern, example: fields[tag][EXAMPLE] };
  }
  return { name, leading: fields[LEADING_DIGITS] ?? null, types };
}
