/** What holds for every request and answer. */
import { describe, expect, test } from "vitest";
import { accepted, refused } from "../support/answers.mjs";
import { GRANT } from "../support/person.mjs";
import { PUBLIC_URL } from "../support/worker.mjs";
import { beginApp, beginMessage, signIn, useConformanceStage } from "./cast.mjs";

const ORIGIN = "https://app.example.com";
const stage = useConformanceStage();
const PATHS = [
  ["POST", "/mfa/associate"],
  ["POST", "/mfa/challenge"],
  ["GET", "/mfa/authenticators"],
  ["DELETE", "/mfa/authenticators/totp|dev_0000000000000000"],
  ["POST", "/oauth/token"],
  ["GET", "/.well-known/jwks.json"],
  ["GET", "/.well-known/openid-configuration"],
];

const GUARDED = PATHS.filter(([, path]) => !path.startsWith("/.well-known/"));

/** A request that every one of these endpoints refuses. */
const refusedAt = (path, method, headers = {}) =>
  stage.world.fetch(path, {
    method,
    headers: { ...(method === "POST" && { "content-type": "application/json" }), ...headers },
    ...(method === "POST" && { body: "{}" }),
  });

/** Everything that the main path answers, as text. */
async function everyAnswer() {
  const texts = [];
  const kept = async (response) => {
    const text = await response.text();
    texts.push(text);
    return JSON.parse(text);
  };
  for (const channel of ["sms", "voice", "email"]) {
    const person = stage.person();
    const { parameters, enrollment } = await beginMessage(stage, channel, person, { scope: "openid" });
    texts.push(JSON.stringify(enrollment));
    await kept(await person.exchange("oob", parameters));
    await kept(await person.challenge());
    await kept(await person.list());
  }
  const person = stage.person();
  const { parameters, enrollment } = await beginApp(stage, person);
  texts.push(JSON.stringify(enrollment));
  await kept(await person.exchange("otp", parameters));
  await kept(await person.challenge());
  await kept(await signIn(stage, person));
  const recovery = { mfa_token: person.mfaToken(), recovery_code: enrollment.recovery_codes[0] };
  await kept(await person.exchange("recovery", recovery));
  for (const [method, path] of GUARDED) await kept(await refusedAt(path, method));
  return texts;
}

test("errors are flat JSON with error and error_description", async () => {
  for (const [method, path] of PATHS.slice(0, 5)) {
    const response = await stage.world.fetch(path, { method });
    expect(response.status).toBeGreaterThanOrEqual(400);
    const body = await response.json();
    expect(Object.keys(body)).toEqual(["error", "error_description"]);
    for (const text of Object.values(body)) expect(typeof text).toBe("string");
  }
});

test("the halves of the API have their recorded content types", async () => {
  const person = stage.person();
  expect((await person.list()).headers.get("content-type")).toBe("application/json; charset=utf-8");
  expect((await person.exchange("otp", {})).headers.get("content-type")).toBe("application/json");
});

test("another verb is 405 method_not_allowed with Allow, an unknown path 404 not_found", async () => {
  for (const [, path] of PATHS) {
    const response = await stage.world.fetch(path, { method: "PUT" });
    expect(response.headers.get("allow")).toMatch(/OPTIONS/);
    await refused(response, 405, "method_not_allowed");
  }
  await refused(await stage.world.fetch("/mfa/nothing"), 404, "not_found");
});

test("another content type than those that are read is 415", async () => {
  const headers = { "content-type": "text/plain" };
  await refused(await stage.person().associate("{}", { headers }), 415, "unsupported_media_type");
});

