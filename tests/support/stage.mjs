/** The usual cast of a test file: the Workers, an issuer they trust, a provider for codes, and a client. */
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { addClient } from "./clients.mjs";
import { Issuer } from "./issuer.mjs";
import { Person } from "./person.mjs";
import { Webhook } from "./webhook.mjs";
import { startWorkers } from "./worker.mjs";

/**
 * Sets the stage before a file's tests and clears it after them.
 *
 * @param {object} [options] what startWorkers takes, and:
 * @param {object[]} [options.issuers] options for Issuer.start, one each; the first is the stage's `issuer`
 */
export function useStage({ issuers = [{}], ...options } = {}) {
  const stage = new Stage();
  beforeAll(() => stage.set(issuers, options));
  afterEach(() => expect(stage.webhook.problems.splice(0)).toEqual([]));
  afterAll(() => stage.clear());
  return stage;
}

export class Stage {
  async set(issuers, options) {
    this.webhook = await Webhook.start();
    this.issuers = await Promise.all(issuers.map((each) => Issuer.start(each)));
    [this.issuer] = this.issuers;
    this.world = await startWorkers({ issuers: this.issuers, webhook: this.webhook, ...options });
    this.webhook.times = () => this.world.times();
    this.client = await this.addClient();
  }

  /** Another client that every issuer of the stage may name. */
  addClient(options) {
    return addClient(this.world, { issuers: this.issuers.map(({ name }) => name), ...options });
  }

  /** Somebody new. */
  person({ issuer = this.issuer, client = this.client, ...options } = {}) {
    return new Person(this.world, issuer, { client, webhook: this.webhook, ...options });
  }

  async clear() {
    await this.world?.dispose();
    await Promise.all((this.issuers ?? []).map((issuer) => issuer.stop()));
    await this.webhook?.stop();
  }
}
