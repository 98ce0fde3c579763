/** One fault at a time: what the platform underneath is documented to do, and what a client sees of it. */
import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { accepted, done, read, refused, refusedBearer } from "../support/answers.mjs";
import { useStage } from "../support/stage.mjs";
import { STEP_SECONDS, totp } from "../support/totp.mjs";
import { D1_ERRORS } from "./weather.mjs";

const COOL_DOWN_SECONDS = 30;
const names = "hanging-kv garbage-kv stale-kv rotated kidless ten-megabytes image endless both-down".split(" ");
const stage = useStage({ isolates: 2, issuers: [{}, ...names.map((name) => ({ name }))] });
const issuer = (name) => stage.issuers.find((each) => each.name === name);
const userId = (person) => `idp|${person.sub}`;

/** Answered as broken for now, with when to come again and without a word of what is broken. */
async function unavailable(response, { least = 1, most = 1 } = {}) {
  const seconds = Number(response.headers.get("retry-after"));
  expect(seconds).toBeGreaterThanOrEqual(least);
  expect(seconds).toBeLessThanOrEqual(most);
  const text = "The service is temporarily unavailable. Try again in a moment.";
  await refused(response, 503, "temporarily_unavailable", text);
}

describe.each(Object.entries(D1_ERRORS))("a database that is %s", (_, message) => {
  test.each(["before", "after"])("answers 503, %s it is done, and asked again does all of it", async (mode) => {
    const { world } = stage;
    const person = stage.person();
    const token = person.mfaToken();
    const key = { token, headers: { "idempotency-key": randomUUID() } };
    const broken = async (ask) => {
      await world.fail({ on: "DB", mode, times: 1e9, message });
      await unavailable(await ask());
      await world.heal();
      await world.settle();
      return ask();
    };
    const enrollment = await accepted(await broken(() => person.associateOtp(key)));
    const { id, secret, recovery_codes } = enrollment;
    const spent = [403, "invalid_grant", "mfa_token has already been used"];
    const exchange = (grant, parameters) => {
      const mfa_token = person.mfaToken();
      return () => person.exchange(grant, { mfa_token, ...parameters });
    };
    const ends = async (response) => (response.status === 200 ? accepted(response) : refused(response, ...spent));

    await ends(await broken(exchange("otp", { otp: totp(secret, world.now()) })));
    expect(await world.rows("SELECT id FROM authenticators WHERE user_id = ?", userId(person))).toEqual([{ id }]);
    expect(await world.rows("SELECT id FROM enrollments WHERE user_id = ?", userId(person))).toEqual([]);
    await world.advance(2 * STEP_SECONDS);
    await ends(await broken(exchange("otp", { otp: totp(secret, world.now()) })));
    const list = await accepted(await broken(() => person.list()));
    expect(list.map((each) => each.active)).toEqual([true, true]);
    const challenge = { mfa_token: person.mfaToken(), challenge_type: "otp" };
    await accepted(await broken(() => person.challenge(challenge)));
    await ends(await broken(exchange("recovery", { recovery_code: recovery_codes[0] })));
    const removed = await broken(() => person.remove(id));
    if (removed.status === 204) await done(removed);
    else await refused(removed, 404, "not_found", "The user has no such authenticator.");
    for (const table of ["authenticators", "enrollments", "recovery_codes"])
      expect(await world.rows(`SELECT * FROM ${table} WHERE user_id = ?`, userId(person))).toEqual([]);
  });
});

describe("a database that is slow", () => {
  test("delays the answer and changes nothing else", async () => {
    const { world } = stage;
    const person = stage.person();
    await world.fail({ on: "DB", mode: "slow", times: 1e9, milliseconds: 400 });
    const began = performance.now();
    const { enrollment } = await person.enrollOtp();
    expect(performance.now() - began).toBeGreaterThan(3 * 400);
    await world.heal();
    expect(await world.rows("SELECT id FROM authenticators WHERE user_id = ?", userId(person))).toEqual([{ id: enrollment.id }]);
  });

  test("for one request holds no other one of its isolate", async () => {
    const { world } = stage;
    const [slow, quick] = [stage.person(), stage.person()];
    const meanwhile = async () => accepted(await quick.associateOtp());
    await accepted(await world.during("INSERT OR REPLACE INTO enrollments", () => slow.associateOtp(), meanwhile));
  });

  test("and then gone, in the middle of a batch, leaves all of it or nothing", async () => {
    const { world } = stage;
    const person = stage.person();
    // The third statement cannot be done: the batch is one transaction.
    await world.rows("ALTER TABLE message_budgets RENAME TO elsewhere");
    const before = await world.dump(["enrollments", "deliveries"]);
    try {
      await unavailable(await person.associateSms());
    } finally {
      await world.rows("ALTER TABLE elsewhere RENAME TO message_budgets");
    }
    expect(await world.dump(["enrollments", "deliveries"])).toEqual(before);
    await accepted(await person.associateSms());
  });
});

