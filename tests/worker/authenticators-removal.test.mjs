/** DELETE /mfa/authenticators/{id}: who may take one away, and what goes with it. */
import { describe, expect, test } from "vitest";
import { accepted, done, refused, refusedBearer } from "../support/answers.mjs";
import { removeClient } from "../support/clients.mjs";
import { CHARGE, REDEMPTION, REMOVAL, atOnce } from "../support/race.mjs";
import { useStage } from "../support/stage.mjs";
import { STEP_SECONDS, totp } from "../support/totp.mjs";
import { MFA_AUDIENCE } from "../support/worker.mjs";

const REMOVE = "remove:authenticators";
const SCOPES = ["enroll", "read:authenticators", REMOVE];

const UNKNOWN = "totp|dev_0000000000000000";

const stage = useStage({ isolates: 2, issuers: [{ name: "idp" }, { name: "other" }] });

const later = () => stage.world.advance(2);
const ids = async (person) => (await accepted(await person.list())).map(({ id }) => id);
const kinds = async (person) => (await ids(person)).map((id) => id.split("|")[0]);
const notFound = (response) => refused(response, 404, "not_found");
const proofRequired = (response) => refused(response, 403, "access_denied", /second factor/);

/** Somebody with an app, of whom a proof issued now is newer than the app. */
async function withApp(options) {
  const person = stage.person(options);
  const app = await person.enrollOtp();
  await later();
  return Object.assign(person, { app });
}

describe("an authenticator", () => {
  test.each([
    ["a bar", (id) => id],
    ["%7C", (id) => id.replace("|", "%7C")],
    ["%7c", (id) => id.replace("|", "%7c")],
  ])("whose id is written with %s is removed, and nothing is said", async (_, written) => {
    const person = await withApp();
    await person.enrollSms({ token: person.provenToken() });
    await done(await person.remove(written(person.app.id)));
    expect(await kinds(person)).toEqual(["recovery-code", "sms", "voice"]);
    await notFound(await person.remove(written(person.app.id)));
  });

  test("is removed by a request that announces JSON and brings nothing, and by one with a body", async () => {
    const person = await withApp();
    const other = await person.enrollOtp({ token: person.provenToken() });
    await done(await person.remove(other.id, { headers: { "content-type": "application/json" } }));
    await done(await person.remove(person.app.id, { headers: { "content-type": "text/plain" }, body: "{" }));
  });

  test("of a phone is removed under either twin's id, with the other", async () => {
    for (const twin of ["sms", "voice"]) {
      const person = await withApp();
      const { id } = await person.enrollSms({ token: person.provenToken() });
      await done(await person.remove(id.replace("sms", twin)));
      expect(await kinds(person)).toEqual(["totp", "recovery-code"]);
    }
  });

  test("removed verifies nobody any more", async () => {
    const person = await withApp();
    await person.enrollSms({ token: person.provenToken() });
    await done(await person.remove(person.app.id));
    await stage.world.advance(STEP_SECONDS);
    const otp = totp(person.app.secret, stage.world.now());
    const response = await person.exchange("otp", { mfa_token: person.mfaToken(), otp });
    await refused(response, 403, "invalid_grant", "Invalid otp_code.");
    await refused(await person.challenge({ challenge_type: "otp" }), 401, "unsupported_challenge_type");
  });

  test("removed takes the codes on their way to it along, and no others", async () => {
    const person = await withApp();
    const phone = await person.enrollSms({ token: person.provenToken() });
    const email = await person.enrollOob("email", { token: person.provenToken() });
    const sms = await person.receiveCode({ authenticator_id: phone.id });
    const mail = await person.receiveCode({ authenticator_id: email.id, to: person.email });
    await done(await person.remove(phone.id));
    await refused(await person.exchange("oob", sms), 401, "expired_token", "oob_code is expired");
    // The mail's code is good still; that mail is no second factor is another matter.
    expect((await (await person.exchange("oob", mail)).json()).error).toBe("mfa_required");
  });

  test("that waits is removed as well, and can be confirmed no more", async () => {
    const person = stage.person();
    const mfa_token = person.mfaToken();
    const app = await accepted(await person.associateOtp({ token: mfa_token }));
    const phone = await accepted(await person.associateSms({ token: mfa_token }));
    const binding_code = await stage.webhook.codeFor(person.number);
    const token = person.accessToken({ scope: REMOVE });
    await done(await person.remove(phone.id.replace("sms", "voice"), { token }));
    const confirm = { mfa_token, oob_code: phone.oob_code, binding_code };
    await refused(await person.exchange("oob", confirm), 401, "expired_token", "oob_code is expired");
    await done(await person.remove(app.id, { token }));
    const otp = totp(app.secret, stage.world.now());
    await refused(await person.exchange("otp", { mfa_token, otp }), 403, "invalid_grant", "Invalid otp_code.");
    expect(await ids(person)).toEqual([]);
  });

  test("removed costs one round trip to D1", async () => {
    const person = await withApp();
    const other = await person.enrollOtp({ token: person.provenToken() });
    await ids(person);
    const { result, roundTrips } = await stage.world.cost(() => person.remove(other.id));
    await done(result);
    expect(roundTrips).toHaveLength(1);
  });
});

