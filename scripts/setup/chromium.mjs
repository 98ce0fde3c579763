// A Chromium for the browser test.
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import { run } from "../terminal/command.mjs";
import { Failure } from "../terminal/failure.mjs";
import { step } from "../terminal/step.mjs";
import { debianCanInstall, installPackages } from "./debian.mjs";
import { packageProgram, ROOT } from "./repository.mjs";

const DEBIAN = "/usr/bin/chromium";

/**
 * Finds a Chromium, or installs one.
 *
 * @returns {Promise<string>} the path of the program: CHROMIUM, Debian's, or the one that Playwright brings
 */
export async function findChromium() {
  const there = [process.env.CHROMIUM, DEBIAN, chromium.executablePath()].find((path) => path && existsSync(path));
  if (there) return there;
  if (process.env.CHROMIUM) throw new Failure(`CHROMIUM names ${process.env.CHROMIUM}, and there is no such file.`);
  if (debianCanInstall()) {
    await step("Install Chromium for the browser test", "one to two minutes", () => installPackages(["chromium"]));
    return DEBIAN;
  }
  await step("Install Chromium for the browser test", "one to two minutes", async () => {
    const result = await run(packageProgram("playwright-core"), ["install", "chromium"], { cwd: ROOT });
    if (result.code !== 0) {
      throw new Failure(
        "Chromium could not be downloaded: install one and name it in CHROMIUM (CHROMIUM=/path/to/chromium npm test).",
        result.output,
      );
    }
  });
  return chromium.executablePath();
}
