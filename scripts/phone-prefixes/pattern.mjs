// The patterns of libphonenumber: regular expressions of digits, classes, groups, alternatives and counted repetition.
// What is asked of them no regular expression engine answers: can a number that begins so still match?

/**
 * Reads a pattern.
 *
 * @param {string} pattern e.g. `9(?:0[01]|8\d)\d{7}`
 * @returns {object} a tree of `{ digits }`, `{ sequence }`, `{ alternatives }` and `{ repeated, least, most }`
 */
export function parsePattern(pattern) {
  let rest = pattern;
  const take = (expression) => {
    const found = expression.exec(rest);
    if (found) rest = rest.slice(found[0].length);
    return found;
  };
  const alternatives = () => {
    const found = [sequence()];
    while (take(/^\|/)) found.push(sequence());
    return found.length === 1 ? found[0] : { alternatives: found };
  };
  const sequence = () => {
    const found = [];
    while (rest && !/^[|)]/.test(rest)) found.push(repetition(one()));
    return { sequence: found };
  };
  const repetition = (repeated) => {
    if (take(/^\?/)) return { repeated, least: 0, most: 1 };
    const counts = take(/^\{(\d+)(?:,(\d+))?\}/);
    return counts ? { repeated, least: Number(counts[1]), most: Number(counts[2] ?? counts[1]) } : repeated;
  };
  const one = () => {
    if (take(/^\((?:\?:)?/)) {
      const group = alternatives();
      if (!take(/^\)/)) throw new SyntaxError(`A group has no end: ${pattern}`);
      return group;
    }
    const digits = take(/^(?:\d|\\d|\[(?:\d-\d|\d|\\d)+\])/);
    if (!digits) throw new SyntaxError(`Not understood at ${JSON.stringify(rest)}: ${pattern}`);
    const [text] = digits;
    return { digits: DIGITS.filter((digit) => new RegExp(text).test(String(digit))) };
  };
  const tree = alternatives();
  if (rest) throw new SyntaxError(`Not understood at ${JSON.stringify(rest)}: ${pattern}`);
  return tree;
}

/** The ten. */
export const DIGITS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

const END = 0;

/**
 * What can still come after some digits, by several patterns at once. Without loops: what a number goes on with always
 * comes to an end. A state is a number; `DEAD` is the one in which no number matches any more.
 */
export class Automaton {
  // Of the patterns' places: the digits that lead on from each, and the places that they lead to.
  #places = [null];
  // Of the states: which places each stands for, and where a digit leads.
  #states = new Map();
  #standsFor = [];
  #steps = [];
  #answers = new Map();

  /** @param {string[]} patterns */
  constructor(patterns) {
    this.#state([]); // DEAD
    this.start = this.#state(patterns.flatMap((pattern) => this.#place(parsePattern(pattern), [END])));
  }

  /** The state after one more digit. */
  step(state, digit) {
    const steps = (this.#steps[state] ??= []);
    const places = () => this.#standsFor[state].map((place) => this.#places[place]);
    steps[digit] ??= this.#state(places().flatMap((place) => (place?.digits.includes(digit) ? place.next : [])));
    return steps[digit];
  }

  /** The state after all of these digits. */
  after(digits) {
    return [...digits].reduce((state, digit) => this.step(state, Number(digit)), this.start);
  }

  /** Whether some number has exactly `more` digits after those so far. */
  canEndAfter(state, more) {
    if (state === DEAD || more === 0) return this.#accepts(state);
    return this.#once(`${state} can ${more}`, () => DIGITS.some((digit) => this.canEndAfter(this.step(state, digit), more - 1)));
  }

  /** Whether all `more` digits that can come make a number. */
  mustEndAfter(state, more) {
    if (state === DEAD || more === 0) return this.#accepts(state);
    return this.#once(`${state} must ${more}`, () =>
      DIGITS.every((digit) => this.mustEndAfter(this.step(state, digit), more - 1)),
    );
  }

  /** Whether all digits that can come lead to a number, sooner or later. */
  mustEnd(state) {
    if (state === DEAD || this.#accepts(state)) return state !== DEAD;
    return this.#once(`${state} must`, () => DIGITS.every((digit) => this.mustEnd(this.step(state, digit))));
  }

  #accepts(state) {
    return this.#standsFor[state].includes(END);
  }

  #once(question, answer) {
    if (!this.#answers.has(question)) this.#answers.set(question, answer());
    return this.#answers.get(question);
  }

  /** The places at which `tree` begins when `next` are those after it. */
  #place(tree, next) {
    if (tree.digits) return [this.#places.push({ digits: tree.digits, next }) - 1];
    if (tree.sequence) return tree.sequence.reduceRight((after, each) => this.#place(each, after), next);
    if (tree.alternatives) return tree.alternatives.flatMap((each) => this.#place(each, next));
    let places = next;
    for (let count = tree.most; count > tree.least; count--) places = [...next, ...this.#place(tree.repeated, places)];
    for (let count = tree.least; count > 0; count--) places = this.#place(tree.repeated, places);
    return places;
  }

  #state(places) {
    const own = [...new Set(places)].sort((one, other) => one - other);
    const key = own.join();
    if (!this.#states.has(key)) this.#states.set(key, this.#standsFor.push(own) - 1);
    return this.#states.get(key);
  }
}

/** The state of an automaton in which nothing matches any more. */
export const DEAD = 0;
