//! Reads that go page by page through something long: an inbox, a thread, the log.

use std::sync::Arc;

use nexus_wire::chat::Message;
use nexus_wire::log::LogEntry;
use nexus_wire::{AspectName, DispatchId, ItemId, MessageId, ThreadId, derive};
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::blocks::{BLOCK, unpack};
use super::columns::{count, id, opt_id, parsed, to_blob, to_number};
use super::fault::{damage, fault};
use super::read::{MESSAGE_BY_SEQ, all, message_row, one};
use crate::hub::inbox::{as_answered, message_item_text};
use crate::hub::records::{InboxRecord, Reads, Stored};
use crate::store::logged::{Logged, LoggedRow, weight};
use crate::store::page::Page;

fn numbers(bytes: &[u8], of: &dyn std::fmt::Display) -> Stored<Vec<u64>> {
    unpack(bytes).ok_or_else(|| damage(format_args!("a block of {of} cannot be read")))
}

pub(super) fn inbox(
    connection: &Connection,
    aspect: &AspectName,
    after: u64,
    limit: u32,
) -> Stored<Vec<InboxRecord>> {
    let sql = "SELECT no, tail, cursor, recent FROM aspects JOIN inboxes ON inboxes.aspect = aspects.no
        WHERE name = ?1";
    let found = one(connection, sql, [aspect.as_str()], |row| {
        Ok((row.get::<_, i64>(0)?, count(row, 1)?, count(row, 2)?, row.get::<_, Vec<u8>>(3)?))
    })?;
    let Some((no, tail, cursor, recent)) = found else { return Ok(Vec::new()) };
    let reading = Inbox { connection, aspect, no, cursor };
    let mut page = Page::new(limit);
    let mut items = Vec::new();
    let mut offset = after.saturating_add(1);
    while offset <= tail && !page.is_full() {
        let block = (offset - 1) / BLOCK;
        let refs = if block == tail / BLOCK { numbers(&recent, aspect)? } else { reading.block(block)? };
        let skip = (offset - 1) % BLOCK;
        if refs.len() as u64 <= skip {
            return Err(damage(format_args!("the inbox of {aspect} has a hole at offset {offset}")));
        }
        for reference in &refs[skip as usize..] {
            if page.is_full() {
                break;
            }
            let item = reading.item(offset, *reference)?;
            if !page.takes(item.json.len()) {
                break;
            }
            items.push(item);
            offset += 1;
        }
    }
    Ok(items)
}

struct Inbox<'a> {
    connection: &'a Connection,
    aspect: &'a AspectName,
    no: i64,
    cursor: u64,
}

impl Inbox<'_> {
    fn block(&self, block: u64) -> Stored<Vec<u64>> {
        let sql = "SELECT refs FROM inbox_blocks WHERE aspect = ?1 AND block = ?2";
        let found =
            one(self.connection, sql, params![self.no, to_number(block)], |row| row.get::<_, Vec<u8>>(0))?;
        let found = found
            .ok_or_else(|| damage(format_args!("block {block} of the inbox of {} is gone", self.aspect)))?;
        numbers(&found, self.aspect)
    }

    fn item(&self, offset: u64, reference: u64) -> Stored<InboxRecord> {
        let (number, lost) = (to_number(reference >> 1), || {
            damage(format_args!("item {offset} of the inbox of {} is gone", self.aspect))
        });
        if reference & 1 == 0 {
            let message = one(self.connection, MESSAGE_BY_SEQ, [number], message_row)?.ok_or_else(lost)?;
            let id = derive::message_item(message.id, self.aspect);
            let json = message_item_text(id, self.is_closed(offset, id)?, &message).into();
            return Ok(InboxRecord { offset, id, json });
        }
        let sql = "SELECT id, json FROM items WHERE no = ?1";
        let (id, json) = one(self.connection, sql, [number], |row| {
            Ok((id(row, 0, ItemId)?, Arc::<str>::from(row.get_ref(1)?.as_str()?)))
        })?
        .ok_or_else(lost)?;
        let json = if self.is_closed(offset, id)? { as_answered(&json).into() } else { json };
        Ok(InboxRecord { offset, id, json })
    }

    fn is_closed(&self, offset: u64, item: ItemId) -> Stored<bool> {
        if offset > self.cursor {
            return Ok(false);
        }
        let sql = "SELECT 1 FROM closed WHERE item = ?1 AND aspect = ?2";
        Ok(one(self.connection, sql, params![to_blob(item.0), self.no], |_| Ok(()))?.is_some())
    }
}

