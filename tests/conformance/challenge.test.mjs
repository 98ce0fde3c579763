/** `POST /mfa/challenge` as the contract has it. */
import { describe, expect, test } from "vitest";
import { accepted, refused } from "../support/answers.mjs";
import { useStage } from "../support/stage.mjs";
import { beginApp, beginMessage, members, SIX_DIGITS } from "./cast.mjs";

const stage = useStage();
const ASSOCIATION_REQUIRED =
  "User does not have any confirmed authenticator associated. You can associate a new authenticator calling " +
  "/mfa/associate endpoint. If you have one authenticator ready for confirmation, you can confirm it just using it " +
  "in /oauth/token";

async function withAppAndPhone() {
  const person = stage.person();
  const app = await person.enrollOtp();
  await stage.world.advance(1);
  const phone = await person.enrollSms({ token: person.provenToken() });
  return { person, app, phone };
}

async function withApp() {
  const person = stage.person();
  return { person, app: await person.enrollOtp() };
}

test.each([
  ["JSON", false],
  ["a form", true],
])("is asked as %s", async (_, form) => {
  const { person } = await withAppAndPhone();
  await accepted(await person.challenge({ challenge_type: "otp" }, { form }));
});

test("an app is answered with challenge_type alone", async () => {
  const { person } = await withAppAndPhone();
  expect(await accepted(await person.challenge({ challenge_type: "otp" }))).toEqual({ challenge_type: "otp" });
});

test("a message is answered with challenge_type, oob_code and binding_method", async () => {
  const { person } = await withAppAndPhone();
  const body = await accepted(await person.challenge({ challenge_type: "oob" }));
  expect(body).toEqual({ challenge_type: "oob", oob_code: expect.any(String), binding_method: "prompt" });
});

test("challenge_type is an optional list, in any case and order", async () => {
  const { person } = await withAppAndPhone();
  for (const challenge_type of [undefined, "otp oob", "oob otp", "OTP", "Oob"])
    await accepted(await person.challenge({ challenge_type }));
});

test("authenticator_id may be empty: a form sends that for none", async () => {
  const { person } = await withAppAndPhone();
  await accepted(await person.challenge({ challenge_type: "oob", authenticator_id: "" }, { form: true }));
});

test("oob_channel and other parameters are ignored", async () => {
  const { person } = await withAppAndPhone();
  const body = await accepted(await person.challenge({ challenge_type: "oob", oob_channel: "auth0", extra: "1" }));
  expect(body.challenge_type).toBe("oob");
});

test("the authenticator used last is chosen where none is named", async () => {
  const { person } = await withAppAndPhone();
  expect((await accepted(await person.challenge())).challenge_type).toBe("oob");
});

describe("errors, word for word", () => {
  test("400 invalid_request without mfa_token", async () => {
    const text = "Missing required parameter: mfa_token";
    await refused(await stage.person().challenge({ mfa_token: undefined }), 400, "invalid_request", text);
  });

  test("400 invalid_request for an mfa_token of another client", async () => {
    const { person } = await withAppAndPhone();
    const other = await stage.addClient();
    const parameters = { client_id: other.id, mfa_token: person.mfaToken() };
    const text = "mfa_token not issued to this client";
    await refused(await person.challenge(parameters), 400, "invalid_request", text);
  });

  test("400 association_required where nothing is active, in the recorded words", async () => {
    await refused(await stage.person().challenge(), 400, "association_required", ASSOCIATION_REQUIRED);
  });

  test("401 unsupported_challenge_type where the types do not overlap, an app asked as oob included", async () => {
    const person = stage.person();
    const { id } = await person.enrollOtp();
    const text = "The user does not support any of the requested challenge types. Supported type: otp";
    for (const authenticator_id of [undefined, id]) {
      const parameters = { challenge_type: "oob", authenticator_id };
      await refused(await person.challenge(parameters), 401, "unsupported_challenge_type", text);
    }
  });

  test("403 invalid_grant for an access token or nonsense in place of the mfa_token", async () => {
    const { person } = await withAppAndPhone();
    for (const mfa_token of [person.accessToken(), "nonsense"])
      await refused(await person.challenge({ mfa_token }), 403, "invalid_grant", "Malformed mfa_token");
  });

  test("401 expired_token past the lifetime", async () => {
    const person = stage.person();
    const now = stage.world.now();
    const mfa_token = person.mfaToken({ iat: now - 600, exp: now - 100 });
    await refused(await person.challenge({ mfa_token }), 401, "expired_token", "mfa_token is expired");
  });

  test("404 invalid_authenticator for one that is unknown, pending or somebody else's", async () => {
    const { person } = await withAppAndPhone();
    const other = await stage.person().enrollOtp();
    const pending = await accepted(await person.associateOtp({ token: person.provenToken() }));
    for (const authenticator_id of ["sms|dev_0000000000000000", other.id, pending.id]) {
      const text = "The user has no such authenticator.";
      await refused(await person.challenge({ authenticator_id }), 404, "invalid_authenticator", text);
    }
  });

  test("401 access_denied for a client that does not prove itself", async () => {
    const client = await stage.addClient({ authentication: "post" });
    const person = stage.person({ client });
    const wrong = { client_secret: "0".repeat(64) };
    await refused(await person.challenge(wrong), 401, "access_denied", "Unauthorized");
  });
});

