// What the workerd that this process has started takes.
import { run } from "../terminal/command.mjs";

const KIBIBYTES = 1024;

/** Resident memory in MiB, or null where there is no `ps` that tells. */
export async function workerdMebibytes() {
  const { code, stdout } = await run("ps", ["-A", "-o", "ppid=,rss=,comm="], {});
  if (code !== 0) return null;
  const processes = stdout.split("\n").map((line) => line.trim().split(/\s+/));
  const own = processes.filter(([parent, , name]) => Number(parent) === process.pid && /workerd/.test(name ?? ""));
  if (own.length === 0) return null;
  return Math.round(own.reduce((sum, [, kibibytes]) => sum + Number(kibibytes), 0) / KIBIBYTES);
}
