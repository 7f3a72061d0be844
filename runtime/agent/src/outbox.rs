//! Posts that have to reach the broker: on disk before anybody relies on them, until the broker has taken them.
//!
//! A post is a frame under an id that derives from what it is about, so sending it again does nothing twice and
//! putting it in again is no second post. That it was sent is written together with later posts: losing that only
//! makes it go out once more. Knows no link.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;

use nexus_wire::envelope::{Envelope, decode, encode};
use nexus_wire::{DecodeError, RequestId, ToBroker, TraceContext};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::journal::{Durability, Journal, JournalError, Line};

pub const OUTBOX_FILE: &str = "outbox.jsonl";

/// Sent posts that may be forgotten by a crash, and so go out again.
const UNWRITTEN_MAX: usize = 32;
/// Lines that say nothing any more, from which on the file is written anew.
const COMPACT_LINES_MIN: usize = 512;
/// Ids of sent posts that are remembered, so that a turn that ends once more does not post once more.
const SENT_KEPT: usize = 4096;

#[derive(Clone, Debug, PartialEq)]
pub struct Post {
    pub id: RequestId,
    /// The span on whose account it is posted.
    pub trace: Option<Box<TraceContext>>,
    pub frame: ToBroker,
}

/// How much may wait for the broker before whoever posts has to wait, too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Room {
    pub posts: usize,
    pub bytes: usize,
}

#[derive(Debug)]
pub struct Outbox {
    journal: Journal,
    pending: VecDeque<Post>,
    /// Of each that is pending.
    sizes: HashMap<RequestId, usize>,
    bytes: usize,
    known: HashSet<RequestId>,
    sent: VecDeque<RequestId>,
    unwritten: Vec<RequestId>,
    lines: usize,
}

#[derive(Debug, Error)]
pub enum OutboxError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("a post cannot be stored: {0}")]
    Unstorable(#[from] serde_json::Error),
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    Post(Box<RawValue>),
    Sent(RequestId),
}

