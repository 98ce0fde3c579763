// What the Worker accepts although it is hardly meant: told beside what is wrong, and no reason to stop. Pure.
import { isVariable, OPTIONAL, PROVIDER_SECRETS, REQUIRED } from "./variables.mjs";

const TWILIO = ["TWILIO_ACCOUNT_SID"];
const MAIL = ["CLOUDFLARE_EMAIL", "RESEND_API_KEY", "SES_REGION"];

/** Who carries a channel: each of these switches one on. */
const CARRIERS = { sms: [...TWILIO, "WEBHOOK_URL"], voice: [...TWILIO, "WEBHOOK_URL"], email: [...MAIL, "WEBHOOK_URL"] };

/** Of which others one must be set for this one to be used. What else is missing is an error, and the Worker says so. */
const NEEDS = {
  EMAIL_FROM: MAIL,
  RESEND_URL: ["RESEND_API_KEY"],
  SES_CONFIGURATION_SET: ["SES_REGION"],
  SES_SECRET_ACCESS_KEY: ["SES_REGION"],
  SES_URL: ["SES_REGION"],
  TWILIO_API_KEY: TWILIO,
  TWILIO_API_SECRET: ["TWILIO_API_KEY"],
  TWILIO_AUTH_TOKEN: TWILIO,
  TWILIO_FROM: TWILIO,
  TWILIO_MESSAGING_SERVICE_SID: TWILIO,
  TWILIO_URL: TWILIO,
  TWILIO_VERIFY_URL: ["TWILIO_VERIFY_SERVICE_SID"],
  TWILIO_VOICE_FROM: TWILIO,
  WEBHOOK_SECRET: ["WEBHOOK_URL"],
};

const NAMES = [...REQUIRED, ...OPTIONAL, ...PROVIDER_SECRETS, "ENCRYPTION_KEYS", "SIGNING_KEY_1"];
const MOST_TYPOS = 2;

/**
 * @param {Record<string, string>} variables a configuration that is right
 * @returns {string[]} sentences
 */
export function warnings(variables) {
  const isSet = (name) => !["", "off"].includes((variables[name] ?? "").trim());
  const unused = Object.entries(NEEDS)
    .filter(([name, others]) => isSet(name) && !others.some(isSet))
    .map(([name, others]) => `${name} is set, but nothing uses it without ${others.join(" or ")}.`);

  const delivery = JSON.parse(variables.DELIVERY?.trim() || "{}");
  const carries = (channel) => (delivery[channel] ? delivery[channel].length > 0 : CARRIERS[channel].some(isSet));
  const written = isSet("FACTORS") ? Object.keys(JSON.parse(variables.FACTORS)) : undefined;
  const idle = Object.keys(CARRIERS)
    .filter((channel) => written?.includes(channel) && !carries(channel))
    .map((channel) => `FACTORS has ${channel} on, but nobody carries it: people cannot add it.`);

  const works = (factor) => (written?.includes(factor) ?? true) && (factor === "otp" || carries(factor));
  const demanded = JSON.parse(variables.POLICY?.trim() || "{}").factors ?? 1;
  const alone =
    demanded > 1 && !(works("otp") && (works("sms") || works("voice")))
      ? [
          "POLICY demands two factors, an app and a phone, but not both can be added here (e-mail and recovery codes are not " +
            "enough): people cannot log in.",
        ]
      : [];
  const none =
    idle.length > 0 || ["otp", "sms", "voice"].some(works)
      ? []
      : ["Neither an app nor a phone can be added here, and e-mail alone is no second factor: nobody is ever asked for one."];
  return [...unused, ...idle, ...alone, ...none];
}

/**
 * @param {string[]} names what is set somewhere
 * @param {string} place where
 * @returns {string[]} a sentence for each name that nobody reads
 */
export function unknownNames(names, place) {
  return names
    .filter((name) => !isVariable(name))
    .map((name) => {
      const known = nearest(name);
      return `${name} in ${place} is read by nobody${known ? `: is ${known} meant?` : "."}`;
    });
}

/** The known name that differs least, if that is a slip of the finger or two. */
function nearest(name) {
  const found = NAMES.map((known) => ({ known, typos: distance(name.toUpperCase(), known) }));
  const [best] = found.sort((a, b) => a.typos - b.typos);
  return best.typos <= MOST_TYPOS ? best.known : undefined;
}

/** How many letters have to be put in, left out or changed to make one word of the other (Levenshtein). */
function distance(from, to) {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [index, letter] of [...from].entries()) {
    const next = [index + 1];
    for (const [at, other] of [...to].entries())
      next.push(Math.min(next[at] + 1, row[at + 1] + 1, row[at] + (letter === other ? 0 : 1)));
    row = next;
  }
  return row.at(-1);
}
