/** Ports for what is started as a process of its own: the Worker's and, next to it, the demo issuer's. */
import { randomInt } from "node:crypto";
import { createServer } from "node:net";

// Below those that systems hand out by themselves, to the servers of other tests among others.
const [LOWEST, HIGHEST] = [20_000, 32_000];
const HOSTS = ["127.0.0.1", "::1"];

/** The lower of two neighbouring ports that nobody uses. */
export async function freeNeighbours() {
  for (;;) {
    const port = randomInt(LOWEST / 2, HIGHEST / 2) * 2;
    if ((await isFree(port)) && (await isFree(port + 1))) return port;
  }
}

async function isFree(port) {
  for (const host of HOSTS) {
    if ((await listenOnce({ port, host, ipv6Only: host === "::1" })) === "EADDRINUSE") return false;
  }
  return true;
}

/** Listens and stops. Resolves to the code of the error, if there was one. */
function listenOnce(where) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error) => resolve(error.code));
    server.listen(where, () => server.close(() => resolve(undefined)));
  });
}
