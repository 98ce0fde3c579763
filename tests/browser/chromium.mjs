/** The browser of these tests: the system's Chromium, or the one that Playwright downloads. */
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const SYSTEM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

// Root in a container has no sandbox, and nothing here may reach for the network.
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export function launchChromium() {
  return chromium.launch({ executablePath: whereItIs(), args: FLAGS });
}

function whereItIs() {
  const named = process.env.CHROMIUM;
  if (named) return named;
  const found = [...SYSTEM, chromium.executablePath()].find((path) => path && existsSync(path));
  if (!found) {
    throw new Error("No Chromium found: install it, name it in CHROMIUM, or run `npx playwright-core install chromium`.");
  }
  return found;
}
