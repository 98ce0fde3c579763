// One line for each step: what it does, how long that may take, and how it went.

function seconds(milliseconds) {
  const whole = Math.round(milliseconds / 1000);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}

/**
 * Says a step, does it, and ends its line with "done" and the time it took, or with what the work returned.
 *
 * @param {string} title what is done
 * @param {string} howLong how long it may take, said beforehand
 * @param {() => Promise<string | void>} work
 */
export async function step(title, howLong, work) {
  const begin = Date.now();
  process.stdout.write(`• ${title} (${howLong}) … `);
  try {
    const said = await work();
    process.stdout.write(`${said ?? "done"} (${seconds(Date.now() - begin)})\n`);
  } catch (error) {
    process.stdout.write("failed\n");
    throw error;
  }
}

/** Says a step that has nothing to do. */
export function skipped(title, reason) {
  console.log(`• ${title}: ${reason}`);
}
