-- What may be spent in a day or month (`per`) for whom (`of`; '' is everybody). `used` of what lies between `since` and
-- `until`. Money is in millionths of a US dollar.
CREATE TABLE budgets (
  of TEXT NOT NULL,
  per TEXT NOT NULL,
  limit_tokens INTEGER,
  limit_microusd INTEGER,
  each_tokens INTEGER,
  each_microusd INTEGER,
  used_tokens INTEGER NOT NULL,
  used_microusd INTEGER NOT NULL,
  since INTEGER NOT NULL,
  until INTEGER NOT NULL,
  set_by TEXT NOT NULL,
  set_at INTEGER NOT NULL,
  PRIMARY KEY (of, per)
) STRICT, WITHOUT ROWID;
