//! Whose database a file is, and bringing an older one up to date: copied beside itself first, then changed in
//! one transaction. Whenever this is cut off, the file holds the old version or the new one.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nexus_wire::Ms;
use rusqlite::{Connection, Transaction};
use rusqlite_migration::{HookError, M, Migrations};

use super::open::{OpenError, beside, folder_of, sync_folder};
use super::{blobs, messages};
use crate::hub::records::Stored;

/// In the order of their numbers; never edited after a release.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/0001_initial.sql"),
    include_str!("../../../migrations/0002_hands.sql"),
    include_str!("../../../migrations/0003_oversight.sql"),
    include_str!("../../../migrations/0004_threads.sql"),
    include_str!("../../../migrations/0005_knowledge.sql"),
    include_str!("../../../migrations/0006_identity.sql"),
    include_str!("../../../migrations/0007_blobs_and_retention.sql"),
    include_str!("../../../migrations/0008_trace.sql"),
    include_str!("../../../migrations/0009_mentions.sql"),
    include_str!("../../../migrations/0010_budgets.sql"),
    include_str!("../../../migrations/0011_retention.sql"),
    include_str!("../../../migrations/0012_approvals.sql"),
    include_str!("../../../migrations/0013_entries.sql"),
    include_str!("../../../migrations/0014_outlays.sql"),
    include_str!("../../../migrations/0015_pushes.sql"),
    include_str!("../../../migrations/0016_triggers.sql"),
    include_str!("../../../migrations/0017_flows.sql"),
    include_str!("../../../migrations/0018_invitations.sql"),
    include_str!("../../../migrations/0019_hooks.sql"),
    include_str!("../../../migrations/0020_registries.sql"),
    include_str!("../../../migrations/0022_spending.sql"),
    MESSAGE_BLOCKS,
    include_str!("../../../migrations/0024_messages.sql"),
    MESSAGE_ID_BLOCKS,
    include_str!("../../../migrations/0026_new_blocks.sql"),
    include_str!("../../../migrations/0027_thread_activity.sql"),
    BLOB_BOUNDS,
    include_str!("../../../migrations/0029_short_messages.sql"),
];

/// From this version on there are blobs, and checkpoints of the log.
pub(super) const WITH_BLOBS: u32 = 7;

/// Followed by what SQL alone cannot do, as the next ones are.
const MESSAGE_BLOCKS: &str = include_str!("../../../migrations/0023_message_blocks.sql");
const MESSAGE_ID_BLOCKS: &str = include_str!("../../../migrations/0025_message_id_blocks.sql");
const BLOB_BOUNDS: &str = include_str!("../../../migrations/0028_blob_bounds.sql");

/// `Nexu`, in the header of every database of ours; the first version had none there.
const APPLICATION_ID: i32 = 0x4e65_7875;
/// Copies made before upgrades that are kept, the latest ones.
const COPIES_KEPT: usize = 3;

/// The tables and nothing in them, for as long as the connection lives.
pub(in crate::store) fn empty_in_memory() -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    MIGRATIONS.iter().try_for_each(|sql| connection.execute_batch(sql))?;
    Ok(connection)
}

/// The schema version of a database that is ours, 0 if there is nothing in it yet. Changes nothing.
pub(super) fn version(connection: &Connection, path: &Path, known: usize) -> Result<usize, OpenError> {
    let failed = |source| OpenError::sqlite(path, source);
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i32>(0)).map_err(failed);
    let (application, found) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
    let is_ours = match application {
        APPLICATION_ID => true,
        0 if number("SELECT count(*) FROM sqlite_schema")? == 0 => found == 0,
        0 => {
            let of_first = "SELECT count(*) FROM sqlite_schema
                WHERE type = 'table' AND name IN ('aspects', 'inboxes', 'log', 'messages', 'meta', 'threads')";
            found > 0 && number(of_first)? == 6
        }
        _ => false,
    };
    let found = usize::try_from(found).ok().filter(|_| is_ours);
    let found = found.ok_or_else(|| OpenError::Foreign { path: path.to_owned(), application })?;
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    Ok(found)
}

/// Brings a database of version `found` to the newest of `migrations`. `now` names the copy.
pub(super) fn migrate(
    connection: &mut Connection,
    path: &Path,
    migrations: &[&str],
    found: usize,
    now: Ms,
) -> Result<(), OpenError> {
    if found == migrations.len() {
        return Ok(());
    }
    let copy = if found > 0 { Some(keep_copy(connection, path, found, now)?) } else { None };
    let steps = migrations.iter().map(|sql| step(sql).foreign_key_check()).collect();
    Migrations::new(steps).to_latest(connection).map_err(|source| {
        if let Some(copy) = &copy {
            // The file is as it was, so its copy says nothing new; every attempt would leave another one.
            let _ = std::fs::remove_file(copy);
        }
        OpenError::Migration { path: path.to_owned(), source: Box::new(source) }
    })
}

fn step(sql: &str) -> M<'_> {
    let fill: fn(&Connection) -> Stored<()> = match sql {
        MESSAGE_BLOCKS => messages::into_blocks,
        MESSAGE_ID_BLOCKS => messages::write_ids,
        BLOB_BOUNDS => blobs::write_threads,
        _ => return M::up(sql),
    };
    M::up_with_hook(sql, move |transaction: &Transaction<'_>| {
        fill(transaction).map_err(|error| HookError::Hook(error.to_string()))
    })
}

/// Copies the database to `nexus.db.v<found>-<time>.bak`, whole or not at all.
fn keep_copy(connection: &Connection, path: &Path, found: usize, now: Ms) -> Result<PathBuf, OpenError> {
    let copy = beside(path, &format!(".v{found}-{}.bak", stamp(now)));
    let partial = beside(path, ".bak.partial");
    let failed = |source| OpenError::Copy { path: path.to_owned(), copy: copy.clone(), source };
    remove_if_there(&partial).map_err(failed)?;
    let made = || -> io::Result<()> {
        // Made here so that nobody else may read it; SQLite fills a file that is empty.
        OpenOptions::new().create_new(true).write(true).mode(0o600).open(&partial)?;
        connection.execute("VACUUM INTO ?1", [partial.to_string_lossy()]).map_err(io::Error::other)?;
        File::open(&partial)?.sync_all()?;
        std::fs::rename(&partial, &copy)?;
        sync_folder(&copy)
    };
    made().map_err(|source| {
        let _ = remove_if_there(&partial);
        failed(source)
    })?;
    tracing::info!(copy = %copy.display(), "copied the database before bringing it up to date");
    for old in copies(path).map_err(failed)?.iter().rev().skip(COPIES_KEPT) {
        remove_if_there(old).map_err(failed)?;
    }
    Ok(copy)
}

/// The copies beside `path`, the oldest first.
fn copies(path: &Path) -> io::Result<Vec<PathBuf>> {
    let start = format!("{}.v", path.file_name().unwrap_or_default().to_string_lossy());
    let mut found = Vec::new();
    for entry in folder_of(path).read_dir()? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let time = name.strip_prefix(&start).and_then(|rest| rest.strip_suffix(".bak")?.split_once('-'));
        if let Some((_, time)) = time {
            found.push((time.to_owned(), path.with_file_name(&name)));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// A time as part of a file's name: sorts as it passes.
pub(crate) fn stamp(at: Ms) -> String {
    Timestamp::from_millisecond(at).unwrap_or_default().strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
