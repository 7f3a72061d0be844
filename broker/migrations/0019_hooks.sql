-- Which slot of a trigger the request of a service outside led to, by the name the service gave it.
CREATE TABLE hook_deliveries (
  trigger BLOB NOT NULL,
  delivery TEXT NOT NULL,
  no INTEGER NOT NULL,
  PRIMARY KEY (trigger, delivery)
) STRICT, WITHOUT ROWID;
CREATE INDEX hook_deliveries_by_slot ON hook_deliveries (trigger, no);
