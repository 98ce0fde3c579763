/** `POST /mfa/associate` as the contract has it. */
import { describe, expect, test } from "vitest";
import { accepted, refused, refusedBearer } from "../support/answers.mjs";
import { useStage } from "../support/stage.mjs";
import { MFA_AUDIENCE, TENANT_NAME } from "../support/worker.mjs";
import { members, SIX_DIGITS } from "./cast.mjs";

const stage = useStage();
const otp = { authenticator_types: ["otp"] };
const oob = (channel, person) => ({
  authenticator_types: ["oob"],
  oob_channels: [channel],
  ...(channel === "email" ? { email: person.email } : { phone_number: person.number }),
});
const keys = (body) => Object.keys(body).sort();

test("client_id is optional: a token that names its client stands for it", async () => {
  await accepted(await stage.person().associate(otp));
});

test("client_id that is sent must be the token's client", async () => {
  const other = await stage.addClient();
  const text = "mfa_token not issued to this client";
  await refused(await stage.person().associate({ ...otp, client_id: other.id }), 400, "invalid_request", text);
});

test("a wrong client_secret is 401 access_denied", async () => {
  const client = await stage.addClient({ authentication: "post" });
  const body = { ...otp, client_id: client.id, client_secret: "0".repeat(64) };
  await refused(await stage.person({ client }).associate(body), 401, "access_denied", "Unauthorized");
});

test("the scheme of the bearer is compared without regard to case", async () => {
  const person = stage.person();
  const headers = { authorization: `bEaReR ${person.mfaToken()}` };
  await accepted(await stage.world.post("/mfa/associate", otp, { headers }));
});

test("an app's answer has the recorded members and the recorded URI", async () => {
  const person = stage.person({ claims: { email: "user@example.com" } });
  const body = await accepted(await person.associate(otp));
  expect(body.authenticator_type).toBe("otp");
  expect(body.secret).toMatch(/^[A-Z2-7]{32}$/);
  const tenant = encodeURIComponent(TENANT_NAME);
  expect(body.barcode_uri).toBe(
    `otpauth://totp/${tenant}:user%40example.com?secret=${body.secret}&issuer=${tenant}&algorithm=SHA1&digits=6&period=30`,
  );
  expect(body.recovery_codes).toEqual([expect.stringMatching(/^[A-Z0-9]{24}$/)]);
  for (const name of ["oob_channel", "oob_channels", "oob_code", "binding_method", "recovery_code"])
    expect(body).not.toHaveProperty(name);
});

test.each(["sms", "voice", "email"])("a message's answer (%s) has the recorded members and no barcode_uri", async (channel) => {
  const person = stage.person();
  const body = await accepted(await person.associate(oob(channel, person)));
  expect(body).toMatchObject({
    authenticator_type: "oob",
    binding_method: "prompt",
    oob_channel: channel,
    oob_channels: channel,
    oob_code: expect.stringMatching(/^\S{40,}$/),
    recovery_codes: [expect.stringMatching(/^[A-Z0-9]{24}$/)],
  });
  expect(keys(body)).toEqual(
    ["authenticator_type", "binding_method", "id", "oob_channel", "oob_channels", "oob_code", "recovery_codes"].sort(),
  );
});

test("absent members are left out, never null", async () => {
  const person = stage.person();
  for (const body of [otp, oob("sms", person)]) expect(await (await person.associate(body)).text()).not.toContain("null");
});

test("oob_channels may be a lone string", async () => {
  const person = stage.person();
  const body = { ...oob("sms", person), oob_channels: "sms" };
  expect((await accepted(await person.associate(body))).oob_channel).toBe("sms");
});

test("of several channels the first that is enabled and has its data is taken", async () => {
  const person = stage.person();
  const body = { authenticator_types: ["oob"], oob_channels: ["auth0", "email", "sms"], phone_number: person.number };
  expect((await accepted(await person.associate(body))).oob_channel).toBe("sms");
});

test("data of other channels is ignored", async () => {
  const person = stage.person();
  const body = { ...otp, oob_channels: ["sms"], phone_number: "nonsense" };
  expect((await accepted(await person.associate(body))).authenticator_type).toBe("otp");
});

test("unknown parameters are ignored", async () => {
  await accepted(await stage.person().associate({ ...otp, whatever: { deep: [1] } }));
});

test("push is a known channel that is not enabled", async () => {
  const body = { authenticator_types: ["oob"], oob_channels: ["auth0"] };
  await refused(await stage.person().associate(body), 400, "invalid_request", "The auth0 factor is not enabled.");
});

test("a recovery code comes with each enrollment until one is confirmed, and not after", async () => {
  const person = stage.person();
  const token = person.mfaToken();
  for (let time = 0; time < 2; time += 1)
    expect(await accepted(await person.associate(otp, { token }))).toHaveProperty("recovery_codes");
  await person.enrollOtp();
  const later = await accepted(await person.associate(otp, { token: person.provenToken() }));
  expect(later).not.toHaveProperty("recovery_codes");
});

