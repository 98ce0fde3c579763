/** What a client may: grants, factors, and a policy of its own. */
import { describe, expect, test } from "vitest";
import { accepted, refused } from "../support/answers.mjs";
import { changeClient } from "../support/clients.mjs";
import { GRANT } from "../support/person.mjs";
import { useStage } from "../support/stage.mjs";
import { SUBJECT_AUDIENCE, subjectTokenOf, tokenExchange } from "../support/token-exchange.mjs";
import { STEP_SECONDS, totp } from "../support/totp.mjs";

const stage = useStage({
  issuers: [{ may: ["exchange", "mfa_token", "access_token"], entry: { audiences: [SUBJECT_AUDIENCE] } }],
});

const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const exchange = (person, parameters) =>
  tokenExchange(stage.world, person, { subject_token: subjectTokenOf(person, SUBJECT_AUDIENCE), ...parameters });
const enroll = {
  otp: { authenticator_types: ["otp"] },
  sms: { authenticator_types: ["oob"], oob_channels: ["sms"], phone_number: "+4915123456789" },
  voice: { authenticator_types: ["oob"], oob_channels: ["voice"], phone_number: "+4915123456789" },
  email: { authenticator_types: ["oob"], oob_channels: ["email"], email: "a@example.com" },
};

async function personOf(settings) {
  return stage.person({ client: await stage.addClient({ authentication: "post", ...settings }) });
}

describe("a grant that the client may not use", () => {
  const NAMES = { otp: "mfa-otp", oob: "mfa-oob", recovery: "mfa-recovery-code" };

  test.each(Object.keys(NAMES))("is refused before anything is charged: %s", async (grant) => {
    const grants = [...Object.values(NAMES), "token-exchange"].filter((name) => name !== NAMES[grant]);
    const person = await personOf({ grants });
    const parameters = { mfa_token: person.mfaToken(), otp: "000000", oob_code: "x", binding_code: "0", recovery_code: "x" };
    const text = `Grant type '${GRANT[grant]}' not allowed for the client.`;
    await refused(await person.exchange(grant, parameters), 403, "unauthorized_client", text);
    expect(await stage.world.rows("SELECT * FROM budgets WHERE key LIKE ?", `%${person.sub}%`)).toEqual([]);
  });

  test("is refused at token exchange", async () => {
    const person = await personOf({ grants: ["mfa-otp"] });
    const text = `Grant type '${EXCHANGE}' not allowed for the client.`;
    await refused(await exchange(person), 403, "unauthorized_client", text);
  });

  test("is told to nobody who is not the client", async () => {
    const person = await personOf({ grants: ["mfa-oob"] });
    const parameters = { mfa_token: person.mfaToken(), otp: "000000", client_secret: "wrong" };
    await refused(await person.exchange("otp", parameters), 401, "access_denied", "Unauthorized");
  });

  test("leaves the others as they are", async () => {
    const person = await personOf({ grants: ["mfa-otp"] });
    await person.enrollOtp();
  });

  test("makes its factors unavailable, so that no code is sent that could not be used", async () => {
    const person = await personOf({ grants: ["mfa-otp"] });
    for (const channel of ["sms", "voice", "email"]) {
      const text = `The ${channel} factor is not enabled.`;
      await refused(await person.associate(enroll[channel]), 400, "invalid_request", text);
    }
    await accepted(await person.associate(enroll.otp));
  });
});

describe("a factor that the client may not use", () => {
  test.each(["otp", "sms", "voice", "email"])("is not enrolled through it: %s", async (factor) => {
    const others = ["otp", "sms", "voice", "email"].filter((other) => other !== factor);
    const person = await personOf({ factors: others });
    const text = `The ${factor} factor is not enabled.`;
    await refused(await person.associate(enroll[factor]), 400, "invalid_request", text);
    for (const other of others) await accepted(await person.associate(enroll[other]));
  });

  test("gives way to the next one that was asked for", async () => {
    const person = await personOf({ factors: ["voice"] });
    const answer = await accepted(await person.associate({ ...enroll.sms, oob_channels: ["sms", "voice"] }));
    expect(answer.oob_channel).toBe("voice");
  });

  test("is neither challenged nor verified, and not listed as required", async () => {
    const person = await personOf({});
    const { secret, recoveryCode } = await person.enrollOtp();
    await stage.world.advance(STEP_SECONDS);
    await changeClient(stage.world, person.client.id, "factors", '["sms"]');
    const mfa_token = person.mfaToken();
    await refused(await person.challenge({ mfa_token }), 401, "unsupported_challenge_type");
    const otp = totp(secret, stage.world.now());
    await refused(await person.exchange("otp", { mfa_token, otp }), 400, "invalid_request", "The otp factor is not enabled.");
    const recovery = { mfa_token, recovery_code: recoveryCode };
    const text = "The recovery-code factor is not enabled.";
    await refused(await person.exchange("recovery", recovery), 400, "invalid_request", text);
    const demand = await (await exchange(person)).json();
    expect(demand).toMatchObject({ error: "mfa_required", mfa_requirements: { challenge: [] } });

    // Nor is a code that was on its way when the factor was taken away.
    await changeClient(stage.world, person.client.id, "factors", "[]");
    await stage.world.advance(61);
    const other = stage.person({ client: person.client });
    await other.enrollSms();
    const sent = await other.receiveCode();
    await changeClient(stage.world, person.client.id, "factors", '["otp"]');
    await refused(await other.exchange("oob", sent), 400, "invalid_request", "The sms factor is not enabled.");

    // What is taken away acts at once; what is given back, as soon as no isolate remembers the row.
    await changeClient(stage.world, person.client.id, "factors", "[]");
    await stage.world.advance(61);
    await accepted(await person.exchange("otp", { mfa_token, otp: totp(secret, stage.world.now()) }));
  });
});

test("a client's policy stands in the place of POLICY, and acts at once when it changes", async () => {
  const person = await personOf({});
  await accepted(await exchange(person));
  await changeClient(stage.world, person.client.id, "policy", '{"require":"always"}');
  const demand = await (await exchange(person)).json();
  expect(demand).toMatchObject({ error: "mfa_required", mfa_requirements: { enroll: [{ type: "otp" }, { type: "phone" }] } });
  await changeClient(stage.world, person.client.id, "policy", null);
  await accepted(await exchange(person));
});

test("what is taken from a client acts at once, though an isolate remembers its row", async () => {
  const person = await personOf({});
  await accepted(await person.associate(enroll.sms));
  await changeClient(stage.world, person.client.id, "factors", '["otp"]');
  await refused(await person.associate(enroll.sms), 400, "invalid_request", "The sms factor is not enabled.");
});

test("a client whose policy cannot be read is served nothing, and the log says why", async () => {
  const person = await personOf({});
  await changeClient(stage.world, person.client.id, "policy", '{"require":"never"}');
  await refused(await exchange(person), 503, "temporarily_unavailable");
});
