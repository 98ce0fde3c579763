/** Which client is asking, and how it proves that: at /mfa/associate in the body, at /oauth/token also by Basic. */
import { describe, expect, test } from "vitest";
import { accepted, refused } from "../support/answers.mjs";
import { changeClient, removeClient, sha256 } from "../support/clients.mjs";
import { Issuer } from "../support/issuer.mjs";
import { signed, signingPair } from "../support/jwt.mjs";
import { random } from "../support/person.mjs";
import { useStage } from "../support/stage.mjs";
import { totp } from "../support/totp.mjs";
import { ISSUER, PUBLIC_URL } from "../support/worker.mjs";

const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const stage = useStage({ isolates: 2, issuers: [{ name: "idp" }, { name: "other" }] });

const unauthorized = async (response) => {
  await refused(response, 401, "access_denied", "Unauthorized");
  return response;
};
const otp = (more = {}) => ({ authenticator_types: ["otp"], ...more });

describe("the client", () => {
  test("is the token's when the body names none", async () => {
    await accepted(await stage.person().associate(otp()));
  });

  test("is the body's when the token names none", async () => {
    const person = stage.person();
    await accepted(await person.associate(otp({ client_id: stage.client.id }), { token: person.mfaToken({ azp: undefined }) }));
  });

  test("is named by client_id in a token without azp", async () => {
    const person = stage.person();
    await accepted(await person.associate(otp(), { token: person.mfaToken({ azp: undefined, client_id: stage.client.id }) }));
  });

  test("named by azp counts, not the one named by client_id", async () => {
    const other = await stage.addClient();
    const person = stage.person();
    const token = person.mfaToken({ azp: stage.client.id, client_id: other.id });
    await accepted(await person.associate(otp({ client_id: stage.client.id }), { token }));
  });

  test("must be named by somebody", async () => {
    const person = stage.person();
    const response = await person.associate(otp(), { token: person.mfaToken({ azp: undefined }) });
    await refused(response, 400, "invalid_request", "Missing required parameter: client_id");
  });

  test("must be the same when both name one", async () => {
    const other = await stage.addClient();
    const response = await stage.person().associate(otp({ client_id: other.id }));
    await refused(response, 400, "invalid_request", "mfa_token not issued to this client");
  });

  test("must be known, whoever names it", async () => {
    const person = stage.person({ client: { id: "nobody" } });
    await unauthorized(await person.associate(otp()));
    await unauthorized(await person.associate(otp({ client_id: "nobody" })));
    await unauthorized(await person.associate(otp({ client_id: "nobody" }), { token: person.mfaToken({ azp: undefined }) }));
  });

  test("must be one that the issuer may name", async () => {
    const client = await stage.addClient({ issuers: ["other"] });
    await unauthorized(await stage.person({ client }).associate(otp()));
    await accepted(await stage.person({ client, issuer: stage.issuers[1] }).associate(otp()));
  });

  test("of another issuer's people is not authenticated by naming it in the body", async () => {
    const client = await stage.addClient({ issuers: ["other"] });
    const person = stage.person({ client });
    await unauthorized(await person.associate(otp({ client_id: client.id }), { token: person.mfaToken({ azp: undefined }) }));
  });
});

describe.each(["post", "basic"])("a client registered for %s", (authentication) => {
  test("is let in with its secret in the body", async () => {
    const client = await stage.addClient({ authentication });
    await accepted(await stage.person({ client }).associate(otp({ client_id: client.id, client_secret: client.secret })));
  });

  test.each([
    ["a wrong secret", () => ({ client_secret: random(32) })],
    ["an empty secret", () => ({ client_secret: "" })],
    ["no secret", () => ({})],
    ["the secret in capitals", (client) => ({ client_secret: client.secret.toUpperCase() })],
    ["the secret's hash", (client) => ({ client_secret: sha256(client.secret) })],
    ["somebody else's assertion type", () => ({ client_assertion_type: ASSERTION_TYPE, client_assertion: "a.b.c" })],
  ])("is refused with %s once the body names it", async (_, credentials) => {
    const client = await stage.addClient({ authentication });
    const response = await stage.person({ client }).associate(otp({ client_id: client.id, ...credentials(client) }));
    await unauthorized(response);
  });

  test("is not asked for its secret when only the token names it", async () => {
    const client = await stage.addClient({ authentication });
    await accepted(await stage.person({ client }).associate(otp()));
  });

  test("is asked for it all the same when it requires authentication", async () => {
    const client = await stage.addClient({ authentication, requireAuthentication: true });
    const person = stage.person({ client });
    await unauthorized(await person.associate(otp()));
    await accepted(await person.associate(otp({ client_id: client.id, client_secret: client.secret })));
  });

  test("may use its previous secret until that ends", async () => {
    const { world } = stage;
    const previousSecret = random(32);
    const client = await stage.addClient({
      authentication,
      previousSecret,
      previousSecretExpiresAt: world.now() + 100,
    });
    const ask = () => stage.person({ client }).associate(otp({ client_id: client.id, client_secret: previousSecret }));
    await accepted(await ask());
    await world.advance(101);
    await unauthorized(await ask());
    await accepted(await stage.person({ client }).associate(otp({ client_id: client.id, client_secret: client.secret })));
  });

  test("loses a rotated secret at once, in every isolate", async () => {
    const client = await stage.addClient({ authentication });
    const ask = (client_secret, isolate) =>
      stage.person({ client }).associate(otp({ client_id: client.id, client_secret }), { isolate });
    for (const isolate of [0, 1]) await accepted(await ask(client.secret, isolate));
    const next = random(32);
    await changeClient(stage.world, client.id, "secret_hash", sha256(next));
    for (const isolate of [0, 1]) {
      await unauthorized(await ask(client.secret, isolate));
      await accepted(await ask(next, isolate));
    }
  });
});

