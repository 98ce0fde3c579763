//! Every SQL statement, each with a name and the race that its guard closes.
//!
//! Times are bound, never taken from the database, so that a test can stand at any instant.
//!
//! `column = +?1` says the same as `column = ?1`, and keeps SQLite from compiling the statement for each request again: where
//! it joins or sorts, its planner wants to see what is compared (a test has each statement run with one value after another).
//! A statement that needs it somewhere has it everywhere.

/// A client by its id.
pub const FIND_CLIENT: &str = "\
SELECT id, version, authentication, secret_hash, previous_secret_hash, previous_secret_expires_at, jwks, jwks_uri,
       origins, issuers, audiences, require_authentication, grants, factors, policy
FROM clients WHERE id = ?1";

/// The origins of all clients, for CORS. A row that was written by hand and holds no list of texts is its own client's
/// trouble alone: it is not read here, and every other client goes on being called by browsers.
pub const ALL_ORIGINS: &str = "SELECT DISTINCT value AS origin
FROM clients, json_each(CASE json_valid(clients.origins) WHEN 1 THEN clients.origins ELSE '[]' END)
WHERE type = 'text'";

/// Takes a client assertion's `jti` out of circulation. No row comes back when it was used before: two requests with
/// one assertion cannot both get it.
///
/// `?1` client, `?2` hash of the `jti`, `?3` when the assertion expires.
pub const CONSUME_ASSERTION: &str = "\
INSERT INTO client_assertions (client_id, jti_hash, expires_at) VALUES (?1, ?2, ?3)
ON CONFLICT (jti_hash, client_id) DO NOTHING
RETURNING jti_hash";

/// Adds a pending enrollment. One statement, so that nothing can change between the decision and the row:
/// - a factor that became active meanwhile closes the door to whoever does not prove it, and to a login that must
///   go on as long as it has not been used;
/// - a spent mfa_token, a changed client and an empty message budget close it too;
/// - an answer that is kept under the request's `Idempotency-Key` is to be repeated, not made again;
/// - the recovery code is kept only while no independent factor is active, and `proof` says that one was;
/// - of the ten places of a user it takes the next one in which nothing waits or what has expired, and if there is none that
///   of the oldest, which it replaces. `taken` has a bit for each place; whichever free one came first would do as well.
///
/// `LIMIT 1` behind what is one row keeps the planner from testing the conditions in there, too.
///
/// `?1` id, `?2` user, `?3` client, `?4` kind, `?5` sealed, `?6` address index, `?7` code hash, `?8` recovery id,
/// `?9` recovery hash, `?10` whether the bearer proves MFA, `?11` when the bearer was issued, `?12` now,
/// `?13` expiry, `?14` client version, `?15` transaction, `?16` message budgets that refuse, `?17` region and `?18`
/// network of the message, `?19` key of the answer, `?20` kinds that a login which must go on has used (JSON array), or
/// NULL, `?21` delivery of its code, `?22` the answer, sealed, and `?23` until when it is repeated.
pub const ENROLL: &str = "\
INSERT OR REPLACE INTO enrollments
  (id, user_id, place, sequence, client_id, kind, sealed, address_index, code_hash, recovery_id, recovery_hash, proof,
   created_at, expires_at, delivery_id, answer_key, answer, answer_expires_at)
SELECT ?1, ?2, next.sequence % 10, next.sequence, ?3, ?4, ?5, ?6, ?7,
       CASE factors.independent WHEN 0 THEN ?8 END, CASE factors.independent WHEN 0 THEN ?9 END,
       factors.independent > 0, ?12, ?13, ?21, ?19, ?22, ?23
FROM (SELECT COUNT(*) AS active,
             COUNT(*) FILTER (WHERE kind <> 'email') AS independent,
             COUNT(*) FILTER (WHERE kind <> 'email' AND kind NOT IN (SELECT value FROM json_each(?20))) AS unused,
             MIN(confirmed_at) FILTER (WHERE kind <> 'email') AS since
      FROM authenticators WHERE user_id = ?2 LIMIT 1) AS factors
CROSS JOIN
     (SELECT COALESCE((SELECT last + column1
                       FROM (VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10))
                       WHERE (taken >> (last + column1) % 10) & 1 = 0
                       LIMIT 1),
                      last + 10 - (last - oldest) % 10) AS sequence
      FROM (SELECT COALESCE(MAX(sequence), -1) AS last,
                   MIN(sequence) AS oldest,
                   COALESCE(SUM(1 << place) FILTER (WHERE expires_at > ?12), 0) AS taken
            FROM enrollments WHERE user_id = ?2)
      LIMIT 1) AS next
WHERE (factors.independent = 0 OR (?10 = 1 AND ?11 >= factors.since))
  AND (?20 IS NULL OR factors.unused = 0)
  AND factors.active < 20
  AND (SELECT version FROM clients WHERE id = ?3) = ?14
  AND NOT EXISTS (SELECT 1 FROM redemptions WHERE spent = ?15)
  AND NOT EXISTS (SELECT 1 FROM json_each(?16) AS charge CROSS JOIN message_budgets
                  WHERE message_budgets.key = charge.value ->> 0
                    AND (full_at > charge.value ->> 2 OR day_full_at > charge.value ->> 4))
  AND NOT EXISTS (SELECT 1 FROM closures WHERE key IN (?17, ?18) AND closures.expires_at > ?12)
  AND NOT EXISTS (SELECT 1 FROM enrollments
                  WHERE enrollments.user_id = ?2 AND answer_key = ?19 AND answer_expires_at > ?12)
RETURNING recovery_hash IS NOT NULL AS recovery_issued";

/// Why [`ENROLL`] added nothing. Read only then, in a round trip of its own.
///
/// `?1` user, `?2` client, `?3` client version, `?4` transaction, `?5` kinds that a login which must go on has used
/// (JSON array), or NULL.
pub const ENROLLMENT_STATE: &str = "\
SELECT (SELECT COUNT(*) FROM authenticators WHERE user_id = +?1) AS active,
       (SELECT MIN(confirmed_at) FROM authenticators WHERE user_id = +?1 AND kind <> 'email') AS since,
       EXISTS (SELECT 1 FROM authenticators
               WHERE user_id = +?1 AND kind <> 'email' AND ?5 IS NOT NULL
                 AND kind NOT IN (SELECT value FROM json_each(?5))) AS has_unused,
       EXISTS (SELECT 1 FROM clients WHERE id = +?2 AND version = +?3) AS client_current,
       EXISTS (SELECT 1 FROM redemptions WHERE spent = +?4) AS spent";

/// The message budgets without room, and the region or network that is closed: what [`ENROLL`] and [`CHALLENGE`] found
/// in a message's way, and what would be in its way where it is only recorded. Times in milliseconds.
///
/// Message budgets are bound as `[[key, cost, latest full_at, the day's cost, the day's latest full_at], …]`, here and in the
/// other statements; the last two are left out where there is no day's bucket.
///
/// `?1` message budgets, `?2` region, `?3` network, `?4` now.
pub const MESSAGE_OBSTACLES: &str = "\
SELECT message_budgets.key AS key, full_at, day_full_at FROM json_each(?1) AS charge CROSS JOIN message_budgets
WHERE message_budgets.key = charge.value ->> 0
  AND (full_at > charge.value ->> 2 OR day_full_at > charge.value ->> 4)
UNION ALL
SELECT key, expires_at * 1000, NULL FROM closures WHERE key IN (?2, ?3) AND expires_at > ?4";

/// The outbox row of a code, written with its enrollment or challenge or not at all.
///
/// `?1` id, `?2` channel, `?3` sealed payload, `?4` now, `?5` expiry, `?6` the enrollment or challenge, `?7` region,
/// `?8` network, `?9` what comes back to which message budget when the code does, `?10` user.
pub const ADD_DELIVERY: &str = "\
INSERT INTO deliveries
  (id, channel, sealed, state, due_at, created_at, expires_at, owner, region, network, charges)
SELECT ?1, ?2, ?3, 'waiting', ?4, ?4, ?5, ?6, ?7, ?8, ?9
WHERE EXISTS (SELECT 1 FROM enrollments WHERE enrollments.user_id = ?10 AND id = ?6)
   OR EXISTS (SELECT 1 FROM challenges WHERE challenges.user_id = ?10 AND id = ?6)";

