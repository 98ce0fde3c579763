// One build at a time: both variants go through the same cargo target folder, where their outputs bear the same name.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const PAUSE = 300;

/** Does the work while no other process does work under the same lock file. */
export async function alone(lock, work) {
  mkdirSync(dirname(lock), { recursive: true });
  while (!taken(lock)) await pause(PAUSE);
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function taken(lock) {
  try {
    writeFileSync(lock, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    if (!alive(owner(lock))) rmSync(lock, { force: true });
    return false;
  }
}

function owner(lock) {
  try {
    return Number(readFileSync(lock, "utf8"));
  } catch {
    return undefined; // released just now
  }
}

function alive(pid) {
  if (!pid) return pid === 0; // an empty file: its owner is about to write its id
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}
