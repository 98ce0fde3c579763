/** Mails by Amazon SES: signed, in their published form, with their documented errors, and who steps in. */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { accepted } from "../support/answers.mjs";
import { until } from "../support/poll.mjs";
import {
  ACCESS_KEY_ID,
  CONFIGURATION_SET,
  REGION,
  SECRET_ACCESS_KEY,
  Ses,
  sesError,
  signature,
} from "../support/providers/ses.mjs";
import { alerts, waiting as waitingOn } from "../support/providers/waiting.mjs";
import { Stage } from "../support/stage.mjs";

const NAME = "Bäckerei Söhne und Töchter, die es schon sehr lange gibt";
const stage = new Stage();
let ses;

const variables = () => ({
  SES_REGION: REGION,
  SES_ACCESS_KEY_ID: ACCESS_KEY_ID,
  SES_SECRET_ACCESS_KEY: SECRET_ACCESS_KEY,
  SES_URL: ses.url,
  SES_CONFIGURATION_SET: CONFIGURATION_SET,
  EMAIL_FROM: `${NAME} <codes@example.com>`,
});

beforeAll(async () => {
  ses = await Ses.start();
  await stage.set([{}], { vars: variables(), consume: false });
  ses.times = () => stage.world.times();
});
afterAll(async () => {
  await stage.clear();
  await ses.stop();
});
beforeEach(async () => {
  ses.recover();
  // Breakers forget nothing but time.
  await stage.world.advance(61);
});

const waiting = () => waitingOn(stage, "email");

test("a code comes as mail by SES, signed, as text and HTML, with no code in the subject, and confirms", async () => {
  const { to, row, confirm, deliver } = await waiting();
  await deliver();
  const { from, address, set, subject, text, html, code } = await ses.messageFor(to);
  expect({ from, address, set }).toEqual({ from: NAME, address: "codes@example.com", set: CONFIGURATION_SET });
  expect(subject).not.toContain(code);
  for (const part of [text, html]) expect(part).toContain(code);
  expect(await row()).toEqual({ state: "sent", provider: "ses", failure: null, cleared: 1 });
  await accepted(await confirm(code));
});

describe("when SES cannot", () => {
  test.each([
    ["is down", { status: 503, body: {} }],
    ["is too busy", sesError(429, "TooManyRequestsException")],
    ["sends too fast", sesError(400, "LimitExceededException", "Maximum sending rate exceeded.")],
    ["has used up the day's mails", sesError(400, "LimitExceededException", "Daily message quota exceeded.")],
    ["does not like the content", sesError(400, "MessageRejected", "…")],
    ["does not like the request", sesError(400, "BadRequestException", "…")],
    ["breaks the connection", "reset"],
  ])("because it %s, the webhook steps in, and nobody is alerted", async (_, answer) => {
    const { to, row, deliver } = await waiting();
    const before = (await alerts(stage)).length;
    ses.next(answer);
    const { retryMessages } = await deliver();
    expect(retryMessages).toEqual([]);
    expect(stage.webhook.messagesTo(to)).toHaveLength(1);
    expect(await row()).toMatchObject({ state: "sent", provider: "webhook" });
    expect(await alerts(stage)).toHaveLength(before);
  });

  test.each([
    [
      "MessageRejected",
      400,
      "Email address is not verified. The following identities failed the check in region x: ada@example.com",
    ],
    ["MailFromDomainNotVerifiedException", 400],
    ["AccountSuspendedException", 400],
    ["SendingPausedException", 400],
    ["NotFoundException", 404, "Configuration set <codes> does not exist."],
    ["AccessDeniedException", 403],
    ["InvalidSignatureException", 403],
  ])("because of %s, the webhook steps in and the operator is alerted", async (type, status, message) => {
    const { to, deliver } = await waiting();
    const reason = `status ${status}, ${type}"`;
    const before = (await alerts(stage, reason)).length;
    ses.next(sesError(status, type, message));
    await deliver();
    expect(stage.webhook.messagesTo(to)).toHaveLength(1);
    expect((await alerts(stage, reason)).length).toBeGreaterThan(before);
    expect(await alerts(stage, "ada@example.com")).toEqual([]);
  });

  test("because it does not answer, the webhook steps in after ten seconds", async () => {
    const { to, deliver } = await waiting();
    ses.next("hang");
    await deliver();
    expect(stage.webhook.messagesTo(to)).toHaveLength(1);
    ses.release();
  }, 30_000);

  test("answer at once, it is waited for", async () => {
    const { to, row, deliver } = await waiting();
    ses.next("hang");
    const delivered = deliver();
    await until("the request is held", () => ses.held === 1);
    await pause(3000);
    ses.release();
    await delivered;
    expect(stage.webhook.messagesTo(to)).toEqual([]);
    expect(await row()).toMatchObject({ state: "sent", provider: "ses" });
  });
});

