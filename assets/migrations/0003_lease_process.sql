-- Which process is behind a write in flight: a number alone is reused, also by the next boot.
ALTER TABLE lease ADD COLUMN began INTEGER;
ALTER TABLE lease ADD COLUMN boot TEXT;