/// Charges the message budgets of a delivery that has been let through in the same transaction: a code's, which
/// [`ADD_DELIVERY`] has added where [`ENROLL`] or [`CHALLENGE`] has seen that there is room, or a notice's by
/// [`ADMIT_NOTICE`].
///
/// A bucket never owes more than its size: what is only recorded would otherwise be owed for days once it is enforced.
///
/// `?1` message budgets, `?2` now in milliseconds, `?3` the delivery, `?4` which attempt at sending a notice charges it, NULL of a code.
pub const CHARGE_MESSAGE: &str = "\
INSERT INTO message_budgets (key, full_at, day_full_at)
SELECT charge.value ->> 0,
       MIN(MAX(COALESCE(charged.full_at, ?2), ?2), charge.value ->> 2) + (charge.value ->> 1),
       MIN(MAX(COALESCE(charged.day_full_at, ?2), ?2), charge.value ->> 4) + (charge.value ->> 3)
FROM json_each(?1) AS charge LEFT JOIN message_budgets AS charged ON charged.key = charge.value ->> 0
WHERE EXISTS (SELECT 1 FROM deliveries WHERE id = +?3 AND charged_attempt IS +?4)
ON CONFLICT (key) DO UPDATE SET full_at = excluded.full_at, day_full_at = excluded.day_full_at";

/// Lets a notice through, once, if all budgets that refuse have room and its region is not closed. [`CHARGE_MESSAGE`] comes
/// behind it for the same attempt; one that comes after an answer was lost finds the notice charged.
///
/// `?1` the delivery, `?2` which attempt this is, `?3` message budgets that refuse, `?4` region, `?5` now.
pub const ADMIT_NOTICE: &str = "\
UPDATE deliveries SET charged_attempt = ?2
WHERE id = +?1 AND charged_attempt IS NULL
  AND NOT EXISTS (SELECT 1 FROM json_each(?3) AS charge CROSS JOIN message_budgets
                  WHERE message_budgets.key = charge.value ->> 0
                    AND (full_at > charge.value ->> 2 OR day_full_at > charge.value ->> 4))
  AND NOT EXISTS (SELECT 1 FROM closures WHERE key = +?4 AND closures.expires_at > ?5)
RETURNING id";

/// Keeps what a request for a challenge with an `Idempotency-Key` is answered where the answer announces nothing that is
/// stored. A living answer stays: the request that finds one repeats it. One that has expired gives way.
///
/// `?1` key, `?2` sealed answer, `?3` expiry, `?4` now, `?5` user.
pub const KEEP_ANSWER: &str = "\
INSERT INTO idempotent_answers (key, sealed, expires_at)
SELECT ?1, ?2, ?3
WHERE NOT EXISTS (SELECT 1 FROM challenges WHERE user_id = ?5 AND answer_key = ?1 AND answer_expires_at > ?4)
ON CONFLICT (key) DO UPDATE SET sealed = excluded.sealed, expires_at = excluded.expires_at WHERE expires_at <= ?4
RETURNING key";

/// The answer that is kept under a key: with the enrollment or challenge that it announces, or by itself. And whether the
/// recovery code in it was kept with its enrollment.
///
/// `?1` key, `?2` now, `?3` user.
pub const KEPT_ANSWER: &str = "\
SELECT answer AS sealed, recovery_hash IS NOT NULL AS recovery_issued FROM enrollments
WHERE user_id = ?3 AND answer_key = ?1 AND answer_expires_at > ?2
UNION ALL
SELECT answer, 0 FROM challenges WHERE user_id = ?3 AND answer_key = ?1 AND answer_expires_at > ?2
UNION ALL
SELECT sealed, 0 FROM idempotent_answers WHERE key = ?1 AND expires_at > ?2";

/// A user's active authenticators, the one used last first: what a challenge may be sent to, but for the disabled ones.
///
/// `?1` user.
pub const ACTIVE_AUTHENTICATORS: &str = "\
SELECT id, kind, sealed, failures >= 100 AS disabled FROM authenticators
WHERE user_id = +?1
ORDER BY last_used_at DESC, created_at DESC, sequence DESC";

/// Adds a challenge. The conditions stand where they act, as in [`ENROLL`]. Its key is its user and authenticator, so that a
/// code that was sent there before is replaced: a newer code kills the older.
///
/// `?1` id, `?2` authenticator, `?3` user, `?4` client, `?5` transaction, `?6` code hash, `?7` now, `?8` expiry,
/// `?9` client version, `?10` message budgets that refuse, `?11` region and `?12` network of the message, `?13` channel,
/// `?14` key of the answer, `?15` delivery of its code, `?16` the answer, sealed, and `?17` until when it is repeated.
pub const CHALLENGE: &str = "\
INSERT OR REPLACE INTO challenges
  (id, authenticator_id, channel, user_id, client_id, transaction_id, code_hash, created_at, expires_at, delivery_id,
   answer_key, answer, answer_expires_at)
SELECT ?1, ?2, ?13, ?3, ?4, ?5, ?6, ?7, ?8, ?15, ?14, ?16, ?17
WHERE EXISTS (SELECT 1 FROM authenticators WHERE id = +?2 AND user_id = +?3 AND failures < 100)
  AND EXISTS (SELECT 1 FROM clients WHERE id = +?4 AND version = +?9)
  AND NOT EXISTS (SELECT 1 FROM redemptions WHERE spent = +?5)
  AND NOT EXISTS (SELECT 1 FROM json_each(?10) AS charge CROSS JOIN message_budgets
                  WHERE message_budgets.key = charge.value ->> 0
                    AND (full_at > charge.value ->> 2 OR day_full_at > charge.value ->> 4))
  AND NOT EXISTS (SELECT 1 FROM closures WHERE key IN (?11, ?12) AND closures.expires_at > ?7)
  AND NOT EXISTS (SELECT 1 FROM challenges
                  WHERE challenges.user_id = +?3 AND answer_key = +?14 AND answer_expires_at > ?7)
  AND NOT EXISTS (SELECT 1 FROM idempotent_answers WHERE key = +?14 AND idempotent_answers.expires_at > ?7)
RETURNING id";

/// Whether a login may still go on, and why [`CHALLENGE`] added nothing.
///
/// `?1` client, `?2` client version, `?3` transaction.
pub const LOGIN_STATE: &str = "\
SELECT EXISTS (SELECT 1 FROM clients WHERE id = ?1 AND version = ?2) AS client_current,
       EXISTS (SELECT 1 FROM redemptions WHERE spent = ?3) AS spent";

/// Kinds of a user's active authenticators, disabled ones included, and whether there is a recovery code.
///
/// `?1` user.
pub const ACTIVE_FACTORS: &str = "\
SELECT kind, failures >= 100 AS disabled FROM authenticators WHERE user_id = ?1
UNION ALL
SELECT 'recovery-code', 0 FROM recovery_codes WHERE user_id = ?1";

/// What a user has: active authenticators, pending ones, and the recovery code, in the order in which they were made.
/// A recovery code that waits with enrollments is shown once.
///
/// `?1` user, `?2` now.
pub const LIST_AUTHENTICATORS: &str = "\
SELECT id, kind, sealed, active FROM (
  SELECT id, kind, sealed, 1 AS active, created_at, sequence FROM authenticators WHERE user_id = +?1
  UNION ALL
  SELECT id, kind, sealed, 0, created_at, sequence FROM enrollments WHERE user_id = +?1 AND expires_at > ?2
  UNION ALL
  SELECT id, 'recovery-code', NULL, 1, created_at, 0 FROM recovery_codes WHERE user_id = +?1
  UNION ALL
  SELECT * FROM (
    SELECT recovery_id, 'recovery-code', NULL, 0, created_at, sequence FROM enrollments
    WHERE user_id = +?1 AND expires_at > ?2 AND recovery_id IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM recovery_codes WHERE user_id = +?1)
    ORDER BY sequence LIMIT 1))
ORDER BY created_at, active DESC, sequence, kind = 'recovery-code'";

