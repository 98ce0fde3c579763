-- Lists show authenticators in the order in which they were added. Times are whole seconds, and what a program adds within one
-- of them stood by its kind: a number before the app that was there first.
ALTER TABLE authenticators ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0;
