-- When the operator's keys were added and put to use, so that none is used before everybody knows it, and none is taken
-- away while something still needs it. Written by `npm run keys`; the Worker reads nothing here.
CREATE TABLE keys (
  name     TEXT PRIMARY KEY,
  added_at INTEGER NOT NULL,
  used_at  INTEGER
) STRICT;
