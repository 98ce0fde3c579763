/** POST /mfa/associate, refused: every bad input gets the contract's error, in the contract's order, and stores nothing. */
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { accepted, read, refused, refusedBearer } from "../support/answers.mjs";
import { freshNumber, random } from "../support/person.mjs";
import { useStage } from "../support/stage.mjs";

const LIMIT_BYTES = 64 * 1024;
const stage = useStage();

let before;
let allow = false;
beforeAll(async () => {
  await accepted(await stage.person().associateOtp());
  before = await stage.world.dump();
});
afterEach(async () => {
  const [earlier, now] = [before, await stage.world.dump()];
  before = now;
  // A test that stores something on purpose says so.
  if (!allow) expect(now, "what is stored").toEqual(earlier);
  allow = false;
});

const raw = (body, headers = {}) => stage.person().associate(body, { headers });

describe("the body", () => {
  const NOT_AN_OBJECT = "The request body must be a JSON object.";

  test.each([
    ["nothing", ""],
    ["half an object", '{"authenticator_types":["otp"]'],
    ["an object and more", '{"authenticator_types":["otp"]} x'],
    ["two objects", '{"authenticator_types":["otp"]}{}'],
    ["a form", "authenticator_types=otp"],
    ["an array", '["otp"]'],
    ["a string", '"otp"'],
    ["a number", "1"],
    ["null", "null"],
    ["single quotes", "{'authenticator_types':['otp']}"],
    ["half a surrogate pair", '{"authenticator_types":["otp"],"x":"\\ud800"}'],
    ["a control character in a string", '{"authenticator_types":["otp"],"x":"a\u0001"}'],
    ["a hundred thousand brackets", "[".repeat(60_000)],
    ["an object nested too deeply", `{"x":${"[".repeat(30_000)}${"]".repeat(30_000)}}`],
    ["UTF-16", new Uint8Array(Buffer.from('{"authenticator_types":["otp"]}', "utf16le"))],
  ])("that is %s is refused", async (_, body) => {
    await refused(await raw(body), 400, "invalid_request", NOT_AN_OBJECT);
  });

  test.each([
    [
      "in a string",
      Buffer.concat([Buffer.from('{"authenticator_types":["otp"],"x":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]),
    ],
    ["in a name", Buffer.concat([Buffer.from('{"authenticator_types":["otp"],"'), Buffer.from([0xc3]), Buffer.from('":1}')])],
    ["anywhere", Buffer.from([0x80])],
  ])("with bytes that are not UTF-8 %s is refused", async (_, body) => {
    await refused(await raw(new Uint8Array(body)), 400, "invalid_request", "The request body is not valid UTF-8.");
  });

  test.each([
    ["a parameter", '{"authenticator_types":["otp"],"authenticator_types":["otp"]}', "authenticator_types"],
    ["one spelled with escapes", '{"authenticator_types":["otp"],"\\u0061uthenticator_types":["otp"]}', "authenticator_types"],
    ["an optional one", '{"email":"a@b.example","email":"c@d.example","authenticator_types":["otp"]}', "email"],
  ])("that says %s twice is refused", async (_, body, name) => {
    await refused(await raw(body), 400, "invalid_request", `Duplicate parameter: ${name}`);
  });

  test.each([
    ["text/plain", { "content-type": "text/plain" }],
    ["a form's", { "content-type": "application/x-www-form-urlencoded" }],
    ["only like JSON's", { "content-type": "application/jsonp" }],
    ["JSON's as a parameter", { "content-type": "text/plain; application/json" }],
  ])("whose content type is %s is refused", async (_, headers) => {
    await refused(await raw({ authenticator_types: ["otp"] }, headers), 415, "unsupported_media_type");
  });

  test("without a content type is refused", async () => {
    const person = stage.person();
    const body = new Uint8Array(Buffer.from('{"authenticator_types":["otp"]}'));
    const headers = { authorization: `Bearer ${person.mfaToken()}` };
    await refused(await stage.world.fetch("/mfa/associate", { method: "POST", body, headers }), 415, "unsupported_media_type");
  });

  test.each([
    "application/json",
    "application/json; charset=utf-8",
    "Application/JSON;charset=UTF-8",
    'application/json ; charset="utf-8"',
  ])("of content type %s is read", async (type) => {
    allow = true;
    await accepted(await raw({ authenticator_types: ["otp"] }, { "content-type": type }));
  });

  const padded = (bytes) => {
    const empty = JSON.stringify({ authenticator_types: ["otp"], padding: "" });
    return JSON.stringify({ authenticator_types: ["otp"], padding: "x".repeat(bytes - empty.length) });
  };

  test("of exactly 64 KB is read", async () => {
    allow = true;
    await accepted(await raw(padded(LIMIT_BYTES)));
  });

  test("of one byte more is refused", async () => {
    await refused(await raw(padded(LIMIT_BYTES + 1)), 413, "payload_too_large");
  });

  test("of one byte more is refused when it does not say its length, too", async () => {
    const person = stage.person();
    const chunks = padded(LIMIT_BYTES + 1).match(/.{1,4096}/g);
    const body = new ReadableStream({
      pull(controller) {
        const chunk = chunks.shift();
        if (chunk === undefined) controller.close();
        else controller.enqueue(Buffer.from(chunk));
      },
    });
    const headers = { authorization: `Bearer ${person.mfaToken()}`, "content-type": "application/json" };
    const response = await stage.world.fetch("/mfa/associate", { method: "POST", body, duplex: "half", headers });
    await refused(response, 413, "payload_too_large");
  });
});

describe("a parameter", () => {
  const sms = { authenticator_types: ["oob"], oob_channels: ["sms"] };
  const mail = { authenticator_types: ["oob"], oob_channels: ["email"] };
  const otp = { authenticator_types: ["otp"] };
  const phone = { phone_number: "+4915100000000" };

  test.each([
    ["authenticator_types", {}],
    ["oob_channels", { authenticator_types: ["oob"] }],
    ["phone_number", sms],
    ["phone_number", { authenticator_types: ["oob"], oob_channels: "voice" }],
    ["email", mail],
  ])("%s is missed in %o", async (name, body) => {
    await refused(await raw(body), 400, "invalid_request", `Missing required parameter: ${name}`);
  });

  const wrongTypes = (expected, name, body, values) =>
    values.map((value) => [name, JSON.stringify(value), { ...body, [name]: value }, `${name} must be ${expected}`]);
  test.each([
    ...wrongTypes("an array of strings", "authenticator_types", {}, [null, "otp", 1, {}, [1], [null], [["otp"]]]),
    ...wrongTypes("an array of strings", "oob_channels", { authenticator_types: ["oob"], ...phone }, [
      null,
      1,
      {},
      [1],
      [null],
      true,
    ]),
    ...wrongTypes("a string", "phone_number", sms, [null, 4915100000000, ["+4915100000000"], {}]),
    ...wrongTypes("a string", "email", mail, [null, 1, ["a@b.example"]]),
    ...wrongTypes("a string", "client_id", otp, [null, 1]),
    ...wrongTypes("a string", "client_secret", otp, [null, 1]),
    ...wrongTypes("a string", "client_assertion", otp, [null, 1]),
    ...wrongTypes("a string", "client_assertion_type", otp, [null, 1]),
  ])("%s may not be %s", async (_name, _type, body, description) => {
    await refused(await raw(body), 400, "invalid_request", description);
  });

  test.each([
    ["no authenticator type", { authenticator_types: [] }],
    ["an unknown authenticator type", { authenticator_types: ["webauthn"] }],
    ["an authenticator type in capitals", { authenticator_types: ["OTP"] }],
    ["a recovery code as authenticator type", { authenticator_types: ["recovery-code"] }],
    ["no channel", { authenticator_types: ["oob"], oob_channels: [], ...phone }],
    ["an empty channel", { authenticator_types: ["oob"], oob_channels: "", ...phone }],
    ["an unknown channel", { authenticator_types: ["oob"], oob_channels: ["fax"], ...phone }],
    ["channels in one string", { authenticator_types: ["oob"], oob_channels: "sms voice", ...phone }],
    ["a QR code that is not asked for by true or false", { authenticator_types: ["otp"], qr_svg: "yes" }],
  ])("may not be %s", async (_, body) => {
    await refused(await raw(body), 400, "invalid_request");
  });

  test.each([[["auth0"]], ["auth0"]])("may not ask for push as %o: it is not enabled", async (oob_channels) => {
    await refused(await raw({ authenticator_types: ["oob"], oob_channels }), 400, "invalid_request", / is not enabled\.$/);
  });

  test("phone_number may not be empty", async () => {
    await refused(await raw({ ...sms, phone_number: "" }), 400, "invalid_request", /phone_number|phone number/);
  });

  test("email may not be empty", async () => {
    await refused(await raw({ ...mail, email: "" }), 400, "invalid_request", /email/);
  });

  test.each([
    "+",
    "00",
    "4915123456789",
    "015123456789",
    "+1234567890123456",
    "++4915123456789",
    "+49+15123456789",
    "+49.151.23456789",
    "+49/151/23456789",
    "+49151CALLME",
    "+49151 23456789 ext 5",
    "tel:+4915123456789",
    "+49151\u0662\u0663\u0664\u0665\u0666\u0667",
    "+4915123456789\n",
    "+4915123456789,+4915123456780",
    "sms",
  ])("phone_number may not be %j", async (phone_number) => {
    await refused(await raw({ ...sms, phone_number }), 400, "invalid_request", "The phone number is invalid.");
  });

  test.each([
    "ann",
    "ann@",
    "@mail.example.com",
    "ann@mail@example.com",
    "an n@mail.example.com",
    "ann@mail .example.com",
    "ann@mail.example.com\r\nBcc: eve@mail.example.com",
    "ann@mail.example.com,eve@mail.example.com",
    "Ann <ann@mail.example.com>",
    `${"a".repeat(250)}@mail.example.com`,
  ])("email may not be %j", async (email) => {
    await refused(await raw({ ...mail, email }), 400, "invalid_request", "The email address is invalid.");
  });
});

describe("the bearer", () => {
  const body = { authenticator_types: ["otp"] };
  test.each([
    ["is missing", () => undefined],
    ["is empty", () => "Bearer "],
    ["is of another scheme", (token) => `Token ${token}`],
    ["is Basic", () => `Basic ${Buffer.from("a:b").toString("base64")}`],
    ["is two tokens", (token) => `Bearer ${token} ${token}`],
    ["is a list", (token) => `Bearer ${token}, Bearer ${token}`],
  ])("that %s is refused", async (_, authorization) => {
    const person = stage.person();
    const value = authorization(person.mfaToken());
    const headers = value === undefined ? {} : { authorization: value };
    await refusedBearer(await stage.world.post("/mfa/associate", body, { headers }));
  });

  test("in the query is not looked at", async () => {
    const token = stage.person().mfaToken();
    await refusedBearer(await stage.world.post(`/mfa/associate?access_token=${token}&mfa_token=${token}`, body));
  });

  test.each(["bearer", "BEARER"])("has its scheme compared without regard to case: %s", async (scheme) => {
    allow = true;
    const headers = { authorization: `${scheme} ${stage.person().mfaToken()}` };
    await accepted(await stage.world.post("/mfa/associate", body, { headers }));
  });
});

describe("the route", () => {
  test.each(["GET", "PUT", "PATCH", "DELETE"])("does not take %s and says what it takes", async (method) => {
    const response = await stage.world.fetch("/mfa/associate", { method });
    await refused(response, 405, "method_not_allowed");
    expect(response.headers.get("allow").split(/\s*,\s*/)).toContain("POST");
    expect(response.headers.get("allow")).not.toMatch(/GET|PUT|PATCH|DELETE/);
  });

  test("answers HEAD without a body", async () => {
    const response = await stage.world.fetch("/mfa/associate", { method: "HEAD" });
    expect(response.status).toBe(405);
    expect(await response.text()).toBe("");
  });

  test.each([
    "/mfa",
    "/mfa/",
    "/mfa/associate/",
    "/mfa/associate/x",
    "/MFA/associate",
    "/mfa//associate",
    "/nowhere",
    "/__proto__",
  ])("%s is unknown", async (path) => {
    const response = await stage.world.post(path, { authenticator_types: ["otp"] });
    const body = JSON.parse(await response.text());
    expect({ status: response.status, error: body.error }).toEqual({ status: 404, error: "not_found" });
    expect(response.headers.get("content-type")).toMatch(/^application\/json\b/);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(response.headers.get("x-request-id")).toBeTruthy();
  });

  test("gives each answer a request id of its own", async () => {
    const ids = await Promise.all(
      Array.from({ length: 20 }, async () => (await stage.world.fetch("/mfa/associate")).headers.get("x-request-id")),
    );
    expect(new Set(ids).size).toBe(20);
  });
});

describe("the order of the checks is", () => {
  test("method before size", async () => {
    const response = await stage.world.fetch("/mfa/associate", { method: "PUT", body: "x".repeat(LIMIT_BYTES + 1) });
    await refused(response, 405, "method_not_allowed");
  });

  test("size before content type", async () => {
    await refused(await raw("x".repeat(LIMIT_BYTES + 1), { "content-type": "text/plain" }), 413, "payload_too_large");
  });

  test("content type before bearer", async () => {
    const headers = { "content-type": "text/plain", authorization: "Bearer x" };
    await refused(await stage.world.post("/mfa/associate", "x", { headers }), 415, "unsupported_media_type");
  });

  test("bearer before body", async () => {
    await refusedBearer(await stage.world.post("/mfa/associate", "{", { headers: { authorization: "Bearer x" } }));
  });

  test("body before client", async () => {
    const body = { client_id: stage.client.id, client_secret: "wrong" };
    await refused(await raw(body), 400, "invalid_request", "Missing required parameter: authenticator_types");
  });

  test("client before scope", async () => {
    const client = await stage.addClient({ authentication: "post" });
    allow = true;
    const person = stage.person({ client });
    const body = { authenticator_types: ["otp"], client_id: client.id, client_secret: "wrong" };
    await refused(
      await person.associate(body, { token: person.accessToken({ scope: "" }) }),
      401,
      "access_denied",
      "Unauthorized",
    );
  });

  test("scope before enrolled", async () => {
    allow = true;
    const person = stage.person();
    await person.enrollOtp();
    await refused(await person.associateOtp({ token: person.accessToken({ scope: "other" }) }), 403, "insufficient_scope");
  });

  test("enrolled before quota", async () => {
    allow = true;
    const person = stage.person();
    for (let count = 0; count < 10; count += 1) await accepted(await person.associateSms());
    await stage.world.delivered();
    await person.enrollOtp();
    await refused(await person.associateSms(), 403, "access_denied", "User is already enrolled.");
  });
});

test("nothing that looks like a path, a name or SQL in a value is taken for one", async () => {
  allow = true;
  const sub = `'; DROP TABLE clients; -- ${random()} "\\ %00 <b> \u202e`;
  const person = stage.person({ sub, claims: { name: "'\"<script>alert(1)</script>" } });
  const { barcode_uri } = await accepted(await person.associateOtp());
  expect(barcode_uri).not.toMatch(/[<>"'\s]/);
  await accepted(await person.associate({ authenticator_types: ["oob"], oob_channels: ["sms"], phone_number: freshNumber() }));
  await stage.world.delivered();
  expect((await stage.world.rows("SELECT count(*) AS n FROM clients"))[0].n).toBeGreaterThan(0);
});

test("an answer is read the same way whether accepted or refused", async () => {
  await read(await raw({}));
});
