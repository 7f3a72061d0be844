//! Opening a database: what is a fault of it, and how a connection is set up.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use thiserror::Error;

use super::fault::in_plain_words;
use super::migrate;
use crate::clock;
use crate::hub::records::StoreError;

pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// What is left of a write-ahead log that a long reading, such as a backup, made grow.
pub(super) const WAL_BYTES_KEPT: i64 = 8 << 20;
const STATEMENTS_MAX: usize = 128;
/// Of each connection; filled as it reads.
const CACHE_KIB: i64 = 8192;

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Synchronous {
    /// A commit returns when it is on disk.
    #[default]
    Full,
    /// A commit returns before it is on disk: a power failure loses what was acknowledged. There only to show
    /// that the check for durability notices.
    Off,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Options {
    pub synchronous: Synchronous,
}

#[derive(Debug, Error)]
pub enum OpenError {
    #[error("cannot use {what} {path}: {source}", path = path.display())]
    Io { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error(
        "{path} is in use by another broker (process {pid}); stop it, or use another data directory",
        path = path.display()
    )]
    Locked { path: PathBuf, pid: String },
    #[error(
        "{path} has schema version {found} and this program knows up to {known}: it was written by a newer one. \
         Use that one, or restore the copy made before the upgrade",
        path = path.display()
    )]
    Newer { path: PathBuf, found: usize, known: usize },
    #[error(
        "{path} is a database of another program (application id {application:#010x}) and was left as it is; move \
         it away, or name another data directory with --data",
        path = path.display()
    )]
    Foreign { path: PathBuf, application: i32 },
    #[error(
        "{path} has to be brought up to date and cannot be copied to {copy} before: {source}; nothing was changed. \
         Make room for a second file of its size, or make the folder writable, and start again",
        path = path.display(), copy = copy.display()
    )]
    Copy { path: PathBuf, copy: PathBuf, source: std::io::Error },
    #[error(
        "cannot bring {path} up to date: {source}; nothing was changed, and the program that wrote it still opens it",
        path = path.display()
    )]
    Migration { path: PathBuf, source: Box<rusqlite_migration::Error> },
    #[error(
        "{path} is damaged or no database of this program ({source}); restore it from a backup, or move it away \
         to begin anew",
        path = path.display()
    )]
    Damaged { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("cannot open {path}: {source}", path = path.display())]
    Sqlite { path: PathBuf, source: rusqlite::Error },
    #[error("cannot read {path}: {source}", path = path.display())]
    Content { path: PathBuf, source: StoreError },
}

impl OpenError {
    pub(super) fn sqlite(path: &Path, source: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                Self::Damaged { path, source: source.into() }
            }
            Some(_) | None => Self::Sqlite { path, source: in_plain_words(source) },
        }
    }

    pub(super) fn content(path: &Path, source: StoreError) -> Self {
        let path = path.to_owned();
        match source {
            StoreError::Corrupt(_) => Self::Damaged { path, source: source.into() },
            StoreError::Unavailable(_) => Self::Content { path, source },
        }
    }
}

/// `path` with more at its end: `nexus.db` and `.lock` are `nexus.db.lock`.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The file at `path`, to be attached and only read.
pub(super) fn uri(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri + "?mode=ro"
}

pub(super) fn writer(path: &Path, options: Options, migrations: &[&str]) -> Result<Connection, OpenError> {
    let failed = |source| OpenError::sqlite(path, source);
    let mut connection = Connection::open(path).map_err(failed)?;
    configure(&connection).map_err(failed)?;
    // Before anything is written, be it only the journal's mode in the header.
    let found = migrate::version(&connection, path, migrations.len())?;
    let synchronous = match options.synchronous {
        Synchronous::Full => "FULL",
        Synchronous::Off => {
            tracing::warn!(
                path = %path.display(),
                "synchronous=OFF: acknowledged messages WILL be lost in a power failure; never use this but to \
                 test that the loss is noticed"
            );
            "OFF"
        }
    };
    let journal: String =
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(failed)?;
    if journal != "wal" {
        return Err(failed(rusqlite::Error::InvalidQuery));
    }
    connection.pragma_update(None, "synchronous", synchronous).map_err(failed)?;
    // Never as a part of a commit: see `settle`.
    connection.pragma_update(None, "wal_autocheckpoint", 0).map_err(failed)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT).map_err(failed)?;
    migrate::migrate(&mut connection, path, migrations, found, clock::wall())?;
    // The file's name has to survive as well as its content.
    sync_folder(path).map_err(|source| OpenError::Io {
        what: "folder",
        path: folder_of(path).to_owned(),
        source,
    })?;
    Ok(connection)
}

pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

/// Makes the names in the folder of `path` durable.
pub(crate) fn sync_folder(path: &Path) -> std::io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

pub(super) fn reader(path: &Path) -> Result<Connection, OpenError> {
    let failed = |source| OpenError::sqlite(path, source);
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    configure(&connection).map_err(failed)?;
    connection.pragma_update(None, "query_only", true).map_err(failed)?;
    Ok(connection)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    // First: every later statement may meet another process's lock.
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(())
}
