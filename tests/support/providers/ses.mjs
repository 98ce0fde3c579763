/**
 * Amazon SES's API, version 2, as far as mails are sent with it. It follows the API reference ("SendEmail", "Common
 * Error Types"), the developer guide ("Amazon SES email sending errors"), and for signatures the IAM User Guide
 * ("Create a signed AWS API request"), of which it has an implementation of its own.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { Double } from "./double.mjs";

export const REGION = "eu-central-1";
export const ACCESS_KEY_ID = "AKIAIOSFODNN7EXAMPLE";
export const SECRET_ACCESS_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
export const CONFIGURATION_SET = "codes";
/** Which identities are verified: what is sent must be from one of them. */
const VERIFIED = ["example.com"];
const ADDRESS = /^[\x21-\x7e]+@[^@\s<>]+\.[^@\s<>]+$/;
const SENDER = /^(?:([^<>]+) <([^<>]+)>|([^<>\s]+))$/;
const SKEW_SECONDS = 5 * 60;

const error = (status, type, message) => ({ status, headers: { "x-amzn-errortype": type }, body: { message } });
/** An error that SES documents, to be given next. */
export const sesError = (status, type, message = "…") => error(status, type, message);

const sha256 = (text) => createHash("sha256").update(text).digest("hex");
const hmac = (key, text) => createHmac("sha256", key).update(text).digest();
const uriEncoded = (text) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`);

/** The signature that a request of these parts must have. Every service but S3 encodes the path a second time. */
export function signature({ method, path, headers, body, signedHeaders, scope, time, secret }) {
  const [location, query = ""] = path.split("?");
  const canonicalQuery = [...new URLSearchParams(query)]
    .map(([name, value]) => `${uriEncoded(name)}=${uriEncoded(value)}`)
    .sort()
    .join("&");
  const canonical = [
    method,
    location.split("/").map(uriEncoded).join("/"),
    canonicalQuery,
    ...signedHeaders.map((name) => `${name}:${String(headers[name]).trim().replace(/ +/g, " ")}`),
    "",
    signedHeaders.join(";"),
    sha256(body),
  ].join("\n");
  const toSign = ["AWS4-HMAC-SHA256", time, scope.join("/"), sha256(canonical)].join("\n");
  return hmac(scope.reduce(hmac, `AWS4${secret}`), toSign).toString("hex");
}

export class Ses extends Double {
  /** The times in whole seconds, of which a request's must be near one. */
  times = () => [Math.floor(Date.now() / 1000)];

  judge({ method, path, headers, body }) {
    const refused = this.#unauthorized({ method, path, headers, body });
    if (refused) return refused;
    if (path !== "/v2/email/outbound-emails" || method !== "POST")
      return error(404, "UnknownOperationException", "Unknown operation");
    let mail;
    try {
      mail = JSON.parse(body);
    } catch {
      return error(400, "SerializationException", "The request body is not JSON.");
    }
    const bad = (message) => error(400, "BadRequestException", message);
    const { FromEmailAddress: from, Destination, Content, ConfigurationSetName: set, ...others } = mail;
    if (Object.keys(others).length > 0) return bad(`Unexpected members ${Object.keys(others)}`);
    const to = Destination?.ToAddresses ?? [];
    if (to.length !== 1 || !ADDRESS.test(to[0])) return bad("Missing final '@domain'");
    const [, name, inBrackets, alone] = SENDER.exec(from ?? "") ?? [];
    const address = inBrackets ?? alone ?? "";
    if (!ADDRESS.test(address) || !/^[\x20-\x7e]*$/.test(from)) return bad("Missing final '@domain'");
    const { Subject, Body } = Content?.Simple ?? {};
    const parts = { subject: Subject, text: Body?.Text, html: Body?.Html };
    if (!Subject?.Data) return bad("Empty required header 'Subject'");
    if (!parts.text?.Data && !parts.html?.Data) return bad("Content body is empty");
    // Without one, SES takes 7-bit ASCII.
    for (const part of Object.values(parts))
      if (part && part.Charset !== "UTF-8" && !/^\p{ASCII}*$/u.test(part.Data)) return bad("Not in that charset");
    if (set !== undefined && set !== CONFIGURATION_SET)
      return error(404, "NotFoundException", `Configuration set <${set}> does not exist.`);
    if (!VERIFIED.includes(address.split("@")[1]))
      return error(
        400,
        "MessageRejected",
        `Email address is not verified. The following identities failed the check in region ${REGION}: ${address}`,
      );
    const { text, html } = { text: parts.text?.Data, html: parts.html?.Data };
    const message = { to: to[0], from: decoded(name), address, subject: Subject.Data, text, html, set };
    return {
      status: 200,
      body: { MessageId: "0107018e-0000-0000-0000-000000000000" },
      message: { ...message, code: /\b\d{6}\b/.exec(text)?.[0] },
    };
  }

  #unauthorized({ method, path, headers, body }) {
    const { authorization, "x-amz-date": time } = headers;
    if (!authorization) return error(403, "MissingAuthenticationTokenException", "Missing Authentication Token");
    const [, key, scopeText, names, given] =
      /^AWS4-HMAC-SHA256 Credential=([^/]+)\/([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(authorization) ??
      [];
    if (!given || !/^\d{8}T\d{6}Z$/.test(time ?? ""))
      return error(403, "IncompleteSignatureException", "The request signature does not conform to AWS standards.");
    if (key !== ACCESS_KEY_ID)
      return error(403, "UnrecognizedClientException", "The security token included in the request is invalid.");
    const invalid = (message) => error(403, "InvalidSignatureException", message);
    const scope = scopeText.split("/");
    const [day, region, service, end, ...rest] = scope;
    if (day !== time.slice(0, 8) || region !== REGION || service !== "ses" || end !== "aws4_request" || rest.length)
      return invalid("Credential should be scoped to a valid region and to the correct service.");
    const signedHeaders = names.split(";");
    const needed = Object.keys(headers).filter((name) => name === "host" || name.startsWith("x-amz-"));
    if (signedHeaders.join() !== [...signedHeaders].sort().join() || !needed.every((name) => signedHeaders.includes(name)))
      return invalid(`All of ${needed} must be signed headers, in their order.`);
    const at = Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z")) / 1000;
    if (!this.times().some((now) => Math.abs(now - at) <= SKEW_SECONDS)) return invalid("Signature expired");
    const secret = SECRET_ACCESS_KEY;
    const expected = signature({ method, path, headers, body, signedHeaders, scope, time, secret });
    if (!timingSafeEqual(Buffer.from(given), Buffer.from(expected)))
      return invalid("The request signature we calculated does not match the signature you provided.");
    return null;
  }
}

/** A name that may be written in encoded words (RFC 2047), which are joined where they follow each other. */
function decoded(name) {
  const words = (name ?? "").replace(/\?= =\?/g, "?==?");
  return words.replace(/=\?UTF-8\?B\?([^?]*)\?=/g, (_, text) => Buffer.from(text, "base64").toString());
}
