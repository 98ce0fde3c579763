// `npm run test:long`: what finds more the longer it runs. Fuzzes every parser that sees bytes of somebody else's,
// compares random sequences of requests with a model of the rules (src/testing/fuzz, src/testing/model), and lets ten
// people use the built Worker while everything underneath fails (tests/faults). Before that, it counts instructions.
//
//   npm run test:long                        ten minutes
//   npm run test:long -- --minutes 60
//   npm run test:long -- --target jwt        one parser alone, for all of the time
//   npm run test:long -- --keep              puts the best inputs that were found into tests/fuzz/corpus
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildWorker } from "./build/worker.mjs";
import { buildBench, compared, countAll, read } from "./instructions/counts.mjs";
import { packageProgram, ROOT } from "./setup/repository.mjs";
import { rustToolchain } from "./setup/rust-toolchain.mjs";
import { needValgrind } from "./setup/valgrind.mjs";
import { run } from "./terminal/command.mjs";
import { Failure, runMain } from "./terminal/failure.mjs";

/** Optimised, but with the checks of a test build. */
const PROFILE = {
  CARGO_PROFILE_DEV_OPT_LEVEL: "2",
  CARGO_PROFILE_TEST_OPT_LEVEL: "2",
  CARGO_PROFILE_DEV_DEBUG: "0",
  CARGO_PROFILE_TEST_DEBUG: "line-tables-only",
};
/** This crate counts which of its places are reached; src/testing/fuzz/coverage.rs reads the counters. */
const COUNTERS = [
  "--cfg=coverage_guided",
  "-Cpasses=sancov-module",
  "-Cllvm-args=-sanitizer-coverage-level=3",
  "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
];
/** The shares of the time. */
const FUZZING = 0.5;
const MODEL = 0.3;
const SOAK = 0.2;

await runMain(async () => {
  const { minutes, target, keep } = options();
  const toolchain = await rustToolchain();
  const instructions = target ? 0 : await instructionsHaveChanged(toolchain);
  console.log("The first build takes some minutes.");
  const tests = await build(toolchain);

  const seconds = minutes * 60 * (target ? 1 : FUZZING);
  // Each target has a folder of the corpus.
  const targets = target ? 1 : readdirSync(join(ROOT, "tests/fuzz/corpus")).length;
  console.log(`\n== Fuzzing ${targets === 1 ? target : `${targets} parsers`} for ${Math.round(seconds)} s`);
  const fuzzing = await runTest(tests, "fuzzes_every_parser_for_a_while", {
    COUNTERSIGN_FUZZ_SECONDS: String(seconds / targets),
    ...(target && { COUNTERSIGN_FUZZ_TARGET: target }),
    ...(keep && { COUNTERSIGN_FUZZ_KEEP: "1" }),
  });
  if (target) return fuzzing;

  const ofModel = Math.round(minutes * 60 * MODEL);
  console.log(`\n== Sequences of requests against the model for ${ofModel} s`);
  const model = await runTest(tests, "sequences_end_as_the_model_says_for_a_while", {
    COUNTERSIGN_MODEL_SECONDS: String(ofModel),
  });

  const ofSoak = Math.round(minutes * 60 * SOAK);
  console.log(`\n== People and faults at random for ${ofSoak} s`);
  await buildWorker("deploy", toolchain);
  const { code: soak } = await run(packageProgram("vitest"), ["run", "tests/faults/soak.test.mjs"], {
    cwd: ROOT,
    env: { ...process.env, COUNTERSIGN_SOAK_SECONDS: String(ofSoak) },
    echo: true,
  });
  return instructions || fuzzing || model || soak;
});

function options() {
  try {
    const { values } = parseArgs({
      options: {
        minutes: { type: "string", default: "10" },
        target: { type: "string" },
        keep: { type: "boolean" },
      },
    });
    const minutes = Number(values.minutes);
    if (!(minutes > 0)) throw new Error("--minutes takes a number above 0");
    return { ...values, minutes };
  } catch (error) {
    throw new Failure(`${error.message}.`);
  }
}

async function instructionsHaveChanged(toolchain) {
  if (!(await needValgrind())) return 0;
  console.log("\n== Instructions of the rules, decoding, sealing and enrollments (about two minutes)");
  const counts = await countAll(await buildBench(toolchain));
  const { lines, code } = compared(read(), { rustc: toolchain.version, architecture: process.arch, counts });
  console.log(lines.join("\n"));
  return code;
}

/** The program that holds the native tests. */
async function build({ cargo, env }) {
  const args = ["rustc", "--locked", "--lib", "--profile", "test", "--message-format=json", "--", ...COUNTERS];
  const { code, stdout, output } = await run(cargo, args, {
    cwd: ROOT,
    env: { ...env, ...PROFILE, CARGO_TARGET_DIR: `${ROOT}/target/long` },
  });
  const messages = stdout.split("\n").filter((line) => line.startsWith("{"));
  const program = messages.map((line) => JSON.parse(line).executable).findLast(Boolean);
  if (code !== 0 || !program) throw new Failure("The tests could not be built.", output);
  return program;
}

/** Runs one test and shows what it prints; what it says of a failure comes last. */
async function runTest(tests, name, variables) {
  const args = [name, "--ignored", "--nocapture", "--test-threads=1"];
  const { code, stdout } = await run(tests, args, { cwd: ROOT, env: { ...process.env, ...variables }, echo: true });
  // A name that nothing has is no success.
  if (!/^test result: \S+ [01] passed; [01] failed;/m.test(stdout) || /\b0 passed; 0 failed/.test(stdout)) {
    throw new Failure(`The test ${name} did not run to its end.`);
  }
  return code === 0 ? 0 : 1;
}
