// The ports of local development: the Worker's, and the next one for the demo issuer.
import { createServer } from "node:net";
import { Failure } from "../terminal/failure.mjs";

const DEFAULT_PORT = 8787;
const LAST_PORT = 65_535;

/** The port that PORT asks for, once it and the next one are known to be free. */
export async function freePort(asked = process.env.PORT) {
  const port = asked ? Number(asked) : DEFAULT_PORT;
  if (!Number.isInteger(port) || port < 1 || port >= LAST_PORT) {
    throw new Failure(
      `PORT must be a number from 1 to ${LAST_PORT - 1} (the demo issuer takes the next one), and is "${asked}".`,
    );
  }
  for (const each of [port, port + 1]) {
    const problem = await whyNot(each);
    if (!problem) continue;
    const use = each === port ? "" : ", which the demo issuer would use,";
    throw new Failure(`Port ${each}${use} is ${problem}: choose another with \`PORT=${await freePair(port)} npm start\`.`);
  }
  return port;
}

async function freePair(near) {
  for (let port = Math.max(near, 1024) + 10; port < LAST_PORT; port += 10) {
    if (!(await whyNot(port)) && !(await whyNot(port + 1))) return port;
  }
  return DEFAULT_PORT;
}

async function whyNot(port) {
  for (const host of ["127.0.0.1", "::1"]) {
    const code = await listenOnce(port, host);
    if (code === "EADDRINUSE") return "taken";
    if (code === "EACCES") return "reserved for the system";
  }
}

function listenOnce(port, host) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error) => resolve(error.code));
    server.listen({ port, host, ipv6Only: host === "::1" }, () => server.close(() => resolve(undefined)));
  });
}
