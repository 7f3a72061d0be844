//! Blobs on disk: `<data>/blobs/ab/<64 digits>`, each named by the SHA-256 of its bytes. A file gets its name when it
//! is whole and synced; whether it is a blob is for the database to say.

use std::io::{self, ErrorKind, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nexus_wire::BlobId;
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use tokio::sync::{Mutex, MutexGuard, Semaphore};

use crate::datadir::DataDir;
use crate::task;

const FOLDER: &str = "blobs";
/// Files without a name yet; whatever a crash leaves in it is removed at the next start.
const UPLOADS: &str = "uploads";
/// Uploads at once: so many times the largest blob is what unfinished ones can take of the disk.
const UPLOADS_MAX: usize = 16;

/// The folder of all blobs of a data directory.
#[derive(Debug)]
pub(crate) struct Blobs {
    root: PathBuf,
    /// Held from a file's getting its name until its row is there, and from a look at the row until the file is
    /// gone: between the two nobody else decides about files.
    deciding: Mutex<()>,
    /// One permit for each upload that may be under way.
    room: Arc<Semaphore>,
}

/// Bytes on their way in. Dropped before it is placed, nothing is left of it.
#[derive(Debug)]
pub(crate) struct Upload {
    file: File,
    path: PathBuf,
    hash: Sha256,
    bytes: u64,
    is_placed: bool,
}

impl Blobs {
    /// Makes the folder, and removes what earlier uploads left unfinished.
    pub(crate) fn open(data: &DataDir) -> io::Result<Self> {
        let root = data.file(FOLDER);
        let uploads = root.join(UPLOADS);
        match std::fs::remove_dir_all(&uploads) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        folder(&uploads)?;
        sync(&root)?;
        sync(data.path())?;
        Ok(Self { root, deciding: Mutex::default(), room: Arc::new(Semaphore::new(UPLOADS_MAX)) })
    }

    pub(crate) fn path(&self, id: BlobId) -> PathBuf {
        path_in(&self.root, id)
    }

    pub(crate) fn room(&self) -> Arc<Semaphore> {
        Arc::clone(&self.room)
    }

    /// Held while files are removed; `None` while a backup is being made, which needs them all.
    pub(crate) fn lock_for_removal(&self) -> io::Result<Option<std::fs::File>> {
        let file = lock_file(&self.root)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// While it is held, no file gets a name and none goes.
    pub(crate) async fn decide(&self) -> MutexGuard<'_, ()> {
        self.deciding.lock().await
    }

    pub(crate) async fn begin(&self) -> io::Result<Upload> {
        let path = self.root.join(UPLOADS).join(uuid::Uuid::new_v4().to_string());
        let mut options = tokio::fs::OpenOptions::new();
        let file = options.create_new(true).write(true).mode(0o600).open(&path).await?;
        Ok(Upload { file, path, hash: Sha256::new(), bytes: 0, is_placed: false })
    }

    /// Makes the bytes and their name durable.
    pub(crate) async fn place(&self, mut upload: Upload) -> io::Result<(BlobId, u64)> {
        let id = BlobId(upload.hash.clone().finalize().into());
        upload.file.flush().await?;
        upload.file.sync_all().await?;
        let (from, to, root) = (upload.path.clone(), self.path(id), self.root.clone());
        blocking(move || {
            let shelf = folder_of(&to)?;
            if !shelf.is_dir() {
                folder(shelf)?;
                sync(&root)?;
            }
            // The same bytes may be there already; one file is as good as the other.
            std::fs::rename(&from, &to)?;
            sync(shelf)
        })
        .await?;
        upload.is_placed = true;
        Ok((id, upload.bytes))
    }

    pub(crate) async fn read(&self, id: BlobId, from: u64) -> io::Result<File> {
        let mut file = File::open(self.path(id)).await?;
        if from > 0 {
            file.seek(SeekFrom::Start(from)).await?;
        }
        Ok(file)
    }

    /// One that is gone already is no error.
    pub(crate) async fn remove(&self, id: BlobId) -> io::Result<()> {
        match tokio::fs::remove_file(self.path(id)).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Every file there is, by what its name says.
    pub(crate) async fn all(&self) -> io::Result<Vec<BlobId>> {
        let root = self.root.clone();
        blocking(move || ids_in(&root)).await
    }
}

impl Upload {
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes).await
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What it will be called if nothing more comes.
    pub(crate) fn id(&self) -> BlobId {
        BlobId(self.hash.clone().finalize().into())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.is_placed {
            // Left behind, it goes at the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// While it is held no blob goes, in whatever process; waits for a removal under way.
pub(crate) fn lock_for_backup(data: &DataDir) -> io::Result<std::fs::File> {
    let root = data.file(FOLDER);
    folder(&root)?;
    let file = lock_file(&root)?;
    flock(&file, FlockOperation::LockShared)?;
    Ok(file)
}

/// Moves the blobs of a folder, named by their digits, to where the data directory keeps them.
pub(crate) fn take_over(data: &DataDir, from: &Path) -> io::Result<()> {
    let root = data.file(FOLDER);
    folder(&root)?;
    for entry in from.read_dir()? {
        let entry = entry?;
        let Ok(id) = format!("sha256-{}", entry.file_name().to_string_lossy()).parse::<BlobId>() else {
            continue;
        };
        let to = path_in(&root, id);
        let shelf = folder_of(&to)?;
        folder(shelf)?;
        std::fs::rename(entry.path(), &to)?;
        sync(shelf)?;
    }
    sync(&root)?;
    sync(data.path())
}

/// The first blob of a database whose bytes are not what its name says, and what they are instead.
pub(crate) fn first_fault(data: &DataDir, ids: &[BlobId]) -> Option<(BlobId, String)> {
    ids.iter().find_map(|id| {
        let read = || -> io::Result<BlobId> {
            let mut hash = Sha256::new();
            io::copy(&mut std::fs::File::open(path_of(data, *id))?, &mut hash)?;
            Ok(BlobId(hash.finalize().into()))
        };
        match read() {
            Ok(found) if found == *id => None,
            Ok(found) => Some((*id, format!("its bytes are {found}"))),
            Err(error) => Some((*id, format!("its file cannot be read: {error}"))),
        }
    })
}

fn lock_file(root: &Path) -> io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600).open(root.join("lock"))
}

/// Where a data directory keeps a blob.
pub(crate) fn path_of(data: &DataDir, id: BlobId) -> PathBuf {
    path_in(&data.file(FOLDER), id)
}

fn path_in(root: &Path, id: BlobId) -> PathBuf {
    let hex = id.hex();
    root.join(&hex[..2]).join(hex)
}

fn folder_of(path: &Path) -> io::Result<&Path> {
    path.parent().ok_or_else(|| ErrorKind::InvalidInput.into())
}

/// Makes a folder its owner alone may enter, and those above it.
pub(crate) fn folder(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn sync(folder: &Path) -> io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

fn ids_in(root: &Path) -> io::Result<Vec<BlobId>> {
    let mut found = Vec::new();
    for shelf in root.read_dir()? {
        let shelf = shelf?;
        if !shelf.file_type()?.is_dir() || shelf.file_name() == UPLOADS {
            continue;
        }
        for file in shelf.path().read_dir()? {
            let name = file?.file_name();
            found.extend(format!("sha256-{}", name.to_string_lossy()).parse::<BlobId>());
        }
    }
    Ok(found)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    task::blocking(work).await.map_err(io::Error::other)?
}
