-- Operators get several tokens, a password and sessions; what they had becomes their token `first`.
-- `password` is a PHC string; `tokens` and `sessions` are JSON with digests, never secrets.
ALTER TABLE operators ADD COLUMN password TEXT;
ALTER TABLE operators ADD COLUMN tokens TEXT NOT NULL DEFAULT '[]';
ALTER TABLE operators ADD COLUMN sessions TEXT NOT NULL DEFAULT '[]';
UPDATE operators SET tokens = json_array(json_object(
  'name', 'first', 'sha256', lower(hex(token_sha256)), 'created_at', created_at,
  'last_used_at', NULL, 'expires_at', NULL));
ALTER TABLE operators DROP COLUMN token_sha256;

-- JSON: the key before, while it is good beside the one in `public_key`.
ALTER TABLE aspects ADD COLUMN previous_key TEXT;

-- JSON: the setup token's digest, when it expires and when it was used.
ALTER TABLE meta ADD COLUMN setup TEXT;

-- Assertions that were exchanged, until they would be refused as expired.
CREATE TABLE assertions (
  until INTEGER NOT NULL,
  digest BLOB NOT NULL,
  PRIMARY KEY (until, digest)
) STRICT, WITHOUT ROWID;

-- `terms` is JSON: who may use it and how. `sealed` is nonce, ciphertext and tag; the key is not in here.
CREATE TABLE credentials (
  name TEXT PRIMARY KEY,
  terms TEXT NOT NULL,
  sealed BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  rotated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
