/** Whatever comes in, the Worker answers: no 5xx, no panic, and the next request is served as ever. */
import { afterEach, describe, expect, test } from "vitest";
import { accepted } from "../support/answers.mjs";
import { encode } from "../support/jwt.mjs";
import { GRANT, freshNumber } from "../support/person.mjs";
import { useStage } from "../support/stage.mjs";

const stage = useStage();

afterEach(async () => {
  const bad = (await stage.world.logLines()).filter((line) => /panicked|RuntimeError|unreachable/.test(line));
  expect(bad).toEqual([]);
  await accepted(await stage.person().associateOtp());
});

/** Numbers that look random and are the same in every run (mulberry32). */
function dice(seed) {
  let state = seed;
  return (sides) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides;
  };
}

const TEXTS = [
  "",
  " ",
  "otp",
  "oob",
  "sms",
  "\u0000",
  "\ud83d\ude00",
  "e\u0301",
  "\u202e",
  "a".repeat(300),
  "Ａ",
  "ß",
  "İ",
  "--",
  "%00",
  "%",
  "{}",
  "[]",
  "null",
  "0",
  "-0",
  "1e400",
  "../..",
  "' OR 1=1 --",
  "+4915123456789",
  "a@b.example",
  "\ufeff",
  "\r\n",
  "😀".repeat(70),
  "|",
  "idp|x",
];
const NUMBERS = [0, -0, -1, 1.5, 123456, 1e21, 2 ** 53, -(2 ** 63), Number.MAX_VALUE, Number.MIN_VALUE];

function anything(roll, depth = 0) {
  switch (roll(depth > 3 ? 4 : 7)) {
    case 0:
      return TEXTS[roll(TEXTS.length)];
    case 1:
      return NUMBERS[roll(NUMBERS.length)];
    case 2:
      return roll(2) === 1;
    case 3:
      return null;
    case 4:
    case 5:
      return Array.from({ length: roll(4) }, () => anything(roll, depth + 1));
    default:
      return Object.fromEntries(Array.from({ length: roll(4) }, () => [TEXTS[roll(TEXTS.length)], anything(roll, depth + 1)]));
  }
}

/** `whole` with some members replaced by anything, and some taken away. */
function spoiled(whole, roll) {
  const members = Object.entries(whole).flatMap(([name, value]) => {
    const fate = roll(6);
    if (fate === 0) return [];
    return [[name, fate < 3 ? anything(roll) : value]];
  });
  return Object.fromEntries(members);
}

/** Answers are 200 or a refusal in the contract's form; never a 5xx. */
async function answered(response, what) {
  const text = await response.text();
  expect(response.status, `${what} → ${text}`).toBeLessThan(500);
  if (response.status !== 200) {
    const body = JSON.parse(text);
    expect(Object.keys(body).sort(), what).toEqual(["error", "error_description"]);
    expect([typeof body.error, typeof body.error_description], what).toEqual(["string", "string"]);
  }
}

async function inTurns(count, ask) {
  const turns = Array.from({ length: count }, (_, index) => index);
  while (turns.length > 0) await Promise.all(turns.splice(0, 20).map(ask));
}

describe.each([1, 2, 3])("a hundred spoiled requests (seed %i)", (seed) => {
  test("to /mfa/associate", async () => {
    const roll = dice(seed);
    await inTurns(100, async () => {
      const whole = {
        authenticator_types: ["otp", "oob"],
        oob_channels: ["sms", "voice", "email"],
        phone_number: freshNumber(),
        email: "ann@mail.example.com",
        client_id: stage.client.id,
        client_secret: "x",
        client_assertion: "a.b.c",
        client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        qr_svg: true,
      };
      const body = spoiled(whole, roll);
      await answered(await stage.person().associate(body), JSON.stringify(body));
    });
  });

  test("to /oauth/token", async () => {
    const roll = dice(seed + 100);
    const grants = Object.values(GRANT);
    await inTurns(100, async () => {
      const person = stage.person();
      const whole = {
        grant_type: grants[roll(3)],
        client_id: stage.client.id,
        mfa_token: person.mfaToken(),
        otp: "123456",
        oob_code: "x",
        binding_code: "123456",
        recovery_code: "A".repeat(24),
        audience: "https://api.example.com",
        scope: "openid",
      };
      const body = spoiled(whole, roll);
      await answered(await stage.world.post("/oauth/token", body), JSON.stringify(body));
    });
  });

  test("with bearers whose header and claims are anything", async () => {
    const roll = dice(seed + 200);
    await inTurns(100, async () => {
      const person = stage.person();
      const claims = JSON.parse(Buffer.from(person.mfaToken().split(".")[1], "base64url"));
      const header = spoiled({ alg: "RS256", typ: "mfa+jwt", kid: person.issuer.key.kid, crit: [] }, roll);
      const signed = roll(2) === 0 ? person.mfaToken(spoiled(claims, roll)) : null;
      const token = signed ?? `${encode(header)}.${encode(spoiled(claims, roll))}.${encode(String(anything(roll)))}`;
      await answered(await person.associate({ authenticator_types: ["otp"] }, { token }), token);
    });
  });

  test("of bytes that are nothing", async () => {
    const roll = dice(seed + 300);
    await inTurns(100, async () => {
      const bytes = Uint8Array.from({ length: roll(200) }, () => roll(256));
      const type = ["application/json", "application/x-www-form-urlencoded"][roll(2)];
      const path = ["/mfa/associate", "/oauth/token"][roll(2)];
      const headers = { "content-type": type, authorization: `Bearer ${stage.person().mfaToken()}` };
      const response = await stage.world.fetch(path, { method: "POST", body: bytes, headers });
      await answered(response, `${path} ${type} ${Buffer.from(bytes).toString("hex")}`);
    });
  });
});

test.each(["PROPFIND", "REPORT", "SEARCH"])("the method %s is refused like any other wrong one", async (method) => {
  const response = await stage.world.fetch("/mfa/associate", { method });
  expect(response.status).toBe(405);
});

test.each(["/mfa/associat%65", "/mfa/associate%00", "/%", "/%ff", "/mfa/associate;x", `/.${"x".repeat(8000)}`, "/oauth/token/"])(
  "the path %s is unknown",
  async (path) => {
    const response = await stage.world.fetch(path, {
      method: "POST",
      body: "{}",
      headers: { "content-type": "application/json" },
    });
    expect(response.status).toBe(404);
    await answered(response, path);
  },
);

test.each([
  ["content-type", 'application/json; charset="', 400],
  ["content-type", ";", 415],
  ["origin", "\u00e9", 400],
  ["authorization", "Bearer \u00e9", 401],
  ["authorization", `Bearer ${"a".repeat(9000)}`, 401],
  ["authorization", `Basic ${"a".repeat(9000)}`, 401],
])("the header %s: %j is no reason to stumble", async (name, value, status) => {
  const response = await stage.person().associate({}, { headers: { [name]: value } });
  expect(response.status).toBe(status);
  await answered(response, name);
});
