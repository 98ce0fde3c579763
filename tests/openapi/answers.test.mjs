/**
 * Every operation of openapi.yaml, walked through. Each answer of any test is held to the description where it arrives
 * (tests/support/worker.mjs); here every status and every error that stands in it is made to arrive.
 */
import { afterAll, describe, expect, test } from "vitest";
import { accepted } from "../support/answers.mjs";
import { API } from "../support/clients.mjs";
import { description, operations, resolved } from "../support/description.mjs";
import { ProofKey } from "../support/dpop.mjs";
import { useStage } from "../support/stage.mjs";
import { subjectTokenOf, tokenExchange } from "../support/token-exchange.mjs";
import { STEP_SECONDS, totp } from "../support/totp.mjs";
import { ISSUER, startWorkers } from "../support/worker.mjs";

const AUDIENCE = "https://app.example.com";
const stage = useStage({
  files: true,
  issuers: [{ may: ["exchange", "mfa_token", "access_token"], entry: { audiences: [AUDIENCE] } }],
});
const OTP = { authenticator_types: ["otp"] };
const LIST = "/mfa/authenticators";
const elsewhere = "https://elsewhere.example";

/** An mfa_token that was good once. */
const expired = (person) => person.mfaToken({ iat: stage.world.now() - 500, exp: stage.world.now() - 100 });

/** Breaks the database while a request is answered. */
async function broken(act) {
  await stage.world.fail({ on: "DB", times: 10 });
  try {
    await act();
  } finally {
    await stage.world.heal();
  }
}

/** What nobody who is refused at the door gets past, for a path that takes a body. */
async function door(path) {
  await stage.world.post(`${elsewhere}${path}`, {});
  await stage.world.post(path, "x".repeat(70_000));
  await stage.world.fetch(path, { method: "POST", body: "x", headers: { "content-type": "text/plain" } });
}

test("associate", async () => {
  const path = "/mfa/associate";
  await door(path);
  const person = stage.person();
  const mfaToken = person.mfaToken();
  await person.associate({}, { token: mfaToken });
  await person.associate(OTP, { token: "x" });
  await person.associate(OTP, { token: expired(person) });
  await person.associate({ ...OTP, client_id: person.client.id, client_secret: "wrong" });
  await person.associate(OTP, { token: person.accessToken({ scope: "read:authenticators" }) });
  await broken(() => person.associate(OTP));
  const headers = { "idempotency-key": "once" };
  const sms = { authenticator_types: ["oob"], oob_channels: ["sms"], phone_number: person.number };
  const first = await accepted(await person.associate(sms, { token: mfaToken, headers }));
  const again = await person.associate(sms, { token: mfaToken, headers });
  expect(again.headers.get("idempotent-replayed")).toBe("true");
  expect(await accepted(again)).toEqual(first);
  await person.associate(OTP, { token: mfaToken, headers });
  await accepted(await person.associate({ ...OTP, qr_svg: true }));
  await person.enrollOtp();
  await person.associate(OTP);
  const other = stage.person();
  for (let sent = 0; sent <= 10; sent += 1) await other.associateSms();
});

test("the list, and removal", async () => {
  const person = stage.person();
  const { id, enrollment } = await person.enrollOtp();
  expect(enrollment.recovery_codes).toHaveLength(1);
  await person.associateSms({ token: person.provenToken() });
  await person.associateEmail({ token: person.provenToken() });
  const items = await accepted(await person.list());
  expect(items).toHaveLength(5);
  await person.list({ method: "HEAD" });
  const nobody = { azp: "nobody" };
  for (const method of ["GET", "HEAD"]) {
    await person.list({ token: "x", method });
    await person.list({ token: expired(person), method });
    await person.list({ token: person.mfaToken(nobody), method });
    await person.list({ token: person.accessToken(), method });
    await broken(() => person.list({ method }));
    await stage.world.fetch(`${elsewhere}${LIST}`, { method });
  }
  const scope = "remove:authenticators";
  await person.remove(id, { token: person.mfaToken() });
  await person.remove(id, { token: expired(person) });
  await person.remove(id, { token: person.provenToken({ ...nobody, scope }) });
  await person.remove(id, { token: person.provenToken() });
  await person.remove(id, { token: person.accessToken({ scope }) });
  await person.remove("totp|dev_aaaaaaaaaaaaaaaa");
  await person.remove(items.find(({ type }) => type === "recovery-code").id);
  await broken(() => person.remove(id));
  await stage.world.fetch(`${elsewhere}${LIST}/${id}`, { method: "DELETE" });
  expect((await person.remove(id.replace("|", "%7C"))).status).toBe(204);
});

