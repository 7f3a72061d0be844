-- `why` is JSON: who came into question when the Hand was chosen by capability. `refused_sha256` is of the result
-- of the running attempt that was refused. `cancel` is JSON: who cancelled it by which request, and the receipt.
-- `dead`: it failed or timed out, and nobody has tried it again.
ALTER TABLE dispatches ADD COLUMN why TEXT;
ALTER TABLE dispatches ADD COLUMN refused_sha256 BLOB;
ALTER TABLE dispatches ADD COLUMN cancel TEXT;
ALTER TABLE dispatches ADD COLUMN dead INTEGER NOT NULL DEFAULT 0;
UPDATE dispatches SET dead = 1 WHERE queue IS NULL AND info ->> '$.state' IN ('failed', 'timed_out');
CREATE INDEX dead_dispatches ON dispatches (id) WHERE dead;
