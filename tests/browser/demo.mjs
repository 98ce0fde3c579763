/**
 * The demo as `npm start` serves it: the development build on one port of localhost, the demo issuer on the next.
 *
 * The Worker runs in the tests' own Miniflare, for its clock; a small server in front gives it the port.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import { startDemoIssuer } from "../../scripts/demo-issuer.mjs";
import { putClient } from "../../scripts/clients/statements.mjs";
import { DEMO_AUDIENCE, DEMO_ISSUER, demoClient } from "../../scripts/setup/demo-client.mjs";
import { startWorkers } from "../support/worker.mjs";

const PORTS_TO_TRY = 20;

export async function startDemo() {
  const { front, origin, issuer } = await onNeighbouringPorts();
  let world;
  const stop = async () => {
    front.close();
    front.closeAllConnections();
    issuer.close();
    await world?.dispose();
  };
  try {
    const trusted = () => ({ name: DEMO_ISSUER, issuer: issuer.issuer, may: ["mfa_token"] });
    const vars = { PUBLIC_URL: origin, TENANT_NAME: "Countersign Demo" };
    world = await startWorkers({ build: "development", issuers: [{ trusted }], vars });
    await world.db.prepare(putClient(demoClient(origin))).run();
  } catch (error) {
    await stop();
    throw error;
  }
  front.on("request", (request, response) => forward(world, origin, request, response));
  /** Moves the Worker's clock; the browser's and the issuer's stay. */
  const advance = (seconds) => world.advance(seconds);
  return { origin, advance, stop };
}

/** The page looks for the issuer on the next port, so that both have to be free. */
async function onNeighbouringPorts() {
  for (let tries = 1; ; tries += 1) {
    const front = createServer().listen(0, "127.0.0.1");
    await once(front, "listening");
    const { port } = front.address();
    const origin = `http://localhost:${port}`;
    try {
      const issuer = await startDemoIssuer({ port: port + 1, countersign: origin, audience: DEMO_AUDIENCE, log: () => {} });
      return { front, origin, issuer };
    } catch (error) {
      front.close();
      if (tries === PORTS_TO_TRY) throw error;
    }
  }
}

async function forward(world, origin, request, response) {
  const { method, headers } = request;
  const body = ["GET", "HEAD"].includes(method) ? undefined : await buffer(request);
  // Each connection is this server's own affair.
  const { connection, "transfer-encoding": encoding, ...passed } = headers;
  const answer = await world.fetch(new URL(request.url, origin), { method, headers: passed, body });
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  response.end(Buffer.from(await answer.arrayBuffer()));
}
