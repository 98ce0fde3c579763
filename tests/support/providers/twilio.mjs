/**
 * Twilio's API, version 2010-04-01, as far as messages and calls are made with it. It follows Twilio's documentation of
 * the Message and the Call resource, of authentication ("Twilio API requests"), and of the errors that it names.
 */
import { Double } from "./double.mjs";

export const ACCOUNT = `AC${"0123456789abcdef".repeat(2)}`;
export const TOKEN = "fedcba9876543210".repeat(2);
/** The number that it sends from. */
export const FROM = "+15550100123";
const E164 = /^\+[1-9]\d{6,14}$/;

const error = (status, code, message) => ({
  status,
  body: { code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status },
});
/** An error that Twilio documents, to be given next. */
export const twilioError = (status, code) => error(status, code, "…");

export class Twilio extends Double {
  /** What the Worker is given to send by it. */
  get vars() {
    return { TWILIO_ACCOUNT_SID: ACCOUNT, TWILIO_AUTH_TOKEN: TOKEN, TWILIO_FROM: FROM, TWILIO_URL: this.url };
  }

  judge({ method, path, headers, body }) {
    const credentials = Buffer.from((headers.authorization ?? "").replace(/^Basic /, ""), "base64").toString();
    if (credentials !== `${ACCOUNT}:${TOKEN}`) return error(401, 20003, "Authenticate");
    const [, resource] = /^\/2010-04-01\/Accounts\/AC[0-9a-f]{32}\/(Messages|Calls)\.json$/.exec(path) ?? [];
    if (!resource || !path.includes(ACCOUNT)) return error(404, 20404, `The requested resource ${path} was not found`);
    if (method !== "POST") return error(405, 20004, "Method not allowed");
    if (!/^application\/x-www-form-urlencoded\b/.test(headers["content-type"] ?? ""))
      return error(400, 20001, "Content type is not supported");
    const parameters = new URLSearchParams(body);
    return resource === "Messages" ? this.#message(parameters) : this.#call(parameters);
  }

  #message(parameters) {
    const [to, from, service, text] = ["To", "From", "MessagingServiceSid", "Body"].map((name) => parameters.get(name));
    if (!to) return error(400, 21604, "A 'To' phone number is required.");
    if (!E164.test(to)) return error(400, 21211, `Invalid 'To' Phone Number: ${to}`);
    if (!from && !service) return error(400, 21603, "A 'From' phone number is required.");
    if (service && !/^MG[0-9a-f]{32}$/.test(service)) return error(400, 21701, "The Messaging Service does not exist");
    if (from && !E164.test(from)) return error(400, 21212, `Invalid From Number: ${from}`);
    if (!text) return error(400, 21602, "Message body is required.");
    if (text.length > 1600) return error(400, 21617, "The concatenated message body exceeds the 1600 character limit");
    const message = { to, from: from ?? service, text, code: /\b\d{6}\b/.exec(text)?.[0] };
    return { status: 201, body: { sid: `SM${"0".repeat(32)}`, status: "queued", to, body: text }, message };
  }

  #call(parameters) {
    const [to, from, twiml] = ["To", "From", "Twiml"].map((name) => parameters.get(name));
    if (!to) return error(400, 21201, "No 'To' number is specified");
    if (!E164.test(to)) return error(400, 13224, "Dial: Invalid phone number");
    if (!from) return error(400, 21213, "No 'From' number is specified");
    if (!E164.test(from)) return error(400, 21212, `Invalid From Number: ${from}`);
    if (!twiml) return error(400, 21205, "Url parameter is required.");
    if (twiml.length > 4000) return error(400, 21218, "Invalid TwiML");
    const verbs = /^<Response>(?:<Pause length="\d+"\/>|<Say(?: [a-z]+="[^"<]*")*>[^<]*<\/Say>)+<\/Response>$/;
    if (!verbs.test(twiml)) return error(400, 12100, "Document parse failure");
    const said = [...twiml.matchAll(/<Say[^>]*>([^<]*)<\/Say>/g)].map(([, text]) => text);
    const message = { to, from, said, code: /(?:\d\D+){5}\d/.exec(said[0])?.[0].replaceAll(/\D/g, "") };
    return { status: 201, body: { sid: `CA${"0".repeat(32)}`, status: "queued", to }, message };
  }
}
