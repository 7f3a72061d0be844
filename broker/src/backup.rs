//! One file that a Nexus can be put back from: a tar archive with a manifest, the database, and, when asked for,
//! the keys. Made while the broker runs; put back while none does.

mod archive;
#[cfg(test)]
mod fuzz;
mod make;
mod restore;

use std::path::PathBuf;

use nexus_wire::{BlobId, Ms};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::datadir::DataDirError;
use crate::hub::records::StoreError;
use crate::identity::keys::KeysError;
use crate::setup::SetupError;
use crate::store::{CopyError, OpenError};

pub(crate) use archive::check;
pub(crate) use make::{Wish, blob_ids, make};
pub(crate) use restore::{Restored, restore};

/// Of archives this program reads and writes.
const FORMAT: u32 = 1;
const MANIFEST: &str = "manifest.json";
const DATABASE: &str = "nexus.db";
/// Before the digits of each blob.
const BLOBS: &str = "blobs/";

/// What an archive says of itself; its first member.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Manifest {
    pub(crate) format: u32,
    /// The program that made it.
    pub(crate) version: String,
    pub(crate) nexus_id: Uuid,
    pub(crate) made_at: Ms,
    /// Version of the database's schema.
    pub(crate) schema: u32,
    /// The head of the log, as `nexus verify --against` takes it.
    pub(crate) head: String,
    pub(crate) database_bytes: u64,
    pub(crate) database_sha256: String,
    /// Whether identity, certificate and the first operator's token are in it.
    pub(crate) keys: bool,
}

#[derive(Debug, Error)]
pub(crate) enum BackupError {
    #[error("{} is there already and is not overwritten; name another file", .0.display())]
    Exists(PathBuf),
    #[error("there is no database in {}; `nexus serve` makes one", .0.display())]
    NoDatabase(PathBuf),
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{} is no backup of a Nexus, or was cut off: {what}", path.display())]
    NoArchive { path: PathBuf, what: String },
    #[error(
        "{} has format {found} and this program reads {FORMAT}: a newer one made it, restore it with that one",
        path.display()
    )]
    Newer { path: PathBuf, found: u32 },
    #[error(
        "{} holds a database with schema version {found} and this program knows up to {known}: it was made by a newer \
         one, restore it with that one",
        path.display()
    )]
    NewerDatabase { path: PathBuf, found: u32, known: usize },
    #[error("{} is damaged: {what}; use another backup", path.display())]
    Damaged { path: PathBuf, what: String },
    #[error(
        "{} is damaged: {what}; no backup was made, for it could not be restored. Stop the broker, keep a copy of its \
         data directory, and restore an earlier backup with `nexus restore FILE`",
        path.display()
    )]
    DamagedSource { path: PathBuf, what: String },
    #[error(
        "{} is damaged: its bytes are not those of blob {id}; no backup was made, for it could not be restored. Put \
         the same bytes again with `nexctl blob put FILE`, or restore an earlier backup",
        path.display()
    )]
    RottenBlob { path: PathBuf, id: BlobId },
    #[error(
        "{} is a backup of Nexus {backup}, and {} belongs to Nexus {here}; restore it into an empty data directory",
        path.display(), data.display()
    )]
    OtherNexus { path: PathBuf, backup: Uuid, data: PathBuf, here: Uuid },
    #[error(
        "{} holds no keys and there are none in {}: without the identity of Nexus {nexus_id} no aspect would trust \
         this broker. Put its identity.json there first, or use a backup made with --with-keys",
        path.display(), data.display()
    )]
    NoKeys { path: PathBuf, data: PathBuf, nexus_id: Uuid },
    #[error(transparent)]
    Copy(#[from] CopyError),
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
