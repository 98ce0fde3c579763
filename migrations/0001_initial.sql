-- The first schema. docs/storage.md says of every column why it exists.
-- Times are whole seconds since 1970 (UTC). A user is '{issuer name}|{sub}'.
-- "sealed" is AES-256-GCM, "hash" and "index" are keyed hashes (HMAC-SHA-256); both begin with their key's id.
-- Plain SHA-256, without a key: `secret_hash`, `previous_secret_hash`, `jti_hash`.

CREATE TABLE clients (
  id                         TEXT PRIMARY KEY,
  version                    INTEGER NOT NULL,
  name                       TEXT NOT NULL,
  authentication             TEXT NOT NULL CHECK (authentication IN ('none', 'post', 'basic', 'private_key_jwt')),
  secret_hash                TEXT,
  previous_secret_hash       TEXT,
  previous_secret_expires_at INTEGER,
  jwks                       TEXT,
  jwks_uri                   TEXT,
  origins                    TEXT NOT NULL DEFAULT '[]',
  issuers                    TEXT NOT NULL DEFAULT '[]',
  audiences                  TEXT NOT NULL DEFAULT '[]',
  require_authentication     INTEGER NOT NULL DEFAULT 0 CHECK (require_authentication IN (0, 1)),
  created_at                 INTEGER NOT NULL
) STRICT;

-- An enrollment is a pending authenticator: confirmed, its row moves to `authenticators` under the same id.
CREATE TABLE enrollments (
  id            TEXT PRIMARY KEY,
  user_id       TEXT NOT NULL,
  sequence      INTEGER NOT NULL,
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
  expires_at    INTEGER NOT NULL
) STRICT;

-- Ten places a user, taken in turn: the eleventh pending enrollment replaces the first (INSERT OR REPLACE),
-- in the same statement that adds it.
CREATE UNIQUE INDEX enrollments_ring ON enrollments (user_id, sequence % 10);
CREATE INDEX enrollments_expiry ON enrollments (expires_at);

CREATE TABLE authenticators (
  id            TEXT PRIMARY KEY,
  user_id       TEXT NOT NULL,
  kind          TEXT NOT NULL CHECK (kind IN ('totp', 'sms', 'voice', 'email')),
  sealed        TEXT NOT NULL,
  address_index TEXT,
  last_step     INTEGER NOT NULL DEFAULT 0,
  failures      INTEGER NOT NULL DEFAULT 0,
  created_at    INTEGER NOT NULL,
  confirmed_at  INTEGER NOT NULL,
  last_used_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX authenticators_by_user ON authenticators (user_id, created_at);

CREATE TABLE recovery_codes (
  user_id    TEXT PRIMARY KEY,
  id         TEXT NOT NULL,
  hash       TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

-- What has been spent: a transaction (an mfa_token) or a confirmed enrollment. `redemption` names the one request
-- that spent it, so that the other statements of its batch can tell that they belong to the winner.
CREATE TABLE redemptions (
  spent      TEXT PRIMARY KEY,
  redemption TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX redemptions_by_request ON redemptions (redemption);
CREATE INDEX redemptions_expiry ON redemptions (expires_at);

-- Token buckets (GCRA): `full_at` is the instant at which the bucket will be full again. `attempt` names the request
-- that was charged last, so that the other statements of its batch can tell that they were paid for.
CREATE TABLE budgets (
  key     TEXT PRIMARY KEY,
  full_at INTEGER NOT NULL,
  attempt TEXT
) STRICT;
CREATE INDEX budgets_expiry ON budgets (full_at);

CREATE TABLE deliveries (
  id         TEXT PRIMARY KEY,
  channel    TEXT NOT NULL CHECK (channel IN ('sms', 'voice', 'email')),
  sealed     TEXT,
  state      TEXT NOT NULL CHECK (state IN ('waiting', 'claimed', 'sent', 'failed', 'expired')),
  attempts   INTEGER NOT NULL DEFAULT 0,
  failure    TEXT,
  due_at     INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX deliveries_due ON deliveries (state, due_at);
CREATE INDEX deliveries_expiry ON deliveries (expires_at);

CREATE TABLE client_assertions (
  client_id  TEXT NOT NULL,
  jti_hash   TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (client_id, jti_hash)
) STRICT;
CREATE INDEX client_assertions_expiry ON client_assertions (expires_at);
