-- The operator's own words, in the place of those that come with the program.
CREATE TABLE templates (
  message    TEXT NOT NULL,
  channel    TEXT NOT NULL CHECK (channel IN ('sms', 'voice', 'email')),
  language   TEXT NOT NULL COLLATE NOCASE,
  subject    TEXT,
  text       TEXT NOT NULL,
  html       TEXT,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (message, channel, language)
) STRICT;

-- What a delivery is: a code, or a notice by its name.
ALTER TABLE deliveries ADD COLUMN message TEXT NOT NULL DEFAULT 'code';
