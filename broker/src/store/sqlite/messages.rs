//! Rows of messages: as values, and straight as the text of the inbox item that carries one.

use std::sync::Arc;

use nexus_wire::chat::Message;
use nexus_wire::{ItemId, MessageId, Ms, ThreadId, TraceContext};
use rusqlite::{Connection, Row};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::columns::{count, id, opt_id, opt_json, parsed, parties, to_blob};
use super::read::one;
use crate::hub::records::{MessageRecord, Stored};

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

/// `nexus_wire::inbox::Item`, in the order and form of its JSON.
#[derive(Serialize)]
struct Item<'a> {
    id: ItemId,
    at: Ms,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<TraceContext>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    answered: bool,
    body: Body<'a>,
}

/// `nexus_wire::chat::Message` as it stands in a row, in the order and form of its JSON.
#[derive(Serialize)]
#[serde(tag = "type", rename = "message")]
struct Body<'a> {
    id: Uuid,
    seq: u64,
    thread: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<Uuid>,
    from: &'a str,
    to: Vec<&'a str>,
    content: &'a str,
    at: Ms,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachments: Option<&'a RawValue>,
}

/// The text of the item that carries the message, the same as `hub::inbox::item_text` makes it, with nothing
/// parsed that is only written again.
pub(super) fn message_item(
    item: ItemId,
    answered: bool,
    thread: Uuid,
    row: &Row<'_>,
) -> rusqlite::Result<Arc<str>> {
    let unreadable = |error: serde_json::Error| {
        rusqlite::Error::FromSqlConversionFailure(8, rusqlite::types::Type::Text, Box::new(error))
    };
    let meta = row.get_ref(8)?.as_str_or_null()?;
    let attachments = row.get_ref(9)?.as_str_or_null()?;
    let at = row.get(7)?;
    let body = Body {
        id: id(row, 0, |id| id)?,
        seq: count(row, 1)?,
        thread,
        reply_to: opt_id(row, 3, |id| id)?,
        from: row.get_ref(4)?.as_str()?,
        to: row.get_ref(5)?.as_str()?.split_ascii_whitespace().collect(),
        content: row.get_ref(6)?.as_str()?,
        at,
        meta: meta.map(serde_json::from_str).transpose().map_err(unreadable)?,
        attachments: attachments.map(serde_json::from_str).transpose().map_err(unreadable)?,
    };
    let item = Item { id: item, at, trace: trace(row)?, answered, body };
    let text = serde_json::to_string(&item).map_err(unreadable)?;
    Ok(text.into())
}
