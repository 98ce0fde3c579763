/** POST /mfa/challenge: who is challenged with what, and who is not. */
import { describe, expect, test } from "vitest";
import { accepted, done, refused } from "../support/answers.mjs";
import { changeClient, removeClient, sha256 } from "../support/clients.mjs";
import { decode, signed, signingPair } from "../support/jwt.mjs";
import { random } from "../support/person.mjs";
import { useStage } from "../support/stage.mjs";
import { totp } from "../support/totp.mjs";
import { ISSUER, MFA_AUDIENCE } from "../support/worker.mjs";

const NOT_ASSOCIATED =
  "User does not have any confirmed authenticator associated. You can associate a new authenticator calling " +
  "/mfa/associate endpoint. If you have one authenticator ready for confirmation, you can confirm it just using it " +
  "in /oauth/token";
const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

const stage = useStage({ isolates: 2, issuers: [{ name: "idp" }, { name: "other" }] });

const SECRETS = ["post", "basic"];
const OTP = { challenge_type: "otp" };
const OOB = { challenge_type: "oob", oob_code: expect.any(String), binding_method: "prompt" };
const malformed = (response) => refused(response, 403, "invalid_grant", "Malformed mfa_token");
const unsupported = (response, supported) =>
  refused(
    response,
    401,
    "unsupported_challenge_type",
    new RegExp(`^The user does not support any of the requested challenge types.*Supported type: ${supported}$`),
  );
const associationRequired = (response) => refused(response, 400, "association_required", NOT_ASSOCIATED);
const unknownAuthenticator = (response) => refused(response, 404, "invalid_authenticator");
const unauthorized = (response) => refused(response, 401, "access_denied", "Unauthorized");

/** The body of an answer, expected to have exactly these members. */
async function answer(response, expected) {
  const body = await accepted(response);
  expect(body).toEqual(expected);
  return body;
}

/** Somebody with a phone, and an app that was used later. */
async function withPhoneAndApp() {
  const person = stage.person();
  const phone = await person.enrollSms();
  await stage.world.advance(2);
  const app = await person.enrollOtp({ token: person.provenToken() });
  await stage.world.advance(2);
  return { person, phone, app };
}

describe.each([
  ["JSON", { form: false }],
  ["a form", { form: true }],
])("in %s", (_, how) => {
  test("an app's challenge says otp, and nothing else", async () => {
    const person = stage.person();
    await person.enrollOtp();
    await answer(await person.challenge({ challenge_type: "otp" }, how), OTP);
  });

  test.each([
    ["sms", "number"],
    ["voice", "number"],
    ["email", "email"],
  ])("a challenge by %s sends a code and says how to bring it back", async (channel, address) => {
    const person = stage.person();
    await person.enrollOob(channel);
    const { oob_code } = await answer(await person.challenge({ challenge_type: "oob" }, how), OOB);
    await stage.webhook.codeFor(person[address], { count: 2 });
    const message = stage.webhook.messagesTo(person[address]).at(-1);
    expect(message).toMatchObject({ channel, code: expect.stringMatching(/^\d{6}$/) });
    expect(oob_code.length).toBeLessThan(1024);
    expect(oob_code).not.toContain(message.code);
  });

  test("an empty authenticator_id or challenge_type counts as none", async () => {
    const { person } = await withPhoneAndApp();
    await answer(await person.challenge({ authenticator_id: "", challenge_type: "" }, how), OTP);
  });

  test("members that are unknown or not read are ignored", async () => {
    const person = stage.person();
    await person.enrollOtp();
    const more = { oob_channel: "sms", grant_type: "x", scope: "openid", zebra: "1" };
    await answer(await person.challenge({ challenge_type: "otp", ...more }, how), OTP);
  });

  test.each(["mfa_token", "client_id"])("%s is required", async (name) => {
    const response = await stage.person().challenge({ challenge_type: "otp", [name]: undefined }, how);
    await refused(response, 400, "invalid_request", `Missing required parameter: ${name}`);
  });

  test("somebody without an authenticator is told to associate one", async () => {
    await associationRequired(await stage.person().challenge({ challenge_type: "otp" }, how));
  });
});