describe("the last one", () => {
  test("takes the recovery code along, and MFA is not enrolled any more", async () => {
    const person = await withApp();
    await done(await person.remove(person.app.id));
    expect(await ids(person)).toEqual([]);
    const recovery = { mfa_token: person.mfaToken(), recovery_code: person.app.recoveryCode };
    const response = await person.exchange("recovery", recovery);
    await refused(response, 403, "invalid_grant", "MFA Authorization rejected.");
    await refused(await person.challenge(), 400, "association_required");
    const again = await person.enrollOtp();
    expect(again.recoveryCode).toMatch(/^[A-Z0-9]{24}$/);
    expect(again.recoveryCode).not.toBe(person.app.recoveryCode);
  });

  test("but one leaves it in force", async () => {
    const person = await withApp();
    const other = await person.enrollOtp({ token: person.provenToken() });
    await done(await person.remove(person.app.id));
    const recovery = { mfa_token: person.mfaToken(), recovery_code: person.app.recoveryCode };
    await accepted(await person.exchange("recovery", recovery));
    expect(await ids(person)).toContain(other.id);
  });

  test("takes what was begun with its proof along: whoever held it may have begun that", async () => {
    const person = await withApp();
    const { secret } = await accepted(await person.associateOtp({ token: person.provenToken() }));
    await done(await person.remove(person.app.id));
    const otp = totp(secret, stage.world.now());
    const late = await person.exchange("otp", { mfa_token: person.mfaToken(), otp });
    await refused(late, 403, "invalid_grant", "Invalid otp_code.");
    expect(await kinds(person)).toEqual([]);
  });
});

describe("nothing is found", () => {
  test.each(["nonsense", UNKNOWN, UNKNOWN.replace("|", "%7C"), "%00", "%", "totp|", "push|dev_x"])("under %s", async (id) => {
    const person = await withApp();
    await notFound(await person.remove(id));
    expect(await kinds(person)).toEqual(["totp", "recovery-code"]);
  });

  test("under the id of somebody else's, active or waiting, and it stays", async () => {
    const [person, other] = [await withApp(), await withApp()];
    const waiting = await accepted(await other.associateOtp({ token: other.provenToken() }));
    for (const id of [other.app.id, waiting.id]) await notFound(await person.remove(id));
    const namesake = stage.person({ sub: other.sub, issuer: stage.issuers[1] });
    await notFound(await namesake.remove(other.app.id));
    expect(await ids(other)).toEqual([other.app.id, expect.any(String), waiting.id]);
  });

  test("where the path has no id, or more than one", async () => {
    const person = await withApp();
    for (const path of ["", `${person.app.id}/`, `${person.app.id}/x`]) await notFound(await person.remove(path));
    const response = await person.list({ method: "DELETE" });
    await refused(response, 405, "method_not_allowed");
    expect(await ids(person)).toHaveLength(2);
  });
});

test("a pending one that has expired is not there, swept or not, as the list says", async () => {
  const person = stage.person();
  const { id } = await accepted(await person.associateSms());
  const { id: app } = await accepted(await person.associateOtp());
  await stage.world.advance(300);
  expect(await ids(person)).not.toContain(id);
  for (const each of [id, id.replace("sms", "voice")]) await notFound(await person.remove(each));
  const left = await stage.world.rows("SELECT id FROM enrollments WHERE user_id = ?", `idp|${person.sub}`);
  expect(left.map((row) => row.id).sort()).toEqual([id, app].sort());
  await done(await person.remove(app));
});

test("a recovery code is not removed, whose or whether there is one", async () => {
  const person = await withApp();
  const [, id] = await ids(person);
  for (const each of [id, id.replace("|", "%7C"), "recovery-code|dev_0000000000000000"]) {
    await refused(await person.remove(each), 400, "invalid_request");
  }
  expect(await ids(person)).toContain(id);
});

