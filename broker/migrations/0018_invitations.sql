-- People who may come in, by name; `record` is JSON and has the digest of the token, never the token.
CREATE TABLE invitations (
  name TEXT PRIMARY KEY,
  record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