test.each(["sms", "voice", "email"])(
  "the challenge by %s answers challenge_type, oob_code and binding_method prompt",
  async (channel) => {
    const person = stage.person();
    const { id } = await person.enrollOob(channel);
    const to = channel === "email" ? person.email : person.number;
    const before = stage.webhook.messagesTo(to).length;
    const body = await accepted(await person.challenge({ challenge_type: "oob", authenticator_id: id }));
    expect(members(body)).toEqual(["binding_method", "challenge_type", "oob_code"]);
    expect(body).toMatchObject({ challenge_type: "oob", binding_method: "prompt", oob_code: expect.any(String) });
    expect(await stage.webhook.codeFor(to, { count: before + 1 })).toMatch(SIX_DIGITS);
    expect(stage.webhook.messagesTo(to).at(-1).channel).toBe(channel);
  },
);

test.each(["oob otp", "otp oob", "OTP", " otp  oob ", "otp unknown"])(
  "challenge_type may be a list, in any case: %j",
  async (challenge_type) => {
    const { person } = await withApp();
    expect(await accepted(await person.challenge({ challenge_type }))).toEqual({ challenge_type: "otp" });
  },
);

test("oob_channel is not read", async () => {
  const person = stage.person();
  await person.enrollSms();
  await accepted(await person.challenge({ oob_channel: "voice" }));
  await stage.webhook.codeFor(person.number, { count: 2 });
  expect(stage.webhook.messagesTo(person.number).at(-1).channel).toBe("sms");
});

test("what waits for its first code is never challenged", async () => {
  const { person, enrollment } = await beginMessage(stage);
  const response = await person.challenge({ authenticator_id: enrollment.id });
  await refused(response, 400, "association_required", ASSOCIATION_REQUIRED);
});

test("association_required and User is already enrolled. lead a client from one endpoint to the other", async () => {
  const person = stage.person();
  const mfa_token = person.mfaToken();
  await refused(await person.challenge({ mfa_token }), 400, "association_required", ASSOCIATION_REQUIRED);
  const { parameters } = await beginApp(stage, person);
  await accepted(await person.exchange("otp", parameters));
  await refused(await person.associateOtp({ token: mfa_token }), 403, "access_denied", "User is already enrolled.");
  await accepted(await person.challenge({ mfa_token }));
});

test("a challenge type that the user has not is 401 unsupported_challenge_type and says what would do", async () => {
  const person = stage.person();
  await person.enrollSms();
  const text = "The user does not support any of the requested challenge types. Supported type: oob";
  await refused(await person.challenge({ challenge_type: "otp" }), 401, "unsupported_challenge_type", text);
});

test("a recovery code is never a challenge", async () => {
  const { person } = await withApp();
  await refused(await person.challenge({ challenge_type: "recovery-code" }), 401, "unsupported_challenge_type");
  const [, { id }] = await accepted(await person.list());
  await refused(await person.challenge({ authenticator_id: id }), 404, "invalid_authenticator");
});

test("challenge by a client that is unknown is 401 access_denied, by none is 400", async () => {
  const person = stage.person();
  await refused(await person.challenge({ client_id: "nobody" }), 401, "access_denied", "Unauthorized");
  const text = "Missing required parameter: client_id";
  await refused(await person.challenge({ client_id: undefined }), 400, "invalid_request", text);
});

test("an mfa_token that has been exchanged is not challenged any more", async () => {
  const { person, parameters } = await beginApp(stage);
  await accepted(await person.exchange("otp", parameters));
  const response = await person.challenge({ mfa_token: parameters.mfa_token });
  await refused(response, 403, "invalid_grant", "mfa_token has already been used");
});
