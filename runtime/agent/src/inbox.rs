//! The aspect's inbox on disk: what the broker delivered, what a session took, and what is closed.
//!
//! Being in this file is what an acknowledgement means: every call that writes returns after the fsync. It knows
//! items by their ids and bodies by their text; what an item says is for the agent to read.
//!
//! One process at a time has it open, and so is the one that runs the home.

use std::path::{Path, PathBuf};

use nexus_wire::Json;
use nexus_wire::inbox::Decision;
use thiserror::Error;
use uuid::Uuid;

use crate::journal::{self, Durability, Journal, JournalError, Line};

mod book;
mod record;

pub use book::{Accept, Delivery, InboxItem, ResumePoint};

use book::{Book, Judge};
use record::{FORMAT, Header, Record, VERSION};

pub const INBOX_FILE: &str = "inbox.jsonl";

/// Lines that say nothing any more, from which on the file is written anew when it is opened.
const COMPACT_LINES_MIN: usize = 1024;

#[derive(Debug)]
pub struct Inbox {
    journal: Journal,
    book: Book,
    problems: Vec<InboxProblem>,
}

/// Something in the file that is not as it was written.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum InboxProblem {
    #[error("line {line}: offset {expected} is missing before it; asking the broker again from there")]
    Hole { line: u64, expected: u64 },
    #[error("line {line}: torn: {bytes} bytes of a line that was never written to its end; cut")]
    Torn { line: u64, bytes: u64 },
    #[error("line {line}: unreadable ({reason}); skipped")]
    Unreadable { line: u64, reason: String },
}

#[derive(Debug, Error)]
pub enum InboxError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("{} has format version {version}, which this program is too old for; use a newer one", path.display())]
    Newer { path: PathBuf, version: u32 },
    #[error("the inbox cannot store this: {0}")]
    Unstorable(#[from] serde_json::Error),
}