describe("challenge_type", () => {
  test.each([
    [undefined, OTP],
    ["otp", OTP],
    ["OTP", OTP],
    ["oob", OOB],
    ["Oob", OOB],
    ["otp oob", OTP],
    ["oob otp", OTP],
    ["oob  OOB", OOB],
    ["push oob", OOB],
    [" otp ", OTP],
  ])("%j leaves the choice among those it names, of which the one used last is taken", async (types, expected) => {
    const { person } = await withPhoneAndApp();
    await answer(await person.challenge({ challenge_type: types }), expected);
  });

  test("absent: what is used changes what comes next", async () => {
    const { person } = await withPhoneAndApp();
    await answer(await person.challenge(), OTP);
    await accepted(await person.exchange("oob", await person.receiveCode()));
    await answer(await person.challenge(), OOB);
  });

  test.each(["push", "phone", "recovery-code", "otpoob", "otp,oob", "sms"])(
    "%j is none that anybody supports",
    async (challenge_type) => {
      const { person } = await withPhoneAndApp();
      await unsupported(await person.challenge({ challenge_type }), "otp, oob");
    },
  );

  test("oob is not supported by somebody with an app only, also where the app is named", async () => {
    const person = stage.person();
    const { id } = await person.enrollOtp();
    await unsupported(await person.challenge({ challenge_type: "oob" }), "otp");
    await unsupported(await person.challenge({ challenge_type: "oob", authenticator_id: id }), "otp");
  });

  test("otp is not supported by somebody with a phone only", async () => {
    const person = stage.person();
    const { id } = await person.enrollSms();
    await unsupported(await person.challenge({ challenge_type: "otp" }), "oob");
    await unsupported(await person.challenge({ challenge_type: "otp", authenticator_id: id }), "oob");
  });

  test.each([null, 1, ["otp"], {}])("%j is no string", async (challenge_type) => {
    const response = await stage.person().challenge({ challenge_type });
    await refused(response, 400, "invalid_request", "challenge_type must be a string");
  });
});

describe("authenticator_id", () => {
  test("names the one to challenge, whatever was used last", async () => {
    const { person, phone, app } = await withPhoneAndApp();
    await answer(await person.challenge({ authenticator_id: phone.id }), OOB);
    await answer(await person.challenge({ authenticator_id: phone.id, challenge_type: "otp oob" }), OOB);
    await answer(await person.challenge({ authenticator_id: app.id }), OTP);
  });

  test.each([
    ["sms", "voice", "tel"],
    ["voice", "sms", "sms"],
  ])("of a phone enrolled by %s may be its twin's: the code comes by %s, and amr says %s", async (one, two, amr) => {
    const person = stage.person();
    const { id } = await person.enrollOob(one);
    const authenticator_id = id.replace(one, two);
    const parameters = await person.receiveCode({ authenticator_id });
    expect(stage.webhook.messagesTo(person.number).map(({ channel }) => channel)).toEqual([one, two]);
    const { access_token } = await accepted(await person.exchange("oob", parameters));
    expect(decode(access_token).claims.amr.sort()).toEqual(["pwd", "mfa", amr].sort());
  });

  test("of nobody, somebody else, a pending one, a recovery code and a removed one is unknown", async () => {
    const person = stage.person();
    const { id } = await person.enrollOtp();
    const other = await stage.person().enrollOtp();
    await stage.world.advance(2);
    const pending = await accepted(await person.associateSms({ token: person.provenToken() }));
    const removed = await person.enrollOtp({ token: person.provenToken() });
    await done(await person.remove(removed.id));
    const items = await accepted(await person.list());
    const recovery = items.find((item) => item.type === "recovery-code");
    expect(recovery.id).toMatch(/^recovery-code\|dev_/);
    const unknown = [other.id, pending.id, recovery.id, removed.id, "nonsense", "totp|dev_0000000000000000", " "];
    for (const authenticator_id of [...unknown, id.toUpperCase(), `${id} `, id.replace("|", "%7C")]) {
      await unknownAuthenticator(await person.challenge({ authenticator_id }));
    }
  });

  test.each([null, 1, ["otp"]])("%j is no string", async (authenticator_id) => {
    const response = await stage.person().challenge({ authenticator_id });
    await refused(response, 400, "invalid_request", "authenticator_id must be a string");
  });
});