describe("errors, word for word", () => {
  const cases = [
    ["Missing required parameter: authenticator_types", {}],
    ["authenticator_types may contain otp and oob.", { authenticator_types: ["push"] }],
    ["Missing required parameter: oob_channels", { authenticator_types: ["oob"] }],
    ["oob_channels may contain sms, voice, email and auth0.", { authenticator_types: ["oob"], oob_channels: ["fax"] }],
    ["Missing required parameter: phone_number", { authenticator_types: ["oob"], oob_channels: ["sms"] }],
    ["Missing required parameter: email", { authenticator_types: ["oob"], oob_channels: ["email"] }],
    ["The phone number is invalid.", { authenticator_types: ["oob"], oob_channels: ["sms"], phone_number: "12" }],
    ["The email address is invalid.", { authenticator_types: ["oob"], oob_channels: ["email"], email: "x" }],
    ["authenticator_types must be an array of strings", { authenticator_types: 1 }],
    ["client_id must be a string", { ...otp, client_id: null }],
    ["phone_number must be a string", { authenticator_types: ["oob"], oob_channels: ["sms"], phone_number: 49 }],
  ];
  test.each(cases)("400 invalid_request: %s", async (text, body) => {
    await refused(await stage.person().associate(body), 400, "invalid_request", text);
  });

  test("401 invalid_grant for an invalid bearer", async () => {
    for (const token of ["", "x", "a.b.c"]) await refusedBearer(await stage.person().associate(otp, { token }));
  });

  test("401 expired_token for an mfa_token that was good once", async () => {
    const person = stage.person();
    const now = stage.world.now();
    const token = person.mfaToken({ iat: now - 600, exp: now - 100 });
    await refused(await person.associate(otp, { token }), 401, "expired_token", "mfa_token is expired");
  });

  test("403 access_denied for an mfa_token once a factor is active", async () => {
    const person = stage.person();
    await person.enrollOtp();
    await refused(await person.associate(otp), 403, "access_denied", "User is already enrolled.");
  });

  test("403 insufficient_scope for an access token without enroll", async () => {
    const person = stage.person();
    const token = person.accessToken({ scope: "read:authenticators" });
    const text = "Insufficient scope, expected any of: enroll";
    await refused(await person.associate(otp, { token }), 403, "insufficient_scope", text);
  });

  test("429 too_many_requests when the user's messages are used up", async () => {
    const person = stage.person();
    for (let sent = 0; sent < 10; sent += 1) await accepted(await person.associate(oob("sms", person)));
    const response = await person.associate(oob("sms", person));
    const text = "Too many SMS sent by the user. Wait for some minutes before retrying.";
    await refused(response, 429, "too_many_requests", text);
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
  });
});

test("an access token with enroll adds where a factor is active, if it proves MFA", async () => {
  const person = stage.person();
  await person.enrollOtp();
  await refused(await person.associate(otp, { token: person.accessToken() }), 403, "access_denied");
  await accepted(await person.associate(otp, { token: person.provenToken() }));
});

test.each([MFA_AUDIENCE, MFA_AUDIENCE.slice(0, -1)])("the MFA audience is good with and without its slash: %s", async (aud) => {
  const person = stage.person();
  await accepted(await person.associate(otp, { token: person.accessToken({ aud }) }));
  await accepted(await person.associate(otp, { token: person.mfaToken({ aud }) }));
});

test("an active e-mail does not count as enrolled", async () => {
  const person = stage.person();
  await person.enrollOob("email");
  await accepted(await person.associate(otp));
});
test("associate of an app answers these members and no other", async () => {
  const body = await accepted(await stage.person().associate(otp));
  const known = ["authenticator_type", "barcode_uri", "id", "manual_input_code", "recovery_codes", "secret"];
  expect(members(body)).toEqual(known);
  expect(body.authenticator_type).toBe("otp");
  expect(body.secret).toMatch(/^[A-Z2-7]{32}$/);
  expect(body.manual_input_code).toBe(body.secret);
});

test.each(["sms", "voice", "email"])("associate by %s sends a code of six digits", async (channel) => {
  const person = stage.person();
  await accepted(await person.associate(oob(channel, person)));
  expect(await stage.webhook.codeFor(channel === "email" ? person.email : person.number)).toMatch(SIX_DIGITS);
});

test("a further enrollment has no recovery_codes, not even null", async () => {
  const person = stage.person();
  await person.enrollOtp();
  await stage.world.advance(2);
  for (const body of [otp, oob("sms", person)]) {
    const answer = await accepted(await person.associate(body, { token: person.provenToken() }));
    expect(answer).not.toHaveProperty("recovery_codes");
  }
});

test("each associate adds one and replaces none", async () => {
  const person = stage.person();
  const ids = [];
  for (let count = 0; count < 2; count += 1) ids.push((await accepted(await person.associate(otp))).id);
  const listed = (await accepted(await person.list())).filter(({ authenticator_type }) => authenticator_type === "otp");
  expect(listed.map(({ id }) => id)).toEqual(ids);
});

test.each([
  ["none", () => ""],
  ["malformed", () => "Bearer x"],
  ["for another audience", (person) => `Bearer ${person.mfaToken({ aud: "https://api.example.com" })}`],
  ["without its scheme", (person) => person.mfaToken()],
])("a bearer that is %s is 401 invalid_grant in the recorded words", async (_, authorization) => {
  const person = stage.person();
  await refusedBearer(await person.associate(otp, { headers: { authorization: authorization(person) } }));
});

test("associate takes JSON only", async () => {
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const response = await stage.person().associate("authenticator_types=otp", { headers });
  await refused(response, 415, "unsupported_media_type", "The Content-Type must be application/json.");
});

test("an access token with scope enroll adds the first one", async () => {
  const person = stage.person();
  await accepted(await person.associate(otp, { token: person.accessToken() }));
});
