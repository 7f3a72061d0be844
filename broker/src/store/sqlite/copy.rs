//! A copy of a database while its writer goes on: one state of it, page by page, on a connection of its own.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::backup::{Backup, Progress, StepResult};
use thiserror::Error;

use super::fault::in_plain_words;
use super::open::{self, OpenError};

/// Pages between two words about progress.
const STEP_PAGES: i32 = 256;

#[derive(Debug, Error)]
pub enum CopyError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("cannot write {}: {source}", path.display())]
    Target { path: PathBuf, source: std::io::Error },
    #[error("cannot copy {} to {}: {source}", from.display(), to.display())]
    Copy { from: PathBuf, to: PathBuf, source: rusqlite::Error },
}

/// Copies the database at `from` to `to`, which must not exist, and syncs it. `progress` is told how many pages
/// are done, of how many.
pub fn copy(from: &Path, to: &Path, mut progress: impl FnMut(u64, u64)) -> Result<(), CopyError> {
    let target = |source| CopyError::Target { path: to.to_owned(), source };
    let failed =
        |source| CopyError::Copy { from: from.to_owned(), to: to.to_owned(), source: in_plain_words(source) };
    let source = open::reader(from)?;
    // Held throughout: the copy is of one state and is never begun anew because the writer went on.
    let snapshot = source.unchecked_transaction().map_err(failed)?;
    OpenOptions::new().create_new(true).write(true).mode(0o600).open(to).map_err(target)?;
    let mut copy = Connection::open(to).map_err(failed)?;
    {
        let backup = Backup::new(&snapshot, &mut copy).map_err(failed)?;
        loop {
            let step = backup.step(STEP_PAGES).map_err(failed)?;
            let Progress { remaining, pagecount } = backup.progress();
            let (left, all) = (remaining.max(0).unsigned_abs(), pagecount.max(0).unsigned_abs());
            progress(u64::from(all - left.min(all)), u64::from(all));
            if step == StepResult::Done {
                break;
            }
            if step != StepResult::More {
                // Nobody else has the copy open, and a reader waits for no writer.
                return Err(failed(unexpected(step)));
            }
        }
    }
    drop(snapshot);
    // It becomes one file, to be read without files beside it.
    copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).map_err(failed)?;
    copy.close().map_err(|(_, source)| failed(source))?;
    File::open(to).and_then(|file| file.sync_all()).map_err(target)
}

/// Merges the write-ahead log of a database nobody has open into it, so that one file is all there is.
pub(crate) fn merge(path: &Path) -> Result<(), rusqlite::Error> {
    let merged = || {
        let connection = Connection::open(path)?;
        let is_busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if is_busy {
            return Err(rusqlite::Error::InvalidParameterName(
                "somebody else has the database open".to_owned(),
            ));
        }
        connection.close().map_err(|(_, error)| error)
    };
    merged().map_err(in_plain_words)
}

fn unexpected(step: StepResult) -> rusqlite::Error {
    rusqlite::Error::InvalidParameterName(format!("a step of the copy ended as {step:?}"))
}
