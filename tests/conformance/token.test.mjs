/** The MFA grants of `POST /oauth/token` as the contract has them. */
import { describe, expect, test } from "vitest";
import { accepted, refused } from "../support/answers.mjs";
import { API } from "../support/clients.mjs";
import { GRANT } from "../support/person.mjs";
import { useStage } from "../support/stage.mjs";
import { STEP_SECONDS, totp, wrongTotp } from "../support/totp.mjs";
import { beginApp, beginMessage } from "./cast.mjs";

const stage = useStage();
const EXAMPLE = { otp: "000000", oob_code: "x", binding_code: "000000", recovery_code: "X" };
const NEEDED = { otp: ["otp"], oob: ["oob_code", "binding_code"], recovery: ["recovery_code"] };

async function withApp() {
  const person = stage.person();
  const app = await person.enrollOtp();
  await stage.world.advance(3 * STEP_SECONDS);
  return { person, ...app, code: (shift = 0) => totp(app.secret, stage.world.now(), shift) };
}

test.each([
  ["a form", true],
  ["JSON", false],
])("is asked by %s", async (_, form) => {
  const { person, code } = await withApp();
  await accepted(await person.exchange("otp", { mfa_token: person.mfaToken(), otp: code() }, { form }));
});

test("otp may be a JSON number", async () => {
  const { person, code } = await withApp();
  const parameters = { mfa_token: person.mfaToken(), otp: Number(code()) };
  await accepted(await person.exchange("otp", parameters, { form: false }));
});

test("the answer has access_token, token_type, an integer expires_in and scope, and is not to be kept", async () => {
  const { person, code } = await withApp();
  const mfa_token = person.mfaToken({ audience: API, scope: "openid read:things offline_access" });
  const response = await person.exchange("otp", { mfa_token, otp: code() });
  const body = await accepted(response);
  expect(body).toEqual({
    access_token: expect.any(String),
    id_token: expect.any(String),
    token_type: "Bearer",
    expires_in: 3600,
    scope: "openid read:things",
  });
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(response.headers.get("pragma")).toBe("no-cache");
});

test("id_token comes with openid, and not without", async () => {
  const { person, code } = await withApp();
  const mfa_token = person.mfaToken({ audience: API, scope: "read:things" });
  expect(await accepted(await person.exchange("otp", { mfa_token, otp: code() }))).not.toHaveProperty("id_token");
});

test("audience and scope are the mfa_token's, where the body names none", async () => {
  const { person, code } = await withApp();
  const mfa_token = person.mfaToken({ audience: API, scope: "openid write:things" });
  expect((await accepted(await person.exchange("otp", { mfa_token, otp: code() }))).scope).toBe("openid write:things");
});

test("the recovery grant brings the next code, and the one that was used is dead", async () => {
  const { person, recoveryCode } = await withApp();
  const parameters = { mfa_token: person.mfaToken(), recovery_code: recoveryCode };
  const { recovery_code } = await accepted(await person.exchange("recovery", parameters));
  expect(recovery_code).toMatch(/^[A-Z0-9]{24}$/);
  const again = { mfa_token: person.mfaToken(), recovery_code: recoveryCode };
  await refused(await person.exchange("recovery", again), 403, "invalid_grant", "MFA Authorization rejected.");
  await accepted(await person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code }));
});

test("a recovery code is read in lower case, with spaces and dashes", async () => {
  const { person, recoveryCode } = await withApp();
  const written = recoveryCode.toLowerCase().replace(/(.{6})(?=.)/g, "$1- ");
  await accepted(await person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code: written }));
});

test("the step before the present one is good, the one before that is not", async () => {
  const { person, code } = await withApp();
  await stage.world.freeze();
  const ask = (shift) => person.exchange("otp", { mfa_token: person.mfaToken(), otp: code(shift) });
  await refused(await ask(-2), 403, "invalid_grant", "Invalid otp_code.");
  await accepted(await ask(-1));
  await stage.world.thaw();
});

test("a code is good once", async () => {
  const { person, code } = await withApp();
  const otp = code();
  await accepted(await person.exchange("otp", { mfa_token: person.mfaToken(), otp }));
  const again = { mfa_token: person.mfaToken(), otp };
  await refused(await person.exchange("otp", again), 403, "invalid_grant", "Invalid otp_code.");
});

test("a wrong code leaves the mfa_token as good as it was, a right one spends it", async () => {
  const { person, secret, code } = await withApp();
  await stage.world.freeze();
  const mfa_token = person.mfaToken();
  const wrong = { mfa_token, otp: wrongTotp(secret, stage.world.now()) };
  await refused(await person.exchange("otp", wrong), 403, "invalid_grant", "Invalid otp_code.");
  await accepted(await person.exchange("otp", { mfa_token, otp: code(-1) }));
  const text = "mfa_token has already been used";
  await refused(await person.exchange("otp", { mfa_token, otp: code() }), 403, "invalid_grant", text);
  await stage.world.thaw();
});

