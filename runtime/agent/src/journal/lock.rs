//! One writer per file: an exclusive `flock`, which the kernel releases however the holder ends.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
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

/// A folder held by this process until dropped.
#[derive(Debug)]
pub struct Held {
    _dir: File,
}

/// Holds a folder, so that one process at a time works in it. Leaves nothing behind in it.
pub fn hold_dir(dir: &Path) -> Result<Held, JournalError> {
    let file = File::open(dir).map_err(failed(dir, "open"))?;
    lock(&file, dir)?;
    Ok(Held { _dir: file })
}

/// Opens and locks `path`, creating it when it is missing.
pub(super) fn open_locked(path: &Path) -> Result<File, JournalError> {
    loop {
        let file = open_for_append(path).map_err(failed(path, "open"))?;
        lock(&file, path)?;
        // The holder before us may have put a new file in its place between our opening and our locking.
        if is_at(&file, path).map_err(failed(path, "look up"))? {
            return Ok(file);
        }
    }
}

fn lock(file: &File, path: &Path) -> Result<(), JournalError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            Err(JournalError::Locked { path: path.to_owned(), by: holder(file) })
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
