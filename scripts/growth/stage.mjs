// The deploy build in workerd, an issuer and clients, for measurements: what tests use, without what tests check.
import { randomInt } from "node:crypto";
import { addClient } from "../../tests/support/clients.mjs";
import { Issuer } from "../../tests/support/issuer.mjs";
import { Person, random } from "../../tests/support/person.mjs";
import { SUBJECT_AUDIENCE } from "../../tests/support/token-exchange.mjs";
import { Webhook } from "../../tests/support/webhook.mjs";
import { PUBLIC_URL, startWorkers } from "../../tests/support/worker.mjs";

/** Everybody is counted and nobody is refused, however fast they come. */
const MANY = { hour: 1_000_000, day: 1_000_000 };
const COUNTED = ["client_address", "address_prefix", "number_range", "overall", "region", "network"];
const SENDING_LIMITS = Object.fromEntries(COUNTED.map((rule) => [rule, MANY]));

export class MeasuringStage {
  static async set({ persist, isolates = 1 } = {}) {
    const stage = new MeasuringStage();
    const entry = { audiences: [SUBJECT_AUDIENCE] };
    stage.issuer = await Issuer.start({ may: ["exchange", "mfa_token", "access_token"], entry });
    stage.webhook = await Webhook.start();
    stage.world = await startWorkers({
      issuers: [stage.issuer],
      webhook: stage.webhook,
      // The queue would send in between; what is to be sent is sent by codeFor.
      consume: false,
      isolates,
      persist,
      vars: { SENDING_LIMITS: JSON.stringify(SENDING_LIMITS) },
    });
    stage.webhook.times = () => stage.world.times();
    // Codes of apps are then good for as long as a round of requests takes, and nothing that is remembered grows old.
    await stage.world.freeze();
    stage.door = new Door(stage.world);
    stage.client = await addClient(stage.world);
    stage.confidential = await addClient(stage.world, { authentication: "post" });
    return stage;
  }

  /** Ends workerd and starts it on the same database, with the same keys. */
  async restart(change = async () => {}) {
    await this.world.dispose();
    await change();
    await this.world.start();
    await this.world.freeze();
  }

  /** Somebody new, with an address for mail that their issuer has verified. */
  person({ client = this.client } = {}) {
    const sub = `user-${random()}`;
    const person = new Person(this.door, this.issuer, { client, sub, claims: { email_verified: true } });
    person.email = `${sub}@example.com`;
    person.claims.email = person.email;
    return person;
  }

  /** Has what waits for a number be sent, and returns the code. */
  async codeFor(number) {
    await this.sendWhatWaits("message = 'code'");
    return this.webhook.messagesTo(number).at(-1).code;
  }

  /** Has what waits be sent, or that part of it. */
  async sendWhatWaits(part = "1") {
    const waiting = await this.world.rows(`SELECT id FROM deliveries WHERE state = 'waiting' AND ${part}`);
    if (waiting.length > 0) await this.world.deliver(waiting.map(({ id }) => ({ delivery: id })));
  }

  async clear() {
    await this.world?.dispose();
    await this.issuer?.stop();
    await this.webhook?.stop();
  }
}

/**
 * A way to the Worker for people who each have an address of their own, as those are counted. It keeps the time: of the
 * answer with its body, and of nothing else.
 */
export class Door {
  /** @param {import("../../tests/support/worker.mjs").World} world */
  constructor(world) {
    this.world = world;
  }

  /** How long the last request took. */
  milliseconds = 0;

  now() {
    return this.world.now();
  }

  async fetch(path, { isolate = 0, headers, ...init } = {}) {
    const url = new URL(path, PUBLIC_URL);
    const all = { "cf-connecting-ip": anyAddress(), ...headers, "MF-Route-Override": this.world.isolates[isolate] };
    const begin = performance.now();
    const response = await this.world.miniflare.dispatchFetch(url, { redirect: "manual", ...init, headers: all });
    const bytes = await response.arrayBuffer();
    this.milliseconds = performance.now() - begin;
    const { status, headers: answered } = response;
    return Object.assign(new Response(bytes.byteLength > 0 ? bytes : null, { status, headers: [...answered] }), {
      path: url.pathname,
    });
  }

  post(path, body, { headers, ...init } = {}) {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    return this.fetch(path, { method: "POST", body: text, headers: { "content-type": "application/json", ...headers }, ...init });
  }
}

/** A public one: others, such as 10.0.0.1, are not counted, and their messages write two rows less. */
const anyAddress = () => [randomInt(11, 100), ...Array.from({ length: 3 }, () => randomInt(1, 224))].join(".");
