//! A file of lines that only grows: one writer, and every append is on disk before it returns.
//!
//! Finds lines, cuts a torn tail, holds the lock, orders the fsyncs. It does not know what a line means: whoever
//! opens a journal is shown each line and says only whether an unterminated last one is a whole record.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

mod dir;
mod lock;

pub(crate) use dir::{create_dir, sync_dir};
use lock::Locked;
pub use lock::{Held, HeldBy, hold_dir};

/// Set to `1` at start, appends return before they are on disk. For measuring and for the control of tests
/// that prove the opposite; never for work.
pub const UNSAFE_NO_FSYNC_VAR: &str = "NEXUS_AGENT_UNSAFE_NO_FSYNC";

/// Whether an append waits for the disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Durability {
    Fsync,
    /// A power cut may take what was acknowledged.
    UnsafeNoFsync,
}

impl Durability {
    /// Reads [`UNSAFE_NO_FSYNC_VAR`]; to be called once, at the start of the process.
    pub fn from_env() -> Self {
        if std::env::var_os(UNSAFE_NO_FSYNC_VAR).is_some_and(|value| value == "1") {
            tracing::warn!(
                "{UNSAFE_NO_FSYNC_VAR}=1: NOTHING IS FSYNCED. A power cut will lose messages this process has \
                 acknowledged. Unset the variable unless this is a measurement."
            );
            Self::UnsafeNoFsync
        } else {
            Self::Fsync
        }
    }
}

/// One line as it stands in the file, without its newline.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Counted from 1.
    pub number: u64,
    /// Of its first byte.
    pub offset: u64,
    pub bytes: &'a [u8],
    /// False for a last line that has no newline.
    pub terminated: bool,
}

/// A last line that was never written to its end, and so never acknowledged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TornTail {
    pub line: u64,
    pub offset: u64,
    pub bytes: u64,
}

#[derive(Debug, Error)]
pub enum JournalError {
    #[error("{}: the disk did not take what was written earlier; restart to go on from what it holds", .0.display())]
    Broken(PathBuf),
    #[error("{}: cannot {doing}: {source}", path.display())]
    Io { path: PathBuf, doing: &'static str, source: io::Error },
    #[error("{} is in use by {by}; stop it first", path.display())]
    Locked { path: PathBuf, by: HeldBy },
}

/// The open file. Dropping it releases the lock.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: Locked,
    len: u64,
    durability: Durability,
    broken: bool,
}

/// A file that is locked and not read yet.
#[derive(Debug)]
pub struct Unread {
    path: PathBuf,
    file: Locked,
    durability: Durability,
}

/// Where reading begins: what is before is known.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Start {
    pub offset: u64,
    /// Lines before it.
    pub lines: u64,
}

