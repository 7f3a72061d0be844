//! A session: a tree of entries in a file that only grows, open for writing by one process.
//!
//! This file is the driver: it gives entries their ids, puts them on disk and then into the tree. Every append is
//! fsynced before it returns (see [`crate::journal`]); what the tree holds is exactly what a reader of the file
//! would find. The format is public: `docs/session-format.md`.
//!
//! Synchronous on purpose: call it from a blocking context or a thread of its own.

use std::fs::File;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use thiserror::Error;
use uuid::{NoContext, Uuid};

use crate::journal::{self, Durability, Journal, JournalError, Line, Start, TornTail, Unread};

mod approval;
mod blobs;
mod compact;
mod cut;
mod entry;
mod index;
mod order;
mod place;
mod problem;
mod replay;
mod tree;

pub use approval::ApprovalMark;
pub use blobs::{BadBlobName, BlobError, BlobName, Blobs};
pub use compact::{Cut, Parting, Turns, behind, cut, limit_of, tokens, told, transcript};
pub use cut::{CutError, PendingCall};
pub use entry::{
    AssistantTurn, BranchSummary, Compaction, Entry, ForkedFrom, HeadMove, Header, ItemDecision, ItemRef,
    Payload, Situation, Summariser, SystemPrompt, ToolResults, ToolStarted, UserTurn,
};
pub use order::failed;
pub use place::{SESSION_DIR, SessionKey};
pub use problem::{Problem, ProblemKind};
pub use replay::{INTERRUPTED, Replay, replay};
pub use tree::{OpenItem, Place, Tree};

use index::Index;

/// Open for writing. Everything that only reads is on [`Session::tree`].
#[derive(Debug)]
pub struct Session {
    journal: Journal,
    tree: Tree,
    /// What it was opened by, as long as not all of the file is held.
    index: Option<Index>,
    /// Bytes that no index knows.
    unindexed: u64,
    /// A smaller file has none.
    indexed_min: u64,
}

type Read = (Journal, Tree, Option<Index>, Option<TornTail>);

/// A smaller file is read faster than its index.
const INDEXED_BYTES_MIN: u64 = 1024 * 1024;
/// More than that is not left for the next opening to read.
const UNINDEXED_BYTES_MAX: u64 = 1024 * 1024;
/// Of lines that are held for no turn that runs.
const HELD_BYTES_MAX: u64 = 16 * 1024 * 1024;

#[derive(Debug, Error)]
pub enum SessionError {
    #[error(transparent)]
    Cut(#[from] CutError),
    #[error("{}: entry {entry} cannot be copied: {reason}", path.display())]
    Copy { path: PathBuf, entry: Uuid, reason: String },
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("there is no session {}", .0.display())]
    Missing(PathBuf),
    #[error("{} has format version {version}, which this program is too old for; use a newer one", path.display())]
    Newer { path: PathBuf, version: u32 },
    #[error("this {kind} entry cannot be stored: {reason}")]
    Unstorable { kind: String, reason: serde_json::Error },
}

/// What a fork has made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Forked {
    pub key: SessionKey,
    pub path: PathBuf,
    /// Its head.
    pub head: Option<Uuid>,
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.journal.len() >= self.indexed_min && self.unindexed > 0 {
            self.save_index();
        }
    }
}

impl Session {
    /// Opens the session, making it when it is missing. What was found wrong with the file is logged and in
    /// [`Tree::problems`].
    pub fn open(
        home: &Path,
        key: SessionKey,
        durability: Durability,
        now: Timestamp,
    ) -> Result<Self, SessionError> {
        Self::open_file(&key.path(home), key.thread(), durability, INDEXED_BYTES_MIN, now)
    }

    /// The same with an index however small it is.
    #[cfg(test)]
    fn open_indexed(home: &Path, key: SessionKey, now: Timestamp) -> Result<Self, SessionError> {
        Self::open_file(&key.path(home), key.thread(), Durability::UnsafeNoFsync, 0, now)
    }

