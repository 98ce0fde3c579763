/**
 * A Worker beside the ones under test that plays Cloudflare's part: it hands an isolate a batch of queue messages, or
 * the cron event, at the moment the test chooses, and says what became of it. It also takes the dead letters, and the
 * events that are exported.
 */
const taken = {};

export default {
  async fetch(request, env) {
    const { isolate, queue, messages, cron, scheduledTime, takenFrom } = await request.json();
    if (cron !== undefined) {
      return Response.json(await env[isolate].scheduled({ cron, scheduledTime: new Date(scheduledTime) }));
    }
    if (takenFrom !== undefined) return Response.json(taken[takenFrom] ?? []);
    const batch = messages.map(({ id, body, attempts }) => ({ id, body, attempts, timestamp: new Date() }));
    const { outcome, ackAll, retryBatch, explicitAcks, retryMessages } = await env[isolate].queue(queue, batch);
    return Response.json({ outcome, ackAll, retryBatch, explicitAcks, retryMessages });
  },

  queue(batch) {
    (taken[batch.queue] ??= []).push(...batch.messages.map(({ body }) => body));
  },
};
