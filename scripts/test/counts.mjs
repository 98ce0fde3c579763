// How many tests passed and failed, by the account of the programs that ran them.

/**
 * @typedef {{ passed: number, failed: number, skipped: number }} Counts
 */

/** Adds up. */
export function sum(counts) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const each of counts) for (const name of Object.keys(total)) total[name] += each[name];
  return total;
}

/** One thing that is either right or wrong. */
export const verdict = (right) => ({ passed: right ? 1 : 0, failed: right ? 0 : 1, skipped: 0 });

/**
 * The counts in what `cargo test` printed.
 *
 * @param {string} output
 * @returns {Counts}
 */
export function cargoCounts(output) {
  const lines = output.matchAll(/^test result: \S+ (\d+) passed; (\d+) failed; (\d+) ignored;/gm);
  return sum(
    [...lines].map(([, passed, failed, skipped]) => ({
      passed: Number(passed),
      failed: Number(failed),
      skipped: Number(skipped),
    })),
  );
}

/**
 * The counts in vitest's JSON report. A file that fails before its first test counts as a failed test.
 *
 * @param {object} report
 * @returns {Counts}
 */
export function vitestCounts(report) {
  const broken = report.testResults.filter(
    ({ status, assertionResults }) => status === "failed" && assertionResults.every((test) => test.status !== "failed"),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/** A run must end well and have run something: where it says otherwise by its exit code alone, that is a failure more. */
export function checked(counts, exitCode) {
  const ran = counts.passed + counts.failed > 0;
  return counts.failed === 0 && (exitCode !== 0 || !ran) ? { ...counts, failed: 1 } : counts;
}

/** The closing line. */
export function closingLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ""}`;
}
