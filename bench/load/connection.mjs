// One kept-alive HTTP/1.1 connection, as cheap as it can be: the load generator must not be what is measured.
import { connect } from "node:net";

const HEAD_END = Buffer.from("\r\n\r\n");
const CHUNKS_END = Buffer.from("0\r\n\r\n");

export class Connection {
  #received = Buffer.alloc(0);
  #waiting;

  static open(port) {
    return new Promise((resolve, reject) => {
      const connection = new Connection();
      connection.socket = connect({ port, host: "127.0.0.1", noDelay: true }, () => resolve(connection));
      connection.socket.on("data", (bytes) => connection.#take(bytes));
      connection.socket.on("error", (error) => (connection.#waiting ? connection.#fail(error) : reject(error)));
      connection.socket.on("close", () => connection.#fail(new Error("The Worker closed the connection.")));
    });
  }

  /** Writes one request as it is and resolves with its answer: { status, text() }. */
  ask(bytes) {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.socket.write(bytes);
    });
  }

  #fail(error) {
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }

  #take(bytes) {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    const answer = parsed(this.#received);
    if (!answer) return;
    this.#received = Buffer.alloc(0);
    const { resolve } = this.#waiting;
    this.#waiting = undefined;
    resolve(answer);
  }

  close() {
    this.socket.removeAllListeners("close");
    this.socket.destroy();
  }
}

/** The answer in these bytes, if all of it is there. Nothing follows it: there is one request at a time. */
export function parsed(bytes) {
  const head = bytes.indexOf(HEAD_END);
  if (head < 0) return undefined;
  const text = bytes.latin1Slice(0, head);
  const body = head + HEAD_END.length;
  const status = Number(text.slice(9, 12));
  const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1];
  if (length !== undefined) {
    const end = body + Number(length);
    return bytes.length < end ? undefined : { status, text: () => bytes.toString("utf8", body, end) };
  }
  const chunked = bytes.subarray(-CHUNKS_END.length).equals(CHUNKS_END);
  return chunked ? { status, text: () => joined(bytes, body) } : undefined;
}

function joined(bytes, start) {
  const parts = [];
  for (let at = start; ; ) {
    const line = bytes.indexOf("\r\n", at);
    const size = Number.parseInt(bytes.latin1Slice(at, line), 16);
    if (size === 0) return Buffer.concat(parts).toString("utf8");
    parts.push(bytes.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
}
