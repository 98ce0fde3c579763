/** Somebody with the password, or with parts of somebody else's enrollment, who wants to be taken for the owner. */
import { describe, expect, test } from "vitest";
import { accepted, done, refused } from "../support/answers.mjs";
import { random } from "../support/person.mjs";
import { useStage } from "../support/stage.mjs";
import { totp, wrongTotp } from "../support/totp.mjs";
import { MFA_AUDIENCE } from "../support/worker.mjs";

const stage = useStage({ isolates: 2, issuers: [{ name: "idp" }, { name: "second" }] });
const enrolled = (response) => refused(response, 403, "access_denied", "User is already enrolled.");
const mismatched = (response) => refused(response, 400, "invalid_request", "The oob_code doesn't match the mfa_token");
const wrongCode = (response) => refused(response, 403, "invalid_grant", "Invalid binding_code.");
const wrongOtp = (response) => refused(response, 403, "invalid_grant", "Invalid otp_code.");
const now = () => stage.world.now();

/** Somebody with the password of `owner`, and with a number and a mailbox of their own. */
const thiefOf = (owner, options) => {
  const thief = stage.person({ sub: owner.sub, client: owner.client, ...options });
  thief.email = `${random()}@thief.example.com`;
  return thief;
};

const CHANNELS = {
  otp: () => ({ authenticator_types: ["otp"] }),
  sms: ({ number }) => ({ authenticator_types: ["oob"], oob_channels: ["sms"], phone_number: number }),
  voice: ({ number }) => ({ authenticator_types: ["oob"], oob_channels: ["voice"], phone_number: number }),
  email: ({ email }) => ({ authenticator_types: ["oob"], oob_channels: ["email"], email }),
};

/** What a password brings, however it is dressed up. */
const WITHOUT_PROOF = {
  "an mfa_token": (p) => p.mfaToken(),
  "an mfa_token that says mfa of itself": (p) => p.mfaToken({ amr: ["pwd", "mfa"] }),
  "an mfa_token that says acr of itself": (p) =>
    p.mfaToken({ acr: "http://schemas.openid.net/pape/policies/2007/06/multi-factor" }),
  "an mfa_token that says every scope": (p) => p.mfaToken({ scope: "enroll remove:authenticators" }),
  "an access token": (p) => p.accessToken(),
  "an access token that says otp": (p) => p.accessToken({ amr: ["pwd", "otp"] }),
  "an access token that says MFA in capitals": (p) => p.accessToken({ amr: ["pwd", "MFA"] }),
  "an access token that says mfa in another claim": (p) => p.accessToken({ acr: "mfa", scope: "enroll mfa" }),
};

describe.each(Object.keys(CHANNELS))("with a stolen first factor, while one of the owner's is active, %s", (channel) => {
  test.each(Object.keys(WITHOUT_PROOF))("is not enrolled by %s", async (dress) => {
    const owner = stage.person();
    const { secret } = await owner.enrollOtp();
    await stage.world.advance(60);
    const thief = thiefOf(owner);
    await enrolled(await thief.associate(CHANNELS[channel](thief), { token: WITHOUT_PROOF[dress](thief) }));
    expect(stage.webhook.messagesTo(thief.number)).toEqual([]);
    expect(await (await owner.list()).json()).toHaveLength(2);
    // The owner's proof adds the very same.
    await accepted(await owner.associate(CHANNELS[channel](owner), { token: owner.provenToken() }));
    await accepted(await owner.exchange("otp", { mfa_token: owner.mfaToken(), otp: totp(secret, now()) }));
  });
});

test("what a thief has parked before is dead once the owner has a factor, with its recovery codes", async () => {
  const owner = stage.person();
  const thief = thiefOf(owner);
  const mfa_token = thief.mfaToken();
  const app = await accepted(await thief.associateOtp({ token: mfa_token }));
  const phone = await accepted(await thief.associateSms({ token: mfa_token }));
  const binding_code = await stage.webhook.codeFor(thief.number);
  const { secret } = await owner.enrollOtp();
  await stage.world.advance(60);
  for (const token of [mfa_token, thief.mfaToken(), thief.accessToken()]) {
    await wrongOtp(await thief.exchange("otp", { mfa_token: token, otp: totp(app.secret, now()) }));
    const oob = await thief.exchange("oob", { mfa_token: token, oob_code: phone.oob_code, binding_code });
    await refused(oob, 401, "expired_token", "oob_code is expired");
  }
  for (const { recovery_codes } of [app, phone]) {
    const recovery = await thief.exchange("recovery", { mfa_token, recovery_code: recovery_codes[0] });
    await refused(recovery, 403, "invalid_grant", "MFA Authorization rejected.");
  }
  await accepted(await owner.exchange("otp", { mfa_token: owner.mfaToken(), otp: totp(secret, now()) }));
});