describe("the cache of key sets", () => {
  const ask = (name, options) => stage.person({ issuer: issuer(name) }).associateOtp(options);

  test("that hangs keeps nobody waiting for longer than a second", async () => {
    await stage.world.fail({ on: "JWKS", mode: "hang", times: 1e9, matching: "get" });
    const began = performance.now();
    await accepted(await ask("hanging-kv"));
    expect(performance.now() - began).toBeLessThan(10_000);
    await stage.world.heal();
  });

  test("that has garbage is done without", async () => {
    const { world } = stage;
    const known = new Set((await world.kv.list()).keys.map(({ name }) => name));
    await accepted(await ask("garbage-kv"));
    await world.settle();
    const fresh = (await world.kv.list()).keys.map(({ name }) => name).filter((name) => !known.has(name));
    expect(fresh).toHaveLength(1);
    await world.kv.put(fresh[0], '{"keys": [{"kty": "oct"');
    await accepted(await ask("garbage-kv", { isolate: 1 }));
    expect(issuer("garbage-kv").fetches.keySet).toBe(2);
  });

  test("that is stale does not hide a new key: the issuer is asked", async () => {
    const from = issuer("stale-kv");
    await accepted(await ask("stale-kv"));
    await stage.world.settle();
    from.rotate();
    await accepted(await ask("stale-kv", { isolate: 1 }));
    expect(from.fetches.keySet).toBe(2);
  });
});

describe("an issuer", () => {
  /** It is not asked again before the cool-down has ended. */
  const unkeyed = (response) => unavailable(response, { least: COOL_DOWN_SECONDS - 15, most: COOL_DOWN_SECONDS });
  const ask = (from) => stage.person({ issuer: from }).associateOtp();

  test.each([
    ["rotated", {}],
    ["kidless", { kid: undefined }],
  ])("that cannot be reached for its new key (%s): its tokens are not called invalid", async (name, header) => {
    const { world } = stage;
    const from = issuer(name);
    const person = stage.person({ issuer: from });
    const known = from.key;
    await accepted(await person.associateOtp());
    await world.advance(COOL_DOWN_SECONDS + 1);
    from.rotate({ keep: true });
    await from.goDown();
    for (let tries = 0; tries < 2; tries += 1) {
      await unkeyed(await person.associateOtp({ token: person.mfaToken({}, header) }));
      await unkeyed(await person.challenge({ mfa_token: person.mfaToken({}, header) }));
      const parameters = { mfa_token: person.mfaToken({}, header), otp: "000000" };
      await unkeyed(await person.exchange("otp", parameters));
    }
    const claims = JSON.parse(Buffer.from(person.mfaToken().split(".")[1], "base64url"));
    const old = from.sign(claims, { typ: "mfa+jwt" }, known);
    await accepted(await person.associateOtp({ token: old }));
    await from.comeBack();
    await world.advance(COOL_DOWN_SECONDS + 1);
    await accepted(await person.associateOtp({ token: person.mfaToken({}, header) }));
    await refusedBearer(await person.associateOtp({ token: person.mfaToken({}, { kid: "nobody's" }) }));
  });

  test.each([
    ["ten-megabytes", { body: Buffer.alloc(10 * 1024 * 1024, 0x20) }],
    ["image", { body: Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 0xff]), headers: { "content-type": "image/png" } }],
  ])("that sends what is no key set (%s) is unavailable until it does", async (name, instead) => {
    const from = issuer(name);
    from.instead = instead;
    await unkeyed(await ask(from));
    from.instead = null;
    await stage.world.advance(COOL_DOWN_SECONDS + 1);
    await accepted(await ask(from));
  });

  test("whose answer never ends is given up", async () => {
    const from = issuer("endless");
    const [usual] = from.server.listeners("request");
    from.server.removeAllListeners("request");
    from.server.on("request", (_, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.write('{"keys": [');
      const more = setInterval(() => response.write(" "), 100);
      response.on("close", () => clearInterval(more));
    });
    const began = performance.now();
    await unkeyed(await ask(from));
    expect(performance.now() - began).toBeLessThan(10_000);
    from.server.removeAllListeners("request");
    from.server.on("request", usual);
    await stage.world.advance(COOL_DOWN_SECONDS + 1);
    await accepted(await ask(from));
  });

  test("that is down is done without where the cache is down as well", async () => {
    const { world } = stage;
    const from = issuer("both-down");
    await accepted(await ask(from));
    await world.advance(2 * 3600);
    await from.goDown();
    await world.fail({ on: "JWKS", times: 1e9 });
    await accepted(await ask(from));
    await world.heal();
    await from.comeBack();
  });
});

