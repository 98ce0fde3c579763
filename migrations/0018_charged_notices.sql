-- Which attempt has charged a notice to its budgets stands in the notice's row. It was read from why the notice waited, which
-- others rewrite: one that the queue had given up on went out without any budget having room for it.
ALTER TABLE deliveries ADD COLUMN charged_attempt INTEGER;
UPDATE deliveries SET charged_attempt = attempts
WHERE message <> 'code' AND sealed IS NOT NULL AND failure IS NOT NULL AND failure NOT LIKE '%no room for another notice';
