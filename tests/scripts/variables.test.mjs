/** The names that the scripts know are those that the Worker reads and docs/configuration.md explains. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { isVariable, OPTIONAL, PROVIDER_SECRETS, REQUIRED } from "../../scripts/configuration/variables.mjs";

const text = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const sources = ["src/config.rs", "src/config/reading.rs", "src/config/providers.rs"].map(text).join("\n");
const read = [...sources.matchAll(/"([A-Z][A-Z0-9_]{4,})"/g)].map(([, name]) => name);

test("whatever the Worker reads is checked before a deploy and deployed", () => {
  expect(read.length).toBeGreaterThan(8);
  expect(read.filter((name) => !isVariable(name))).toEqual([]);
});

test("whatever is deployed is read by the Worker and explained in docs/configuration.md", () => {
  const page = text("docs/configuration.md");
  for (const name of [...REQUIRED, ...OPTIONAL, ...PROVIDER_SECRETS]) {
    expect(read).toContain(name);
    expect(page).toContain(`\`${name}\``);
  }
});