describe("association is required", () => {
  test("as long as nothing is confirmed, even of one that is named", async () => {
    const person = stage.person();
    const token = person.mfaToken();
    const app = await accepted(await person.associateOtp({ token }));
    const phone = await accepted(await person.associateSms({ token }));
    for (const authenticator_id of [undefined, app.id, phone.id]) {
      await associationRequired(await person.challenge({ authenticator_id }));
    }
    await stage.world.delivered();
    expect(stage.webhook.messagesTo(person.number)).toHaveLength(1);
  });

  test("again once the last authenticator is gone", async () => {
    const person = stage.person();
    const { id } = await person.enrollOtp();
    await done(await person.remove(id));
    await associationRequired(await person.challenge());
    await person.enrollOtp();
    await answer(await person.challenge(), OTP);
  });

  test("never of somebody enrolled: the two texts lead a client from one endpoint to the other", async () => {
    const person = stage.person();
    const { secret } = await accepted(await person.associateOtp());
    await associationRequired(await person.challenge());
    await accepted(await person.exchange("otp", { mfa_token: person.mfaToken(), otp: totp(secret, stage.world.now()) }));
    await refused(await person.associateOtp(), 403, "access_denied", "User is already enrolled.");
    await answer(await person.challenge(), OTP);
  });
});

describe("e-mail", () => {
  test("is taken where there is nothing else, and is no second factor", async () => {
    const person = stage.person();
    await person.enrollOob("email");
    const parameters = await person.receiveCode({ to: person.email });
    const { access_token } = await accepted(await person.exchange("oob", parameters));
    expect(decode(access_token).claims.amr.sort()).toEqual(["email", "pwd"]);
  });

  test("stands behind the others though it was used last, unless it is named", async () => {
    const person = stage.person();
    await person.enrollSms();
    await stage.world.advance(2);
    const { id } = await person.enrollOob("email", { token: person.provenToken() });
    await stage.world.advance(2);
    await person.receiveCode();
    await person.receiveCode({ authenticator_id: id, to: person.email });
  });
});

describe("the mfa_token", () => {
  test("is none where it is an access token, of whatever scope and proof", async () => {
    const client = await stage.addClient({ audiences: [{ audience: MFA_AUDIENCE, scopes: ["enroll"] }] });
    const person = stage.person({ client });
    const { tokens } = await person.enrollOtp({ token: person.mfaToken({ audience: MFA_AUDIENCE, scope: "enroll" }) });
    for (const mfa_token of [person.accessToken(), person.provenToken(), tokens.access_token]) {
      await malformed(await person.challenge({ mfa_token, challenge_type: "otp" }));
    }
  });

  test.each(["x", "a.b.c", "Fe26.2*x", "x".repeat(9000)])("is none where it is %j", async (mfa_token) => {
    await malformed(await stage.person().challenge({ mfa_token }));
  });

  test("is none with another signature or of an issuer nobody trusts", async () => {
    const person = stage.person();
    const [header, claims] = person.mfaToken().split(".");
    await malformed(await person.challenge({ mfa_token: `${header}.${claims}.${person.mfaToken().split(".")[2]}` }));
    await malformed(await person.challenge({ mfa_token: person.mfaToken({ iss: "https://evil.example/" }) }));
  });

  test("may have expired", async () => {
    const person = stage.person();
    await person.enrollOtp();
    const mfa_token = person.mfaToken();
    await stage.world.advance(500);
    await refused(await person.challenge({ mfa_token }), 401, "expired_token", "mfa_token is expired");
  });

  test("may be spent, and then challenges nobody", async () => {
    const person = stage.person();
    const mfa_token = person.mfaToken();
    await person.enrollSms({ token: mfa_token });
    for (const challenge_type of ["otp", "oob", undefined]) {
      const response = await person.challenge({ mfa_token, challenge_type });
      await refused(response, 403, "invalid_grant", "mfa_token has already been used");
    }
  });

  test("may be of another client", async () => {
    const person = stage.person();
    await person.enrollOtp();
    const { id } = await stage.addClient();
    const response = await person.challenge({ client_id: id });
    await refused(response, 400, "invalid_request", "mfa_token not issued to this client");
  });

  test.each([null, 1, ["x"]])("%j is no string", async (mfa_token) => {
    const response = await stage.person().challenge({ mfa_token });
    await refused(response, 400, "invalid_request", "mfa_token must be a string");
  });
});

