//! Puts an archive in the place of a data directory's database. What is there stays beside it, and whenever this
//! is cut off, the directory holds the old database or the restored one.

use std::fs::DirBuilder;
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nexus_wire::{EpochId, Ms};
use uuid::Uuid;

use super::archive::unpack;
use super::{BLOBS, BackupError, DATABASE, Manifest};
use crate::blobs;
use crate::config::Config;
use crate::datadir::{DataDir, KEY_FILES, TOKEN_FILE};
use crate::hub::CommandBody;
use crate::hub::records::Digest;
use crate::identity::keys::NexusKeys;
use crate::identity::token;
use crate::setup;
use crate::store::{Options, SqliteStore, sqlite};

/// Where an archive is unpacked, inside the data directory: a rename must not cross a file system.
const PARTIAL: &str = "restore.partial";

#[derive(Debug)]
pub(crate) struct Restored {
    pub(crate) manifest: Manifest,
    /// Where the database that was there lies now.
    pub(crate) replaced: Option<PathBuf>,
    /// Every inbox goes on in it.
    pub(crate) epoch: EpochId,
    /// Whether the token in the data directory is good for the restored database.
    pub(crate) token_is_good: bool,
}

/// `now` names what is put aside and is the restore's time in the log.
pub(crate) fn restore(config: &Config, file: &Path, now: Ms) -> Result<Restored, BackupError> {
    let data = DataDir::open_ours(&config.data)?;
    let _lock = data.lock()?;
    let partial = data.file(PARTIAL);
    let failed = |source| BackupError::Write { path: partial.clone(), source };
    remove_folder(&partial).map_err(failed)?;
    DirBuilder::new().mode(0o700).create(&partial).map_err(failed)?;
    let restored = into(&data, config, file, &partial, now);
    let removed = remove_folder(&partial).map_err(failed);
    let restored = restored?;
    removed?;
    Ok(restored)
}

fn into(
    data: &DataDir,
    config: &Config,
    file: &Path,
    partial: &Path,
    now: Ms,
) -> Result<Restored, BackupError> {
    let (manifest, _) = unpack(file, partial, None)?;
    let is_new_here = check_identity(data, file, &manifest)?;
    let database = partial.join(DATABASE);
    let token = owners_token(data, is_new_here.then_some(partial))?;
    let (epoch, token_is_good) = begin_anew(config, &database, token, now)?;
    // From here on the directory changes: first what does no harm without the database.
    if is_new_here {
        for name in KEY_FILES.iter().chain(&["nexus.toml"]) {
            let from = partial.join(name);
            match std::fs::read_to_string(&from) {
                Ok(text) if !data.file(name).exists() => data.write_private(name, &text)?,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(source) => return Err(BackupError::Read { path: from, source }),
            }
        }
    }
    let write = |source| BackupError::Write { path: data.file(BLOBS), source };
    blobs::take_over(data, &partial.join(BLOBS)).map_err(write)?;
    let replaced = put_in_place(&database, &data.database(), now)
        .map_err(|source| BackupError::Write { path: data.database(), source })?;
    Ok(Restored { manifest, replaced, epoch, token_is_good })
}

/// `true`: the directory has no identity, and gets that of the archive.
fn check_identity(data: &DataDir, file: &Path, manifest: &Manifest) -> Result<bool, BackupError> {
    if !NexusKeys::are_in(data) {
        return match manifest.keys {
            true => Ok(true),
            false => Err(BackupError::NoKeys {
                path: file.to_owned(),
                data: data.path().to_owned(),
                nexus_id: manifest.nexus_id,
            }),
        };
    }
    let here = NexusKeys::open(data, crate::edge::seconds())?.0.nexus_id;
    if here != manifest.nexus_id {
        return Err(BackupError::OtherNexus {
            path: file.to_owned(),
            backup: manifest.nexus_id,
            data: data.path().to_owned(),
            here,
        });
    }
    Ok(false)
}

/// The token that will be in the data directory: the one that is there, or else that of the archive.
fn owners_token(data: &DataDir, archive: Option<&Path>) -> Result<Option<Digest>, BackupError> {
    let text = match (data.read(TOKEN_FILE)?, archive) {
        (None, Some(archive)) => {
            let path = archive.join(TOKEN_FILE);
            match std::fs::read_to_string(&path) {
                Ok(text) => Some(text),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(source) => return Err(BackupError::Read { path, source }),
            }
        }
        (here, _) => here,
    };
    Ok(text.map(|text| token::digest(text.trim())))
}

/// Brings the unpacked database up to date and lets every inbox begin a new epoch in it.
fn begin_anew(
    config: &Config,
    database: &Path,
    token: Option<Digest>,
    now: Ms,
) -> Result<(EpochId, bool), BackupError> {
    let mut store = SqliteStore::open(database, Options::default())?;
    store.derive_anew()?;
    let new_epoch = EpochId(Uuid::new_v4());
    let hub = setup::apply_once(&mut store, &config.hub, CommandBody::Restored { new_epoch }, now)?;
    let is_good = hub
        .roster()
        .operators()
        .filter(|record| record.is_active())
        .any(|record| record.tokens.iter().any(|it| Some(it.sha256) == token));
    drop(store);
    // Only the database itself is put in place. What its last close could not write for want of room stands beside it.
    sqlite::merge(database).map_err(|source| BackupError::Write {
        path: database.to_owned(),
        source: io::Error::other(source),
    })?;
    Ok((new_epoch, is_good))
}

/// `new` takes the place of `old`, which stays beside as `nexus.db.replaced-<time>`.
fn put_in_place(new: &Path, old: &Path, now: Ms) -> io::Result<Option<PathBuf>> {
    let aside = match old.exists() {
        true => Some(put_aside(old, now)?),
        false => None,
    };
    std::fs::rename(new, old)?;
    sqlite::sync_folder(old)?;
    Ok(aside)
}

/// A second name for the old database, so that there is one at its place all the time. Its write-ahead log must
/// not outlive it there: SQLite would take it for the new one's.
fn put_aside(old: &Path, now: Ms) -> io::Result<PathBuf> {
    // One that is damaged keeps its write-ahead log, beside.
    if let Err(error) = sqlite::merge(old) {
        tracing::warn!(%error, "the database that is put aside cannot be opened");
    }
    let with = |end: &str| {
        let mut name = old.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let aside = with(&format!(".replaced-{}", sqlite::stamp(now)));
    std::fs::hard_link(old, &aside)?;
    for journal in ["-wal", "-shm"] {
        let path = with(journal);
        if path.exists() {
            let mut kept = aside.as_os_str().to_owned();
            kept.push(journal);
            std::fs::rename(&path, PathBuf::from(kept))?;
        }
    }
    sqlite::sync_folder(old)?;
    Ok(aside)
}

fn remove_folder(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
