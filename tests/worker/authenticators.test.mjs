/** GET /mfa/authenticators: what a person is shown of what is theirs, and who may see it. */
import { describe, expect, test } from "vitest";
import { accepted, done, refused, refusedBearer } from "../support/answers.mjs";
import { removeClient } from "../support/clients.mjs";
import { useStage } from "../support/stage.mjs";
import { totp } from "../support/totp.mjs";
import { MFA_AUDIENCE } from "../support/worker.mjs";

const READ = "read:authenticators";

const stage = useStage({ isolates: 2, issuers: [{ name: "idp" }, { name: "other" }] });

const id = (kind) => expect.stringMatching(new RegExp(`^${kind}\\|dev_[A-Za-z0-9]{16}$`));
const app = (active) => ({ id: id("totp"), type: "otp", authenticator_type: "otp", active });
const recovery = (active) => ({
  id: id("recovery-code"),
  type: "recovery-code",
  authenticator_type: "recovery-code",
  active,
});
const phone = (channel, person, active) => ({
  id: id(channel),
  type: "phone",
  authenticator_type: "oob",
  active,
  oob_channel: channel,
  name: `XXXXXXXXX${person.number.slice(-4)}`,
});
const email = (person, active) => ({
  id: id("email"),
  type: "email",
  authenticator_type: "oob",
  active,
  oob_channel: "email",
  name: `user${"*".repeat(person.sub.length - 4)}@mail${"*".repeat("mail.example.com".length - 4)}`,
});
const suffix = (item) => item.id.split("|")[1];

/** The list, expected to have no member that is null or surplus. */
async function listed(person, options) {
  const items = await accepted(await person.list(options));
  expect(Array.isArray(items)).toBe(true);
  for (const item of items) {
    expect(Object.values(item)).not.toContain(null);
    expect(typeof item.active).toBe("boolean");
    expect(item).not.toHaveProperty("oob_channels");
  }
  return items;
}

/** A moment later, so that what comes is newer than what there is. */
const later = () => stage.world.advance(2);

