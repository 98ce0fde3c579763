// Two samples compared by their ranks, which outliers and the shape of a distribution do not disturb. Pure.

/**
 * @param {number[]} one
 * @param {number[]} other
 * @returns {{ quartiles: [number[], number[]], difference: number, superiority: number, p: number }} lower quartile, median
 *   and upper quartile of each; by how much the other's median is greater; in how many of all pairs of a value of each the
 *   other's is greater (ties count half); and how probable ranks as uneven as these are if both come from one source
 *   (Mann and Whitney 1947, two-sided, by the normal approximation with correction for ties)
 */
export function compare(one, other) {
  const quartiles = [one, other].map((values) => [0.25, 0.5, 0.75].map((share) => quantile(values, share)));
  const { ranks, ties } = ranked([...one, ...other]);
  const [m, n] = [one.length, other.length];
  const sum = ranks.slice(m).reduce((all, rank) => all + rank, 0);
  const u = sum - (n * (n + 1)) / 2;
  const count = m + n;
  const variance = ((m * n) / 12) * (count + 1 - ties / (count * (count - 1)));
  const off = Math.max(Math.abs(u - (m * n) / 2) - 0.5, 0);
  const p = variance === 0 ? 1 : 2 * upperTail(off / Math.sqrt(variance));
  return { quartiles, difference: quartiles[1][1] - quartiles[0][1], superiority: u / (m * n), p: Math.min(p, 1) };
}

/** The value below which a share of the sample lies, between two of its values where it falls between them. */
export function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  const place = (sorted.length - 1) * share;
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - below);
}

/** Ranks from 1 on, equal values at the mean of theirs; `ties` is the sum of t³ − t over the groups of equal values. */
function ranked(values) {
  const order = values.map((value, index) => ({ value, index })).toSorted((a, b) => a.value - b.value);
  const ranks = new Array(values.length);
  let ties = 0;
  for (let begin = 0; begin < order.length; ) {
    let end = begin;
    while (end < order.length && order[end].value === order[begin].value) end += 1;
    for (const { index } of order.slice(begin, end)) ranks[index] = (begin + 1 + end) / 2;
    ties += (end - begin) ** 3 - (end - begin);
    begin = end;
  }
  return { ranks, ties };
}

/**
 * The probability of more than `z` under the standard normal distribution, for `z` from 0 on: the continued fraction of
 * Mills' ratio where it converges well, else the series of the distribution around 0.
 */
export function upperTail(z) {
  const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
  if (z > 3) {
    let fraction = z;
    for (let k = 60; k > 0; k -= 1) fraction = z + k / fraction;
    return density / fraction;
  }
  let term = z;
  let sum = z;
  for (let k = 1; k < 100; k += 1) {
    term *= (z * z) / (2 * k + 1);
    sum += term;
  }
  return 0.5 - density * sum;
}
