/** The files of public/: what the build makes of openapi.yaml, served where no route is. */
import { expect, test } from "vitest";
import { readDescription } from "../../scripts/build/openapi.mjs";
import { useStage } from "../support/stage.mjs";

const stage = useStage({ files: true });

async function file(path, type) {
  const response = await stage.world.fetch(path);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toMatch(type);
  expect(response.headers.get("cache-control")).toBe("public, max-age=300");
  expect(response.headers.get("access-control-allow-origin")).toBe("*");
  expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  expect(response.headers.get("x-request-id")).toMatch(/^[0-9a-f]{24}$/);
  return response;
}

test("the description is served as it stands in openapi.yaml", async () => {
  expect(await (await file("/openapi.json", /^application\/json\b/)).json()).toEqual(readDescription());
});

test("the page shows every operation and every error of it, without scripts and without anything from elsewhere", async () => {
  const text = await (await file("/docs", /^text\/html\b/)).text();
  const { paths, components } = readDescription();
  for (const { operationId } of Object.values(paths).flatMap((item) => Object.values(item))) {
    if (operationId) expect(text).toContain(`<section class="sheet" id="${operationId}">`);
  }
  const shown = text.replaceAll("&quot;", '"');
  for (const [name, { value }] of Object.entries(components.examples)) {
    if (name === "UnknownPath" || name === "MethodNotAllowed") continue; // of no operation
    expect(shown).toContain(`<code>${value.error}</code> <q>${value.error_description}</q>`);
  }
  expect(text).not.toMatch(/<script|<link(?![^>]*href="\/favicon\.svg")|\bsrc=|url\(|@import|\$ref|\[object |undefined/);
});

test("no file hides a route, and another host gets none", async () => {
  expect((await stage.world.fetch("/.well-known/jwks.json")).headers.get("content-type")).toBe("application/json");
  expect((await stage.world.fetch("https://evil.example/openapi.json")).status).toBe(421);
  expect((await stage.world.fetch("/openapi.yaml")).status).toBe(404);
});
