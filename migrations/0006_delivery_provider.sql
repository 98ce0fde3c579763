-- Who carried a message.
ALTER TABLE deliveries ADD COLUMN provider TEXT;
