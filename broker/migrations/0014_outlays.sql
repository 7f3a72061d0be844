-- What was spent for an item that no message answers, as JSON.
ALTER TABLE closed ADD COLUMN outlay TEXT;
CREATE INDEX closed_outlay ON closed (at) WHERE outlay IS NOT NULL;
