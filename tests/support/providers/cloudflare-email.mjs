/**
 * Cloudflare Email Service's binding, as far as structured messages are sent with it. It follows the service's "Workers
 * API": the interface of `send()` and the table of error codes.
 *
 * In the Worker under test, entry.mjs stands for the binding: it hands the message over by HTTP, and throws what is
 * answered as an Error with a `code`.
 */
import { Double } from "./double.mjs";

/** The domains that the account may send for. */
const ONBOARDED = ["example.com"];
const ADDRESS = /^[^@\s<>]+@[^@\s<>]+\.[^@\s<>]+$/;
const MEMBERS = ["to", "from", "subject", "html", "text", "cc", "bcc", "replyTo", "attachments", "headers"];

/** An error that the service documents, to be given next. Their messages may name addresses. */
export const emailError = (code, message = "ada@example.com cannot be written to") => ({
  status: 400,
  body: { code, message },
});

export class CloudflareEmail extends Double {
  judge({ body }) {
    const mail = JSON.parse(body);
    for (const name of ["to", "from", "subject"]) if (!mail[name]) return emailError("E_FIELD_MISSING");
    if (!Object.keys(mail).every((name) => MEMBERS.includes(name))) return emailError("E_VALIDATION_ERROR");
    if (!mail.text && !mail.html) return emailError("E_FIELD_MISSING");
    const texts = [mail.subject, mail.text ?? "", mail.html ?? ""];
    if (!texts.every((text) => typeof text === "string")) return emailError("E_VALIDATION_ERROR");
    const to = [mail.to].flat();
    if (to.length > 50) return emailError("E_TOO_MANY_RECIPIENTS");
    if (!to.every((address) => ADDRESS.test(address))) return emailError("E_VALIDATION_ERROR");
    const { email, name, ...others } = typeof mail.from === "string" ? { email: mail.from } : mail.from;
    const isName = typeof mail.from === "string" || (typeof name === "string" && name !== "");
    if (!ADDRESS.test(email ?? "") || !isName || Object.keys(others).length > 0) return emailError("E_VALIDATION_ERROR");
    if (!ONBOARDED.includes(email.split("@")[1])) return emailError("E_SENDER_DOMAIN_NOT_AVAILABLE");
    const { subject, text, html } = mail;
    const message = { to: to[0], from: { email, name }, subject, text, html, code: /\b\d{6}\b/.exec(text)?.[0] };
    return { status: 200, body: { messageId: "0192f0e4-0000-7000-8000-000000000000" }, message };
  }
}
