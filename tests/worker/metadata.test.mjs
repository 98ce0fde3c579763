/** The key set, the discovery document, who may read answers from a browser, and where requests belong. */
import { createLocalJWKSet, jwtVerify } from "jose";
import { describe, expect, test } from "vitest";
import { accepted, refused, refusedBearer } from "../support/answers.mjs";
import { signingKey } from "../support/keys.mjs";
import { useStage } from "../support/stage.mjs";
import { ISSUER, PUBLIC_URL } from "../support/worker.mjs";

const KEY_SET = "/.well-known/jwks.json";
const DISCOVERY = "/.well-known/openid-configuration";

const { d, p, q, dp, dq, qi, ...retired } = signingKey("retired-1");
const stage = useStage({ vars: { SIGNING_KEY_OLD: JSON.stringify(retired), ACTIVE_SIGNING_KEY: "MAIN" } });

async function document(path) {
  const response = await stage.world.fetch(path);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toMatch(/^application\/json\b/);
  expect(response.headers.get("cache-control")).toBe("public, max-age=300");
  expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  expect(response.headers.get("x-request-id")).toBeTruthy();
  return response.json();
}

describe("the key set", () => {
  test("has the public half of every signing key, the retired ones included, and no other member", async () => {
    const { keys } = await document(KEY_SET);
    const { n, e } = stage.world.secrets.signing;
    expect(keys).toHaveLength(2);
    expect(keys).toContainEqual({ kty: "RSA", use: "sig", alg: "RS256", kid: "main-1", n, e });
    expect(keys).toContainEqual({ kty: "RSA", use: "sig", alg: "RS256", kid: "retired-1", n: retired.n, e: retired.e });
  });

  test("verifies what is issued", async () => {
    const { tokens } = await stage.person().enrollOtp();
    const { payload } = await jwtVerify(tokens.access_token, createLocalJWKSet(await document(KEY_SET)), {
      issuer: ISSUER,
    });
    expect(payload.azp).toBe(stage.client.id);
  });
});

describe("the discovery document", () => {
  test("says where things are and how they are signed", async () => {
    const body = await document(DISCOVERY);
    expect(body).toMatchObject({
      issuer: ISSUER,
      token_endpoint: `${PUBLIC_URL}/oauth/token`,
      jwks_uri: `${PUBLIC_URL}${KEY_SET}`,
      id_token_signing_alg_values_supported: ["RS256"],
    });
    expect(body.authorization_endpoint).toMatch(new RegExp(`^${PUBLIC_URL}/`));
    expect(body.token_endpoint_auth_methods_supported).toEqual(
      expect.arrayContaining(["none", "client_secret_post", "client_secret_basic", "private_key_jwt"]),
    );
  });

  test("has an issuer whose discovery document it is (OpenID Connect Discovery 1.0, section 4.3)", async () => {
    const { issuer } = await document(DISCOVERY);
    expect(`${issuer.replace(/\/$/, "")}${DISCOVERY}`).toBe(`${PUBLIC_URL}${DISCOVERY}`);
  });
});

