/** POST /mfa/associate, answered: what each kind of authenticator gets back, and what it costs. */
import { describe, expect, test } from "vitest";
import { accepted, refused } from "../support/answers.mjs";
import { API } from "../support/clients.mjs";
import { freshNumber, random } from "../support/person.mjs";
import { useStage } from "../support/stage.mjs";
import { base32Decode } from "../support/totp.mjs";
import { MFA_AUDIENCE, TENANT_NAME } from "../support/worker.mjs";

const RECOVERY_CODE = /^[A-Z0-9]{24}$/;
const stage = useStage();

const keys = (body) => Object.keys(body).sort();

describe("an authenticator app", () => {
  test("the first one gets a secret, its otpauth URI, an id and one recovery code, and nothing else", async () => {
    const body = await accepted(await stage.person().associateOtp());
    expect(keys(body)).toEqual(["authenticator_type", "barcode_uri", "id", "manual_input_code", "recovery_codes", "secret"]);
    expect(body.authenticator_type).toBe("otp");
    expect(body.id).toMatch(/^totp\|dev_[A-Za-z0-9]{16}$/);
    expect(body.secret).toMatch(/^[A-Z2-7]{32}$/);
    expect(base32Decode(body.secret)).toHaveLength(20);
    expect(body.manual_input_code).toBe(body.secret);
    expect(body.recovery_codes).toEqual([expect.stringMatching(RECOVERY_CODE)]);
  });

  test("the otpauth URI has the recorded form, percent-encoded, in the recorded order", async () => {
    const email = "zoë+test@mail.example.com";
    const { secret, barcode_uri } = await accepted(await stage.person({ claims: { email } }).associateOtp());
    const tenant = encodeURIComponent(TENANT_NAME);
    expect(barcode_uri).toBe(
      `otpauth://totp/${tenant}:${encodeURIComponent(email)}?secret=${secret}&issuer=${tenant}&algorithm=SHA1&digits=6&period=30`,
    );
  });

  test.each([
    ["the e-mail address", { email: "ann@mail.example.com", name: "Ann" }, "ann@mail.example.com"],
    ["else the name", { name: "Ann Example: 100%" }, "Ann Example: 100%"],
    ["else the subject", {}, null],
    ["at most 64 characters of it", { name: "ü".repeat(65) }, "ü".repeat(64)],
  ])("the label is %s", async (_, claims, label) => {
    const person = stage.person({ claims });
    const { barcode_uri } = await accepted(await person.associateOtp());
    const account = /^otpauth:\/\/totp\/[^:]+:([^?]+)\?/.exec(barcode_uri)?.[1];
    // A colon inside the label may be dropped or encoded: apps split at the first one.
    expect(decodeURIComponent(account ?? "").replaceAll(":", "")).toBe((label ?? person.sub).replaceAll(":", ""));
    expect(account).not.toContain(":");
  });

  test("a QR code as SVG comes on request only", async () => {
    const person = stage.person();
    const { qr_svg } = await accepted(await person.associate({ authenticator_types: ["otp"], qr_svg: true }));
    expect(qr_svg).toMatch(/^(<\?xml[^>]*>\s*)?<svg[\s\S]*<\/svg>\s*$/);
    const without = await accepted(await person.associate({ authenticator_types: ["otp"], qr_svg: false }));
    expect(without).not.toHaveProperty("qr_svg");
  });

  test("each enrollment gets a secret, an id and a recovery code of its own as long as none is confirmed", async () => {
    const person = stage.person();
    const token = person.mfaToken();
    const bodies = [];
    for (let count = 0; count < 3; count += 1) bodies.push(await accepted(await person.associateOtp({ token })));
    for (const member of ["secret", "id"]) expect(new Set(bodies.map((body) => body[member])).size).toBe(3);
    expect(new Set(bodies.flatMap((body) => body.recovery_codes)).size).toBe(3);
  });

  test("a further one, with proof of MFA, gets no recovery code", async () => {
    const person = stage.person();
    await person.enrollOtp();
    await stage.world.advance(2);
    const body = await accepted(await person.associateOtp({ token: person.provenToken() }));
    expect(keys(body)).toEqual(["authenticator_type", "barcode_uri", "id", "manual_input_code", "secret"]);
  });

  test("parameters that it does not need, and unknown ones, are ignored", async () => {
    const body = {
      phone_number: "+4915100000000",
      oob_channels: ["sms"],
      zebra: null,
      authenticator_types: ["otp"],
      nested: { a: [1] },
    };
    expect((await accepted(await stage.person().associate(body))).authenticator_type).toBe("otp");
  });
});

