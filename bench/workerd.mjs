// What the operating system says of the running workerd. Linux only; elsewhere these figures are left out.
import { readdirSync, readFileSync } from "node:fs";

/** Of /proc/<pid>/stat: clock ticks a second, which Linux has fixed at 100 for programs. */
const TICKS = 100;

/** The pid of this process's only child that is a workerd; undefined where there is no /proc. */
export function workerdOf(parent = process.pid) {
  if (process.platform !== "linux") return undefined;
  const found = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const stat = fields(pid);
      return stat?.command === "workerd" && Number(stat.rest[1]) === parent;
    });
  if (found.length !== 1) throw new Error(`${found.length} workerds are running, and there should be one.`);
  return Number(found[0]);
}

/** Seconds of CPU time that the process has taken, in all its threads. */
export function cpuSeconds(pid) {
  if (pid === undefined) return undefined;
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
