// better-auth's tables, made by better-auth, and users with a password and a session in them.
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { options } from "./options.js";
import { HASH } from "./password.js";

/** Makes the tables in the D1 database that Miniflare hands out. */
export async function createTables(db, variables) {
  const { options: all } = betterAuth(options({ ...variables, DB: db }));
  const { compileMigrations } = await getMigrations(all);
  const statements = (await compileMigrations()).split(";").map((sql) => sql.trim());
  await db.batch(statements.filter(Boolean).map((sql) => db.prepare(sql)));
}

export async function addUsers(db, people) {
  const list = JSON.stringify(people);
  const now = new Date().toISOString();
  // As if all had just logged in: a session that is older is prolonged, which costs a round trip more.
  const later = new Date(Date.now() + 7 * 86_400_000).toISOString();
  const statement = (sql, ...values) => db.prepare(sql).bind(list, now, ...values);
  const sub = "(person.value ->> 'sub')";
  await db.batch([
    statement(`INSERT INTO "user" ("id", "name", "email", "emailVerified", "createdAt", "updatedAt", "twoFactorEnabled")
               SELECT ${sub}, 'Somebody', person.value ->> 'email', 1, ?2, ?2, 0 FROM json_each(?1) AS person`),
    statement(
      `INSERT INTO "account" ("id", "accountId", "providerId", "userId", "password", "createdAt", "updatedAt")
       SELECT 'account-' || ${sub}, ${sub}, 'credential', ${sub}, ?3, ?2, ?2 FROM json_each(?1) AS person`,
      HASH,
    ),
    statement(
      `INSERT INTO "session" ("id", "token", "userId", "expiresAt", "createdAt", "updatedAt")
       SELECT 'session-' || ${sub}, person.value ->> 'session', ${sub}, ?3, ?2, ?2 FROM json_each(?1) AS person`,
      later,
    ),
  ]);
}