test("an access token confirms a pending authenticator of its user and client, and lives no longer for it", async () => {
  const person = stage.person();
  const token = person.accessToken({ exp: stage.world.now() + 120 });
  const { secret } = await accepted(await person.associateOtp({ token }));
  const parameters = { mfa_token: token, otp: totp(secret, stage.world.now()) };
  const tokens = await accepted(await person.exchange("otp", parameters));
  expect(tokens.expires_in).toBeLessThanOrEqual(120);
  expect(tokens).not.toHaveProperty("id_token");
});

test("eleven wrong codes: the eleventh is 429 with Retry-After", async () => {
  const { person, secret } = await withApp();
  const guess = () => person.exchange("otp", { mfa_token: person.mfaToken(), otp: wrongTotp(secret, stage.world.now()) });
  for (let count = 0; count < 10; count += 1) await refused(await guess(), 403, "invalid_grant", "Invalid otp_code.");
  const response = await guess();
  const text = "Too many failed codes. Wait for some minutes before retrying.";
  await refused(response, 429, "too_many_requests", text);
  expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
});

test("no error has WWW-Authenticate, but where the client came by Basic", async () => {
  const client = await stage.addClient({ authentication: "basic" });
  const person = stage.person({ client });
  const wrong = { mfa_token: person.mfaToken(), otp: "000000", client_secret: "0".repeat(64) };
  const post = await person.exchange("otp", wrong);
  await refused(post, 401, "access_denied", "Unauthorized");
  expect(post.headers.get("www-authenticate")).toBe(null);
  const authorization = `Basic ${Buffer.from(`${client.id}:${"0".repeat(64)}`).toString("base64")}`;
  const parameters = { ...wrong, client_id: undefined, client_secret: undefined };
  const basic = await person.exchange("otp", parameters, { headers: { authorization } });
  await refused(basic, 401, "access_denied", "Unauthorized");
  expect(basic.headers.get("www-authenticate")).toMatch(/^Basic /);
});

describe("errors, word for word", () => {
  test("403 invalid_grant: Invalid binding_code.", async () => {
    const person = stage.person();
    const mfa_token = person.mfaToken();
    const { oob_code } = await accepted(await person.associateSms({ token: mfa_token }));
    const code = await stage.webhook.codeFor(person.number);
    const binding_code = String((Number(code) + 1) % 1_000_000).padStart(6, "0");
    const response = await person.exchange("oob", { mfa_token, oob_code, binding_code });
    await refused(response, 403, "invalid_grant", "Invalid binding_code.");
  });

  test("400 invalid_request: Missing required parameter: binding_code", async () => {
    const person = stage.person();
    const mfa_token = person.mfaToken();
    const { oob_code } = await accepted(await person.associateSms({ token: mfa_token }));
    const text = "Missing required parameter: binding_code";
    await refused(await person.exchange("oob", { mfa_token, oob_code }), 400, "invalid_request", text);
  });

  test("400 invalid_request: The oob_code doesn't match the mfa_token", async () => {
    const [one, other] = [stage.person(), stage.person()];
    const { oob_code } = await accepted(await one.associateSms());
    const parameters = { mfa_token: other.mfaToken(), oob_code, binding_code: "123456" };
    const text = "The oob_code doesn't match the mfa_token";
    await refused(await other.exchange("oob", parameters), 400, "invalid_request", text);
  });

  test("403 invalid_grant: Malformed oob_code", async () => {
    const person = stage.person();
    const parameters = { mfa_token: person.mfaToken(), oob_code: "nonsense", binding_code: "123456" };
    await refused(await person.exchange("oob", parameters), 403, "invalid_grant", "Malformed oob_code");
  });

  test("401 expired_token: oob_code is expired", async () => {
    const person = stage.person();
    const { oob_code } = await accepted(await person.associateSms());
    const binding_code = await stage.webhook.codeFor(person.number);
    await stage.world.advance(301);
    const parameters = { mfa_token: person.mfaToken(), oob_code, binding_code };
    await refused(await person.exchange("oob", parameters), 401, "expired_token", "oob_code is expired");
  });

  test("403 invalid_grant: Malformed mfa_token", async () => {
    const parameters = { mfa_token: "nonsense", otp: "123456" };
    await refused(await stage.person().exchange("otp", parameters), 403, "invalid_grant", "Malformed mfa_token");
  });

  test("401 expired_token: mfa_token is expired", async () => {
    const person = stage.person();
    const now = stage.world.now();
    const parameters = { mfa_token: person.mfaToken({ iat: now - 600, exp: now - 100 }), otp: "123456" };
    await refused(await person.exchange("otp", parameters), 401, "expired_token", "mfa_token is expired");
  });

  test("400 invalid_request: mfa_token not issued to this client", async () => {
    const person = stage.person();
    const other = await stage.addClient();
    const parameters = { mfa_token: person.mfaToken(), otp: "123456", client_id: other.id };
    const text = "mfa_token not issued to this client";
    await refused(await person.exchange("otp", parameters), 400, "invalid_request", text);
  });

  test.each(["grant_type", "client_id", "mfa_token", "otp"])(
    "400 invalid_request: Missing required parameter: %s",
    async (name) => {
      const person = stage.person();
      const parameters = { mfa_token: person.mfaToken(), otp: "123456", [name]: undefined };
      const text = `Missing required parameter: ${name}`;
      await refused(await person.exchange("otp", parameters), 400, "invalid_request", text);
    },
  );

  test("403 unauthorized_client: Grant type not allowed for the client.", async () => {
    const person = stage.person({ client: await stage.addClient({ grants: ["mfa-oob"] }) });
    const parameters = { mfa_token: person.mfaToken(), otp: "123456" };
    const text = `Grant type '${GRANT.otp}' not allowed for the client.`;
    await refused(await person.exchange("otp", parameters), 403, "unauthorized_client", text);
  });

  test("400 unsupported_grant_type for a grant that is none of these", async () => {
    const person = stage.person();
    const parameters = { mfa_token: person.mfaToken(), otp: "123456" };
    await refused(await person.exchange("password", parameters), 400, "unsupported_grant_type");
  });
});

