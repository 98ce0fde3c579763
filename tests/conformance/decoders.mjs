/**
 * What the decoders of SDKs require of an answer, as JSON Schemas: a missing member or another type makes them throw, or
 * take one answer for another.
 */

const text = { type: "string" };
const object = (required, properties = {}) => ({
  type: "object",
  required,
  properties: { ...Object.fromEntries(required.map((name) => [name, text])), ...properties },
});
const list = (item) => ({ type: "array", items: item });
const flag = { type: "boolean" };
const whole = { type: "integer" };
const texts = { type: "array", items: text };
/** A class that is chosen by which keys are there takes a null for one that is. */
const withoutNulls = (schema) => ({ ...schema, additionalProperties: { not: { type: "null" } } });
const without = (schema, ...names) => ({ ...schema, not: { anyOf: names.map((name) => ({ required: [name] })) } });
const oneOf = (...values) => ({ enum: values });

const tokens = object(["access_token", "token_type"], { expires_in: whole });

/** By SDK and by what is decoded. */
export const DECODERS = {
  swift: {
    otp: object(["authenticator_type", "secret", "barcode_uri"], { recovery_codes: texts }),
    oob: object(["authenticator_type", "binding_method", "oob_channel", "oob_code"], { recovery_codes: texts }),
    challenge: object(["challenge_type", "oob_code"]),
    list: list(object(["id", "authenticator_type", "active", "type"], { active: flag })),
    tokens,
  },
  android: {
    // "barcode_uri" makes it the class for apps, "recovery_code" that for recovery codes, else "oob_code" decides.
    otp: without(withoutNulls(object(["barcode_uri", "manual_input_code"])), "recovery_code"),
    oob: without(withoutNulls(object(["oob_code", "oob_channel"])), "barcode_uri", "recovery_code"),
    challenge: object(["challenge_type", "oob_code"]),
    list: list(withoutNulls(object(["id", "active", "authenticator_type"], { active: flag }))),
    tokens: object(["access_token", "token_type", "expires_in"], { expires_in: whole }),
  },
  java: {
    otp: object(["authenticator_type", "secret", "barcode_uri"], { recovery_codes: texts }),
    oob: object(["authenticator_type", "oob_code"], { oob_channel: text, recovery_codes: texts }),
    challenge: object(["challenge_type"], { oob_code: text, binding_method: text }),
    list: list(object(["id", "authenticator_type", "active"], { active: flag, oob_channel: text })),
    tokens,
  },
  go: {
    otp: object(["authenticator_type", "secret", "barcode_uri"], { oob_channels: text, recovery_codes: texts }),
    // Declared as a string: an array makes the whole decode fail.
    oob: object(["authenticator_type", "oob_code"], { oob_channels: text, oob_channel: text, recovery_codes: texts }),
    challenge: object(["challenge_type"], { oob_code: text, binding_method: text }),
    list: list(object(["id", "authenticator_type", "active"], { active: flag, oob_channel: text, oob_channels: text })),
    tokens: object(["access_token", "token_type", "expires_in"], { expires_in: whole }),
  },
  dotnet: {
    otp: object(["authenticator_type", "secret", "barcode_uri"]),
    oob: object(["authenticator_type", "oob_code"], { oob_channel: text }),
    challenge: object(["challenge_type"]),
    list: list(object(["id", "authenticator_type", "active"], { active: flag })),
    tokens: object(["access_token", "token_type", "expires_in"], { expires_in: whole }),
  },
  nextjs: {
    otp: object(["authenticator_type", "secret", "barcode_uri"], { authenticator_type: { const: "otp" } }),
    oob: object(["authenticator_type", "oob_channel", "oob_code"], { authenticator_type: { const: "oob" } }),
    challenge: object(["challenge_type", "oob_code", "binding_method"]),
    // Items without a type are dropped by its filter.
    list: list(object(["id", "authenticator_type", "active", "type"], { active: flag })),
    tokens,
  },
  "server-python": {
    otp: object(["authenticator_type", "secret", "barcode_uri"]),
    oob: object(["authenticator_type", "oob_channel"], { oob_channel: oneOf("sms", "voice", "auth0", "email") }),
    challenge: object(["challenge_type"], { oob_code: text, binding_method: text }),
    list: list(object(["id", "authenticator_type", "active"], { active: flag, oob_channel: oneOf("sms", "voice", "auth0", "email") })),
    tokens: object(["access_token", "expires_in"], { expires_in: whole }),
  },
  "spa-js": {
    otp: object(["authenticator_type", "secret", "barcode_uri"], { authenticator_type: { const: "otp" } }),
    oob: object(["authenticator_type", "oob_channel", "oob_code"], { authenticator_type: { const: "oob" } }),
    challenge: object(["challenge_type"], { oob_code: text, binding_method: text }),
    list: list(object(["id", "authenticator_type", "active", "type"], { active: flag })),
    // Without an id_token it throws.
    tokens: object(["access_token", "token_type", "id_token"], { expires_in: whole }),
  },
};
