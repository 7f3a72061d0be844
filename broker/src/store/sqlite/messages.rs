//! Messages as they are kept: the one place that knows how. By `seq`, in the order of it either way, and by id.

use std::collections::HashMap;

use nexus_wire::chat::Message;
use nexus_wire::{ItemId, MessageId, Ms, Party, ThreadId, TraceContext};
use rusqlite::{CachedStatement, Connection, Row, params};
use uuid::Uuid;

use super::columns::{count, id, opt_id, opt_json, parsed, parties, to_blob, to_json, to_number, to_parties};
use super::fault::fault;
use super::read::one;
use crate::hub::records::{MessageRecord, Stored};
use crate::hub::text::{MessageBody, Text};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, seq, thread, reply_to, sender, recipients, content, at, meta, attachments, trace
             FROM messages ",
            $rest
        )
    };
}

/// A message, for as long as it is looked at.
#[derive(Debug)]
pub(super) struct Kept<'a> {
    row: &'a Row<'a>,
    pub(super) id: Uuid,
    pub(super) seq: u64,
    pub(super) at: Ms,
    pub(super) thread: Uuid,
}

impl Kept<'_> {
    pub(super) fn sender(&self) -> Stored<&str> {
        self.text(4)
    }

    pub(super) fn from(&self) -> Stored<Party> {
        parsed(self.row, 4).map_err(fault)
    }

    pub(super) fn to(&self) -> Stored<Vec<Party>> {
        parties(self.row, 5).map_err(fault)
    }

    pub(super) fn content(&self) -> Stored<&str> {
        self.text(6)
    }

    /// As JSON.
    pub(super) fn meta(&self) -> Stored<Option<&str>> {
        self.opt_text(8)
    }

    fn text(&self, at: usize) -> Stored<&str> {
        self.row.get_ref(at).and_then(|it| Ok(it.as_str()?)).map_err(fault)
    }

    fn opt_text(&self, at: usize) -> Stored<Option<&str>> {
        self.row.get_ref(at).and_then(|it| Ok(it.as_str_or_null()?)).map_err(fault)
    }

    fn reply_to(&self) -> Stored<Option<Uuid>> {
        opt_id(self.row, 3, |id| id).map_err(fault)
    }

    /// One that cannot be read is as good as none.
    fn trace(&self) -> Stored<Option<TraceContext>> {
        let bytes = self.row.get_ref(10).and_then(|it| Ok(it.as_blob_or_null()?)).map_err(fault)?;
        Ok(bytes.and_then(TraceContext::from_bytes))
    }

    pub(super) fn message(&self) -> Stored<Message> {
        Ok(Message {
            id: MessageId(self.id),
            seq: self.seq,
            thread: ThreadId(self.thread),
            reply_to: self.reply_to()?.map(MessageId),
            from: self.from()?,
            to: self.to()?,
            content: self.content()?.to_owned(),
            at: self.at,
            meta: opt_json(self.row, 8).map_err(fault)?,
            attachments: opt_json(self.row, 9).map_err(fault)?.unwrap_or_default(),
            reactions: Vec::new(),
        })
    }

    /// Writes the item that carries it.
    pub(super) fn write_item(&self, text: &mut Text, item: ItemId, answered: bool) -> Stored<()> {
        let body = MessageBody {
            id: self.id,
            seq: self.seq,
            thread: self.thread,
            reply_to: self.reply_to()?,
            from: self.sender()?,
            to: self.text(5)?.split_ascii_whitespace(),
            content: self.content()?,
            at: self.at,
            meta: self.meta()?,
            attachments: self.opt_text(9)?,
        };
        text.item(item, self.at, self.trace()?.as_ref(), answered, |text| body.write(text));
        Ok(())
    }
}

/// Reads messages, one after the other.
pub(super) struct Messages<'c> {
    connection: &'c Connection,
    by_seq: CachedStatement<'c>,
    threads: Threads<'c>,
}

impl<'c> Messages<'c> {
    pub(super) fn of(connection: &'c Connection) -> Stored<Self> {
        let by_seq = connection.prepare_cached(select!("WHERE seq = ?1")).map_err(fault)?;
        Ok(Self { connection, by_seq, threads: Threads::of(connection)? })
    }

