/** D1 read as a whole, to see what a request left there. */

/** Every row of every table, or of those named, by table. */
export async function dump(database, only) {
  const { results } = await database
    .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '_cf_%'")
    .all();
  const tables = results
    .map(({ name }) => name)
    .filter((name) => !only || only.includes(name))
    .sort();
  const answers = await database.batch(tables.map((table) => database.prepare(`SELECT * FROM "${table}"`)));
  return Object.fromEntries(tables.map((table, index) => [table, answers[index].results]));
}

/** Runs what a command would: all statements as one transaction, as wrangler does. No value may have ";" at a line's end. */
export async function run(database, sql) {
  await database.batch(sql.split(";\n").map((statement) => database.prepare(statement)));
}

export async function rows(database, sql, ...values) {
  const answer = await database
    .prepare(sql)
    .bind(...values)
    .all();
  return answer.results;
}