/// Removes an active authenticator, if nothing independent is active or the bearer proves MFA no older than it.
///
/// `?1` user, `?2` and `?3` id and its twin's, `?4` whether the bearer proves MFA, `?5` when it was issued, `?6` the
/// client that it names, or NULL, `?7` client version.
pub const REMOVE_AUTHENTICATOR: &str = "\
DELETE FROM authenticators
WHERE user_id = ?1 AND id IN (?2, ?3)
  AND COALESCE((SELECT ?4 = 1 AND ?5 >= MIN(confirmed_at) FROM authenticators
                WHERE user_id = ?1 AND kind <> 'email' HAVING COUNT(*) > 0), 1)
  AND (?6 IS NULL OR EXISTS (SELECT 1 FROM clients WHERE id = ?6 AND version = ?7))
RETURNING id";

/// With an active authenticator go the pending ones: whoever could use it may have begun them. Runs before
/// [`REMOVE_AUTHENTICATOR`], under the same conditions.
///
/// `?1` to `?7` as there.
pub const VOID_PENDING: &str = "\
DELETE FROM enrollments
WHERE user_id = ?1
  AND EXISTS (SELECT 1 FROM authenticators WHERE authenticators.user_id = ?1 AND authenticators.id IN (?2, ?3))
  AND COALESCE((SELECT ?4 = 1 AND ?5 >= MIN(confirmed_at) FROM authenticators
                WHERE user_id = ?1 AND kind <> 'email' HAVING COUNT(*) > 0), 1)
  AND (?6 IS NULL OR EXISTS (SELECT 1 FROM clients WHERE clients.id = ?6 AND version = ?7))";

/// Removes a pending one, under the same condition. One that has expired is not there any more, swept or not.
///
/// `?1` user, `?2` and `?3` id and its twin's, `?4` whether the bearer proves MFA, `?5` when it was issued, `?6` the
/// client that it names, or NULL, `?7` client version, `?8` now.
pub const REMOVE_PENDING: &str = "\
DELETE FROM enrollments
WHERE user_id = ?1 AND id IN (?2, ?3) AND expires_at > ?8
  AND COALESCE((SELECT ?4 = 1 AND ?5 >= MIN(confirmed_at) FROM authenticators
                WHERE user_id = ?1 AND kind <> 'email' HAVING COUNT(*) > 0), 1)
  AND (?6 IS NULL OR EXISTS (SELECT 1 FROM clients WHERE id = ?6 AND version = ?7))
RETURNING id";

/// The recovery code retires with the last authenticator.
///
/// `?1` user.
pub const RETIRE_RECOVERY_CODE: &str = "\
DELETE FROM recovery_codes
WHERE user_id = ?1 AND NOT EXISTS (SELECT 1 FROM authenticators WHERE user_id = ?1)";

/// Codes on their way to an authenticator that is gone are void.
///
/// `?1` user, `?2` and `?3` id and its twin's.
pub const VOID_CHALLENGES: &str = "\
DELETE FROM challenges
WHERE authenticator_id IN (?2, ?3) AND user_id = ?1
  AND NOT EXISTS (SELECT 1 FROM authenticators
                  WHERE authenticators.user_id = ?1 AND authenticators.id = authenticator_id)";

/// Whether a user has an authenticator of this id, active or pending: to tell "not there" from "not allowed".
///
/// `?1` user, `?2` and `?3` id and its twin's, `?4` now.
pub const HAS_AUTHENTICATOR: &str = "\
SELECT EXISTS (SELECT 1 FROM authenticators WHERE user_id = ?1 AND id IN (?2, ?3))
    OR EXISTS (SELECT 1 FROM enrollments WHERE user_id = ?1 AND id IN (?2, ?3) AND expires_at > ?4) AS found";

/// Charges one guess to all of its buckets: the user's, and those of the client address and of the recipient that a code
/// was sent to. Rows come back if there was room in each, the client is as the Worker knows it and the transaction is not
/// spent; statements behind it in the batch look for this attempt at the user's bucket, and so act only then. Parallel
/// guesses queue up here, so that exactly as many get through as the buckets hold.
///
/// Budgets are bound as `[[key, interval, latest full_at with which there is room], …]`, the user's first, here and in the
/// other statements. Times in seconds.
///
/// `?1` budgets, `?2` attempt, `?3` now, `?4` client, `?5` client version, `?6` transaction.
pub const CHARGE_GUESS: &str = "\
INSERT INTO budgets (key, full_at, attempt)
SELECT charge.value ->> 0, MAX(COALESCE(charged.full_at, ?3), ?3) + (charge.value ->> 1), ?2
FROM json_each(?1) AS charge LEFT JOIN budgets AS charged ON charged.key = charge.value ->> 0
WHERE NOT EXISTS (SELECT 1 FROM json_each(?1) AS charge CROSS JOIN budgets
                  WHERE budgets.key = charge.value ->> 0 AND budgets.full_at > charge.value ->> 2)
  AND EXISTS (SELECT 1 FROM clients WHERE id = +?4 AND version = +?5)
  AND NOT EXISTS (SELECT 1 FROM redemptions WHERE spent = +?6)
ON CONFLICT (key) DO UPDATE SET full_at = excluded.full_at, attempt = excluded.attempt
RETURNING key";

/// Why [`CHARGE_GUESS`] charged nothing, read in the same batch: a row for each bucket without room, or one with NULL.
///
/// `?1` budgets, `?2` client, `?3` client version, `?4` transaction.
pub const GUESS_STATE: &str = "\
SELECT full.key AS key, full.full_at AS full_at,
       EXISTS (SELECT 1 FROM clients WHERE id = +?2 AND version = +?3) AS client_current,
       EXISTS (SELECT 1 FROM redemptions WHERE spent = +?4) AS spent
FROM (SELECT 1) LEFT JOIN
     (SELECT budgets.key AS key, budgets.full_at AS full_at FROM json_each(?1) AS charge CROSS JOIN budgets
      WHERE budgets.key = charge.value ->> 0 AND budgets.full_at > charge.value ->> 2) AS full";

/// Gives a guess back that the Worker's own failure has cost, unless the redemption went through after all and gave
/// it back itself. Where it is not certain that the charge was made, it counts as made if it is the last that was made
/// to the user's bucket.
///
/// `?1` budgets, `?2` key of the user's, `?3` attempt, `?4` whether the charge is certain, `?5` the attempt's second
/// redemption, `?6` what it would have spent, or NULL where it has redeemed nothing.
pub const REFUND_GUESS: &str = "\
UPDATE budgets
SET full_at = full_at - (SELECT charge.value ->> 1 FROM json_each(?1) AS charge WHERE charge.value ->> 0 = budgets.key),
    attempt = NULL
WHERE key IN (SELECT charge.value ->> 0 FROM json_each(?1) AS charge)
  AND (?4 = 1 OR EXISTS (SELECT 1 FROM budgets AS own WHERE own.key = +?2 AND own.attempt = +?3))
  AND NOT EXISTS (SELECT 1 FROM redemptions WHERE spent = +?6 AND redemption IN (?3, ?5))";

/// Active authenticator apps, each charged a failure that success takes back; the hundredth in a row disables that
/// authenticator (NIST SP 800-63B, section 5.2.2). Disabled ones are charged as well, though no code is tried on them,
/// so that taking back never enables one. The count that comes back is this request's own: of any number at once, one sees
/// each.
///
/// `?1` user, `?2` budget key, `?3` attempt.
pub const TRY_ACTIVE_TOTP: &str = "\
UPDATE authenticators SET failures = failures + 1
WHERE user_id = ?1 AND kind = 'totp'
  AND EXISTS (SELECT 1 FROM budgets WHERE key = ?2 AND attempt = ?3)
RETURNING id, sealed, last_step, failures, failures <= 100 AS enabled";

