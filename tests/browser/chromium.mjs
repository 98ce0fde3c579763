/** The browser of these tests: what CHROMIUM names (`npm test` finds or installs one), else Debian's. */
import { chromium } from "playwright-core";

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
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
}
