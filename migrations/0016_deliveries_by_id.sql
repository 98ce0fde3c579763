-- The outbox in its own key, with two indexes in the place of five: a code's delivery was six rows to write, and each change
-- of its state one more. What is not done is what still has something sealed; what has served is found by when it was made.

-- What a code came with, so that it is found when the code comes back.
ALTER TABLE enrollments ADD COLUMN delivery_id TEXT;
ALTER TABLE challenges ADD COLUMN delivery_id TEXT;
UPDATE enrollments SET delivery_id = (SELECT deliveries.id FROM deliveries WHERE owner = enrollments.id)
WHERE code_hash IS NOT NULL AND expires_at > unixepoch();
UPDATE challenges SET delivery_id = (SELECT deliveries.id FROM deliveries WHERE owner = challenges.id)
WHERE expires_at > unixepoch();

CREATE TABLE new_deliveries (
  id          TEXT PRIMARY KEY,
  message     TEXT NOT NULL DEFAULT 'code',
  channel     TEXT NOT NULL CHECK (channel IN ('sms', 'voice', 'email')),
  sealed      TEXT,
  state       TEXT NOT NULL CHECK (state IN ('waiting', 'claimed', 'sent', 'failed', 'expired')),
  attempts    INTEGER NOT NULL DEFAULT 0,
  failure     TEXT,
  due_at      INTEGER NOT NULL,
  created_at  INTEGER NOT NULL,
  expires_at  INTEGER NOT NULL,
  provider    TEXT,
  owner       TEXT,
  region      TEXT,
  network     TEXT,
  charges     TEXT,
  verified_at INTEGER,
  user_id     TEXT,
  target      TEXT,
  address     TEXT
) STRICT, WITHOUT ROWID;
INSERT INTO new_deliveries
  (id, message, channel, sealed, state, attempts, failure, due_at, created_at, expires_at, provider, owner, region, network,
   charges, verified_at, user_id, target, address)
SELECT id, message, channel, sealed, state, attempts, failure, due_at, created_at, expires_at, provider, owner, region,
       network, charges, verified_at, user_id, target, address
FROM deliveries ORDER BY id;
DROP TABLE deliveries;
ALTER TABLE new_deliveries RENAME TO deliveries;
CREATE INDEX deliveries_by_creation ON deliveries (created_at);
CREATE INDEX deliveries_not_done ON deliveries (expires_at) WHERE sealed IS NOT NULL;
