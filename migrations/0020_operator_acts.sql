-- What operators do by command, until the Worker's next sweep has told of it: the commands write to the database alone, and
-- events are the Worker's.
CREATE TABLE operator_acts (
  -- Never given twice: what a sweep has told of it forgets by this, while the next act may be written already.
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  -- Seconds since 1970, by the clock of the machine that the command ran on.
  at INTEGER NOT NULL,
  -- Which one, such as 'users reset'.
  command TEXT NOT NULL,
  -- Who ran it, as that machine says.
  operator TEXT NOT NULL,
  user_id TEXT,
  client_id TEXT,
  -- The authenticator or the template.
  detail TEXT
) STRICT;
