/**
 * Everything goes wrong at once, and the books are closed at the end: each code that was promised to a person has been
 * sent once, or stands as failed with its reason.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { encryptionKeys } from "../support/keys.mjs";
import { freshNumber } from "../support/person.mjs";
import { seeded } from "../support/seeded.mjs";
import { useStage } from "../support/stage.mjs";

const folder = mkdtempSync(join(tmpdir(), "countersign-ledger-"));
const stage = useStage({ consume: false, persist: folder });
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Asks for a code and returns the delivery that was promised, and what the queue was told of it. */
async function ask(number) {
  const { world } = stage;
  const before = new Set((await world.rows("SELECT id FROM deliveries")).map(({ id }) => id));
  const person = stage.person();
  person.number = number;
  const response = await person.associateSms();
  await world.settle();
  const added = (await world.rows("SELECT id FROM deliveries")).map(({ id }) => id).filter((id) => !before.has(id));
  const told = (await world.queued()).filter((message) => Object.values(message).includes(added[0]));
  return { status: response.status, number, id: added[0], told };
}

/** Lets the queue bring what it was told, and the sweep run, until nothing is open any more. */
async function settleTheBooks(rounds = 40) {
  const { world } = stage;
  const open = async () =>
    (await world.rows("SELECT id FROM deliveries WHERE state IN ('waiting', 'claimed')")).map(({ id }) => id);
  for (let round = 0; round < rounds && (await open()).length > 0; round += 1) {
    await world.advance(20);
    await world.sweep();
    const left = await open();
    const told = (await world.queued()).filter((message) => left.some((id) => Object.values(message).includes(id)));
    await world.deliver([...new Map(told.map((message) => [JSON.stringify(message), message])).values()]);
  }
  expect(await open()).toEqual([]);
}

test("in an hour of faults of every kind, every promised code is sent once or recorded as failed with its reason", async () => {
  const { world, webhook } = stage;
  const random = seeded(20_261_127);
  const promised = [];
  const lostRecords = new Set();
  for (let step = 0; step < 60; step += 1) {
    const number = freshNumber();
    const dice = random();
    if (dice < 0.15) await world.fail({ on: "OOB_QUEUE", times: 1 });
    else if (dice < 0.25) webhook.next(500);
    else if (dice < 0.3) webhook.next({ status: 429, headers: { "retry-after": "10" } });
    else if (dice < 0.38) webhook.next(400);
    else if (dice < 0.46) await world.fail({ on: "DB", times: 1, matching: "UPDATE deliveries SET state = 'claimed'" });
    const entry = await ask(number);
    expect(entry.status).toBe(200);
    promised.push(entry);
    if (dice >= 0.46 && dice < 0.52) {
      // Taken by the provider, and then the record is lost: the one window in which a code may come twice.
      await world.fail({ on: "DB", times: 1, matching: "state = 'sent'" });
      lostRecords.add(entry.id);
    }
    const garbage = random() < 0.2 ? [null, "garbage", { delivery: "nobody" }] : [];
    await world.deliver([...garbage, ...entry.told]);
    await world.heal();
    if (step % 20 === 19) {
      await world.advance(70);
      await world.sweep();
    }
  }
  webhook.recover();
  await settleTheBooks();

  const rows = Object.fromEntries(
    (await world.rows("SELECT id, state, failure, sealed FROM deliveries")).map((row) => [row.id, row]),
  );
  const outcomes = { sent: 0, failed: 0, expired: 0 };
  for (const { id, number } of promised) {
    const { state, failure, sealed } = rows[id];
    outcomes[state] += 1;
    expect(sealed, "nothing is kept").toBe(null);
    const arrived = webhook.messagesTo(number).length;
    if (state === "sent") {
      expect(arrived).toBeGreaterThanOrEqual(1);
      expect(arrived).toBeLessThanOrEqual(lostRecords.has(id) ? 2 : 1);
    } else {
      expect(failure).toMatch(/./);
      expect(arrived).toBeLessThanOrEqual(lostRecords.has(id) ? 1 : 0);
    }
  }
  expect(outcomes.sent + outcomes.failed + outcomes.expired).toBe(promised.length);
  expect(outcomes.sent).toBeGreaterThan(45);
  expect(outcomes.failed).toBeGreaterThan(0);
  expect(lostRecords.size).toBeGreaterThan(0);
});

test("a Worker that is killed after the commit and before the queue is told loses nothing", async () => {
  const { world, webhook } = stage;
  await world.fail({ on: "OOB_QUEUE", times: 1, mode: "hang" });
  const number = freshNumber();
  const person = stage.person();
  person.number = number;
  expect((await person.associateSms()).status).toBe(200);
  await world.restart();
  expect(webhook.messagesTo(number)).toEqual([]);
  await world.advance(60);
  await settleTheBooks();
  expect(webhook.messagesTo(number)).toHaveLength(1);
});

test("a provider that is down for a minute delays the codes and loses none", async () => {
  const { world, webhook } = stage;
  const people = Array.from({ length: 5 }, freshNumber);
  const told = [];
  for (const number of people) {
    told.push(...(await ask(number)).told);
  }
  for (let second = 0; second <= 60; second += 20) {
    webhook.next(503, 503, 503, 503, 503);
    await world.deliver(told);
    await world.advance(20);
  }
  expect(people.map((number) => webhook.messagesTo(number).length)).toEqual([0, 0, 0, 0, 0]);
  webhook.recover();
  await world.advance(30);
  await settleTheBooks();
  expect(people.map((number) => webhook.messagesTo(number).length)).toEqual([1, 1, 1, 1, 1]);
});

test("a key that is rotated while codes are on their way opens what it sealed", async () => {
  const { world, webhook } = stage;
  const number = freshNumber();
  const { told } = await ask(number);
  const keys = world.secrets.encryption;
  const [fresh] = Object.values(encryptionKeys().seal.keys);
  const seal = { use: "s2", keys: { ...keys.seal.keys, s2: fresh } };
  await world.restart({ ENCRYPTION_KEYS: JSON.stringify({ ...keys, seal }) });
  await world.deliver(told);
  expect(webhook.messagesTo(number)).toHaveLength(1);
});