    /// Opens a session that is there already.
    pub fn open_existing(
        home: &Path,
        key: SessionKey,
        durability: Durability,
        now: Timestamp,
    ) -> Result<Self, SessionError> {
        let path = key.path(home);
        if !path.is_file() {
            return Err(SessionError::Missing(path));
        }
        Self::open_file(&path, key.thread(), durability, INDEXED_BYTES_MIN, now)
    }

    fn open_file(
        path: &Path,
        thread: Option<Uuid>,
        durability: Durability,
        indexed_min: u64,
        now: Timestamp,
    ) -> Result<Self, SessionError> {
        // A file of a later version is refused before anything of it is cut.
        if let Some(bytes) = journal::first_line(path)? {
            let mut first = Tree::default();
            first.read_line(Line { number: 1, offset: 0, bytes: &bytes, terminated: true });
            refuse_newer(path, &first)?;
        }
        let unread = Unread::lock(path, durability)?;
        let (journal, tree, index, torn) = match by_index(path, unread.file(), indexed_min) {
            Some((index, tree)) => Self::read_tail(unread, index, tree)?,
            None => {
                let mut tree = Tree::default();
                let (journal, torn) = unread.read(Start::default(), |line| tree.read_line(line))?;
                (journal, tree, None, torn)
            }
        };
        let mut session = Self { unindexed: journal.len(), journal, tree, index, indexed_min };
        if let Some(index) = &session.index {
            session.unindexed -= index.bytes();
        }
        if let Some(torn) = &torn {
            session.tree.note_torn(torn);
        }
        refuse_newer(path, &session.tree)?;
        for problem in session.tree.problems() {
            tracing::warn!(session = %path.display(), "{problem}");
        }
        if session.journal.is_empty() {
            let header = new_header(new_id(now), thread, None, now);
            let line = serde_json::to_string(&header).map_err(|reason| unstorable("header", reason))?;
            session.journal.append(&[line])?;
            session.tree.set_header(header);
        }
        session.index_if_due();
        Ok(session)
    }

    /// What was appended after the index was written; all of the file when that is about what the index left out.
    fn read_tail(unread: Unread, index: Index, mut tree: Tree) -> Result<Read, SessionError> {
        let start = Start { offset: index.bytes(), lines: index.lines() };
        let (journal, torn) = unread.read(start, |line| tree.read_line(line))?;
        if tree.is_in_doubt() || !tree.problems().is_empty() {
            let mut whole = Tree::default();
            journal.reread(|line| whole.read_line(line))?;
            return Ok((journal, whole, None, torn));
        }
        Ok((journal, tree, Some(index), torn))
    }

    /// Holds all of the file from here on, as whatever looks beyond the active branch needs it.
    pub fn whole(&mut self) -> Result<(), SessionError> {
        if self.tree.is_whole() {
            return Ok(());
        }
        let mut tree = Tree::default();
        self.journal.reread(|line| tree.read_line(line))?;
        (self.tree, self.index) = (tree, None);
        Ok(())
    }

    /// Whether more of the file is held than a turn needs, so that it is better opened anew.
    pub fn is_heavy(&self) -> bool {
        self.journal.len() >= self.indexed_min && self.tree.weight() > HELD_BYTES_MAX
    }

    /// What became of an item.
    pub fn decision(&self, item: Uuid) -> Result<Option<ItemDecision>, SessionError> {
        if let Some(decision) = self.tree.decision(item) {
            return Ok(Some(decision.clone()));
        }
        let Some(spot) = self.tree.closed_before(item) else { return Ok(None) };
        let line = self.journal.read_at(spot.offset, spot.len).ok();
        let entry = line.and_then(|line| Entry::decode(&line).ok());
        if let Some((Entry { payload: Payload::Decision(decision), .. }, None)) = entry
            && decision.item == item
        {
            return Ok(Some(decision));
        }
        // It does not stand where the index says, so the file alone is asked.
        let mut tree = Tree::default();
        self.journal.reread(|line| tree.read_line(line))?;
        Ok(tree.decision(item).cloned())
    }

    fn index_if_due(&mut self) {
        let len = self.journal.len();
        if len >= self.indexed_min && self.unindexed > UNINDEXED_BYTES_MAX.max(len / 64) {
            self.save_index();
        }
    }

