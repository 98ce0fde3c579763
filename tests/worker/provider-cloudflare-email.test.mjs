/** Mails by Cloudflare Email Service: by its binding, with its documented errors, and who steps in. */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { accepted } from "../support/answers.mjs";
import { until } from "../support/poll.mjs";
import { CloudflareEmail, emailError } from "../support/providers/cloudflare-email.mjs";
import { alerts, waiting as waitingOn } from "../support/providers/waiting.mjs";
import { Stage } from "../support/stage.mjs";

const stage = new Stage();
let email;

beforeAll(async () => {
  email = await CloudflareEmail.start();
  const vars = { CLOUDFLARE_EMAIL: "on", EMAIL_FROM: "Bäckerei Söhne <codes@example.com>" };
  await stage.set([{}], { vars, email: email.url, consume: false });
});
afterAll(async () => {
  await stage.clear();
  await email.stop();
});
beforeEach(async () => {
  email.recover();
  // Breakers forget nothing but time.
  await stage.world.advance(61);
});

const waiting = () => waitingOn(stage, "email");

test("a code comes as mail by the binding, as text and HTML, with no code in the subject, and confirms", async () => {
  const { to, row, confirm, deliver } = await waiting();
  await deliver();
  const { from, subject, text, html, code } = await email.messageFor(to);
  expect(from).toEqual({ email: "codes@example.com", name: "Bäckerei Söhne" });
  expect(subject).not.toContain(code);
  for (const part of [text, html]) expect(part).toContain(code);
  expect(await row()).toEqual({ state: "sent", provider: "cloudflare", failure: null, cleared: 1 });
  await accepted(await confirm(code));
});

describe("when Email Service cannot", () => {
  test.each([
    ["is not available", emailError("E_INTERNAL_SERVER_ERROR")],
    ["is too busy", emailError("E_RATE_LIMIT_EXCEEDED")],
    ["has used up the day's mails", emailError("E_DAILY_LIMIT_EXCEEDED")],
    ["has the address on its list", emailError("E_RECIPIENT_SUPPRESSED")],
    ["is refused by the recipient's server", emailError("E_DELIVERY_FAILED")],
    ["does not like the form", emailError("E_VALIDATION_ERROR")],
    ["throws something unknown", emailError("E_ADA")],
    ["throws without a code", emailError(undefined)],
    ["breaks the connection", "reset"],
  ])("because it %s, the webhook steps in, and nobody is alerted", async (_, answer) => {
    const { to, row, deliver } = await waiting();
    const before = (await alerts(stage)).length;
    email.next(answer);
    const { retryMessages } = await deliver();
    expect(retryMessages).toEqual([]);
    expect(stage.webhook.messagesTo(to)).toHaveLength(1);
    expect(await row()).toMatchObject({ state: "sent", provider: "webhook" });
    expect(await alerts(stage)).toHaveLength(before);
  });

  test.each(["E_SENDER_NOT_VERIFIED", "E_SENDER_DOMAIN_NOT_AVAILABLE", "E_RECIPIENT_NOT_ALLOWED"])(
    "because of %s, the webhook steps in and the operator is alerted",
    async (code) => {
      const { to, deliver } = await waiting();
      const before = (await alerts(stage, code)).length;
      email.next(emailError(code));
      await deliver();
      expect(stage.webhook.messagesTo(to)).toHaveLength(1);
      expect((await alerts(stage, code)).length).toBeGreaterThan(before);
      expect(await alerts(stage, "ada@example.com")).toEqual([]);
    },
  );

  test("because it does not answer, the webhook steps in after ten seconds", async () => {
    const { to, deliver } = await waiting();
    email.next("hang");
    await deliver();
    expect(stage.webhook.messagesTo(to)).toHaveLength(1);
    email.release();
  }, 30_000);

  test("answer at once, it is waited for", async () => {
    const { to, row, deliver } = await waiting();
    email.next("hang");
    const delivered = deliver();
    await until("the mail is held", () => email.held === 1);
    await pause(3000);
    email.release();
    await delivered;
    expect(stage.webhook.messagesTo(to)).toEqual([]);
    expect(await row()).toMatchObject({ state: "sent", provider: "cloudflare" });
  });

  test("and nobody else carries mail, the code waits and says why", async () => {
    const alone = new Stage();
    const vars = { CLOUDFLARE_EMAIL: "on", EMAIL_FROM: "codes@example.org", WEBHOOK_URL: undefined, WEBHOOK_SECRET: undefined };
    await alone.set([{}], { vars, email: email.url, consume: false });
    try {
      const { row, deliver } = await waitingOn(alone, "email");
      const { retryMessages } = await deliver();
      expect(retryMessages).toHaveLength(1);
      const failure = "cloudflare: E_SENDER_DOMAIN_NOT_AVAILABLE";
      expect(await row()).toEqual({ state: "waiting", provider: null, failure, cleared: 0 });
    } finally {
      await alone.clear();
    }
  });
});

