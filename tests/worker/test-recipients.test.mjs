/** Numbers and addresses that nobody has: a fixed code, and every failure that an application must handle. */
import { describe, expect, test } from "vitest";
import { accepted, refused, refusedFor429 } from "../support/answers.mjs";
import { until } from "../support/poll.mjs";
import { useStage } from "../support/stage.mjs";

const CODE = "424242";
const stage = useStage({ vars: { TEST_RECIPIENTS: CODE } });
const usual = useStage();

/** Asks for a code to `to`. */
async function ask(to, { channel = to.includes("@") ? "email" : "sms", on = stage, person = on.person() } = {}) {
  const mfa_token = person.mfaToken();
  const name = channel === "email" ? "email" : "phone_number";
  const body = { authenticator_types: ["oob"], oob_channels: [channel], [name]: to };
  const response = await person.associate(body, { token: mfa_token });
  const confirm = async (binding_code, { oob_code }) => person.exchange("oob", { mfa_token, oob_code, binding_code });
  return { person, response, confirm };
}

/** The delivery of what was answered. */
const delivery = async ({ id }) => {
  const sql = "SELECT state, provider, failure, region, network FROM deliveries WHERE owner = ?";
  return (await stage.world.rows(sql, id))[0];
};

describe("a test recipient", () => {
  test.each([
    ["+12025550100", "sms"],
    ["+447700900123", "voice"],
    ["ada@example.com", "email"],
    ["ada+tag@example.org", "email"],
  ])("%s has the fixed code by %s, which nobody sends", async (to, channel) => {
    const before = stage.webhook.calls.length;
    const { response, confirm } = await ask(to, { channel });
    const answer = await accepted(response);
    await until("it counts as sent", async () => (await delivery(answer))?.state === "sent");
    expect(await delivery(answer)).toEqual({ state: "sent", provider: "test", failure: null, region: null, network: null });
    expect(stage.webhook.calls).toHaveLength(before);
    await refused(await confirm("000000", answer), 403, "invalid_grant", "Invalid binding_code.");
    await accepted(await confirm(CODE, answer));
  });

  test("confirms a challenge of its login with the same code", async () => {
    const { person, response, confirm } = await ask("+12025550101");
    await accepted(await confirm(CODE, await accepted(response)));
    const mfa_token = person.mfaToken();
    const { oob_code } = await accepted(await person.challenge({ mfa_token, challenge_type: "oob" }));
    await accepted(await person.exchange("oob", { mfa_token, oob_code, binding_code: CODE }));
  });

  test.each(["+12025550190", "ada+undelivered@example.com"])("%s is accepted and never reached", async (to) => {
    const { response } = await ask(to);
    const answer = await accepted(response);
    await until("it has failed", async () => (await delivery(answer))?.state === "failed");
    expect(await delivery(answer)).toMatchObject({ provider: null, failure: "a test recipient that fails" });
  });

  test.each([
    ["+12025550191", 400, "invalid_request", "The phone number is invalid."],
    ["+447700900192", 400, "invalid_request", "Messages to this country are not enabled."],
    ["+12025550194", 503, "temporarily_unavailable"],
    ["ada+invalid@example.com", 400, "invalid_request", "The email address is invalid."],
    ["ada+unavailable@example.net", 503, "temporarily_unavailable"],
  ])("%s is refused: %i %s", async (to, ...expected) => {
    await refused((await ask(to)).response, ...expected);
  });

  test.each([
    ["+12025550193", 10, "Too many SMS sent by the user. Wait for some minutes before retrying."],
    ["ada+limited@example.com", 20, "Too many emails sent by the user. Wait for some minutes before retrying."],
  ])("%s has had %i messages, which are too many", async (to, limit, text) => {
    const told = await refusedFor429((await ask(to)).response, text, { now: stage.world.now() });
    expect([told.retryAfter, told.limit]).toEqual([60, limit]);
  });

  test.each(["+12025550195", "ada+expired@example.com"])("%s has a code that is dead from the start", async (to) => {
    const { response, confirm } = await ask(to);
    await refused(await confirm(CODE, await accepted(response)), 401, "expired_token");
  });

  test("is shared by everybody: it has no limit of its own, the user has", async () => {
    const statuses = [];
    for (let count = 0; count < 15; count += 1) statuses.push((await ask("+12025550102")).response.status);
    expect(statuses).toEqual(Array(15).fill(200));
    const person = stage.person();
    const own = [];
    for (let count = 0; count < 11; count += 1) own.push((await ask("+12025550102", { person })).response.status);
    expect(own).toEqual([...Array(10).fill(200), 429]);
  });
});

test("nobody else has the fixed code", async () => {
  const person = stage.person();
  const { response, confirm } = await ask(person.number, { person });
  const answer = await accepted(response);
  const code = await stage.webhook.codeFor(person.number);
  await refused(await confirm(code === CODE ? "000000" : CODE, answer), 403, "invalid_grant", "Invalid binding_code.");
});

test("where they are not switched on they are recipients like all others", async () => {
  const { response, confirm } = await ask("+12025550103", { on: usual });
  const answer = await accepted(response);
  const code = await usual.webhook.codeFor("+12025550103");
  await accepted(await confirm(code, answer));
  expect((await ask("+12025550193", { on: usual })).response.status).toBe(200);
});
