-- Notices to a person go through the outbox like codes. Whom they reach is found out when they are sent.
ALTER TABLE deliveries ADD COLUMN user_id TEXT;
ALTER TABLE deliveries ADD COLUMN about TEXT;
