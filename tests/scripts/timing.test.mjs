/** `npm run timing`: its arithmetic. What it measures, no test looks at. */
import { expect, test } from "vitest";
import { compare, quantile, upperTail } from "../../scripts/timing/statistics.mjs";

test("quartiles lie where half and quarters of the sample do", () => {
  expect([0.25, 0.5, 0.75].map((share) => quantile([4, 1, 3, 2, 5], share))).toEqual([2, 3, 4]);
  expect(quantile([1, 2], 0.5)).toBe(1.5);
  expect(quantile([7], 0.75)).toBe(7);
});

test("the tail of the normal distribution is that of the tables, near and far", () => {
  // Abramowitz and Stegun, tables 26.1 and 26.2.
  for (const [z, p] of [
    [0, 0.5],
    [1, 0.158655253931457],
    [1.96, 0.0249978951482204],
    [3, 0.00134989803163],
    [3.1, 0.000967603213218],
    [5, 2.866515719e-7],
    [10, 7.61985302e-24],
  ])
    expect(upperTail(z) / p).toBeCloseTo(1, 6);
});

test("the rank test is that of Mann and Whitney", () => {
  // By hand: of 9 pairs, 8 and a tie's half are greater on the other side.
  const { superiority, difference, p } = compare([1, 2, 3], [3, 4, 5]);
  expect(superiority).toBeCloseTo(8.5 / 9, 12);
  expect(difference).toBe(2);
  // u = 8.5, mean 4.5, one pair of ties of 6: variance 9 / 12 * (7 - 6 / 30) = 5.1; z = 3.5 / sqrt(5.1).
  expect(p).toBeCloseTo(2 * upperTail(3.5 / Math.sqrt(5.1)), 12);
  expect(compare([3, 4, 5], [1, 2, 3]).p).toBeCloseTo(p, 12);
});

test("samples of one source do not differ, and a small shift is seen in many", () => {
  let state = 1;
  const next = () => (state = (state * 48271) % 2147483647) / 2147483647;
  const sample = (shift) => Array.from({ length: 1000 }, () => next() + next() + shift);
  expect(compare(sample(0), sample(0)).p).toBeGreaterThan(0.05);
  expect(compare(sample(0), sample(0.1)).p).toBeLessThan(0.001);
  expect(compare([1, 1, 1], [1, 1, 1])).toMatchObject({ p: 1, superiority: 0.5, difference: 0 });
});
