/** How clients authenticate, at `/oauth/token` and at `/mfa/challenge`. */
import { expect, test } from "vitest";
import { refused } from "../support/answers.mjs";
import { signed, signingPair } from "../support/jwt.mjs";
import { random } from "../support/person.mjs";
import { useStage } from "../support/stage.mjs";
import { ISSUER, PUBLIC_URL } from "../support/worker.mjs";

const stage = useStage();

const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const KEY = signingPair("RS256", "app-1");

/** Whether a client may challenge, which anybody else is refused with 401. */
async function authenticates(client, parameters, options) {
  const person = stage.person({ client: { id: client.id } });
  const response = await person.challenge({ client_id: client.id, ...parameters }, options);
  if (response.status !== 401) return response.status === 400;
  await refused(response, 401, "access_denied", "Unauthorized");
  return false;
}

/** The same at the token endpoint. */
async function authenticatesAtToken(client, parameters, options) {
  const person = stage.person({ client: { id: client.id } });
  const all = { mfa_token: "x", otp: "000000", client_id: client.id, ...parameters };
  const response = await person.exchange("otp", all, options);
  if (response.status !== 401) return response.status === 403;
  await refused(response, 401, "access_denied", "Unauthorized");
  return false;
}

const basic = ({ id, secret }) => ({
  headers: { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}` },
});

test("a public client sends client_id alone", async () => {
  const client = await stage.addClient();
  expect(await authenticates(client)).toBe(true);
  expect(await authenticatesAtToken(client)).toBe(true);
});

test.each(["post", "basic"])(
  "a secret may come in the body or by HTTP Basic, whichever is registered: %s",
  async (authentication) => {
    const client = await stage.addClient({ authentication });
    for (const ask of [authenticates, authenticatesAtToken]) {
      expect(await ask(client, { client_secret: client.secret })).toBe(true);
      expect(await ask(client, { client_id: undefined }, basic(client))).toBe(true);
      expect(await ask(client, {})).toBe(false);
      expect(await ask(client, { client_secret: client.secret }, basic(client))).toBe(false);
    }
  },
);

async function assertingClient() {
  return stage.addClient({ authentication: "private_key_jwt", jwks: { keys: [KEY.jwk] } });
}

function assertion({ id }, claims = {}, header = {}) {
  const now = stage.world.now();
  const all = { iss: id, sub: id, aud: ISSUER, iat: now, exp: now + 120, jti: random(), ...claims };
  const whole = JSON.parse(JSON.stringify({ alg: "RS256", typ: "JWT", kid: KEY.kid, ...header }));
  const token = signed(whole, JSON.parse(JSON.stringify(all)), KEY.privateKey);
  return { client_assertion_type: ASSERTION_TYPE, client_assertion: token };
}

test.each([
  ["for the issuer", {}],
  ["for the token endpoint", { aud: `${PUBLIC_URL}/oauth/token` }],
  ["without iat", { iat: undefined }],
  ["with auth_time as a string", { auth_time: "1767225600.5" }],
  ["with nbf", { nbf: 1767225600 }],
])("an assertion %s is taken, at token and at challenge", async (_, claims) => {
  const client = await assertingClient();
  expect(await authenticatesAtToken(client, assertion(client, claims))).toBe(true);
  expect(await authenticates(client, assertion(client, claims))).toBe(true);
});

test("an assertion without kid is tried with the client's keys", async () => {
  const client = await assertingClient();
  expect(await authenticatesAtToken(client, assertion(client, {}, { kid: undefined }))).toBe(true);
});

test.each([
  ["of another issuer", () => ({ iss: "x" })],
  ["of another subject", () => ({ sub: "x" })],
  ["for another audience", () => ({ aud: "https://evil.example.com/" })],
  ["without exp", () => ({ exp: undefined })],
  ["past its time", (now) => ({ exp: now - 11 })],
  ["good for more than five minutes", (now) => ({ exp: now + 311 })],
  ["not good yet", (now) => ({ nbf: now + 60 })],
  ["without jti", () => ({ jti: undefined })],
  ["with a jti of more than 64 bytes", () => ({ jti: "x".repeat(65) })],
])("an assertion %s is refused", async (_, claims) => {
  const client = await assertingClient();
  expect(await authenticatesAtToken(client, assertion(client, claims(stage.world.now())))).toBe(false);
});

test("an assertion is good once", async () => {
  const client = await assertingClient();
  const once = assertion(client);
  expect(await authenticatesAtToken(client, once)).toBe(true);
  expect(await authenticatesAtToken(client, once)).toBe(false);
  expect(await authenticates(client, once)).toBe(false);
});

test("an assertion of more than 2048 bytes is refused", async () => {
  const client = await assertingClient();
  expect(await authenticatesAtToken(client, assertion(client, { filler: "x".repeat(1300) }))).toBe(false);
});
