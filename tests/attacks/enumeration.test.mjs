/**
 * What answers tell to who asks in order to learn: whether somebody exists, has factors, whether a number is known. Two
 * answers that must not differ are compared byte for byte, with all their headers, but for what is random in each.
 */
import { describe, expect, test } from "vitest";
import { accepted, refusedBearer } from "../support/answers.mjs";
import { freshNumber, random } from "../support/person.mjs";
import { useStage } from "../support/stage.mjs";
import { SUBJECT_AUDIENCE, subjectTokenOf, tokenExchange } from "../support/token-exchange.mjs";
import { signingPair } from "../support/jwt.mjs";

const stage = useStage({
  issuers: [
    { name: "idp", may: ["exchange", "mfa_token", "access_token"], entry: { audiences: [SUBJECT_AUDIENCE] } },
    { name: "second" },
  ],
});

/** Random in each answer: the shape stays, length included. */
const RANDOM = [
  [/csoob_[\w.-]+/g, "csoob"],
  [/dev_[A-Za-z0-9]{16}/g, "dev"],
  [/[A-Z0-9]{24}/g, "recovery"],
];

/** All that somebody sees of an answer. */
async function seen(response) {
  const headers = Object.fromEntries(response.headers);
  expect(headers["x-request-id"]).toMatch(/^[0-9a-f]{24}$/);
  const text = await response.text();
  const shape = RANDOM.reduce((all, [pattern, name]) => all.replace(pattern, (found) => `${name}:${found.length}`), text);
  return { status: response.status, headers: { ...headers, "x-request-id": "24 digits" }, shape };
}

/** Asks each in turn, and expects to see the same. Returns it. */
async function alike(...asks) {
  const all = [];
  for (const ask of asks) all.push(await seen(await ask()));
  for (const each of all) expect(each).toEqual(all[0]);
  return all[0];
}

const sms = (person, number, options) =>
  person.associate({ authenticator_types: ["oob"], oob_channels: ["sms"], phone_number: number }, options);
const email = (person, address) => person.associate({ authenticator_types: ["oob"], oob_channels: ["email"], email: address });

describe("to somebody without a login", () => {
  test("it is not told whether a person exists, nor whether they have factors", async () => {
    const known = stage.person();
    await known.enrollOtp();
    const unknown = stage.person();
    const own = signingPair("RS256", "idp-1");
    const forged = (person) => person.issuer.sign({ ...claimsOf(person) }, { typ: "mfa+jwt" }, own);
    await alike(
      () => known.list({ token: forged(known) }),
      () => unknown.list({ token: forged(unknown) }),
    );
    await alike(
      () => known.challenge({ mfa_token: forged(known) }),
      () => unknown.challenge({ mfa_token: forged(unknown) }),
    );
    await alike(
      () => known.exchange("otp", { mfa_token: forged(known), otp: "000000" }),
      () => unknown.exchange("otp", { mfa_token: forged(unknown), otp: "000000" }),
    );
    expect((await known.list()).status).toBe(200);
  });

  test("it is not told what is wrong with a bearer", async () => {
    const person = stage.person();
    const own = signingPair("RS256", person.issuer.key.kid);
    const tokens = [
      "x",
      person.issuer.sign(claimsOf(person), { typ: "mfa+jwt" }, own),
      person.mfaToken({ iss: "https://nobody.example.com/" }),
      person.mfaToken({ aud: "https://nobody.example.com/" }),
      person.mfaToken({}, { kid: "other" }),
      person.mfaToken({}, { typ: "other+jwt" }),
      person.mfaToken({ sub: undefined }),
      person.accessToken({ iat: stage.world.now() - 400, exp: stage.world.now() - 100 }),
    ];
    await alike(...tokens.map((token) => () => person.list({ token })));
    await alike(...tokens.map((token) => () => person.associateOtp({ token })));
    await refusedBearer(await person.list({ token: tokens[0] }));
  });

  test("it is not told whether a client exists, or whose people it serves", async () => {
    const secret = () => random(32);
    const [post, closed, asserting] = [
      await stage.addClient({ authentication: "post" }),
      await stage.addClient({ authentication: "post", issuers: ["second"] }),
      await stage.addClient({ authentication: "private_key_jwt", jwks: { keys: [signingPair("RS256", "k").jwk] } }),
    ];
    const clients = [
      { id: `client_${random()}`, secret: secret() },
      { id: post.id, secret: secret() },
      { id: post.id },
      { id: asserting.id, secret: secret() },
      { id: asserting.id },
      closed,
    ];
    const people = clients.map((client) => stage.person({ client }));
    await alike(...people.map((person) => () => person.challenge()));
    await alike(...people.map((person) => () => person.exchange("otp", { mfa_token: person.mfaToken(), otp: "000000" })));
    const body = ({ client }) => ({ authenticator_types: ["otp"], client_id: client.id, client_secret: client.secret });
    await alike(...people.map((person) => () => person.associate(body(person))));
    const basic = ({ client }) => Buffer.from(`${client.id}:${client.secret ?? "x"}`).toString("base64");
    await alike(
      ...people.map((person) => () => {
        const headers = { authorization: `Basic ${basic(person)}` };
        const bare = { mfa_token: person.mfaToken(), otp: "000000", client_id: undefined, client_secret: undefined };
        return person.exchange("otp", bare, { headers });
      }),
    );
    expect((await stage.person({ client: post }).challenge()).status).toBe(400);
  });
});

/** Claims of a login that is not signed yet. */
function claimsOf(person) {
  return JSON.parse(Buffer.from(person.mfaToken().split(".")[1], "base64url"));
}

