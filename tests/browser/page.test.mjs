/** The demo page and the outbox, as a person meets them: in Chromium, against the development build in real workerd. */
import { fileURLToPath } from "node:url";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freshNumber } from "../support/person.mjs";
import { STEP_SECONDS, totp, wrongTotp } from "../support/totp.mjs";
import { expectAccessible } from "./accessibility.mjs";
import { launchChromium } from "./chromium.mjs";
import { startDemo } from "./demo.mjs";
import { Visitor } from "./visitor.mjs";

let browser;
let demo;

beforeAll(async () => {
  browser = await launchChromium();
  demo = await startDemo();
});

afterAll(async () => {
  await browser?.close();
  await demo?.stop();
});

const visit = (options) => Visitor.at(browser, demo, options);
const now = () => Math.floor(Date.now() / 1000);

/** Names are people at the demo issuer, so each test has its own. */
let people = 0;
const somebody = () => `Ada ${(people += 1)}`;

/** Verifies a token as an API does: by the published key set alone. Returns its claims. */
async function verified(token) {
  const keys = createRemoteJWKSet(new URL("/.well-known/jwks.json", demo.origin));
  const { payload } = await jwtVerify(token, keys, {
    issuer: `${demo.origin}/`,
    audience: `${demo.origin}/mfa/`,
    algorithms: ["RS256"],
  });
  return payload;
}

/** Walks to "done" by an authenticator app. Returns the app's secret, and the code that it used up. */
async function enrollApp(visitor, name) {
  await visitor.signIn(name);
  await visitor.choose("Authenticator app");
  await visitor.expectStep("Scan, then type the code");
  const secret = new URL(await visitor.scan()).searchParams.get("secret");
  const code = totp(secret, now());
  await visitor.typeCode("Code from the app", code);
  await visitor.expectStep("Countersigned");
  return { secret, code };
}

