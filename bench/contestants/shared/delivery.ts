/** The queue's consumer: claims the deliveries of a batch, sends them by a signed webhook, and records it. */
import type { Bindings } from "./bindings.ts";
import { importedKeys, open } from "./cryptography.ts";

interface Delivery {
  id: string;
  sealed: string;
  expires_at: number;
}

let webhookKey: CryptoKey | undefined;

export async function deliver(batch: MessageBatch<string>, env: Bindings): Promise<void> {
  const now = Math.floor(Date.now() / 1000);
  const ids = JSON.stringify(batch.messages.map(({ body }) => body));
  const { results: claimed } = await env.DB.prepare(
    `UPDATE deliveries SET state = 'claimed', attempts = attempts + 1, due_at = ?2 + 60
     WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'waiting' AND expires_at > ?2
     RETURNING id, sealed, expires_at`,
  )
    .bind(ids, now)
    .all<Delivery>();
  const sent = await Promise.all(claimed.map((delivery) => send(delivery, env, now)));
  const done = JSON.stringify(claimed.filter((_, index) => sent[index]).map(({ id }) => id));
  await env.DB.prepare(
    `UPDATE deliveries SET state = 'sent', sealed = NULL, provider = 'webhook'
     WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'claimed'`,
  )
    .bind(done)
    .run();
  for (const message of batch.messages) {
    const index = claimed.findIndex(({ id }) => id === message.body);
    if (index >= 0 && !sent[index]) message.retry({ delaySeconds: 2 });
    else message.ack();
  }
}

async function send(delivery: Delivery, env: Bindings, now: number): Promise<boolean> {
  const { to, code } = JSON.parse(await open(await importedKeys(env), `delivery:${delivery.id}`, delivery.sealed));
  const body = JSON.stringify({
    type: "mfa.code",
    channel: "sms",
    to,
    code,
    text: `${code} is your code for ${env.TENANT_NAME}.`,
    expires_at: delivery.expires_at,
    expires_in: delivery.expires_at - now,
    tenant: env.TENANT_NAME,
  });
  const secret = Uint8Array.from(atob(env.WEBHOOK_SECRET.slice("whsec_".length)), (each) => each.charCodeAt(0));
  webhookKey ??= await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const signed = new TextEncoder().encode(`${delivery.id}.${now}.${body}`);
  const signature = new Uint8Array(await crypto.subtle.sign("HMAC", webhookKey, signed));
  const response = await fetch(env.WEBHOOK_URL, {
    method: "POST",
    body,
    headers: {
      "content-type": "application/json",
      "webhook-id": delivery.id,
      "webhook-timestamp": String(now),
      "webhook-signature": `v1,${btoa(String.fromCharCode(...signature))}`,
    },
  });
  await response.body?.cancel();
  return response.ok;
}
