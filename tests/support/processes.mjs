/** Processes, found by what they were started with: a child whose parent has died is found as well. */
import { execFile } from "node:child_process";
import { readFile, readdir } from "node:fs/promises";
import { promisify } from "node:util";

/** Every process, but this one, that has `mark` in its environment: { pid, command }. */
export async function processesOf(mark) {
  const all = process.platform === "linux" ? await fromProc(mark) : await fromPs(mark);
  return all.filter(({ pid }) => pid !== process.pid);
}

async function fromProc(mark) {
  const found = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (!(await readFile(`/proc/${name}/environ`, "utf8")).includes(mark)) continue;
      const command = (await readFile(`/proc/${name}/cmdline`, "utf8")).replaceAll("\0", " ").trim();
      found.push({ pid: Number(name), command });
    } catch {
      // It has ended meanwhile, or is somebody else's.
    }
  }
  return found;
}

// On macOS `-E` puts the environment behind the command.
async function fromPs(mark) {
  const { stdout } = await promisify(execFile)("ps", ["-AwwE", "-o", "pid=,command="], { maxBuffer: 64 * 1024 * 1024 });
  return stdout
    .split("\n")
    .filter((line) => line.includes(mark))
    .map((line) => /^\s*(\d+)\s+(.*)$/.exec(line))
    .map(([, pid, command]) => ({ pid: Number(pid), command }));
}