pub(super) fn messages(
    connection: &Connection,
    thread: ThreadId,
    after: u64,
    limit: u32,
) -> Stored<Vec<Message>> {
    let sql = "SELECT no, recent FROM threads JOIN thread_states ON thread_states.thread = threads.no WHERE id = ?1";
    let found = one(connection, sql, [to_blob(thread.0)], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
    })?;
    let Some((no, recent)) = found else { return Ok(Vec::new()) };
    let mut page = Page::new(limit);
    let mut found = Vec::new();
    // Blocks from the one that holds `after` on, then the open one.
    let sql = "SELECT seqs FROM thread_blocks WHERE thread = ?1 AND first >=
            coalesce((SELECT max(first) FROM thread_blocks WHERE thread = ?1 AND first <= ?2), 0)
        ORDER BY first";
    let mut statement = connection.prepare_cached(sql).map_err(fault)?;
    let mut rows = statement.query(params![no, to_number(after)]).map_err(fault)?;
    let mut is_last = false;
    while !is_last && !page.is_full() {
        let seqs = match rows.next().map_err(fault)? {
            Some(row) => numbers(row.get_ref(0).and_then(|it| Ok(it.as_blob()?)).map_err(fault)?, &thread)?,
            None => {
                is_last = true;
                numbers(&recent, &thread)?
            }
        };
        for seq in seqs.into_iter().filter(|seq| *seq > after) {
            if page.is_full() {
                break;
            }
            let message = one(connection, MESSAGE_BY_SEQ, [to_number(seq)], message_row)?
                .ok_or_else(|| damage(format_args!("message {seq} of thread {thread} is gone")))?;
            if !page.takes(message.content.len()) {
                break;
            }
            found.push(message);
        }
    }
    Ok(found)
}

pub(super) fn log(
    connection: &Connection,
    reads: &impl Reads,
    from_seq: u64,
    thread: Option<ThreadId>,
    limit: u32,
) -> Stored<Vec<LogEntry>> {
    let sql = match thread {
        None => {
            "SELECT seq, at, actor, threads.id, kind, subject, detail
             FROM log LEFT JOIN threads ON threads.no = log.thread
             WHERE seq > ?1 ORDER BY seq LIMIT ?2"
        }
        Some(_) => {
            "SELECT seq, at, actor, threads.id, kind, subject, detail
             FROM log JOIN threads ON threads.no = log.thread
             WHERE seq > ?1 AND log.thread = (SELECT no FROM threads WHERE id = ?3) ORDER BY seq LIMIT ?2"
        }
    };
    let (from, limit_rows) = (to_number(from_seq), super::read::limit_of(limit));
    let rows = match thread {
        None => all(connection, sql, params![from, limit_rows], log_row)?,
        Some(thread) => all(connection, sql, params![from, limit_rows, to_blob(thread.0)], log_row)?,
    };
    let mut page = Page::new(limit);
    let mut found = Vec::new();
    for row in rows {
        let entry = row.entry(reads)?;
        if !page.takes(weight(&entry)) {
            break;
        }
        found.push(entry);
    }
    Ok(found)
}

fn log_row(row: &Row<'_>) -> rusqlite::Result<LoggedRow> {
    fn subject<T>(row: &Row<'_>, of: fn(Uuid) -> T) -> rusqlite::Result<T> {
        id(row, 5, of)
    }
    let kind = row.get_ref(4)?.as_str()?;
    let what = match kind {
        "message" => Logged::Message(subject(row, MessageId)?),
        "item.closed" => Logged::ItemClosed(subject(row, ItemId)?),
        "dispatch.accepted" => Logged::DispatchAccepted(subject(row, DispatchId)?),
        "dispatch.ended" => Logged::DispatchEnded(subject(row, DispatchId)?),
        "dispatch.assigned" => {
            let detail: String = row.get(6)?;
            let parts = detail.split_once(' ').and_then(|(attempt, aspect)| {
                Some((attempt.parse::<u32>().ok()?, aspect.parse::<AspectName>().ok()?))
            });
            let Some((attempt, aspect)) = parts else {
                return Err(rusqlite::Error::InvalidColumnType(
                    6,
                    "detail".into(),
                    rusqlite::types::Type::Text,
                ));
            };
            Logged::DispatchAssigned { dispatch: subject(row, DispatchId)?, attempt, aspect }
        }
        other => Logged::Other { kind: other.to_owned(), subject: row.get(5)? },
    };
    Ok(LoggedRow {
        seq: count(row, 0)?,
        at: row.get(1)?,
        actor: parsed(row, 2)?,
        thread: opt_id(row, 3, ThreadId)?,
        what,
    })
}