    /// Nothing hangs on it, so that it fails is not worth more than a line in the log.
    fn save_index(&mut self) {
        let is_torn = |problem: &Problem| matches!(problem.kind, ProblemKind::Torn { .. });
        if !self.tree.problems().iter().all(is_torn) {
            return;
        }
        match index::save(&self.journal, &self.tree, self.index.as_ref()) {
            Ok(()) => self.unindexed = 0,
            Err(error) => {
                tracing::debug!(session = %self.path().display(), %error, "no index is kept of this session");
            }
        }
    }

    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    pub fn path(&self) -> &Path {
        self.journal.path()
    }

    /// The session's own id; nil when its header is damaged.
    pub fn id(&self) -> Uuid {
        self.tree.header().map_or(Uuid::nil(), |header| header.id)
    }

    /// Puts an entry under the head, makes it the head, and returns its id once it is on disk.
    pub fn append(&mut self, payload: Payload, now: Timestamp) -> Result<Uuid, SessionError> {
        let ids = self.append_all(vec![payload], now)?;
        Ok(ids.first().copied().unwrap_or_default())
    }

    /// Appends entries one below the other with a single fsync. After a crash a first part of them may be there.
    pub fn append_all(&mut self, payloads: Vec<Payload>, now: Timestamp) -> Result<Vec<Uuid>, SessionError> {
        if payloads.iter().any(|payload| payload.is_rewind() || self.tree.needs_more(payload)) {
            self.whole()?;
        }
        let mut head = self.tree.head();
        let mut entries = Vec::with_capacity(payloads.len());
        let mut lines = Vec::with_capacity(payloads.len());
        for payload in payloads {
            let (entry, line) = prepare(payload, head, now)?;
            if let Payload::Head(to) = &entry.payload {
                self.tree.check_cut(to.head)?;
                head = to.head;
            } else {
                head = Some(entry.id);
            }
            entries.push(entry);
            lines.push(line);
        }
        let mut offset = self.journal.append(&lines)?;
        let mut ids = Vec::with_capacity(entries.len());
        for (entry, line) in entries.into_iter().zip(lines) {
            ids.push(entry.id);
            let len = line.len() as u64;
            self.tree.append(entry, offset, len);
            offset += len + 1;
            self.unindexed += len + 1;
        }
        self.index_if_due();
        Ok(ids)
    }

    /// Moves the head: the next entry hangs on `to`. Nothing is removed; what was left stays a branch.
    ///
    /// `None` goes before the first entry. Between a tool call and its result is no place to go.
    pub fn rewind(&mut self, to: Option<Uuid>, now: Timestamp) -> Result<(), SessionError> {
        self.whole()?;
        self.tree.check_cut(to)?;
        if self.tree.head() != to {
            self.append(Payload::Head(HeadMove { head: to }), now)?;
        }
        Ok(())
    }

    /// Makes a new session of the branch that ends at `at`, with `say` as its next message when there is one.
    ///
    /// The entries are copied as they stand, ids and all. The new session inherits no open items. This one is
    /// not changed.
    pub fn fork(
        &mut self,
        home: &Path,
        at: Option<Uuid>,
        say: Option<UserTurn>,
        now: Timestamp,
    ) -> Result<Forked, SessionError> {
        self.fork_as(home, new_id(now), at, say, now)
    }

    /// The same under an id that is known beforehand.
    fn fork_as(
        &mut self,
        home: &Path,
        id: Uuid,
        at: Option<Uuid>,
        say: Option<UserTurn>,
        now: Timestamp,
    ) -> Result<Forked, SessionError> {
        self.whole()?;
        self.tree.check_cut(at)?;
        let branch = self.tree.branch(at);
        let from = ForkedFrom { session: self.id(), entry: at, lines: branch.len() as u64 };
        let header = new_header(id, None, Some(from), now);
        let mut lines = Vec::with_capacity(branch.len() + 2);
        lines.push(serde_json::to_string(&header).map_err(|reason| unstorable("header", reason))?);
        for entry in branch {
            lines.push(self.line_of(entry)?);
        }
        let mut head = at;
        if let Some(say) = say {
            let (entry, line) = prepare(Payload::User(say), at, now)?;
            head = Some(entry.id);
            lines.push(line);
        }
        let key = SessionKey::Fork(id);
        let path = key.path(home);
        journal::create(&path, &lines, self.journal.durability())?;
        Ok(Forked { key, path, head })
    }

