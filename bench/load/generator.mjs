// The load generator's process: takes requests as bytes, sends them, and tells how long each took.
import { Connection } from "./connection.mjs";

process.on("message", async (message) => {
  try {
    process.send({ result: await run(message) });
  } catch (error) {
    process.send({ problem: error.message });
  }
});
// Whoever started this is gone.
process.on("disconnect", () => process.exit());

/** Sends all `requests`, so many at once, and stops at the first answer other than 200. */
async function run({ port, requests, inFlight }) {
  const connections = await Promise.all(Array.from({ length: inFlight }, () => Connection.open(port)));
  const latencies = new Float64Array(requests.length);
  let next = 0;
  let first;
  const one = async (connection) => {
    while (next < requests.length) {
      const index = next++;
      const begin = performance.now();
      const answer = await connection.ask(requests[index]);
      latencies[index] = performance.now() - begin;
      if (answer.status !== 200) {
        next = requests.length;
        throw new Error(`was answered ${answer.status}: ${answer.text()}`);
      }
      first ??= answer.text();
    }
  };
  const cpu = process.cpuUsage();
  const begin = performance.now();
  try {
    await Promise.all(connections.map(one));
  } finally {
    for (const connection of connections) connection.close();
  }
  const seconds = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { seconds, latencies, first, busy: (user + system) / 1e6 };
}
