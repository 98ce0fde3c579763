/** What is told of what happens: one event for each act, the same to the log and the queue, and what a request has cost. */
import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { accepted, done } from "../support/answers.mjs";
import { API } from "../support/clients.mjs";
import { ProofKey } from "../support/dpop.mjs";
import { until } from "../support/poll.mjs";
import { CHARGE } from "../support/race.mjs";
import { REPOSITORY } from "../support/repository.mjs";
import { useStage } from "../support/stage.mjs";
import { SUBJECT_AUDIENCE, subjectTokenOf, tokenExchange } from "../support/token-exchange.mjs";
import { STEP_SECONDS, totp } from "../support/totp.mjs";

const ISSUERS = [
  { may: ["exchange", "mfa_token", "access_token"], entry: { audiences: [SUBJECT_AUDIENCE] } },
  { name: "absent" },
];
const LIMITS = JSON.stringify({ client_address: { hour: 3, day: 100 } });
const stage = useStage({ isolates: 2, exports: true, issuers: ISSUERS, vars: { SENDING_LIMITS: LIMITS, NOTICES: "off" } });

const WRONG_RECOVERY_CODE = "A".repeat(24);
const isAct = (line) => line.outcome !== undefined;
/** Where requests come from unless a test says otherwise, by Miniflare. */
const ELSEWHERE = "US";
const idOf = (response) => response.headers.get("x-request-id");

/** The acts of a request, in order, without what is the same in all of them. */
async function actsOf(response, { world = stage.world } = {}) {
  const acts = (await world.told()).filter((line) => isAct(line) && line.request === idOf(response));
  return acts.map(({ time, request, client, ...act }) => {
    if (act.country === ELSEWHERE) delete act.country;
    else expect(act.country).toMatch(/^[A-Z]{2}$/);
    expect(Math.abs(world.now() - time), "time").toBeLessThan(60);
    expect(request).toMatch(/^[0-9a-f]{24}$/);
    if (client !== undefined) expect(client).toMatch(/^client_/);
    return act;
  });
}

const user = (person) => `idp|${person.sub}`;
const ok = (event, auth0, more) => ({ event, ...(auth0 && { auth0 }), outcome: "success", ...more });
const failed = (event, auth0, more) => ({ event, ...(auth0 && { auth0 }), outcome: "failure", ...more });

/** A token of the person that lives long enough to outlast a code. */
const lasting = (person) => person.mfaToken({ exp: stage.world.now() + 600 });
const otpOf = (app) => totp(app.secret, stage.world.now());
const enterOtp = (person, otp, mfa_token = person.mfaToken()) => person.exchange("otp", { mfa_token, otp });
/** A code that is none of the app's around now. */
function wrongOtp(app) {
  const near = [-1, 0, 1].map((step) => totp(app.secret, stage.world.now() + step * STEP_SECONDS));
  return ["000000", "111111", "222222", "333333"].find((code) => !near.includes(code));
}

