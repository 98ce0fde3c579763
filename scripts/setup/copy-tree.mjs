// A copy of the sources, for what must not touch the checkout.
import { cpSync, mkdirSync, rmSync, statSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { runOrFail } from "../terminal/command.mjs";
import { ROOT } from "./repository.mjs";

/**
 * Copies what git knows of, and what it would take, to `folder`; the npm packages are shared.
 *
 * @param {string} folder is made anew
 */
export async function copyTree(folder) {
  const args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const { stdout } = await runOrFail("git", args, { cwd: ROOT }, "git could not list the sources.");
  rmSync(folder, { recursive: true, force: true });
  // What was deleted is still in the index, and what is a link to a folder is no source.
  const isFile = (path) => path !== "" && statSync(join(ROOT, path), { throwIfNoEntry: false })?.isFile();
  for (const path of stdout.split("\0").filter(isFile)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    cpSync(join(ROOT, path), join(folder, path), { dereference: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
}
