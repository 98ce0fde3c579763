// The names of trusted issuers, as far as this machine knows them.
import { devVars } from "../configuration/local.mjs";
import { keptSettings } from "../deploy/settings.mjs";
import { DEMO_ISSUER } from "../setup/demo-client.mjs";

/**
 * What to say of names that are in no TRUSTED_ISSUERS. It is no failure: a client may be there before its issuer is trusted.
 *
 * @param {string[]} names what --issuer says
 * @param {string[] | undefined} known the names of trusted issuers; undefined where nobody here knows
 */
export function unknownIssuers(names, known) {
  return names
    .filter((name) => name !== "" && known && !known.includes(name))
    .map((name) => `Warning: there is no issuer "${name}" in TRUSTED_ISSUERS, which has ${known.join(", ") || "none"}.`);
}

/** The names that are trusted where the database is: `npm start` trusts the demo issuer. */
export function trustedIssuers({ remote }) {
  if (remote) return namesIn(keptSettings()?.vars?.TRUSTED_ISSUERS);
  return [DEMO_ISSUER, ...(namesIn(devVars().TRUSTED_ISSUERS) ?? [])];
}

function namesIn(issuers) {
  try {
    return JSON.parse(issuers).map(({ name }) => name);
  } catch {
    return undefined; // not set, or wrong: npm run check-config says so
  }
}