describe("the list", () => {
  test("of somebody new is empty", async () => {
    expect(await listed(stage.person())).toEqual([]);
  });

  test("of an app that waits has it and its recovery code, both inactive", async () => {
    const person = stage.person();
    const enrollment = await accepted(await person.associateOtp());
    const items = await listed(person);
    expect(items).toEqual([app(false), recovery(false)]);
    expect(items[0].id).toBe(enrollment.id);
  });

  test("of an app that was confirmed has both active, under the ids they had", async () => {
    const person = stage.person();
    const token = person.mfaToken();
    const { secret } = await accepted(await person.associateOtp({ token }));
    const before = await listed(person);
    await accepted(await person.exchange("otp", { mfa_token: token, otp: totp(secret, stage.world.now()) }));
    const after = await listed(person);
    expect(after).toEqual([app(true), recovery(true)]);
    expect(after.map((item) => item.id)).toEqual(before.map((item) => item.id));
  });

  test.each([
    ["sms", "voice"],
    ["voice", "sms"],
  ])("of a phone by %s shows it and its twin by %s, of one device", async (one, two) => {
    const person = stage.person();
    await person.enrollOob(one);
    const items = await listed(person);
    expect(items).toEqual([phone(one, person, true), phone(two, person, true), recovery(true)]);
    expect(suffix(items[0])).toBe(suffix(items[1]));
    expect(suffix(items[0])).not.toBe(suffix(items[2]));
  });

  test("of a phone that waits shows both twins inactive", async () => {
    const person = stage.person();
    await accepted(await person.associateSms());
    const items = await listed(person);
    expect(items).toEqual([phone("sms", person, false), phone("voice", person, false), recovery(false)]);
  });

  test("of an e-mail address shows it masked", async () => {
    const person = stage.person();
    await person.enrollOob("email");
    expect(await listed(person)).toEqual([email(person, true), recovery(true)]);
  });

  test("is in the order in which things were made, whatever was used or confirmed last", async () => {
    const person = stage.person();
    await person.enrollSms();
    await later();
    await person.enrollOtp({ token: person.provenToken() });
    await later();
    const proof = person.provenToken();
    const waiting = await accepted(await person.associateOtp({ token: proof }));
    await later();
    await person.enrollOob("email", { token: proof });
    await later();
    await accepted(await person.exchange("oob", await person.receiveCode()));
    const rest = [email(person, true)];
    const [sms, voice] = [phone("sms", person, true), phone("voice", person, true)];
    expect(await listed(person)).toEqual([sms, voice, recovery(true), app(true), app(false), ...rest]);
    const otp = totp(waiting.secret, stage.world.now());
    await accepted(await person.exchange("otp", { mfa_token: person.mfaToken(), otp }));
    const items = await listed(person);
    expect(items).toEqual([sms, voice, recovery(true), app(true), app(true), ...rest]);
    expect(items[4].id).toBe(waiting.id);
  });

  test("of several begun in one second keeps their order, with one recovery code, that of the first", async () => {
    const person = stage.person();
    await stage.world.freeze();
    const token = person.mfaToken();
    const begun = [];
    for (let count = 0; count < 3; count += 1) begun.push(await accepted(await person.associateOtp({ token })));
    await accepted(await person.associateSms({ token }));
    const items = await listed(person);
    const phones = [phone("sms", person, false), phone("voice", person, false)];
    expect(items).toEqual([app(false), recovery(false), app(false), app(false), ...phones]);
    const apps = items.filter(({ type }) => type === "otp");
    expect(apps.map((item) => item.id)).toEqual(begun.map((enrollment) => enrollment.id));
    await stage.world.thaw();
  });

  test("of several confirmed in one second keeps their order", async () => {
    const person = stage.person();
    await stage.world.freeze();
    await person.enrollOtp();
    await person.enrollSms({ token: person.provenToken() });
    await person.enrollOtp({ token: person.provenToken() });
    const phones = [phone("sms", person, true), phone("voice", person, true)];
    expect(await listed(person)).toEqual([app(true), recovery(true), ...phones, app(true)]);
    await stage.world.thaw();
  });

  test("keeps the recovery code's place and id when it is replaced by use", async () => {
    const person = stage.person();
    const { recoveryCode } = await person.enrollOtp();
    await later();
    await person.enrollOtp({ token: person.provenToken() });
    const before = await listed(person);
    expect(before).toEqual([app(true), recovery(true), app(true)]);
    await later();
    await accepted(await person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code: recoveryCode }));
    expect(await listed(person)).toEqual(before);
  });

  test("does not show what has expired, swept or not", async () => {
    const { world } = stage;
    const person = stage.person();
    await accepted(await person.associateOtp());
    await accepted(await person.associateSms());
    await world.advance(300);
    expect(await listed(person)).toEqual([app(false), recovery(false)]);
    await world.advance(24 * 3600 - 300);
    expect(await listed(person)).toEqual([]);
    await world.sweep();
    expect(await listed(person)).toEqual([]);
  });

  test("shows the recovery code that still waits when that of an earlier enrollment has expired", async () => {
    const person = stage.person();
    await accepted(await person.associateSms());
    await later();
    await accepted(await person.associateOtp());
    await stage.world.advance(300);
    expect(await listed(person)).toEqual([app(false), recovery(false)]);
  });

  test("does not show what the first confirmation has voided", async () => {
    const person = stage.person();
    await accepted(await person.associateSms());
    await accepted(await person.associateOtp());
    await person.enrollOtp();
    expect(await listed(person)).toEqual([app(true), recovery(true)]);
  });

  test("is a person's own: of another issuer, the same sub is somebody else", async () => {
    const person = stage.person();
    await person.enrollOtp();
    expect(await listed(stage.person())).toEqual([]);
    expect(await listed(stage.person({ sub: person.sub, issuer: stage.issuers[1] }))).toEqual([]);
    expect(await listed(stage.person({ sub: person.sub }))).toHaveLength(2);
  });

  test("is the same at another client", async () => {
    const person = stage.person();
    await person.enrollOtp();
    const elsewhere = stage.person({ sub: person.sub, client: await stage.addClient() });
    expect(await listed(elsewhere)).toEqual(await listed(person));
  });

  test("has no number, address, secret or code in it", async () => {
    const person = stage.person();
    const { secret, recoveryCode } = await person.enrollOtp();
    await later();
    await person.enrollSms({ token: person.provenToken() });
    await person.enrollOob("email", { token: person.provenToken() });
    const text = JSON.stringify(await listed(person));
    for (const hidden of [secret, recoveryCode, person.number.slice(1), person.email, person.sub]) {
      expect(text).not.toContain(hidden);
    }
  });

  test("costs one round trip to D1, whoever asks", async () => {
    const person = stage.person();
    await person.enrollSms();
    await listed(person);
    for (const token of [person.mfaToken(), person.accessToken({ scope: READ })]) {
      const { result, roundTrips } = await stage.world.cost(() => person.list({ token }));
      expect(await accepted(result)).toHaveLength(3);
      expect(roundTrips).toHaveLength(1);
    }
  });
});

