/**
 * Answers against schemas, and answers that are changed so that they break a requirement: a schema that lets everything
 * through would prove nothing.
 */
import Ajv2020 from "ajv/dist/2020.js";

const ajv = new Ajv2020({ allErrors: true, strictTypes: false, strictRequired: false });

const compiled = new Map();

/** What `value` has against `schema`, nothing if it passes. */
export function faults(schema, value) {
  if (!compiled.has(schema)) compiled.set(schema, ajv.compile(schema));
  const validate = compiled.get(schema);
  validate(value);
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

/**
 * Changed copies of `value`, each of which breaks one requirement of `schema`.
 *
 * @returns {{ what: string, changed: unknown }[]}
 */
export function breaches(schema, value, at = "") {
  const found = [];
  const breach = (what, changed) => found.push({ what: `${at} ${what}`, changed });
  if ("const" in schema || schema.enum) breach("is another", "another");
  if (schema.type && !schema.type.includes("null")) breach("is null", null);
  if (schema.type) breach(`is no ${schema.type}`, WRONG[schema.type]);
  if (schema.minLength) breach("is empty", "");
  if (schema.pattern) breach("is of another form", "\u0000");
  if (schema.maximum) breach("is more", schema.maximum + 1);
  if (schema.contains || schema.minItems) breach("has nothing", []);
  for (const name of schema.required ?? []) {
    const { [name]: _, ...rest } = value;
    breach(`has no ${name}`, rest);
  }
  if (schema.additionalProperties) breach("has null somewhere", { ...value, unknown: null });
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    if (inner === false) breach(`has ${name}`, { ...value, [name]: "x" });
    else {
      for (const { what, changed } of breaches(inner, value[name] ?? {}, `${at}/${name}`)) {
        found.push({ what, changed: { ...value, [name]: changed } });
      }
    }
  }
  if (schema.items && value.length > 0) {
    for (const { what, changed } of breaches(schema.items, value[0], `${at}/0`)) {
      found.push({ what, changed: [changed, ...value.slice(1)] });
    }
  }
  return found;
}

const WRONG = { string: ["x"], array: "x", object: "x", boolean: "true", integer: "1", number: "1" };