impl Outbox {
    /// Opens `<home>/outbox.jsonl`, making it when it is missing. A line that is no post is told and left.
    pub fn open(home: &Path, durability: Durability) -> Result<Self, OutboxError> {
        let path = home.join(OUTBOX_FILE);
        let mut pending = VecDeque::new();
        let mut sent = VecDeque::new();
        let mut lines = 0;
        let mut sizes = HashMap::new();
        let read = |line: Line<'_>| {
            lines += 1;
            match read_line(line.bytes) {
                Ok(Read::Post(post)) => {
                    sizes.insert(post.id, line.bytes.len());
                    pending.push_back(*post);
                }
                Ok(Read::Sent(id)) => sent.push_back(id),
                Err(error) if line.terminated => {
                    tracing::warn!(outbox = %path.display(), line = line.number, error, "not a post; skipped");
                }
                Err(_) => return false,
            }
            true
        };
        let (journal, torn) = Journal::open(&path, durability, read)?;
        if let Some(torn) = torn {
            tracing::warn!(outbox = %path.display(), line = torn.line, bytes = torn.bytes, "cut a torn last line");
        }
        let gone: HashSet<RequestId> = sent.iter().copied().collect();
        pending.retain(|post: &Post| !gone.contains(&post.id));
        sizes.retain(|id, _| !gone.contains(id));
        let bytes = sizes.values().sum();
        let known = pending.iter().map(|post| post.id).chain(gone).collect();
        let mut outbox = Self { journal, pending, sizes, bytes, known, sent, unwritten: Vec::new(), lines };
        outbox.forget_old();
        Ok(outbox)
    }

    /// Puts posts at the end, with one fsync for all. One whose id is known stays what it was.
    pub fn put(&mut self, posts: Vec<Post>) -> Result<(), OutboxError> {
        let mut lines = self.written_sent()?;
        let mut fresh: Vec<Post> = Vec::new();
        let mut sizes = Vec::new();
        for post in posts {
            if self.known.contains(&post.id) || fresh.iter().any(|other| other.id == post.id) {
                continue;
            }
            let line = line_of(&post)?;
            sizes.push((post.id, line.len()));
            lines.push(line);
            fresh.push(post);
        }
        if fresh.is_empty() {
            return Ok(());
        }
        self.journal.append(&lines)?;
        self.lines += lines.len();
        self.unwritten.clear();
        self.known.extend(fresh.iter().map(|post| post.id));
        self.pending.extend(fresh);
        self.bytes += sizes.iter().map(|(_, bytes)| bytes).sum::<usize>();
        self.sizes.extend(sizes);
        self.compact_if_due()
    }

    /// The oldest post that was not sent.
    pub fn first(&self) -> Option<&Post> {
        self.pending.front()
    }

    /// Whether less than that waits. What is too large for any room is let in alone.
    pub fn has(&self, room: Room) -> bool {
        self.pending.len() < room.posts && self.bytes < room.bytes
    }

    pub fn pending(&self) -> impl Iterator<Item = &Post> {
        self.pending.iter()
    }

    /// The broker has taken it, or never will.
    pub fn sent(&mut self, id: RequestId) -> Result<(), OutboxError> {
        let before = self.pending.len();
        self.pending.retain(|post| post.id != id);
        if self.pending.len() == before {
            return Ok(());
        }
        self.bytes -= self.sizes.remove(&id).unwrap_or(0);
        self.unwritten.push(id);
        self.sent.push_back(id);
        self.forget_old();
        if self.unwritten.len() >= UNWRITTEN_MAX {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what was sent, so that it does not go out again after a restart.
    pub fn flush(&mut self) -> Result<(), OutboxError> {
        let lines = self.written_sent()?;
        if !lines.is_empty() {
            self.journal.append(&lines)?;
            self.lines += lines.len();
            self.unwritten.clear();
        }
        self.compact_if_due()
    }

    fn compact_if_due(&mut self) -> Result<(), OutboxError> {
        if self.lines < COMPACT_LINES_MIN || self.lines <= 4 * (self.pending.len() + self.sent.len()) {
            return Ok(());
        }
        let sent = self.sent.iter().map(|id| Ok(serde_json::to_string(&Record::Sent(*id))?));
        let posts = self.pending.iter().map(line_of);
        let lines: Vec<String> = sent.chain(posts).collect::<Result<_, OutboxError>>()?;
        self.journal.rewrite(&lines)?;
        self.lines = lines.len();
        self.unwritten.clear();
        Ok(())
    }

    fn written_sent(&self) -> Result<Vec<String>, OutboxError> {
        self.unwritten.iter().map(|id| Ok(serde_json::to_string(&Record::Sent(*id))?)).collect()
    }

    fn forget_old(&mut self) {
        // What a file has more of than this is dropped when it is written anew.
        while self.sent.len() > SENT_KEPT {
            if let Some(id) = self.sent.pop_front() {
                self.known.remove(&id);
            }
        }
    }
}

fn line_of(post: &Post) -> Result<String, OutboxError> {
    let envelope = Envelope { id: Some(post.id), trace: post.trace.clone(), ..Envelope::default() };
    let text = encode(&envelope, &post.frame);
    Ok(serde_json::to_string(&Record::Post(RawValue::from_string(text)?))?)
}

enum Read {
    Post(Box<Post>),
    Sent(RequestId),
}

fn read_line(bytes: &[u8]) -> Result<Read, String> {
    match serde_json::from_slice::<Record>(bytes).map_err(|error| error.to_string())? {
        Record::Sent(id) => Ok(Read::Sent(id)),
        Record::Post(raw) => {
            let decoded = decode::<ToBroker>(raw.get()).map_err(|error: DecodeError| error.to_string())?;
            let Envelope { id, trace, .. } = decoded.envelope;
            let id = id.ok_or("it has no id")?;
            Ok(Read::Post(Box::new(Post { id, trace, frame: decoded.frame })))
        }
    }
}

#[cfg(test)]
mod tests;
