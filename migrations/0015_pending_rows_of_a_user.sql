-- What waits for a code stands under its user as well, and the ten places of a user are the key: with a rowid and three
-- indexes, an enrollment or challenge was four rows to write. What was answered under an Idempotency-Key stands in the row
-- that it announces, and so goes with it without a foreign key; an answer that announces nothing stays in a table of its own.
CREATE TABLE new_enrollments (
  user_id           TEXT NOT NULL,
  place             INTEGER NOT NULL,
  sequence          INTEGER NOT NULL,
  id                TEXT NOT NULL,
  client_id         TEXT NOT NULL,
  kind              TEXT NOT NULL CHECK (kind IN ('totp', 'sms', 'voice', 'email')),
  sealed            TEXT NOT NULL,
  address_index     TEXT,
  code_hash         TEXT,
  attempts          INTEGER NOT NULL DEFAULT 0,
  recovery_id       TEXT,
  recovery_hash     TEXT,
  proof             INTEGER NOT NULL CHECK (proof IN (0, 1)),
  answer_key        TEXT,
  answer            TEXT,
  answer_expires_at INTEGER,
  created_at        INTEGER NOT NULL,
  expires_at        INTEGER NOT NULL,
  PRIMARY KEY (user_id, place),
  CHECK (place = sequence % 10)
) STRICT, WITHOUT ROWID;
INSERT INTO new_enrollments
  (user_id, place, sequence, id, client_id, kind, sealed, address_index, code_hash, attempts, recovery_id, recovery_hash,
   proof, answer_key, answer, answer_expires_at, created_at, expires_at)
SELECT user_id, sequence % 10, sequence, id, client_id, kind, enrollments.sealed, address_index, code_hash, attempts,
       recovery_id, recovery_hash, proof, key, idempotent_answers.sealed,
       MIN(idempotent_answers.expires_at, enrollments.expires_at), created_at, enrollments.expires_at
FROM enrollments LEFT JOIN idempotent_answers ON enrollment_id = enrollments.id
ORDER BY user_id, sequence % 10;

CREATE TABLE new_challenges (
  user_id           TEXT NOT NULL,
  authenticator_id  TEXT NOT NULL,
  id                TEXT NOT NULL,
  channel           TEXT NOT NULL CHECK (channel IN ('sms', 'voice', 'email')),
  client_id         TEXT NOT NULL,
  transaction_id    TEXT NOT NULL,
  code_hash         TEXT NOT NULL,
  attempts          INTEGER NOT NULL DEFAULT 0,
  answer_key        TEXT,
  answer            TEXT,
  answer_expires_at INTEGER,
  created_at        INTEGER NOT NULL,
  expires_at        INTEGER NOT NULL,
  PRIMARY KEY (user_id, authenticator_id)
) STRICT, WITHOUT ROWID;
INSERT INTO new_challenges
  (user_id, authenticator_id, id, channel, client_id, transaction_id, code_hash, attempts, answer_key, answer,
   answer_expires_at, created_at, expires_at)
SELECT user_id, authenticator_id, id, channel, client_id, transaction_id, code_hash, attempts, key,
       idempotent_answers.sealed, MIN(idempotent_answers.expires_at, challenges.expires_at), created_at,
       challenges.expires_at
FROM challenges LEFT JOIN idempotent_answers ON challenge_id = challenges.id
ORDER BY user_id, authenticator_id;

CREATE TABLE new_idempotent_answers (
  key        TEXT PRIMARY KEY,
  sealed     TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO new_idempotent_answers (key, sealed, expires_at)
SELECT key, sealed, expires_at FROM idempotent_answers WHERE enrollment_id IS NULL AND challenge_id IS NULL ORDER BY key;

DROP TABLE idempotent_answers;
ALTER TABLE new_idempotent_answers RENAME TO idempotent_answers;
DROP TABLE enrollments;
ALTER TABLE new_enrollments RENAME TO enrollments;
DROP TABLE challenges;
ALTER TABLE new_challenges RENAME TO challenges;

-- An answer is kept for minutes, an enrollment for a day: these are the enrollments that have one.
CREATE INDEX enrollments_answered ON enrollments (answer_expires_at) WHERE answer IS NOT NULL;
