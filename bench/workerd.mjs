// What the operating system says of the running workerd. Linux only; elsewhere these figures are left out.
import { readdirSync, readFileSync } from "node:fs";

/** Of /proc/<pid>/stat: clock ticks a second, which Linux has fixed at 100 for programs. */
const TICKS = 100;

/** The pids of this process's children that are workerds; none where there is no /proc. */
export function workerds(parent = process.pid) {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), ...fields(name) }))
    .filter(({ command, rest }) => command === "workerd" && Number(rest[1]) === parent)
    .map(({ pid }) => pid);
}

/** Seconds of CPU time that the process has taken, in all its threads; NaN of none. */
export function cpuSeconds(pid) {
  if (pid === undefined) return Number.NaN;
  const { rest } = fields(pid);
  return (Number(rest[11]) + Number(rest[12])) / TICKS;
}

/** The most memory that the process has ever held, in megabytes of 1000 000 bytes. */
export function peakMegabytes(pid) {
  if (pid === undefined) return undefined;
  const kibibytes = Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]);
  return (kibibytes * 1024) / 1e6;
}

// The command is in parentheses and may hold anything, so that what follows begins after the last one.
function fields(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const end = stat.lastIndexOf(")");
    return { command: stat.slice(stat.indexOf("(") + 1, end), rest: stat.slice(end + 2).split(" ") };
  } catch {
    return undefined; // it has ended meanwhile
  }
}
