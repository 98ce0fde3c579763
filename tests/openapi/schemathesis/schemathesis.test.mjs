/**
 * Requests that Schemathesis makes of openapi.yaml, good and bad ones, on the built Worker: none is answered with a
 * status, header, content type or body that is not described, and none with 5xx. The same requests are made every time.
 */
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { schemathesisPython } from "../../../scripts/setup/schemathesis.mjs";
import { run } from "../../../scripts/terminal/command.mjs";
import { accepted } from "../../support/answers.mjs";
import { operations } from "../../support/description.mjs";
import { freshNumber } from "../../support/person.mjs";
import { useStage } from "../../support/stage.mjs";
import { subjectTokenOf } from "../../support/token-exchange.mjs";
import { STEP_SECONDS } from "../../support/totp.mjs";
import { PUBLIC_URL } from "../../support/worker.mjs";

const AUDIENCE = "https://app.example.com";
const SCOPES = "enroll read:authenticators remove:authenticators";
const EXAMPLES = 30;
const LONGEST_RUN_MS = 150_000;

// What must have come back for an operation, or the requests have not reached its inside.
const REACHED = {
  "POST /mfa/associate": [200, 400, 401, 403],
  "GET /mfa/authenticators": [200],
  "DELETE /mfa/authenticators/{id}": [204, 404],
  "POST /mfa/challenge": [200, 400, 401, 403],
  "POST /oauth/token": [200, 400, 401, 403],
};

const python = schemathesisPython();
const stage = useStage({
  files: true,
  issuers: [{ may: ["exchange", "mfa_token", "access_token"], entry: { audiences: [AUDIENCE] } }],
});

/** As many of what `make` makes, one after the other. */
async function several(count, make) {
  const made = [];
  while (made.length < count) made.push(await make(stage.person()));
  return made;
}

/** Tokens, codes and ids that are good. */
async function people() {
  const access = (person) => person.provenToken({ scope: SCOPES });
  const apps = await several(8, async (person) => ({ person, ...(await person.enrollOtp()) }));
  const recoverable = await several(6, async (person) => {
    const { recoveryCode } = await person.enrollOtp();
    return { mfa_token: person.mfaToken(), recovery_code: recoveryCode };
  });
  const phones = await several(8, async (person) => ({ person, ...(await person.enrollSms()) }));
  // The codes with which they were confirmed are used up; the next step brings new ones.
  await stage.world.advance(STEP_SECONDS);
  return {
    client_id: stage.client.id,
    clock_offset: stage.world.now() - Math.floor(Date.now() / 1000),
    newcomers: await several(80, (person) => ({
      mfa_token: person.mfaToken(),
      access_token: access(person),
      phone_number: freshNumber(),
      email: person.email,
    })),
    enrolled: [...apps, ...phones].map(({ person }) => ({
      mfa_token: person.mfaToken(),
      access_token: access(person),
    })),
    apps: apps.map(({ person, secret }) => ({ secret, mfa_token: person.mfaToken() })),
    sent: await several(6, async (person) => {
      const mfa_token = person.mfaToken();
      const { oob_code } = await accepted(await person.associateSms({ token: mfa_token }));
      return { mfa_token, oob_code, binding_code: await stage.webhook.codeFor(person.number) };
    }),
    recoverable,
    pending: await several(10, async (person) => {
      const { id } = await accepted(await person.associateOtp());
      return { id, access_token: access(person) };
    }),
    subjects: await several(20, (person) => subjectTokenOf(person, AUDIENCE)),
  };
}

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** Runs it, and reads what it has found and how often which status came back. */
async function runSchemathesis(folder) {
  const at = (name) => join(folder, name);
  await writeFile(at("people.json"), JSON.stringify(await people()));
  const { origin } = await stage.world.miniflare.ready;
  const options = [
    ...["--config-file", here("schemathesis.toml"), "run", here("../../../public/openapi.json")],
    ...["--url", origin, "--header", `Host: ${new URL(PUBLIC_URL).host}`],
    ...["--phases", "examples,coverage,fuzzing", "--max-examples", String(EXAMPLES), "--generation-deterministic"],
    ...["--no-shrink", "--continue-on-failure"],
    ...["--workers", "1", "--warnings", "off", "--no-color", "--report-ndjson-path", at("report.ndjson")],
  ];
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    LANG: "C.UTF-8",
    NO_PROXY: "*",
    PYTHONPATH: here("."),
    PYTHONDONTWRITEBYTECODE: "1",
    SCHEMATHESIS_HOOKS: "hooks",
    COUNTERSIGN_PEOPLE: at("people.json"),
    COUNTERSIGN_ANSWERS: at("answers.json"),
  };
  const program = ["-m", "schemathesis.cli", ...options];
  const said = await run(python, program, { cwd: folder, env, timeout: LONGEST_RUN_MS });
  const read = async (name) => (await readFile(at(name), "utf8")).trim();
  const events = (await read("report.ndjson")).split("\n").map((line) => JSON.parse(line));
  const scenarios = events.flatMap(({ ScenarioFinished }) => ScenarioFinished?.recorder ?? []);
  return { said, scenarios, answers: JSON.parse(await read("answers.json")) };
}

/** What a scenario's checks have found; one without requests has none. */
const found = ({ checks = {} }) =>
  Object.values(checks)
    .flat()
    .filter(({ status }) => status !== "success")
    .map(({ name, failure_info }) => `${name}: ${failure_info?.failure.message}`);

describe.skipIf(!existsSync(python))("of the requests that Schemathesis makes,", () => {
  let folder;
  let outcome;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "countersign-schemathesis-"));
    outcome = await runSchemathesis(folder);
  }, LONGEST_RUN_MS + 60_000);

  afterAll(() => folder && rm(folder, { recursive: true, force: true }));

  test.each(operations.map(({ path, verb }) => `${verb.toUpperCase()} ${path}`))(
    "those to %s are answered as described, and reach its inside",
    (operation) => {
      const scenarios = outcome.scenarios.filter(({ label }) => label === operation);
      expect(scenarios.flatMap(found)).toEqual([]);
      expect(scenarios.flatMap(({ checks = {} }) => Object.keys(checks)).length).toBeGreaterThan(0);
      const answered = Object.keys(outcome.answers[operation]).map(Number);
      expect(answered).toEqual(expect.arrayContaining(REACHED[operation] ?? []));
    },
  );

  test("every one was made and judged", () => {
    expect(outcome.said.code, outcome.said.output).toBe(0);
    const made = Object.values(outcome.answers).flatMap((counts) => Object.values(counts));
    expect(made.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(500);
  });
});
