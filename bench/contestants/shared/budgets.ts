/**
 * What a message is charged to: the buckets, sizes and weights that Countersign has by default
 * (docs/sending-limits.md), but for the one of all messages, which a benchmark would empty.
 */
import { hashed, type Keys } from "./cryptography.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** A message counts three times until its code has come back. */
const WEIGHT = 3;
const UNLIMITED = 1e8;

/** A bucket: by how much later it will be full, and the latest that it may be full at. Milliseconds. */
type Bucket = [cost: number, latestFullAt: number];
/** A row, with its bucket and, where there is one beside it, the day's. */
export type Charge = [key: string, cost: number, latestFullAt: number, costOfDay?: number, latestFullAtOfDay?: number];

export async function charges(keys: Keys, user: string, phone: string, address: string, now: number): Promise<Charge[]> {
  const range = phone.slice(0, -4);
  const prefix = address.slice(0, address.lastIndexOf("."));
  const [recipientKey, rangeKey, addressKey, prefixKey] = await Promise.all([
    hashed(keys, "recipient", phone),
    hashed(keys, "range", range),
    hashed(keys, "address", address),
    hashed(keys, "prefix", prefix),
  ]);
  const bucket = (window: number, messages: number, weight = WEIGHT): Bucket => {
    const interval = Math.max(1, Math.floor(window / messages));
    return [interval * weight, now * 1000 + interval * (messages - weight)];
  };
  const own = bucket(10 * HOUR, 10, 1);
  return [
    [`user:${user}`, ...own],
    [`recipient:${recipientKey}`, ...own],
    [`address:${addressKey}`, ...bucket(HOUR, 30), ...bucket(DAY, 100)],
    [`prefix:${prefixKey}`, ...bucket(HOUR, 100), ...bucket(DAY, 400)],
    [`range:${rangeKey}`, ...bucket(HOUR, 30), ...bucket(DAY, 60)],
    ["overall", ...bucket(HOUR, UNLIMITED), ...bucket(DAY, UNLIMITED)],
  ];
}
