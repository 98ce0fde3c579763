/**
 * Twilio Verify's API, version 2, as far as verifications are started with it. It follows Twilio's documentation of the
 * Verification resource, of "Customization Options" (codes of one's own), of "Verify supported languages", and of the
 * errors that it names.
 */
import { Double } from "./double.mjs";
import { ACCOUNT, TOKEN, twilioError } from "./twilio.mjs";

export const SERVICE = `VA${"0123456789abcdef".repeat(2)}`;
const E164 = /^\+[1-9]\d{6,14}$/;
const CHANNELS = ["sms", "call"];
/** What each channel speaks, as far as tests ask for it: calls are given no Arabic here, so that it is left out again. */
const LOCALES = { sms: ["en", "de", "fr", "es", "pt", "ja", "ar"], call: ["en", "de", "fr", "es", "pt", "ja"] };
const MOST_SENT = 5;

/** Which parameter is wrong stands in the message alone. */
export const invalidParameter = (name) => {
  const error = twilioError(400, 60200);
  return { ...error, body: { ...error.body, message: `Invalid parameter: ${name}` } };
};

export class TwilioVerify extends Double {
  judge({ method, path, headers, body }) {
    const credentials = Buffer.from((headers.authorization ?? "").replace(/^Basic /, ""), "base64").toString();
    if (!headers.authorization?.startsWith("Basic ") || credentials !== `${ACCOUNT}:${TOKEN}`) return twilioError(401, 20003);
    if (path !== `/v2/Services/${SERVICE}/Verifications`) return twilioError(404, 20404);
    if (method !== "POST") return twilioError(405, 20004);
    if (!/^application\/x-www-form-urlencoded\b/.test(headers["content-type"] ?? "")) return twilioError(400, 20001);
    const parameters = new URLSearchParams(body);
    const [to, channel, code, locale] = ["To", "Channel", "CustomCode", "Locale"].map((name) => parameters.get(name));
    if (!E164.test(to ?? "")) return invalidParameter("To");
    if (!CHANNELS.includes(channel)) return invalidParameter("Channel");
    // Without one, Verify would make a code that nobody here knows.
    if (!/^\d{4,10}$/.test(code ?? "")) return invalidParameter("CustomCode");
    if (locale !== null && !LOCALES[channel].includes(locale)) return twilioError(404, 20404);
    if (this.messagesTo(to).length >= MOST_SENT) return twilioError(429, 60203);
    return {
      status: 201,
      body: {
        sid: `VE${"0".repeat(32)}`,
        service_sid: SERVICE,
        account_sid: ACCOUNT,
        to,
        channel,
        status: "pending",
        valid: false,
      },
      message: { to, channel, code, locale },
    };
  }
}