test("what a thief of a number has parked dies when its owner confirms it anew", async () => {
  const owner = stage.person();
  await owner.enrollSms();
  await stage.world.advance(2);
  // With the number comes the proof of it.
  const thief = thiefOf(owner);
  const app = await accepted(await thief.associateOtp({ token: thief.provenToken() }));
  await stage.world.advance(60);
  const { tokens } = await owner.enrollSms({ token: owner.provenToken() });
  expect(tokens).toHaveProperty("access_token");
  for (const token of [thief.mfaToken(), thief.accessToken()])
    await wrongOtp(await thief.exchange("otp", { mfa_token: token, otp: totp(app.secret, now()) }));
  expect(await stage.world.rows("SELECT kind FROM authenticators WHERE user_id = ?", `idp|${owner.sub}`)).toEqual([
    { kind: "sms" },
  ]);
});

test("the MFA audience gives no id_token to who has only the password", async () => {
  const client = await stage.addClient({ audiences: [{ audience: MFA_AUDIENCE, scopes: ["enroll"] }] });
  const thief = stage.person({ client });
  const login = { audience: MFA_AUDIENCE, scope: "openid enroll" };
  const mfa_token = thief.mfaToken(login);
  const { oob_code } = await accepted(await thief.associate(CHANNELS.email(thief), { token: mfa_token }));
  const binding_code = await stage.webhook.codeFor(thief.email);
  const tokens = await accepted(await thief.exchange("oob", { mfa_token, oob_code, binding_code }));
  expect({ scope: tokens.scope, id_token: tokens.id_token }).toEqual({ scope: "enroll", id_token: undefined });
  const { secret } = await thief.enrollOtp();
  await stage.world.advance(60);
  const proven = await accepted(await thief.exchange("otp", { mfa_token: thief.mfaToken(login), otp: totp(secret, now()) }));
  expect(proven).toMatchObject({ scope: "openid enroll", id_token: expect.any(String) });
});

test("the owner's factor is not removed with the password alone, and the owner removes it", async () => {
  const owner = stage.person();
  const { id } = await owner.enrollOtp();
  await stage.world.advance(2);
  const thief = thiefOf(owner);
  const scope = "remove:authenticators";
  const needed = "Use a second factor first: this needs a token that proves one.";
  for (const claims of [{ scope }, { scope, amr: ["pwd", "otp"] }, { scope: `${scope} enroll mfa` }]) {
    await refused(await thief.remove(id, { token: thief.accessToken(claims) }), 403, "access_denied", needed);
  }
  await done(await owner.remove(id));
});

/** Two people who are about to confirm, or have been challenged at, a phone of their own. */
const CROSSINGS = [
  [
    "enrollments",
    async (person) => {
      const mfa_token = person.mfaToken();
      const { oob_code } = await accepted(await person.associateSms({ token: mfa_token }));
      return { mfa_token, oob_code, binding_code: await stage.webhook.codeFor(person.number) };
    },
  ],
  [
    "challenges",
    async (person) => {
      await person.enrollSms();
      return person.receiveCode();
    },
  ],
];

/** Another code than both, where two people's happen to be the same. */
const unlike = (code, other) => (code === other ? String((Number(code) + 1) % 1e6).padStart(6, "0") : code);

