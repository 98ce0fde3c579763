/** What holds for every request and answer. */
import { describe, expect, test } from "vitest";
import { accepted, refused } from "../support/answers.mjs";
import { useStage } from "../support/stage.mjs";

const ORIGIN = "https://app.example.com";
const stage = useStage();
const PATHS = [
  ["POST", "/mfa/associate"],
  ["POST", "/mfa/challenge"],
  ["GET", "/mfa/authenticators"],
  ["DELETE", "/mfa/authenticators/totp|dev_0000000000000000"],
  ["POST", "/oauth/token"],
  ["GET", "/.well-known/jwks.json"],
  ["GET", "/.well-known/openid-configuration"],
];

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
      for (const name of headers.split(", "))
        expect(response.headers.get("access-control-allow-headers")).toContain(name);
    }
  });

  test("answers and errors may be read by registered origins, and by no other", async () => {
    await stage.addClient({ origins: [ORIGIN] });
    await stage.world.advance(61);
    const person = stage.person();
    for (const [origin, allowed] of [[ORIGIN, ORIGIN], ["https://other.example.com", null]]) {
      for (const response of [await person.associateOtp({ headers: { origin } }), await person.list({ token: "x", headers: { origin } })]) {
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