impl Unread {
    /// Locks the file, creating it and its folders when they are missing.
    pub fn lock(path: &Path, durability: Durability) -> Result<Self, JournalError> {
        dir::create_dir(dir::folder_of(path), durability).map_err(failed(path, "create the folder of"))?;
        let file = lock::open_locked(path)?;
        Ok(Self { path: path.to_owned(), file, durability })
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    /// See [`Journal::open`].
    pub fn read(
        self,
        start: Start,
        visit: impl FnMut(Line<'_>) -> bool,
    ) -> Result<(Journal, Option<TornTail>), JournalError> {
        let Self { path, file, durability } = self;
        let scan = scan(&file, start, visit).map_err(failed(&path, "read"))?;
        let mut journal = Journal { path, file, len: scan.len, durability, broken: false };
        let path = journal.path.as_path();
        let mut torn = None;
        match scan.tail {
            Tail::None => {}
            Tail::Whole => {
                journal.file.write_all(b"\n").map_err(failed(path, "end the last line of"))?;
                journal.len += 1;
            }
            Tail::Torn(tail) => {
                journal.file.set_len(tail.offset).map_err(failed(path, "cut the torn last line of"))?;
                journal.len = tail.offset;
                torn = Some(tail);
            }
        }
        // What a killed process wrote may be in the page cache only; from here on it is relied upon.
        if durability == Durability::Fsync {
            journal.file.sync_all().map_err(failed(path, "fsync"))?;
        }
        if journal.is_empty() {
            sync_name(path, durability)?;
        }
        Ok((journal, torn))
    }
}

impl Journal {
    /// Locks the file, creating it and its folders when they are missing, and shows every line to `visit`.
    ///
    /// For a line that is not terminated `visit` says whether it is a whole record: then it gets the newline
    /// it lacks. Otherwise it is cut off, which is the only thing ever cut, and told.
    pub fn open(
        path: &Path,
        durability: Durability,
        visit: impl FnMut(Line<'_>) -> bool,
    ) -> Result<(Self, Option<TornTail>), JournalError> {
        let opened = Unread::lock(path, durability)?.read(Start::default(), visit)?;
        // A process that was killed while it rewrote the file may have left the new name in the page cache only.
        sync_name(path, durability)?;
        Ok(opened)
    }

    /// Shows every line once more.
    pub fn reread(&self, visit: impl FnMut(Line<'_>) -> bool) -> Result<(), JournalError> {
        scan(&self.file, Start::default(), visit).map(drop).map_err(failed(&self.path, "read"))
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// Puts `lines` at the end, in one write and with one fdatasync, and returns the offset of the first.
    ///
    /// A line holds no newline. After an error none of them counts; when what the disk holds is not certain
    /// any more, every later append is refused too.
    pub fn append<L: AsRef<str>>(&mut self, lines: &[L]) -> Result<u64, JournalError> {
        if self.broken {
            return Err(JournalError::Broken(self.path.clone()));
        }
        let text = joined(lines);
        if let Err(source) = self.file.write_all(&text) {
            // Part of it may be there: the next line must not join it.
            self.broken = self.file.set_len(self.len).is_err();
            return Err(failed(&self.path, "write to")(source));
        }
        if self.durability == Durability::Fsync
            && let Err(source) = self.file.sync_data()
        {
            // A second fsync would succeed without having written anything.
            self.broken = true;
            return Err(failed(&self.path, "fsync")(source));
        }
        let at = self.len;
        self.len += text.len() as u64;
        Ok(at)
    }

    /// Puts a new file of `lines` in the place of this one, so that at any moment one of the two is there.
    ///
    /// After an error it is the old one that goes on, or, once the new one has the name, none: then every later append
    /// is refused.
    pub fn rewrite<L: AsRef<str>>(&mut self, lines: &[L]) -> Result<(), JournalError> {
        (self.file, self.len) = write_new(&self.path, lines, self.durability)?;
        // Until the name is on disk a power cut brings the old file back, without what is appended to the new one.
        self.broken = true;
        sync_name(&self.path, self.durability)?;
        self.broken = false;
        Ok(())
    }

    /// Whether nothing is taken any more, because what the disk holds is not certain.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// The bytes of one line, for copying it as it is. Who names more than there is gets an error, and no room is made
    /// for it.
    pub fn read_at(&self, offset: u64, len: u64) -> Result<Vec<u8>, JournalError> {
        if offset.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(failed(&self.path, "read")(io::ErrorKind::UnexpectedEof.into()));
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut bytes, offset).map_err(failed(&self.path, "read"))?;
        Ok(bytes)
    }
}

/// Shows every line of a file that someone else may be writing; takes no lock and changes nothing.
pub fn read(path: &Path, visit: impl FnMut(Line<'_>) -> bool) -> Result<Option<TornTail>, JournalError> {
    let file = File::open(path).map_err(failed(path, "open"))?;
    match scan(&file, Start::default(), visit).map_err(failed(path, "read"))?.tail {
        Tail::Torn(tail) => Ok(Some(tail)),
        Tail::None | Tail::Whole => Ok(None),
    }
}

/// The first line of a file, for judging its format before anything of it is touched. `None`: no such file.
pub fn first_line(path: &Path) -> Result<Option<Vec<u8>>, JournalError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, "open")(error)),
    };
    let mut bytes = Vec::new();
    BufReader::new(file).read_until(b'\n', &mut bytes).map_err(failed(path, "read"))?;
    Ok(Some(bytes))
}

/// Makes a whole new file of `lines`, which is either there with all of them or not at all.
pub fn create<L: AsRef<str>>(path: &Path, lines: &[L], durability: Durability) -> Result<(), JournalError> {
    dir::create_dir(dir::folder_of(path), durability).map_err(failed(path, "create the folder of"))?;
    write_new(path, lines, durability)?;
    sync_name(path, durability)
}

/// Writes the file and gives it its name, which is on disk only once the folder is.
fn write_new<L: AsRef<str>>(
    path: &Path,
    lines: &[L],
    durability: Durability,
) -> Result<(Locked, u64), JournalError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    let text = joined(lines);
    let file = lock::open_locked(&beside)?;
    let write = |mut file: &File| {
        file.set_len(0)?;
        file.write_all(&text)?;
        if durability == Durability::Fsync {
            file.sync_all()?;
        }
        fs::rename(&beside, path)
    };
    if let Err(source) = write(&file) {
        // It is only an unfinished copy; the file it was meant to replace is untouched.
        let _ = fs::remove_file(&beside);
        return Err(failed(path, "write a new copy of")(source));
    }
    Ok((file, text.len() as u64))
}

fn sync_name(path: &Path, durability: Durability) -> Result<(), JournalError> {
    dir::sync_dir(dir::folder_of(path), durability).map_err(failed(path, "fsync the folder of"))
}

fn joined<L: AsRef<str>>(lines: &[L]) -> Vec<u8> {
    let mut text = Vec::with_capacity(lines.iter().map(|line| line.as_ref().len() + 1).sum());
    for line in lines {
        debug_assert!(!line.as_ref().contains('\n'), "a line holds no newline");
        text.extend_from_slice(line.as_ref().as_bytes());
        text.push(b'\n');
    }
    text
}

struct Scan {
    len: u64,
    tail: Tail,
}

enum Tail {
    None,
    /// A whole record that lacks its newline.
    Whole,
    Torn(TornTail),
}

fn scan(file: &File, start: Start, mut visit: impl FnMut(Line<'_>) -> bool) -> io::Result<Scan> {
    let mut reader = BufReader::with_capacity(64 * 1024, file);
    reader.seek(SeekFrom::Start(start.offset))?;
    // What is appended meanwhile by another process belongs to a later reading.
    let mut reader = reader.take(file.metadata()?.len().saturating_sub(start.offset));
    let Start { mut offset, lines: mut number } = start;
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let read = reader.read_until(b'\n', &mut bytes)? as u64;
        if read == 0 {
            return Ok(Scan { len: offset, tail: Tail::None });
        }
        number += 1;
        let terminated = bytes.last() == Some(&b'\n');
        if terminated {
            bytes.pop();
        }
        let whole = visit(Line { number, offset, bytes: &bytes, terminated });
        if !terminated {
            let tail =
                if whole { Tail::Whole } else { Tail::Torn(TornTail { line: number, offset, bytes: read }) };
            return Ok(Scan { len: offset + read, tail });
        }
        offset += read;
    }
}

fn failed(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_owned();
    move |source| JournalError::Io { path, doing, source }
}

/// Whether `path` still names the file that is open.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok((open.dev(), open.ino()) == (named.dev(), named.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn open_for_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).open(path)
}

#[cfg(test)]
pub(crate) mod tests;
