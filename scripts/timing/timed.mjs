// A client on the wire that says how long an answer took.
import { Agent, request } from "node:http";
import { PUBLIC_URL } from "../../tests/support/worker.mjs";

/** In the place of a test's world: `milliseconds` of an answer go from the first byte sent to the last one read. */
export class Timed {
  #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  #world;

  constructor(world) {
    this.#world = world;
  }

  now() {
    return this.#world.now();
  }

  post(path, body, { headers, ...init } = {}) {
    const all = { "content-type": "application/json", ...headers };
    return this.fetch(path, { method: "POST", body: JSON.stringify(body), headers: all, ...init });
  }

  async fetch(path, { method = "GET", headers = {}, body = "" } = {}) {
    const { hostname, port } = await this.#world.miniflare.ready;
    const own = { host: new URL(PUBLIC_URL).host, "mf-route-override": this.#world.isolates[0] };
    const length = body && { "content-length": Buffer.byteLength(body) };
    return new Promise((resolve, reject) => {
      const options = { hostname, port, path, method, headers: { ...headers, ...own, ...length }, agent: this.#agent };
      const begin = performance.now();
      const asked = request(options, (response) => {
        const parts = [];
        response.on("data", (part) => parts.push(part));
        response.on("end", () => {
          const milliseconds = performance.now() - begin;
          resolve({ status: response.statusCode, text: Buffer.concat(parts).toString(), milliseconds });
        });
      });
      asked.on("error", reject);
      asked.end(body);
    });
  }

  end() {
    this.#agent.destroy();
  }
}
