/** POST /oauth/token, refused: the exact texts that SDKs compare, and what each refusal leaves behind. */
import { describe, expect, test } from "vitest";
import { accepted, refused } from "../support/answers.mjs";
import { GRANT, random } from "../support/person.mjs";
import { useStage } from "../support/stage.mjs";
import { totp, wrongTotp } from "../support/totp.mjs";

const stage = useStage();

/** Somebody with an app to confirm, and the parameters that would confirm it. */
async function withApp(options) {
  const person = stage.person(options);
  const mfa_token = person.mfaToken();
  const { secret } = await accepted(await person.associateOtp({ token: mfa_token }));
  return { person, secret, parameters: { mfa_token, otp: totp(secret, stage.world.now()) } };
}

/** Somebody with a phone to confirm, and the parameters that would confirm it. */
async function withPhone(claims) {
  const person = stage.person();
  const mfa_token = person.mfaToken(claims);
  const { oob_code } = await accepted(await person.associateSms({ token: mfa_token }));
  const binding_code = await stage.webhook.codeFor(person.number);
  return { person, parameters: { mfa_token, oob_code, binding_code } };
}

const another = (code) => String((Number(code) + 1) % 1_000_000).padStart(6, "0");

describe.each([
  ["a form", true],
  ["JSON", false],
])("in %s", (_, form) => {
  const exchange = (person, grant, parameters) => person.exchange(grant, parameters, { form });

  test.each([
    ["otp", "mfa_token", 400, "invalid_request", "Missing required parameter: mfa_token"],
    ["otp", "otp", 400, "invalid_request", "Missing required parameter: otp"],
    ["otp", "grant_type", 400, "invalid_request", "Missing required parameter: grant_type"],
    ["otp", "client_id", 400, "invalid_request", "Missing required parameter: client_id"],
    ["oob", "mfa_token", 400, "invalid_request", "Missing required parameter: mfa_token"],
    ["oob", "oob_code", 400, "invalid_request", "Missing required parameter: oob_code"],
    ["oob", "binding_code", 400, "invalid_request", "Missing required parameter: binding_code"],
    ["recovery", "mfa_token", 400, "invalid_request", "Missing required parameter: mfa_token"],
    ["recovery", "recovery_code", 400, "invalid_request", "Missing required parameter: recovery_code"],
  ])("%s without %s is refused", async (grant, name, status, error, description) => {
    const person = stage.person();
    const all = {
      mfa_token: person.mfaToken(),
      otp: "123456",
      oob_code: "x",
      binding_code: "123456",
      recovery_code: "X",
    };
    await refused(await exchange(person, grant, { ...all, [name]: undefined }), status, error, description);
  });

  test("a wrong one-time password is refused", async () => {
    const { person, secret, parameters } = await withApp();
    const otp = wrongTotp(secret, stage.world.now());
    await refused(await exchange(person, "otp", { ...parameters, otp }), 403, "invalid_grant", "Invalid otp_code.");
  });

  test.each(["12345", "1234567", "12345a", "１２３４５６", " 123456", "+12345", "-12345", "1e5000", "", "0".repeat(5000)])(
    "%j as one-time password is refused",
    async (otp) => {
      const { person, parameters } = await withApp();
      const response = await exchange(person, "otp", { ...parameters, otp });
      // An empty parameter of a form counts as missing (RFC 6749, section 3.2).
      if (otp === "") expect([400, 403]).toContain(response.status);
      else await refused(response, 403, "invalid_grant", "Invalid otp_code.");
    },
  );

  test("a one-time password of somebody without any app is refused", async () => {
    const person = stage.person();
    const response = await exchange(person, "otp", { mfa_token: person.mfaToken(), otp: "123456" });
    await refused(response, 403, "invalid_grant", "Invalid otp_code.");
  });

  test("a wrong binding code is refused", async () => {
    const { person, parameters } = await withPhone();
    const response = await exchange(person, "oob", { ...parameters, binding_code: another(parameters.binding_code) });
    await refused(response, 403, "invalid_grant", "Invalid binding_code.");
    await accepted(await exchange(person, "oob", parameters));
  });

  test("a wrong recovery code is refused", async () => {
    const person = stage.person();
    await person.enrollOtp();
    const response = await exchange(person, "recovery", {
      mfa_token: person.mfaToken(),
      recovery_code: "A".repeat(24),
    });
    await refused(response, 403, "invalid_grant", "MFA Authorization rejected.");
  });

  test.each(["x", "a.b.c", "", "Fe26.2*x", "x".repeat(9000)])("%j as mfa_token is refused", async (mfa_token) => {
    const person = stage.person();
    const response = await exchange(person, "otp", { mfa_token, otp: "123456" });
    if (mfa_token === "") expect([400, 403]).toContain(response.status);
    else await refused(response, 403, "invalid_grant", "Malformed mfa_token");
  });

  test.each(["x", "..", "x".repeat(5000), "' OR 1=1 --", "oob\u0000code"])("%j as oob_code is refused", async (oob_code) => {
    const { person, parameters } = await withPhone();
    const response = await exchange(person, "oob", { ...parameters, oob_code });
    await refused(response, 403, "invalid_grant", "Malformed oob_code");
    await accepted(await exchange(person, "oob", parameters));
  });

  test("an expired mfa_token is refused as such", async () => {
    const { person, secret, parameters } = await withApp();
    await stage.world.advance(500);
    const otp = totp(secret, stage.world.now());
    await refused(await exchange(person, "otp", { ...parameters, otp }), 401, "expired_token", "mfa_token is expired");
  });

  test("an expired oob_code is refused as such", async () => {
    const { person, parameters } = await withPhone();
    await stage.world.advance(301);
    const response = await exchange(person, "oob", { ...parameters, mfa_token: person.mfaToken() });
    await refused(response, 401, "expired_token", "oob_code is expired");
  });

  test.each([
    "password",
    "http://auth0.com/oauth/grant-type/mfa-push",
    "mfa-otp",
    "",
    "HTTP://AUTH0.COM/oauth/grant-type/mfa-otp",
  ])("grant type %j is not supported", async (grant_type) => {
    const person = stage.person();
    const response = await exchange(person, "otp", { mfa_token: person.mfaToken(), otp: "123456", grant_type });
    expect(response.status).toBe(400);
    const { error } = JSON.parse(await response.text());
    expect(grant_type === "" ? ["invalid_request", "unsupported_grant_type"] : ["unsupported_grant_type"]).toContain(error);
  });

  test("an mfa_token of another client is refused", async () => {
    const { person, parameters } = await withApp();
    const other = await stage.addClient();
    const response = await exchange(person, "otp", { ...parameters, client_id: other.id });
    await refused(response, 400, "invalid_request", "mfa_token not issued to this client");
  });

  test("an oob_code of somebody else is refused, and keeps its attempts", async () => {
    const { person, parameters } = await withPhone();
    const thief = stage.person();
    for (let guess = 0; guess < 6; guess += 1) {
      const response = await exchange(thief, "oob", { ...parameters, mfa_token: thief.mfaToken() });
      await refused(response, 400, "invalid_request", "The oob_code doesn't match the mfa_token");
    }
    await accepted(await exchange(person, "oob", parameters));
  });

  test("an oob_code of the same person at another client is refused", async () => {
    const { person, parameters } = await withPhone();
    const elsewhere = stage.person({ sub: person.sub, client: await stage.addClient() });
    const response = await exchange(elsewhere, "oob", { ...parameters, mfa_token: elsewhere.mfaToken() });
    await refused(response, 400, "invalid_request", "The oob_code doesn't match the mfa_token");
  });

  test("no refusal carries WWW-Authenticate", async () => {
    const { person, parameters } = await withApp();
    const responses = [
      await exchange(person, "otp", { ...parameters, otp: "abcdef" }),
      await exchange(person, "otp", { ...parameters, mfa_token: "x" }),
      await exchange(person, "otp", { ...parameters, client_id: "nobody" }),
      await exchange(person, "otp", { ...parameters, grant_type: "password" }),
      await exchange(person, "otp", {}),
    ];
    for (const response of responses) {
      expect(response.status).toBeGreaterThanOrEqual(400);
      expect(response.headers.get("www-authenticate")).toBeNull();
    }
  });
});