describe("one event, and no more, is left by", () => {
  test("an enrollment that begins, with country, user, client and authenticator", async () => {
    const person = stage.person();
    const response = await person.associateOtp({ cf: { country: "DE" } });
    const { id } = await accepted(response);
    const [line] = (await stage.world.told()).filter((each) => isAct(each) && each.request === idOf(response));
    expect(line).toEqual({
      event: "enrollment_begun",
      auth0: "gd_start_enroll",
      outcome: "success",
      time: expect.any(Number),
      request: idOf(response),
      country: "DE",
      user: user(person),
      client: person.client.id,
      factor: "otp",
      authenticator: id,
    });
    expect(await actsOf(response)).toHaveLength(1);
  });

  test("an enrollment that a rule stands against", async () => {
    const person = stage.person();
    await person.enrollOtp();
    const common = { user: user(person) };
    expect(await actsOf(await person.associateOtp())).toEqual([
      failed("enrollment_refused", "gd_start_enroll_failed", { ...common, factor: "otp", reason: "already_enrolled" }),
    ]);
    const abroad = { authenticator_types: ["oob"], oob_channels: ["sms"], phone_number: "+2348031234567" };
    expect(await actsOf(await person.associate(abroad))).toEqual([
      failed("enrollment_refused", "gd_start_enroll_failed", { ...common, reason: "region_not_enabled" }),
    ]);
  });

  test("a confirmation and a verification, and one by the tokens that each of them buys", async () => {
    const person = stage.person();
    const mfa_token = person.mfaToken();
    const app = await accepted(await person.associateOtp({ token: mfa_token }));
    const common = { user: user(person), grant: "mfa-otp", factor: "otp", authenticator: app.id };
    const tokens = ok("tokens_issued", "seotpft", { ...common, audience: API, bound: false });
    const confirmed = await enterOtp(person, otpOf(app), mfa_token);
    expect(await actsOf(confirmed)).toEqual([ok("authenticator_confirmed", "gd_enrollment_complete", common), tokens]);
    await stage.world.advance(STEP_SECONDS);
    const verified = await enterOtp(person, otpOf(app));
    expect(await actsOf(verified)).toEqual([ok("code_accepted", "gd_auth_succeed", common), tokens]);
  });

  test("a challenge by message, whose delivery has the same id, and by its code", async () => {
    const person = stage.person();
    const { id } = await person.enrollSms();
    const mfa_token = person.mfaToken();
    const challenge = await person.challenge({ mfa_token, challenge_type: "oob" });
    const [sent, ...others] = await actsOf(challenge);
    expect(others).toEqual([]);
    const common = { user: user(person), factor: "sms", authenticator: id };
    expect(sent).toEqual(ok("challenge_sent", "gd_start_auth", { ...common, delivery: expect.stringMatching(/^[0-9a-f]{32}$/) }));
    const binding_code = await stage.webhook.codeFor(person.number, { count: 2 });
    await stage.world.delivered();
    const deliveries = (await stage.world.told()).filter((line) => isAct(line) && line.delivery === sent.delivery);
    expect(deliveries.filter(({ event }) => event !== "challenge_sent")).toEqual([
      ok("delivery_sent", "gd_send_sms", {
        time: expect.any(Number),
        delivery: sent.delivery,
        message: "code",
        factor: "sms",
        channel: "sms",
        attempt: 1,
        provider: "webhook",
      }),
    ]);
    const { oob_code } = await accepted(challenge);
    const wrong = binding_code === "000000" ? "111111" : "000000";
    const grant = { ...common, grant: "mfa-oob" };
    expect(await actsOf(await person.exchange("oob", { mfa_token, oob_code, binding_code: wrong }))).toEqual([
      failed("code_wrong", "gd_auth_failed", { ...grant, reason: "wrong" }),
    ]);
    expect(await actsOf(await person.exchange("oob", { mfa_token, oob_code, binding_code }))).toEqual([
      ok("code_accepted", "gd_auth_succeed", grant),
      ok("tokens_issued", "seoobft", { ...grant, audience: API, bound: false }),
    ]);
    // The next one is the spent token's, not the code's.
    expect(await actsOf(await person.exchange("oob", { mfa_token, oob_code, binding_code }))).toEqual([
      failed("bearer_refused", undefined, { user: user(person), grant: "mfa-oob", reason: "spent" }),
    ]);
  });

  test("a challenge by app, and one that nothing is there for", async () => {
    const person = stage.person();
    expect(await actsOf(await person.challenge())).toEqual([
      failed("challenge_refused", undefined, { user: user(person), reason: "no_authenticator" }),
    ]);
    await person.enrollOtp();
    expect(await actsOf(await person.challenge())).toEqual([
      ok("challenge_asked", "gd_start_auth", { user: user(person), factor: "otp" }),
    ]);
  });

  test("a code that comes too late, and a message that nobody takes or that is never taken", async () => {
    const person = stage.person();
    const mfa_token = lasting(person);
    stage.webhook.next(410);
    const response = await person.associateSms({ token: mfa_token });
    const { id, oob_code } = await accepted(response);
    await stage.world.delivered();
    const [{ delivery }] = await actsOf(response);
    const of = async (each) => (await stage.world.told()).filter((line) => line.delivery === each && line.provider === undefined);
    expect((await of(delivery)).slice(1)).toMatchObject([
      failed("delivery_failed", "gd_send_sms_failure", { factor: "sms", reason: "webhook: status 410", attempt: 1 }),
    ]);
    stage.webhook.next(503);
    const again = await person.associateEmail();
    const [{ delivery: delayed }] = await actsOf(again);
    await until("it was tried", async () => (await of(delayed)).length === 2);
    expect((await of(delayed))[1]).toMatchObject(failed("delivery_delayed", undefined, { reason: "webhook: status 503" }));
    expect((await of(delayed))[1].auth0).toBeUndefined();

    await stage.world.advance(301);
    // Or the one that waits would be waited for by others.
    await stage.world.sweep();
    const late = await person.exchange("oob", { mfa_token, oob_code, binding_code: "000000" });
    expect(await actsOf(late)).toEqual([
      failed("code_expired", "gd_auth_failed", { user: user(person), grant: "mfa-oob", reason: "expired" }),
    ]);
    expect(id).toMatch(/^sms\|/);
  });

  test("a recovery code that is used, that is wrong, and that is not looked at", async () => {
    const person = stage.person();
    const { recoveryCode } = await person.enrollOtp();
    const common = { user: user(person), grant: "mfa-recovery-code", factor: "recovery-code" };
    const use = (recovery_code) => person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code });
    expect(await actsOf(await use(recoveryCode))).toEqual([
      ok("recovery_code_used", "gd_recovery_succeed", common),
      ok("tokens_issued", "sercft", { ...common, audience: API, bound: false }),
    ]);
    for (let guess = 0; guess < 10; guess += 1) {
      expect(await actsOf(await use(WRONG_RECOVERY_CODE))).toEqual([
        failed("recovery_code_wrong", "gd_recovery_failed", { ...common, reason: "wrong" }),
      ]);
    }
    expect(await actsOf(await use(WRONG_RECOVERY_CODE))).toEqual([
      failed("recovery_guesses_locked", "gd_recovery_rate_limit_exceed", { ...common, reason: "user" }),
    ]);
  });

  test("a removal, and one that a rule stands against", async () => {
    const person = stage.person();
    const { id } = await person.enrollOtp();
    const common = { user: user(person), factor: "otp", authenticator: id };
    const unproven = person.accessToken({ scope: "remove:authenticators" });
    expect(await actsOf(await person.remove(id, { token: unproven }))).toEqual([
      failed("removal_refused", undefined, { ...common, reason: "proof_required" }),
    ]);
    const removed = await person.remove(id);
    await done(removed);
    expect(await actsOf(removed)).toEqual([ok("authenticator_removed", "gd_unenroll", common)]);
    expect(await actsOf(await person.remove(id))).toEqual([
      failed("removal_refused", undefined, { ...common, reason: "unknown_authenticator" }),
    ]);
  });

  test("a token exchange, the demand of a factor, and an exchange that is refused", async () => {
    const { world } = stage;
    const person = stage.person();
    const exchange = (more) => tokenExchange(world, person, { subject_token: subjectTokenOf(person, SUBJECT_AUDIENCE), ...more });
    const common = { user: user(person), grant: "token-exchange" };
    expect(await actsOf(await exchange())).toEqual([ok("tokens_issued", "secte", { ...common, audience: API, bound: false })]);
    expect(await actsOf(await exchange({ audience: "https://other.example.com" }))).toEqual([
      failed("tokens_refused", "fecte", { ...common, reason: "audience_not_registered" }),
    ]);
    expect(await actsOf(await exchange({ subject_token: "x.y.z" }))).toEqual([
      failed("bearer_refused", undefined, { grant: "token-exchange", reason: "not_a_jwt" }),
    ]);
    await person.enrollOtp();
    expect(await actsOf(await exchange())).toEqual([ok("mfa_required", "mfar", { ...common, reason: "policy" })]);
  });

  test("a client that does not prove who it is; an unknown one is not named", async () => {
    const client = await stage.addClient({ authentication: "post" });
    const person = stage.person({ client: { ...client, secret: "x".repeat(64) } });
    const response = await enterOtp(person, "000000");
    expect(await actsOf(response)).toEqual([failed("client_refused", undefined, { grant: "mfa-otp", reason: "wrong_secret" })]);
    const nobody = stage.person({ client: { id: "somebody-made-this-up" } });
    const unknown = await enterOtp(nobody, "000000");
    expect(await actsOf(unknown)).toEqual([failed("client_refused", undefined, { grant: "mfa-otp", reason: "unknown_client" })]);
    expect((await stage.world.logLines()).join("\n")).not.toContain("somebody-made-this-up");
  });

  test("a token that will not do, with the class of what is wrong", async () => {
    const { world } = stage;
    const person = stage.person();
    const reason = async (response) => {
      const [{ event, reason }, ...others] = await actsOf(await response);
      expect({ event, others }).toEqual({ event: "bearer_refused", others: [] });
      return reason;
    };
    expect(await reason(world.fetch("/mfa/authenticators"))).toBe("missing");
    expect(await reason(person.list({ token: "x.y.z" }))).toBe("not_a_jwt");
    expect(await reason(person.list({ token: person.mfaToken({ iss: "https://nobody.example.com/" }) }))).toBe(
      "untrusted_issuer",
    );
    expect(await reason(person.list({ token: person.mfaToken({ aud: "https://other.example.com" }) }))).toBe("other_audience");
    const expired = { iat: world.now() - 700, exp: world.now() - 400 };
    expect(await reason(person.list({ token: person.mfaToken(expired) }))).toBe("expired");
    expect(await reason(person.list({ token: person.accessToken({ scope: "enroll" }) }))).toBe("insufficient_scope");
    const forged = stage.issuers[1].sign(JSON.parse(Buffer.from(person.mfaToken().split(".")[1], "base64url")), {
      typ: "mfa+jwt",
      kid: stage.issuer.key.kid,
    });
    expect(await reason(person.list({ token: forged }))).toBe("invalid_signature");
  });

  test("a proof that will not do; a stale nonce leaves none", async () => {
    const person = stage.person();
    const key = await ProofKey.generate();
    const ask = async (proof) =>
      person.exchange("otp", { mfa_token: person.mfaToken(), otp: "000000" }, { headers: { dpop: await proof } });
    const asked = await ask(key.proof("POST", "/oauth/token"));
    expect(asked.status).toBe(400);
    expect(await actsOf(asked)).toEqual([]);
    const nonce = asked.headers.get("dpop-nonce");
    expect(await actsOf(await ask(key.proof("DELETE", "/oauth/token", { nonce })))).toEqual([
      failed("proof_refused", undefined, { grant: "mfa-otp", reason: "other_method" }),
    ]);
  });

  test("a limit that speaks, beside that of the request that it stops", async () => {
    const from = { headers: { "cf-connecting-ip": "198.18.7.1" }, cf: { asn: 64_500, country: "AT" } };
    await accepted(await stage.person().associateSms(from));
    const person = stage.person();
    const common = { country: "AT", user: user(person), factor: "sms" };
    expect(await actsOf(await person.associateSms(from))).toEqual([
      failed("message_limit", undefined, {
        ...common,
        reason: "client_address",
        enforced: true,
        retry_after: expect.any(Number),
        network: 64_500,
      }),
      failed("enrollment_refused", "gd_start_enroll_failed", { ...common, reason: "too_many_messages" }),
    ]);
  });

  test("a key set that is fetched, and one that is not there", async () => {
    const { world, issuers } = stage;
    const absent = issuers[1];
    const of = async () => (await world.told()).filter(({ source }) => source === "absent");
    absent.instead = { status: 503 };
    const stranger = stage.person({ issuer: absent });
    const unserved = await stranger.list();
    expect(unserved.status).toBe(503);
    const unreachable = failed("key_set_unreachable", undefined, { reason: "status", detail: "503" });
    expect(await of()).toMatchObject([unreachable]);
    expect(await actsOf(unserved)).toMatchObject([failed("request_failed", undefined, { reason: "issuer" })]);
    absent.instead = null;
    await world.advance(31);
    expect((await stranger.list()).status).toBe(200);
    expect((await stranger.list()).status).toBe(200);
    expect(await of()).toMatchObject([unreachable, ok("key_set_fetched")]);
  });

  test("a request that the database fails", async () => {
    const person = stage.person();
    await stage.world.fail({ on: "DB", times: 1e9 });
    const response = await person.associateOtp();
    await stage.world.heal();
    expect(await actsOf(response)).toMatchObject([failed("request_failed", undefined, { reason: "storage" })]);
  });
});

