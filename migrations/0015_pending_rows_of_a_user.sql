-- What waits for a code stands under its user as well, and the ten places of a user are the key: with a rowid and three
-- indexes, an enrollment or challenge was four rows to write. A kept answer names what it announces and is looked for there,
-- where foreign keys had each enrollment look for answers.
--
-- The defaults are for the version before, which goes on writing until this one is deployed: without them it would fail.
CREATE TABLE new_idempotent_answers (
  key           TEXT PRIMARY KEY,
  user_id       TEXT NOT NULL DEFAULT '',
  sealed        TEXT NOT NULL,
  enrollment_id TEXT,
  challenge_id  TEXT,
  expires_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO new_idempotent_answers (key, user_id, sealed, enrollment_id, challenge_id, expires_at)
SELECT key, COALESCE(enrollments.user_id, challenges.user_id, ''), idempotent_answers.sealed, enrollment_id, challenge_id,
       idempotent_answers.expires_at
FROM idempotent_answers
LEFT JOIN enrollments ON enrollments.id = enrollment_id
LEFT JOIN challenges ON challenges.id = challenge_id;
DROP TABLE idempotent_answers;
ALTER TABLE new_idempotent_answers RENAME TO idempotent_answers;

CREATE TABLE new_enrollments (
  user_id       TEXT NOT NULL,
  place         INTEGER NOT NULL DEFAULT 0,
  sequence      INTEGER NOT NULL,
  id            TEXT NOT NULL,
  client_id     TEXT NOT NULL,
  kind          TEXT NOT NULL CHECK (kind IN ('totp', 'sms', 'voice', 'email')),
  sealed        TEXT NOT NULL,
  address_index TEXT,
  code_hash     TEXT,
  attempts      INTEGER NOT NULL DEFAULT 0,
  recovery_id   TEXT,
  recovery_hash TEXT,
  proof         INTEGER NOT NULL CHECK (proof IN (0, 1)),
  created_at    INTEGER NOT NULL,
  expires_at    INTEGER NOT NULL,
  PRIMARY KEY (user_id, place)
) STRICT, WITHOUT ROWID;
INSERT INTO new_enrollments
  (user_id, place, sequence, id, client_id, kind, sealed, address_index, code_hash, attempts, recovery_id, recovery_hash,
   proof, created_at, expires_at)
SELECT user_id, sequence % 10, sequence, id, client_id, kind, sealed, address_index, code_hash, attempts, recovery_id,
       recovery_hash, proof, created_at, expires_at
FROM enrollments;
DROP TABLE enrollments;
ALTER TABLE new_enrollments RENAME TO enrollments;

CREATE TABLE new_challenges (
  user_id          TEXT NOT NULL,
  authenticator_id TEXT NOT NULL,
  id               TEXT NOT NULL,
  channel          TEXT NOT NULL CHECK (channel IN ('sms', 'voice', 'email')),
  client_id        TEXT NOT NULL,
  transaction_id   TEXT NOT NULL,
  code_hash        TEXT NOT NULL,
  attempts         INTEGER NOT NULL DEFAULT 0,
  created_at       INTEGER NOT NULL,
  expires_at       INTEGER NOT NULL,
  PRIMARY KEY (user_id, authenticator_id)
) STRICT, WITHOUT ROWID;
INSERT INTO new_challenges
  (user_id, authenticator_id, id, channel, client_id, transaction_id, code_hash, attempts, created_at, expires_at)
SELECT user_id, authenticator_id, id, channel, client_id, transaction_id, code_hash, attempts, created_at, expires_at
FROM challenges;
DROP TABLE challenges;
ALTER TABLE new_challenges RENAME TO challenges;
