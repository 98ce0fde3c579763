/** Support lets in again what a hundred wrong codes have disabled, with the SQL of `npm run users`. */
import { expect, test } from "vitest";
import { removeUser, resetUser, showUser, unlockUser } from "../../scripts/users/statements.mjs";
import { shown } from "../../scripts/users/shown.mjs";
import { accepted, refused } from "../support/answers.mjs";
import { useStage } from "../support/stage.mjs";
import { STEP_SECONDS, totp, wrongTotp } from "../support/totp.mjs";

const SECONDS_A_GUESS = 360;
const MOST_FAILURES = 100;
const PATIENCE = 180_000;

const stage = useStage({ isolates: 2 });
const userId = (person) => `idp|${person.sub}`;

const run = (sql) => stage.world.run(sql);
const by = () => ({ at: stage.world.now(), operator: "grace@example.com" });

async function show(person) {
  const now = stage.world.now();
  const [row] = await stage.world.rows(showUser(userId(person), now));
  return shown(row, now);
}

test(
  "a disabled app is let in again, and everything else was usable all the time",
  async () => {
    const { world } = stage;
    const person = stage.person();
    const app = await person.enrollOtp();
    await world.advance(2);
    await person.enrollSms({ token: person.provenToken() });
    await world.delivered();
    let { recoveryCode } = app;
    const otp = (code) => person.exchange("otp", { mfa_token: person.mfaToken(), otp: code });
    const right = () => otp(totp(app.secret, world.now()));
    const wrong = async () => refused(await otp(wrongTotp(app.secret, world.now())), 403, "invalid_grant", "Invalid otp_code.");
    const othersWork = async () => {
      await accepted(await person.exchange("oob", await person.receiveCode()));
      const recovery = { mfa_token: person.mfaToken(), recovery_code: recoveryCode };
      ({ recovery_code: recoveryCode } = await accepted(await person.exchange("recovery", recovery)));
    };
    for (let guess = 0; guess < MOST_FAILURES; guess += 1) {
      await world.advance(SECONDS_A_GUESS);
      if (guess % 33 === 0) await othersWork();
      await wrong();
    }
    await world.advance(SECONDS_A_GUESS);
    await othersWork();
    // Right, but the app is disabled.
    await refused(await right(), 403, "invalid_grant", "Invalid otp_code.");
    const { authenticators } = await show(person);
    expect(authenticators.map(({ id, disabled }) => [id === app.id, disabled])).toEqual([
      [true, true],
      [false, false],
    ]);
    // And somebody has used up all guesses.
    while ((await otp("abcdef")).status === 403);
    expect(await show(person)).toMatchObject({ guesses: { left: 0 } });

    await run(unlockUser(userId(person), app.id, by()));
    expect(await show(person)).toMatchObject({
      guesses: { left: 10 },
      authenticators: [{ disabled: false, failures: 0 }, {}],
    });
    await accepted(await right());
    await othersWork();
    // From here on it counts a hundred again.
    await world.advance(STEP_SECONDS);
    await wrong();
    expect((await show(person)).authenticators[0].failures).toBe(1);
  },
  PATIENCE,
);

test("who is reset begins anew, and what they had proves nothing any more", async () => {
  const { world } = stage;
  const [person, bystander] = [stage.person(), stage.person()];
  const [app, other] = [await person.enrollOtp(), await bystander.enrollOtp()];
  await run(resetUser(userId(person), by()));
  await world.advance(STEP_SECONDS);
  const mfa_token = person.mfaToken();
  await refused(await person.exchange("otp", { mfa_token, otp: totp(app.secret, world.now()) }), 403, "invalid_grant");
  await refused(await person.exchange("recovery", { mfa_token, recovery_code: app.recoveryCode }), 403, "invalid_grant");
  const fresh = await person.enrollOtp();
  expect(fresh.recoveryCode).toMatch(/^[A-Z0-9]{24}$/);
  const otp = totp(other.secret, world.now());
  await accepted(await bystander.exchange("otp", { mfa_token: bystander.mfaToken(), otp }));
});

test("of who is removed no row tells, and the token that they have spent stays spent", async () => {
  const { world } = stage;
  const person = stage.person();
  const token = person.mfaToken();
  const app = await person.enrollOtp({ token });
  await person.enrollSms({ token: person.provenToken() });
  await person.receiveCode();
  await world.delivered();
  await run(removeUser(userId(person), by()));
  await world.sweep();
  const left = JSON.stringify(await world.dump());
  for (const trace of [userId(person), person.sub, app.id]) expect(left).not.toContain(trace);
  const acts = (await world.told()).filter(({ event, user }) => event === "operator_acted" && user === userId(person));
  expect(acts).toMatchObject([{ command: "users remove", operator: "grace@example.com", outcome: "success" }]);
  const again = await person.exchange("otp", { mfa_token: token, otp: totp(app.secret, world.now()) });
  await refused(again, 403, "invalid_grant", "mfa_token has already been used");
});
