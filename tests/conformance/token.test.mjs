/** The MFA grants of `POST /oauth/token` as the contract has them. */
import { describe, expect, test } from "vitest";
import { accepted, refused } from "../support/answers.mjs";
import { API } from "../support/clients.mjs";
import { GRANT } from "../support/person.mjs";
import { useStage } from "../support/stage.mjs";
import { STEP_SECONDS, totp, wrongTotp } from "../support/totp.mjs";

const stage = useStage();

async function withApp() {
  const person = stage.person();
  const app = await person.enrollOtp();
  await stage.world.advance(3 * STEP_SECONDS);
  return { person, ...app, code: (shift = 0) => totp(app.secret, stage.world.now(), shift) };
}

test.each([["a form", true], ["JSON", false]])("is asked by %s", async (_, form) => {
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
  const ask = (shift) => person.exchange("otp", { mfa_token: person.mfaToken(), otp: code(shift) });
  await refused(await ask(-2), 403, "invalid_grant", "Invalid otp_code.");
  await accepted(await ask(-1));
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
  const mfa_token = person.mfaToken();
  const wrong = { mfa_token, otp: wrongTotp(secret, stage.world.now()) };
  await refused(await person.exchange("otp", wrong), 403, "invalid_grant", "Invalid otp_code.");
  await accepted(await person.exchange("otp", { mfa_token, otp: code(-1) }));
  const text = "mfa_token has already been used";
  await refused(await person.exchange("otp", { mfa_token, otp: code() }), 403, "invalid_grant", text);
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
  const guess = () =>
    person.exchange("otp", { mfa_token: person.mfaToken(), otp: wrongTotp(secret, stage.world.now()) });
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

  test.each(["grant_type", "client_id", "mfa_token", "otp"])("400 invalid_request: Missing required parameter: %s", async (name) => {
    const person = stage.person();
    const parameters = { mfa_token: person.mfaToken(), otp: "123456", [name]: undefined };
    const text = `Missing required parameter: ${name}`;
    await refused(await person.exchange("otp", parameters), 400, "invalid_request", text);
  });

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