describe("calls from pages", () => {
  const headers = "authorization, content-type, auth0-client, dpop, idempotency-key";

  test("preflights allow what SDKs send, for every path and verb", async () => {
    const client = await stage.addClient({ origins: [ORIGIN] });
    expect(client.id).toBeTruthy();
    await stage.world.advance(61);
    for (const [method, path] of PATHS) {
      const response = await stage.world.fetch(path, {
        method: "OPTIONS",
        headers: {
          origin: ORIGIN,
          "access-control-request-method": method,
          "access-control-request-headers": headers,
        },
      });
      expect(response.status).toBe(204);
      expect(response.headers.get("access-control-allow-origin")).toBe(ORIGIN);
      expect(response.headers.get("access-control-allow-methods")).toContain(method);
      for (const name of headers.split(", ")) expect(response.headers.get("access-control-allow-headers")).toContain(name);
    }
  });

  test("answers and errors may be read by registered origins, and by no other", async () => {
    await stage.addClient({ origins: [ORIGIN] });
    await stage.world.advance(61);
    const person = stage.person();
    for (const [origin, allowed] of [
      [ORIGIN, ORIGIN],
      ["https://other.example.com", null],
    ]) {
      for (const response of [
        await person.associateOtp({ headers: { origin } }),
        await person.list({ token: "x", headers: { origin } }),
      ]) {
        expect(response.headers.get("access-control-allow-origin")).toBe(allowed);
        expect(response.headers.get("vary")).toContain("Origin");
      }
    }
  });

  test("pages may read DPoP-Nonce, Retry-After and X-RateLimit-*", async () => {
    await stage.addClient({ origins: [ORIGIN] });
    await stage.world.advance(61);
    const exposed = (await stage.person().list({ headers: { origin: ORIGIN } })).headers.get("access-control-expose-headers");
    for (const name of ["DPoP-Nonce", "Retry-After", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"])
      expect(exposed).toContain(name);
  });
});

test("the telemetry header of SDKs does not matter, whatever is in it", async () => {
  for (const value of ["eyJuYW1lIjoiYXV0aDAuanMifQ==", "%%%", "x".repeat(4000)])
    await accepted(await stage.person().associateOtp({ headers: { "auth0-client": value } }));
});

test("bodies of 64 KB and more are 413", async () => {
  const body = JSON.stringify({ authenticator_types: ["otp"], padding: "x".repeat(65 * 1024) });
  await refused(await stage.person().associate(body), 413, "payload_too_large");
});

test("no answer has null anywhere", async () => {
  const texts = await everyAnswer();
  expect(texts.length).toBeGreaterThan(18);
  for (const text of texts) expect(text).not.toMatch(/[:[,]null\b/);
});

test.each(GUARDED)("every answer may be kept by nobody and has an X-Request-Id: %s %s", async (method, path) => {
  const { headers } = await refusedAt(path, method);
  expect(headers.get("cache-control")).toBe("no-store");
  expect(headers.get("x-content-type-options")).toBe("nosniff");
  expect(headers.get("x-request-id")).toMatch(/^[0-9a-f]{24}$/);
});

test("WWW-Authenticate is absent wherever HTTP Basic and DPoP were not used", async () => {
  for (const [method, path] of GUARDED) {
    expect((await refusedAt(path, method)).headers.get("www-authenticate"), path).toBeNull();
  }
  const client = await stage.addClient({ authentication: "post" });
  const wrong = { client_id: client.id, client_secret: "wrong", otp: "000000", mfa_token: "x" };
  const response = await stage.person().exchange("otp", wrong);
  expect([response.status, response.headers.get("www-authenticate")]).toEqual([401, null]);
});

test("another host is 421 misdirected_request", async () => {
  const response = await stage.world.fetch("https://other.example.com/mfa/authenticators");
  await refused(response, 421, "misdirected_request", `This service answers at ${PUBLIC_URL}.`);
});

test("case and parameters of the media type do not matter", async () => {
  for (const type of ["application/json; charset=utf-8", "Application/JSON", "application/json;charset=UTF-8"]) {
    await accepted(await stage.person().associateOtp({ headers: { "content-type": type } }));
  }
});

test.each(["[]", "null", '"x"', "{", "", "{}x"])("a JSON body that is no object is 400 invalid_request: %j", async (body) => {
  const response = await stage.person().associate(body);
  await refused(response, 400, "invalid_request", "The request body must be a JSON object.");
});

test("a parameter that comes twice in JSON is 400 invalid_request", async () => {
  const response = await stage.person().associate('{"authenticator_types":["otp"],"authenticator_types":["oob"]}');
  await refused(response, 400, "invalid_request", "Duplicate parameter: authenticator_types");
});

test("an empty parameter counts as absent", async () => {
  const { person, parameters } = await beginApp(stage);
  const response = await person.exchange("otp", { ...parameters, otp: "" });
  await refused(response, 400, "invalid_request", "Missing required parameter: otp");
  await accepted(await person.exchange("otp", { ...parameters, client_secret: "" }));
});

test("the order of parameters does not matter", async () => {
  const { person, parameters } = await beginApp(stage);
  const all = { grant_type: GRANT.otp, client_id: person.client.id, ...parameters };
  const turned = Object.fromEntries(Object.entries(all).reverse());
  await accepted(await stage.world.post("/oauth/token", turned));
});

test("HEAD is answered like GET, without the body", async () => {
  const response = await stage.person().list({ method: "HEAD" });
  expect([response.status, await response.text()]).toEqual([200, ""]);
});

/** A page's origin that some client has registered, known to the isolate. */
async function registeredOrigin() {
  await stage.addClient({ origins: [ORIGIN] });
  // Origins are remembered for a minute.
  await stage.world.advance(61);
  return ORIGIN;
}

test("credentials mode is not allowed", async () => {
  const origin = await registeredOrigin();
  for (const response of [
    await stage.world.fetch("/mfa/associate", { method: "OPTIONS", headers: { origin } }),
    await stage.person().list({ headers: { origin } }),
  ]) {
    expect(response.headers.get("access-control-allow-credentials")).toBeNull();
    expect(response.headers.get("access-control-allow-origin")).not.toBe("*");
  }
});

test("an Idempotency-Key that is too long is 400 invalid_request", async () => {
  const options = { headers: { "idempotency-key": "x".repeat(256) } };
  const text = "Idempotency-Key must be 1 to 255 visible ASCII characters.";
  await refused(await stage.person().associateOtp(options), 400, "invalid_request", text);
});

test("the general errors are told in these words", async () => {
  const { world } = stage;
  await refused(await world.fetch("/mfa/nothing"), 404, "not_found", "There is nothing at this path.");
  const verb = await world.fetch("/mfa/challenge", { method: "PATCH" });
  await refused(verb, 405, "method_not_allowed", "This path answers to POST, OPTIONS.");
  const long = await stage.person().associate(" ".repeat(65_537));
  await refused(long, 413, "payload_too_large", "The request body is longer than 64 KB.");
  const typed = await world.post("/mfa/associate", "{}", { headers: { "content-type": "text/plain" } });
  await refused(typed, 415, "unsupported_media_type", "The Content-Type must be application/json.");
});
