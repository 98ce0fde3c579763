-- A challenge: a code sent to an active authenticator, to be typed back within its login.
CREATE TABLE challenges (
  id               TEXT PRIMARY KEY,
  authenticator_id TEXT NOT NULL,
  channel          TEXT NOT NULL CHECK (channel IN ('sms', 'voice', 'email')),
  user_id          TEXT NOT NULL,
  client_id        TEXT NOT NULL,
  transaction_id   TEXT NOT NULL,
  code_hash        TEXT NOT NULL,
  attempts         INTEGER NOT NULL DEFAULT 0,
  created_at       INTEGER NOT NULL,
  expires_at       INTEGER NOT NULL
) STRICT;

-- One living code an authenticator: a newer one replaces the older (INSERT OR REPLACE), in the statement that adds it.
CREATE UNIQUE INDEX challenges_by_authenticator ON challenges (authenticator_id);
CREATE INDEX challenges_expiry ON challenges (expires_at);