describe("a clock", () => {
  test.each([
    [50, 200],
    [-50, 200],
    [75, 401],
  ])("that is %i seconds off the issuer's is answered %i", async (seconds, status) => {
    const person = stage.person();
    const iat = stage.world.now() + seconds;
    const response = await person.associateOtp({ token: person.mfaToken({ iat, nbf: iat, exp: iat + 600 }) });
    if (status === 200) await accepted(response);
    else await refusedBearer(response);
  });
});

describe("what lies behind an answer", () => {
  test("that a removal was done and its answer lost: it is told as not there when it is asked for again", async () => {
    const { world } = stage;
    const person = stage.person();
    const { id } = await person.enrollOtp();
    await world.fail({ on: "DB", mode: "after", matching: "DELETE FROM authenticators", message: D1_ERRORS.lost });
    await unavailable(await person.remove(id));
    await world.heal();
    await refused(await person.remove(id), 404, "not_found", "The user has no such authenticator.");
    expect(await read(await person.list())).toEqual([]);
  });

  test("that a challenge was stored and its answer lost: its key gets it again, and one message arrives", async () => {
    const { world, webhook } = stage;
    const person = stage.person();
    await person.enrollSms();
    const before = webhook.messagesTo(person.number).length;
    const parameters = { mfa_token: person.mfaToken(), challenge_type: "oob" };
    const again = { headers: { "idempotency-key": randomUUID() } };
    await world.fail({ on: "DB", mode: "after", matching: "INTO challenges", message: D1_ERRORS.lost });
    await unavailable(await person.challenge(parameters, again));
    await world.heal();
    const { oob_code } = await accepted(await person.challenge(parameters, again));
    await world.advance(COOL_DOWN_SECONDS);
    await world.sweep();
    await world.delivered();
    expect(webhook.messagesTo(person.number)).toHaveLength(before + 1);
    const binding_code = webhook.messagesTo(person.number).at(-1).code;
    await accepted(await person.exchange("oob", { mfa_token: parameters.mfa_token, oob_code, binding_code }));
  });

  test("that a recovery code was replaced, and both answers lost: the old is dead, and none known", async () => {
    const { world } = stage;
    const person = stage.person();
    const { recoveryCode } = await person.enrollOtp();
    const parameters = { mfa_token: person.mfaToken(), recovery_code: recoveryCode };
    const lost = { on: "DB", mode: "after", times: 2, matching: "INSERT INTO redemptions", message: D1_ERRORS.lost };
    await world.fail(lost);
    await unavailable(await person.exchange("recovery", parameters));
    await world.heal();
    const spent = "mfa_token has already been used";
    await refused(await person.exchange("recovery", parameters), 403, "invalid_grant", spent);
    const old = { mfa_token: person.mfaToken(), recovery_code: recoveryCode };
    await refused(await person.exchange("recovery", old), 403, "invalid_grant", "MFA Authorization rejected.");
    expect(await world.rows("SELECT id FROM recovery_codes WHERE user_id = ?", userId(person))).toHaveLength(1);
  });
});