describe("may be seen with", () => {
  test("an mfa_token, with a content type that SDKs send along and without", async () => {
    const person = stage.person();
    await person.enrollOtp();
    const headers = { "content-type": "application/json", "auth0-client": "e30=" };
    expect(await listed(person, { headers })).toEqual(await listed(person));
  });

  test("an access token that has the scope, among others or alone", async () => {
    const person = stage.person();
    await person.enrollOtp();
    for (const scope of [READ, `enroll ${READ}`, `${READ} remove:authenticators`]) {
      expect(await listed(person, { token: person.accessToken({ scope }) })).toHaveLength(2);
    }
  });

  test("an own access token for the MFA audience", async () => {
    const audiences = [{ audience: MFA_AUDIENCE, scopes: ["enroll", READ] }];
    const person = stage.person({ client: await stage.addClient({ audiences }) });
    const token = person.mfaToken({ audience: MFA_AUDIENCE, scope: `enroll ${READ}` });
    const { tokens } = await person.enrollOtp({ token });
    expect(await listed(person, { token: tokens.access_token })).toEqual([app(true), recovery(true)]);
  });

  test("a HEAD request, which has no body", async () => {
    const response = await stage.person().list({ method: "HEAD" });
    expect({ status: response.status, body: await response.text() }).toEqual({ status: 200, body: "" });
  });
});

describe("may not be seen with", () => {
  test.each([undefined, "", "enroll", "remove:authenticators", "read:authenticator", "READ:AUTHENTICATORS"])(
    "an access token of scope %j",
    async (scope) => {
      const person = stage.person();
      const response = await person.list({ token: person.accessToken({ scope }) });
      await refused(response, 403, "insufficient_scope", `Insufficient scope, expected any of: ${READ}`);
    },
  );

  test.each([
    ["no bearer at all", () => ({ authorization: "" })],
    ["a bearer that is nonsense", () => ({ authorization: "Bearer nonsense" })],
    ["another scheme", (person) => ({ authorization: `Basic ${person.mfaToken()}` })],
    ["a token for another audience", (person) => ({ authorization: `Bearer ${person.mfaToken({ aud: "x" })}` })],
    ["a token of a stranger", (person) => ({ authorization: `Bearer ${person.mfaToken({ iss: "https://e.x/" })}` })],
  ])("%s", async (_, headers) => {
    const person = stage.person();
    await refusedBearer(await person.list({ headers: headers(person) }));
  });

  test("an expired mfa_token or access token", async () => {
    const person = stage.person();
    const [mfa, access] = [person.mfaToken(), person.accessToken({ scope: READ })];
    await stage.world.advance(500);
    await refused(await person.list({ token: mfa }), 401, "expired_token", "mfa_token is expired");
    await refusedBearer(await person.list({ token: access }));
  });

  test("a spent mfa_token", async () => {
    const person = stage.person();
    const token = person.mfaToken();
    await person.enrollOtp({ token });
    await refusedBearer(await person.list({ token }));
  });

  test("a token of a client that is unknown, or that its issuer may not name", async () => {
    const client = await stage.addClient({ issuers: ["other"] });
    for (const person of [stage.person({ client: { id: "nobody" } }), stage.person({ client })]) {
      await refused(await person.list(), 401, "access_denied", "Unauthorized");
    }
  });

  test("a token of a client that was removed, at once and in every isolate", async () => {
    const person = stage.person({ client: await stage.addClient() });
    for (const isolate of [0, 1]) await listed(person, { isolate });
    await removeClient(stage.world, person.client.id);
    for (const isolate of [0, 1]) {
      await refused(await person.list({ isolate }), 401, "access_denied", "Unauthorized");
    }
  });
});

test.each(["POST", "PUT", "DELETE"])("%s is not taken", async (method) => {
  const response = await stage.person().list({ method });
  await refused(response, 405, "method_not_allowed");
  expect(response.headers.get("allow")).toMatch(/\bGET\b/);
});

test("after the last authenticator is gone is empty, until the next begins anew", async () => {
  const person = stage.person();
  const { id: last } = await person.enrollOtp();
  const [, before] = await listed(person);
  await done(await person.remove(last));
  expect(await listed(person)).toEqual([]);
  await later();
  await accepted(await person.associateOtp());
  const items = await listed(person);
  expect(items).toEqual([app(false), recovery(false)]);
  expect(items[1].id).not.toBe(before.id);
});
