/** What may be read from the nearest copy of the database, by a session of D1, and what never is. */
import { expect, test } from "vitest";
import { accepted, done } from "../support/answers.mjs";
import { useStage } from "../support/stage.mjs";
import { STEP_SECONDS, totp } from "../support/totp.mjs";

const stage = useStage({ isolates: 2 });
const NEAREST = "first-unconstrained";

const nearby = async (ask, good = accepted) => {
  const { result, nearby } = await stage.world.cost(ask);
  await good(result);
  return nearby;
};

test("the client is read there, once an isolate and minute", async () => {
  const client = { constraint: NEAREST, sqls: [expect.stringMatching(/^SELECT id, version[\s\S]*FROM clients WHERE id = \?1$/)] };
  for (const isolate of [0, 1]) {
    expect(await nearby(() => stage.person().associateOtp({ isolate }))).toEqual([client]);
    expect(await nearby(() => stage.person().associateOtp({ isolate }))).toEqual([]);
  }
  await stage.world.advance(61);
  expect(await nearby(() => stage.person().associateOtp())).toEqual([client]);
});

test("so are the origins that a preflight asks for", async () => {
  const origin = "https://copies.example.com";
  await stage.addClient({ origins: [origin] });
  const headers = { origin, "access-control-request-method": "POST" };
  const preflight = () => stage.world.fetch("/mfa/associate", { method: "OPTIONS", headers });
  const sqls = [expect.stringContaining("AS origin")];
  expect(await nearby(preflight, (response) => expect(response.status).toBe(204))).toEqual([{ constraint: NEAREST, sqls }]);
});

test("nothing of a person is: neither what is decided by nor what is shown", async () => {
  const { world } = stage;
  const person = stage.person();
  await accepted(await person.associateOtp());
  const { secret, id } = await accepted(await person.associateOtp());
  const otp = () => totp(secret, world.now());
  expect(await nearby(() => person.exchange("otp", { mfa_token: person.mfaToken(), otp: otp() }))).toEqual([]);
  await world.advance(STEP_SECONDS);
  expect(await nearby(() => person.exchange("otp", { mfa_token: person.mfaToken(), otp: otp() }))).toEqual([]);
  expect(await nearby(() => person.challenge())).toEqual([]);
  expect(
    await nearby(
      () => person.list(),
      async (response) => expect(await response.json()).not.toEqual([]),
    ),
  ).toEqual([]);
  expect(await nearby(() => person.remove(id), done)).toEqual([]);
});