/// Pending authenticator apps that this client may confirm, the newest first: only while no independent factor is
/// active, or when they were enrolled with proof of one.
///
/// `?1` user, `?2` client, `?3` now, `?4` budget key, `?5` attempt.
pub const PENDING_TOTP: &str = "\
SELECT id, sealed FROM enrollments
WHERE user_id = +?1 AND client_id = +?2 AND kind = 'totp' AND expires_at > ?3
  AND (proof = 1 OR NOT EXISTS (SELECT 1 FROM authenticators WHERE user_id = +?1 AND kind <> 'email'))
  AND EXISTS (SELECT 1 FROM budgets WHERE key = +?4 AND attempt = +?5)
ORDER BY sequence DESC";

/// One try of the code that was sent for an enrollment. Five are allowed, counted here before anything is compared.
///
/// `?1` enrollment, `?2` user, `?3` client, `?4` now, `?5` budget key, `?6` attempt.
pub const TRY_PENDING_OOB: &str = "\
UPDATE enrollments SET attempts = attempts + 1
WHERE id = ?1 AND user_id = ?2 AND client_id = ?3 AND code_hash IS NOT NULL AND attempts < 5 AND expires_at > ?4
  AND (proof = 1 OR NOT EXISTS (SELECT 1 FROM authenticators WHERE user_id = ?2 AND kind <> 'email'))
  AND EXISTS (SELECT 1 FROM budgets WHERE key = ?5 AND attempt = ?6)
RETURNING id, kind, sealed, code_hash, delivery_id";

/// One try of the code that was sent for a challenge, within its login. Five are allowed.
///
/// `?1` challenge, `?2` user, `?3` client, `?4` transaction, `?5` now, `?6` budget key, `?7` attempt.
pub const TRY_CHALLENGE: &str = "\
UPDATE challenges SET attempts = attempts + 1
WHERE id = ?1 AND user_id = ?2 AND client_id = ?3 AND transaction_id = ?4 AND attempts < 5 AND expires_at > ?5
  AND EXISTS (SELECT 1 FROM authenticators
              WHERE authenticators.id = authenticator_id AND authenticators.user_id = ?2 AND failures < 100)
  AND EXISTS (SELECT 1 FROM budgets WHERE key = ?6 AND attempt = ?7)
RETURNING id, authenticator_id, channel, code_hash, delivery_id";

/// Charges the failure to the challenge's authenticator that success takes back, as [`TRY_ACTIVE_TOTP`] does.
///
/// `?1` challenge, `?2` user, `?3` budget key, `?4` attempt.
pub const CHARGE_CHALLENGED: &str = "\
UPDATE authenticators SET failures = failures + 1
WHERE user_id = ?2 AND id = (SELECT authenticator_id FROM challenges WHERE id = ?1 AND user_id = ?2)
  AND EXISTS (SELECT 1 FROM budgets WHERE key = ?3 AND attempt = ?4)
RETURNING sealed, id, kind, failures";

/// How often the code of a challenge has been tried. `?1` challenge, `?2` user.
pub const CHALLENGE_ATTEMPTS: &str = "SELECT attempts FROM challenges WHERE user_id = ?2 AND id = ?1";

/// How often the code of an enrollment has been tried, to tell "too often" from "gone".
///
/// `?1` enrollment, `?2` user.
pub const OOB_ATTEMPTS: &str = "SELECT attempts FROM enrollments WHERE user_id = ?2 AND id = ?1";

/// The recovery code's hash, and whether it stands for an independent factor.
///
/// `?1` user, `?2` budget key, `?3` attempt.
pub const TRY_RECOVERY_CODE: &str = "\
SELECT hash, EXISTS (SELECT 1 FROM authenticators WHERE user_id = +?1 AND kind <> 'email') AS independent
FROM recovery_codes
WHERE user_id = +?1 AND EXISTS (SELECT 1 FROM budgets WHERE key = +?2 AND attempt = +?3)";

/// Spends a transaction on an authenticator app's code. Two requests with one code: the second finds `last_step`
/// moved on or the transaction spent, and gets no row.
///
/// `?1` what is spent, `?2` redemption, `?3` when this can be forgotten, `?4` client, `?5` client version,
/// `?6` authenticator, `?7` user, `?8` time step.
pub const REDEEM_TOTP: &str = "\
INSERT INTO redemptions (spent, redemption, expires_at)
SELECT ?1, ?2, ?3
WHERE EXISTS (SELECT 1 FROM clients WHERE id = +?4 AND version = +?5)
  AND EXISTS (SELECT 1 FROM authenticators WHERE id = +?6 AND user_id = +?7 AND last_step < ?8)
ON CONFLICT (spent) DO NOTHING
RETURNING spent";

/// Marks the time step as used, and begins the count of failures anew for every app of the user: who has one of them is no
/// guesser. An app that is disabled stays so, and gets back the failure that [`TRY_ACTIVE_TOTP`] has charged.
///
/// `?1` what is spent, `?2` redemption, `?3` authenticator, `?4` user, `?5` time step, `?6` now, `?7` the secret
/// sealed anew, or NULL.
pub const USE_TOTP: &str = "\
UPDATE authenticators
SET failures = CASE WHEN id = ?3 OR failures <= 100 THEN 0 ELSE failures - 1 END,
    last_step = CASE id WHEN ?3 THEN ?5 ELSE last_step END,
    last_used_at = CASE id WHEN ?3 THEN ?6 ELSE last_used_at END,
    sealed = CASE id WHEN ?3 THEN COALESCE(?7, sealed) ELSE sealed END
WHERE user_id = ?4 AND kind = 'totp'
  AND EXISTS (SELECT 1 FROM redemptions WHERE spent = ?1 AND redemption = ?2)";

/// Takes back the failures that [`TRY_ACTIVE_TOTP`] charged, under the conditions of [`REFUND_GUESS`] and before it.
///
/// `?1` user, `?2` key, `?3` attempt, `?4` whether the charge is certain, `?5` the attempt's second redemption,
/// `?6` what it would have spent, or NULL.
pub const REFUND_TOTP_FAILURES: &str = "\
UPDATE authenticators SET failures = MAX(failures - 1, 0)
WHERE user_id = ?1 AND kind = 'totp'
  AND (?4 = 1 OR EXISTS (SELECT 1 FROM budgets WHERE key = ?2 AND attempt = ?3))
  AND NOT EXISTS (SELECT 1 FROM redemptions WHERE spent = ?6 AND redemption IN (?3, ?5))";

/// Takes back the failure that [`CHARGE_CHALLENGED`] charged, under the same conditions.
///
/// `?1` user, `?2` key, `?3` attempt, `?4` whether the charge is certain, `?5` the attempt's second redemption,
/// `?6` what it would have spent, or NULL, `?7` challenge.
pub const REFUND_CHALLENGED: &str = "\
UPDATE authenticators SET failures = MAX(failures - 1, 0)
WHERE user_id = ?1 AND id = (SELECT authenticator_id FROM challenges WHERE id = ?7 AND user_id = ?1)
  AND (?4 = 1 OR EXISTS (SELECT 1 FROM budgets WHERE key = ?2 AND attempt = ?3))
  AND NOT EXISTS (SELECT 1 FROM redemptions WHERE spent = ?6 AND redemption IN (?3, ?5))";

/// Takes back one of the five tries that [`TRY_PENDING_OOB`] charged, under the same conditions. Where all five are
/// used and it is not certain that this one was among them, it stays: a try too few is better than one too many.
///
/// `?1` user, `?2` key, `?3` attempt, `?4` whether the charge is certain, `?5` the attempt's second redemption,
/// `?6` what it would have spent, or NULL, `?7` enrollment.
pub const REFUND_PENDING_OOB: &str = "\
UPDATE enrollments SET attempts = MAX(attempts - 1, 0)
WHERE id = ?7 AND user_id = ?1
  AND (?4 = 1 OR (attempts < 5 AND EXISTS (SELECT 1 FROM budgets WHERE key = ?2 AND attempt = ?3)))
  AND NOT EXISTS (SELECT 1 FROM redemptions WHERE spent = ?6 AND redemption IN (?3, ?5))";

