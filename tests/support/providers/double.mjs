/** A provider of messages as its published API has it: strict about what it is asked, and broken on demand. */
import { once } from "node:events";
import { createServer } from "node:http";
import { until } from "../poll.mjs";

export class Double {
  /** What it took, oldest first. */
  accepted = [];
  /** Every request in order: { path, status, code }. */
  calls = [];
  #answers = [];
  #held = [];

  static async start(options) {
    const double = new this(options);
    double.server = createServer((request, response) => double.#answer(request, response));
    double.server.listen(0, "127.0.0.1");
    await once(double.server, "listening");
    double.url = `http://127.0.0.1:${double.server.address().port}`;
    return double;
  }

  /** What comes next, whatever is asked: { status, body, headers }, "hang" until `release`, or "reset". */
  next(...answers) {
    this.#answers.push(...answers);
  }

  /** From now on it serves as it should. */
  recover() {
    this.#answers.length = 0;
  }

  /** How many requests it is holding. */
  get held() {
    return this.#held.length;
  }

  release() {
    for (const answer of this.#held.splice(0)) answer();
  }

  async #answer(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const wanted = this.#answers.shift();
    if (wanted === "reset") {
      this.calls.push({ path: request.url, status: 0 });
      request.socket.resetAndDestroy();
      return;
    }
    const { method, url: path, headers } = request;
    const judged = this.judge({ method, path, headers, body: Buffer.concat(chunks).toString() });
    const given = typeof wanted === "object" ? wanted : judged;
    const answer = () => {
      this.calls.push({ path, status: given.status, code: given.body?.code ?? given.body?.name });
      if (given === judged && judged.message) this.accepted.push(judged.message);
      response.writeHead(given.status, { "content-type": "application/json", ...given.headers });
      response.end(JSON.stringify(given.body ?? {}));
    };
    if (wanted === "hang") this.#held.push(answer);
    else answer();
  }

  messagesTo(to) {
    return this.accepted.filter((message) => message.to === to);
  }

  /** The newest message for `to`, once it is there. */
  async messageFor(to) {
    await until(`a message for ${to} arrived`, () => this.messagesTo(to).length > 0);
    return this.messagesTo(to).at(-1);
  }

  async stop() {
    this.release();
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, "close");
  }
}