test("challenge", async () => {
  const path = "/mfa/challenge";
  await door(path);
  const person = stage.person();
  await person.challenge();
  await person.enrollSms();
  const mfa_token = person.mfaToken();
  const headers = { "idempotency-key": '"once"' };
  await accepted(await person.challenge({ mfa_token }, { headers }));
  await person.challenge({ mfa_token }, { headers });
  await person.challenge({ mfa_token, challenge_type: "otp" }, { headers });
  await person.challenge({ challenge_type: "otp" });
  await person.challenge({ mfa_token: "x" });
  await person.challenge({ mfa_token: expired(person) });
  await person.challenge({ client_id: "nobody" });
  await person.challenge({ authenticator_id: "sms|dev_aaaaaaaaaaaaaaaa" });
  await person.challenge({ mfa_token: undefined });
  await person.challenge({}, { form: true });
  const basic = { authorization: `Basic ${btoa("nobody:wrong")}` };
  const refused = await person.challenge({ client_id: undefined }, { headers: basic });
  expect(refused.headers.get("www-authenticate")).toMatch(/^Basic /);
  await broken(() => person.challenge());
  for (let sent = 0; sent <= 10; sent += 1) await person.challenge();
  const other = stage.person();
  await other.enrollOtp();
  await accepted(await other.challenge());
});

test("token", async () => {
  const path = "/oauth/token";
  await door(path);
  const person = stage.person();
  const { tokens, secret, recoveryCode } = await person.enrollOtp();
  expect(tokens.token_type).toBe("Bearer");
  const mfa_token = person.mfaToken({ scope: "openid email read:things" });
  const code = () => totp(secret, stage.world.now());
  await person.exchange("otp", { mfa_token, otp: "000000" });
  await person.exchange("otp", { mfa_token: "x", otp: "000000" });
  await person.exchange("otp", { mfa_token });
  await person.exchange("nothing", { mfa_token });
  await person.exchange("otp", { mfa_token, otp: "000000", audience: "https://other.example" });
  await person.exchange("otp", { mfa_token, otp: "000000", client_id: "nobody" });
  await person.exchange("otp", { mfa_token: expired(person), otp: "000000" });
  await person.exchange("otp", { mfa_token: person.accessToken({ scope: "other" }), otp: "000000" });
  await broken(() => person.exchange("otp", { mfa_token, otp: "000000" }));
  const limited = await stage.addClient({ grants: ["token-exchange"] });
  await stage.person({ client: limited }).exchange("otp", { mfa_token, otp: "000000" });

  await stage.world.advance(STEP_SECONDS);
  expect((await accepted(await person.exchange("otp", { mfa_token, otp: code() }))).id_token).toBeTruthy();
  const recovered = await person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code: recoveryCode });
  expect((await accepted(recovered)).recovery_code).toMatch(/^[A-Z0-9]{24}$/);

  const subject_token = subjectTokenOf(person, AUDIENCE);
  await tokenExchange(stage.world, person, { subject_token });
  await tokenExchange(stage.world, person, { subject_token: "x" });
  const newcomer = stage.person();
  const exchanged = await tokenExchange(stage.world, newcomer, { subject_token: subjectTokenOf(newcomer, AUDIENCE) });
  expect((await accepted(exchanged)).issued_token_type).toBeTruthy();
  const stepUp = { audience: API, acr_values: "http://schemas.openid.net/pape/policies/2007/06/multi-factor" };
  const wanted = { subject_token: subjectTokenOf(newcomer, AUDIENCE), ...stepUp };
  const { mfa_requirements } = await (await tokenExchange(stage.world, newcomer, wanted)).json();
  expect(mfa_requirements.enroll.map(({ type }) => type)).toEqual(["otp", "phone"]);

  for (let guess = 0; guess <= 10; guess += 1) {
    await person.exchange("otp", { mfa_token: person.mfaToken(), otp: "000000" });
  }
});

test("two factors, the first of them a recovery code", async () => {
  const person = stage.person({ client: await stage.addClient({ policy: { factors: 2 } }) });
  const mfaToken = person.mfaToken();
  const { secret, recovery_codes } = await accepted(await person.associateOtp({ token: mfaToken }));
  await person.exchange("otp", { mfa_token: mfaToken, otp: totp(secret, stage.world.now()) });
  const first = await person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code: recovery_codes[0] });
  expect(await first.json()).toMatchObject({ error: "mfa_required", recovery_code: expect.any(String) });
});