/// The same for [`TRY_CHALLENGE`].
///
/// `?1` user, `?2` key, `?3` attempt, `?4` whether the charge is certain, `?5` the attempt's second redemption,
/// `?6` what it would have spent, or NULL, `?7` challenge.
pub const REFUND_CHALLENGE: &str = "\
UPDATE challenges SET attempts = MAX(attempts - 1, 0)
WHERE id = ?7 AND user_id = ?1
  AND (?4 = 1 OR (attempts < 5 AND EXISTS (SELECT 1 FROM budgets WHERE key = ?2 AND attempt = ?3)))
  AND NOT EXISTS (SELECT 1 FROM redemptions WHERE spent = ?6 AND redemption IN (?3, ?5))";

/// Spends a transaction on the code of a challenge. Two requests with one code: the second finds the challenge gone or
/// the transaction spent.
///
/// `?1` what is spent, `?2` redemption, `?3` when this can be forgotten, `?4` client, `?5` client version,
/// `?6` challenge, `?7` user, `?8` now.
pub const REDEEM_CHALLENGE: &str = "\
INSERT INTO redemptions (spent, redemption, expires_at)
SELECT ?1, ?2, ?3
WHERE EXISTS (SELECT 1 FROM clients WHERE id = +?4 AND version = +?5)
  AND EXISTS (SELECT 1 FROM challenges
              WHERE challenges.id = +?6 AND challenges.user_id = +?7 AND challenges.expires_at > ?8
                AND EXISTS (SELECT 1 FROM authenticators
                            WHERE authenticators.id = authenticator_id AND authenticators.user_id = +?7))
ON CONFLICT (spent) DO NOTHING
RETURNING spent";

/// Marks the challenged authenticator as used and clears its failures.
///
/// `?1` what is spent, `?2` redemption, `?3` authenticator, `?4` user, `?5` now, `?6` the address sealed anew, or NULL,
/// `?7` the address index under the present key, or NULL.
pub const USE_CHALLENGED: &str = "\
UPDATE authenticators
SET failures = 0, last_used_at = ?5, sealed = COALESCE(?6, sealed), address_index = COALESCE(?7, address_index)
WHERE id = ?3 AND user_id = ?4
  AND EXISTS (SELECT 1 FROM redemptions WHERE spent = ?1 AND redemption = ?2)";

/// The code has been used.
///
/// `?1` what is spent, `?2` redemption, `?3` challenge, `?4` user.
pub const REMOVE_CHALLENGE: &str = "\
DELETE FROM challenges
WHERE user_id = ?4 AND id = ?3 AND EXISTS (SELECT 1 FROM redemptions WHERE spent = ?1 AND redemption = ?2)";

/// Spends a transaction on confirming an enrollment. The same condition as when it was read: a factor that another
/// request has activated meanwhile closes the door, unless the enrollment was made with proof.
///
/// `?1` what is spent, `?2` redemption, `?3` when this can be forgotten, `?4` client, `?5` client version,
/// `?6` enrollment, `?7` user, `?8` now, `?9` address indexes and `?10` kinds that it replaces (JSON arrays).
pub const REDEEM_ENROLLMENT: &str = "\
INSERT INTO redemptions (spent, redemption, expires_at)
SELECT ?1, ?2, ?3
WHERE EXISTS (SELECT 1 FROM clients WHERE id = +?4 AND version = +?5)
  AND EXISTS (SELECT 1 FROM enrollments WHERE id = +?6 AND user_id = +?7 AND client_id = +?4 AND expires_at > ?8
                AND (proof = 1 OR NOT EXISTS
                       (SELECT 1 FROM authenticators WHERE user_id = +?7 AND kind <> 'email')))
  AND (SELECT COUNT(*) FROM authenticators
       WHERE user_id = +?7
         AND NOT (kind IN (SELECT value FROM json_each(?10)) AND address_index IS NOT NULL
                  AND address_index IN (SELECT value FROM json_each(?9)))) < 20
ON CONFLICT (spent) DO NOTHING
RETURNING spent";

/// Before the first independent factor's own recovery code, if it has one, the one beside e-mail goes: whoever had
/// only the password may have put it there.
///
/// `?1` what is spent, `?2` redemption, `?3` enrollment, `?4` user.
pub const RETIRE_PARKED_RECOVERY_CODE: &str = "\
DELETE FROM recovery_codes
WHERE user_id = ?4
  AND EXISTS (SELECT 1 FROM redemptions WHERE spent = ?1 AND redemption = ?2)
  AND EXISTS (SELECT 1 FROM enrollments
              WHERE enrollments.user_id = ?4 AND enrollments.id = ?3 AND enrollments.kind <> 'email')
  AND NOT EXISTS (SELECT 1 FROM authenticators WHERE authenticators.user_id = ?4 AND authenticators.kind <> 'email')";

/// Puts the confirmed enrollment's recovery code in force, if it has one and no independent factor is active yet.
///
/// `?1` what is spent, `?2` redemption, `?3` enrollment, `?4` user.
pub const ACTIVATE_RECOVERY_CODE: &str = "\
INSERT OR REPLACE INTO recovery_codes (user_id, id, hash, created_at)
SELECT user_id, recovery_id, recovery_hash, created_at FROM enrollments
WHERE user_id = +?4 AND id = +?3 AND recovery_hash IS NOT NULL
  AND EXISTS (SELECT 1 FROM redemptions WHERE spent = +?1 AND redemption = +?2)
  AND NOT EXISTS (SELECT 1 FROM authenticators
                  WHERE authenticators.user_id = enrollments.user_id AND authenticators.kind <> 'email')";

/// The first confirmed independent factor voids every other enrollment: what a thief of the password has parked is
/// dead, its recovery code with it. So is what was enrolled with proof of a factor that is gone. A number that is confirmed
/// anew voids them as well: whoever had it meanwhile may have begun them. Runs before [`RETIRE_REPLACED`].
///
/// `?1` what is spent, `?2` redemption, `?3` enrollment, `?4` user, `?5` and `?6` kinds and address indexes as there.
pub const VOID_OTHER_ENROLLMENTS: &str = "\
DELETE FROM enrollments
WHERE user_id = +?4 AND id <> ?3
  AND EXISTS (SELECT 1 FROM redemptions WHERE spent = +?1 AND redemption = +?2)
  AND EXISTS (SELECT 1 FROM enrollments AS confirmed
              WHERE confirmed.user_id = +?4 AND confirmed.id = +?3 AND confirmed.kind <> 'email')
  AND (NOT EXISTS (SELECT 1 FROM authenticators WHERE authenticators.user_id = +?4 AND authenticators.kind <> 'email')
       OR EXISTS (SELECT 1 FROM authenticators AS replaced
                  WHERE replaced.user_id = +?4 AND replaced.kind IN (SELECT value FROM json_each(?5))
                    AND replaced.address_index IN (SELECT value FROM json_each(?6))))";

/// Retires the authenticator with the same number or address, which the confirmed enrollment replaces.
///
/// `?1` what is spent, `?2` redemption, `?3` user, `?4` kinds (JSON array: SMS and voice of one number are one), `?5`
/// address indexes (JSON array, one for each hash key).
pub const RETIRE_REPLACED: &str = "\
DELETE FROM authenticators
WHERE user_id = ?3 AND kind IN (SELECT value FROM json_each(?4))
  AND address_index IN (SELECT value FROM json_each(?5))
  AND EXISTS (SELECT 1 FROM redemptions WHERE spent = ?1 AND redemption = ?2)";

/// The confirmed enrollment becomes an authenticator under the same id.
///
/// `?1` what is spent, `?2` redemption, `?3` enrollment, `?4` now, `?5` time step used (0 for others than apps),
/// `?6` the secret or address sealed anew, or NULL, `?7` the address index under the present key, or NULL, `?8` user.
pub const ACTIVATE: &str = "\
INSERT INTO authenticators
  (id, user_id, kind, sealed, address_index, last_step, created_at, confirmed_at, last_used_at, sequence)
SELECT id, user_id, kind, COALESCE(?6, sealed), COALESCE(?7, address_index), ?5, created_at, ?4, ?4,
       (SELECT COALESCE(MAX(active.sequence) + 1, 0) FROM authenticators AS active WHERE active.user_id = enrollments.user_id)
FROM enrollments
WHERE user_id = +?8 AND id = +?3 AND EXISTS (SELECT 1 FROM redemptions WHERE spent = +?1 AND redemption = +?2)";

