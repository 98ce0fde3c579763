// What is made of the samples: medians, and ratios to another contestant of the same round.

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The smallest number that so many of a hundred are not above (nearest rank). */
export function percentile(numbers, percent) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)];
}

/** { median, least, most }. */
export function spread(numbers) {
  return { median: median(numbers), least: Math.min(...numbers), most: Math.max(...numbers) };
}

/** The order of a round: everybody once, each round begins with the next one. */
export function rotated(list, round) {
  const start = round % list.length;
  return [...list.slice(start), ...list.slice(0, start)];
}

/**
 * One line for each contestant.
 *
 * @param {Record<string, object>[]} rounds for each round the samples by contestant
 * @param {string} base the contestant that the ratios are to
 * @returns {object[]} for each contestant of the rounds its name, the median of each figure of its samples, and the spread
 *   over the rounds of `speed` (requests per second by the base's) and `thrift` (the base's CPU time by its own); both
 *   are above 1 for whoever is better than the base
 */
export function summarize(rounds, base) {
  return Object.keys(rounds[0] ?? {}).map((name) => {
    const samples = rounds.map((round) => round[name]);
    const figures = Object.keys(samples[0]).map((figure) => {
      const known = samples.map((sample) => sample[figure]).filter((value) => value !== undefined);
      return [figure, known.length === 0 ? undefined : median(known)];
    });
    const ratios = (of) => {
      const all = rounds.filter((round) => round[base]).map((round) => of(round[name], round[base]));
      return all.length === 0 || all.some((ratio) => !Number.isFinite(ratio)) ? undefined : spread(all);
    };
    return {
      name,
      ...Object.fromEntries(figures),
      speed: ratios((own, other) => own.perSecond / other.perSecond),
      thrift: ratios((own, other) => other.cpu / own.cpu),
    };
  });
}