test.each([
  ["another secret", { SES_SECRET_ACCESS_KEY: "x".repeat(40) }, "InvalidSignatureException"],
  ["another key", { SES_ACCESS_KEY_ID: "AKIAOTHER" }, "UnrecognizedClientException"],
  ["another region", { SES_REGION: "us-east-1" }, "InvalidSignatureException"],
  ["a sender that is not verified", { EMAIL_FROM: "codes@example.org" }, "MessageRejected"],
  ["a configuration set that does not exist", { SES_CONFIGURATION_SET: "other" }, "NotFoundException"],
])("with %s the code waits for the operator", async (_, vars, type) => {
  const alone = new Stage();
  const off = { WEBHOOK_URL: undefined, WEBHOOK_SECRET: undefined };
  await alone.set([{}], { vars: { ...variables(), ...off, ...vars }, consume: false });
  try {
    ses.times = () => [...stage.world.times(), ...alone.world.times()];
    const { row, deliver } = await waitingOn(alone, "email");
    const { retryMessages } = await deliver();
    expect(retryMessages).toHaveLength(1);
    expect(await row()).toMatchObject({ state: "waiting", failure: expect.stringMatching(`^ses: status 40., ${type}$`) });
  } finally {
    await alone.clear();
  }
});

test("no code, address or credential stands in the log", async () => {
  const lines = (await stage.world.logLines()).join("\n");
  const told = ses.accepted.flatMap(({ to, code }) => [to, code]);
  expect(told.length).toBeGreaterThan(2);
  for (const secret of [...told, SECRET_ACCESS_KEY]) expect(lines).not.toContain(secret);
});

