-- Whose trace a message belongs to: 16 bytes of the trace's id, 8 of the span's, one of flags, then `tracestate`. Absent
-- where nobody traces.
ALTER TABLE messages ADD COLUMN trace BLOB;

-- The same of a dispatch, as JSON.
ALTER TABLE dispatches ADD COLUMN trace TEXT;