describe("an out-of-band channel", () => {
  const ADDRESS = {
    sms: (person) => ({ phone_number: person.number }),
    voice: (person) => ({ phone_number: person.number }),
    email: (person) => ({ email: person.email }),
  };
  const rows = ["sms", "voice", "email"].flatMap((channel) => [
    [channel, "an array", [channel]],
    [channel, "a lone string", channel],
  ]);

  test.each(rows)("%s, named by %s, answers with an oob_code and sends six digits", async (channel, _, oob_channels) => {
    const person = stage.person();
    const address = ADDRESS[channel](person);
    const body = await accepted(await person.associate({ authenticator_types: ["oob"], oob_channels, ...address }));
    expect(keys(body)).toEqual(
      ["authenticator_type", "binding_method", "id", "oob_channel", "oob_channels", "oob_code", "recovery_codes"].sort(),
    );
    expect(body).toMatchObject({
      authenticator_type: "oob",
      binding_method: "prompt",
      oob_channel: channel,
      oob_channels: channel,
    });
    expect(body.id).toMatch(new RegExp(`^${channel}\\|dev_[A-Za-z0-9]{16}$`));
    expect(body.oob_code.length).toBeGreaterThanOrEqual(22);
    expect(body.recovery_codes).toEqual([expect.stringMatching(RECOVERY_CODE)]);
    const [to] = Object.values(address);
    await stage.webhook.codeFor(to);
    const [message] = stage.webhook.messagesTo(to);
    expect(message).toMatchObject({ type: "mfa.code", channel, to, tenant: TENANT_NAME });
    expect(message.code).toMatch(/^[0-9]{6}$/);
    expect(message.expires_in).toBeGreaterThan(280);
    expect(message.expires_in).toBeLessThanOrEqual(300);
    expect(message.expires_at - stage.world.now()).toBeLessThanOrEqual(300);
    expect(JSON.stringify(body)).not.toContain(message.code);
  });

  test("a further one, with proof of MFA, gets no recovery code", async () => {
    const person = stage.person();
    await person.enrollOtp();
    await stage.world.advance(2);
    const body = await accepted(await person.associateSms({ token: person.provenToken() }));
    expect(keys(body)).toEqual(["authenticator_type", "binding_method", "id", "oob_channel", "oob_channels", "oob_code"]);
  });

  test.each([
    ["spaces", (n) => `${n.slice(0, 3)} ${n.slice(3, 6)} ${n.slice(6)}`],
    ["dashes", (n) => `${n.slice(0, 3)}-${n.slice(3, 6)}-${n.slice(6)}`],
    ["brackets", (n) => `${n.slice(0, 3)} (${n.slice(3, 6)}) ${n.slice(6)}`],
    ["a leading 00", (n) => `00${n.slice(1)}`],
    ["all of them", (n) => ` 00 ${n.slice(1, 3)} (${n.slice(3, 6)}) ${n.slice(6, 9)}-${n.slice(9)} `],
  ])("a phone number with %s is normalised", async (_, spell) => {
    const number = freshNumber();
    const body = { authenticator_types: ["oob"], oob_channels: ["sms"], phone_number: spell(number) };
    await accepted(await stage.person().associate(body));
    await stage.webhook.codeFor(number);
  });

  test("without an address in the body e-mail goes to the token's verified one", async () => {
    const email = `verified-${random()}@mail.example.com`;
    const person = stage.person({ claims: { email, email_verified: true } });
    await accepted(await person.associate({ authenticator_types: ["oob"], oob_channels: ["email"] }));
    await stage.webhook.codeFor(email);
  });

  test("an address in the body is preferred to the token's", async () => {
    const person = stage.person({ claims: { email: `verified-${random()}@mail.example.com`, email_verified: true } });
    await accepted(await person.associateEmail());
    await stage.webhook.codeFor(person.email);
    expect(stage.webhook.messagesTo(person.claims.email)).toEqual([]);
  });

  test.each([
    ["one that is not verified", { email: "x@mail.example.com", email_verified: false }],
    ["one of which that is not said", { email: "x@mail.example.com" }],
    ["one that is said not to be", { email: "x@mail.example.com", email_verified: "false" }],
    ["none", { email_verified: true }],
  ])("e-mail without an address is refused when the token has %s", async (_, claims) => {
    const response = await stage.person({ claims }).associate({ authenticator_types: ["oob"], oob_channels: ["email"] });
    await refused(response, 400, "invalid_request", "Missing required parameter: email");
  });

  test("a phone number in the token does not stand in for the parameter", async () => {
    const person = stage.person({ claims: { phone_number: "+4915100000001", phone_number_verified: true } });
    const response = await person.associate({ authenticator_types: ["oob"], oob_channels: ["sms"] });
    await refused(response, 400, "invalid_request", "Missing required parameter: phone_number");
  });
});

