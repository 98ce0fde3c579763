// What `npm run users` prints. Pure: from the rows that were read or removed to what is told.
import { MOST_FAILURES } from "./statements.mjs";

/** The buckets of src/mfa/budget.rs: how many guesses, and seconds until one comes back. */
export const BUCKETS = { guesses: { burst: 10, interval: 360 }, recovery_guesses: { burst: 10, interval: 360 } };

// What support calls the rows of each table.
const KINDS = {
  authenticators: "authenticators",
  enrollments: "pending authenticators",
  challenges: "codes under way",
  recovery_codes: "recovery codes",
  contacts: "addresses for notices",
  budgets: "counters of guesses",
  deliveries: "messages",
  redemptions: "marks of spent tokens",
  sweep_positions: "places of the sweep",
};

/** How many rows of each kind were removed, as a list in one line. */
export function counted(removed) {
  const count = (table) => removed.filter(({ what }) => what === table).length;
  const counts = Object.entries(KINDS).map(([table, kind]) => ({ kind, count: count(table) }));
  return counts
    .filter(({ count }) => count > 0)
    .map(({ kind, count }) => `${kind} ${count}`)
    .join(", ");
}

/**
 * @param {object} row of showUser
 * @param {number} now seconds since 1970
 * @returns {object | undefined} nothing where nothing is stored
 */
export function shown(row, now) {
  const [authenticators, pending, challenges] = [row.authenticators, row.pending, row.challenges].map(JSON.parse);
  const single = [row.recovery_code, row.contact, row.guesses, row.recovery_guesses];
  if ([authenticators, pending, challenges].every((list) => list.length === 0) && single.every((value) => value === null))
    return undefined;
  return {
    authenticators: authenticators.map(({ failures, ...rest }) => ({
      ...withTimes(rest),
      failures,
      disabled: failures >= MOST_FAILURES,
    })),
    pending: pending.map(withTimes),
    challenges: challenges.map(withTimes),
    recovery_code: row.recovery_code === null ? null : { created_at: isoTime(row.recovery_code) },
    contact: row.contact === null ? null : { updated_at: isoTime(row.contact) },
    guesses: bucket(BUCKETS.guesses, row.guesses, now),
    recovery_guesses: bucket(BUCKETS.recovery_guesses, row.recovery_guesses, now),
  };
}

/** How many guesses are left, when there is one again where none is, and when all are back. */
function bucket({ burst, interval }, fullAt, now) {
  const owed = Math.max(fullAt - now, 0);
  const left = Math.max(Math.floor((burst * interval - owed) / interval), 0);
  return {
    left,
    of: burst,
    next_at: left === 0 ? isoTime(fullAt - (burst - 1) * interval) : null,
    full_at: owed === 0 ? null : isoTime(fullAt),
  };
}

function withTimes(row) {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, name.endsWith("_at") ? isoTime(value) : value]));
}

function isoTime(seconds) {
  return new Date(seconds * 1000).toISOString().replace(".000", "");
}
