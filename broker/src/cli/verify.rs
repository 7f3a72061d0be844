//! `nexus verify`: whether the database, or a backup, is whole and its log unchanged.

use std::path::PathBuf;

use clap::Args;
use thiserror::Error;

use super::CliError;
use super::print::say;
use crate::backup::{self, BackupError};
use crate::blobs;
use crate::config::Config;
use crate::datadir::DataDir;
use crate::hub::records::{Reads, StoreError};
use crate::identity::keys::NexusKeys;
use crate::store::{Checked, Head, NotAHead, OpenError, SqliteReader, Standing};

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// A file made by `nexus backup`, instead of the database
    file: Option<PathBuf>,
    /// A head written down before, or a file with one: the log has to contain it
    #[arg(long, value_name = "HEAD")]
    against: Option<String>,
    /// Print the newest head and nothing else, to be written down elsewhere
    #[arg(long)]
    export_head: bool,
}

/// Why the answer is not "all is well".
#[derive(Debug, Error)]
pub(super) enum Unverified {
    #[error("cannot verify {}: {source}", path.display())]
    Unable { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("--against {given}: {source}")]
    NotAHead { given: String, source: NotAHead },
    #[error("{} is damaged: {what}; restore a backup with `nexus restore FILE`", path.display())]
    Damaged { path: PathBuf, what: String },
    #[error(
        "{} disagrees with itself: {what}. It is made anew from the rows that it stands for: stop the broker, make a backup \
         and restore it",
        path.display()
    )]
    Derived { path: PathBuf, what: String },
    #[error("{} is damaged: {what}; it cannot be restored, use another backup", path.display())]
    DamagedBackup { path: PathBuf, what: String },
    #[error(
        "{} holds another history than the one that was written down: entry {} of its log has another hash. It was \
         rewritten, or belongs to another Nexus",
        path.display(), wanted.seq
    )]
    Differs { path: PathBuf, wanted: Head },
    #[error(
        "entry {} of the log of {} is not kept any more, and nothing says whether it was the one that was written down; \
         write a newer head down",
        wanted.seq, path.display()
    )]
    Pruned { path: PathBuf, wanted: Head },
    #[error(
        "{} was set back: its log ends at entry {ends_at}, and entry {} was written down",
        path.display(), wanted.seq
    )]
    Missing { path: PathBuf, wanted: Head, ends_at: u64 },
}

impl Unverified {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Unable { .. } | Self::NotAHead { .. } | Self::Pruned { .. } => 1,
            Self::Damaged { .. } | Self::Derived { .. } | Self::DamagedBackup { .. } => 3,
            Self::Differs { .. } | Self::Missing { .. } => 4,
        }
    }

    fn of_store(path: PathBuf, error: StoreError) -> Self {
        match error {
            StoreError::Corrupt(what) => Self::Damaged { path, what },
            StoreError::Unavailable(_) => Self::Unable { path, source: error.into() },
        }
    }
}

pub(super) fn run(verify: &Verify, config: &Config) -> Result<(), CliError> {
    let against = verify.against.as_deref().map(head_of).transpose()?;
    let (path, checked, derived) = match &verify.file {
        Some(file) => (file.clone(), archive(file.clone(), against)?, None),
        None => {
            let data = DataDir::existing(&config.data).map_err(BackupError::from)?;
            let (checked, derived) = database(&data, against)?;
            (data.database(), checked, derived)
        }
    };
    let Checked { head, against: standing } = checked;
    match (standing, against) {
        (Some(Standing::Differs), Some(wanted)) => return Err(Unverified::Differs { path, wanted }.into()),
        (Some(Standing::Missing), Some(wanted)) => {
            return Err(Unverified::Missing { path, wanted, ends_at: head.seq }.into());
        }
        (Some(Standing::Pruned), Some(wanted)) => return Err(Unverified::Pruned { path, wanted }.into()),
        (Some(Standing::Contained) | None, _) | (Some(_), None) => {}
    }
    if verify.export_head {
        say(format_args!("{head}"));
        return Ok(());
    }
    if let Some(what) = derived {
        return Err(Unverified::Derived { path, what }.into());
    }
    say(format_args!("{} is whole: its pages, its references, and {} log entries", path.display(), head.seq));
    if let Some(wanted) = against {
        say(format_args!("The log is the same up to entry {} as when that was written down", wanted.seq));
    }
    say(format_args!("Head of the log: {head}"));
    Ok(())
}

/// The head itself, or the content of a file.
fn head_of(given: &str) -> Result<Head, Unverified> {
    let parsed = given.parse::<Head>().or_else(|error| match std::fs::read_to_string(given) {
        Ok(text) => text.parse(),
        Err(_) => Err(error),
    });
    parsed.map_err(|source| Unverified::NotAHead { given: given.to_owned(), source })
}

/// And what is wrong with what is derived from other rows.
fn database(data: &DataDir, against: Option<Head>) -> Result<(Checked, Option<String>), Unverified> {
    let path = data.database();
    let reader = SqliteReader::open(&path).map_err(|error| {
        if let OpenError::Damaged { source, .. } = error {
            return Unverified::Damaged { path: path.clone(), what: source.to_string() };
        }
        Unverified::Unable { path: path.clone(), source: error.into() }
    })?;
    let unable = |error: BackupError| Unverified::Unable { path: path.clone(), source: error.into() };
    // An identity is missed only where there is something to hold against it.
    if reader.has_blobs().map_err(|error| Unverified::of_store(path.clone(), error))? {
        let checkpoints = reader.checkpoints().map_err(|error| Unverified::of_store(path.clone(), error))?;
        if !checkpoints.is_empty() {
            let keys = NexusKeys::read(data).map_err(|error| unable(error.into()))?;
            if let Some(forged) = checkpoints.iter().find(|it| !keys.has_signed(it)) {
                let what =
                    format!("the checkpoint at entry {} of the log is not signed by this Nexus", forged.seq);
                return Err(Unverified::Damaged { path, what });
            }
        }
    }
    // Held so that no blob goes between a look at its row and one at its file.
    let lock = blobs::lock_for_backup(data);
    let _lock = lock.map_err(|source| Unverified::Unable { path: path.clone(), source: source.into() })?;
    let checked = reader.verify(against).map_err(|error| Unverified::of_store(path.clone(), error))?;
    let ids = backup::blob_ids(&reader)
        .map_err(|error| Unverified::Unable { path: path.clone(), source: error.into() })?;
    match blobs::first_fault(data, &ids) {
        None => match reader.check_derived() {
            Ok(()) => Ok((checked, None)),
            Err(StoreError::Corrupt(what)) => Ok((checked, Some(what))),
            Err(error @ StoreError::Unavailable(_)) => Err(Unverified::of_store(path, error)),
        },
        Some((id, what)) => {
            let path = blobs::path_of(data, id);
            Err(Unverified::Damaged { path, what: format!("blob {id}: {what}") })
        }
    }
}

/// An archive ends where it says, so a head beyond that is one it cannot have.
fn archive(path: PathBuf, against: Option<Head>) -> Result<Checked, Unverified> {
    match backup::check(&path, against) {
        Ok((_, checked)) => Ok(checked),
        Err(BackupError::Damaged { what, .. } | BackupError::NoArchive { what, .. }) => {
            Err(Unverified::DamagedBackup { path, what })
        }
        Err(BackupError::Store(StoreError::Corrupt(what))) => Err(Unverified::DamagedBackup { path, what }),
        Err(error) => Err(Unverified::Unable { path, source: error.into() }),
    }
}