/// The confirmed enrollment is pending no more.
///
/// `?1` what is spent, `?2` redemption, `?3` enrollment, `?4` user.
pub const REMOVE_ENROLLMENT: &str = "\
DELETE FROM enrollments
WHERE user_id = ?4 AND id = ?3 AND EXISTS (SELECT 1 FROM redemptions WHERE spent = ?1 AND redemption = ?2)";

/// Spends a transaction on the recovery code. Two requests with one code: the second finds another hash, or the
/// transaction spent.
///
/// `?1` what is spent, `?2` redemption, `?3` when this can be forgotten, `?4` client, `?5` client version, `?6` user,
/// `?7` the hash that was matched.
pub const REDEEM_RECOVERY_CODE: &str = "\
INSERT INTO redemptions (spent, redemption, expires_at)
SELECT ?1, ?2, ?3
WHERE EXISTS (SELECT 1 FROM clients WHERE id = +?4 AND version = +?5)
  AND EXISTS (SELECT 1 FROM recovery_codes WHERE user_id = +?6 AND hash = +?7)
ON CONFLICT (spent) DO NOTHING
RETURNING spent";

/// The next recovery code takes the used one's place.
///
/// `?1` what is spent, `?2` redemption, `?3` user, `?4` new hash.
pub const ROTATE_RECOVERY_CODE: &str = "\
UPDATE recovery_codes SET hash = ?4
WHERE user_id = ?3 AND EXISTS (SELECT 1 FROM redemptions WHERE spent = ?1 AND redemption = ?2)";

/// The code of a message has come back: the message was worth sending, and weighs less. Runs once, since the charges
/// are forgotten by [`VERIFY_DELIVERY`] in the same batch: `[[key, what comes back to its bucket, to the day's], …]`.
///
/// `?1` what is spent, `?2` redemption, `?3` the delivery.
pub const RETURN_CHARGES: &str = "\
UPDATE message_budgets
SET (full_at, day_full_at) = (SELECT full_at - (charge.value ->> 1), day_full_at - (charge.value ->> 2)
                              FROM deliveries CROSS JOIN json_each(charges) AS charge
                              WHERE deliveries.id = +?3 AND charge.value ->> 0 = message_budgets.key)
WHERE message_budgets.key IN (SELECT charge.value ->> 0 FROM deliveries CROSS JOIN json_each(charges) AS charge
                              WHERE deliveries.id = +?3)
  AND EXISTS (SELECT 1 FROM redemptions WHERE spent = +?1 AND redemption = +?2)";

/// Notes that it has.
///
/// `?1` what is spent, `?2` redemption, `?3` the delivery, `?4` now.
pub const VERIFY_DELIVERY: &str = "\
UPDATE deliveries SET verified_at = ?4, charges = NULL
WHERE id = ?3 AND EXISTS (SELECT 1 FROM redemptions WHERE spent = ?1 AND redemption = ?2)";

/// Keeps where the issuer says that the user reads mail, if nothing is known yet.
///
/// `?1` what is spent, `?2` redemption, `?3` user, `?4` sealed address, `?5` its keyed hash, `?6` now.
pub const FIRST_CONTACT: &str = "\
INSERT OR IGNORE INTO contacts (user_id, sealed, address_index, updated_at)
SELECT ?3, ?4, ?5, ?6
WHERE EXISTS (SELECT 1 FROM redemptions WHERE spent = ?1 AND redemption = ?2)";

/// Puts another address in its place. Runs after [`ANNOUNCE_REDEMPTION`]: the address before is told of what came with the
/// new one, which need not be its owner's. Nothing is written where it is the same, unless that was sealed with another key,
/// which could never be taken away otherwise.
///
/// `?1` what is spent, `?2` redemption, `?3` user, `?4` sealed address, `?5` its keyed hash, `?6` now.
pub const REPLACE_CONTACT: &str = "\
UPDATE contacts SET sealed = ?4, address_index = ?5, updated_at = ?6
WHERE user_id = ?3
  AND EXISTS (SELECT 1 FROM redemptions WHERE spent = ?1 AND redemption = ?2)
  AND (address_index <> ?5 OR substr(sealed, 1, instr(sealed, '.')) <> substr(?4, 1, instr(?4, '.')))";

/// The contact goes with the last authenticator.
///
/// `?1` user.
pub const RETIRE_CONTACT: &str = "\
DELETE FROM contacts
WHERE user_id = ?1 AND NOT EXISTS (SELECT 1 FROM authenticators WHERE authenticators.user_id = ?1)";

/// The addresses that a notice goes to, and its row for each: mail to the contact and to the person's authenticators for
/// mail; where neither the contact was known before nor an authenticator for mail was added with proof, also a text message to
/// the oldest number. Whoever had only the password may have put an address for mail there, and whoever has got further has
/// just named the contact, which must not keep the owner from hearing. Of more than five authenticators for mail the oldest
/// and the four newest are told: however many somebody adds, none takes the place of the first. The authenticator that it is
/// about, and its address, are left out.
///
/// `?1` id, to which the target is added (of the contact the time of the address, since another is another target),
/// `?2` message, `?3` sealed payload, `?4` now, `?5` expiry, `?6` user, `?7` the authenticator that it is about, or NULL,
/// `?8` whether notices go by mail, `?9` by text message.
macro_rules! notices {
    () => {
        "\
(id, message, channel, sealed, state, due_at, created_at, expires_at, user_id, target, address)
SELECT ?1 || '-' || part, ?2, channel, ?3, 'waiting', ?4, ?4, ?5, ?6, target, address
FROM (SELECT 'contact' AS target, 'contact_' || updated_at AS part, sealed AS address, 'email' AS channel
      FROM contacts
      WHERE user_id = +?6 AND ?8 = 1
        AND address_index IS NOT (SELECT address_index FROM authenticators
                                  WHERE authenticators.user_id = +?6 AND authenticators.id = +?7)
      UNION ALL
      SELECT * FROM (SELECT id, replace(id, '|', '_'), sealed, 'email' FROM authenticators
                     WHERE user_id = +?6 AND ?8 = 1 AND kind = 'email' AND id IS NOT ?7
                       AND address_index IS NOT (SELECT address_index FROM contacts WHERE contacts.user_id = +?6)
                     ORDER BY confirmed_at = (SELECT MIN(oldest.confirmed_at) FROM authenticators AS oldest
                                              WHERE oldest.user_id = +?6 AND oldest.kind = 'email'
                                                AND oldest.id IS NOT ?7) DESC,
                              confirmed_at DESC LIMIT 5)
      UNION ALL
      SELECT * FROM (SELECT id, replace(id, '|', '_'), sealed, 'sms' FROM authenticators
                     WHERE user_id = +?6 AND ?9 = 1 AND kind IN ('sms', 'voice') AND id IS NOT ?7
                       AND NOT EXISTS (SELECT 1 FROM contacts
                                       WHERE contacts.user_id = +?6 AND ?8 = 1 AND contacts.updated_at < ?4)
                       AND NOT EXISTS (SELECT 1 FROM authenticators AS mail
                                       WHERE mail.user_id = +?6 AND ?8 = 1 AND mail.kind = 'email' AND mail.id IS NOT ?7
                                         AND mail.confirmed_at >= (SELECT MIN(first.confirmed_at)
                                                                   FROM authenticators AS first
                                                                   WHERE first.user_id = +?6 AND first.kind <> 'email'))
                     ORDER BY confirmed_at LIMIT 1))"
    };
}

/// Puts the notices of what a redemption has done into the outbox.
///
/// `?1` to `?9` as in `notices!`, `?10` what is spent, `?11` redemption.
pub const ANNOUNCE_REDEMPTION: &str = concat!(
    "INSERT INTO deliveries ",
    notices!(),
    "
WHERE EXISTS (SELECT 1 FROM redemptions WHERE spent = +?10 AND redemption = +?11)
RETURNING id"
);

