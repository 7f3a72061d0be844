//! The store in a SQLite file: one writer, held by a lock to be the only one, and readers beside it.
//!
//! Rows that every message changes (positions of inboxes, states of threads) are held back in `pending` and
//! written once per commit; reads through the writer flush them first.

mod activity;
mod alerts;
mod approvals;
mod audit;
mod blobs;
mod blocks;
mod budgets;
mod chain;
mod columns;
mod copy;
mod derived;
mod dispatches;
mod entries;
mod fault;
mod find;
mod flows;
mod full_blocks;
#[cfg(test)]
mod fuzz;
mod gathers;
mod index;
pub(in crate::store) mod knowledge;
mod lock;
mod messages;
mod migrate;
mod open;
mod pages;
mod pending;
mod pushes;
mod read;
mod reader;
mod reads;
mod recent_ids;
mod registries;
mod retention;
pub(in crate::store) mod search;
mod threads;
mod triggers;
mod verify;
mod write;

use std::cell::RefCell;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nexus_wire::{DispatchId, MessageId, ThreadId};
use rusqlite::Connection;

use crate::hub::records::{DispatchRecord, MessageRecord, StoreError, Stored, ThreadRecord, Transaction};
pub(crate) use copy::merge;
pub use copy::{CopyError, copy};
pub(in crate::store) use fault::fault;
pub use index::{Indexed, Indexer};
pub(in crate::store) use migrate::empty_in_memory;
pub(crate) use migrate::stamp;
pub(crate) use open::sync_folder;
pub use open::{OpenError, Options, Synchronous};
use pending::Pending;
pub use reader::{ReaderPool, SqliteReader};
use reads::Database;
pub use verify::{Checked, Standing};

/// Each step of a migration is for whoever looks for it.
pub(crate) const LOG_FILTER: &str = "rusqlite_migration=warn";

/// From so many pages on the write-ahead log is copied into the database. With more of them it costs hardly less in all and
/// holds up longer what comes meanwhile.
const WAL_PAGES: i64 = 400;
/// So many, 64 MiB, are in it for longer than until the next commit only while somebody reads.
const WAL_PAGES_HELD: i64 = 16 * 1024;

/// The one writer of a database.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
    pending: RefCell<Pending>,
    path: PathBuf,
    /// Which file was opened: its device and number.
    file: (u64, u64),
    settling_failed: bool,
    /// After how many commits in a row the write-ahead log was large.
    large_logs: u32,
    /// Dropped last: the database is closed when another broker may open it.
    _lock: lock::Lock,
}

