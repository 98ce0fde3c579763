-- What a request with an Idempotency-Key was answered. An answer goes with what it announces: when the enrollment is
-- confirmed, expired or replaced, or the challenge used or replaced, nothing is left to repeat.
CREATE TABLE idempotent_answers (
  key           TEXT PRIMARY KEY,
  sealed        TEXT NOT NULL,
  enrollment_id TEXT REFERENCES enrollments (id) ON DELETE CASCADE,
  challenge_id  TEXT REFERENCES challenges (id) ON DELETE CASCADE,
  expires_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX idempotent_answers_by_enrollment ON idempotent_answers (enrollment_id);
CREATE INDEX idempotent_answers_by_challenge ON idempotent_answers (challenge_id);
CREATE INDEX idempotent_answers_expiry ON idempotent_answers (expires_at);
