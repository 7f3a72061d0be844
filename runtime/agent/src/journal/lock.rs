//! One writer per file: an exclusive `flock`, which the kernel releases however the holder ends.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{JournalError, failed, is_at, open_for_append};

/// Who holds a lock, as far as it can be known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HeldBy {
    Process(u32),
    Unknown,
}

impl fmt::Display for HeldBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(pid) => write!(f, "process {pid}"),
            Self::Unknown => f.write_str("another process"),
        }
    }
}

/// A file that this process has locked until it drops it. Closing it would not do: a child that is being started has a
/// copy of it until its program runs, and the lock is all copies'.
#[derive(Debug)]
pub(super) struct Locked(File);

impl Drop for Locked {
    fn drop(&mut self) {
        // If that fails, closing it is what is left.
        let _ = self.0.unlock();
    }
}

impl Deref for Locked {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl DerefMut for Locked {
    fn deref_mut(&mut self) -> &mut File {
        &mut self.0
    }
}

/// A folder held by this process until dropped.
#[derive(Debug)]
pub struct Held {
    _dir: Locked,
}

/// Holds a folder, so that one process at a time works in it. Leaves nothing behind in it.
pub fn hold_dir(dir: &Path) -> Result<Held, JournalError> {
    let file = File::open(dir).map_err(failed(dir, "open"))?;
    Ok(Held { _dir: lock(file, dir)? })
}

/// Opens and locks `path`, creating it when it is missing.
pub(super) fn open_locked(path: &Path) -> Result<Locked, JournalError> {
    loop {
        let file = lock(open_for_append(path).map_err(failed(path, "open"))?, path)?;
        // The holder before us may have put a new file in its place between our opening and our locking.
        if is_at(&file, path).map_err(failed(path, "look up"))? {
            return Ok(file);
        }
    }
}

fn lock(file: File, path: &Path) -> Result<Locked, JournalError> {
    match file.try_lock() {
        Ok(()) => Ok(Locked(file)),
        Err(TryLockError::WouldBlock) => {
            Err(JournalError::Locked { path: path.to_owned(), by: holder(&file) })
        }
        Err(TryLockError::Error(source)) => Err(failed(path, "lock")(source)),
    }
}

fn holder(file: &File) -> HeldBy {
    let find = || -> io::Result<Option<u32>> {
        let inode = file.metadata()?.ino();
        Ok(holder_in(&fs::read_to_string("/proc/locks")?, inode))
    };
    // Only words for an error message hang on it.
    find().ok().flatten().map_or(HeldBy::Unknown, HeldBy::Process)
}

/// Finds a flock's owner in `/proc/locks`: `1: FLOCK  ADVISORY  WRITE 4711 00:2f:1234 0 EOF`.
///
/// By inode alone: on overlay file systems the device shown is not the one `stat` tells.
fn holder_in(locks: &str, inode: u64) -> Option<u32> {
    locks.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        if words.next()? != "FLOCK" {
            return None;
        }
        let pid = words.nth(2)?.parse().ok().filter(|pid| *pid > 0)?;
        let (_, found) = words.next()?.rsplit_once(':')?;
        (found.parse() == Ok(inode)).then_some(pid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_dropped_is_free_whoever_has_a_copy_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        let locked = open_locked(&path).unwrap();
        // As a child has one that is being started.
        let _copy = locked.try_clone().unwrap();
        assert!(matches!(open_locked(&path), Err(JournalError::Locked { .. })));
        drop(locked);
        open_locked(&path).unwrap();
    }

    #[test]
    fn the_holder_is_found_among_other_locks() {
        let locks = "1: POSIX  ADVISORY  WRITE 11 00:2f:77 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 12 00:2f:78 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 13 00:2f:77 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 14 00:2f:77 0 EOF\n\
                     4: FLOCK  ADVISORY  WRITE 0 00:2f:79 0 EOF\n\
                     nonsense\n";
        assert_eq!(holder_in(locks, 77), Some(14));
        assert_eq!(holder_in(locks, 79), None);
        assert_eq!(holder_in(locks, 80), None);
    }
}