test("bound tokens", async () => {
  const key = await ProofKey.generate();
  const person = stage.person();
  const grant = async (options) => {
    const dpop = await key.proof("POST", "/oauth/token", options);
    return person.exchange("otp", { mfa_token: person.mfaToken(), otp: "000000" }, { headers: { dpop } });
  };
  const nonce = (await grant()).headers.get("dpop-nonce");
  expect((await grant({ nonce, claims: { htm: "GET" } })).status).toBe(400);
  expect((await grant({ nonce })).status).toBe(403);
  const subject_token = subjectTokenOf(person, AUDIENCE);
  const headers = { dpop: await key.proof("POST", "/oauth/token", { nonce }) };
  const tokens = await accepted(await tokenExchange(stage.world, person, { subject_token }, { headers }));
  expect(tokens.token_type).toBe("DPoP");

  const scope = "enroll read:authenticators remove:authenticators";
  const token = person.provenToken({ scope, cnf: { jkt: key.thumbprint } });
  const { id } = await accepted(await person.associateOtp());
  for (const [method, path, body, done] of [
    ["POST", "/mfa/associate", OTP, 200],
    ["GET", LIST, undefined, 200],
    ["DELETE", `${LIST}/${id.replace("|", "%7C")}`, undefined, 204],
  ]) {
    const ask = async (options) => {
      const dpop = await key.proof(method, path, { token, ...options });
      const all = { authorization: `DPoP ${token}`, dpop, ...(body && { "content-type": "application/json" }) };
      return stage.world.fetch(path, { method, headers: all, ...(body && { body: JSON.stringify(body) }) });
    };
    expect((await ask()).headers.get("dpop-nonce")).toBeTruthy();
    expect((await ask({ nonce, claims: { ath: "" } })).status).toBe(401);
    expect((await ask({ nonce })).status).toBe(done);
  }
});

test("metadata: the discovery document is the one that the description shows", async () => {
  for (const [path, name] of [
    ["/.well-known/openid-configuration", "document"],
    ["/.well-known/jwks.json", "one"],
  ]) {
    const body = await (await stage.world.fetch(path)).json();
    const [media] = Object.values(description.paths[path].get.responses[200].content);
    if (body.issuer === ISSUER) expect(body).toEqual(media.examples[name].value);
    for (const method of ["GET", "HEAD"]) await stage.world.fetch(`${elsewhere}${path}`, { method });
    await stage.world.fetch(path, { method: "HEAD" });
  }
  for (const path of ["/openapi.json", "/docs"]) {
    const { headers } = await stage.world.fetch(path);
    const unchanged = await stage.world.fetch(path, { headers: { "if-none-match": headers.get("etag") } });
    expect(unchanged.status).toBe(304);
    await stage.world.fetch(`${elsewhere}${path}`);
  }
});

const instance = (path) => path.replace("{id}", "totp%7Cdev_aaaaaaaaaaaaaaaa");

describe.each(Object.entries(description.paths).filter(([, item]) => item.options))("%s", (path, item) => {
  const verbs = Object.keys(item).map((verb) => verb.toUpperCase());

  test("answers its verbs, a preflight among them", async () => {
    for (const method of verbs) {
      const response = await stage.world.fetch(instance(path), { method });
      expect([404, 405], method).not.toContain(response.status);
    }
    const preflight = await stage.world.fetch(instance(path), { method: "OPTIONS" });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-methods").split(", ").sort()).toEqual([...verbs].sort());
    await stage.world.fetch(`${elsewhere}${instance(path)}`, { method: "OPTIONS" });
  });

  test.each(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].filter((verb) => !verbs.includes(verb)))(
    "refuses %s and names those that it has",
    async (method) => {
      const response = await stage.world.fetch(instance(path), { method });
      expect(response.status).toBe(405);
      expect(response.headers.get("allow").split(", ").sort()).toEqual([...verbs].sort());
    },
  );
});

test("without a configuration", async () => {
  const world = await startWorkers({ vars: { TENANT_NAME: undefined }, files: true });
  try {
    for (const { path, verb } of operations) await world.fetch(instance(path), { method: verb.toUpperCase() });
    stage.world.answers.push(...world.answers);
  } finally {
    await world.dispose();
  }
});

// A bug has no request that leads to it.
const UNREACHED = [500];

/** Every error code that an operation may answer a status with. */
function codes({ content }) {
  const media = content?.["application/json"];
  return new Set(Object.values(media?.examples ?? {}).map((example) => resolved(example).value.error));
}

afterAll(() => {
  const missing = operations.flatMap(({ path, verb, operation }) => {
    const method = verb.toUpperCase();
    const reached = stage.world.answers.filter((each) => each.template === path && each.method === method);
    return Object.entries(operation.responses).flatMap(([key, response]) => {
      const status = Number(key);
      const arrived = reached.filter((each) => each.status === status);
      if (UNREACHED.includes(status)) return [];
      if (arrived.length === 0) return [`${method} ${path} ${status}`];
      if (status < 400 || verb === "head") return [];
      return [...codes(response)]
        .filter((code) => !arrived.some(({ error }) => error === code))
        .map((code) => `${method} ${path} ${status} ${code}`);
    });
  });
  expect(missing).toEqual([]);
});
