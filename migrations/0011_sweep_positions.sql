-- A message moves ten buckets. An index by time had to be written for each of them, only to find once what is full again:
-- the sweep goes through the table by its key instead, 10 000 rows a minute, and reading costs next to nothing.
DROP INDEX message_budgets_expiry;

-- How far a sweep has come that goes by keys: after `after` up to `upto`, or to the end where that is null.
CREATE TABLE sweep_positions (
  swept TEXT PRIMARY KEY,
  after TEXT NOT NULL,
  upto  TEXT
) STRICT, WITHOUT ROWID;