describe("a body", () => {
  const post = (body, type) =>
    stage.world.fetch("/oauth/token", { method: "POST", body, headers: type ? { "content-type": type } : {} });
  const FORM = "application/x-www-form-urlencoded";

  test.each(["text/plain", "multipart/form-data; boundary=x", "application/xml"])("of type %s is refused", async (type) => {
    await refused(await post("grant_type=x", type), 415, "unsupported_media_type");
  });

  test("that says a parameter twice is refused", async () => {
    const person = stage.person();
    const rest = `grant_type=${encodeURIComponent(GRANT.otp)}&client_id=${stage.client.id}&mfa_token=${person.mfaToken()}`;
    await refused(await post(`${rest}&otp=123456&otp=123456`, FORM), 400, "invalid_request", "Duplicate parameter: otp");
    await refused(
      await post('{"otp":"123456","otp":"123456"}', "application/json"),
      400,
      "invalid_request",
      "Duplicate parameter: otp",
    );
  });

  test.each(["", "[]", "null", "{", '"x"'])("of JSON that is %j is refused", async (body) => {
    await refused(await post(body, "application/json"), 400, "invalid_request", "The request body must be a JSON object.");
  });

  test("of a form that is not UTF-8 is refused", async () => {
    const response = await post(`grant_type=%ff%fe&client_id=x`, FORM);
    expect(response.status).toBe(400);
  });

  test("of more than 64 KB is refused", async () => {
    await refused(await post(`grant_type=x&padding=${"x".repeat(64 * 1024)}`, FORM), 413, "payload_too_large");
  });

  test.each([
    ["otp", null, "otp must be a string"],
    ["otp", true, "otp must be a string"],
    ["otp", ["123456"], "otp must be a string"],
    ["mfa_token", null, "mfa_token must be a string"],
    ["mfa_token", 1, "mfa_token must be a string"],
    ["client_id", {}, "client_id must be a string"],
    ["grant_type", 1, "grant_type must be a string"],
  ])("of JSON whose %s is %j is refused", async (name, value, description) => {
    const person = stage.person();
    const all = { grant_type: GRANT.otp, client_id: stage.client.id, mfa_token: person.mfaToken(), otp: "123456" };
    await refused(await post(JSON.stringify({ ...all, [name]: value }), "application/json"), 400, "invalid_request", description);
  });

  test.each([-1, 1.5, 1e21, 1234567])("of JSON whose otp is the number %d is refused", async (otp) => {
    const { person, parameters } = await withApp();
    const response = await person.exchange("otp", { ...parameters, otp }, { form: false });
    expect([400, 403]).toContain(response.status);
  });
});

test.each(["GET", "PUT", "DELETE"])("%s is not taken", async (method) => {
  const response = await stage.world.fetch("/oauth/token", { method });
  await refused(response, 405, "method_not_allowed");
  expect(response.headers.get("allow")).toMatch(/\bPOST\b/);
});

test("a refused exchange activates nothing and issues nothing", async () => {
  const { person, parameters } = await withApp();
  const tables = ["authenticators", "recovery_codes", "redemptions", "enrollments"];
  const before = await stage.world.dump(tables);
  await person.exchange("otp", { ...parameters, otp: "abcdef" });
  await person.exchange("recovery", { mfa_token: parameters.mfa_token, recovery_code: random(12) });
  await person.exchange("otp", { ...parameters, client_id: "nobody" });
  expect(await stage.world.dump(tables)).toEqual(before);
});
