// Schemathesis, which makes requests of openapi.yaml: a Python program, in a virtual environment of its own in the cache.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run, runOrFail } from "../terminal/command.mjs";
import { Failure } from "../terminal/failure.mjs";
import { skipped, step } from "../terminal/step.mjs";
import { debianCanInstall, installPackages } from "./debian.mjs";
import { ROOT, toolCache } from "./repository.mjs";

const TITLE = "Install Schemathesis";
const REQUIREMENTS = join(ROOT, "tests", "openapi", "schemathesis", "requirements.txt");
const OLDEST_PYTHON = [3, 10];

/** The Python that knows it (`-m schemathesis.cli`), now or later: every set of versions has its own folder. */
export function schemathesisPython() {
  const versions = createHash("sha256").update(readFileSync(REQUIREMENTS)).digest("hex").slice(0, 12);
  return join(toolCache(), `schemathesis-${versions}`, "bin", "python");
}

/**
 * Installs it, unless it is there. A machine that has no Python goes without, unless COUNTERSIGN_LEAVE_NOTHING_OUT is set.
 *
 * @returns {Promise<boolean>} whether it is there
 */
export async function needSchemathesis() {
  const program = schemathesisPython();
  if (existsSync(program)) return true;
  const python = await findPython();
  if (!python) {
    const needed = `Python ${OLDEST_PYTHON.join(".")} or newer with venv (python3-venv)`;
    if (process.env.COUNTERSIGN_LEAVE_NOTHING_OUT) throw new Failure(`Schemathesis needs ${needed}: install it.`);
    skipped(TITLE, `LEFT OUT, and with it the requests that are made of openapi.yaml: there is no ${needed}.`);
    return false;
  }
  await step(TITLE, "once, about half a minute", () => install(python, join(program, "..", "..")));
  return true;
}

/** Whether what `python --version` said is new enough. */
export function isPythonNewEnough(said) {
  const [, major, minor] = /^Python (\d+)\.(\d+)/.exec(said) ?? [];
  return Number(major) > OLDEST_PYTHON[0] || (Number(major) === OLDEST_PYTHON[0] && Number(minor) >= OLDEST_PYTHON[1]);
}

async function findPython() {
  if (await isGood("python3")) return "python3";
  if (!debianCanInstall()) return undefined;
  await step("Install Python's venv", "up to a minute", () => installPackages(["python3-venv"]));
  return (await isGood("/usr/bin/python3")) ? "/usr/bin/python3" : undefined;
}

// Debian's python3 comes without what a virtual environment needs.
async function isGood(python) {
  const { code, output } = await run(python, ["-c", "import ensurepip, venv, sys; print('Python', sys.version)"]);
  return code === 0 && isPythonNewEnough(output);
}

// Installed beside its place and renamed, so that an installation that broke off is never taken for a whole one. The
// programs of a virtual environment name the place where they were made; its Python does not.
async function install(python, folder) {
  const unfinished = `${folder}.unfinished-${process.pid}`;
  mkdirSync(toolCache(), { recursive: true });
  try {
    await runOrFail(python, ["-m", "venv", unfinished], {}, "Python could not make a virtual environment.");
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", REQUIREMENTS];
    const sentence = "pip could not install Schemathesis; its message stands above.";
    await runOrFail(join(unfinished, "bin", "python"), pip, { cwd: toolCache() }, sentence);
    rmSync(folder, { recursive: true, force: true });
    renameSync(unfinished, folder);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}
