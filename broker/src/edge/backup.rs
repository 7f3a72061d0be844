//! Backups asked for over HTTP: one at a time, into the one folder there is for them.

use std::path::PathBuf;
use std::sync::Arc;

use nexus_wire::backup::{BackupMade, BackupMake, BackupName};
use nexus_wire::{ErrorBody, ErrorCode, Ms, Party};
use tokio::sync::Semaphore;

use super::Edge;
use crate::backup::{self, BackupError, Manifest, Wish};
use crate::blobs::folder;
use crate::clock;
use crate::datadir::DataDir;
use crate::hub::{Access, CommandBody, Note};
use crate::task;

#[derive(Debug)]
pub(crate) struct Backups {
    data: DataDir,
    folder: PathBuf,
    /// One is enough work for a disk.
    room: Arc<Semaphore>,
}

impl Backups {
    pub(crate) fn new(data: DataDir, folder: PathBuf) -> Self {
        Self { data, folder, room: Arc::new(Semaphore::new(1)) }
    }
}

impl Edge {
    /// Returns once the file and its name are on disk. It is made to its end also when nobody waits any more.
    pub(crate) async fn backup(&self, by: Party, make: BackupMake) -> Result<BackupMade, ErrorBody> {
        let Ok(permit) = Arc::clone(&self.backups.room).try_acquire_owned() else {
            let message = "a backup is being made; try again when it is done";
            return Err(ErrorBody::new(ErrorCode::RateLimited, message));
        };
        let now = clock::wall();
        let name = make.name.map_or_else(|| name_of(now), Ok)?;
        let kind = if make.with_keys { "backup.made_with_keys" } else { "backup.made" };
        // In the log, and so in the backup itself, before it is there to be taken away.
        let note = Note { actor: by.clone(), kind, subject: name.as_str().to_owned() };
        self.call(CommandBody::Access { by, act: Access::Note(vec![note]) }, 0).await?;
        let (data, at) = (self.backups.data.clone(), self.backups.folder.clone());
        let making = task::blocking(move || {
            let _permit = permit;
            let failed = |source| BackupError::Write { path: at.clone(), source };
            folder(&at).map_err(failed)?;
            let wish = Wish { file: at.join(name.as_str()), keys: make.with_keys, now };
            let Manifest { head, .. } = backup::make(&data, &wish, |_, _| {})?;
            let bytes = wish.file.metadata().map_err(failed)?.len();
            let path = wish.file.display().to_string();
            Ok(BackupMade { name, path, bytes, made_at: now, head, with_keys: make.with_keys })
        });
        let made: Result<BackupMade, BackupError> = making.await.map_err(|error| {
            ErrorBody::new(ErrorCode::Internal, format!("the backup broke down: {error}"))
        })?;
        made.map_err(|error| refusal(&error))
    }
}

/// Of the second, so that names sort by time.
fn name_of(now: Ms) -> Result<BackupName, ErrorBody> {
    let at = jiff::Timestamp::from_millisecond(now).unwrap_or_default();
    let name = format!("nexus-{}.tar", at.strftime("%Y%m%dT%H%M%SZ"));
    name.parse().map_err(|error: nexus_wire::backup::NotABackupName| {
        ErrorBody::new(ErrorCode::Internal, error.to_string())
    })
}

fn refusal(error: &BackupError) -> ErrorBody {
    let code = match error {
        BackupError::Exists(_) => ErrorCode::Invalid,
        BackupError::NoDatabase(_)
        | BackupError::Write { .. }
        | BackupError::Read { .. }
        | BackupError::NoArchive { .. }
        | BackupError::Newer { .. }
        | BackupError::NewerDatabase { .. }
        | BackupError::Damaged { .. }
        | BackupError::DamagedSource { .. }
        | BackupError::RottenBlob { .. }
        | BackupError::OtherNexus { .. }
        | BackupError::NoKeys { .. }
        | BackupError::Copy(_)
        | BackupError::DataDir(_)
        | BackupError::Keys(_)
        | BackupError::Open(_)
        | BackupError::Setup(_)
        | BackupError::Store(_) => {
            tracing::error!(%error, "cannot make a backup");
            ErrorCode::StorageUnavailable
        }
    };
    ErrorBody::new(code, error.to_string())
}
