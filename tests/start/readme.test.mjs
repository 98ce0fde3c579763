/** One path through `npm start`, as README.md walks it: its own commands, against what a newcomer runs. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { afterAll, afterEach, expect, test } from "vitest";
import { until } from "../support/poll.mjs";
import { freeNeighbours } from "../support/ports.mjs";
import { processesOf } from "../support/processes.mjs";
import { REPOSITORY } from "../support/repository.mjs";

const START_MS = 8 * 60_000;
const STOP_MS = 30_000;
const WALK_MS = 60_000;

const state = mkdtempSync(join(tmpdir(), "countersign-readme-"));
const children = [];

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    await child.ended;
  }
});
afterAll(() => rmSync(state, { recursive: true, force: true }));

/** Starts a program and keeps what it says. */
function run(program, args, options = {}) {
  const child = spawn(program, args, {
    cwd: fileURLToPath(REPOSITORY),
    stdio: ["ignore", "pipe", "pipe"],
    ...options,
    env: { ...process.env, COUNTERSIGN_STATE: state, ...options.env },
  });
  child.said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"]) {
    child[name].setEncoding("utf8");
    child[name].on("data", (text) => (child.said[name] += text));
  }
  child.ended = once(child, "close").then(([code, signal]) => ({ code, signal }));
  children.push(child);
  return child;
}

const npmStart = (port) => run(process.execPath, ["scripts/run.mjs", "start"], { env: { PORT: String(port) } });

/** The commands under a heading of README.md, as they stand there. */
function commandsUnder(heading) {
  const readme = readFileSync(new URL("README.md", REPOSITORY), "utf8");
  const [, section] = readme.split(`\n## ${heading}\n`);
  const [, commands] = /\n```sh\n(.*?)\n```\n/s.exec(section.split("\n## ")[0]);
  return commands;
}

/** The commands on the ports that are free here. */
function movedTo(port, commands) {
  const [worker, issuer] = ["localhost:8787", "localhost:8788"];
  expect(commands).toContain(worker);
  expect(commands).toContain(issuer);
  return commands.replaceAll(worker, `localhost:${port}`).replaceAll(issuer, `localhost:${port + 1}`);
}

test(
  "the README's commands lead from a password to good tokens, and everything stops afterwards",
  async () => {
    const port = await freeNeighbours();
    const publicUrl = `http://localhost:${port}`;
    const start = npmStart(port);
    const isReady = () => /^Countersign is ready at /m.test(start.said.stdout);
    await until("npm start is ready", () => isReady() || start.exitCode !== null, { deadlineMs: START_MS });
    expect(isReady(), `${start.said.stdout}${start.said.stderr}`).toBe(true);

    const commands = movedTo(port, commandsUnder("The whole path with curl"));
    const walk = run("bash", ["-c", commands], { timeout: WALK_MS, killSignal: "SIGKILL" });
    expect(await walk.ended, walk.said.stderr).toEqual({ code: 0, signal: null });
    const lines = walk.said.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const enrollment = { authenticator_type: "oob", oob_channel: "sms", binding_method: "prompt" };
    expect(lines[0]).toMatchObject({ ...enrollment, recovery_codes: [expect.stringMatching(/^[A-Z0-9]{24}$/)] });
    const tokens = lines.at(-1);
    expect(tokens).toMatchObject({ token_type: "Bearer", access_token: expect.any(String), expires_in: 3600 });

    const keys = createRemoteJWKSet(new URL(`${publicUrl}/.well-known/jwks.json`));
    const { payload } = await jwtVerify(tokens.access_token, keys, { issuer: `${publicUrl}/`, algorithms: ["RS256"] });
    expect(payload).toMatchObject({
      sub: expect.stringMatching(/^demo\|ada-\d+$/),
      azp: "demo",
      amr: expect.arrayContaining(["sms", "mfa"]),
    });

    // The files of public/ come last, and behave like every other answer.
    const file = await fetch(`${publicUrl}/robots.txt`);
    expect(file.status).toBe(200);
    expect(await file.text()).toMatch(/^User-agent:/m);
    expect(file.headers.get("cache-control")).toBe("public, max-age=300");
    expect(file.headers.get("x-content-type-options")).toBe("nosniff");
    expect(file.headers.get("x-request-id")).toMatch(/^[0-9a-f]{24}$/);
    const nothing = await fetch(`${publicUrl}/nowhere.txt`);
    expect({ status: nothing.status, ...(await nothing.json()) }).toMatchObject({ status: 404, error: "not_found" });

    const running = await processesOf(state);
    for (const program of ["wrangler", "workerd"]) {
      expect(running.map(({ command }) => command).join("\n")).toContain(program);
    }
    start.kill("SIGTERM");
    expect(await start.ended).toEqual({ code: 0, signal: null });
    const gone = async () => (await processesOf(state)).length === 0;
    await until("every process that npm start has started is gone", gone, { deadlineMs: STOP_MS });
    for (const number of [port, port + 1]) await expect(fetch(`http://localhost:${number}/`)).rejects.toThrow();
  },
  START_MS + WALK_MS + STOP_MS,
);

test.each([
  ["its port", 0, ""],
  ["the demo issuer's port", 1, ", which the demo issuer would use,"],
])("with %s taken, npm start ends with one sentence that names another", async (_, offset, use) => {
  const port = await freeNeighbours();
  const taken = createServer().listen(port + offset, "127.0.0.1");
  await once(taken, "listening");
  try {
    const start = npmStart(port);
    expect(await start.ended).toEqual({ code: 1, signal: null });
    const said = `${start.said.stdout}${start.said.stderr}`;
    const sentence = `Port ${port + offset}${use} is taken: choose another with `;
    expect(said.startsWith(sentence), said).toBe(true);
    expect(said.slice(sentence.length)).toMatch(/^`PORT=\d+ npm start`\.\n$/);
  } finally {
    taken.close();
  }
});
