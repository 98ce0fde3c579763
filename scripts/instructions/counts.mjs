// Counting what cases.rs does, and comparing it with what was counted before.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SMALL_CIPHERS } from "../build/worker.mjs";
import { ROOT } from "../setup/repository.mjs";
import { run, runOrFail } from "../terminal/command.mjs";
import { Failure } from "../terminal/failure.mjs";
import { step } from "../terminal/step.mjs";

const FILE = join(ROOT, "docs", "instructions.json");
/** What may come of a changed neighbour in the program. */
const TOLERATED_PERCENT = 3;
/** How often a case runs; then twice as often, so that what the program does beside it drops out. */
const TIMES = 20;
/** Ciphers and hashes as the Worker has them: in software, whatever this machine's processor could do. */
const SOFTWARE = [...SMALL_CIPHERS, ...["aes", "polyval", "sha1", "sha2"].map((name) => `--cfg=${name}_backend="soft"`)];

/** Builds the program as the Worker is built, for this machine, and returns its path. */
export async function buildBench({ cargo, env }) {
  let program;
  await step("Build what is counted", "some minutes the first time", async () => {
    const args = ["build", "--release", "--locked", "--bench", "instructions", "--message-format=json"];
    const { stdout } = await runOrFail(
      cargo,
      args,
      {
        cwd: ROOT,
        env: { ...env, CARGO_TARGET_DIR: join(ROOT, "target", "instructions"), CARGO_ENCODED_RUSTFLAGS: SOFTWARE.join("\x1f") },
      },
      "It does not build: the compiler's message stands above.",
    );
    const messages = stdout.split("\n").filter((line) => line.startsWith("{"));
    program = messages.map((line) => JSON.parse(line).executable).findLast(Boolean);
  });
  if (!program) throw new Failure("cargo did not say where it has put what it built.");
  return program;
}

/** Instructions of each case, once. */
export async function countAll(program) {
  const { stdout } = await runOrFail(program, [], { env: {} }, "The cases cannot be listed.");
  const counts = {};
  for (const name of stdout.trim().split("\n")) {
    const [once, twice] = [await collected(program, name, TIMES), await collected(program, name, 2 * TIMES)];
    counts[name] = Math.round((twice - once) / TIMES);
  }
  return counts;
}

async function collected(program, name, times) {
  const args = ["--tool=callgrind", "--callgrind-out-file=/dev/null", program, name, String(times)];
  // The environment lies on the stack, and moves it.
  const { code, output } = await run("valgrind", args, { env: { PATH: process.env.PATH } });
  const instructions = /Collected : (\d+)/.exec(output)?.[1];
  if (code !== 0 || !instructions) throw new Failure(`"${name}" cannot be counted.`, output);
  return Number(instructions);
}

/** What was counted before. */
export function read() {
  try {
    return JSON.parse(readFileSync(FILE, "utf8"));
  } catch {
    throw new Failure("docs/instructions.json cannot be read: `npm run instructions` writes it.");
  }
}

/** Keeps what was counted. */
export function write(counted) {
  writeFileSync(FILE, `${JSON.stringify(counted, null, 2)}\n`);
  console.log("\nWritten into docs/instructions.json.");
}

/**
 * What to say of counts beside those from before, and the exit code: 1 where one has risen, has fallen (it could rise
 * again unnoticed), is new or is gone. Another compiler makes other instructions, so that nothing is said of what it made.
 */
export function compared(before, now) {
  if (before.rustc !== now.rustc || before.architecture !== now.architecture) {
    const by = ({ rustc, architecture }) => `${rustc} for ${architecture}`;
    return { lines: [`Not compared: they were counted of ${by(before)}, and this is ${by(now)}.`], code: 0 };
  }
  const lines = [];
  for (const name of new Set([...Object.keys(before.counts), ...Object.keys(now.counts)])) {
    const [was, is] = [before.counts[name], now.counts[name]];
    const percent = ((is - was) / was) * 100;
    if (was !== undefined && is !== undefined && Math.abs(percent) <= TOLERATED_PERCENT) continue;
    if (was === undefined) lines.push(`"${name}" is new: ${is}.`);
    else if (is === undefined) lines.push(`"${name}" is gone.`);
    else lines.push(`"${name}" takes ${is} instructions, and took ${was}: ${percent > 0 ? "+" : ""}${percent.toFixed(1)} %.`);
  }
  if (lines.length === 0) return { lines: [`No count has changed by more than ${TOLERATED_PERCENT} %.`], code: 0 };
  return { lines: [...lines, "Run `npm run instructions` to keep what is so now."], code: 1 };
}
