//! Makes an archive. The database is copied first, in one state, and what the manifest says is read off the copy.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nexus_wire::{BlobId, Ms};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use sha2::{Digest, Sha256};
use tar::{Builder, Header};

use super::{BLOBS, BackupError, DATABASE, FORMAT, MANIFEST, Manifest, hex};
use crate::blobs;
use crate::datadir::{DataDir, KEY_FILES};
use crate::hub::records::{Reads, StoreError};
use crate::identity::keys::NexusKeys;
use crate::store::{Checked, SqliteReader, sqlite};

const BLOBS_PAGE: u32 = 1_000;

/// What a backup is to be.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) file: PathBuf,
    /// The Nexus's private keys too: whoever has the file can then speak for this Nexus.
    pub(crate) keys: bool,
    pub(crate) now: Ms,
}

/// Removed when it is dropped, however the backup went.
struct Scrap(PathBuf);

impl Drop for Scrap {
    fn drop(&mut self) {
        // Gone already when it got its name. Where a library had no room it leaves what belongs to a database beside it.
        for end in ["", "-shm", "-wal"] {
            let mut path = self.0.clone().into_os_string();
            path.push(end);
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Returns once the archive and its name are on disk. `progress` is told how many pages are copied, of how many.
pub(crate) fn make(
    data: &DataDir,
    wish: &Wish,
    progress: impl FnMut(u64, u64),
) -> Result<Manifest, BackupError> {
    let Wish { file, keys, now } = wish;
    let failed = |source| BackupError::Write { path: file.clone(), source };
    if file.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(file.clone()));
    }
    if !data.database().exists() {
        return Err(BackupError::NoDatabase(data.path().to_owned()));
    }
    let identity = NexusKeys::read(data)?;
    let copy = Scrap(beside(file, ".database.partial"));
    let partial = Scrap(beside(file, ".partial"));
    for left in [&copy.0, &partial.0] {
        remove_if_there(left).map_err(failed)?;
    }
    // Before the database is looked at: a blob it knows stays until it is in the archive.
    let _lock = blobs::lock_for_backup(data).map_err(failed)?;
    // Of one that a newer program wrote no copy is made.
    SqliteReader::open(&data.database())?;
    sqlite::copy(&data.database(), &copy.0, progress)?;
    let reader = SqliteReader::open(&copy.0)?;
    // What would be refused when it is needed most is refused now, while an earlier backup may be there yet.
    let Checked { head, .. } = reader.verify(None).map_err(|error| match error {
        StoreError::Corrupt(what) => BackupError::DamagedSource { path: data.database(), what },
        StoreError::Unavailable(_) => error.into(),
    })?;
    let (database_bytes, database_sha256) = digest(&copy.0).map_err(failed)?;
    let manifest = Manifest {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        nexus_id: identity.nexus_id,
        made_at: *now,
        schema: reader.schema()?,
        head: head.to_string(),
        database_bytes,
        database_sha256,
        keys: *keys,
    };
    let kept = blob_ids(&reader)?;
    drop(reader);
    write(data, &manifest, &copy.0, &kept, &partial.0)?;
    match renameat_with(CWD, &partial.0, CWD, file, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        Err(rustix::io::Errno::EXIST) => return Err(BackupError::Exists(file.clone())),
        Err(error) => return Err(failed(error.into())),
    }
    sqlite::sync_folder(file).map_err(failed)?;
    Ok(manifest)
}

/// Every blob a database knows.
pub(crate) fn blob_ids(reader: &SqliteReader) -> Result<Vec<BlobId>, BackupError> {
    if !reader.has_blobs()? {
        return Ok(Vec::new());
    }
    let (mut ids, mut before) = (Vec::new(), None);
    loop {
        let page = reader.blobs(before, BLOBS_PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(ids) };
        before = Some(*last);
        ids.extend(page.iter().map(|(_, blob)| blob.id));
    }
}

fn write(
    data: &DataDir,
    manifest: &Manifest,
    database: &Path,
    blobs: &[BlobId],
    to: &Path,
) -> Result<(), BackupError> {
    let failed = |source| BackupError::Write { path: to.to_owned(), source };
    let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(to).map_err(failed)?;
    let mut archive = Builder::new(io::BufWriter::with_capacity(1 << 16, file));
    let text = serde_json::to_vec_pretty(manifest).map_err(|error| failed(error.into()))?;
    let head = &mut header(text.len() as u64, manifest.made_at);
    archive.append_data(head, MANIFEST, text.as_slice()).map_err(failed)?;
    // Gives the SHA-256 of what went in.
    let mut add = |name: &str, path: &Path| -> Result<String, BackupError> {
        let unread = |source| BackupError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(unread)?;
        let bytes = file.metadata().map_err(unread)?.len();
        let mut file = Hashed { file, hash: Sha256::new() };
        archive.append_data(&mut header(bytes, manifest.made_at), name, &mut file).map_err(failed)?;
        Ok(hex(&file.hash.finalize()))
    };
    add(DATABASE, database)?;
    let mut also = vec!["nexus.toml"];
    if manifest.keys {
        also.extend(KEY_FILES);
    }
    for name in also {
        let path = data.file(name);
        if path.exists() {
            add(name, &path)?;
        }
    }
    for id in blobs {
        let path = blobs::path_of(data, *id);
        if add(&format!("{BLOBS}{}", id.hex()), &path)? != id.hex() {
            return Err(BackupError::RottenBlob { path, id: *id });
        }
    }
    let mut file = archive.into_inner().map_err(failed)?;
    file.flush().and_then(|()| file.get_ref().sync_all()).map_err(failed)
}

/// A file that is hashed while it is read.
struct Hashed {
    file: File,
    hash: Sha256,
}

impl Read for Hashed {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(piece)?;
        self.hash.update(&piece[..read]);
        Ok(read)
    }
}

fn header(bytes: u64, made_at: Ms) -> Header {
    let mut header = Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o600);
    header.set_mtime(u64::try_from(made_at / 1_000).unwrap_or(0));
    header
}

/// Length and SHA-256 of a file.
pub(super) fn digest(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let (mut hash, mut bytes, mut piece) = (Sha256::new(), 0, vec![0; 1 << 16]);
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok((bytes, hex(&hash.finalize())));
        }
        hash.update(&piece[..read]);
        bytes += read as u64;
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
