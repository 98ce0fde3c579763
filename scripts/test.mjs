// `npm test`: everything, in order, each step to its end even where one before failed. The last line has the counts.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildWorker, VARIANTS } from "./build/worker.mjs";
import { cargoDenyIfAny, checkCrates } from "./setup/cargo-deny.mjs";
import { findChromium } from "./setup/chromium.mjs";
import { packageProgram, ROOT } from "./setup/repository.mjs";
import { rustToolchain, WASM_TARGET } from "./setup/rust-toolchain.mjs";
import { needSchemathesis } from "./setup/schemathesis.mjs";
import { wasmTools } from "./setup/wasm-tools.mjs";
import { run } from "./terminal/command.mjs";
import { Failure, runMain } from "./terminal/failure.mjs";
import { cargoCounts, checked, closingLine, sum, verdict, vitestCounts } from "./test/counts.mjs";

await runMain(async () => {
  const toolchain = await rustToolchain({ lints: true });
  const tools = await wasmTools(toolchain);
  const browser = await findChromium();
  await needSchemathesis();
  const deny = await cargoDenyIfAny(toolchain);

  const results = [];
  for (const { title, howLong, program, args } of lints(toolchain)) {
    const lint = async () => verdict((await inRepository(toolchain, program, args)).code === 0);
    results.push(await announced(title, howLong, lint));
  }
  if (deny) {
    const check = async () => verdict((await checkCrates(deny, toolchain)).code === 0);
    results.push(await announced("Crates against deny.toml", "seconds", check));
  }
  results.push(await announced("Native tests", "one to five minutes", () => nativeTests(toolchain)));
  const built = await announced("Both builds of the Worker", "one to five minutes", () => builds(toolchain, tools));
  results.push(built);
  if (built.failed === 0) {
    const title = "Black-box tests in workerd, with the SDK, in a browser, and of the scripts";
    results.push(await announced(title, "five to ten minutes", () => blackBoxTests(browser)));
  } else {
    console.log("\nThe black-box tests are left out: there is nothing to run them on.");
  }

  const total = sum(results);
  console.log(`\n${closingLine(total)}`);
  return total.failed === 0 ? 0 : 1;
});

function lints({ cargoFmt, cargoClippy }) {
  const clippy = (title, howLong, ...options) => ({
    title: `Clippy ${title}`,
    howLong,
    program: cargoClippy,
    args: ["clippy", "--locked", "--quiet", ...options, "--", "-D", "warnings"],
  });
  const wasm = ["--lib", "--target", WASM_TARGET];
  return [
    { title: "Formatting of Rust", howLong: "seconds", program: cargoFmt, args: ["fmt", "--check"] },
    {
      title: "Formatting and lints of JavaScript",
      howLong: "seconds",
      program: packageProgram("biome"),
      args: ["ci", "--error-on-warnings"],
    },
    clippy("natively, with the tests", "one to three minutes", "--all-targets"),
    clippy("as deployed", "up to two minutes", ...wasm),
    clippy("with the development pages", "seconds", ...wasm, "--features", "development"),
  ];
}

function inRepository(toolchain, program, args) {
  return run(program, args, { cwd: ROOT, env: { ...toolchain.env, CARGO_TERM_COLOR: "never" }, echo: true });
}

async function nativeTests(toolchain) {
  const { code, output } = await inRepository(toolchain, toolchain.cargo, ["test", "--locked", "--quiet"]);
  return checked(cargoCounts(output), code);
}

async function builds(toolchain, tools) {
  try {
    for (const variant of Object.keys(VARIANTS)) await buildWorker(variant, toolchain, tools);
    return verdict(true);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.log(`${error.output}\n${error.message}`);
    return verdict(false);
  }
}

async function blackBoxTests(browser) {
  const folder = mkdtempSync(join(tmpdir(), "countersign-tests-"));
  try {
    const report = join(folder, "report.json");
    const args = ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
    const { code } = await run(packageProgram("vitest"), args, {
      cwd: ROOT,
      env: { ...process.env, CHROMIUM: browser },
      echo: true,
    });
    return checked(counted(report), code);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

// No report means that vitest itself broke down; its exit code says that it failed.
function counted(report) {
  try {
    return vitestCounts(JSON.parse(readFileSync(report, "utf8")));
  } catch {
    return { passed: 0, failed: 0, skipped: 0 };
  }
}

async function announced(title, howLong, work) {
  const begin = Date.now();
  console.log(`\n== ${title} (${howLong})`);
  const counts = await work();
  console.log(`== ${closingLine(counts)} in ${Math.round((Date.now() - begin) / 1000)} s`);
  return counts;
}
