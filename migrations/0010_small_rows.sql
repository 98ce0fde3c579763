-- Small rows that are found by their key stand in it: a table with a rowid would be written twice for each.
CREATE TABLE new_message_budgets (
  key     TEXT PRIMARY KEY,
  full_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO new_message_budgets (key, full_at) SELECT key, full_at FROM message_budgets;
DROP TABLE message_budgets;
ALTER TABLE new_message_budgets RENAME TO message_budgets;
CREATE INDEX message_budgets_expiry ON message_budgets (full_at);

CREATE TABLE new_budgets (
  key     TEXT PRIMARY KEY,
  full_at INTEGER NOT NULL,
  attempt TEXT
) STRICT, WITHOUT ROWID;
INSERT INTO new_budgets (key, full_at, attempt) SELECT key, full_at, attempt FROM budgets;
DROP TABLE budgets;
ALTER TABLE new_budgets RENAME TO budgets;
CREATE INDEX budgets_expiry ON budgets (full_at);

CREATE TABLE new_redemptions (
  spent      TEXT PRIMARY KEY,
  redemption TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO new_redemptions (spent, redemption, expires_at) SELECT spent, redemption, expires_at FROM redemptions;
DROP TABLE redemptions;
ALTER TABLE new_redemptions RENAME TO redemptions;
CREATE INDEX redemptions_by_request ON redemptions (redemption);
CREATE INDEX redemptions_expiry ON redemptions (expires_at);

CREATE TABLE new_client_assertions (
  client_id  TEXT NOT NULL,
  jti_hash   TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (client_id, jti_hash)
) STRICT, WITHOUT ROWID;
INSERT INTO new_client_assertions (client_id, jti_hash, expires_at)
SELECT client_id, jti_hash, expires_at FROM client_assertions;
DROP TABLE client_assertions;
ALTER TABLE new_client_assertions RENAME TO client_assertions;
CREATE INDEX client_assertions_expiry ON client_assertions (expires_at);

CREATE TABLE new_recovery_codes (
  user_id    TEXT PRIMARY KEY,
  id         TEXT NOT NULL,
  hash       TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO new_recovery_codes (user_id, id, hash, created_at) SELECT user_id, id, hash, created_at FROM recovery_codes;
DROP TABLE recovery_codes;
ALTER TABLE new_recovery_codes RENAME TO recovery_codes;
