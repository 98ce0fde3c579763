/** Waits for a condition by looking again, never by hoping that some time is enough. */

const LOOK_AGAIN_MS = 10;

/**
 * Calls `look` until it returns something truthy, and returns that.
 *
 * @param {string} what the condition in words, for the error when the deadline passes
 * @param {() => unknown} look
 */
export async function until(what, look, { deadlineMs = 15_000 } = {}) {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (performance.now() > deadline) throw new Error(`waited ${deadlineMs} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}