describe("a choice of several", () => {
  test.each([
    ["otp before oob", { authenticator_types: ["otp", "oob"], oob_channels: ["sms"] }, "otp"],
    ["oob before otp", { authenticator_types: ["oob", "otp"], oob_channels: ["sms"] }, "sms"],
    ["the first channel", { authenticator_types: ["oob"], oob_channels: ["voice", "sms"] }, "voice"],
    ["the first channel that is enabled", { authenticator_types: ["oob"], oob_channels: ["auth0", "sms"] }, "sms"],
  ])("takes %s", async (_, body, expected) => {
    const answer = await accepted(await stage.person().associate({ ...body, phone_number: freshNumber() }));
    expect(answer.oob_channel ?? answer.authenticator_type).toBe(expected);
  });

  test("takes the first channel for which there is an address", async () => {
    const person = stage.person();
    const body = { authenticator_types: ["oob"], oob_channels: ["sms", "email", "auth0"], email: person.email };
    expect((await accepted(await person.associate(body))).oob_channel).toBe("email");
  });
});

describe("who may enroll", () => {
  test("an mfa_token does not once a factor is active", async () => {
    const person = stage.person();
    await person.enrollOtp();
    await refused(await person.associateOtp(), 403, "access_denied", "User is already enrolled.");
    await refused(await person.associateSms(), 403, "access_denied", "User is already enrolled.");
  });

  test("an mfa_token still does when the only active factor is e-mail, and gets a recovery code again", async () => {
    const person = stage.person();
    const token = person.mfaToken();
    const { oob_code } = await accepted(await person.associateEmail({ token }));
    const binding_code = await stage.webhook.codeFor(person.email);
    await accepted(await person.exchange("oob", { mfa_token: token, oob_code, binding_code }));
    expect(await accepted(await person.associateOtp())).toHaveProperty("recovery_codes");
  });

  test("an access token with scope enroll does before any factor is active", async () => {
    const person = stage.person();
    expect(await accepted(await person.associateOtp({ token: person.accessToken() }))).toHaveProperty("recovery_codes");
  });

  test.each([
    ["without a scope", undefined],
    ["with other scopes", "read:authenticators remove:authenticators"],
    ["with a scope that only begins so", "enroll:nothing enrollment"],
  ])("an access token %s does not", async (_, scope) => {
    const person = stage.person();
    const response = await person.associateOtp({ token: person.accessToken({ scope }) });
    await refused(response, 403, "insufficient_scope", "Insufficient scope, expected any of: enroll");
  });

  test("an access token that a password alone obtained does not once a factor is active", async () => {
    const person = stage.person();
    await person.enrollOtp();
    await stage.world.advance(2);
    const response = await person.associateOtp({ token: person.accessToken() });
    expect(response.status).toBe(403);
  });

  test("a proof of MFA from before the first factor became active does not", async () => {
    const person = stage.person();
    const early = person.provenToken();
    await stage.world.advance(5);
    await person.enrollOtp();
    const response = await person.associateOtp({ token: early });
    expect(response.status).toBe(403);
  });

  test("an own access token from an MFA grant does", async () => {
    const audiences = [
      { audience: API, scopes: [] },
      { audience: MFA_AUDIENCE, scopes: ["enroll"] },
    ];
    const person = stage.person({ client: await stage.addClient({ audiences }) });
    const { tokens } = await person.enrollOtp({ token: person.mfaToken({ audience: MFA_AUDIENCE, scope: "enroll" }) });
    expect(tokens.expires_in).toBe(600);
    expect(await accepted(await person.associateSms({ token: tokens.access_token }))).not.toHaveProperty("recovery_codes");
  });
});