    /// The line as it stands, so that fields this program does not know are copied too.
    fn line_of(&self, entry: &Entry) -> Result<String, SessionError> {
        let failed = |reason: &str| SessionError::Copy {
            path: self.path().to_owned(),
            entry: entry.id,
            reason: reason.to_owned(),
        };
        let place = self.tree.place(entry.id).ok_or_else(|| failed("it has no line"))?;
        let bytes = self.journal.read_at(place.offset, place.len)?;
        String::from_utf8(bytes).map_err(|_| failed("its line is not UTF-8 any more"))
    }

    /// What the active branch says to a model.
    pub fn replay(&self) -> Replay {
        self.tree.replay(self.tree.head())
    }
}

impl Tree {
    /// Reads a session that another process may be writing. Changes nothing, takes no lock.
    pub fn load(path: &Path) -> Result<Self, SessionError> {
        if !path.is_file() {
            return Err(SessionError::Missing(path.to_owned()));
        }
        let mut tree = Self::default();
        if let Some(torn) = journal::read(path, |line| tree.read_line(line))? {
            tree.note_torn(&torn);
        }
        refuse_newer(path, &tree)?;
        Ok(tree)
    }

    /// What the branch that ends at `at` says to a model.
    pub fn replay(&self, at: Option<Uuid>) -> Replay {
        replay::replay(&self.branch(at))
    }
}

/// The part of the tree that a turn needs, when the file has an index that is good.
fn by_index(path: &Path, file: &File, indexed_min: u64) -> Option<(Index, Tree)> {
    if file.metadata().ok()?.len() < indexed_min {
        return None;
    }
    let index = Index::open(path)?;
    let mut tree = Tree::default();
    let first = journal::first_line(path).ok()??;
    let first = first.strip_suffix(b"\n").unwrap_or(&first);
    tree.read_line(Line { number: 1, offset: 0, bytes: first, terminated: true });
    let tree = Some(tree).filter(|tree| tree.problems().is_empty())?;
    let tree = index.load(file, tree)?;
    Some((index, tree))
}

/// The entry as a reader of the file will find it, and its line.
fn prepare(
    payload: Payload,
    parent_id: Option<Uuid>,
    now: Timestamp,
) -> Result<(Entry, String), SessionError> {
    let kind = payload.kind().to_owned();
    let entry = Entry { id: new_id(now), parent_id, ts: to_millisecond(now), payload };
    let line = entry.encode().map_err(|reason| unstorable(&kind, reason))?;
    // What cannot be read back (nested too deep, say) must not be acknowledged.
    match Entry::decode(line.as_bytes()) {
        Ok((entry, None)) => Ok((entry, line)),
        Ok((_, Some(reason))) | Err(reason) => Err(unstorable(&kind, reason)),
    }
}

fn unstorable(kind: &str, reason: serde_json::Error) -> SessionError {
    SessionError::Unstorable { kind: kind.to_owned(), reason }
}

fn new_header(id: Uuid, thread: Option<Uuid>, forked_from: Option<ForkedFrom>, now: Timestamp) -> Header {
    let format = entry::FORMAT.to_owned();
    Header { format, version: entry::VERSION, id, ts: to_millisecond(now), thread, forked_from }
}

fn refuse_newer(path: &Path, tree: &Tree) -> Result<(), SessionError> {
    match tree.newer() {
        Some(version) => Err(SessionError::Newer { path: path.to_owned(), version }),
        None => Ok(()),
    }
}

fn to_millisecond(now: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

fn new_id(now: Timestamp) -> Uuid {
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, nanoseconds))
}

#[cfg(test)]
mod tests;