describe("an authenticator app", () => {
  test("the picture holds the secret, its code leads to a recovery code and a token that verifies", async () => {
    const visitor = await visit();
    const name = "Zoë O’Neill: 100 %";
    await visitor.signIn(name);
    await visitor.choose("Authenticator app");
    await visitor.expectStep("Scan, then type the code");

    const uri = new URL(await visitor.scan());
    expect(uri.protocol).toBe("otpauth:");
    const secret = uri.searchParams.get("secret");
    expect(secret).toMatch(/^[A-Z2-7]{32}$/);
    expect(await visitor.page.locator("#secret").textContent()).toBe(secret);
    expect(await visitor.page.locator("#secret span").allTextContents()).toHaveLength(8);
    await visitor.page.getByRole("button", { name: "Copy the secret" }).click();
    expect(await visitor.page.evaluate(() => navigator.clipboard.readText())).toBe(secret);

    await visitor.typeCode("Code from the app", ` ${totp(secret, now()).replace(/^.../, "$& ")} `);
    await visitor.expectStep("Countersigned");
    expect(await visitor.recoveryCode()).toMatch(/^[A-Z0-9]{24}$/);

    const claims = await verified(await visitor.token());
    expect(claims.amr).toEqual(expect.arrayContaining(["otp", "mfa"]));
    expect(claims.scope.split(" ")).toContain("enroll");
    const shown = (claim) => visitor.page.locator("#claims tr").filter({ hasText: claim }).first().locator("td").innerText();
    expect(await shown("iss")).toBe(claims.iss);
    expect(await shown("sub")).toBe(claims.sub);
    await visitor.page.getByText("As JSON").click();
    expect(JSON.parse(await visitor.page.locator("#claims-json").innerText()).claims).toEqual(claims);
    await visitor.leave();
  });

  test("the token just received is proof enough to add an e-mail address", async () => {
    const visitor = await visit();
    await enrollApp(visitor, somebody());
    const before = await verified(await visitor.token());
    await visitor.page.getByRole("button", { name: "Add an e-mail address too" }).click();
    await visitor.expectStep("Which address?");
    const address = `ada.${people}@mail.example.com`;
    await visitor.askForCode("E-mail address", address);
    await visitor.expectStep("Type the code");
    const { phone, code } = await visitor.lookAtPhone("See what the mailbox shows", address);
    await phone.close();
    await visitor.typeCode("Code", code);
    await visitor.expectStep("E-mail address added");
    expect(await visitor.page.locator("#keep").isVisible()).toBe(false);
    const after = await verified(await visitor.token());
    expect(after.sub).toBe(before.sub);
    expect(after.amr).toEqual(expect.arrayContaining(["otp", "email", "mfa"]));
    expect(after.exp).toBeLessThanOrEqual(before.exp);
    await visitor.leave();
  });

  test("a wrong code is said in words, with what the API says, and the right one still works", async () => {
    const visitor = await visit();
    await visitor.signIn(somebody());
    await visitor.choose("Authenticator app");
    const secret = new URL(await visitor.scan()).searchParams.get("secret");
    await visitor.typeCode("Code from the app", wrongTotp(secret, now()));
    await visitor.expectProblem(/That is not the code.*\s+.*403 invalid_grant “Invalid otp_code\.”/);
    expect(await visitor.page.evaluate(() => document.activeElement.id)).toBe("otp");
    expect(await visitor.field("Code from the app").getAttribute("aria-invalid")).toBe("true");
    await visitor.typeCode("Code from the app", totp(secret, now()));
    await visitor.expectStep("Countersigned");
    await visitor.leave(["403 /oauth/token"]);
  });

  test("too many wrong codes are told when to come back", async () => {
    const visitor = await visit();
    await visitor.signIn(somebody());
    await visitor.choose("Authenticator app");
    const wrong = wrongTotp(new URL(await visitor.scan()).searchParams.get("secret"), now());
    for (let guess = 1; guess <= 10; guess += 1) {
      await visitor.typeCode("Code from the app", wrong);
      await expect.poll(() => visitor.refusals.length).toBe(guess);
      await visitor.expectProblem(/That is not the code/);
    }
    await visitor.typeCode("Code from the app", wrong);
    await visitor.expectProblem(/Too many tries\. Try again in \d+ (second|minute)s?\./);
    await visitor.leave([...Array(10).fill("403 /oauth/token"), "429 /oauth/token"]);
  });

  test("somebody enrolled already is asked for a code, and the app's next one is good", async () => {
    const name = somebody();
    const first = await visit();
    // They sign in before the other page has enrolled them, and hear of it when they choose.
    const again = await visit();
    await again.signIn(name);
    const { secret, code } = await enrollApp(first, name);
    await first.leave();

    await again.choose("Text message");
    await again.askForCode("Phone number", freshNumber());
    await again.expectStep(`${name} is protected already`);
    await again.typeCode("Code from the app", code);
    await again.expectProblem(/each works only once/);
    await demo.advance(STEP_SECONDS);
    try {
      await again.typeCode("Code from the app", totp(secret, now(), 1));
      await again.expectStep("Countersigned");
    } finally {
      await demo.advance(-STEP_SECONDS);
    }
    expect(await again.page.locator("#keep").isVisible()).toBe(false);
    await verified(await again.token());
    await again.leave(["403 /mfa/associate", "403 /oauth/token"]);
  });

  test("the recovery code opens the door once and is replaced", async () => {
    const name = somebody();
    const first = await visit();
    await enrollApp(first, name);
    const code = await first.recoveryCode();
    await first.leave();

    const again = await visit();
    await again.signIn(name, `${name} is protected already`);
    await again.page.getByText("Lost the phone?").click();
    const use = async (typed) => {
      await again.field("Recovery code").fill(typed);
      await again.page.getByRole("button", { name: "Use it" }).click();
    };
    await use("A".repeat(24));
    await again.expectProblem(/That is not the recovery code/);
    await use(code.toLowerCase().replaceAll(/.{4}/g, "$& "));
    await again.expectStep("Countersigned");
    expect(await again.recoveryCode()).toMatch(/^[A-Z0-9]{24}$/);
    expect(await again.recoveryCode()).not.toBe(code);
    await again.leave(["403 /oauth/token"]);
  });
});

