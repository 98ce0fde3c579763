// What became of a mutant, by the account of the program that ran its test.
import { cargoCounts } from "../test/counts.mjs";

/**
 * @typedef {"killed" | "survived" | "not compiled" | "not tested"} Verdict
 */

/**
 * Judges a run of `cargo test`. What does not compile is no proof of anything, and neither is a test that did not run.
 *
 * @param {{ code: number, output: string }} run
 * @param {number} tests how many it was to run
 * @returns {Verdict}
 */
export function nativeVerdict({ code, output }, tests) {
  if (!/^running \d+ tests?$/m.test(output)) return "not compiled";
  const { passed, failed } = cargoCounts(output);
  // A test binary that breaks down has no counts, and its code says so.
  if (failed > 0 || code !== 0) return "killed";
  return passed === tests ? "survived" : "not tested";
}

/**
 * Judges vitest's JSON report: a test with this in its name must have failed.
 *
 * @param {object} report
 * @param {string} name
 * @returns {Verdict}
 */
export function blackBoxVerdict(report, name) {
  const tests = report.testResults.flatMap((file) => file.assertionResults).filter(({ title }) => title.includes(name));
  const failed = tests.some(({ status }) => status === "failed");
  const broken = report.testResults.some((file) => file.status === "failed" && file.assertionResults.length === 0);
  if (failed) return "killed";
  return !broken && tests.some(({ status }) => status === "passed") ? "survived" : "not tested";
}