describe("the bearer", () => {
  test("is no mfa_token, not even of somebody with nothing to protect", async () => {
    const person = stage.person();
    const { id } = await accepted(await person.associateOtp());
    await refusedBearer(await person.remove(id, { token: person.mfaToken() }));
    const other = await withApp();
    await refusedBearer(await other.remove(other.app.id, { token: other.mfaToken() }));
    expect(await ids(other)).toContain(other.app.id);
  });

  test.each([undefined, "", "enroll", "read:authenticators", "enroll read:authenticators", "remove:authenticator"])(
    "of scope %j is refused",
    async (scope) => {
      const person = await withApp();
      const response = await person.remove(person.app.id, { token: person.provenToken({ scope }) });
      await refused(response, 403, "insufficient_scope", `Insufficient scope, expected any of: ${REMOVE}`);
      expect(await ids(person)).toContain(person.app.id);
    },
  );

  test("is refused where it is missing, nonsense, expired or somebody's without a client", async () => {
    const person = await withApp();
    const token = person.provenToken({ scope: REMOVE });
    for (const headers of [{ authorization: "" }, { authorization: "Bearer x" }, { authorization: `Basic ${token}` }]) {
      await refusedBearer(await person.remove(person.app.id, { headers }));
    }
    await stage.world.advance(500);
    await refusedBearer(await person.remove(person.app.id, { token }));
    const stranger = stage.person({ sub: person.sub, client: { id: "nobody" } });
    await refused(await stranger.remove(person.app.id), 401, "access_denied", "Unauthorized");
    expect(await ids(person)).toContain(person.app.id);
  });

  test("of a client that was removed is refused at once, in every isolate", async () => {
    const person = await withApp({ client: await stage.addClient() });
    for (const isolate of [0, 1]) await notFound(await person.remove(UNKNOWN, { isolate }));
    await removeClient(stage.world, person.client.id);
    for (const isolate of [0, 1]) {
      await refused(await person.remove(person.app.id, { isolate }), 401, "access_denied", "Unauthorized");
    }
    expect(await stage.world.rows("SELECT id FROM authenticators WHERE id = ?", person.app.id)).toHaveLength(1);
  });
});

describe("proof of a second factor", () => {
  test("is needed once one is active, for what is active and for what waits", async () => {
    const person = await withApp();
    const waiting = await accepted(await person.associateOtp({ token: person.provenToken() }));
    const token = person.accessToken({ scope: REMOVE });
    for (const id of [person.app.id, waiting.id]) await proofRequired(await person.remove(id, { token }));
    expect(await ids(person)).toEqual([person.app.id, expect.any(String), waiting.id]);
    for (const id of [waiting.id, person.app.id]) await done(await person.remove(id));
  });

  test("is not needed to hear that there is nothing of that id", async () => {
    const person = await withApp();
    const token = person.accessToken({ scope: REMOVE });
    await notFound(await person.remove(UNKNOWN, { token }));
  });

  test.each(["pwd", "otp", "MFA"])("is no amr that says %j only", async (method) => {
    const person = await withApp();
    const token = person.accessToken({ scope: REMOVE, amr: [method] });
    await proofRequired(await person.remove(person.app.id, { token }));
  });

  test("from before the first factor was active proves nothing", async () => {
    const person = stage.person();
    const early = person.provenToken({ scope: REMOVE });
    await later();
    const { id } = await person.enrollOtp();
    await proofRequired(await person.remove(id, { token: early }));
    await later();
    await done(await person.remove(id));
  });

  test("is as good for a factor that is younger than it: the first one's age counts", async () => {
    const person = await withApp();
    const token = person.provenToken({ scope: REMOVE });
    await later();
    const other = await person.enrollOtp({ token: person.provenToken() });
    await done(await person.remove(other.id, { token }));
  });

  test("is not needed where e-mail is all there is, nor given by it", async () => {
    const person = stage.person();
    const { id } = await person.enrollOob("email");
    const token = person.accessToken({ scope: REMOVE });
    await done(await person.remove(id, { token }));
    expect(await ids(person)).toEqual([]);
  });

  test("is an own token of an MFA grant, for what was verified", async () => {
    const client = await stage.addClient({ audiences: [{ audience: MFA_AUDIENCE, scopes: SCOPES }] });
    const person = stage.person({ client });
    const token = person.mfaToken({ audience: MFA_AUDIENCE, scope: SCOPES.join(" ") });
    const { id, tokens } = await person.enrollOtp({ token });
    expect(tokens.scope.split(" ").sort()).toEqual([...SCOPES].sort());
    await done(await person.remove(id, { token: tokens.access_token }));
  });

  test("is not what e-mail buys: the login has to go on", async () => {
    const client = await stage.addClient({ audiences: [{ audience: MFA_AUDIENCE, scopes: SCOPES }] });
    const person = stage.person({ client });
    const wish = { audience: MFA_AUDIENCE, scope: SCOPES.join(" ") };
    await person.enrollOob("email");
    const { id } = await person.enrollOtp();
    await later();
    const email = (await ids(person)).find((each) => each.startsWith("email|"));
    const parameters = await person.receiveCode({
      authenticator_id: email,
      to: person.email,
      mfa_token: person.mfaToken(wish),
    });
    const response = await person.exchange("oob", parameters);
    const { error, access_token } = await response.json();
    expect({ status: response.status, error, access_token }).toEqual({ status: 403, error: "mfa_required" });
    expect(await ids(person)).toContain(id);
  });
});