describe("an event beside that of the wrong code is left by", () => {
  const wear = (person, failures) =>
    stage.world.rows("UPDATE authenticators SET failures = ? WHERE user_id = ?", failures, user(person));

  test("each twentieth in a row, with the app that it was tried on, and by the hundredth", async () => {
    const person = stage.person();
    const app = await person.enrollOtp();
    const common = { user: user(person), grant: "mfa-otp", factor: "otp" };
    const wrong = failed("code_wrong", "gd_auth_failed", { ...common, reason: "wrong" });
    const beside = async (failures) => {
      await wear(person, failures - 1);
      const acts = await actsOf(await enterOtp(person, wrongOtp(app)));
      expect(acts.at(-1)).toEqual(wrong);
      return acts.slice(0, -1);
    };
    const event = (name, failures) => [failed(name, undefined, { ...common, authenticator: app.id, failures })];
    expect(await beside(19)).toEqual([]);
    expect(await beside(20)).toEqual(event("guessing_suspected", 20));
    expect(await beside(21)).toEqual([]);
    expect(await beside(80)).toEqual(event("guessing_suspected", 80));
    expect(await beside(100)).toEqual(event("authenticator_disabled", 100));
    expect(await beside(101)).toEqual([]);
    expect(await beside(120)).toEqual([]);
  });

  test("a code by message, with its authenticator, also where no try of that code is left", async () => {
    const person = stage.person();
    const { id } = await person.enrollSms();
    const mfa_token = person.mfaToken();
    const { oob_code, binding_code } = await person.receiveCode({ mfa_token });
    const other = binding_code === "000000" ? "111111" : "000000";
    const ask = async () => actsOf(await person.exchange("oob", { mfa_token, oob_code, binding_code: other }));
    const common = { user: user(person), grant: "mfa-oob", factor: "sms", authenticator: id };
    await wear(person, 19);
    expect(await ask()).toEqual([
      failed("guessing_suspected", undefined, { ...common, failures: 20 }),
      failed("code_wrong", "gd_auth_failed", { ...common, reason: "wrong" }),
    ]);
    for (let tries = 2; tries <= 5; tries += 1) expect(await ask()).toHaveLength(1);
    await wear(person, 99);
    expect(await ask()).toEqual([
      failed("authenticator_disabled", undefined, { ...common, failures: 100 }),
      failed("guesses_locked", "gd_otp_rate_limit_exceed", { ...common, reason: "code" }),
    ]);
  });
});

