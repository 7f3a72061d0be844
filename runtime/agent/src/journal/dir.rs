//! Folders that survive a power cut: a new name is in its folder only once the folder is fsynced.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::Durability;

/// What the name of `path` stands in.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

pub(crate) fn sync_dir(dir: &Path, durability: Durability) -> io::Result<()> {
    match durability {
        Durability::Fsync => File::open(dir)?.sync_all(),
        Durability::UnsafeNoFsync => Ok(()),
    }
}

/// `create_dir_all`, with the name of every folder it makes on disk.
pub(crate) fn create_dir(dir: &Path, durability: Durability) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let above = folder_of(dir);
    create_dir(above, durability)?;
    match fs::create_dir(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
        Err(error) => return Err(error),
    }
    sync_dir(above, durability)
}
