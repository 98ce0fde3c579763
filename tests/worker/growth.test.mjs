/**
 * A request reads and writes as many rows among ten thousand users as among a thousand, and as many as docs/growth.md
 * says. `npm run growth` looks at a million, and at times.
 */
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addTemplates, fillingStatements } from "../../scripts/growth/fill.mjs";
import { withPart } from "../../scripts/growth/document.mjs";
import { askEverything } from "../../scripts/growth/requests.mjs";
import { MeasuringStage } from "../../scripts/growth/stage.mjs";
import { REPOSITORY } from "../support/repository.mjs";

const SIZES = [1_000, 10_000];
/** Rows read and written differ by this much at most: neighbours in an index, and people who happen to share a bucket. */
const BY_CHANCE = [12, 2];
let stage;

beforeAll(async () => {
  stage = await MeasuringStage.set();
  await addTemplates(stage);
});
afterAll(() => stage?.clear());

async function fill(from, to) {
  const { world } = stage;
  for (const passing of [false, true]) {
    const statements = await fillingStatements((sql) => world.rows(sql), from, to, { passing });
    await world.db.batch(statements.map((sql) => world.db.prepare(sql)));
  }
  const [{ users }] = await world.rows("SELECT count(DISTINCT user_id) AS users FROM authenticators");
  expect(users).toBeGreaterThanOrEqual(to - 1);
}

/** Rows read and written, by request. */
async function rows() {
  const counted = {};
  await askEverything(stage, async (_, ask) => ask());
  await askEverything(stage, async (name, ask) => {
    const { result, rowsRead, rowsWritten } = await stage.world.cost(ask);
    counted[name] = [rowsRead, rowsWritten];
    return result;
  });
  return counted;
}

test("rows are as many among many users as among few, and as docs/growth.md says", async () => {
  const document = await readFile(new URL("docs/growth.md", REPOSITORY), "utf8");
  const cells = document.split("\n").map((line) => line.split(" | "));
  const documented = (name) =>
    cells
      .find(([first]) => first === `| ${name}`)
      .slice(-2)
      .map((cell) => Number.parseInt(cell, 10));
  let before = 1;
  for (const size of SIZES) {
    await fill(before, size);
    before = size;
    for (const [name, counts] of Object.entries(await rows())) {
      const far = documented(name).some((number, index) => !(Math.abs(counts[index] - number) <= BY_CHANCE[index]));
      expect(far, `${name}, ${size} users: ${counts.join(" read, ")} written`).toBe(false);
    }
  }
});

describe("a part of the document", () => {
  const text = "before\n<!-- a -->\nold\n<!-- end of a -->\nafter\n";

  test("is replaced, and nothing else", () => {
    expect(withPart(text, "a", "new")).toBe("before\n<!-- a -->\nnew\n<!-- end of a -->\nafter\n");
  });

  test("that has no place is missed", () => {
    expect(() => withPart(text, "b", "new")).toThrow('has no place for "b"');
  });
});