test("fifty wrong codes at once leave fifty events: ten that were looked at, forty that were not", async () => {
  const { world } = stage;
  const person = stage.person();
  const app = await person.enrollOtp();
  const mfa_token = person.mfaToken();
  const otp = wrongOtp(app);
  const ask = (index) => () => person.exchange("otp", { mfa_token, otp }, { isolate: index % 2 });
  const responses = await world.race(
    CHARGE,
    Array.from({ length: 50 }, (_, index) => ask(index)),
  );
  const acts = [];
  for (const response of responses) {
    const own = await actsOf(response);
    expect(own).toHaveLength(1);
    acts.push(...own);
  }
  const common = { user: user(person), grant: "mfa-otp", factor: "otp" };
  const wrong = failed("code_wrong", "gd_auth_failed", { ...common, reason: "wrong" });
  const locked = failed("guesses_locked", "gd_otp_rate_limit_exceed", { ...common, reason: "user" });
  expect(acts.filter(({ event }) => event === "code_wrong")).toEqual(Array(10).fill(wrong));
  expect(acts.filter(({ event }) => event === "guesses_locked")).toEqual(Array(40).fill(locked));
});

test("one good code that is sent ten times at once is accepted in one event, and told as used in nine", async () => {
  const { world } = stage;
  const person = stage.person();
  const app = await person.enrollOtp();
  await world.advance(STEP_SECONDS);
  const otp = otpOf(app);
  const ask = (index) => () => person.exchange("otp", { mfa_token: person.mfaToken(), otp }, { isolate: index % 2 });
  const responses = await world.race(
    "INSERT INTO redemptions",
    Array.from({ length: 10 }, (_, index) => ask(index)),
  );
  const acts = (await Promise.all(responses.map((response) => actsOf(response)))).flat();
  const count = (event, reason) => acts.filter((act) => act.event === event && act.reason === reason).length;
  expect([count("code_accepted"), count("tokens_issued"), count("code_wrong", "used_meanwhile")]).toEqual([1, 1, 9]);
  expect(acts).toHaveLength(11);
});