test("a deployment without the binding is told that it lacks one, and the webhook steps in", async () => {
  const without = new Stage();
  await without.set([{}], { vars: { CLOUDFLARE_EMAIL: "on", EMAIL_FROM: "codes@example.com" }, consume: false });
  try {
    const { to, deliver } = await waitingOn(without, "email");
    await deliver();
    expect(without.webhook.messagesTo(to)).toHaveLength(1);
    expect(await alerts(without, "there is no binding EMAIL")).not.toEqual([]);
  } finally {
    await without.clear();
  }
});

test("the binding that Miniflare has takes the mail as it is", async () => {
  for (const from of ["codes@example.com", "Example <codes@example.com>"]) {
    const local = new Stage();
    await local.set([{}], { vars: { CLOUDFLARE_EMAIL: "on", EMAIL_FROM: from }, email: true, consume: false });
    try {
      const { row, deliver } = await waitingOn(local, "email");
      await deliver();
      expect(await row()).toEqual({ state: "sent", provider: "cloudflare", failure: null, cleared: 1 });
    } finally {
      await local.clear();
    }
  }
});

test("no code or address stands in the log", async () => {
  const lines = (await stage.world.logLines()).join("\n");
  const told = email.accepted.flatMap(({ to, code }) => [to, code]);
  expect(told.length).toBeGreaterThan(2);
  for (const secret of told) expect(lines).not.toContain(secret);
});

describe("the double is strict", () => {
  const mail = { to: "a@example.com", from: "codes@example.com", subject: "s", text: "t" };
  const ask = async (more) => {
    const response = await fetch(email.url, { method: "POST", body: JSON.stringify({ ...mail, ...more }) });
    return { status: response.status, ...(await response.json()) };
  };

  test("and takes what is right", async () => {
    for (const more of [{}, { from: { email: "codes@example.com", name: "Example" } }, { html: "<p>" }])
      expect(await ask(more)).toMatchObject({ status: 200, messageId: expect.any(String) });
  });

  test.each([
    ["without to", { to: undefined }, "E_FIELD_MISSING"],
    ["without from", { from: undefined }, "E_FIELD_MISSING"],
    ["without subject", { subject: undefined }, "E_FIELD_MISSING"],
    ["without content", { text: undefined }, "E_FIELD_MISSING"],
    ["to nobody", { to: "nobody" }, "E_VALIDATION_ERROR"],
    ["to too many", { to: Array(51).fill("a@example.com") }, "E_TOO_MANY_RECIPIENTS"],
    ["from nobody", { from: "nobody" }, "E_VALIDATION_ERROR"],
    ["whose sender is written as in a header", { from: "Example <codes@example.com>" }, "E_VALIDATION_ERROR"],
    ["whose sender has no name", { from: { email: "codes@example.com" } }, "E_VALIDATION_ERROR"],
    ["whose sender has no address", { from: { name: "Example" } }, "E_VALIDATION_ERROR"],
    ["whose sender has more", { from: { email: "codes@example.com", name: "Example", reply: 1 } }, "E_VALIDATION_ERROR"],
    ["whose subject is no text", { subject: { text: "s" } }, "E_VALIDATION_ERROR"],
    ["with a member that is none", { body: "x" }, "E_VALIDATION_ERROR"],
    ["from a domain of somebody else", { from: "codes@example.org" }, "E_SENDER_DOMAIN_NOT_AVAILABLE"],
  ])("and refuses a mail %s", async (_, more, code) => {
    expect(await ask(more)).toMatchObject({ status: 400, code });
  });
});
