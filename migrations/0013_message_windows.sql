-- An hour's and a day's bucket of one thing share a row: each row of a message is written when it is charged, when its code
-- comes back, and when it is swept. Added to the table as it is, so that the Worker before this one finds its columns while
-- a deployment is under way.
ALTER TABLE message_budgets ADD COLUMN day_full_at INTEGER;

INSERT INTO message_budgets (key, full_at, day_full_at)
SELECT substr(key, 1, length(key) - 2),
       COALESCE(MAX(full_at) FILTER (WHERE substr(key, -2) = ':h'), 0),
       MAX(full_at) FILTER (WHERE substr(key, -2) = ':d')
FROM message_budgets WHERE substr(key, -2) IN (':h', ':d') GROUP BY 1;
DELETE FROM message_budgets WHERE substr(key, -2) IN (':h', ':d');

-- What comes back when the code does that is now on its way: [key, of the hour, of the day].
UPDATE deliveries
SET charges = (SELECT json_group_array(json_array(key, hour, day))
               FROM (SELECT substr(value ->> 0, 1, length(value ->> 0) - 2) AS key,
                            MAX(value ->> 1) FILTER (WHERE substr(value ->> 0, -2) = ':h') AS hour,
                            MAX(value ->> 1) FILTER (WHERE substr(value ->> 0, -2) = ':d') AS day
                     FROM json_each(deliveries.charges) GROUP BY 1))
WHERE charges IS NOT NULL AND expires_at > unixepoch();

-- The Worker before this one would sweep a row as soon as its hour is full. Its next sweep begins behind all keys, ends
-- there, and lets the one after it begin anew.
UPDATE sweep_positions SET upto = '~' WHERE swept = 'message_budgets';
