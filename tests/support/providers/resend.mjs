/**
 * Resend's API as far as mails are sent with it. It follows Resend's documentation of `POST /emails`, of idempotency
 * keys, and of its errors.
 */
import { Double } from "./double.mjs";

export const API_KEY = "re_0123456789abcdef";
const ADDRESS = /^[^@\s<>]+@[^@\s<>]+\.[^@\s<>]+$/;
const SENDER = /^(?:[^<>]+ <([^<>]+)>|([^<>]+))$/;

const error = (statusCode, name, message) => ({ status: statusCode, body: { statusCode, name, message } });
/** An error that Resend documents, to be given next. */
export const resendError = (status, name) => error(status, name, "…");

export class Resend extends Double {
  #known = new Map();

  judge({ method, path, headers, body }) {
    if (!headers.authorization) return error(401, "missing_api_key", "Missing API Key");
    if (headers.authorization !== `Bearer ${API_KEY}`) return error(403, "invalid_api_key", "API key is invalid");
    if (path !== "/emails") return error(404, "not_found", "The requested endpoint does not exist.");
    if (method !== "POST") return error(405, "method_not_allowed", "Method is not allowed for the requested path.");
    if (!headers["user-agent"]) return error(403, "validation_error", "User-Agent is required");
    const key = headers["idempotency-key"];
    if (key !== undefined && (key.length < 1 || key.length > 256))
      return error(400, "invalid_idempotency_key", "The key must be between 1 and 256 characters.");
    if (this.#known.has(key)) {
      if (this.#known.get(key) !== body)
        return error(409, "invalid_idempotent_request", "Same idempotency key used with a different request payload");
      return { status: 200, body: { id: key } };
    }
    let mail;
    try {
      mail = JSON.parse(body);
    } catch {
      return error(400, "validation_error", "The request body is not JSON.");
    }
    for (const field of ["from", "to", "subject"])
      if (!mail[field]) return error(422, "missing_required_field", `Missing \`${field}\` field.`);
    if (!mail.text && !mail.html) return error(422, "missing_required_field", "Missing `html` or `text` field.");
    const sender = SENDER.exec(mail.from);
    if (!ADDRESS.test(sender?.[1] ?? sender?.[2] ?? "")) return error(422, "invalid_from_address", "Invalid `from` field.");
    const to = [mail.to].flat();
    if (to.length > 50 || !to.every((address) => ADDRESS.test(address)))
      return error(422, "validation_error", "Invalid `to` field.");
    if (key) this.#known.set(key, body);
    const { from, subject, text, html } = mail;
    const message = { id: key, to: to[0], from, subject, text, html, code: /\b\d{6}\b/.exec(text)?.[0] };
    return { status: 200, body: { id: "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794" }, message };
  }
}
