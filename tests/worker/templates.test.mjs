/** The operator's own words: read when a message is sent, before those that come with the program. */
import { beforeEach, describe, expect, test } from "vitest";
import { setTemplate } from "../../scripts/templates/statements.mjs";
import { accepted } from "../support/answers.mjs";
import { useStage } from "../support/stage.mjs";

const stage = useStage();

beforeEach(() => stage.world.rows("DELETE FROM templates"));

async function set(template) {
  const complete = { message: "code", channel: "sms", language: "it", subject: null, html: null, ...template };
  await stage.world.run(setTemplate(complete, { at: stage.world.now(), operator: "test" }));
}

/** What somebody gets by `channel` who reads these languages. */
async function sent(channel, ui_locales) {
  const person = stage.person();
  const [name, to] = channel === "email" ? ["email", person.email] : ["phone_number", person.number];
  await accepted(await person.associate({ authenticator_types: ["oob"], oob_channels: [channel], [name]: to, ui_locales }));
  const code = await stage.webhook.codeFor(to);
  return { code, ...stage.webhook.messagesTo(to).at(-1) };
}

describe("a template", () => {
  test("in a language that the program has no words in is used for who reads it", async () => {
    await set({ text: "{{code}} è il tuo codice per {{tenant}}, per {{minutes}} minuti." });
    const { code, text, language } = await sent("sms", "it-CH de");
    expect(language).toBe("it");
    expect(text).toMatch(new RegExp(`^${code} è il tuo codice per .+, per 5 minuti\\.\\n\\n@.+ #${code}$`));
    expect((await sent("sms", "de")).language).toBe("de");
    expect((await sent("voice", "it-CH de")).language).toBe("de");
  });

  test("stands in the place of the program's words, from the next message on", async () => {
    expect((await sent("voice", "fr")).text).toMatch(/^Votre code/);
    await set({ channel: "voice", language: "fr", text: "Tapez {{code}}." });
    const { text, code } = await sent("voice", "fr-CA");
    expect(text).toBe(`Tapez ${[...code].join(", ")}.`);
  });

  test("of mail has a subject, and HTML of its own in which values are text", async () => {
    await set({
      channel: "email",
      subject: "Codice di {{tenant}}",
      text: "Il codice:\n{{code}}",
      html: "<h1>{{tenant}}</h1><b>{{code}}</b>",
    });
    const { subject, text, html, code } = await sent("email", "it");
    expect(subject).toMatch(/^Codice di /);
    expect(text).toBe(`Il codice:\n${code}`);
    expect(html).toMatch(new RegExp(`^<h1>[^<]+</h1><b>${code}</b>$`));
  });

  test("that could not be sent is passed over, and the log says why", async () => {
    await set({ language: "de", text: "Guten Tag, {{name}}" });
    const { text, code } = await sent("sms", "de");
    expect(text).toContain(`${code} ist Ihr Code`);
    const line = (await stage.world.logLines()).find((each) => each.includes("template_unusable"));
    expect(JSON.parse(line.slice(line.indexOf("{")))).toMatchObject({
      event: "template_unusable",
      message: "code",
      channel: "sms",
      language: "de",
      problem: "has the place {{name}} in its text, which it cannot fill",
    });
  });
});