describe("the cost with warm caches", () => {
  test("an authenticator app takes one D1 round trip of at most two statements, no KV read and no fetch", async () => {
    await accepted(await stage.person().associateOtp());
    const person = stage.person();
    const { result, ...cost } = await stage.world.cost(() => person.associateOtp());
    await accepted(result);
    expect(cost.roundTrips).toHaveLength(1);
    expect(cost.statements).toBeLessThanOrEqual(2);
    expect(cost).toMatchObject({ kvReads: [], kvWrites: [], fetches: [], sent: [] });
  });

  test("SMS takes one D1 round trip of at most three statements and one queue message", async () => {
    await accepted(await stage.person().associateSms());
    const person = stage.person();
    const { result, ...cost } = await stage.world.cost(() => person.associateSms());
    await accepted(result);
    expect(cost.roundTrips).toHaveLength(1);
    expect(cost.statements).toBeLessThanOrEqual(3);
    expect(cost).toMatchObject({ kvReads: [], kvWrites: [], fetches: [] });
    expect(cost.sent).toHaveLength(1);
  });

  test("an authenticated client costs no further round trip", async () => {
    const client = await stage.addClient({ authentication: "post" });
    const body = { authenticator_types: ["otp"], client_id: client.id, client_secret: client.secret };
    await accepted(await stage.person({ client }).associate(body));
    const person = stage.person({ client });
    const { result, roundTrips } = await stage.world.cost(() => person.associate(body));
    await accepted(result);
    expect(roundTrips).toHaveLength(1);
  });
});

describe("the message quota", () => {
  test("of a person allows ten SMS and calls together and one more an hour, and says so", async () => {
    const { world } = stage;
    const person = stage.person();
    await world.freeze();
    const ask = (index) => {
      const channel = index % 2 ? "voice" : "sms";
      return person.associate({ authenticator_types: ["oob"], oob_channels: [channel], phone_number: freshNumber() });
    };
    for (let index = 0; index < 10; index += 1) await accepted(await ask(index));
    const description = "Too many SMS sent by the user. Wait for some minutes before retrying.";
    const response = await ask(10);
    await refused(response, 429, "too_many_requests", description);
    expect(response.headers.get("retry-after")).toBe("3600");
    expect(response.headers.get("x-ratelimit-limit")).toBe("10");
    expect(response.headers.get("x-ratelimit-remaining")).toBe("0");
    expect(Number(response.headers.get("x-ratelimit-reset"))).toBe(world.now() + 3600);
    await world.advance(3600);
    await accepted(await ask(11));
    await refused(await ask(12), 429, "too_many_requests", description);
    await world.thaw();
  });

  test("of a number counts over all people who name it", async () => {
    const { world } = stage;
    const number = freshNumber();
    await world.freeze();
    const ask = () => stage.person().associate({ authenticator_types: ["oob"], oob_channels: ["sms"], phone_number: number });
    for (let count = 0; count < 10; count += 1) await accepted(await ask());
    expect((await ask()).status).toBe(429);
    await world.thaw();
  });

  test("of e-mail is its own: twenty, then one a minute", async () => {
    const { world } = stage;
    const person = stage.person();
    await world.freeze();
    const ask = () =>
      person.associate({
        authenticator_types: ["oob"],
        oob_channels: ["email"],
        email: `${random()}@mail.example.com`,
      });
    for (let count = 0; count < 20; count += 1) await accepted(await ask());
    const response = await ask();
    await refused(response, 429, "too_many_requests", /^Too many emails sent by the user\./);
    expect(response.headers.get("retry-after")).toBe("60");
    await accepted(await person.associateSms());
    await world.thaw();
  });

  test("that is used up sends and stores nothing", async () => {
    const { world } = stage;
    const person = stage.person();
    for (let count = 0; count < 10; count += 1) await accepted(await person.associateSms());
    await world.delivered();
    const before = await world.dump();
    const { result, sent } = await world.cost(() => person.associateSms());
    expect(result.status).toBe(429);
    expect(sent).toEqual([]);
    expect(await world.dump()).toEqual(before);
  });
});
