//! Rows of messages: as values, and straight as the text of the inbox item that carries one.

use nexus_wire::chat::Message;
use nexus_wire::{ItemId, MessageId, ThreadId, TraceContext};
use rusqlite::{Connection, Row};
use uuid::Uuid;

use super::columns::{count, id, opt_id, opt_json, parsed, parties, to_blob};
use super::read::one;
use crate::hub::records::{MessageRecord, Stored};
use crate::hub::text::{MessageBody, Text};

pub(super) const MESSAGE_BY_SEQ: &str = "SELECT id, seq, thread, reply_to, sender, recipients, content, at, meta, attachments, trace FROM messages WHERE seq = ?1";
/// The same columns.
pub(super) const MESSAGES_BY_RANGE: &str =
    "SELECT id, seq, thread, reply_to, sender, recipients, content, at, meta, attachments, trace FROM messages
        WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq";
pub(super) const MESSAGE_SEQ: usize = 1;
/// The column with the number of its thread.
pub(super) const MESSAGE_THREAD: usize = 2;

pub(super) fn message_row(row: &Row<'_>, thread: ThreadId) -> rusqlite::Result<Message> {
    Ok(Message {
        id: id(row, 0, MessageId)?,
        seq: count(row, 1)?,
        thread,
        reply_to: opt_id(row, 3, MessageId)?,
        from: parsed(row, 4)?,
        to: parties(row, 5)?,
        content: row.get(6)?,
        at: row.get(7)?,
        meta: opt_json(row, 8)?,
        attachments: opt_json(row, 9)?.unwrap_or_default(),
        reactions: Vec::new(),
    })
}

/// One that cannot be read is as good as none.
fn trace(row: &Row<'_>) -> rusqlite::Result<Option<TraceContext>> {
    Ok(row.get_ref(10)?.as_blob_or_null()?.and_then(TraceContext::from_bytes))
}

pub(super) fn message(connection: &Connection, id: MessageId) -> Stored<Option<MessageRecord>> {
    // The index alone tells of most that they are new.
    let sql = "SELECT seq FROM messages WHERE id = ?1";
    let Some(seq) = one(connection, sql, [to_blob(id.0)], |row| row.get::<_, i64>(0))? else {
        return Ok(None);
    };
    let sql = "SELECT messages.id, seq, thread, reply_to, sender, recipients, content, at, meta,
            attachments, messages.trace, unknown, request_sha256, threads.id
        FROM messages JOIN threads ON threads.no = messages.thread WHERE seq = ?1";
    one(connection, sql, [seq], |row| {
        Ok(MessageRecord {
            message: message_row(row, super::columns::id(row, 13, ThreadId)?)?,
            trace: trace(row)?,
            unknown: opt_json(row, 11)?.unwrap_or_default(),
            request_sha256: row.get(12)?,
        })
    })
}

/// What has been read of a row already, or is known without.
pub(super) struct Known {
    pub(super) id: Uuid,
    pub(super) seq: u64,
    pub(super) thread: Uuid,
}

/// Writes the item that carries the message.
pub(super) fn write_item(
    text: &mut Text,
    item: ItemId,
    answered: bool,
    known: Known,
    row: &Row<'_>,
) -> rusqlite::Result<()> {
    let Known { id, seq, thread } = known;
    let trace = trace(row)?;
    let at = row.get(7)?;
    let body = MessageBody {
        id,
        seq,
        thread,
        reply_to: opt_id(row, 3, |id| id)?,
        from: row.get_ref(4)?.as_str()?,
        to: row.get_ref(5)?.as_str()?.split_ascii_whitespace(),
        content: row.get_ref(6)?.as_str()?,
        at,
        meta: row.get_ref(8)?.as_str_or_null()?,
        attachments: row.get_ref(9)?.as_str_or_null()?,
    };
    text.item(item, at, trace.as_ref(), answered, |text| body.write(text));
    Ok(())
}
