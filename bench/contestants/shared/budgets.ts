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

/** A bucket, by how much later it will be full, and the latest that it may be full at: milliseconds. */
export type Charge = [key: string, cost: number, latestFullAt: number];

export async function charges(keys: Keys, user: string, phone: string, address: string, now: number): Promise<Charge[]> {
  const range = phone.slice(0, -4);
  const prefix = address.slice(0, address.lastIndexOf("."));
  const [recipientKey, rangeKey, addressKey, prefixKey] = await Promise.all([
    hashed(keys, "recipient", phone),
    hashed(keys, "range", range),
    hashed(keys, "address", address),
    hashed(keys, "prefix", prefix),
  ]);
  const bucket = (key: string, window: number, messages: number, weight = WEIGHT): Charge => {
    const interval = Math.max(1, Math.floor(window / messages));
    return [key, interval * weight, now * 1000 + interval * (messages - weight)];
  };
  return [
    bucket(`user:${user}`, 10 * HOUR, 10, 1),
    bucket(`recipient:${recipientKey}`, 10 * HOUR, 10, 1),
    bucket(`address:hour:${addressKey}`, HOUR, 30),
    bucket(`address:day:${addressKey}`, DAY, 100),
    bucket(`prefix:hour:${prefixKey}`, HOUR, 100),
    bucket(`prefix:day:${prefixKey}`, DAY, 400),
    bucket(`range:hour:${rangeKey}`, HOUR, 30),
    bucket(`range:day:${rangeKey}`, DAY, 60),
    bucket("overall:hour", HOUR, UNLIMITED),
    bucket("overall:day", DAY, UNLIMITED),
  ];
}