    /// `None`: there is no message with this `seq`, or not any more.
    pub(super) fn at<T>(&mut self, seq: u64, look: impl FnOnce(&Kept<'_>) -> Stored<T>) -> Stored<Option<T>> {
        let Self { by_seq, threads, .. } = self;
        let mut rows = by_seq.query([to_number(seq)]).map_err(fault)?;
        let row = rows.next().map_err(fault)?;
        row.map(|row| look(&threads.kept(row)?)).transpose()
    }

    pub(super) fn has(&mut self, seq: u64) -> Stored<bool> {
        Ok(self.at(seq, |_| Ok(()))?.is_some())
    }

    /// Visits those behind `seq`, the first one first, until `visit` has seen enough and returns false.
    pub(super) fn each_after(
        &mut self,
        seq: u64,
        visit: impl FnMut(&Kept<'_>) -> Stored<bool>,
    ) -> Stored<()> {
        self.each(select!("WHERE seq > ?1 ORDER BY seq"), seq, visit)
    }

    /// The same with those before `seq`, the last one first.
    pub(super) fn each_before(
        &mut self,
        seq: u64,
        visit: impl FnMut(&Kept<'_>) -> Stored<bool>,
    ) -> Stored<()> {
        self.each(select!("WHERE seq < ?1 ORDER BY seq DESC"), seq, visit)
    }

    fn each(&mut self, sql: &str, seq: u64, mut visit: impl FnMut(&Kept<'_>) -> Stored<bool>) -> Stored<()> {
        let mut statement = self.connection.prepare_cached(sql).map_err(fault)?;
        let mut rows = statement.query([to_number(seq)]).map_err(fault)?;
        while let Some(row) = rows.next().map_err(fault)?
            && visit(&self.threads.kept(row)?)?
        {}
        Ok(())
    }
}

/// Ids of threads by their numbers.
struct Threads<'c> {
    by_no: CachedStatement<'c>,
    found: HashMap<i64, Uuid>,
    last: Option<(i64, Uuid)>,
}

impl<'c> Threads<'c> {
    fn of(connection: &'c Connection) -> Stored<Self> {
        let by_no = connection.prepare_cached("SELECT id FROM threads WHERE no = ?1").map_err(fault)?;
        Ok(Self { by_no, found: HashMap::new(), last: None })
    }

    fn kept<'a>(&mut self, row: &'a Row<'a>) -> Stored<Kept<'a>> {
        let mut kept = || {
            let thread = self.id(row.get(2)?)?;
            Ok(Kept { row, id: id(row, 0, |id| id)?, seq: count(row, 1)?, at: row.get(7)?, thread })
        };
        kept().map_err(fault)
    }

    fn id(&mut self, no: i64) -> rusqlite::Result<Uuid> {
        if let Some((_, thread)) = self.last.filter(|last| last.0 == no) {
            return Ok(thread);
        }
        let thread = match self.found.get(&no) {
            Some(thread) => *thread,
            None => {
                let found = self.by_no.query_row([no], |row| id(row, 0, |id| id))?;
                self.found.insert(no, found);
                found
            }
        };
        self.last = Some((no, thread));
        Ok(thread)
    }
}

/// Where the message with this id is.
pub(super) fn seq_of(connection: &Connection, id: MessageId) -> Stored<Option<u64>> {
    one(connection, "SELECT seq FROM messages WHERE id = ?1", [to_blob(id.0)], |row| count(row, 0))
}

/// The largest id there is.
pub(super) fn largest_id(connection: &Connection) -> Stored<Option<Uuid>> {
    let sql = "SELECT id FROM messages ORDER BY id DESC LIMIT 1";
    one(connection, sql, [], |row| id(row, 0, |id| id))
}

/// What is hashed of the entry that the message is; `None`: its entry is one of its own.
pub(super) fn hash_of(connection: &Connection, seq: u64) -> Stored<Option<[u8; 32]>> {
    let found =
        one(connection, "SELECT hash FROM messages WHERE seq = ?1", [to_number(seq)], |row| row.get(0))?;
    Ok(found.flatten())
}

pub(super) fn record_at(connection: &Connection, seq: u64) -> Stored<Option<MessageRecord>> {
    let sql = "SELECT unknown, request_sha256 FROM messages WHERE seq = ?1";
    let beside = one(connection, sql, [to_number(seq)], |row| {
        Ok((opt_json(row, 0)?.unwrap_or_default(), row.get(1)?))
    })?;
    let Some((unknown, request_sha256)) = beside else { return Ok(None) };
    Messages::of(connection)?.at(seq, |kept| {
        Ok(MessageRecord { message: kept.message()?, trace: kept.trace()?, unknown, request_sha256 })
    })
}

pub(super) fn record(connection: &Connection, id: MessageId) -> Stored<Option<MessageRecord>> {
    match seq_of(connection, id)? {
        Some(seq) => record_at(connection, seq),
        None => Ok(None),
    }
}

/// `thread` is the number of its thread, `sender` the text of who sent it.
pub(super) fn insert(
    connection: &Connection,
    record: &MessageRecord,
    thread: i64,
    sender: &str,
    hash: &[u8; 32],
) -> Stored<()> {
    let message = &record.message;
    let sql = "INSERT INTO messages
            (seq, id, thread, at, sender, recipients, reply_to, content, meta, unknown, request_sha256,
             attachments, trace, hash)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
    let row = params![
        to_number(message.seq),
        to_blob(message.id.0),
        thread,
        message.at,
        sender,
        to_parties(&message.to),
        message.reply_to.map(|id| to_blob(id.0)),
        message.content,
        message.meta.as_ref().map(to_json),
        (!record.unknown.is_empty()).then(|| to_json(&record.unknown)),
        record.request_sha256,
        (!message.attachments.is_empty()).then(|| to_json(&message.attachments)),
        record.trace.as_ref().map(TraceContext::to_bytes),
        hash,
    ];
    connection.prepare_cached(sql).and_then(|mut it| it.execute(row)).map_err(fault)?;
    Ok(())
}

pub(super) fn delete(connection: &Connection, seq: u64) -> Stored<()> {
    let sql = "DELETE FROM messages WHERE seq = ?1";
    connection.prepare_cached(sql).and_then(|mut it| it.execute([to_number(seq)])).map_err(fault)?;
    Ok(())
}
