//! Connections that only read, beside the writer: each sees what was committed last.

use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};

use nexus_wire::chat::ChatSearch;
use rusqlite::Connection;

use super::open::{self, OpenError};
use super::reads::Database;
use super::verify::{self, Checked};
use super::{derived, fault, find, migrate};
use crate::hub::records::{Finds, Found, StoreError, Stored, Visible};
use crate::store::head::Head;
use crate::store::page::MATCHES_MAX;

#[derive(Debug)]
pub struct SqliteReader {
    connection: Connection,
    path: PathBuf,
    index: find::Attached,
}

impl SqliteReader {
    /// Opens the database at `path`, which a writer has made: this program's or an older one.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = open::reader(path)?;
        migrate::version(&connection, path, Self::newest_schema())?;
        Ok(Self { connection, path: path.to_owned(), index: find::Attached::default() })
    }

    /// Checks pages, foreign keys and the log's hash chain, which takes as long as reading it all; and how the
    /// log stands to a head that was written down before.
    pub fn verify(&self, against: Option<Head>) -> Stored<Checked> {
        let snapshot = self.connection.unchecked_transaction().map_err(fault)?;
        verify::verify(&snapshot, against)
    }

    /// Whether what is kept a second time, to be found fast, says what it was made from.
    pub fn check_derived(&self) -> Stored<()> {
        let snapshot = self.connection.unchecked_transaction().map_err(fault)?;
        derived::check(&snapshot)
    }

    /// Whether its schema has blobs, and checkpoints of the log; the first ones had neither.
    pub fn has_blobs(&self) -> Stored<bool> {
        Ok(self.schema()? >= migrate::WITH_BLOBS)
    }

    /// The newest version of a schema that this program knows.
    pub fn newest_schema() -> usize {
        migrate::MIGRATIONS.len()
    }

    /// The version of its schema.
    pub fn schema(&self) -> Stored<u32> {
        self.connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fault)
    }
}

impl SqliteReader {
    /// Whether the pages of the file are in order; faster than [`Self::verify`], and less.
    pub fn quick_check(&self) -> Stored<()> {
        let found: String =
            self.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(fault)?;
        if found == "ok" { Ok(()) } else { Err(StoreError::Corrupt(found)) }
    }
}

/// Readers to be shared between threads; a reading blocks its thread.
#[derive(Debug)]
pub struct ReaderPool {
    path: PathBuf,
    size: usize,
    state: Mutex<PoolState>,
    returned: Condvar,
}

#[derive(Debug, Default)]
struct PoolState {
    idle: Vec<SqliteReader>,
    opened: usize,
}

impl ReaderPool {
    /// At most `size` readers, opened as they are needed.
    pub fn new(path: &Path, size: usize) -> Self {
        Self {
            path: path.to_owned(),
            size: size.max(1),
            state: Mutex::new(PoolState::default()),
            returned: Condvar::new(),
        }
    }

    /// Reads with one of the readers, once one is free.
    pub fn read<T>(&self, reading: impl FnOnce(&SqliteReader) -> Stored<T>) -> Stored<T> {
        let lease = Lease { pool: self, reader: Some(self.take()?) };
        match &lease.reader {
            Some(reader) => reading(reader),
            None => Err(StoreError::Unavailable("no reader".into())),
        }
    }

    fn take(&self) -> Stored<SqliteReader> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(reader) = state.idle.pop() {
                return Ok(reader);
            }
            if state.opened < self.size {
                state.opened += 1;
                drop(state);
                return SqliteReader::open(&self.path).map_err(|error| {
                    self.state.lock().unwrap_or_else(PoisonError::into_inner).opened -= 1;
                    self.returned.notify_one();
                    StoreError::Unavailable(error.to_string())
                });
            }
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Gives its reader back, also when the reading panics.
struct Lease<'a> {
    pool: &'a ReaderPool,
    reader: Option<SqliteReader>,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.idle.extend(self.reader.take());
        drop(state);
        self.pool.returned.notify_one();
    }
}

impl Finds for SqliteReader {
    fn chat_search(&self, visible: &Visible, asked: &ChatSearch, limit: u32) -> Stored<Found> {
        if !find::attach(&self.connection, &self.index, &self.path)? || !find::is_made(&self.connection)? {
            return Ok(Found { hits: Vec::new(), next: None, indexed_seq: 0 });
        }
        find::search(&self.connection, visible, asked, limit, MATCHES_MAX)
    }
}

impl Database for SqliteReader {
    fn connection(&self) -> &Connection {
        &self.connection
    }
}
