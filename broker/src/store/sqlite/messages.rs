//! Rows of messages: as values, and straight as the text of the inbox item that carries one.

use std::sync::Arc;

use nexus_wire::chat::Message;
use nexus_wire::{ItemId, MessageId, Ms, ThreadId, TraceContext};
use rusqlite::{Connection, Row};
use uuid::Uuid;

use super::columns::{count, id, opt_id, opt_json, parsed, parties, to_blob, to_json};
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

/// The text of the item that carries the message, the same as `hub::inbox::item_text` makes it. Written by hand, with
/// nothing parsed that is only written again: a replay is made of little else.
pub(super) fn message_item(
    text: &mut Text,
    item: ItemId,
    answered: bool,
    thread: Uuid,
    row: &Row<'_>,
) -> rusqlite::Result<Arc<str>> {
    let at: Ms = row.get(7)?;
    text.clear();
    text.raw(r#"{"id":""#).id(item.0).raw(r#"","at":"#).number(at);
    if let Some(trace) = trace(row)? {
        text.raw(r#","trace":"#).raw(&to_json(&trace));
    }
    text.raw(if answered { r#","answered":true"# } else { "" });
    text.raw(r#","body":{"type":"message","id":""#).id(id(row, 0, |id| id)?);
    text.raw(r#"","seq":"#).number(row.get(1)?);
    text.raw(r#","thread":""#).id(thread);
    if let Some(reply_to) = opt_id(row, 3, |id| id)? {
        text.raw(r#"","reply_to":""#).id(reply_to);
    }
    text.raw(r#"","from":"#).string(row.get_ref(4)?.as_str()?);
    text.raw(r#","to":["#);
    for (place, party) in row.get_ref(5)?.as_str()?.split_ascii_whitespace().enumerate() {
        text.raw(if place > 0 { "," } else { "" }).string(party);
    }
    text.raw(r#"],"content":"#).string(row.get_ref(6)?.as_str()?);
    text.raw(r#","at":"#).number(at);
    for (column, field) in [(8, r#","meta":"#), (9, r#","attachments":"#)] {
        if let Some(json) = row.get_ref(column)?.as_str_or_null()? {
            text.raw(field).raw(json);
        }
    }
    text.raw("}}");
    Ok(text.as_str().into())
}

/// JSON under construction; kept for the next, so that it grows once.
#[derive(Debug, Default)]
pub(super) struct Text(String);

impl Text {
    fn clear(&mut self) {
        self.0.clear();
    }

    fn as_str(&self) -> &str {
        &self.0
    }

    fn raw(&mut self, json: &str) -> &mut Self {
        self.0.push_str(json);
        self
    }

    fn id(&mut self, id: Uuid) -> &mut Self {
        self.raw(id.hyphenated().encode_lower(&mut [0; 36]))
    }

    fn number(&mut self, number: i64) -> &mut Self {
        self.raw(itoa::Buffer::new().format(number))
    }

    fn string(&mut self, text: &str) -> &mut Self {
        // All of it rather than up to the first: the compiler makes that several bytes at a time.
        let has_escapes =
            text.bytes().fold(false, |has, byte| has | (byte < b' ') | (byte == b'"') | (byte == b'\\'));
        if has_escapes {
            return self.raw(&to_json(&text));
        }
        self.raw("\"").raw(text).raw("\"")
    }
}