impl SqliteStore {
    /// Opens the database at `path`, or makes it there. Fails if another broker has it open.
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        Self::open_with(path, options, migrate::MIGRATIONS)
    }

    fn open_with(path: &Path, options: Options, migrations: &[&str]) -> Result<Self, OpenError> {
        // A file of its own: closing one that SQLite has open would drop SQLite's locks on it.
        let lock = lock::Lock::take(&open::beside(path, ".lock"))?;
        let connection = open::writer(path, options, migrations)?;
        let pending = Pending::load(&connection).map_err(|source| OpenError::content(path, source))?;
        let file = file_at(path).map_err(|source| OpenError::Io {
            what: "database",
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            connection,
            pending: RefCell::new(pending),
            path: path.to_owned(),
            file,
            settling_failed: false,
            large_logs: 0,
            _lock: lock,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes what is derived from other rows anew, and says in the log of the process what was wrong with it.
    pub fn derive_anew(&mut self) -> Stored<()> {
        self.begin()?;
        match derived::check(&self.connection) {
            Ok(()) => {}
            Err(StoreError::Corrupt(what)) => {
                tracing::warn!(what, "made anew from the rows that it stands for");
            }
            Err(unavailable @ StoreError::Unavailable(_)) => return Err(unavailable),
        }
        derived::make_anew(&self.connection)?;
        self.commit()
    }

    /// At most `size` connections that only read.
    pub fn readers(&self, size: usize) -> ReaderPool {
        ReaderPool::new(&self.path, size)
    }
}

fn file_at(path: &Path) -> std::io::Result<(u64, u64)> {
    let found = std::fs::metadata(path)?;
    Ok((found.dev(), found.ino()))
}

impl Transaction for SqliteStore {
    fn begin(&mut self) -> Stored<()> {
        self.check_place()?;
        self.run("BEGIN IMMEDIATE")
    }

    fn commit(&mut self) -> Stored<()> {
        let pending = self.pending.get_mut();
        pending.flush(&self.connection)?;
        if pending.ids.are_due() {
            pending.ids.write(&self.connection)?;
        }
        pending.new_blocks.move_if_due(&self.connection)?;
        self.run("COMMIT")?;
        self.pending.get_mut().trim();
        Ok(())
    }

    fn rollback(&mut self) -> Stored<()> {
        // Some errors, a full disk among them, have ended the transaction already.
        if !self.connection.is_autocommit() {
            self.run("ROLLBACK")?;
        }
        *self.pending.get_mut() = Pending::load(&self.connection)?;
        Ok(())
    }

    fn settle(&mut self) {
        let settled = self.copy_log_if_due();
        let failed_before = std::mem::replace(&mut self.settling_failed, settled.is_err());
        match settled {
            Ok(pages) => self.tell_whether_held(pages),
            Err(error) if failed_before => tracing::debug!(%error, "the write-ahead log still grows"),
            Err(error) => {
                tracing::warn!(%error, "the write-ahead log cannot be copied into the database and grows");
            }
        }
    }
}

impl SqliteStore {
    /// Copies the write-ahead log into the database, which syncs both; the next commit begins it anew unless somebody
    /// reads what is in it. Says how many pages are in it.
    fn copy_log_if_due(&self) -> rusqlite::Result<i64> {
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(1)?, row.get(2)?));
        let mut look = self.connection.prepare_cached("PRAGMA wal_checkpoint(NOOP)")?;
        let (pages, copied): (i64, i64) = look.query_row([], row)?;
        if pages - copied < WAL_PAGES {
            return Ok(pages);
        }
        let mut copy = self.connection.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?;
        copy.query_row([], |_| Ok(pages))
    }

    fn tell_whether_held(&mut self, pages: i64) {
        let before = self.large_logs;
        self.large_logs = if pages < WAL_PAGES_HELD { 0 } else { before.saturating_add(1) };
        if self.large_logs == 2 {
            tracing::warn!(
                mib = pages / 256,
                "somebody reads the database for long, perhaps a program of your own; until that ends the write-ahead \
                 log grows and takes room on the disk"
            );
        } else if self.large_logs == 0 && before > 1 {
            tracing::info!("nobody holds the write-ahead log any more; it begins anew");
        }
    }

    /// A file that was moved or deleted can still be written to, and nothing of that would be found again.
    fn check_place(&self) -> Stored<()> {
        match file_at(&self.path) {
            Ok(found) if found == self.file => Ok(()),
            Ok(_) => Err(StoreError::Unavailable(format!(
                "another file lies at {} than the one that is open; put the old one back, or start the broker again",
                self.path.display()
            ))),
            Err(error) => Err(StoreError::Unavailable(format!(
                "{} is not in its place: {error}; put it back, or stop the broker and restore a backup",
                self.path.display()
            ))),
        }
    }

    fn run(&self, sql: &str) -> Stored<()> {
        let mut statement = self.connection.prepare_cached(sql).map_err(fault)?;
        statement.execute([]).map_err(fault)?;
        Ok(())
    }
}

impl Database for SqliteStore {
    fn connection(&self) -> &Connection {
        &self.connection
    }

    fn current(&self) -> Stored<&Connection> {
        self.pending.borrow_mut().flush(&self.connection)?;
        Ok(&self.connection)
    }

    fn seq_of(&self, message: MessageId) -> Stored<Option<u64>> {
        self.pending.borrow().ids.seq_of(&self.connection, message.0)
    }

    fn find_message(&self, id: MessageId) -> Stored<Option<MessageRecord>> {
        let Some(seq) = self.seq_of(id)? else { return Ok(None) };
        match self.pending.borrow().block.find(seq)? {
            Some(kept) => kept.record().map(Some),
            None => messages::record_at(&self.connection, seq),
        }
    }

    fn find_thread(&self, id: ThreadId) -> Stored<Option<ThreadRecord>> {
        self.pending.borrow_mut().thread(&self.connection, id)
    }

    fn find_dispatch(&self, id: DispatchId) -> Stored<Option<DispatchRecord>> {
        self.pending.borrow().dispatches.full(&self.connection, id)
    }

    fn find_dispatch_head(&self, id: DispatchId) -> Stored<Option<DispatchRecord>> {
        self.pending.borrow().dispatches.head(&self.connection, id)
    }
}

#[cfg(test)]
mod tests;