test("a request that is answered once more, and one that is no request, leave no event", async () => {
  const { world } = stage;
  const person = stage.person();
  const token = person.mfaToken();
  const ask = () => person.associateOtp({ token, headers: { "idempotency-key": "k" } });
  expect(await actsOf(await ask())).toHaveLength(1);
  const again = await ask();
  expect(again.headers.get("idempotent-replayed")).toBe("true");
  expect(await actsOf(again)).toEqual([]);
  for (const response of [
    await person.associate({}),
    await person.challenge({ mfa_token: undefined }),
    await world.post("/oauth/token", {}),
    await world.fetch("/nowhere"),
  ]) {
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(await actsOf(response)).toEqual([]);
  }
});

describe("the line of a request", () => {
  const lineOf = async (response) => {
    const lines = (await stage.world.told()).filter(({ event, request }) => event === "request" && request === idOf(response));
    expect(lines).toHaveLength(1);
    return lines[0];
  };

  test("says what it was, and what it has cost: what the bindings saw", async () => {
    const { world } = stage;
    const person = stage.person();
    const mfa_token = person.mfaToken();
    const app = await accepted(await person.associateOtp({ token: mfa_token }));
    const { result, roundTrips, statements } = await world.cost(() => enterOtp(person, otpOf(app), mfa_token));
    expect(roundTrips).toHaveLength(2);
    expect(await lineOf(result)).toEqual({
      event: "request",
      request: idOf(result),
      endpoint: "/oauth/token",
      method: "POST",
      status: 200,
      client: person.client.id,
      country: ELSEWHERE,
      milliseconds: expect.any(Number),
      round_trips: 2,
      statements,
      cache_reads: 0,
      fetches: 0,
    });
  });

  test("names routes and errors, and no path that somebody made up", async () => {
    const { world } = stage;
    const person = stage.person();
    const refused = await lineOf(await person.remove("totp%7Cdev_AAAAAAAAAAAAAAAA"));
    expect(refused).toMatchObject({ endpoint: "/mfa/authenticators/{id}", method: "DELETE", status: 404, error: "not_found" });
    expect(await lineOf(await world.fetch("/made-up-path"))).toMatchObject({ endpoint: "other", status: 404 });
    expect((await world.logLines()).join("\n")).not.toContain("made-up-path");
  });

  test("counts its own alone, while others of the isolate are under way", async () => {
    const { world } = stage;
    const [first, second] = [stage.person(), stage.person()];
    // So that the isolate knows the client's row and the issuer's keys.
    await second.challenge();
    let between;
    const held = await world.during(
      CHARGE,
      () => enterOtp(first, "000000"),
      async () => {
        between = await second.challenge();
        await world.advance(7);
      },
    );
    expect(await lineOf(between)).toMatchObject({ round_trips: 1 });
    const line = await lineOf(held);
    expect(line).toMatchObject({ round_trips: 1 });
    expect(line.milliseconds).toBeGreaterThanOrEqual(7000);
  });
});