test.each(CROSSINGS)("swapped parts of two people's %s let in neither, and each still lets in its own", async (_, begin) => {
  const [ada, bob] = [stage.person(), stage.person()];
  const [adas, bobs] = [await begin(ada), await begin(bob)];
  // Each combination of whose mfa_token, oob_code and binding code, but for those of one person.
  await mismatched(await ada.exchange("oob", { ...bobs, mfa_token: adas.mfa_token }));
  await mismatched(await ada.exchange("oob", { ...adas, oob_code: bobs.oob_code }));
  await wrongCode(await ada.exchange("oob", { ...adas, binding_code: unlike(bobs.binding_code, adas.binding_code) }));
  await mismatched(await bob.exchange("oob", { ...adas, mfa_token: bobs.mfa_token }));
  await mismatched(await bob.exchange("oob", { ...bobs, oob_code: adas.oob_code }));
  await wrongCode(await bob.exchange("oob", { ...bobs, binding_code: unlike(adas.binding_code, bobs.binding_code) }));
  for (const [person, parts] of [
    [ada, adas],
    [bob, bobs],
  ])
    await accepted(await person.exchange("oob", parts));
});

test.each(CROSSINGS)("swapped parts of one person's %s through two clients let in by neither", async (_, begin) => {
  const ada = stage.person();
  const elsewhere = stage.person({ sub: ada.sub, client: await stage.addClient() });
  elsewhere.number = ada.number;
  const here = await begin(ada);
  const attempt = { ...here, mfa_token: elsewhere.mfaToken() };
  await mismatched(await elsewhere.exchange("oob", attempt));
  const named = await elsewhere.exchange("oob", here);
  await refused(named, 400, "invalid_request", "mfa_token not issued to this client");
  await accepted(await ada.exchange("oob", here));
});

test("two enrollments of one person do not confirm each other", async () => {
  const person = stage.person();
  const mfa_token = person.mfaToken();
  const one = await accepted(await person.associateSms({ token: mfa_token }));
  const first = await stage.webhook.codeFor(person.number);
  const other = await accepted(await person.associateEmail({ token: mfa_token }));
  const second = await stage.webhook.codeFor(person.email);
  await wrongCode(await person.exchange("oob", { mfa_token, oob_code: one.oob_code, binding_code: unlike(second, first) }));
  await wrongCode(await person.exchange("oob", { mfa_token, oob_code: other.oob_code, binding_code: unlike(first, second) }));
  await accepted(await person.exchange("oob", { mfa_token, oob_code: one.oob_code, binding_code: first }));
});

describe("somebody else's enrollment", () => {
  test("is not confirmed with its secret, by a login of one's own", async () => {
    const [owner, thief] = [stage.person(), stage.person()];
    const { secret } = await accepted(await owner.associateOtp());
    for (const mfa_token of [thief.mfaToken(), thief.accessToken()]) {
      await wrongOtp(await thief.exchange("otp", { mfa_token, otp: totp(secret, now()) }));
    }
    expect(await (await thief.list()).json()).toEqual([]);
    await accepted(await owner.exchange("otp", { mfa_token: owner.mfaToken(), otp: totp(secret, now()) }));
  });

  test("is not confirmed by the same subject of another issuer", async () => {
    const owner = stage.person();
    const namesake = stage.person({ sub: owner.sub, issuer: stage.issuers[1] });
    const { oob_code } = await accepted(await owner.associateSms());
    const binding_code = await stage.webhook.codeFor(owner.number);
    const code = { oob_code, binding_code };
    await mismatched(await namesake.exchange("oob", { ...code, mfa_token: namesake.mfaToken() }));
    await accepted(await owner.exchange("oob", { ...code, mfa_token: owner.mfaToken() }));
  });

  test("is not confirmed for its owner without the code, whoever has seen everything else", async () => {
    const owner = stage.person();
    const mfa_token = owner.mfaToken();
    const { secret } = await accepted(await owner.associateOtp({ token: mfa_token }));
    await wrongOtp(await owner.exchange("otp", { mfa_token, otp: wrongTotp(secret, now()) }));
    const [item] = await (await owner.list()).json();
    expect(item).toMatchObject({ active: false });
    await accepted(await owner.exchange("otp", { mfa_token, otp: totp(secret, now()) }));
  });

  test("is neither challenged nor removed by its id", async () => {
    const [owner, thief] = [stage.person(), stage.person()];
    const { id } = await owner.enrollSms();
    await thief.enrollOtp();
    const before = stage.webhook.messagesTo(owner.number).length;
    await refused(await thief.challenge({ authenticator_id: id }), 404, "invalid_authenticator");
    await stage.world.advance(2);
    await refused(await thief.remove(id), 404, "not_found");
    expect(stage.webhook.messagesTo(owner.number)).toHaveLength(before);
    await accepted(await owner.challenge({ authenticator_id: id }));
  });
});