describe("the client", () => {
  /** Somebody with an app who uses a client registered for `authentication`. */
  async function user(authentication, options) {
    const client = await stage.addClient({ authentication, ...options });
    const person = stage.person({ client });
    await person.enrollOtp();
    const ask = (parameters, init) => person.challenge({ challenge_type: "otp", client_secret: undefined, ...parameters }, init);
    return { client, person, ask };
  }

  const basic = (id, secret) => ({ authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}` });

  test("must be known", async () => {
    await unauthorized(await stage.person().challenge({ client_id: "nobody" }));
  });

  test("must be one that the token's issuer may name", async () => {
    const client = await stage.addClient({ issuers: ["other"] });
    await unauthorized(await stage.person({ client }).challenge());
    await associationRequired(await stage.person({ client, issuer: stage.issuers[1] }).challenge());
  });

  test("without authentication needs none, and may bring none", async () => {
    const { ask } = await user("none");
    await answer(await ask(), OTP);
    await unauthorized(await ask({ client_secret: random(32) }));
  });

  test.each(SECRETS)("registered for %s brings its secret, in the body or by Basic", async (authentication) => {
    const { client, ask } = await user(authentication);
    await answer(await ask({ client_secret: client.secret }), OTP);
    await answer(await ask({ client_secret: client.secret }, { form: true }), OTP);
    await answer(await ask({}, { headers: basic(client.id, client.secret) }), OTP);
    await answer(await ask({ client_id: undefined }, { headers: basic(client.id, client.secret) }), OTP);
  });

  test.each(SECRETS)("registered for %s is refused with a wrong one, none, or two", async (authentication) => {
    const { client, ask } = await user(authentication);
    for (const client_secret of [undefined, "", random(32), sha256(client.secret)]) {
      const response = await ask({ client_secret });
      expect(response.headers.get("www-authenticate")).toBeNull();
      await unauthorized(response);
    }
    const wrong = await ask({}, { headers: basic(client.id, random(32)) });
    expect(wrong.headers.get("www-authenticate")).toMatch(/^Basic /);
    await unauthorized(wrong);
    await unauthorized(await ask({ client_secret: client.secret }, { headers: basic(client.id, client.secret) }));
  });

  test("registered for private_key_jwt brings an assertion, once", async () => {
    const key = signingPair("RS256", "app-1");
    const { world } = stage;
    const client = await stage.addClient({ authentication: "private_key_jwt", jwks: { keys: [key.jwk] } });
    const person = stage.person({ client });
    const assertion = (claims) => {
      const now = world.now();
      const all = { iss: client.id, sub: client.id, aud: ISSUER, iat: now, exp: now + 120, jti: random(), ...claims };
      const client_assertion = signed({ alg: "RS256", kid: key.kid }, all, key.privateKey);
      return { client_assertion_type: ASSERTION_TYPE, client_assertion };
    };
    const mfa_token = person.mfaToken();
    const { secret } = await accepted(await person.associateOtp({ token: mfa_token }));
    const otp = totp(secret, world.now());
    await accepted(await person.exchange("otp", { mfa_token, otp, ...assertion() }));
    for (const form of [false, true]) {
      const once = assertion();
      await answer(await person.challenge(once, { form }), OTP);
      await unauthorized(await person.challenge(once, { form }));
    }
    await unauthorized(await person.challenge());
    await unauthorized(await person.challenge(assertion({ exp: world.now() - 60 })));
    await unauthorized(await person.challenge(assertion({ aud: "https://evil.example/" })));
    const { client_assertion } = assertion();
    const response = await person.challenge({ client_assertion });
    await refused(response, 400, "invalid_request", "Missing required parameter: client_assertion_type");
  });

  test("loses a rotated secret at once, in every isolate", async () => {
    const { client, ask } = await user("post");
    for (const isolate of [0, 1]) await answer(await ask({ client_secret: client.secret }, { isolate }), OTP);
    const next = random(32);
    await changeClient(stage.world, client.id, "secret_hash", sha256(next));
    for (const isolate of [0, 1]) {
      await unauthorized(await ask({ client_secret: client.secret }, { isolate }));
      await answer(await ask({ client_secret: next }, { isolate }), OTP);
    }
  });

  test("removed is refused at once, in every isolate, and nothing is sent", async () => {
    const client = await stage.addClient();
    const person = stage.person({ client });
    await person.enrollSms();
    for (const isolate of [0, 1]) await person.receiveCode({}, { isolate });
    await removeClient(stage.world, client.id);
    for (const isolate of [0, 1]) await unauthorized(await person.challenge({}, { isolate }));
    await stage.world.delivered();
    expect(stage.webhook.messagesTo(person.number)).toHaveLength(3);
  });
});

describe("a body", () => {
  const post = (body, type) => stage.world.post("/mfa/challenge", body, { headers: { "content-type": type } });

  test("of another type is refused", async () => {
    for (const type of ["text/plain", "multipart/form-data; boundary=x"]) {
      await refused(await post("mfa_token=x", type), 415, "unsupported_media_type");
    }
  });

  test("of JSON that is no object is refused", async () => {
    for (const body of ["", "[]", "null", "{", '"x"']) {
      const response = await post(body, "application/json");
      await refused(response, 400, "invalid_request", "The request body must be a JSON object.");
    }
  });

  test("that says a parameter twice is refused", async () => {
    const twice = "Duplicate parameter: mfa_token";
    const form = await post("mfa_token=x&mfa_token=x", "application/x-www-form-urlencoded");
    await refused(form, 400, "invalid_request", twice);
    const json = await post('{"mfa_token":"x","mfa_token":"x"}', "application/json");
    await refused(json, 400, "invalid_request", twice);
  });

  test("of more than 64 KB is refused", async () => {
    await refused(await post("x".repeat(70_000), "application/json"), 413, "payload_too_large");
  });
});

test.each(["GET", "PUT", "DELETE"])("%s is not taken", async (method) => {
  const response = await stage.world.fetch("/mfa/challenge", { method });
  await refused(response, 405, "method_not_allowed");
  expect(response.headers.get("allow")).toMatch(/\bPOST\b/);
});

describe("the cost", () => {
  test("of a challenge by message is two round trips to D1 and one queue message", async () => {
    const person = stage.person();
    await person.enrollSms();
    await person.receiveCode();
    const { result, roundTrips, sent } = await stage.world.cost(() => person.challenge());
    await answer(result, OOB);
    expect(roundTrips).toHaveLength(2);
    expect(sent).toHaveLength(1);
  });

  test("of an app's challenge is one", async () => {
    const person = stage.person();
    await person.enrollOtp();
    await answer(await person.challenge(), OTP);
    const { result, roundTrips, sent } = await stage.world.cost(() => person.challenge());
    await answer(result, OTP);
    expect(roundTrips).toHaveLength(1);
    expect(sent).toEqual([]);
  });
});

test("what is refused sends nothing and changes nothing", async () => {
  const { person, phone } = await withPhoneAndApp();
  const { id } = await stage.addClient();
  await stage.world.delivered();
  const before = await stage.world.dump();
  for (const parameters of [
    { mfa_token: "x" },
    { mfa_token: person.accessToken() },
    { client_id: id },
    { client_id: "nobody" },
    { challenge_type: "push" },
    { authenticator_id: `${phone.id}!` },
  ]) {
    expect((await person.challenge(parameters)).status).toBeGreaterThanOrEqual(400);
  }
  expect(await stage.world.dump()).toEqual(before);
});