describe.each([KEY_SET, DISCOVERY])("%s", (path) => {
  test("answers HEAD like GET, without a body", async () => {
    const response = await stage.world.fetch(path, { method: "HEAD" });
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe("public, max-age=300");
    expect(await response.text()).toBe("");
  });

  test.each(["POST", "PUT", "DELETE"])("does not take %s", async (method) => {
    const response = await stage.world.fetch(path, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toMatch(/\bGET\b/);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect((await response.json()).error).toBe("method_not_allowed");
  });
});

describe("a page in a browser", () => {
  const ORIGIN = "https://app.example.com";
  const STRANGER = "https://app.example.com.evil.example";

  async function registered() {
    await stage.addClient({ origins: [ORIGIN, "http://localhost:3000"] });
    // Origins are cached in the isolate for a minute.
    await stage.world.advance(61);
  }
  const varies = (response) => expect(response.headers.get("vary") ?? "").toMatch(/\borigin\b/i);

  test.each(["/mfa/associate", "/oauth/token", KEY_SET, DISCOVERY])("may ask beforehand about %s", async (path) => {
    await registered();
    const headers = {
      origin: ORIGIN,
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization,content-type,auth0-client,dpop",
    };
    const response = await stage.world.fetch(path, { method: "OPTIONS", headers });
    expect([200, 204]).toContain(response.status);
    expect(await response.text()).toBe("");
    expect(response.headers.get("access-control-allow-origin")).toBe(ORIGIN);
    expect(response.headers.get("access-control-allow-methods")).toMatch(/\b(POST|GET)\b/);
    const allowed = response.headers
      .get("access-control-allow-headers")
      .toLowerCase()
      .split(/\s*,\s*/);
    expect(allowed).toEqual(expect.arrayContaining(["authorization", "content-type", "auth0-client", "dpop", "idempotency-key"]));
    expect(response.headers.get("access-control-allow-credentials")).toBeNull();
    varies(response);
  });

  test.each([
    ["accepted", async (person, headers) => person.associate({ authenticator_types: ["otp"] }, { headers }), 200],
    ["refused as bad", async (person, headers) => person.associate({}, { headers }), 400],
    ["refused for its bearer", async (person, headers) => person.associate({}, { headers, token: "x" }), 401],
    ["unknown", async (_, headers) => stage.world.fetch("/nowhere", { headers }), 404],
    ["of the wrong method", async (_, headers) => stage.world.fetch("/mfa/associate", { headers }), 405],
    ["too large", async (person, headers) => person.associate("x".repeat(70_000), { headers }), 413],
  ])("from a registered origin may read an answer that is %s", async (_, ask, status) => {
    await registered();
    const response = await ask(stage.person(), { origin: ORIGIN });
    expect(response.status).toBe(status);
    expect(response.headers.get("access-control-allow-origin")).toBe(ORIGIN);
    expect(response.headers.get("access-control-expose-headers").toLowerCase()).toMatch(/retry-after/);
    varies(response);
  });

  test.each([STRANGER, "null", "http://app.example.com", "https://app.example.com:8443", "https://APP.example.com.", "*"])(
    "from %s may not, and the answer says that it depends on the origin",
    async (origin) => {
      await registered();
      const answer = await stage.person().associate({ authenticator_types: ["otp"] }, { headers: { origin } });
      await accepted(answer);
      const headers = { origin, "access-control-request-method": "POST" };
      const preflight = await stage.world.fetch("/mfa/associate", { method: "OPTIONS", headers });
      for (const response of [answer, preflight]) {
        expect(response.headers.get("access-control-allow-origin")).toBeNull();
        varies(response);
      }
    },
  );

  test("from an origin that another client registered may: it is the union that counts", async () => {
    await registered();
    const response = await stage.person().associateOtp({ headers: { origin: "http://localhost:3000" } });
    expect(response.headers.get("access-control-allow-origin")).toBe("http://localhost:3000");
  });

  test("costs no round trip of its own with warm caches", async () => {
    await registered();
    const ask = () => stage.person().associateOtp({ headers: { origin: ORIGIN } });
    await accepted(await ask());
    const { result, roundTrips } = await stage.world.cost(ask);
    await accepted(result);
    expect(roundTrips).toHaveLength(1);
  });
});

describe("a request for another host", () => {
  test.each(["https://evil.example", "https://mfa.example.com.evil.example", "https://mfa.example.com:8443"])(
    "as %s is refused everywhere",
    async (origin) => {
      for (const path of ["/mfa/associate", "/oauth/token", KEY_SET, DISCOVERY, "/nowhere"]) {
        const response = await stage.world.fetch(`${origin}${path}`, { method: "POST" });
        expect(response.status).toBe(421);
        expect((await response.json()).error).toBe("misdirected_request");
        expect(response.headers.get("cache-control")).toBe("no-store");
      }
    },
  );

  test("is refused though its token is good", async () => {
    const person = stage.person();
    const headers = { authorization: `Bearer ${person.mfaToken()}` };
    await refused(
      await stage.world.post("https://evil.example/mfa/associate", { authenticator_types: ["otp"] }, { headers }),
      421,
      "misdirected_request",
    );
    await accepted(await person.associateOtp());
  });
});

test("the deploy build has no pages of local development", async () => {
  for (const path of ["/", "/dev/outbox", "/dev/outbox?format=json"]) {
    const response = await stage.world.fetch(path);
    expect({ path, status: response.status }).toEqual({ path, status: 404 });
  }
});

test("nothing of a request's path, query or headers comes back in a refusal", async () => {
  const response = await stage.world.fetch("/mfa/associate?<script>", {
    method: "POST",
    headers: { authorization: "Bearer <script>", "content-type": "application/json" },
  });
  const text = JSON.stringify(await refusedBearer(response));
  expect(text).not.toContain("<script");
});
