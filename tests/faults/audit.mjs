/**
 * The audit after a soak: what is stored, and what has arrived, against the clients' own records. Returns every
 * difference in words.
 */
import { GUESSES, SECONDS_A_GUESS } from "../support/codes.mjs";

const HOUR = 3600;
const DAY = 24 * HOUR;
/** What the sweep leaves after an end: SECURITY.md and docs/storage.md say why. In seconds. */
const KEPT = {
  enrollments: 0,
  challenges: 0,
  redemptions: 60,
  client_assertions: 60,
  deliveries: DAY,
  idempotent_answers: 0,
  closures: 0,
};
/** Between the times that a client saw around a guess and the time that it was charged at. In seconds. */
const SLACK = 60;
/** Messages of a user or recipient: 20 at once, one more an hour (notices) or a minute (the soak's FACTORS). */
const OWN_MESSAGES = 20 * HOUR;

export async function audit(soak) {
  const { world } = soak.stage;
  const found = [];
  const differs = (words) => found.push(words);
  const tables = await world.dump();
  const now = world.now();
  const of = (table, user) => tables[table].filter(({ user_id }) => user_id === user);

  for (const record of soak.records) await ofPerson(soak, record, of, differs);
  const users = new Set(soak.records.map(userOf));
  for (const table of ["authenticators", "enrollments", "challenges", "recovery_codes", "contacts"]) {
    for (const { user_id } of tables[table]) if (!users.has(user_id)) differs(`${table} has ${user_id}, who is nobody`);
  }
  ofMessages(soak, tables, differs);
  ofTables(tables, now, differs);
  return found;
}

const userOf = ({ person }) => `idp|${person.sub}`;

/** Authenticators, what waits beside them, and guesses. */
async function ofPerson(soak, record, of, differs) {
  const user = userOf(record);
  const stored = of("authenticators", user);
  const ids = stored.map(({ id }) => id);
  for (const id of record.active.keys()) if (!ids.includes(id)) differs(`${id} was acknowledged as active and is gone`);
  for (const id of ids) {
    if (soak.removed.has(id) || soak.replaced.has(id)) differs(`${id} was acknowledged as removed and is there`);
    else if (!record.active.has(id)) differs(`${id} is active, which nobody was told`);
  }
  for (const { id, kind, last_step, failures } of stored) {
    if (kind !== record.active.get(id)?.kind) differs(`${id} is of another kind`);
    if (failures < 0 || failures > record.guesses.length) differs(`${id} has ${failures} failures`);
    if (kind === "totp" && last_step > soak.now() / 30 + 1) differs(`${id} has used a step to come`);
  }
  const independent = stored.some(({ kind }) => kind !== "email");
  for (const { id, proof } of of("enrollments", user)) {
    if (ids.includes(id)) differs(`${id} is active and pending`);
    if (!record.pending.has(id)) differs(`${id} is pending, which nobody has begun, or it is void`);
    if (independent && proof === 0) differs(`${id} waits without proof beside an active factor`);
  }
  for (const { id, authenticator_id } of of("challenges", user)) {
    // One that was replaced leaves its challenge behind, dead, for the sweep.
    if (!ids.includes(authenticator_id) && !soak.replaced.has(authenticator_id))
      differs(`the challenge ${id} is of an authenticator that is gone`);
  }
  const recovery = of("recovery_codes", user);
  if (recovery.length !== (record.recovery ? 1 : 0)) {
    differs(`${user} has ${recovery.length} recovery codes, and was told of ${record.recovery ? 1 : 0}`);
  }
  if (of("contacts", user).length > 0 && ids.length === 0) differs(`${user} has a contact and no authenticator`);
}

/** Each acknowledged message has one row, which says what has become of it, and arrived once if it was sent. */
function ofMessages(soak, { deliveries }, differs) {
  const arrivals = new Map();
  for (const { id } of soak.stage.webhook.accepted) arrivals.set(id, (arrivals.get(id) ?? 0) + 1);
  for (const { owner, to } of soak.promised) {
    const rows = deliveries.filter((row) => row.owner === owner);
    if (rows.length !== 1) differs(`${owner} was acknowledged and has ${rows.length} messages`);
    else if (rows[0].state === "sent") {
      const message = soak.stage.webhook.accepted.find(({ id }) => id === rows[0].id);
      if (message?.to !== to) differs(`the message of ${owner} went elsewhere`);
    }
  }
  const owners = new Set(soak.promised.map(({ owner }) => owner));
  const unasked = deliveries.filter(({ message, owner }) => message === "code" && !owners.has(owner));
  if (unasked.length > 0) differs(`${unasked.length} codes were sent that nobody was told of`);
  for (const { id, state, failure, sealed, address, attempts } of deliveries) {
    const arrived = arrivals.get(id) ?? 0;
    const least = state === "sent" ? 1 : 0;
    const most = soak.interrupted.has(id) ? least + 1 : least;
    if (arrived < least || arrived > most)
      differs(`the message ${id} is ${state} after ${attempts} attempts and arrived ${arrived} times`);
    if (["waiting", "claimed"].includes(state)) differs(`the message ${id} is still ${state}`);
    const undone = ["failed", "expired"].includes(state);
    if (undone && !failure) differs(`the message ${id} is ${state}, and nothing says why`);
    if (sealed !== null || address !== null) differs(`the message ${id} is done and its content is kept`);
  }
  const known = new Set(deliveries.map(({ id }) => id));
  for (const id of arrivals.keys()) if (!known.has(id)) differs(`the message ${id} arrived and stands nowhere`);
}

