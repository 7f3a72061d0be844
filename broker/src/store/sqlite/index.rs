//! The full-text index of messages: a file of its own beside the database, written behind the commits by a
//! connection of its own, so that no message waits for it. It holds nothing that cannot be made again from the
//! database, and is made again when it does not belong to it.

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};

use super::columns::{count, to_blob};
use super::fault::fault;
use super::messages::Messages;
use super::open::{BUSY_TIMEOUT, beside, uri};
use super::read::all;
use crate::hub::records::{StoreError, Stored};

/// Messages and text of one transaction. The larger, the less there is to merge; one ends soon enough for the
/// write-ahead log of the database, which cannot begin anew meanwhile.
const ROWS_MAX: usize = 8192;
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// Of what is made by [`SCHEMA`].
const VERSION: u32 = 2;
/// Looked at in one step for whether their messages are still kept.
const SWEEP_MAX: usize = 2_000;
const SCHEMA: &str = "
    CREATE TABLE position (
      one INTEGER PRIMARY KEY CHECK (one = 1),
      -- The last message in the index, and which one that is: another history has another one there.
      seq INTEGER NOT NULL,
      message BLOB NOT NULL,
      -- How far it was looked through for messages that are kept no longer, and up to which floor of theirs.
      swept INTEGER NOT NULL,
      floor INTEGER NOT NULL
    ) STRICT;
    INSERT INTO position VALUES (1, 0, x'', 0, 0);
    CREATE VIRTUAL TABLE message_index USING fts5 (
      content, content = '', contentless_delete = 1, tokenize = 'porter unicode61'
    );
    PRAGMA user_version = 2;";

/// Where the index of the database at `path` is.
pub(super) fn path_of(path: &Path) -> PathBuf {
    path.with_file_name("search.db")
}

/// Messages can be read out of an index: it is the owner's alone, and so are the files SQLite puts beside it.
fn keep_private(path: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// The one writer of an index.
#[derive(Debug)]
pub struct Indexer {
    connection: Connection,
    database: PathBuf,
}

/// How far an index has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Indexed {
    /// Every message up to this `seq` is in it.
    pub seq: u64,
    /// There were more than one step takes.
    pub more: bool,
}

impl Indexer {
    /// Opens the index of the database at `database`, or makes it. One that cannot be read is made anew.
    pub fn open(database: &Path) -> Stored<Self> {
        match Self::open_existing(database) {
            Err(StoreError::Corrupt(error)) => {
                tracing::warn!(%error, "the search index cannot be read and is made anew");
                remove(database)?;
                Self::open_existing(database)
            }
            opened => opened,
        }
    }

    fn open_existing(database: &Path) -> Stored<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_URI;
        keep_private(&path_of(database))
            .map_err(|error| StoreError::Unavailable(format!("the search index: {error}")))?;
        let connection = Connection::open_with_flags(path_of(database), flags).map_err(fault)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(fault)?;
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).map_err(fault)?;
        // What a power failure takes is put in again; what is there is whole.
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(fault)?;
        let version: u32 =
            connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fault)?;
        match version {
            0 => connection.execute_batch(&format!("BEGIN IMMEDIATE; {SCHEMA} COMMIT;")).map_err(fault)?,
            VERSION => {}
            other => return Err(StoreError::Corrupt(format!("its version is {other}, not {VERSION}"))),
        }
        connection.execute("ATTACH ?1 AS nexus", [uri(database)]).map_err(fault)?;
        Ok(Self { connection, database: database.to_owned() })
    }

    /// Takes up the messages that come next.
    pub fn step(&mut self) -> Stored<Indexed> {
        match self.try_step() {
            Err(StoreError::Corrupt(error)) => {
                tracing::warn!(%error, "the search index is damaged and is made anew");
                let database = self.database.clone();
                self.connection = Connection::open_in_memory().map_err(fault)?;
                remove(&database)?;
                *self = Self::open_existing(&database)?;
                self.try_step()
            }
            stepped => stepped,
        }
    }

    fn try_step(&mut self) -> Stored<Indexed> {
        let step =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
        let (mut seq, message) = step
            .query_row("SELECT seq, message FROM position", [], |row| {
                Ok((count(row, 0)?, row.get::<_, Vec<u8>>(1)?))
            })
            .map_err(fault)?;
        if seq > 0 {
            let there = Messages::of(&step)?.at(seq, |kept| Ok(to_blob(kept.id).to_vec()))?;
            if there != Some(message) {
                tracing::info!("the database has another history than its search index, which begins anew");
                step.execute("INSERT INTO message_index (message_index) VALUES ('delete-all')", [])
                    .map_err(fault)?;
                seq = 0;
            }
        }
        let (from, mut rows, mut bytes, mut last) = (seq, 0, 0, None);
        {
            let mut insert = step
                .prepare_cached("INSERT INTO message_index (rowid, content) VALUES (?1, ?2)")
                .map_err(fault)?;
            Messages::of(&step)?.each_after(from, |kept| {
                let content = kept.content;
                insert.execute(params![kept.seq.cast_signed(), content]).map_err(fault)?;
                seq = kept.seq;
                (rows, bytes) = (rows + 1, bytes + content.len());
                last = Some(kept.id);
                Ok(rows < ROWS_MAX && bytes < BYTES_MAX)
            })?;
        }
        match last {
            Some(message) => {
                let sql = "UPDATE position SET seq = ?1, message = ?2";
                step.execute(sql, params![seq.cast_signed(), to_blob(message)]).map_err(fault)?;
            }
            None if seq == 0 => {
                _ = step.execute("UPDATE position SET seq = 0, message = x''", []).map_err(fault)?;
            }
            None => {}
        }
        let is_swept = rows > 0 || sweep(&step)?;
        step.commit().map_err(fault)?;
        Ok(Indexed { seq, more: rows == ROWS_MAX || bytes >= BYTES_MAX || !is_swept })
    }
}

/// Takes out some of what is kept no longer; `true`: there is no more of it.
fn sweep(step: &Transaction<'_>) -> Stored<bool> {
    let sql = "SELECT swept, position.floor, contents_floor FROM position, nexus.meta";
    let (swept, done, floor) = step
        .query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)))
        .map_err(fault)?;
    if done == floor {
        return Ok(true);
    }
    let sql = "SELECT id FROM message_index_docsize WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3";
    let found = all(step, sql, params![swept, floor, SWEEP_MAX as i64], |row| row.get::<_, i64>(0))?;
    let mut messages = Messages::of(step)?;
    for seq in &found {
        if !messages.has(seq.unsigned_abs())? {
            step.execute("DELETE FROM message_index WHERE rowid = ?1", [seq]).map_err(fault)?;
        }
    }
    let is_last = found.len() < SWEEP_MAX;
    let row = match found.last() {
        Some(last) if !is_last => (*last, done),
        Some(_) | None => (0, floor),
    };
    step.execute("UPDATE position SET swept = ?1, floor = ?2", [row.0, row.1]).map_err(fault)?;
    Ok(is_last)
}

fn remove(database: &Path) -> Stored<()> {
    let path = path_of(database);
    for suffix in ["", "-wal", "-shm"] {
        match std::fs::remove_file(beside(&path, suffix)) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::Unavailable(format!("{}: {error}", path.display()))),
        }
    }
    Ok(())
}