describe("at once", () => {
  test("two removals of one authenticator: one removes it, the other finds nothing", async () => {
    const person = await withApp();
    const { responses } = await atOnce(stage.world, 2, REMOVAL, (isolate) => person.remove(person.app.id, { isolate }));
    expect(responses.map(({ status }) => status).sort()).toEqual([204, 404]);
    expect(await ids(person)).toEqual([]);
  });

  test("two removals of the last two: nothing is left, the recovery code neither", async () => {
    const person = await withApp();
    const other = await person.enrollOtp({ token: person.provenToken() });
    const both = [person.app.id, other.id];
    const { responses } = await atOnce(stage.world, 2, REMOVAL, (isolate) => person.remove(both[isolate], { isolate }));
    for (const response of responses) await done(response);
    expect(await ids(person)).toEqual([]);
  });

  test.each([CHARGE, REDEMPTION])(
    "a removal that comes while an app's code is redeemed (%s): the code buys nothing afterwards",
    async (at) => {
      const person = await withApp();
      await stage.world.advance(STEP_SECONDS);
      const otp = totp(person.app.secret, stage.world.now());
      const response = await stage.world.during(
        at,
        () => person.exchange("otp", { mfa_token: person.mfaToken(), otp }),
        async () => done(await person.remove(person.app.id)),
      );
      await refused(response, 403, "invalid_grant", "Invalid otp_code.");
    },
  );

  test("a removal and a confirmation without proof: what is confirmed then is protected from older proof", async () => {
    const person = stage.person();
    const mfa_token = person.mfaToken();
    const token = person.accessToken({ scope: REMOVE });
    const { id, secret } = await accepted(await person.associateOtp({ token: mfa_token }));
    const response = await stage.world.during(
      REMOVAL,
      () => person.remove(id, { token }),
      async () => accepted(await person.exchange("otp", { mfa_token, otp: totp(secret, stage.world.now()) })),
    );
    await proofRequired(response);
    expect(await ids(person)).toContain(id);
  });

  test("a recovery code redeemed while the last authenticator is removed buys nothing", async () => {
    const person = await withApp();
    const recovery = { mfa_token: person.mfaToken(), recovery_code: person.app.recoveryCode };
    const response = await stage.world.during(
      REDEMPTION,
      () => person.exchange("recovery", recovery),
      async () => done(await person.remove(person.app.id)),
    );
    await refused(response, 403, "invalid_grant", "MFA Authorization rejected.");
  });
});

test("a page of a registered origin may list and remove: preflight and answer say so", async () => {
  const origin = "https://app.example.com";
  const person = await withApp({ client: await stage.addClient({ origins: [origin] }) });
  const headers = { origin, "access-control-request-method": "DELETE" };
  const path = `/mfa/authenticators/${person.app.id.replace("|", "%7C")}`;
  const preflight = await stage.world.fetch(path, { method: "OPTIONS", headers });
  expect(preflight.headers.get("access-control-allow-methods")).toMatch(/\bDELETE\b/);
  expect(preflight.headers.get("access-control-allow-origin")).toBe(origin);
  const from = { headers: { origin } };
  for (const response of [await person.list(from), await person.remove(person.app.id, from)]) {
    expect(response.headers.get("access-control-allow-origin")).toBe(origin);
  }
});