/** No row is older than the sweep allows, and no budget above its size. */
function ofTables(tables, now, differs) {
  for (const [table, kept] of Object.entries(KEPT)) {
    const old = tables[table].filter(({ expires_at }) => expires_at <= now - kept);
    if (old.length > 0) differs(`${table} has ${old.length} rows that the sweep should have taken`);
  }
  for (const { key, full_at } of tables.budgets) {
    if (full_at > now + GUESSES * SECONDS_A_GUESS) differs(`${key} owes more than its size`);
    if (full_at <= now) differs(`${key} is full and kept`);
  }
  for (const { key, full_at, day_full_at } of tables.message_budgets) {
    const size = day_full_at === null ? OWN_MESSAGES : HOUR;
    if (full_at > (now + size) * 1000 || day_full_at > (now + DAY) * 1000) differs(`${key} owes more than its size`);
    if (Math.max(full_at, day_full_at) <= now * 1000) differs(`${key} is full and kept`);
  }
}

/**
 * Guesses, before the clock moves on: a person owes at least what wrong codes have cost, and at most that and what may
 * have been charged by requests whose answer was lost and whose charge could not be given back.
 */
export async function auditGuesses(soak) {
  const found = [];
  const stored = await soak.rows("SELECT key, full_at FROM budgets");
  const rows = Object.fromEntries(stored.map(({ key, full_at }) => [key, full_at]));
  const now = soak.now();
  for (const record of soak.records) {
    for (const budget of ["guess", "recovery"]) {
      const guesses = record.guesses.filter((guess) => guess.budget === budget);
      const owed = (counted, at) =>
        guesses.filter(counted).reduce((fullAt, guess) => Math.max(fullAt, at(guess)) + SECONDS_A_GUESS, 0);
      const least = owed(
        ({ certainly }) => certainly,
        ({ from }) => from,
      );
      const most = owed(
        ({ perhaps }) => perhaps,
        ({ to }) => to,
      );
      const fullAt = rows[`${budget}:${userOf(record)}`] ?? 0;
      // What is full again may have been swept.
      if (least > now + SLACK && fullAt < least - SLACK)
        found.push(`${budget} of ${userOf(record)} is owed until ${fullAt}, at least until ${least}`);
      if (fullAt > Math.max(most, now) + SLACK)
        found.push(`${budget} of ${userOf(record)} is owed until ${fullAt}, at most until ${most}`);
    }
  }
  return found;
}

/** The recovery codes that were acknowledged last let in, and those before them do not; spent logins buy nothing. */
export async function auditByUse(soak) {
  const found = [];
  for (const { person, recovery, spent } of soak.records) {
    const use = (recovery_code) => person.exchange("recovery", { mfa_token: person.mfaToken(), recovery_code });
    const old = recovery?.dead && (await use(recovery.dead)).status;
    if (old && old !== 403) found.push(`an old recovery code of ${person.sub} works`);
    if (recovery?.code) {
      const { recovery_code } = await (await use(recovery.code)).json();
      if (!recovery_code) found.push(`the recovery code of ${person.sub} that was acknowledged does not work`);
    }
    for (const { send } of spent) {
      const response = await send(0);
      const { error_description, recovery_code, mfa_token } = await response.json();
      if (response.status < 400 || recovery_code || mfa_token) found.push(`a spent login of ${person.sub} buys again`);
      if (!/used|expired/.test(error_description ?? "")) found.push(`a spent login: ${error_description}`);
    }
  }
  return found;
}

/** Days later nothing is left but what people have. */
export async function auditOfAge(soak) {
  const tables = await soak.stage.world.dump([...Object.keys(KEPT), "budgets", "message_budgets"]);
  return Object.entries(tables)
    .filter(([, rows]) => rows.length > 0)
    .map(([table, rows]) => `${table} still has ${rows.length} rows`);
}
