import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/**/*.test.mjs"],
    // A file starts a workerd of its own, or several; more than two files at once only slow each other down.
    pool: "forks",
    // node:sqlite still says at each start that it is new.
    execArgv: ["--disable-warning=ExperimentalWarning"],
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 180_000,
    // A test that ends and leaves something running hides a fault.
    teardownTimeout: 20_000,
    restoreMocks: true,
    passWithNoTests: false,
  },
});
