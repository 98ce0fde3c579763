/** What the wire contract says of every answer, and of every refusal. */
import { expect } from "vitest";

const JSON_TYPES = { "/mfa/": "application/json; charset=utf-8", "/oauth/": "application/json" };

/** Reads an answer and checks what holds for all of them. Returns its body, parsed. */
export async function read(response) {
  const text = await response.text();
  const { path } = response;
  expect(response.headers.get("cache-control"), "Cache-Control").toBe("no-store");
  expect(response.headers.get("x-content-type-options"), "X-Content-Type-Options").toBe("nosniff");
  expect(response.headers.get("x-request-id"), "X-Request-Id").toMatch(/^[A-Za-z0-9_-]{8,}$/);
  for (const [prefix, type] of Object.entries(JSON_TYPES)) {
    if (path.startsWith(prefix)) expect(response.headers.get("content-type"), "Content-Type").toBe(type);
  }
  if (path.startsWith("/oauth/token")) expect(response.headers.get("pragma"), "Pragma").toBe("no-cache");
  return JSON.parse(text);
}

/** Expects 200 and returns the body, which never has a null in it. */
export async function accepted(response) {
  const body = await read(response);
  expect(response.status, JSON.stringify(body)).toBe(200);
  expect(Object.values(body)).not.toContain(null);
  return body;
}

/** Expects 204: done, and there is nothing to say. */
export async function done(response) {
  expect({ status: response.status, body: await response.text() }).toEqual({ status: 204, body: "" });
  expect(response.headers.get("content-type"), "Content-Type").toBeNull();
  expect(response.headers.get("cache-control"), "Cache-Control").toBe("no-store");
  expect(response.headers.get("x-request-id"), "X-Request-Id").toMatch(/^[A-Za-z0-9_-]{8,}$/);
}

/**
 * Expects a refusal: this status, error and description (a string, a pattern, or undefined for any text), and nothing
 * else in the body.
 */
export async function refused(response, status, error, description) {
  const body = await read(response);
  const expected = { status, error, description: description ?? body.error_description };
  const given = { status: response.status, error: body.error, description: body.error_description };
  if (description instanceof RegExp) {
    expect(given).toEqual({ ...expected, description: expect.stringMatching(description) });
  } else {
    expect(given).toEqual(expected);
  }
  expect(Object.keys(body).filter((key) => !["error", "error_description"].includes(key))).toEqual([]);
  return body;
}

/** The 401 of a bearer token that will not do. */
export function refusedBearer(response) {
  return refused(response, 401, "invalid_grant", "The mfa_token provided is invalid. Try getting a new token.");
}

/** The 429 of an empty budget, with everything a client needs to come back in time. */
export async function refusedFor429(response, description, { now }) {
  const body = await refused(response, 429, "too_many_requests", description);
  const header = (name) => Number(response.headers.get(name) ?? Number.NaN);
  expect(header("retry-after")).toBeGreaterThan(0);
  expect(header("x-ratelimit-limit")).toBeGreaterThan(0);
  expect(header("x-ratelimit-remaining")).toBe(0);
  expect(header("x-ratelimit-reset")).toBeGreaterThan(now);
  return {
    body,
    retryAfter: header("retry-after"),
    limit: header("x-ratelimit-limit"),
    reset: header("x-ratelimit-reset"),
  };
}
