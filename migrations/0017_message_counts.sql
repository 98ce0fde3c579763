-- How many messages went to each region and came from each network in each hour that is over: the sweep, which each minute
-- asks whether a day had too many, adds up hours in the place of messages.
CREATE TABLE message_counts (
  hour INTEGER NOT NULL,
  key  TEXT NOT NULL,
  sent INTEGER NOT NULL,
  PRIMARY KEY (hour, key)
) STRICT, WITHOUT ROWID;
