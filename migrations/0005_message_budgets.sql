-- Buckets of messages, in milliseconds: a busy service sends several a second.
CREATE TABLE message_budgets (
  key     TEXT PRIMARY KEY,
  full_at INTEGER NOT NULL
) STRICT;
CREATE INDEX message_budgets_expiry ON message_budgets (full_at);

-- Regions and networks to or from which nothing is sent for a while.
CREATE TABLE closures (
  key        TEXT PRIMARY KEY,
  reason     TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX closures_expiry ON closures (expires_at);

-- What the sweep looks at, and what a code that comes back returns.
ALTER TABLE deliveries ADD COLUMN owner TEXT;
ALTER TABLE deliveries ADD COLUMN region TEXT;
ALTER TABLE deliveries ADD COLUMN network TEXT;
ALTER TABLE deliveries ADD COLUMN charges TEXT;
ALTER TABLE deliveries ADD COLUMN verified_at INTEGER;
CREATE INDEX deliveries_by_owner ON deliveries (owner);
CREATE INDEX deliveries_by_creation ON deliveries (created_at);