describe("the double is strict", () => {
  const path = "/v2/email/outbound-emails";
  const part = (Data) => ({ Data, Charset: "UTF-8" });
  const mail = ({ simple, ...more } = {}) => ({
    FromEmailAddress: "codes@example.com",
    Destination: { ToAddresses: ["a@example.com"] },
    Content: { Simple: { Subject: part("s"), Body: { Text: part("t") }, ...simple } },
    ...more,
  });
  const stamp = (at) => new Date(at * 1000).toISOString().replace(/[-:]|\.\d+/g, "");

  /** Asks with a right signature, of which `forged` changes parts: of what is signed, or of what is sent. */
  const ask = async ({ body = mail(), method = "POST", at = path, signed = {}, sent = {}, names, shift = 0, ...forged } = {}) => {
    const time = forged.time ?? stamp(stage.world.now() + shift);
    const scope = forged.scope ?? [time.slice(0, 8), REGION, "ses", "aws4_request"];
    const signedHeaders = names ?? ["content-type", "host", "x-amz-date"];
    const headers = { "content-type": "application/json", host: new URL(ses.url).host, "x-amz-date": time };
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const parts = { method, path: at, headers, body: text, signedHeaders, scope, time, secret: SECRET_ACCESS_KEY };
    const value = signature({ ...parts, ...signed });
    const credential = [forged.key ?? ACCESS_KEY_ID, ...scope].join("/");
    const authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${signedHeaders.join(";")}, Signature=${value}`;
    const all = { "content-type": "application/json", "x-amz-date": time, authorization, ...sent };
    const response = await fetch(ses.url + at, {
      method,
      headers: JSON.parse(JSON.stringify(all)),
      body: forged.altered ?? text,
    });
    return { status: response.status, type: response.headers.get("x-amzn-errortype"), ...(await response.json()) };
  };

  test("and takes what is right", async () => {
    expect(await ask()).toMatchObject({ status: 200, MessageId: expect.any(String) });
    expect(await ask({ body: mail({ ConfigurationSetName: CONFIGURATION_SET }) })).toMatchObject({ status: 200 });
  });

  test.each([
    ["without a signature", { sent: { authorization: undefined } }, "MissingAuthenticationTokenException"],
    ["with another algorithm", { sent: { authorization: "AWS3 x" } }, "IncompleteSignatureException"],
    ["without its time", { sent: { "x-amz-date": undefined } }, "IncompleteSignatureException"],
    ["with another key", { key: "AKIAOTHER" }, "UnrecognizedClientException"],
    ["signed with another secret", { signed: { secret: "x" } }, "InvalidSignatureException"],
    ["signed for another path", { signed: { path: "/" } }, "InvalidSignatureException"],
    ["signed for another method", { signed: { method: "GET" } }, "InvalidSignatureException"],
    [
      "signed for another body",
      { altered: JSON.stringify(mail({ simple: { Subject: part("x") } })) },
      "InvalidSignatureException",
    ],
    [
      "signed for another host",
      { signed: { headers: { host: "x", "content-type": "application/json" } } },
      "InvalidSignatureException",
    ],
    ["whose host is not signed", { names: ["content-type", "x-amz-date"] }, "InvalidSignatureException"],
    ["whose time is not signed", { names: ["content-type", "host"] }, "InvalidSignatureException"],
    ["whose headers are not in order", { names: ["host", "content-type", "x-amz-date"] }, "InvalidSignatureException"],
    ["with a header of AWS's that is not signed", { sent: { "x-amz-target": "x" } }, "InvalidSignatureException"],
    ["that is ten minutes old", { shift: -600 }, "InvalidSignatureException"],
    ["that is from the future", { shift: 600 }, "InvalidSignatureException"],
    ["of another day", { scope: ["20150830", REGION, "ses", "aws4_request"] }, "InvalidSignatureException"],
    ["to another place", { at: "/v2/email/other" }, "UnknownOperationException"],
    ["that is no JSON", { body: "<" }, "SerializationException"],
    ["without a sender", { body: mail({ FromEmailAddress: undefined }) }, "BadRequestException"],
    ["from nobody", { body: mail({ FromEmailAddress: "nobody" }) }, "BadRequestException"],
    [
      "whose sender's name is not encoded",
      { body: mail({ FromEmailAddress: "Bäcker <codes@example.com>" }) },
      "BadRequestException",
    ],
    ["without a recipient", { body: mail({ Destination: { ToAddresses: [] } }) }, "BadRequestException"],
    ["without a destination", { body: mail({ Destination: undefined }) }, "BadRequestException"],
    ["to nobody", { body: mail({ Destination: { ToAddresses: ["nobody"] } }) }, "BadRequestException"],
    ["without content", { body: mail({ Content: undefined }) }, "BadRequestException"],
    ["without a subject", { body: mail({ simple: { Subject: undefined } }) }, "BadRequestException"],
    ["without a body", { body: mail({ simple: { Body: {} } }) }, "BadRequestException"],
    ["whose charset is left out", { body: mail({ simple: { Subject: { Data: "ü" } } }) }, "BadRequestException"],
    ["with a member that is none", { body: mail({ Subject: "x" }) }, "BadRequestException"],
    ["with an unknown configuration set", { body: mail({ ConfigurationSetName: "x" }) }, "NotFoundException"],
    ["from somebody who is not verified", { body: mail({ FromEmailAddress: "a@example.org" }) }, "MessageRejected"],
  ])("and refuses a mail %s", async (_, request, type) => {
    const before = ses.accepted.length;
    const answer = await ask(request);
    expect(answer.type).toBe(type);
    expect(ses.accepted).toHaveLength(before);
  });

  test("and signs as the examples of AWS's test suite", () => {
    const scope = ["20150830", "us-east-1", "service", "aws4_request"];
    const time = "20150830T123600Z";
    const headers = { host: "example.amazonaws.com", "x-amz-date": time };
    const common = { path: "/", scope, time, secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" };
    const get = { method: "GET", headers, body: "", signedHeaders: ["host", "x-amz-date"], ...common };
    expect(signature(get)).toBe("5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
    const form = {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
      body: "Param1=value1",
      signedHeaders: ["content-type", "host", "x-amz-date"],
    };
    expect(signature({ ...form, ...common })).toBe("ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a");
  });
});