describe("to somebody with a login of their own", () => {
  test.each(["sms", "voice"])("it is not told whether a number is somebody else's: by %s", async (channel) => {
    const [active, pending] = [stage.person(), stage.person()];
    await active.enrollSms();
    await accepted(await pending.associateSms());
    const ask = (phone_number) => () =>
      stage.person().associate({ authenticator_types: ["oob"], oob_channels: [channel], phone_number });
    const { status } = await alike(ask(active.number), ask(pending.number), ask(freshNumber()));
    expect(status).toBe(200);
  });

  test("it is not told whether an address is somebody else's", async () => {
    const [active, pending] = [stage.person(), stage.person()];
    await active.enrollOob("email");
    await accepted(await pending.associateEmail());
    const ask = (address) => () => email(stage.person(), address);
    const { status } = await alike(ask(active.email), ask(pending.email), ask(`${random()}@mail.example.com`));
    expect(status).toBe(200);
  });

  test("it is not told that a number is known when too many messages went there", async () => {
    await stage.world.freeze();
    const owner = stage.person();
    await owner.enrollSms();
    const drained = async (number) => {
      let last;
      for (let count = 0; count < 12; count += 1) last = await sms(stage.person(), number);
      return last;
    };
    const strangers = freshNumber();
    const { status } = await alike(
      () => drained(owner.number),
      () => drained(strangers),
    );
    expect(status).toBe(429);
    await stage.world.thaw();
  });

  test("an authenticator of somebody else is like one that nobody has", async () => {
    const owner = stage.person();
    const { id } = await owner.enrollSms();
    const pending = await accepted(await owner.associateOtp({ token: owner.provenToken({ iat: stage.world.now() }) }));
    const removed = await stage.person().enrollOtp();
    const thief = stage.person();
    await thief.enrollSms();
    await stage.world.advance(2);
    const token = thief.provenToken({ scope: "remove:authenticators" });
    const ids = [id, "sms|dev_AAAAAAAAAAAAAAAA", pending.id, removed.id, "totp|dev_AAAAAAAAAAAAAAAA"];
    await alike(...ids.map((each) => () => thief.remove(each, { token })));
    await alike(...ids.map((authenticator_id) => () => thief.challenge({ authenticator_id })));
  });

  test("an oob_code of somebody else tells nothing of what became of it", async () => {
    const begin = async () => {
      const owner = stage.person();
      const mfa_token = owner.mfaToken();
      const { oob_code } = await accepted(await owner.associateSms({ token: mfa_token }));
      const binding_code = await stage.webhook.codeFor(owner.number);
      return { owner, mfa_token, oob_code, binding_code };
    };
    const [alive, used, wronged] = [await begin(), await begin(), await begin()];
    const { owner, ...grant } = used;
    await accepted(await owner.exchange("oob", grant));
    const thief = stage.person();
    const ask =
      ({ oob_code, binding_code }) =>
      () =>
        thief.exchange("oob", { mfa_token: thief.mfaToken(), oob_code, binding_code });
    const { status } = await alike(ask(alive), ask(used), ask({ ...wronged, binding_code: "000000" }));
    expect(status).toBe(400);
  });
});

describe("to somebody with another's password", () => {
  test.each([
    ["otp", { otp: "000000" }, 403],
    ["recovery", { recovery_code: "A".repeat(24) }, 403],
  ])("a wrong code is a wrong code, whatever factors there are: %s", async (grant, code, expected) => {
    const people = [stage.person(), stage.person(), stage.person(), stage.person()];
    await people[0].enrollOtp();
    await people[1].enrollSms();
    await accepted(await people[2].associateOtp());
    const ask = (person) => () => person.exchange(grant, { mfa_token: person.mfaToken(), ...code });
    const { status } = await alike(...people.map(ask));
    expect(status).toBe(expected);
  });

  test("guesses end alike, whatever factors there are", async () => {
    const people = [stage.person(), stage.person(), stage.person()];
    await people[0].enrollOtp();
    await people[1].enrollSms();
    await stage.world.freeze();
    const ask = (person) => () => person.exchange("otp", { mfa_token: person.mfaToken(), otp: "abcdef" });
    for (let guess = 0; guess < 10; guess += 1) {
      const { status } = await alike(...people.map(ask));
      expect(status).toBe(403);
    }
    const { status, headers } = await alike(...people.map(ask));
    expect(status).toBe(429);
    expect(headers).toHaveProperty("retry-after");
    await stage.world.thaw();
  });

  test("an enrollment that is refused does not say of what kind the factor is", async () => {
    const people = [stage.person(), stage.person()];
    await people[0].enrollOtp();
    await people[1].enrollSms();
    const known = people[1].number;
    await alike(
      ...people.map((person) => () => person.associateOtp()),
      ...people.map((person) => () => sms(person, known)),
      ...people.map((person) => () => sms(person, freshNumber())),
      ...people.map((person) => () => email(person, `${random()}@mail.example.com`)),
    );
  });

  test("the demand at the exchange is one of the same length and headers, whoever it is for", async () => {
    const ask = (person) => () =>
      tokenExchange(stage.world, person, {
        subject_token: subjectTokenOf(person, SUBJECT_AUDIENCE),
        acr_values: "http://schemas.openid.net/pape/policies/2007/06/multi-factor",
      });
    const people = [stage.person(), stage.person()];
    for (const person of people) await person.enrollOtp();
    const answers = [];
    for (const person of people) {
      const response = await ask(person)();
      const { mfa_token, ...told } = await response.clone().json();
      const { status, headers } = await seen(response);
      answers.push({ status, headers, told, begins: mfa_token.slice(0, 6), length: mfa_token.length });
    }
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[0].status).toBe(403);
  });
});
