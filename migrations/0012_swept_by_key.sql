-- What lasts for minutes is swept by its key, 10 000 rows a minute, as message budgets are: an index by time, or by the
-- request that spent something, is one more row to write for each.
DROP INDEX budgets_expiry;
DROP INDEX redemptions_by_request;
DROP INDEX redemptions_expiry;

-- With the hash first, since a busy client has many.
CREATE TABLE new_client_assertions (
  jti_hash   TEXT NOT NULL,
  client_id  TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (jti_hash, client_id)
) STRICT, WITHOUT ROWID;
INSERT INTO new_client_assertions (jti_hash, client_id, expires_at)
SELECT jti_hash, client_id, expires_at FROM client_assertions;
DROP TABLE client_assertions;
ALTER TABLE new_client_assertions RENAME TO client_assertions;
