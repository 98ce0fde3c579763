/** openapi.yaml as a judge of answers: what is not written there must not come out of the Worker. */
import Ajv2020 from "ajv/dist/2020.js";
import { readDescription } from "../../scripts/build/openapi.mjs";

export const description = readDescription();

// The description is one schema among others to the validator, which is told that its upper members are no keywords.
const ajv = new Ajv2020({ allErrors: true, strictTypes: false, strictRequired: false });
ajv.addVocabulary(["openapi", "info", "servers", "tags", "paths", "components"]);
ajv.addSchema(description, "openapi");

// Of the connection or of the runtime, not of the answer.
const TRANSPORT = /^(connection|content-length|content-type|date|keep-alive|transfer-encoding|mf-.*)$/;

/** Follows references, also those beside other members. */
export function resolved(value) {
  if (!value?.$ref) return value;
  const { $ref: pointer, ...beside } = value;
  const names = pointer.slice(2).split("/");
  return { ...resolved(names.reduce((node, name) => node[name], description)), ...beside };
}

/** Every operation: its path, verb and description. */
export const operations = Object.entries(description.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([verb, operation]) => ({ path, verb, operation })),
);

/** The path of the description that a request's path is an instance of, or undefined. */
export function templateOf(path) {
  return Object.keys(description.paths).find((template) => {
    const pattern = template.replaceAll(".", "\\.").replaceAll(/\{[^}]+\}/g, "[^/]+");
    return new RegExp(`^${pattern}$`).test(path);
  });
}

/** What a value has against a schema of the description; nothing if it conforms. */
export function faults(schema, value) {
  const validate = compiled(schema);
  validate(value);
  return (validate.errors ?? []).map(({ instancePath, message, params }) =>
    `${instancePath} ${message} ${JSON.stringify(params)}`.trim(),
  );
}

const compiledSchemas = new Map();

// By content: aliases of YAML make several objects of one text, and only whole schemas are shared.
function compiled(schema) {
  const text = JSON.stringify(schema);
  if (!compiledSchemas.has(text)) {
    const absolute = JSON.parse(text.replaceAll('"$ref":"#/', '"$ref":"openapi#/'));
    compiledSchemas.set(text, ajv.compile(absolute));
  }
  return compiledSchemas.get(text);
}

/**
 * What an answer has against the description.
 *
 * @param {string} method the request's
 * @param {string} path the request's, without query
 * @param {Response} response the answer
 * @param {string} text its body
 * @returns {string[]} nothing if it conforms, or if the description does not know the path
 */
export function problems(method, path, { status, headers }, text) {
  const template = templateOf(path);
  if (!template) return [];
  const item = description.paths[template];
  const operation = item[method.toLowerCase()];
  // A verb that the path does not have is refused, unless nobody is asked at all: another host, no configuration.
  const { [status]: refused = Object.values(item)[0].responses[status] } = description.components.responses;
  const documented = resolved(operation ? operation.responses[status] : status >= 404 ? refused : undefined);
  if (!documented) return [`${method} ${template} is not described to answer ${status}`];
  return [
    ...headerProblems(documented.headers ?? {}, headers, Boolean(operation)),
    ...bodyProblems(method === "HEAD" ? undefined : documented.content, headers, text),
  ].map((problem) => `${method} ${template} ${status}: ${problem}`);
}

function headerProblems(documented, headers, complete) {
  const found = [];
  const known = Object.fromEntries(Object.entries(documented).map(([name, value]) => [name.toLowerCase(), value]));
  for (const [name, header] of Object.entries(known)) {
    const { required, schema } = resolved(header);
    const value = headers.get(name);
    if (value === null && required) found.push(`${name} is missing`);
    if (value !== null) found.push(...faults(schema, value).map((fault) => `${name}: ${value}: ${fault}`));
  }
  // What the description says of no operation it says without the headers of every answer.
  const unknown = [...headers.keys()].filter((name) => !TRANSPORT.test(name) && !known[name]);
  return complete ? [...found, ...unknown.map((name) => `${name} is not described`)] : found;
}

function bodyProblems(content, headers, text) {
  if (!content) return text === "" ? [] : ["a body is not described"];
  const type = headers.get("content-type")?.split(";")[0];
  const media = content[type];
  if (!media) return [`the content type ${type} is not described`];
  if (type !== "application/json") return [];
  return faults(media.schema, JSON.parse(text)).map((fault) => `${text}: ${fault}`);
}