describe("what is exported", () => {
  test("is what the log has, event for event", async () => {
    const { world } = stage;
    await stage.person().enrollSms();
    await world.delivered();
    const told = (await world.told()).filter(isAct);
    expect(told.length).toBeGreaterThan(3);
    await until("all are through the queue", async () => (await world.exported()).length >= told.length);
    const texts = (events) => events.map((event) => JSON.stringify(event)).sort();
    expect(texts(await world.exported())).toEqual(texts(told));
  });

  test("has codes and members that the catalogue has, and no other", async () => {
    const catalogue = await readFile(new URL("docs/events.md", REPOSITORY), "utf8");
    const names = new Set(catalogue.match(/`[a-z0-9_]+`/g).map((name) => name.slice(1, -1)));
    const lines = await stage.world.told();
    const written = lines.flatMap((line) => [
      line.event,
      ...(isAct(line) || line.event === "request" ? Object.keys(line) : []),
      ...(line.auth0 ? [line.auth0] : []),
    ]);
    const strangers = written.filter((name) => !names.has(name));
    expect(strangers).toEqual([]);
  });

  test("has a data point for each event and each request, as Analytics Engine takes them, and none names a person", async () => {
    const { world } = stage;
    await stage.person().enrollSms();
    await world.delivered();
    const [told, points] = [await world.told(), await world.points()];
    expect(told.filter(({ event }) => event === "metric_refused" || event === "export_refused")).toEqual([]);
    const lines = told.filter((line) => isAct(line) || line.event === "request");
    const counted = (all) =>
      Object.entries(Object.groupBy(all, (each) => each))
        .map(([name, { length }]) => `${name} ${length}`)
        .sort();
    expect(counted(points.map(({ blobs }) => blobs[0]))).toEqual(counted(lines.map(({ event }) => event)));
    const text = JSON.stringify(points);
    expect(text).not.toMatch(/idp\||dev_|user-/);
    const request = points.find(({ blobs }) => blobs[0] === "request" && blobs[6] === "/oauth/token" && blobs[2] === "");
    expect(request.indexes).toEqual([request.blobs[3]]);
    expect(request.doubles).toEqual([
      1,
      200,
      expect.any(Number),
      expect.any(Number),
      expect.any(Number),
      expect.any(Number),
      expect.any(Number),
    ]);
  });

  test("costs no round trip to the database", async () => {
    const costs = async (each) => {
      const person = each.person();
      const token = person.mfaToken();
      await each.world.fetch("/.well-known/jwks.json");
      await person.list({ token });
      const enrolled = await each.world.cost(() => person.associateOtp({ token }));
      const { secret } = await accepted(enrolled.result);
      const otp = totp(secret, each.world.now());
      const wrong = await each.world.cost(() => enterOtp(person, "000000", token));
      const right = await each.world.cost(() => enterOtp(person, otp, token));
      return [enrolled, wrong, right].map(({ roundTrips, statements, sent }) => [roundTrips.length, statements, sent.length]);
    };
    expect(await costs(stage)).toEqual(await costs(bare));
  });
});

