//! What a watch has told, on disk: the files as they were told last, and the report that is on its way. A report is written
//! down before it is sent, under the id it is sent with, so whoever is killed in between sends the same again.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use nexus_client::private_file;
use nexus_wire::RequestId;
use nexus_wire::files::{FileChangeKind, WatchChanged};
use serde::{Deserialize, Serialize};

use super::look::{Files, Stamp};
use super::tracker::Change;
use crate::runner::Watch;

const VERSION: u32 = 1;

/// What a state is about. Of another folder, or another pattern, other files are known.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct About {
    folder: String,
    pattern: Option<String>,
    hidden: bool,
}

impl About {
    pub(crate) fn of(watch: &Watch) -> Self {
        let pattern = watch.pattern.as_ref().map(|pattern| pattern.glob().to_owned());
        Self { folder: watch.folder.clone(), pattern, hidden: watch.hidden }
    }
}

/// A report on its way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pending {
    pub(crate) id: RequestId,
    pub(crate) report: WatchChanged,
    /// All it stands for, those that it does not list as well.
    pub(crate) changes: Vec<Change>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    pub(crate) about: About,
    pub(crate) told: Files,
    pub(crate) pending: Option<Pending>,
}

/// The file of one watch. A watcher that has ended writes nothing into it any more, though it may have begun to.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    path: PathBuf,
    is_closed: Arc<Mutex<bool>>,
}

impl Shelf {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, is_closed: Arc::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// `None`: nothing is known yet.
    pub(crate) fn read(&self) -> io::Result<Option<State>> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let saved: Saved = serde_json::from_slice(&text)?;
        if saved.version != VERSION {
            let message = format!("it is of version {}, and this program reads {VERSION}", saved.version);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(Some(saved.into()))
    }

    pub(crate) fn write(&self, state: &State) -> io::Result<()> {
        let is_closed = self.is_closed.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_closed {
            return Err(io::Error::other("the watch has ended"));
        }
        private_file::write(&self.path, &serde_json::to_vec(&Saved::from(state))?)
    }

    /// Waits for what is being written. For a thread that may block.
    pub(crate) fn close(&self) {
        *self.is_closed.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }
}

#[derive(Deserialize, Serialize)]
struct Saved {
    version: u32,
    about: About,
    files: Vec<SavedFile>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pending: Option<SavedPending>,
}

/// Path, size, and when it was written.
#[derive(Deserialize, Serialize)]
struct SavedFile(String, u64, i64, i64);

#[derive(Deserialize, Serialize)]
struct SavedPending {
    id: RequestId,
    report: WatchChanged,
    changes: Vec<SavedChange>,
}

#[derive(Deserialize, Serialize)]
struct SavedChange(FileChangeKind, String, Option<(u64, i64, i64)>);

impl From<&State> for Saved {
    fn from(state: &State) -> Self {
        let file = |(path, Stamp { size, mtime }): (&PathBuf, &Stamp)| {
            SavedFile(written(path), *size, mtime.0, mtime.1)
        };
        let change = |Change { path, kind, now }: &Change| {
            SavedChange(*kind, written(path), now.map(|it| (it.size, it.mtime.0, it.mtime.1)))
        };
        let pending = state.pending.as_ref().map(|pending| SavedPending {
            id: pending.id,
            report: pending.report.clone(),
            changes: pending.changes.iter().map(change).collect(),
        });
        let files = state.told.iter().map(file).collect();
        Self { version: VERSION, about: state.about.clone(), files, pending }
    }
}

impl From<Saved> for State {
    fn from(Saved { version: _, about, files, pending }: Saved) -> Self {
        let file = |SavedFile(path, size, seconds, nanos): SavedFile| {
            (read(&path), Stamp { size, mtime: (seconds, nanos) })
        };
        let stamp = |(size, seconds, nanos)| Stamp { size, mtime: (seconds, nanos) };
        let change = |SavedChange(kind, path, now)| Change { path: read(&path), kind, now: now.map(stamp) };
        let pending = pending.map(|SavedPending { id, report, changes }| Pending {
            id,
            report,
            changes: changes.into_iter().map(change).collect(),
        });
        Self { about, told: files.into_iter().map(file).collect(), pending }
    }
}

/// A path as text: what is no UTF-8, and `%` itself, as `%` and two digits of hex.
fn written(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        text.push_str(&chunk.valid().replace('%', "%25"));
        for byte in chunk.invalid() {
            let _ = write!(text, "%{byte:02x}");
        }
    }
    text
}

fn read(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        let digits = others.get(..2).filter(|_| *first == b'%').and_then(|it| std::str::from_utf8(it).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &others[2..];
            }
            None => {
                bytes.push(*first);
                rest = others;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_path_of_any_bytes_reads_back_as_it_is(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let path = PathBuf::from(std::ffi::OsString::from_vec(bytes));
            prop_assert_eq!(read(&written(&path)), path);
        }
    }
}