test.each([
  ["a form", true],
  ["JSON", false],
])("each MFA grant is taken as %s", async (_, form) => {
  const { person, enrollment, parameters } = await beginApp(stage);
  await accepted(await person.exchange("otp", parameters, { form }));
  const message = await beginMessage(stage);
  await accepted(await message.person.exchange("oob", message.parameters, { form }));
  const recovery = { mfa_token: person.mfaToken(), recovery_code: enrollment.recovery_codes[0] };
  await accepted(await person.exchange("recovery", recovery, { form }));
});

test("the first good code of a pending app confirms it", async () => {
  const { person, parameters } = await beginApp(stage);
  expect((await accepted(await person.list()))[0].active).toBe(false);
  await accepted(await person.exchange("otp", parameters));
  expect((await accepted(await person.list()))[0].active).toBe(true);
});

test.each(["sms", "voice", "email"])(
  "the oob_code of associate and the code that was sent confirm a pending one: %s",
  async (channel) => {
    const { person, parameters } = await beginMessage(stage, channel);
    await accepted(await person.exchange("oob", parameters));
    expect((await accepted(await person.list()))[0].active).toBe(true);
  },
);

test("a one-time password of the step before is good, of the one after or two before is not", async () => {
  const { world } = stage;
  await world.freeze();
  const { person, enrollment, parameters } = await beginApp(stage);
  const { mfa_token } = parameters;
  for (const steps of [1, -2]) {
    const otp = totp(enrollment.secret, world.now(), steps);
    await refused(await person.exchange("otp", { mfa_token, otp }), 403, "invalid_grant", "Invalid otp_code.");
  }
  await accepted(await person.exchange("otp", { mfa_token, otp: totp(enrollment.secret, world.now(), -1) }));
  await world.thaw();
});

test("otp and binding_code may be JSON numbers, leading zeros lost", async () => {
  const { world } = stage;
  await world.freeze();
  const { person, enrollment } = await beginApp(stage);
  // A code is not of our choosing: the clock is moved to where it begins with a zero.
  while (totp(enrollment.secret, world.now())[0] !== "0") await world.advance(STEP_SECONDS);
  const otp = Number(totp(enrollment.secret, world.now()));
  await accepted(await person.exchange("otp", { mfa_token: person.mfaToken(), otp }, { form: false }));
  await world.thaw();
  const message = await beginMessage(stage);
  const binding_code = Number(message.parameters.binding_code);
  await accepted(await message.person.exchange("oob", { ...message.parameters, binding_code }, { form: false }));
});

test("a code that was sent is good once, and for its own oob_code only", async () => {
  const person = stage.person();
  await person.enrollSms();
  const code = await person.receiveCode();
  await accepted(await person.exchange("oob", code));
  const again = { ...code, mfa_token: person.mfaToken() };
  await refused(await person.exchange("oob", again), 400, "invalid_request", "The oob_code doesn't match the mfa_token");
});

