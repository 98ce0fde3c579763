// Runs the tests that are to kill mutants, on the tree as it stands.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../terminal/command.mjs";
import { Failure } from "../terminal/failure.mjs";
import { blackBoxVerdict, nativeVerdict } from "./verdict.mjs";

// A mutant may turn a loop into one without an end.
const PATIENCE = 600_000;

/** A tree, and the tools to try it. */
export class Trial {
  /**
   * @param {string} folder the tree
   * @param {string} target cargo's target folder
   * @param {import("../setup/rust-toolchain.mjs").Toolchain} toolchain
   */
  constructor(folder, target, toolchain) {
    this.folder = folder;
    this.toolchain = toolchain;
    this.env = { ...toolchain.env, CARGO_TARGET_DIR: target, CARGO_TERM_COLOR: "never" };
  }

  /** Without a mutant every test that is to kill one passes: else its failure would say nothing. */
  async mustPassUnmutated(mutants) {
    const killers = mutants.map(({ killedBy }) => killedBy);
    const native = killers.filter((killer) => typeof killer === "string");
    const blackBox = killers.filter((killer) => typeof killer !== "string");
    const verdicts = [
      ...(native.length > 0 ? [["the native tests", await this.#native([...new Set(native)])]] : []),
      ...(await this.#blackBox(blackBox)).map((verdict, index) => [blackBox[index].test, verdict]),
    ];
    const wrong = verdicts.filter(([, verdict]) => verdict !== "survived");
    if (wrong.length === 0) return;
    const told = wrong.map(([test, verdict]) => `${test} (${verdict === "killed" ? "failed" : verdict})`);
    throw new Failure(`The tests do not pass on the sources as they are: ${told.join(", ")}.`);
  }

  /** What becomes of the mutant that stands in the tree. */
  async judge({ killedBy }) {
    if (typeof killedBy === "string") return await this.#native([killedBy]);
    return (await this.#blackBox([killedBy]))[0];
  }

  async #native(tests) {
    const args = ["test", "--locked", "--quiet", "--lib", "--", "--exact", ...tests];
    return nativeVerdict(await this.#run(this.toolchain.cargo, args), tests.length);
  }

  async #blackBox(killers) {
    if (killers.length === 0) return [];
    const built = await this.#run(process.execPath, ["scripts/build.mjs", "deploy"]);
    if (built.code !== 0) return killers.map(() => "not compiled");
    const folder = mkdtempSync(join(tmpdir(), "countersign-mutants-"));
    try {
      const report = join(folder, "report.json");
      const files = [...new Set(killers.map(({ file }) => file))];
      const name = killers.map(({ test }) => test.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
      const args = ["run", ...files, "-t", name, "--reporter=json", `--outputFile=${report}`];
      await this.#run(join(this.folder, "node_modules", ".bin", "vitest"), args);
      const told = JSON.parse(readFileSync(report, "utf8"));
      return killers.map(({ test }) => blackBoxVerdict(told, test));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  #run(program, args) {
    return run(program, args, { cwd: this.folder, env: this.env, timeout: PATIENCE });
  }
}