test("a removed client is refused at once, in every isolate", async () => {
  const client = await stage.addClient();
  for (const isolate of [0, 1]) await accepted(await stage.person({ client }).associate(otp(), { isolate }));
  await removeClient(stage.world, client.id);
  for (const isolate of [0, 1]) await unauthorized(await stage.person({ client }).associate(otp(), { isolate }));
});

describe("at the token endpoint", () => {
  /** An enrollment of a new person at `client`, and what confirms it. */
  async function toConfirm(client) {
    const person = stage.person({ client });
    const mfa_token = person.mfaToken();
    const { secret } = await accepted(await person.associateOtp({ token: mfa_token }));
    return { person, parameters: { mfa_token, otp: totp(secret, stage.world.now()) } };
  }
  const basic = (id, secret) => ({ authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}` });

  test.each(["post", "basic"])("a client registered for %s may present its secret either way", async (authentication) => {
    const client = await stage.addClient({ authentication });
    const first = await toConfirm(client);
    await accepted(await first.person.exchange("otp", first.parameters));
    const second = await toConfirm(client);
    const without = { ...second.parameters, client_secret: undefined };
    const headers = basic(client.id, client.secret);
    await accepted(await second.person.exchange("otp", { ...without, client_id: undefined }, { headers }));
  });

  test("a wrong secret is refused, with a challenge only for Basic, and the right one still works", async () => {
    const client = await stage.addClient({ authentication: "basic" });
    const { person, parameters } = await toConfirm(client);
    const byPost = await unauthorized(await person.exchange("otp", { ...parameters, client_secret: "wrong" }));
    expect(byPost.headers.get("www-authenticate")).toBeNull();
    const headers = basic(client.id, "wrong");
    const byBasic = await unauthorized(await person.exchange("otp", { ...parameters, client_secret: undefined }, { headers }));
    expect(byBasic.headers.get("www-authenticate")).toMatch(/^Basic\b/);
    await accepted(await person.exchange("otp", parameters));
  });

  test("both ways at once are refused", async () => {
    const client = await stage.addClient({ authentication: "post" });
    const { person, parameters } = await toConfirm(client);
    const response = await person.exchange("otp", parameters, { headers: basic(client.id, client.secret) });
    expect([400, 401]).toContain(response.status);
  });

  test("two different clients in Basic and body are refused", async () => {
    const [client, other] = [await stage.addClient({ authentication: "basic" }), await stage.addClient()];
    const { person, parameters } = await toConfirm(client);
    const headers = basic(client.id, client.secret);
    const response = await person.exchange("otp", { ...parameters, client_secret: undefined, client_id: other.id }, { headers });
    expect([400, 401]).toContain(response.status);
  });

  test.each([
    ["not base64", "Basic !!!"],
    ["without a colon", `Basic ${Buffer.from("abc").toString("base64")}`],
    ["empty", "Basic "],
  ])("Basic credentials that are %s are refused", async (_, authorization) => {
    const { person, parameters } = await toConfirm(stage.client);
    const response = await person.exchange("otp", { ...parameters, client_id: undefined }, { headers: { authorization } });
    expect([400, 401]).toContain(response.status);
  });

  test("a rotated secret is refused at once, and so is a removed client, whatever the code", async () => {
    const client = await stage.addClient({ authentication: "post" });
    const { person, parameters } = await toConfirm(client);
    const wrong = { ...parameters, otp: "abcdef" };
    expect((await person.exchange("otp", wrong)).status).toBe(403);
    await changeClient(stage.world, client.id, "secret_hash", sha256(random(32)));
    await unauthorized(await person.exchange("otp", wrong));
    await unauthorized(await person.exchange("otp", parameters));
    const open = await stage.addClient();
    const other = await toConfirm(open);
    expect((await other.person.exchange("otp", { ...other.parameters, otp: "abcdef" })).status).toBe(403);
    await removeClient(stage.world, open.id);
    await unauthorized(await other.person.exchange("otp", { ...other.parameters, otp: "abcdef" }));
    await unauthorized(await other.person.exchange("otp", other.parameters));
  });

  test("a confidential client without credentials is refused", async () => {
    const client = await stage.addClient({ authentication: "post" });
    const { person, parameters } = await toConfirm(client);
    await unauthorized(await person.exchange("otp", { ...parameters, client_secret: undefined }));
  });

  test("an unknown client is refused", async () => {
    const { person, parameters } = await toConfirm(stage.client);
    await unauthorized(await person.exchange("otp", { ...parameters, client_id: "nobody" }));
  });
});

describe("private_key_jwt", () => {
  const pairs = Object.fromEntries(["RS256", "PS256", "ES256"].map((alg) => [alg, signingPair(alg, `key-${alg}`)]));
  const jwks = { keys: Object.values(pairs).map(({ jwk }) => jwk) };
  const register = (more = {}) => stage.addClient({ authentication: "private_key_jwt", jwks, ...more });

  function assertion(client, { alg = "RS256", header = {}, claims = {}, key = pairs[alg].privateKey } = {}) {
    const now = stage.world.now();
    const whole = { iss: client.id, sub: client.id, aud: ISSUER, iat: now, exp: now + 120, jti: random(), ...claims };
    return signed(JSON.parse(JSON.stringify({ alg, kid: `key-${alg}`, ...header })), JSON.parse(JSON.stringify(whole)), key);
  }
  const ask = (client, client_assertion, { isolate, ...more } = {}) =>
    stage
      .person({ client })
      .associate(otp({ client_id: client.id, client_assertion, client_assertion_type: ASSERTION_TYPE, ...more }), {
        isolate,
      });

  test.each(["RS256", "PS256", "ES256"])("by %s lets the client in", async (alg) => {
    const client = await register();
    await accepted(await ask(client, assertion(client, { alg })));
  });

  test.each([
    ["the issuer", ISSUER],
    ["the token endpoint", `${PUBLIC_URL}/oauth/token`],
    ["a list with the issuer in it", ["https://elsewhere.example.com/", ISSUER]],
  ])("may be for %s", async (_, aud) => {
    const client = await register();
    await accepted(await ask(client, assertion(client, { claims: { aud } })));
  });

  test("without kid is tried on each key of the client", async () => {
    const second = signingPair("RS256", undefined);
    const client = await register({ jwks: { keys: [pairs.RS256.jwk, second.jwk] } });
    await accepted(await ask(client, assertion(client, { header: { kid: undefined }, key: second.privateKey })));
  });

  test("is checked with the keys at the client's jwks_uri", async () => {
    const home = await Issuer.start({ name: "client-home" });
    const client = await register({ jwks: undefined, jwksUri: home.jwksUri });
    const own = (key) => assertion(client, { header: { kid: key.kid }, key: key.privateKey });
    await accepted(await ask(client, own(home.key)));
    expect(home.fetches.keySet).toBe(1);
    await accepted(await ask(client, own(home.key)));
    expect(home.fetches.keySet).toBe(1);
    await unauthorized(await ask(client, assertion(client)));
    await home.stop();
  });

  test("is not called wrong while the client's jwks_uri does not answer, and is good when it does again", async () => {
    const home = await Issuer.start({ name: "client-home" });
    const client = await register({ jwks: undefined, jwksUri: home.jwksUri });
    const own = assertion(client, { header: { kid: home.key.kid }, key: home.key.privateKey });
    await home.goDown();
    for (let tries = 0; tries < 2; tries += 1) {
      const response = await ask(client, own);
      expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(1);
      const text = "The service is temporarily unavailable. Try again in a moment.";
      await refused(response, 503, "temporarily_unavailable", text);
    }
    await home.comeBack();
    await stage.world.advance(31);
    await accepted(await ask(client, own));
    await unauthorized(await ask(client, own));
    await home.stop();
  });

  test("works once: a second use is refused in every isolate", async () => {
    const client = await register();
    const once = assertion(client);
    await accepted(await ask(client, once));
    await unauthorized(await ask(client, once));
    await unauthorized(await ask(client, once, { isolate: 1 }));
  });

  test("used twice at once is accepted once", async () => {
    const client = await register();
    const once = assertion(client);
    const starts = [0, 1, 0, 1].map((isolate) => () => ask(client, once, { isolate }));
    const responses = await stage.world.race("INSERT INTO client_assertions", starts);
    expect(responses.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401]);
  });

  test("is used up by a request that then fails", async () => {
    const client = await register();
    const person = stage.person({ client });
    const once = assertion(client);
    const parameters = { client_id: client.id, client_assertion: once, client_assertion_type: ASSERTION_TYPE };
    const scopeless = await person.associate(otp(parameters), { token: person.accessToken({ scope: "other" }) });
    await refused(scopeless, 403, "insufficient_scope");
    await unauthorized(await person.associate(otp(parameters)));
  });

  test("of the same jti is another client's own", async () => {
    const [one, two] = [await register(), await register()];
    const jti = random();
    await accepted(await ask(one, assertion(one, { claims: { jti } })));
    await accepted(await ask(two, assertion(two, { claims: { jti } })));
  });

  const shifted = (seconds) => stage.world.now() + seconds;
  test.each([
    ["another audience", (c) => assertion(c, { claims: { aud: "https://elsewhere.example.com/" } })],
    ["no audience", (c) => assertion(c, { claims: { aud: undefined } })],
    ["another issuer", (c) => assertion(c, { claims: { iss: "somebody" } })],
    ["another subject", (c) => assertion(c, { claims: { sub: "somebody" } })],
    ["no expiry", (c) => assertion(c, { claims: { exp: undefined } })],
    ["an expiry more than five minutes ahead", (c) => assertion(c, { claims: { exp: shifted(330) } })],
    ["an expiry that is past", (c) => assertion(c, { claims: { iat: shifted(-100), exp: shifted(-15) } })],
    ["a start that is to come", (c) => assertion(c, { claims: { nbf: shifted(60) } })],
    ["an issue time that is to come", (c) => assertion(c, { claims: { iat: shifted(60) } })],
    ["no jti", (c) => assertion(c, { claims: { jti: undefined } })],
    ["a jti over 64 characters", (c) => assertion(c, { claims: { jti: "j".repeat(65) } })],
    ["more than 2048 bytes", (c) => assertion(c, { claims: { padding: "x".repeat(2048) } })],
    ["alg none", (c) => assertion(c, { header: { alg: "none" } })],
    ["HS256 by the public key", (c) => assertion(c, { header: { alg: "HS256" }, key: pairs.RS256.jwk.n })],
    ["another algorithm than its key's", (c) => assertion(c, { header: { alg: "PS256", kid: "key-RS256" } })],
    ["an unknown kid", (c) => assertion(c, { header: { kid: "key-unknown" } })],
    ["a critical header", (c) => assertion(c, { header: { crit: ["exp"] } })],
    ["another key's signature", (c) => assertion(c, { key: signingPair("RS256", "key-RS256").privateKey })],
    [
      "a key in its own header",
      (c) => {
        const own = signingPair("RS256", "own");
        return assertion(c, { header: { kid: "own", jwk: own.jwk }, key: own.privateKey });
      },
    ],
    ["no signature", (c) => assertion(c).replace(/[^.]*$/, "")],
    ["no form at all", () => "assertion"],
  ])("with %s is refused", async (_, make) => {
    const client = await register();
    await unauthorized(await ask(client, make(client)));
  });

  test("of another type is refused", async () => {
    const client = await register();
    for (const client_assertion_type of [undefined, "jwt", `${ASSERTION_TYPE}x`]) {
      const response = await ask(client, assertion(client), { client_assertion_type });
      expect([400, 401]).toContain(response.status);
    }
  });

  test("is demanded of a client that registered for it: a secret or nothing is refused", async () => {
    const client = await register();
    const person = stage.person({ client });
    await unauthorized(await person.associate(otp({ client_id: client.id })));
    await unauthorized(await person.associate(otp({ client_id: client.id, client_secret: random(32) })));
  });

  test("lets the client in at the token endpoint, too", async () => {
    const client = await register();
    const person = stage.person({ client });
    const mfa_token = person.mfaToken();
    const { secret } = await accepted(await person.associateOtp({ token: mfa_token }));
    const parameters = { mfa_token, otp: totp(secret, stage.world.now()) };
    await unauthorized(await person.exchange("otp", parameters));
    const credentials = { client_assertion: assertion(client), client_assertion_type: ASSERTION_TYPE };
    await accepted(await person.exchange("otp", { ...parameters, ...credentials }));
  });
});
