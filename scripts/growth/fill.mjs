// Many people in the database, each like one who is really there: what the Worker has stored of that one, with other ids
// and times. Lengths and the order of keys are true; what is sealed opens for nobody.

const DAY = 24 * 60 * 60;

/** Odd multipliers of 2^32: each number gets an id of its own, and neighbours lie far apart, as random ids do. */
const MULTIPLIERS = [2654435761, 2246822519, 3266489917, 668265263];
const scattered = (number, multiplier) => `((${number} * ${multiplier}) % 4294967296)`;
const sixteen = (number, pair) => `printf('%08x%08x', ${pair.map((each) => scattered(number, each)).join(", ")})`;

const [FIRST, SECOND, THIRD, FOURTH] = MULTIPLIERS;
const OF_USERS = [FIRST, SECOND];
const OF_ROWS = [SECOND, FOURTH];

/** The user with this number. Their name is as long as those of scripts/growth/stage.mjs. */
const user = (number) => `'idp|user-' || ${sixteen(number, OF_USERS)}`;
/** The id of an authenticator or recovery code. */
const device = (prefix) => (number) => `'${prefix}|dev_' || ${sixteen(number, OF_ROWS)}`;
/** Another text of the template's length, hexadecimal. */
const like = (number, template) => {
  const digits = [OF_ROWS, OF_USERS, OF_ROWS, OF_USERS].map((pair) => sixteen(number, pair)).join(" || ");
  return `substr(${digits}, 1, ${template.length})`;
};
/** Spread over this many seconds before (or, negative, after) the template's time. */
const around = (seconds) => (number, time) =>
  `${time} ${seconds > 0 ? "-" : "+"} ${scattered(number, THIRD)} % ${Math.abs(seconds)}`;
const guesses = (number) => `'guess:' || ${user(number)}`;

/**
 * What stands in each table: rows a user, and which columns differ from the template's. The first part lasts as long as
 * the user does. The second is what a busy day leaves until the sweep comes: each tenth user has used a code by message
 * today, each hundredth is at it.
 */
const LASTING = [
  { table: "authenticators", only: "kind = 'totp'", share: 1, columns: { id: device("totp"), user_id: user } },
  { table: "authenticators", only: "kind = 'sms'", share: 1, columns: { id: device("sms"), user_id: user } },
  { table: "recovery_codes", share: 1, columns: { id: device("recovery-code"), user_id: user } },
  { table: "contacts", by: "updated_at", share: 1, columns: { user_id: user } },
];
const today = { created_at: around(DAY), due_at: around(DAY), expires_at: around(DAY) };
const underWay = { user_id: user, expires_at: around(-5 * 60) };
const PASSING = [
  {
    table: "deliveries",
    by: "created_at DESC",
    only: "message = 'code' AND state = 'sent'",
    share: 1 / 10,
    columns: { id: like, owner: like, ...today },
  },
  // Five rows for each message: most of them until their day is full again.
  {
    table: "message_budgets",
    by: "day_full_at",
    only: "key LIKE 'number_range%'",
    share: 1 / 2,
    columns: { key: like, full_at: around(-60 * 60 * 1000), day_full_at: around(-DAY * 1000) },
  },
  {
    table: "budgets",
    by: "full_at",
    only: "key LIKE 'guess:%'",
    share: 1 / 100,
    columns: { key: guesses, full_at: around(-DAY) },
  },
  {
    table: "redemptions",
    by: "expires_at",
    share: 1 / 100,
    columns: { spent: like, redemption: like, expires_at: around(-10 * 60) },
  },
  { table: "enrollments", by: "expires_at", share: 1 / 100, columns: { id: device("sms"), delivery_id: like, ...underWay } },
  {
    table: "challenges",
    by: "expires_at",
    share: 1 / 100,
    columns: { id: like, delivery_id: like, authenticator_id: device("sms"), ...underWay },
  },
];

/**
 * The statements that add the users numbered from `from` on, below `to`.
 *
 * @param {(sql: string) => Promise<Record<string, unknown>[]>} read asks the database for the templates
 */
export async function fillingStatements(read, from, to, { passing = false } = {}) {
  const statements = [];
  for (const { table, only = "1", by = "created_at", share, columns } of passing ? PASSING : LASTING) {
    // The first of all rows by its times: what was made of it lies behind it.
    const [template] = await read(`SELECT * FROM ${table} WHERE ${only} ORDER BY ${by} LIMIT 1`);
    if (!template) throw new Error(`${table} has no row to make others of`);
    const values = Object.entries(template).map(([name, value]) => columns[name]?.("n", value) ?? literal(value));
    const names = Object.keys(template).map((name) => `"${name}"`);
    const [first, last] = [Math.ceil(from * share), Math.ceil(to * share)];
    if (first >= last) continue;
    statements.push(
      `INSERT INTO ${table} (${names.join(", ")})\n` +
        `WITH RECURSIVE numbers(n) AS (SELECT ${first} UNION ALL SELECT n + 1 FROM numbers WHERE n < ${last - 1})\n` +
        `SELECT ${values.join(", ")} FROM numbers`,
    );
  }
  return statements;
}

function literal(value) {
  if (value === null) return "NULL";
  return typeof value === "number" ? String(value) : `'${String(value).replaceAll("'", "''")}'`;
}

/** Brings one of each row that others are made of into the database, through the Worker. */
export async function addTemplates(stage) {
  const person = stage.person();
  await person.enrollOtp();
  const caller = stage.person();
  const token = caller.mfaToken();
  const { oob_code } = await (await caller.associateSms({ token })).json();
  const binding_code = await stage.codeFor(caller.number);
  await caller.exchange("oob", { mfa_token: token, oob_code, binding_code });
  await caller.challenge({ challenge_type: "oob" });
  await stage.person().associateSms();
  await stage.world.settle();
}
