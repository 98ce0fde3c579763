/**
 * What the decoders of SDKs require of an answer, as JSON Schemas: without it they throw, take one answer for another, or
 * drop what they were given. `answer` is what each of them asks of every answer that is read as a success: `type` is its
 * Content-Type, `readable` whether a page may read it.
 */
const text = { type: "string", minLength: 1 };
const texts = { type: "array", items: text };
const flag = { type: "boolean" };
const whole = { type: "integer" };
const number = { type: "number" };
const is = (value) => ({ const: value });
const oneOf = (...values) => ({ enum: values });
const list = (items) => ({ type: "array", items });

/** An object with these members, texts unless `properties` says otherwise, and maybe the other `properties`. */
const object = (required, properties = {}) => ({
  type: "object",
  required,
  properties: { ...Object.fromEntries(required.map((name) => [name, text])), ...properties },
});
/** A class that is chosen by which members are there takes a null for one that is. */
const withoutNulls = (schema) => ({ ...schema, additionalProperties: { not: { type: "null" } } });
const without = (...names) => Object.fromEntries(names.map((name) => [name, false]));

const json = { type: "string", pattern: "^application/json" };
const success = {
  type: "object",
  required: ["status", "type"],
  properties: { status: { type: "integer", maximum: 299 }, type: json },
};
const exactly200 = { ...success, properties: { status: is(200), type: json } };
const readable = {
  ...success,
  required: ["status", "type", "readable"],
  properties: { ...success.properties, readable: is(true) },
};

const error = object(["error", "error_description"]);
const types = list(object(["type"]));
const requirements = { type: "object", properties: { enroll: types, challenge: types } };
const required = (properties) =>
  object(["error", "error_description", "mfa_token"], {
    error: is("mfa_required"),
    mfa_requirements: requirements,
    ...properties,
  });

const app = ["authenticator_type", "secret", "barcode_uri"];
const message = ["authenticator_type", "oob_channel", "oob_code", "binding_method"];
const item = ["id", "authenticator_type", "active"];
const challengeOfApp = object(["challenge_type"], { challenge_type: is("otp") });
const challenge = object(["challenge_type", "oob_code", "binding_method"], { challenge_type: is("oob") });
const channel = oneOf("sms", "voice", "auth0", "email");
const grant = { id_token: text, scope: text, recovery_code: text };

