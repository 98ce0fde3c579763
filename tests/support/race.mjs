/** Races: requests that are made to meet at one round trip, so that a test of them does not hang on luck. */

/** Where a guess is charged. */
export const CHARGE = "INSERT INTO budgets";
/** Where what matched is consumed. */
export const REDEMPTION = "INSERT INTO redemptions";
/** Where an enrollment is added. */
export const ENROLLMENT = "INSERT OR REPLACE INTO enrollments";
/** Where a challenge is added. */
export const CHALLENGE = "INSERT OR REPLACE INTO challenges";
/** Where an authenticator is removed. */
export const REMOVAL = "DELETE FROM authenticators";

/**
 * Runs `count` requests, spread over two isolates, which meet `at` a round trip. Returns the answers, their statuses,
 * sorted, and how many were accepted and how many were the Worker's own failure.
 */
export async function atOnce(world, count, at, ask) {
  const starts = Array.from({ length: count }, (_, index) => () => ask(index % 2, index));
  const responses = await world.race(at, starts);
  const statuses = responses.map(({ status }) => status).sort();
  const tally = {
    winners: statuses.filter((status) => status === 200).length,
    crashes: statuses.filter((status) => status >= 500).length,
  };
  return { responses, statuses, tally };
}