/// Those of the removal of an active authenticator, which is told of by itself as well: it may be the owner's. Runs before
/// [`REMOVE_AUTHENTICATOR`], under the same conditions.
///
/// `?1` to `?9` as in `notices!`, `?10` and `?11` id and its twin's, `?12` whether the bearer proves MFA, `?13` when it was
/// issued, `?14` the client that it names, or NULL, `?15` client version.
pub const ANNOUNCE_REMOVAL: &str = concat!(
    "INSERT INTO deliveries ",
    notices!(),
    "
WHERE EXISTS (SELECT 1 FROM authenticators AS removed WHERE removed.user_id = +?6 AND removed.id IN (?10, ?11))
  AND COALESCE((SELECT ?12 = 1 AND ?13 >= MIN(confirmed_at) FROM authenticators
                WHERE user_id = +?6 AND kind <> 'email' HAVING COUNT(*) > 0), 1)
  AND (?14 IS NULL OR EXISTS (SELECT 1 FROM clients WHERE clients.id = +?14 AND version = +?15))
RETURNING id"
);

/// Those of something that changes nothing, once for each id.
///
/// `?1` to `?9` as in `notices!`.
pub const ANNOUNCE: &str = concat!(
    "INSERT OR IGNORE INTO deliveries ",
    notices!(),
    "
RETURNING id"
);

/// Gives the winner's guess back to all of its buckets.
///
/// `?1` what is spent, `?2` redemption, `?3` budgets, as in [`CHARGE_GUESS`].
pub const REFUND_WINNER: &str = "\
UPDATE budgets
SET full_at = full_at - (SELECT charge.value ->> 1 FROM json_each(?3) AS charge WHERE charge.value ->> 0 = budgets.key)
WHERE key IN (SELECT charge.value ->> 0 FROM json_each(?3) AS charge)
  AND EXISTS (SELECT 1 FROM redemptions WHERE spent = +?1 AND redemption = +?2)";

/// Takes back, for the winner, the failures that [`TRY_ACTIVE_TOTP`] charged to the user's apps.
///
/// `?1` what is spent, `?2` redemption, `?3` user.
pub const REFUND_WINNER_TOTP_FAILURES: &str = "\
UPDATE authenticators SET failures = MAX(failures - 1, 0)
WHERE user_id = ?3 AND kind = 'totp'
  AND EXISTS (SELECT 1 FROM redemptions WHERE spent = ?1 AND redemption = ?2)";

/// Who won, read at the end of a redemption's batch: this run of it, or an earlier one whose answer was lost. And whether an
/// enrollment waits for room.
///
/// `?1` what is spent, `?2` redemption, `?3` client, `?4` client version, `?5` the earlier run's redemption, `?6` user,
/// `?7` enrollment, or NULL.
pub const REDEMPTION_STATE: &str = "\
SELECT EXISTS (SELECT 1 FROM redemptions WHERE spent = ?1 AND redemption IN (?2, ?5)) AS won,
       EXISTS (SELECT 1 FROM redemptions WHERE spent = ?1 AND redemption NOT IN (?2, ?5)) AS spent,
       EXISTS (SELECT 1 FROM clients WHERE id = ?3 AND version = ?4) AS client_current,
       EXISTS (SELECT 1 FROM enrollments WHERE enrollments.user_id = ?6 AND enrollments.id = ?7)
         AND (SELECT COUNT(*) FROM authenticators WHERE user_id = ?6) >= 20 AS is_full";

/// Claims deliveries before they are sent. The queue delivers at least once; the second of two consumers finds a row
/// claimed and sends nothing. A claim ends after its lease, so that a consumer that died does not lose the message. What
/// nobody has tried yet is due whatever the clock says: that of the isolate that wrote the row may be ahead of this one.
///
/// A statement for all that the queue brings at once, here and below: each costs the database more than another row does.
///
/// `?1` ids, `?2` now, `?3` end of the lease.
pub const CLAIM_DELIVERIES: &str = "\
UPDATE deliveries SET state = 'claimed', attempts = attempts + 1, due_at = ?3
WHERE id IN (SELECT value FROM json_each(?1)) AND state IN ('waiting', 'claimed') AND (due_at <= ?2 OR attempts = 0) AND expires_at > ?2
RETURNING id, message, channel, sealed, attempts, expires_at, charged_attempt IS NOT NULL AS is_charged, user_id, target, address";

/// The operator's own words for deliveries, in every language.
///
/// `?1` ids.
pub const DELIVERY_TEMPLATES: &str = "\
SELECT message, channel, language, subject, text, html FROM templates
WHERE (message, channel) IN (SELECT message, channel FROM deliveries WHERE id IN (SELECT value FROM json_each(?1)))";

/// Records that a provider took them, and forgets what was sent.
///
/// `?1` `[[id, which provider], …]`.
pub const DELIVERIES_SENT: &str = "\
UPDATE deliveries SET state = 'sent', sealed = NULL, address = NULL, failure = NULL, provider = outcome.value ->> 1
FROM json_each(?1) AS outcome
WHERE deliveries.id = outcome.value ->> 0 AND state = 'claimed'";

/// Records that they must be tried again. A consumer whose lease has ended speaks for its own attempt alone, not for that
/// of the next.
///
/// `?1` `[[id, which attempt, reason, when], …]`.
pub const DELIVERIES_RETRIED: &str = "\
UPDATE deliveries SET state = 'waiting', failure = outcome.value ->> 2, due_at = outcome.value ->> 3
FROM json_each(?1) AS outcome
WHERE deliveries.id = outcome.value ->> 0 AND state = 'claimed' AND attempts = outcome.value ->> 1";

/// Records that they can never be sent, and forgets what was to be sent.
///
/// `?1` `[[id, which attempt, reason], …]`, as in [`DELIVERIES_RETRIED`].
pub const DELIVERIES_FAILED: &str = "\
UPDATE deliveries SET state = 'failed', sealed = NULL, address = NULL, failure = outcome.value ->> 2
FROM json_each(?1) AS outcome
WHERE deliveries.id = outcome.value ->> 0 AND state = 'claimed' AND attempts = outcome.value ->> 1";

/// Records that the queue has given up on deliveries that are not done. They stay due: the sweep tells the queue again.
///
/// `?1` ids.
pub const DELIVERIES_GIVEN_UP: &str = "\
UPDATE deliveries SET failure = 'the queue has given up; ' || COALESCE(failure, 'no attempt was recorded')
WHERE id IN (SELECT value FROM json_each(?1)) AND state IN ('waiting', 'claimed')
RETURNING id, message, channel, attempts, failure";

/// Deliveries that the queue must be told about again: its first message was lost, or a consumer died. What is done has
/// nothing sealed any more.
///
/// `?1` now, `?2` waiting since.
pub const OVERDUE_DELIVERIES: &str = "\
SELECT id FROM deliveries
WHERE sealed IS NOT NULL AND due_at <= ?2 AND expires_at > ?1
ORDER BY due_at LIMIT 100";

/// What nobody could deliver in time is not sent late; its payload is forgotten. At most 500 at once: each is told of, and an
/// invocation has room for so many lines, and messages to the queue of events, and not for many more.
///
/// `?1` now.
pub const EXPIRE_DELIVERIES: &str = "\
UPDATE deliveries SET state = 'expired', sealed = NULL, address = NULL, failure = COALESCE(failure, 'not delivered in time')
WHERE id IN (SELECT id FROM deliveries WHERE sealed IS NOT NULL AND expires_at <= ?1 LIMIT 500)
RETURNING id, user_id, message, channel, attempts, failure";

