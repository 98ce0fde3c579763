// The local D1's file, filled while nobody uses it.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fillingStatements } from "./fill.mjs";

/** A transaction's worth. */
const USERS_AT_ONCE = 50_000;
/** Kibibytes of pages that are kept in memory: keys come in no order, so that each page is met again and again. */
const CACHE_KIBIBYTES = 2_000_000;

/** Adds the users numbered from `from` on, below `to`: what lasts, and what a busy day has left of them. */
export async function fill(folder, from, to) {
  const database = open(folder);
  try {
    database.exec(`PRAGMA cache_size = -${CACHE_KIBIBYTES}; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF`);
    const read = async (sql) => database.prepare(sql).all();
    const parts = { lasting: 0, passing: 0 };
    for (const part of Object.keys(parts)) {
      const before = size(database);
      for (let first = from; first < to; first += USERS_AT_ONCE) {
        const last = Math.min(first + USERS_AT_ONCE, to);
        const statements = await fillingStatements(read, first, last, { passing: part === "passing" });
        database.exec(`BEGIN; ${statements.join(";\n")}; COMMIT`);
      }
      parts[part] = size(database) - before;
    }
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    return parts;
  } finally {
    database.close();
  }
}

function open(folder) {
  const path = join(folder, "d1", "miniflare-D1DatabaseObject");
  const [name] = readdirSync(path).filter((each) => /^[0-9a-f]{64}\.sqlite$/.test(each));
  return new DatabaseSync(join(path, name));
}

function size(database) {
  const { page_count } = database.prepare("PRAGMA page_count").get();
  const { page_size } = database.prepare("PRAGMA page_size").get();
  return page_count * page_size;
}
