/** openapi.yaml by itself: it is whole, and its examples are what it says. */
import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { description, faults, operations, resolved } from "../support/description.mjs";
import { REPOSITORY } from "../support/repository.mjs";

const source = (path) => readFile(new URL(path, REPOSITORY), "utf8");

/** Every object of the description, with the names that lead to it. */
function* nodes(value, at = []) {
  if (typeof value !== "object" || value === null) return;
  yield { value, at };
  for (const [name, member] of Object.entries(value)) yield* nodes(member, [...at, name]);
}

const medias = [...nodes(description)].filter(({ at }) => at.at(-2) === "content");

test("the examples of every body conform to its schema", () => {
  const examples = medias.flatMap(({ value, at }) =>
    Object.entries(value.examples ?? {}).map(([name, example]) => ({
      at: [...at, name],
      schema: value.schema,
      example,
    })),
  );
  expect(examples.length).toBeGreaterThan(100);
  for (const { at, schema, example } of examples) {
    expect(faults(schema, resolved(example).value), at.join(" › ")).toEqual([]);
  }
});

test("the examples of parameters conform to their schemas", () => {
  const examples = [...nodes(description)].filter(({ value, at }) => at.at(-2) === "parameters" && "example" in value);
  expect(examples.length).toBeGreaterThan(2);
  for (const { value, at } of examples) expect(faults(value.schema, value.example), at.join(" › ")).toEqual([]);
});

test("every answer with JSON has an example, and a schema that closes its objects", () => {
  for (const { value, at } of medias.filter(({ at }) => at.includes("responses") && at.at(-1) === "application/json")) {
    if (at.includes("/openapi.json") && at.includes("200")) continue; // it is what is being described
    const [example] = Object.values(value.examples ?? {});
    expect(example, at.join(" › ")).toBeDefined();
    const { value: body } = resolved(example);
    const [first] = Array.isArray(body) ? body : [body];
    const widened = { ...first, undocumented: true };
    expect(faults(value.schema, Array.isArray(body) ? [widened] : widened), at.join(" › ")).not.toEqual([]);
  }
});

test("nothing is defined that nothing refers to, and nothing is referred to that is not defined", () => {
  const text = JSON.stringify(description);
  for (const kind of ["headers", "schemas", "examples"]) {
    for (const name of Object.keys(description.components[kind])) {
      expect(text.includes(`"#/components/${kind}/${name}"`), `${kind} ${name}`).toBe(true);
    }
  }
  for (const { value } of nodes(description)) if (value.$ref) expect(resolved(value), value.$ref).toBeDefined();
});

test("operations have different names, a summary, tags that are declared, and schemes that are declared", () => {
  const names = operations.flatMap(({ operation }) => operation.operationId ?? []);
  expect(new Set(names).size).toBe(names.length);
  for (const { path, verb, operation } of operations) {
    expect(operation.summary, `${verb} ${path}`).toBeTruthy();
    for (const tag of operation.tags) expect(description.tags.map(({ name }) => name)).toContain(tag);
    for (const name of operation.security.flatMap(Object.keys)) {
      expect(Object.keys(description.components.securitySchemes)).toContain(name);
    }
  }
});

test("the version is the package's", async () => {
  expect(description.info.version).toBe(JSON.parse(await source("package.json")).version);
});

/** The parameters that a body may have by the description. */
function described(schema) {
  const { properties = {}, allOf = [], oneOf = [] } = resolved(schema);
  return new Set([...Object.keys(properties), ...[...allOf, ...oneOf].flatMap((each) => [...described(each)])]);
}

describe("the parameters of a body are those that the code reads", () => {
  const CLIENT = "src/endpoints/client.rs";
  const TOKEN = ["token.rs", "token/mfa_grants.rs", "token_exchange.rs"].map((name) => `src/endpoints/${name}`);

  test.each([
    ["/mfa/associate", ["src/endpoints/associate.rs", CLIENT]],
    ["/mfa/challenge", ["src/endpoints/challenge.rs", CLIENT]],
    ["/oauth/token", [...TOKEN, CLIENT]],
  ])("%s", async (path, files) => {
    const code = (await Promise.all(files.map(source))).join("\n");
    const readers = /\.(?:optional|required|required_list|list_or_string|flag|required_code)\("(\w+)"\)/g;
    const read = [...code.matchAll(readers)];
    expect(read.length).toBeGreaterThan(5);
    for (const { schema } of Object.values(description.paths[path].post.requestBody.content)) {
      expect([...described(schema)].sort()).toEqual([...new Set(read.map(([, name]) => name))].sort());
    }
  });
});

test("the media types of a body are those that the code takes", async () => {
  for (const [path, file] of Object.entries({
    "/mfa/associate": "associate",
    "/mfa/challenge": "challenge",
    "/oauth/token": "token",
  })) {
    const [, accepted] = /Undecoded::accept\(request, Accepted::(\w+)\)/.exec(await source(`src/endpoints/${file}.rs`));
    const types = ["application/json", "application/x-www-form-urlencoded"].slice(0, accepted === "JsonOrForm" ? 2 : 1);
    expect(Object.keys(description.paths[path].post.requestBody.content).sort()).toEqual(types);
  }
});

test("the routes and their verbs are those of the code", async () => {
  const code = await source("src/routes.rs");
  const [documentation] = code.split("\nuse ");
  const routes = [...documentation.matchAll(/^\/\/! \| `(GET|POST|DELETE) (\/[^`,]+)` \|/gm)];
  expect(routes.length).toBeGreaterThan(5);
  const files = ["/openapi.json", "/docs"];
  const shown = operations.filter(({ path, verb }) => !files.includes(path) && !["head", "options"].includes(verb));
  expect(shown.map(({ path, verb }) => `${verb.toUpperCase()} ${path}`).sort()).toEqual(
    routes.map(([, verb, path]) => `${verb} ${path}`).sort(),
  );
  // Each path that the code compares with is one of them.
  const compared = [...code.matchAll(/^\s+"(\/[^"]*)" => Some\(/gm)].map(([, path]) => path);
  for (const path of compared) expect(Object.keys(description.paths)).toContain(path);
});