/// The next 10 000 rows of a table by the first column of its key, and after the last of them the first: by an index by time
/// they would be found at once, but it would be written for each of them.
#[rustfmt::skip]
macro_rules! advance {
    ($table:literal, $key:literal) => {
        concat!("\
INSERT INTO sweep_positions (swept, after, upto)
VALUES ('", $table, "', '', CASE WHEN NOT EXISTS (SELECT 1 FROM sweep_positions WHERE swept = '", $table, "')
  THEN (SELECT ", $key, " FROM ", $table, " ORDER BY ", $key, " LIMIT 1 OFFSET 9999) END)
ON CONFLICT (swept) DO UPDATE SET
  after = COALESCE(upto, ''),
  upto = (SELECT ", $key, " FROM ", $table, "
          WHERE ", $key, " > COALESCE(upto, '') ORDER BY ", $key, " LIMIT 1 OFFSET 9999)")
    };
}

/// Those of them whose time has come. Any blob is greater than every text, and so the end.
#[rustfmt::skip]
macro_rules! sweep {
    ($table:literal, $key:literal, $is_over:literal) => {
        concat!("\
DELETE FROM ", $table, "
WHERE ", $key, " > (SELECT after FROM sweep_positions WHERE swept = '", $table, "')
  AND ", $key, " <= (SELECT COALESCE(upto, x'') FROM sweep_positions WHERE swept = '", $table, "')
  AND ", $is_over)
    };
}

/// Goes on among enrollments.
pub const ADVANCE_ENROLLMENTS: &str = advance!("enrollments", "user_id");

/// Expired enrollments. `?1` now.
pub const SWEEP_ENROLLMENTS: &str = sweep!("enrollments", "user_id", "expires_at <= ?1");

/// Goes on among challenges.
pub const ADVANCE_CHALLENGES: &str = advance!("challenges", "user_id");

/// Expired challenges. `?1` now.
pub const SWEEP_CHALLENGES: &str = sweep!("challenges", "user_id", "expires_at <= ?1");

/// Forgets the answers of enrollments that wait longer than they are repeated. A challenge's goes with its row, which ends
/// first. `?1` now.
pub const FORGET_ANSWERS: &str = "\
UPDATE enrollments SET answer_key = NULL, answer = NULL, answer_expires_at = NULL
WHERE answer IS NOT NULL AND answer_expires_at <= ?1";

/// Goes on among answers that announce nothing.
pub const ADVANCE_ANSWERS: &str = advance!("idempotent_answers", "key");

/// Those of them that are not repeated any more. `?1` now.
pub const SWEEP_ANSWERS: &str = sweep!("idempotent_answers", "key", "expires_at <= ?1");

/// Goes on among redemptions.
pub const ADVANCE_REDEMPTIONS: &str = advance!("redemptions", "spent");

/// Redemptions whose tokens have expired. `?1` a minute ago: a request that came in before may still have to find them.
pub const SWEEP_REDEMPTIONS: &str = sweep!("redemptions", "spent", "expires_at <= ?1");

/// Goes on among used assertions.
pub const ADVANCE_ASSERTIONS: &str = advance!("client_assertions", "jti_hash");

/// Used assertions that have expired. `?1` a minute ago, as for redemptions.
pub const SWEEP_ASSERTIONS: &str = sweep!("client_assertions", "jti_hash", "expires_at <= ?1");

/// Goes on among the budgets of guesses.
pub const ADVANCE_BUDGETS: &str = advance!("budgets", "key");

/// Buckets that are full again. `?1` now.
pub const SWEEP_BUDGETS: &str = sweep!("budgets", "key", "full_at <= ?1");

/// Goes on among message budgets.
pub const ADVANCE_MESSAGE_BUDGETS: &str = advance!("message_budgets", "key");

/// Buckets of messages that are full again, the day's too. `?1` now in milliseconds.
pub const SWEEP_MESSAGE_BUDGETS: &str =
    sweep!("message_budgets", "key", "full_at <= ?1 AND COALESCE(day_full_at, 0) <= ?1");

/// Deliveries whose record has served. `?1` a day ago.
pub const SWEEP_DELIVERIES: &str = "\
DELETE FROM deliveries
WHERE id IN (SELECT id FROM deliveries WHERE created_at <= ?1 AND expires_at <= ?1 LIMIT 10000)";

/// Closes the regions and networks to or from which too much is sent in an hour, or whose codes do not come back: of the latter
/// only codes that somebody has taken and that had five minutes to come back.
///
/// `?1` since, `?2` most messages to a region and `?3` from a network, `?4` until when a code should have come back,
/// `?5` messages from which on that is judged, `?6` the least percentage that comes back, `?7` end of the closure.
pub const CLOSE_BY_HOUR: &str = "\
INSERT INTO closures (key, reason, expires_at)
SELECT key, CASE WHEN sent > most THEN 'volume' ELSE 'unverified' END, ?7
FROM (SELECT 'region:' || region AS key, COUNT(*) AS sent, ?2 AS most,
             COUNT(*) FILTER (WHERE created_at <= ?4 AND state = 'sent') AS judged,
             COUNT(verified_at) FILTER (WHERE created_at <= ?4 AND state = 'sent') AS verified
      FROM deliveries WHERE created_at > ?1 AND region IS NOT NULL GROUP BY region
      UNION ALL
      SELECT 'network:' || network, COUNT(*), ?3,
             COUNT(*) FILTER (WHERE created_at <= ?4 AND state = 'sent'),
             COUNT(verified_at) FILTER (WHERE created_at <= ?4 AND state = 'sent')
      FROM deliveries WHERE created_at > ?1 AND network IS NOT NULL GROUP BY network)
WHERE sent > most OR (judged >= ?5 AND verified * 100 < ?6 * judged)
ON CONFLICT (key) DO UPDATE SET reason = excluded.reason, expires_at = excluded.expires_at
RETURNING key, reason";

/// The messages since hour `?1` (hours since 1970) that [`COUNT_MESSAGES`] has not counted: the hour and the key of each, once
/// for its region, which is empty where it has none, and once for its network, NULL where it has none. What has no region is
/// counted all the same: the last hour that was counted is where the next run goes on.
macro_rules! uncounted {
    ($until:literal) => {
        concat!(
            "\
(SELECT created_at / 3600 AS hour, COALESCE('region:' || region, '') AS key FROM deliveries
 WHERE created_at >= 3600 * MAX(?1, (SELECT COALESCE(MAX(hour) + 1, 0) FROM message_counts))",
            $until,
            "
 UNION ALL
 SELECT created_at / 3600, 'network:' || network FROM deliveries
 WHERE created_at >= 3600 * MAX(?1, (SELECT COALESCE(MAX(hour) + 1, 0) FROM message_counts))",
            $until,
            ")"
        )
    };
}

/// Counts the messages of the hours that are over, once: a day's are too many to be looked at each minute.
///
/// `?1` the first hour that counts, `?2` the first that is not over.
pub const COUNT_MESSAGES: &str = concat!(
    "\
INSERT INTO message_counts (hour, key, sent)
SELECT hour, key, COUNT(*)
FROM ",
    uncounted!(" AND created_at < 3600 * ?2"),
    "
WHERE key IS NOT NULL
GROUP BY hour, key"
);

/// Closes the regions and networks to or from which too much is sent in a day: in this hour and the 23 before.
///
/// `?1` the first of these hours, `?2` most messages to a region and `?3` from a network, `?4` end of the closure.
pub const CLOSE_BY_DAY: &str = concat!(
    "\
INSERT INTO closures (key, reason, expires_at)
SELECT key, 'volume', ?4
FROM (SELECT key, sent FROM message_counts WHERE hour >= ?1
      UNION ALL
      SELECT key, 1 FROM ",
    uncounted!(""),
    ")
WHERE key > ''
GROUP BY key
HAVING SUM(sent) > IIF(key LIKE 'region:%', ?2, ?3)
ON CONFLICT (key) DO UPDATE SET reason = excluded.reason, expires_at = excluded.expires_at
RETURNING key, reason"
);

/// What operators have done by command and nobody has told of, in the order in which they did it.
pub const OPERATOR_ACTS: &str = "\
SELECT id, at, command, operator, user_id, client_id, detail FROM operator_acts ORDER BY id LIMIT 100";

/// Forgets what has been told. What came meanwhile has higher ids. `?1` the highest id of what was told.
pub const FORGET_OPERATOR_ACTS: &str = "DELETE FROM operator_acts WHERE id <= ?1";

/// Counts that no day needs any more. `?1` the first hour that counts.
pub const SWEEP_MESSAGE_COUNTS: &str = "DELETE FROM message_counts WHERE hour < ?1";

/// Closures that have ended. `?1` now.
pub const SWEEP_CLOSURES: &str =
    "DELETE FROM closures WHERE rowid IN (SELECT rowid FROM closures WHERE expires_at <= ?1 LIMIT 10000)";

#[cfg(test)]
mod tests;