describe("a phone", () => {
  test("a text's code, read on the outbox page, leads to a token", async () => {
    const visitor = await visit();
    await visitor.signIn(somebody());
    await visitor.choose("Text message");
    await visitor.expectStep("Which number gets the text?");
    const number = freshNumber();
    await visitor.askForCode("Phone number", number.replace("+49151", "+49 151-"));
    await visitor.expectStep("Type the code");
    const { phone, code } = await visitor.lookAtPhone("See what the phone shows", number);
    await expectAccessible(phone, "the outbox");
    await phone.close();
    await visitor.typeCode("Code", code);
    await visitor.expectStep("Countersigned");
    expect(await visitor.recoveryCode()).toMatch(/^[A-Z0-9]{24}$/);
    expect((await verified(await visitor.token())).amr).toEqual(expect.arrayContaining(["sms", "mfa"]));
    await visitor.leave();
  });

  test("somebody enrolled already gets a code on the known phone", async () => {
    const name = somebody();
    const number = freshNumber();
    const first = await visit();
    await first.signIn(name);
    await first.choose("Text message");
    await first.askForCode("Phone number", number);
    await first.expectStep("Type the code");
    const sent = await first.lookAtPhone("See what the phone shows", number);
    await sent.phone.close();
    await first.typeCode("Code", sent.code);
    await first.expectStep("Countersigned");
    await first.leave();

    const again = await visit();
    await again.signIn(name, `${name} is protected already`);
    expect(await again.field("Code from the app").isVisible()).toBe(false);
    await expectAccessible(again.page, "the way back in by phone");
    await again.page.getByRole("button", { name: new RegExp(`^Text a code to .*${number.slice(-4)}$`) }).click();
    await again.expectStep("Type the code");
    const { phone, message } = await again.lookAtPhone("See what the phone shows", number);
    await expect.poll(() => phone.getByRole("listitem").filter({ hasText: number }).count()).toBe(2);
    const code = await message.locator("code").innerText();
    await phone.close();
    await again.typeCode("Code", code);
    await again.expectStep("Countersigned");
    expect(await again.page.locator("#keep").isVisible()).toBe(false);
    expect((await verified(await again.token())).amr).toEqual(expect.arrayContaining(["sms", "mfa"]));
    await again.leave();
  });

  test("a call's code works as well, and a newer code ends the older one", async () => {
    const visitor = await visit();
    await visitor.signIn(somebody());
    await visitor.choose("Phone call");
    const number = freshNumber();
    await visitor.askForCode("Phone number", number);
    await visitor.expectStep("Type the code");
    const { phone, code: older } = await visitor.lookAtPhone("Hear what the voice says", number);

    await visitor.page.getByRole("button", { name: "Send a new code" }).click();
    await visitor.page.getByText("The one before no longer works").first().waitFor();
    const messages = phone.getByRole("listitem").filter({ hasText: number });
    await expect.poll(() => messages.count()).toBe(2);
    const newer = await messages.first().locator("code").innerText();
    await phone.close();

    // One in a million times both codes are the same.
    if (older !== newer) {
      await visitor.typeCode("Code", older);
      await visitor.expectProblem(/That is not the code we sent/);
    }
    await visitor.typeCode("Code", newer);
    await visitor.expectStep("Countersigned");
    expect((await verified(await visitor.token())).amr).toEqual(expect.arrayContaining(["tel", "mfa"]));
    await visitor.leave(older === newer ? [] : ["403 /oauth/token"]);
  });

  test("a number that is none is said so, next to the field", async () => {
    const visitor = await visit();
    await visitor.signIn(somebody());
    await visitor.choose("Text message");
    await visitor.askForCode("Phone number", "");
    await visitor.expectProblem(/Type a phone number first/);
    await visitor.askForCode("Phone number", "call me");
    await visitor.expectProblem(/does not look like a phone number.*\s+.*400 invalid_request “The phone number is invalid\.”/);
    expect(await visitor.page.evaluate(() => document.activeElement.id)).toBe("phone");
    await visitor.leave(["400 /mfa/associate"]);
  });

  test("the outbox shows a new message by itself, newest first, and copies its code", async () => {
    const visitor = await visit();
    const outbox = await visitor.context.newPage();
    await outbox.goto(`${demo.origin}/dev/outbox`);
    await visitor.page.bringToFront();
    await visitor.signIn(somebody());
    await visitor.choose("Text message");
    const number = freshNumber();
    await visitor.askForCode("Phone number", number);
    await visitor.expectStep("Type the code");
    await outbox.bringToFront();
    const newest = outbox.getByRole("listitem").first();
    await newest.filter({ hasText: number }).waitFor();
    await newest.getByRole("button", { name: /^Copy the code/ }).click();
    await outbox.getByText("Copied").first().waitFor();
    const copied = await outbox.evaluate(() => navigator.clipboard.readText());
    expect(copied).toMatch(/^[0-9]{6}$/);
    expect(copied).toBe(await newest.locator("code").innerText());
    await visitor.leave();
  });
});

describe("what can go wrong on the way", () => {
  test("a sign-in that has grown too old is said so and starts over", async () => {
    const visitor = await visit();
    await visitor.signIn(somebody());
    await demo.advance(700);
    try {
      await visitor.choose("Authenticator app");
      await visitor.expectProblem(/This sign-in is more than ten minutes old/);
    } finally {
      await demo.advance(-700);
    }
    await visitor.page.getByRole("alert").getByRole("button", { name: "Start over" }).click();
    await visitor.expectStep("Sign in as anyone");
    expect(await visitor.field("Name").inputValue()).toBe("");
    await visitor.leave(["401 /mfa/associate"]);
  });

  test("a server that does not answer is named", async () => {
    const visitor = await visit();
    await visitor.page.route("**/sign-in", (route) => route.abort());
    await visitor.field("Name").fill(somebody());
    await visitor.page.getByRole("button", { name: "Sign in" }).click();
    await visitor.expectProblem(/The demo issuer at http:\/\/localhost:\d+ does not answer/);
    await visitor.leave();
  });

  test("the policy of the pages allows no inline script or style, and nobody to frame them", async () => {
    for (const path of ["/", "/dev/outbox"]) {
      const policy = (await fetch(new URL(path, demo.origin))).headers.get("content-security-policy");
      expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;/);
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toContain("unsafe");
    }
  });
});

