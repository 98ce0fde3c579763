// The load generator as it is used: a process of its own, so that it takes its time from another core than the Worker.
import { fork } from "node:child_process";
import { Failure } from "../../scripts/terminal/failure.mjs";

export class Load {
  #settle = () => {};

  constructor() {
    this.process = fork(new URL("generator.mjs", import.meta.url), { serialization: "advanced", execArgv: [] });
    this.process.on("message", (message) => this.#settle(message));
    this.process.on("exit", () => this.#settle({ problem: "could not be sent: the load generator has ended." }));
  }

  /**
   * @param {number} port
   * @param {Buffer[]} requests whole requests, as they go over the wire
   * @param {number} inFlight how many of them at once
   * @returns {Promise<{ seconds: number, latencies: Float64Array, first: string, busy: number }>} how long all of them
   *   took, and each in milliseconds; what the first was answered; the seconds of CPU time that the generator itself took
   */
  async run(port, requests, inFlight) {
    const settled = new Promise((resolve) => (this.#settle = resolve));
    this.process.send({ port, requests, inFlight });
    const { problem, result } = await settled;
    if (problem) throw new Failure(`A request ${problem}`);
    return result;
  }

  close() {
    this.process.disconnect();
  }
}

/** One request as it goes over the wire. */
export function wire({ path, headers, body }, host) {
  const all = { host, "content-type": "application/json", "content-length": Buffer.byteLength(body), ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
}
