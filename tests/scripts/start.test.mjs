/** `npm start`, as a newcomer runs it, on a port and a database of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { withMissingKeys } from "../../scripts/setup/development-keys.mjs";
import { freeNeighbours } from "../support/ports.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const state = mkdtempSync(join(tmpdir(), "countersign-start-"));
let port;

/** Runs it until it says what is asked for. */
async function start(until, env = {}) {
  const child = spawn(process.execPath, [join(ROOT, "scripts", "run.mjs"), "start"], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, PORT: String(port), COUNTERSIGN_STATE: state, ...env },
  });
  const ended = once(child, "close").then(([code]) => code);
  let said = "";
  const heard = new Promise((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text) => {
        said += text;
        if (until.test(said)) resolve();
      });
    }
  });
  const code = await Promise.race([heard, ended]);
  return { child, ended, code, said: () => said };
}

const post = (url, body, headers) =>
  fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(body),
  });

beforeAll(async () => {
  port = await freeNeighbours();
});
afterAll(() => rmSync(state, { recursive: true, force: true }));

test("one command serves the Worker and the demo issuer, and stops both", async () => {
  const running = await start(/Countersign is ready at/);
  const publicUrl = `http://localhost:${port}`;
  const issuer = `http://localhost:${port + 1}`;
  try {
    expect(running.code, running.said()).toBeUndefined();
    expect(running.said()).toContain(`Countersign is ready at ${publicUrl}`);
    expect(running.said()).toMatch(/^• Build the Worker \(development\)/m);

    const discovery = await (await fetch(`${publicUrl}/.well-known/openid-configuration`)).json();
    expect(discovery.issuer).toBe(`${publicUrl}/`);
    expect((await fetch(publicUrl)).headers.get("content-type")).toMatch(/^text\/html/);

    const { mfa_token: token } = await (await post(`${issuer}/sign-in`, { name: "Ada Lovelace" })).json();
    const { payload, protectedHeader } = await jwtVerify(token, createRemoteJWKSet(new URL(`${issuer}/jwks.json`)), {
      issuer: `${issuer}/`,
      audience: `${publicUrl}/mfa/`,
      typ: "mfa+jwt",
    });
    expect(protectedHeader.alg).toBe("RS256");
    expect(payload).toMatchObject({
      sub: "ada-lovelace",
      email: "ada-lovelace@example.com",
      email_verified: true,
      azp: "demo",
      amr: ["pwd"],
    });

    const enrolled = await post(
      `${publicUrl}/mfa/associate`,
      { authenticator_types: ["otp"] },
      { Authorization: `Bearer ${token}`, Origin: publicUrl },
    );
    expect(enrolled.status).toBe(200);
    expect(enrolled.headers.get("access-control-allow-origin")).toBe(publicUrl);
    expect(await enrolled.json()).toMatchObject({
      authenticator_type: "otp",
      secret: expect.stringMatching(/^[A-Z2-7]{32}$/),
    });

    const second = await start(/never/);
    expect(second.code).toBe(1);
    expect(second.said()).toMatch(new RegExp(`^Port ${port} is taken: choose another with \`PORT=\\d+ npm start\`\\.\n$`));
  } finally {
    running.child.kill("SIGTERM");
  }
  expect(await running.ended).toBe(0);
  for (const url of [publicUrl, issuer]) await expect(fetch(url)).rejects.toThrow();
}, 600_000);

test("what is wrong with the configuration is said in a sentence, and nothing is called ready", async () => {
  const devVars = join(state, "dev.vars");
  writeFileSync(devVars, `${withMissingKeys("")}FACTORS='{"smss":{}}'\n`);
  const { child, code, said } = await start(/Countersign is ready at/, { COUNTERSIGN_DEV_VARS: devVars });
  child.kill("SIGTERM"); // should it run all the same
  expect(code, said()).toBe(1);
  expect(said()).toContain('\nFACTORS has the unknown factor "smss"; known are otp, sms, voice, email and recovery-code.\n');
  expect(said()).not.toContain("Countersign is ready");
  for (const own of [port, port + 1]) await expect(fetch(`http://localhost:${own}`)).rejects.toThrow();
}, 600_000);

test("the demo issuer refuses a sign-in without a name", async () => {
  const { startDemoIssuer } = await import("../../scripts/demo-issuer.mjs");
  const { issuer, close } = await startDemoIssuer({
    port,
    countersign: "http://localhost:1",
    audience: "a",
    log: () => {},
  });
  try {
    for (const body of [{}, { name: "  " }, { name: 5 }, []]) expect((await post(`${issuer}sign-in`, body)).status).toBe(400);
    const kept = await fetch(`${issuer}jwks.json`);
    expect(kept.headers.get("cache-control")).toBe("max-age=300");
    expect(Object.keys((await kept.json()).keys[0])).not.toContain("d");
    expect((await fetch(`${issuer}nothing`)).status).toBe(404);
  } finally {
    close();
  }
});
