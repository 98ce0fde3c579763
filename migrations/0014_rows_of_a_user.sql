-- What a user has stands under the user, in the table itself: with a rowid, and found by indexes, each authenticator was
-- three rows to write, and each contact two.
CREATE TABLE new_authenticators (
  user_id       TEXT NOT NULL,
  id            TEXT NOT NULL,
  kind          TEXT NOT NULL CHECK (kind IN ('totp', 'sms', 'voice', 'email')),
  sealed        TEXT NOT NULL,
  address_index TEXT,
  last_step     INTEGER NOT NULL DEFAULT 0,
  failures      INTEGER NOT NULL DEFAULT 0,
  created_at    INTEGER NOT NULL,
  confirmed_at  INTEGER NOT NULL,
  last_used_at  INTEGER NOT NULL,
  PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;
INSERT INTO new_authenticators
  (user_id, id, kind, sealed, address_index, last_step, failures, created_at, confirmed_at, last_used_at)
SELECT user_id, id, kind, sealed, address_index, last_step, failures, created_at, confirmed_at, last_used_at
FROM authenticators ORDER BY user_id, id;
DROP TABLE authenticators;
ALTER TABLE new_authenticators RENAME TO authenticators;

CREATE TABLE new_contacts (
  user_id       TEXT PRIMARY KEY,
  sealed        TEXT NOT NULL,
  address_index TEXT NOT NULL,
  updated_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO new_contacts (user_id, sealed, address_index, updated_at)
SELECT user_id, sealed, address_index, updated_at FROM contacts ORDER BY user_id;
DROP TABLE contacts;
ALTER TABLE new_contacts RENAME TO contacts;