test("a code that was sent is good for five minutes", async () => {
  const { world } = stage;
  await world.freeze();
  const early = await beginMessage(stage);
  const late = await beginMessage(stage);
  await world.advance(299);
  await accepted(await early.person.exchange("oob", early.parameters));
  await world.advance(2);
  const response = await late.person.exchange("oob", { ...late.parameters, mfa_token: late.person.mfaToken() });
  await refused(response, 401, "expired_token", "oob_code is expired");
  await world.thaw();
});

test("a recovery code leaves the authenticators as they are", async () => {
  const person = stage.person();
  const { recoveryCode } = await person.enrollOtp();
  const before = await accepted(await person.list());
  await accepted(await person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code: recoveryCode }));
  expect(await accepted(await person.list())).toEqual(before);
});

test.each(Object.keys(GRANT))("an mfa_token that is none is 403 invalid_grant Malformed mfa_token: %s", async (grant) => {
  const response = await stage.person().exchange(grant, { ...EXAMPLE, mfa_token: "x" });
  await refused(response, 403, "invalid_grant", "Malformed mfa_token");
});

test.each(Object.keys(GRANT))("an mfa_token past its time is 401 expired_token: %s", async (grant) => {
  const person = stage.person();
  const now = stage.world.now();
  const mfa_token = person.mfaToken({ iat: now - 600, exp: now - 120 });
  const response = await person.exchange(grant, { ...EXAMPLE, mfa_token });
  await refused(response, 401, "expired_token", "mfa_token is expired");
});

test("an oob_code of another login is 400 The oob_code doesn't match the mfa_token", async () => {
  const person = stage.person();
  await person.enrollSms();
  const code = await person.receiveCode();
  const mixed = { ...code, mfa_token: person.mfaToken() };
  await refused(await person.exchange("oob", mixed), 400, "invalid_request", "The oob_code doesn't match the mfa_token");
});

test.each(Object.entries(NEEDED).flatMap(([grant, names]) => ["mfa_token", ...names].map((name) => [grant, name])))(
  "what a grant needs and misses is named: %s without %s",
  async (grant, name) => {
    const person = stage.person();
    const parameters = { ...EXAMPLE, mfa_token: person.mfaToken(), [name]: undefined };
    const response = await person.exchange(grant, parameters);
    await refused(response, 400, "invalid_request", `Missing required parameter: ${name}`);
  },
);

test.each(["password", "refresh_token", "authorization_code", "client_credentials", "x"])(
  "an unknown grant_type is 400 unsupported_grant_type: %s",
  async (grant) => {
    const response = await stage.person().exchange(grant, {});
    await refused(response, 400, "unsupported_grant_type", "This grant_type is not supported.");
  },
);

test("a parameter that comes twice is 400 invalid_request", async () => {
  const { person, parameters } = await beginApp(stage);
  const all = { grant_type: GRANT.otp, client_id: person.client.id, ...parameters };
  const body = `${new URLSearchParams(all)}&otp=${parameters.otp}`;
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  await refused(await stage.world.post("/oauth/token", body, { headers }), 400, "invalid_request", "Duplicate parameter: otp");
});

test("unknown parameters are ignored: challenge_type, which applications send along", async () => {
  const { person, parameters } = await beginApp(stage);
  await accepted(await person.exchange("otp", { ...parameters, challenge_type: "otp", unknown: "x" }));
});

test("audience and scope may repeat those of the login", async () => {
  const login = { audience: API, scope: "openid read:things" };
  const { person, parameters } = await beginApp(stage, undefined, login);
  expect(await accepted(await person.exchange("otp", { ...parameters, ...login }))).toMatchObject({
    scope: login.scope,
  });
});

test("an access token confirms nothing without scope enroll, and no recovery code", async () => {
  const person = stage.person();
  const { recoveryCode } = await person.enrollOtp();
  const without = { mfa_token: person.accessToken({ scope: "read:authenticators" }), otp: "000000" };
  const text = "Insufficient scope, expected any of: enroll";
  await refused(await person.exchange("otp", without), 403, "insufficient_scope", text);
  const recovery = { mfa_token: person.accessToken(), recovery_code: recoveryCode };
  await refused(await person.exchange("recovery", recovery), 403, "invalid_grant", "Malformed mfa_token");
});

test("an authenticator confirmed second needs proof of MFA from the start", async () => {
  const person = stage.person();
  const { parameters } = await beginMessage(stage, "sms", person);
  await person.enrollOtp();
  const response = await person.exchange("oob", { ...parameters, mfa_token: person.mfaToken() });
  await refused(response, 401, "expired_token", "oob_code is expired");
});
