/** Keys that are replaced while everything goes on: those that seal and hash at rest, and those that sign. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { accepted, refusedBearer } from "../support/answers.mjs";
import { API } from "../support/clients.mjs";
import { decode } from "../support/jwt.mjs";
import { encryptionKeys, signingKey } from "../support/keys.mjs";
import { useStage } from "../support/stage.mjs";
import { STEP_SECONDS, totp } from "../support/totp.mjs";
import { MFA_AUDIENCE } from "../support/worker.mjs";

const persist = await mkdtemp(join(tmpdir(), "countersign-rotation-"));
afterAll(() => rm(persist, { recursive: true, force: true }));
const stage = useStage({ persist });

const userId = (person) => `idp|${person.sub}`;
const sealedOf = async (id) => (await stage.world.rows("SELECT sealed FROM authenticators WHERE id = ?", id))[0].sealed;

/** The next generation of a set of keys: the old ones stay known, a new one of this id is used. */
function next({ use, keys }, id) {
  const [fresh] = Object.values(encryptionKeys().seal.keys);
  return { use: id, keys: { ...keys, [id]: fresh }, retired: use };
}

describe("keys at rest", () => {
  test("what was sealed and hashed with a retired key goes on working, and is sealed anew when used", async () => {
    const { world, webhook } = stage;
    const [first, pending, phone, waiting] = [stage.person(), stage.person(), stage.person(), stage.person()];
    const app = await first.enrollOtp();
    const begun = pending.mfaToken();
    const enrollment = await accepted(await pending.associateOtp({ token: begun }));
    const sms = await phone.enrollSms();
    const message = await accepted(await waiting.associateSms());
    const binding_code = await webhook.codeFor(waiting.number);
    expect((await sealedOf(app.id)).startsWith("s1")).toBe(true);

    const { encryption } = world.secrets;
    const rotated = { seal: next(encryption.seal, "s2"), hash: next(encryption.hash, "h2") };
    for (const set of Object.values(rotated)) delete set.retired;
    await world.restart({ ENCRYPTION_KEYS: JSON.stringify(rotated) });

    await world.advance(2 * STEP_SECONDS);
    const otp = totp(app.secret, world.now());
    await accepted(await first.exchange("otp", { mfa_token: first.mfaToken(), otp }));
    expect((await sealedOf(app.id)).startsWith("s2")).toBe(true);
    await accepted(await first.exchange("recovery", { mfa_token: first.mfaToken(), recovery_code: app.recoveryCode }));
    await accepted(await pending.exchange("otp", { mfa_token: begun, otp: totp(enrollment.secret, world.now()) }));
    expect((await sealedOf(enrollment.id)).startsWith("s2")).toBe(true);
    const parameters = { mfa_token: waiting.mfaToken(), oob_code: message.oob_code, binding_code };
    await accepted(await waiting.exchange("oob", parameters));

    // The same number is recognised although its index was made with the retired key.
    await phone.enrollSms({ token: phone.provenToken() });
    const phones = await world.rows("SELECT id FROM authenticators WHERE user_id = ?", userId(phone));
    expect(phones).toHaveLength(1);
    expect(phones).not.toContainEqual({ id: sms.id });

    // Whatever was used since does not need the retired key any more.
    const { s2 } = rotated.seal.keys;
    await world.restart({ ENCRYPTION_KEYS: JSON.stringify({ ...rotated, seal: { use: "s2", keys: { s2 } } }) });
    await world.advance(2 * STEP_SECONDS);
    const later = totp(app.secret, world.now());
    await accepted(await first.exchange("otp", { mfa_token: first.mfaToken(), otp: later }));
  });

  test("what was sealed with a key nobody knows any more fails closed, and costs no guess", async () => {
    const { world } = stage;
    const person = stage.person();
    const { id, secret } = await person.enrollOtp();
    const sealed = await sealedOf(id);
    await world.rows("UPDATE authenticators SET sealed = ? WHERE id = ?", sealed.replace(/^s[0-9]/, "s9"), id);
    await world.advance(2 * STEP_SECONDS);
    for (let guess = 0; guess < 12; guess += 1) {
      const response = await person.exchange("otp", { mfa_token: person.mfaToken(), otp: totp(secret, world.now()) });
      expect([500, 503]).toContain(response.status);
    }
    await world.rows("UPDATE authenticators SET sealed = ? WHERE id = ?", sealed, id);
    await accepted(await person.exchange("otp", { mfa_token: person.mfaToken(), otp: totp(secret, world.now()) }));
  });
});

describe("signing keys", () => {
  test("a new one signs, the old one's tokens stay good while it is published, and not beyond", async () => {
    const { world } = stage;
    const audiences = [
      { audience: API, scopes: [] },
      { audience: MFA_AUDIENCE, scopes: ["enroll"] },
    ];
    const client = await stage.addClient({ audiences });
    const person = stage.person({ client });
    const enroll = { audience: MFA_AUDIENCE, scope: "enroll" };
    const { tokens, secret } = await person.enrollOtp({ token: person.mfaToken(enroll) });
    expect(decode(tokens.access_token).header.kid).toBe("main-1");

    const fresh = signingKey("next-1");
    const { d, p, q, dp, dq, qi, ...retired } = world.secrets.signing;
    const both = {
      SIGNING_KEY_NEXT: JSON.stringify(fresh),
      ACTIVE_SIGNING_KEY: "NEXT",
      SIGNING_KEY_MAIN: JSON.stringify(retired),
    };
    await world.restart(both);
    const kids = async () => (await (await world.fetch("/.well-known/jwks.json")).json()).keys.map(({ kid }) => kid).sort();
    expect(await kids()).toEqual(["main-1", "next-1"]);
    await accepted(await person.associateSms({ token: tokens.access_token }));
    await world.advance(2 * STEP_SECONDS);
    const parameters = { mfa_token: person.mfaToken(enroll), otp: totp(secret, world.now()) };
    const newer = await accepted(await person.exchange("otp", parameters));
    expect(decode(newer.access_token).header.kid).toBe("next-1");
    await accepted(await person.associateSms({ token: newer.access_token }));

    await world.restart({ SIGNING_KEY_MAIN: undefined });
    expect(await kids()).toEqual(["next-1"]);
    await refusedBearer(await person.associateSms({ token: tokens.access_token }));
    await accepted(await person.associateSms({ token: newer.access_token }));
  });
});

describe("a provider's secret under rotation", () => {
  test("signs beside the old one, so that a receiver with either accepts", async () => {
    const { world, webhook } = stage;
    const { webhook: mine } = world.secrets;
    const other = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
    for (const WEBHOOK_SECRET of [`${mine} ${other}`, `${other} ${mine}`]) {
      await world.restart({ WEBHOOK_SECRET });
      const person = stage.person();
      await accepted(await person.associateSms());
      await webhook.codeFor(person.number);
    }
  });
});
