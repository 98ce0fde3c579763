/** The real migrations, applied to a local D1 as `wrangler d1 migrations apply` would: in the order of their numbers. */
import { readdir, readFile } from "node:fs/promises";
import { REPOSITORY } from "./repository.mjs";

const FOLDER = new URL("migrations/", REPOSITORY);

/**
 * Every statement of every migration, or of those whose names are wanted. The files hold plain statements: no triggers, no
 * semicolons inside literals.
 */
export async function migrationStatements(isWanted = () => true) {
  const names = (await readdir(FOLDER)).filter((name) => name.endsWith(".sql") && isWanted(name)).sort();
  const files = await Promise.all(names.map((name) => readFile(new URL(name, FOLDER), "utf8")));
  return files.flatMap((sql) =>
    sql
      .replaceAll(/--[^\n]*/g, "")
      .split(";")
      .map((statement) => statement.trim())
      .filter(Boolean),
  );
}

export async function migrate(database) {
  const statements = await migrationStatements();
  await database.batch(statements.map((sql) => database.prepare(sql)));
}
