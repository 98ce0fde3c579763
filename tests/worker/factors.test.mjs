/** What an operator switches on, off and up: FACTORS, the provider, lifetimes. Each isolate has a setting of its own. */
import { describe, expect, test } from "vitest";
import { accepted, refused } from "../support/answers.mjs";
import { freshNumber } from "../support/person.mjs";
import { useStage } from "../support/stage.mjs";
import { totp } from "../support/totp.mjs";

const FACTORS = {
  otp: {},
  sms: { burst: 10, per_hour: 1 },
  voice: { burst: 10, per_hour: 1 },
  email: {},
  "recovery-code": {},
};
const without = (name) => JSON.stringify(Object.fromEntries(Object.entries(FACTORS).filter(([own]) => own !== name)));

const SETTINGS = {
  "otp off": { FACTORS: without("otp") },
  "sms off": { FACTORS: without("sms") },
  "voice off": { FACTORS: without("voice") },
  "email off": { FACTORS: without("email") },
  "recovery codes off": { FACTORS: without("recovery-code") },
  "no provider": { WEBHOOK_URL: undefined, WEBHOOK_SECRET: undefined },
  "few messages": { FACTORS: JSON.stringify({ ...FACTORS, sms: { burst: 2, per_hour: 60 } }) },
  "short tokens": { ACCESS_TOKEN_SECONDS: "900" },
};
const names = Object.keys(SETTINGS);
const stage = useStage({ isolates: names.length, varsOf: (index) => SETTINGS[names[index]] });
const under = (setting) => ({ isolate: names.indexOf(setting) });

const ORDERS = {
  otp: () => ({ authenticator_types: ["otp"] }),
  sms: () => ({ authenticator_types: ["oob"], oob_channels: ["sms"], phone_number: freshNumber() }),
  voice: () => ({ authenticator_types: ["oob"], oob_channels: ["voice"], phone_number: freshNumber() }),
  email: () => ({
    authenticator_types: ["oob"],
    oob_channels: ["email"],
    email: `${freshNumber().slice(1)}@mail.example.com`,
  }),
};

test.each([
  ["otp off", "otp"],
  ["sms off", "sms"],
  ["voice off", "voice"],
  ["email off", "email"],
  ["no provider", "sms"],
  ["no provider", "voice"],
  ["no provider", "email"],
])("with %s, %s is not enabled and nothing is stored; the others are", async (setting, factor) => {
  const { world } = stage;
  await world.delivered();
  const before = await world.dump();
  const response = await stage.person().associate(ORDERS[factor](), under(setting));
  await refused(response, 400, "invalid_request", / is not enabled\.$/);
  expect(await world.dump()).toEqual(before);
  const other = factor === "otp" ? "sms" : "otp";
  await accepted(await stage.person().associate(ORDERS[other](), under(setting)));
});

describe("somebody whose factor is switched off later", () => {
  async function enrollApp(person) {
    const [mfa_token, elsewhere] = [person.mfaToken(), under("sms off")];
    const { id, secret } = await accepted(await person.associateOtp({ token: mfa_token, ...elsewhere }));
    await accepted(await person.exchange("otp", { mfa_token, otp: totp(secret, stage.world.now()) }, elsewhere));
    return { id };
  }

  test.each([
    ["sms off", "sms", "voice"],
    ["voice off", "voice", "sms"],
  ])("with %s, a phone enrolled by %s is reached by its twin, %s, only", async (setting, one, two) => {
    const person = stage.person();
    const { id } = await person.enrollOob(one);
    await person.receiveCode({}, under(setting));
    await person.receiveCode({ authenticator_id: id.replace(one, two) }, under(setting));
    expect(stage.webhook.messagesTo(person.number).map(({ channel }) => channel)).toEqual([one, two, two]);
    const response = await person.challenge({ authenticator_id: id }, under(setting));
    await refused(response, 401, "unsupported_challenge_type");
  });

  test.each([
    ["voice off", "sms"],
    ["sms off", "voice"],
  ])("with %s, a phone enrolled by %s is listed without its twin", async (setting, channel) => {
    const person = stage.person();
    const { id } = await person.enrollOob(channel);
    const items = await accepted(await person.list(under(setting)));
    expect(items.filter(({ type }) => type === "phone").map((item) => item.id)).toEqual([id]);
  });

  test.each([
    ["otp off", enrollApp, "otp"],
    ["email off", (person) => person.enrollOob("email"), "oob"],
    ["no provider", (person) => person.enrollSms(), "oob"],
  ])("with %s, nobody is challenged with it, and it is still there", async (setting, enroll, challenge_type) => {
    const person = stage.person();
    const { id } = await enroll(person);
    for (const authenticator_id of [undefined, id]) {
      const response = await person.challenge({ challenge_type, authenticator_id }, under(setting));
      await refused(response, 401, "unsupported_challenge_type");
    }
    const items = await accepted(await person.list(under(setting)));
    expect(items.map((item) => item.id)).toContain(id);
  });
});

test("a choice of several passes over what is off", async () => {
  const body = { authenticator_types: ["otp", "oob"], oob_channels: ["sms"], phone_number: freshNumber() };
  expect((await accepted(await stage.person().associate(body, under("otp off")))).oob_channel).toBe("sms");
  const channels = { ...body, authenticator_types: ["oob"], oob_channels: ["sms", "voice"] };
  expect((await accepted(await stage.person().associate(channels, under("sms off")))).oob_channel).toBe("voice");
});

test("with recovery codes off no answer has one, and none works", async () => {
  const person = stage.person();
  const mfa_token = person.mfaToken();
  const enrollment = await accepted(await person.associateOtp({ token: mfa_token, ...under("recovery codes off") }));
  expect(enrollment).not.toHaveProperty("recovery_codes");
  const otp = totp(enrollment.secret, stage.world.now());
  await accepted(await person.exchange("otp", { mfa_token, otp }, under("recovery codes off")));
  const guess = { mfa_token: person.mfaToken(), recovery_code: "A".repeat(24) };
  const response = await person.exchange("recovery", guess, under("recovery codes off"));
  expect(response.status).toBeGreaterThanOrEqual(400);
  expect(response.status).toBeLessThan(500);
});

test("the message budget is the one that is set", async () => {
  const { world } = stage;
  const person = stage.person();
  await world.freeze();
  const ask = () => person.associateSms(under("few messages"));
  await accepted(await ask());
  await accepted(await ask());
  const response = await ask();
  expect(response.status).toBe(429);
  expect(response.headers.get("x-ratelimit-limit")).toBe("2");
  expect(response.headers.get("retry-after")).toBe("60");
  await world.advance(60);
  await accepted(await ask());
  await world.thaw();
});

describe("ACCESS_TOKEN_SECONDS", () => {
  test("is the lifetime of access tokens for APIs", async () => {
    const person = stage.person();
    const mfa_token = person.mfaToken();
    const { secret } = await accepted(await person.associateOtp({ token: mfa_token, ...under("short tokens") }));
    const otp = totp(secret, stage.world.now());
    const { expires_in } = await accepted(await person.exchange("otp", { mfa_token, otp }, under("short tokens")));
    expect(expires_in).toBe(900);
  });
});