describe("everybody", () => {
  test("the keyboard alone leads from the first step to the last, and the focus is always seen", async () => {
    const visitor = await visit();
    const { keyboard } = visitor.page;
    await visitor.tabTo(".skip");
    await visitor.tabTo("#name");
    await keyboard.type(somebody());
    await keyboard.press("Enter");
    await visitor.expectStep("Choose a second factor");
    await visitor.tabTo("[data-factor=otp]");
    await keyboard.press("Enter");
    await visitor.expectStep("Scan, then type the code");
    const secret = new URL(await visitor.scan()).searchParams.get("secret");
    await visitor.tabTo("#otp");
    await keyboard.type(totp(secret, now()));
    await keyboard.press("Enter");
    await visitor.expectStep("Countersigned");
    await visitor.tabTo("#copy-recovery");
    await keyboard.press("Enter");
    await expect.poll(() => visitor.page.getByRole("status").textContent()).toBe("Copied.");
    expect(await visitor.page.evaluate(() => navigator.clipboard.readText())).toBe(await visitor.recoveryCode());
    await visitor.tabTo("summary");
    await keyboard.press("Enter");
    expect(await visitor.page.locator("#claims-json").isVisible()).toBe(true);
    await visitor.leave();
  });

  const screens = [
    { width: 360, height: 740, colorScheme: "light" },
    { width: 360, height: 740, colorScheme: "dark" },
    { width: 1280, height: 860, colorScheme: "light" },
    { width: 1280, height: 860, colorScheme: "dark" },
  ];

  test.each(screens)("every step has names, contrast and room at $width pixels, $colorScheme", async (screen) => {
    const visitor = await visit(screen);
    const { page } = visitor;
    const name = `Maximiliane-Friederike ${somebody()} von und zu Donaudampfschifffahrtsgesellschaft`.slice(0, 60);
    const check = (where) => expectAccessible(page, where);

    await check("the sign-in");
    await visitor.signIn(name);
    await check("the choice");
    await visitor.choose("Text message");
    await visitor.expectStep("Which number gets the text?");
    await visitor.askForCode("Phone number", "1");
    await visitor.expectProblem(/phone number/);
    await check("a refused number");
    await visitor.askForCode("Phone number", freshNumber());
    await visitor.expectStep("Type the code");
    await check("the code of a text");
    await page.getByRole("button", { name: "Start over" }).click();

    const secret = await enrollAppChecking(visitor, name, check);
    await page.getByText("As JSON").click();
    await page.getByText("As sent").click();
    await visitor.token();
    await check("the end");
    await page.getByRole("button", { name: "Add an e-mail address too" }).click();
    await visitor.expectStep("Which address?");
    await check("the address");

    await page.getByRole("button", { name: "Start over" }).click();
    await visitor.signIn(name, /is protected already$/);
    await page.getByText("Lost the phone?").click();
    await check("the way back in");
    expect(secret).toHaveLength(32);
    await visitor.leave(["400 /mfa/associate", "403 /oauth/token"]);
  });

  /** As enrollApp, with a wrong code first and a look at each step. */
  async function enrollAppChecking(visitor, name, check) {
    await visitor.signIn(name);
    await visitor.choose("Authenticator app");
    await visitor.expectStep("Scan, then type the code");
    const secret = new URL(await visitor.scan()).searchParams.get("secret");
    await visitor.typeCode("Code from the app", wrongTotp(secret, now()));
    await visitor.expectProblem(/That is not the code/);
    await check("a refused code");
    await visitor.typeCode("Code from the app", totp(secret, now()));
    await visitor.expectStep("Countersigned");
    return secret;
  }
});

// `UPDATE_SCREENSHOTS=1 npm test` takes the two of the README anew.
if (process.env.UPDATE_SCREENSHOTS) {
  describe("the pictures for the README", () => {
    const picture = (name) => fileURLToPath(new URL(`../../docs/screenshots/${name}.png`, import.meta.url));

    test("the step with the QR code, on a desktop in light", async () => {
      const visitor = await visit({ width: 1120, height: 760 });
      await visitor.signIn("Ada Lovelace");
      await visitor.choose("Authenticator app");
      await visitor.expectStep("Scan, then type the code");
      expect(await visitor.scan()).toMatch(/^otpauth:/);
      await visitor.page.screenshot({ path: picture("qr-code") });
      await visitor.leave();
    });

    test("the last step, at 360 pixels in dark", async () => {
      const visitor = await visit({ width: 360, height: 1000, colorScheme: "dark" });
      await enrollApp(visitor, "Ada Lovelace");
      await verified(await visitor.token());
      await visitor.page.screenshot({ path: picture("done") });
      await visitor.leave();
    });
  });
}
