// What can be expected to go wrong ends in one clear sentence; a stack trace is only for what nobody expected.

/** An expected failure: its message is the whole story, `output` is what the failed command said. */
export class Failure extends Error {
  /**
   * @param {string} message one sentence that says what is missing and what to do
   * @param {string} [output] what a command printed before it failed
   */
  constructor(message, output = "") {
    super(message);
    this.output = output;
  }
}

const LINES_SHOWN = 40;

/** Runs a command's main function; ends the process with 1 and one sentence where it fails. */
export async function runMain(main) {
  try {
    const code = await main();
    process.exitCode = code ?? process.exitCode ?? 0;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const output = error.output.trim();
    if (output) console.error(`\n${output.split("\n").slice(-LINES_SHOWN).join("\n")}\n`);
    console.error(error.message);
    process.exitCode = 1;
  }
}
