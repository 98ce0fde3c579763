/** Somebody in front of the demo page: finds things by the words on them, as people do. */
import jsQR from "jsqr";
import { PNG } from "pngjs";
import { expect } from "vitest";

// The browser says this by itself about every answer that is an error; those are checked as `refusals`.
const REFUSAL = /^Failed to load resource:/;

export class Visitor {
  /** Opens the page in a fresh profile. */
  static async at(browser, demo, { width = 1280, height = 860, colorScheme = "light" } = {}) {
    const context = await browser.newContext({
      viewport: { width, height },
      // As most screens have it; a camera reads a dense picture better so, too.
      deviceScaleFactor: 2,
      colorScheme,
      reducedMotion: "reduce",
      permissions: ["clipboard-read", "clipboard-write"],
    });
    const visitor = new Visitor();
    visitor.context = context;
    visitor.demo = demo;
    context.on("page", (page) => visitor.#watch(page));
    await context.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) => {
        console.error(`policy violated: ${effectiveDirective} by ${blockedURI}`);
      });
    });
    visitor.page = await context.newPage();
    await visitor.page.goto(demo.origin);
    return visitor;
  }

  /** What the console said that it should not have, on any of the visitor's pages. */
  complaints = [];
  /** Answers that were errors, such as "403 /oauth/token". */
  refusals = [];

  #watch(page) {
    page.setDefaultTimeout(15_000);
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type()) && !REFUSAL.test(message.text())) this.complaints.push(message.text());
    });
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    page.on("response", (response) => {
      if (response.status() >= 400) this.refusals.push(`${response.status()} ${new URL(response.url()).pathname}`);
    });
  }

  /** Ends the visit, which must have raised no complaint and exactly these refusals. */
  async leave(refusals = []) {
    await this.context.close();
    expect(this.complaints).toEqual([]);
    expect(this.refusals).toEqual(refusals);
  }

  /** Waits for the step with this heading, which must have the focus, so that it is read out. */
  async expectStep(heading) {
    await this.page.getByRole("heading", { level: 1, name: heading }).waitFor();
    const focused = await this.page.evaluate(() => document.activeElement.textContent);
    expect(focused).toMatch(heading);
  }

  field(label) {
    return this.page.getByRole("textbox", { name: label, exact: true });
  }

  async signIn(name, step = "Choose a second factor") {
    await this.field("Name").fill(name);
    await this.page.getByRole("button", { name: "Sign in" }).click();
    await this.expectStep(step);
  }

  choose(factor) {
    return this.page.getByRole("button", { name: factor }).click();
  }

  async askForCode(label, address) {
    await this.field(label).fill(address);
    await this.page.getByRole("button", { name: "Send the code" }).click();
  }

  async typeCode(label, code) {
    await this.field(label).fill(code);
    await this.page.getByRole("button", { name: "Confirm" }).click();
  }

  /** What is wrong, as the page says it; the field in question has the focus. */
  async expectProblem(words) {
    const problem = this.page.getByRole("alert").filter({ visible: true });
    await problem.waitFor();
    expect(await problem.innerText()).toMatch(words);
  }

  /** Reads the picture as a camera does, from the screen. */
  async scan() {
    const picture = this.page.getByRole("img", { name: /^QR code/ });
    await expect.poll(() => picture.evaluate((image) => image.complete && image.naturalWidth > 0)).toBe(true);
    const { data, width, height } = PNG.sync.read(await picture.screenshot());
    return jsQR(new Uint8ClampedArray(data), width, height)?.data;
  }

  /** The code for this address, read from the page that stands for the phone. */
  async lookAtPhone(linkText, address) {
    const [phone] = await Promise.all([
      this.context.waitForEvent("page"),
      this.page.getByRole("link", { name: linkText }).click(),
    ]);
    const message = phone.getByRole("listitem").filter({ hasText: address }).first();
    await message.waitFor();
    const code = await message.locator("code").innerText();
    return { phone, message, code };
  }

  async recoveryCode() {
    return (await this.page.locator("#recovery-code").textContent()).trim();
  }

  /** The token that the page shows as it was sent. */
  async token() {
    await this.page.locator("#signature-check").filter({ hasText: "Signature checked" }).waitFor();
    return this.page.locator("#token").textContent();
  }

  /** Presses Tab until the focus is on what `selector` names; on the way, every stop must show its focus. */
  async tabTo(selector) {
    for (let presses = 0; presses < 20; presses += 1) {
      await this.page.keyboard.press("Tab");
      const { there, outline } = await this.page.evaluate((wanted) => {
        const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
        return { there: document.activeElement.matches(wanted), outline: `${outlineStyle} ${outlineWidth}` };
      }, selector);
      expect(outline).toBe("solid 3px");
      if (there) return;
    }
    throw new Error(`the keyboard does not reach ${selector}`);
  }
}
