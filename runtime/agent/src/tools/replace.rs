//! Puts a whole file in the place of what was there, or of nothing: written beside it, synced and renamed, so that it
//! is the old one or the new one at every moment.
//!
//! Every folder on the way is opened from the one above it and no link is followed, so nothing that is swapped in
//! meanwhile leads elsewhere. A file with a second name elsewhere keeps its contents there.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::Component;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;
use uuid::Uuid;

use super::roots::{PathErrorKind, Target};

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const NEW: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;

/// One state of a file: another one has another stamp.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stamp {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Writes `bytes` at the target and says what stands there then. `old` is what it may replace; `None` is nothing.
pub(super) fn replace(target: &Target, bytes: &[u8], old: Option<Stamp>) -> Result<Stamp, PathErrorKind> {
    let folder = folder_of(target, old.is_none())?;
    let Some(name) = target.within.file_name() else { return Err(PathErrorKind::Folder) };
    let beside = format!(".nexus-{}.tmp", Uuid::now_v7().simple());
    let written = write_beside(&folder, &beside, target, bytes, old);
    let written = written.and_then(|file| {
        renameat(&folder, beside.as_str(), &folder, name).map_err(io_error)?;
        Ok(file)
    });
    match written {
        Ok(file) => {
            rustix::fs::fsync(&folder).map_err(io_error)?;
            // Renaming changes the time of the last change, so the stamp is taken after it.
            Ok(Stamp::of(&file.metadata().map_err(PathErrorKind::Io)?))
        }
        Err(error) => {
            // What is left of it has no use; that it could not be removed changes nothing.
            let _ = unlinkat(&folder, beside.as_str(), AtFlags::empty());
            Err(error)
        }
    }
}

fn write_beside(
    folder: &OwnedFd,
    beside: &str,
    target: &Target,
    bytes: &[u8],
    old: Option<Stamp>,
) -> Result<File, PathErrorKind> {
    let mut file: File =
        openat(folder, beside, NEW, Mode::from_raw_mode(FILE_MODE)).map_err(io_error)?.into();
    file.write_all(bytes).map_err(PathErrorKind::Io)?;
    match (std::fs::symlink_metadata(&target.place.real), old) {
        (Ok(there), Some(old)) if Stamp::of(&there) == old => {
            // Neither set-uid nor the like is handed on to contents of a model.
            let mode = Mode::from_raw_mode(there.mode() & 0o777);
            rustix::fs::fchmod(&file, mode).map_err(io_error)?;
        }
        (Err(error), None) if error.kind() == io::ErrorKind::NotFound => {}
        (Ok(_) | Err(_), Some(_) | None) => {
            return Err(PathErrorKind::Io(io::Error::other(
                "it was changed by somebody else at this moment",
            )));
        }
    }
    file.sync_all().map_err(PathErrorKind::Io)?;
    Ok(file)
}

/// The folder that holds the target, made with what leads to it when `make`.
fn folder_of(target: &Target, make: bool) -> Result<OwnedFd, PathErrorKind> {
    let mut folder = openat(CWD, &target.place.root, FOLDER, Mode::empty()).map_err(io_error)?;
    let Some(parent) = target.within.parent() else { return Err(PathErrorKind::Folder) };
    for component in parent.components() {
        let Component::Normal(name) = component else { return Err(PathErrorKind::Climbs) };
        let opened = match openat(&folder, name, FOLDER, Mode::empty()) {
            Err(Errno::NOENT) if make => {
                match mkdirat(&folder, name, Mode::from_raw_mode(FOLDER_MODE)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(io_error(error)),
                }
                openat(&folder, name, FOLDER, Mode::empty())
            }
            opened => opened,
        };
        folder = opened.map_err(io_error)?;
    }
    Ok(folder)
}

fn io_error(error: Errno) -> PathErrorKind {
    match error {
        Errno::LOOP | Errno::XDEV => PathErrorKind::Outside,
        Errno::NOENT | Errno::NOTDIR => PathErrorKind::NotFound,
        error => PathErrorKind::Io(error.into()),
    }
}
