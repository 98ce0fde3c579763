/** In which language a person is written to, and the line by which phones fill a code in. */
import { describe, expect, test } from "vitest";
import { accepted, refused } from "../support/answers.mjs";
import { useStage } from "../support/stage.mjs";
import { SUBJECT_AUDIENCE, subjectTokenOf, tokenExchange } from "../support/token-exchange.mjs";
import { PUBLIC_URL } from "../support/worker.mjs";

const stage = useStage({
  issuers: [{ may: ["exchange", "mfa_token", "access_token"], entry: { audiences: [SUBJECT_AUDIENCE] } }],
});
const brazilian = useStage({ vars: { DEFAULT_LANGUAGE: "pt-BR" } });
const sms = (person, more = {}) => ({
  authenticator_types: ["oob"],
  oob_channels: ["sms"],
  phone_number: person.number,
  ...more,
});

/** The message that `person` got last. */
async function message(person, to = person.number) {
  await stage.webhook.codeFor(to);
  return stage.webhook.messagesTo(to).at(-1);
}

describe("the language", () => {
  test.each([
    ["is what the request asks for", { ui_locales: "nl de-AT fr" }, { "accept-language": "es" }, { locale: "ja" }, "de"],
    ["else what the browser is set to", {}, { "accept-language": "nl, en;q=0.3, es-MX;q=0.8" }, { locale: "ja" }, "es"],
    ["else what the token says", {}, {}, { locale: "ja-JP" }, "ja"],
    ["else English", {}, { "accept-language": "*" }, {}, "en"],
    ["else English, whatever an issuer writes as locale", {}, {}, { locale: { country: "FR", language: "fr" } }, "en"],
  ])("%s", async (_, parameters, headers, claims, language) => {
    const person = stage.person({ claims });
    await accepted(await person.associate(sms(person, parameters), { headers }));
    expect(await message(person)).toMatchObject({ language });
  });

  test("of a challenge is chosen in the same way", async () => {
    const person = stage.person();
    await person.enrollSms();
    await accepted(await person.challenge({ challenge_type: "oob", ui_locales: "fr-CA" }));
    await stage.webhook.codeFor(person.number, { count: 2 });
    const { language, text, code } = stage.webhook.messagesTo(person.number).at(-1);
    expect(language).toBe("fr");
    expect(text).toContain(`${code} est votre code`);
  });

  test("of a token that is exchanged goes on with the login", async () => {
    const person = stage.person({ claims: { locale: "pt-PT" } });
    await person.enrollSms();
    const subject_token = subjectTokenOf(person, SUBJECT_AUDIENCE);
    const { mfa_token } = await (await tokenExchange(stage.world, person, { subject_token })).json();
    await accepted(await person.challenge({ mfa_token, challenge_type: "oob" }));
    await stage.webhook.codeFor(person.number, { count: 2 });
    expect(stage.webhook.messagesTo(person.number).at(-1).language).toBe("pt");
  });

  test.each([
    ["nl", "pt"],
    ["nl ja", "ja"],
  ])("of who reads %s is %s where DEFAULT_LANGUAGE is pt-BR", async (ui_locales, language) => {
    const person = brazilian.person();
    await accepted(await person.associate(sms(person, { ui_locales })));
    await brazilian.webhook.codeFor(person.number);
    expect(brazilian.webhook.messagesTo(person.number).at(-1)).toMatchObject({ language });
  });

  test("that is no text is refused", async () => {
    const person = stage.person();
    const response = await person.associate(sms(person, { ui_locales: ["de"] }));
    await refused(response, 400, "invalid_request", "ui_locales must be a string");
  });
});

describe("a text message", () => {
  test("ends in the line that binds its code to the client's first page", async () => {
    const client = await stage.addClient({ origins: ["http://localhost:3000", "https://login.example.org:8443"] });
    const person = stage.person({ client });
    await accepted(await person.associate(sms(person)));
    const { text, code } = await message(person);
    expect(text.split("\n").at(-1)).toBe(`@login.example.org #${code}`);
  });

  test("or to this service, of a client without pages", async () => {
    const person = stage.person();
    await accepted(await person.associate(sms(person)));
    const { text, code } = await message(person);
    expect(text.split("\n").at(-1)).toBe(`@${new URL(PUBLIC_URL).hostname} #${code}`);
  });

  test("says how long its code is still good when it is sent, and never to share it", async () => {
    const person = stage.person();
    await accepted(await person.associate(sms(person)));
    expect((await message(person)).text).toMatch(/It is good for 5 min\. Never share it\./);
  });
});

test("a mail has a subject without the code, and the code as text and as HTML in its language", async () => {
  const person = stage.person();
  const body = { authenticator_types: ["oob"], oob_channels: ["email"], email: person.email, ui_locales: "ar" };
  await accepted(await person.associate(body));
  const { subject, text, html, code, language } = await message(person, person.email);
  expect(language).toBe("ar");
  expect(subject).not.toContain(code);
  expect(text).toContain(code);
  expect(html).toContain('lang="ar" dir="rtl"');
  expect(html).toContain(`<strong>${code}</strong>`);
});
