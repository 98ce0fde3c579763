// Running other programs: quietly, with what they say kept for the case that they fail.
import { spawn } from "node:child_process";
import { Failure } from "./failure.mjs";

const running = new Set();
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];
/** How long a program that was told to end may tidy up. */
const PATIENCE = 10_000;

/**
 * Runs a program to its end and resolves with its exit code and output, whatever the code is. A signal ends the program
 * and not this process, which fails with a Failure: what has to be undone or removed then is. A second signal ends both.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {object} [options]
 * @param {string} [options.cwd]
 * @param {NodeJS.ProcessEnv} [options.env] the whole environment
 * @param {string} [options.input] written to its standard input
 * @param {boolean} [options.echo] also show the output while it comes
 * @param {boolean} [options.terminal] hand it the terminal, so that it can ask; then nothing it says is kept
 * @param {number} [options.timeout] milliseconds after which it is ended
 * @returns {Promise<{ code: number, stdout: string, stderr: string, output: string, missing: boolean }>}
 *   `missing` tells that there is no such program
 */
export function run(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const { cwd, env, input, echo, timeout } = options;
    const stdio = options.terminal ? "inherit" : [input === undefined ? "ignore" : "pipe", "pipe", "pipe"];
    const child = spawn(program, args, { cwd, env, timeout, stdio });
    const ended = interruptible(child);
    const said = { stdout: "", stderr: "", output: "" };
    for (const name of options.terminal ? [] : ["stdout", "stderr"]) {
      child[name].setEncoding("utf8");
      child[name].on("data", (text) => {
        said[name] += text;
        said.output += text;
        if (echo) process[name].write(text);
      });
    }
    child.on("error", (error) => {
      ended();
      if (error.code === "ENOENT" || error.code === "EACCES") resolve({ ...said, code: 127, missing: true });
      else reject(error);
    });
    child.on("close", (code) => {
      const signal = ended();
      if (signal) reject(new Failure(`Interrupted (${signal}).`));
      else resolve({ ...said, code: code ?? 1, missing: false });
    });
    if (input !== undefined) {
      child.stdin.on("error", () => {}); // a program that ends early says so by its exit code
      child.stdin.end(input);
    }
  });
}

/** Ends a program where a signal comes while it runs. What it returns is called at its end, and gives the signal. */
function interruptible(child) {
  const program = { child, signal: undefined };
  if (running.size === 0) for (const signal of SIGNALS) process.once(signal, interrupt);
  running.add(program);
  return () => {
    running.delete(program);
    if (running.size === 0) for (const signal of SIGNALS) process.off(signal, interrupt);
    return program.signal;
  };
}

function interrupt(signal) {
  for (const each of SIGNALS) process.off(each, interrupt);
  for (const program of running) {
    program.signal = signal;
    // A terminal has already sent Ctrl-C to everyone in the foreground, and a second one would cut tidying up short.
    if (signal !== "SIGINT" || !process.stdin.isTTY) program.child.kill("SIGTERM");
    setTimeout(() => program.child.kill("SIGKILL"), PATIENCE).unref();
  }
}

/** Like `run`, but a code other than 0 is a failure with the given sentence. */
export async function runOrFail(program, args, options, sentence) {
  const result = await run(program, args, options);
  if (result.code !== 0) throw new Failure(result.missing ? `${sentence} (${program} was not found)` : sentence, result.output);
  return result;
}