impl Inbox {
    /// Opens `<home>/inbox.jsonl`, making it when it is missing. What was found wrong is logged and in
    /// [`Inbox::problems`].
    pub fn open(home: &Path, durability: Durability) -> Result<Self, InboxError> {
        let path = home.join(INBOX_FILE);
        if let Some(version) = journal::first_line(&path)?.and_then(|line| version_of(&line))
            && version > VERSION
        {
            return Err(InboxError::Newer { path, version });
        }
        let mut book = Book::default();
        let mut problems = Vec::new();
        let mut lines = 0;
        let read = |line: Line<'_>| {
            lines += 1;
            read_line(&mut book, &mut problems, line)
        };
        let (journal, torn) = Journal::open(&path, durability, read)?;
        problems.extend(torn.map(|torn| InboxProblem::Torn { line: torn.line, bytes: torn.bytes }));
        for problem in &problems {
            tracing::warn!(inbox = %path.display(), "{problem}");
        }
        let mut inbox = Self { journal, book, problems };
        if inbox.journal.is_empty() {
            inbox.journal.append(&[header()?])?;
        } else if inbox.problems.is_empty() {
            // A damaged file is left as it is, for whoever wants to look into it.
            inbox.compact(lines)?;
        }
        Ok(inbox)
    }

    /// Writes the file anew when most of it says nothing any more. Not being able to is no harm, as long as the file as
    /// it was goes on.
    fn compact(&mut self, lines: usize) -> Result<(), InboxError> {
        let records = self.book.records();
        let dead = lines.saturating_sub(records.len() + 1);
        if dead < COMPACT_LINES_MIN || dead < records.len() {
            return Ok(());
        }
        let path = self.journal.path().to_owned();
        match self.rewrite(&records) {
            Ok(()) => tracing::info!(inbox = %path.display(), lines, left = records.len(), "compacted"),
            Err(error) if self.journal.is_broken() => return Err(error),
            Err(error) => tracing::warn!(inbox = %path.display(), %error, "not compacted"),
        }
        Ok(())
    }

    fn rewrite(&mut self, records: &[Record]) -> Result<(), InboxError> {
        let mut text = vec![header()?];
        for record in records {
            text.push(serde_json::to_string(record)?);
        }
        Ok(self.journal.rewrite(&text)?)
    }

    pub fn problems(&self) -> &[InboxProblem] {
        &self.problems
    }

    /// Stores one item, unless it is known or not the next one.
    pub fn deliver(&mut self, epoch: Uuid, offset: u64, id: Uuid, body: Json) -> Result<Accept, InboxError> {
        let accepts = self.append_batch([Delivery { epoch, offset, id, body }])?;
        // One delivery in, one verdict out.
        Ok(accepts.first().copied().unwrap_or(Accept::Duplicate))
    }

    /// Stores items in order with a single fsync. What may be acknowledged afterwards is
    /// [`Inbox::ack_offset`]; after an error nothing of the batch counts.
    pub fn append_batch(
        &mut self,
        deliveries: impl IntoIterator<Item = Delivery>,
    ) -> Result<Vec<Accept>, InboxError> {
        let mut judge = Judge::new(&self.book);
        let mut accepts = Vec::new();
        let mut records = Vec::new();
        for mut delivery in deliveries {
            delivery.body = on_one_line(delivery.body)?;
            let (accept, record) = judge.deliver(delivery);
            accepts.push(accept);
            records.extend(record);
        }
        self.write(records)?;
        Ok(accepts)
    }

    /// Where to resume, to be sent with `register`. `None` for a home that has never been registered.
    pub fn resume_point(&self) -> Option<ResumePoint> {
        self.book.cursor()
    }

    /// Everything up to and including this offset is on disk.
    pub fn ack_offset(&self) -> Option<u64> {
        self.book.cursor().map(|cursor| cursor.offset)
    }

    /// The broker goes on in `epoch`, after `offset`. Says whether that is another history than before; in the
    /// one we are in, our own cursor counts.
    pub fn new_epoch(&mut self, epoch: Uuid, offset: u64) -> Result<bool, InboxError> {
        if self.book.cursor().is_some_and(|cursor| cursor.epoch == epoch) {
            return Ok(false);
        }
        self.write(vec![Record::Epoch { epoch, offset, item: None }])?;
        Ok(true)
    }

    /// The broker cannot send `from..=to` any more: the cursor moves past them.
    pub fn note_gap(&mut self, from: u64, to: u64, reason: &str) -> Result<Accept, InboxError> {
        let Some(cursor) = self.book.cursor() else { return Ok(Accept::WrongEpoch { current: None }) };
        let expected = cursor.offset.saturating_add(1);
        if to < expected {
            return Ok(Accept::Duplicate);
        }
        if from > expected {
            return Ok(Accept::Gap { expected });
        }
        tracing::warn!(from, to, reason, "the broker cannot deliver these items any more");
        let reason = reason.to_owned();
        self.write(vec![Record::Gap { epoch: cursor.epoch, from, to, reason }])?;
        Ok(Accept::Stored)
    }

    /// A session has the item on disk.
    pub fn taken(&mut self, id: Uuid) -> Result<(), InboxError> {
        if self.book.is_taken(id) || self.book.decision(id).is_some() {
            return Ok(());
        }
        self.write(vec![Record::Taken { id }])
    }

    /// The item has its decision. The first one stays.
    pub fn closed(&mut self, id: Uuid, decision: Decision) -> Result<(), InboxError> {
        if self.book.decision(id).is_some() {
            return Ok(());
        }
        self.write(vec![Record::Closed { id, decision }])
    }

    /// Items without a decision, in the order they were sent.
    pub fn open_items(&self) -> impl Iterator<Item = &InboxItem> {
        self.book.open()
    }

    /// An item without a decision.
    pub fn item(&self, id: Uuid) -> Option<&InboxItem> {
        self.book.item(id)
    }

    /// The decision of an item closed not too long ago (the last 4096 are remembered).
    pub fn decision(&self, id: Uuid) -> Option<Decision> {
        self.book.decision(id)
    }

    /// The newest link generation this home has had; 0 before the first.
    pub fn last_generation(&self) -> u64 {
        self.book.generation()
    }

    /// To be called on `registered`, before anything is acknowledged on that link.
    pub fn note_generation(&mut self, generation: u64) -> Result<(), InboxError> {
        if generation <= self.book.generation() {
            return Ok(());
        }
        self.write(vec![Record::Generation { generation }])
    }

    fn write(&mut self, records: Vec<Record>) -> Result<(), InboxError> {
        if records.is_empty() {
            return Ok(());
        }
        let lines = records.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
        self.journal.append(&lines)?;
        for record in records {
            self.book.apply(record);
        }
        Ok(())
    }
}

fn header() -> serde_json::Result<String> {
    serde_json::to_string(&Header { format: FORMAT.to_owned(), version: VERSION })
}

fn version_of(line: &[u8]) -> Option<u32> {
    let header: Header = serde_json::from_slice(line).ok()?;
    (header.format == FORMAT).then_some(header.version)
}

fn read_line(book: &mut Book, problems: &mut Vec<InboxProblem>, line: Line<'_>) -> bool {
    if line.number == 1 && version_of(line.bytes).is_some() {
        return true;
    }
    match serde_json::from_slice(line.bytes) {
        Ok(record) => {
            let hole = book.apply(record);
            problems.extend(hole.map(|expected| InboxProblem::Hole { line: line.number, expected }));
            true
        }
        Err(error) => {
            if line.terminated {
                problems.push(InboxProblem::Unreadable { line: line.number, reason: error.to_string() });
            }
            false
        }
    }
}

/// A body may have been sent with line breaks between its tokens, the only place where JSON has them.
fn on_one_line(body: Json) -> serde_json::Result<Json> {
    if body.as_str().contains(['\n', '\r']) {
        serde_json::from_str(&body.as_str().replace(['\n', '\r'], " "))
    } else {
        Ok(body)
    }
}

#[cfg(test)]
mod tests;
