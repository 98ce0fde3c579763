-- Where a person reads mail, as their issuer has verified it: whoever chooses a token without it still is told of there.
CREATE TABLE contacts (
  user_id       TEXT PRIMARY KEY,
  sealed        TEXT NOT NULL,
  address_index TEXT NOT NULL,
  updated_at    INTEGER NOT NULL
) STRICT;

-- Notices go through the outbox like codes, a row for each address, as it is when what they tell of happens.
ALTER TABLE deliveries ADD COLUMN user_id TEXT;
ALTER TABLE deliveries ADD COLUMN target TEXT;
ALTER TABLE deliveries ADD COLUMN address TEXT;