const bare = useStage({ vars: { EXPORT_EVENTS: "on", EXPORT_METRICS: "on", NOTICES: "off" } });

describe("no request is lost", () => {
  const wholeWay = async (each) => {
    const person = each.person();
    await person.enrollSms();
    expect((await enterOtp(person, "000000")).status).toBe(403);
    await each.world.settle();
  };
  const refusals = async (world, event) => (await world.told()).filter((line) => line.event === event);

  test("by a queue and a dataset that fail; the log has the events, and says that they stayed here", async () => {
    const { world } = stage;
    const before = (await world.told()).length;
    await world.fail(
      { on: "AUDIT_QUEUE", times: 1e9, message: "queue broken" },
      { on: "METRICS", times: 1e9, message: "metrics broken" },
    );
    await wholeWay(stage);
    await world.heal();
    const told = await world.told();
    expect(told.filter(isAct).length).toBeGreaterThan(4);
    expect(told.length).toBeGreaterThan(before);
    expect((await refusals(world, "export_refused")).map(({ error }) => error)).toContain("Error: queue broken");
    expect((await refusals(world, "metric_refused")).map(({ error }) => error)).toContain("Error: metrics broken");
  });

  test("by a queue that never answers", async () => {
    await stage.world.fail({ on: "AUDIT_QUEUE", mode: "hang", times: 1e9 });
    const person = stage.person();
    expect((await person.associateOtp()).status).toBe(200);
    await stage.world.heal();
    await stage.world.settle();
  });

  test("where the variables are on and the bindings are not there", async () => {
    await wholeWay(bare);
    expect((await refusals(bare.world, "export_refused"))[0].error).toBe("there is no binding AUDIT_QUEUE");
    expect((await refusals(bare.world, "metric_refused"))[0].error).toBe("there is no binding METRICS");
  });
});