/** By SDK, by its file in sdk-requests/, and by what is decoded. */
export const DECODERS = {
  // Decodable structs: an optional member of a wrong type fails the whole answer, too. The list is filtered by type.
  swift: {
    answer: success,
    otp: object(app, { recovery_codes: texts }),
    oob: object(message, { recovery_codes: texts }),
    list: list(object([...item, "type"], { active: flag, oob_channel: text, name: text })),
    challenge: object(["challenge_type", "oob_code"], { binding_method: text }),
    tokens: object(["access_token", "token_type", "id_token", "expires_in"], { ...grant, expires_in: number }),
    required: required(),
    error,
  },
  // "barcode_uri" makes it the class for apps, "recovery_code" that for recovery codes, "authn_params_public_key" that for
  // passkeys, else "oob_code" decides. What tokens are made of may not be null.
  android: {
    answer: success,
    otp: withoutNulls(object(["id", "barcode_uri", "manual_input_code"], without("recovery_code", "authn_params_public_key"))),
    oob: withoutNulls(
      object(["id", "oob_code", "binding_method"], without("barcode_uri", "recovery_code", "authn_params_public_key")),
    ),
    list: list(
      withoutNulls(
        object([...item, "type"], {
          authenticator_type: oneOf("otp", "oob", "recovery-code"),
          active: flag,
          oob_channel: channel,
          name: text,
        }),
      ),
    ),
    challenge: withoutNulls(object(["challenge_type", "oob_code"], { binding_method: text })),
    challengeOfApp: withoutNulls(challengeOfApp),
    tokens: withoutNulls(object(["access_token", "token_type", "id_token", "expires_in"], { ...grant, expires_in: whole })),
    required: required(),
    error,
  },
  // Jackson: unknown members are ignored, what is missing is null to the application.
  java: {
    answer: success,
    otp: object(app, { authenticator_type: is("otp"), recovery_codes: texts }),
    oob: object(["authenticator_type", "oob_channel", "oob_code"], {
      authenticator_type: is("oob"),
      recovery_codes: texts,
    }),
    list: list(object(item, { active: flag, oob_channel: text, name: text })),
    challenge,
    challengeOfApp,
    tokens: object(["access_token", "token_type", "expires_in"], { expires_in: whole, id_token: text, scope: text }),
    required: required(),
    error,
  },
  // Structs of strings: "oob_channels" is one, so that an array makes the whole decode fail. "code" and "description"
  // would be read in the place of "error" and "error_description".
  go: {
    answer: success,
    otp: object(app, { authenticator_type: is("otp"), oob_channel: text, oob_channels: text, recovery_codes: texts }),
    oob: object(message, {
      authenticator_type: is("oob"),
      oob_channels: text,
      barcode_uri: text,
      secret: text,
      recovery_codes: texts,
    }),
    list: list(object(item, { active: flag, oob_channel: text, oob_channels: text, name: text })),
    challenge,
    challengeOfApp,
    tokens: object(["access_token", "token_type", "expires_in"], { ...grant, expires_in: whole, refresh_token: text }),
    required: required(without("code", "description")),
    error: object(["error", "error_description"], without("code", "description")),
  },
  // expires_in is an Int32.
  dotnet: {
    answer: success,
    otp: object(app, { authenticator_type: is("otp"), recovery_codes: texts }),
    oob: object(message, { authenticator_type: is("oob"), recovery_codes: texts }),
    list: list(object(item, { active: flag, oob_channel: text, name: text })),
    challenge,
    challengeOfApp,
    tokens: object(["access_token", "token_type", "expires_in"], {
      expires_in: { type: "integer", maximum: 2 ** 31 - 1 },
      recovery_code: text,
    }),
    required: required(),
    error,
  },
  // The list is filtered by type. Before a challenge, its type itself (otp, oob) is looked for in mfa_requirements. Tokens
  // are read by oauth4webapi, and a session begins with the id_token.
  nextjs: {
    answer: exactly200,
    otp: object([...app, "id"], { authenticator_type: is("otp"), recovery_codes: texts }),
    oob: object([...message, "id"], { authenticator_type: is("oob"), recovery_codes: texts }),
    list: list(object([...item, "type"], { active: flag, oob_channel: text, name: text })),
    challenge,
    challengeOfApp,
    tokens: object(["access_token", "token_type", "id_token", "expires_in"], {
      ...grant,
      token_type: oneOf("Bearer", "bearer", "DPoP", "dpop"),
      expires_in: number,
    }),
    required: required(),
    requiredOfPhone: required({
      mfa_requirements: object(["challenge"], {
        challenge: { ...types, contains: { properties: { type: is("oob") } } },
      }),
    }),
    error,
  },
  // Pydantic models, and status 200 exactly.
  "server-python": {
    answer: exactly200,
    otp: object(app, { authenticator_type: is("otp"), recovery_codes: texts, id: text }),
    oob: object(message, {
      authenticator_type: is("oob"),
      oob_channel: channel,
      recovery_codes: texts,
      id: text,
      barcode_uri: text,
    }),
    list: list(
      object(item, {
        active: flag,
        oob_channel: channel,
        name: text,
        type: text,
        phone_number: text,
        created_at: text,
        last_auth: text,
      }),
    ),
    challenge: { ...challenge, properties: { ...challenge.properties, expires_in: whole } },
    challengeOfApp,
    tokens: object(["access_token", "expires_in"], {
      ...grant,
      expires_in: whole,
      token_type: text,
      refresh_token: text,
    }),
    required: required(),
    error,
  },
  // Without an id_token the exchange fails; items of the list without type are dropped.
  "spa-js": {
    answer: readable,
    otp: object(app, { authenticator_type: is("otp"), recovery_codes: texts, id: text }),
    oob: object(message, { ...without("barcode_uri"), authenticator_type: is("oob"), recovery_codes: texts, id: text }),
    list: list(object([...item, "type"], { authenticator_type: oneOf("otp", "oob", "recovery-code"), active: flag, name: text })),
    challenge,
    challengeOfApp,
    tokens: object(["access_token", "token_type", "id_token", "expires_in"], { ...grant, expires_in: number }),
    required: required(),
    error,
  },
};
