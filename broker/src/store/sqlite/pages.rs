//! Reads that go page by page through something long: an inbox, a thread, the log.

use std::sync::Arc;

use nexus_wire::alert::AlertChange;
use nexus_wire::chat::Message;
use nexus_wire::log::{LogBody, LogEntry};
use nexus_wire::{AspectName, DispatchId, ItemId, MessageId, Party, ThreadId, derive};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::alerts::alert_note;
use super::blocks::{BLOCK, unpack};
use super::columns::{count, id, opt_id, parsed, to_blob, to_json, to_number};
use super::entries::{self, MESSAGE};
use super::fault::{damage, fault};
use super::messages::{Kept, Messages};
use super::read::{all, one, steady};
use super::threads::back;
use super::{full_blocks, retention};
use crate::hub::filter::LogFilter;
use crate::hub::inbox::as_answered;
use crate::hub::records::{InboxRecord, Reads, StoreError, Stored, Stretch};
use crate::hub::text::Text;
use crate::store::logged::{Logged, LoggedRow, weight};
use crate::store::page::{Page, looked_at};

fn numbers(bytes: &[u8], of: &dyn std::fmt::Display) -> Stored<Vec<u64>> {
    unpack(bytes).ok_or_else(|| damage(format_args!("a block of {of} cannot be read")))
}

pub(super) fn inbox(
    connection: &Connection,
    aspect: &AspectName,
    after: u64,
    limit: u32,
) -> Stored<Vec<InboxRecord>> {
    inbox_between(connection, aspect, after, u64::MAX, limit)
}

/// Looks no further, however much behind it is kept no longer.
pub(super) fn inbox_at(
    connection: &Connection,
    aspect: &AspectName,
    offset: u64,
) -> Stored<Option<InboxRecord>> {
    let Some(after) = offset.checked_sub(1) else { return Ok(None) };
    Ok(inbox_between(connection, aspect, after, offset, 1)?.pop())
}

fn inbox_between(
    connection: &Connection,
    aspect: &AspectName,
    after: u64,
    last: u64,
    limit: u32,
) -> Stored<Vec<InboxRecord>> {
    let _steady = steady(connection)?;
    let sql =
        "SELECT no, tail, cursor, recent, floor FROM aspects JOIN inboxes ON inboxes.aspect = aspects.no
        WHERE name = ?1";
    let found = one(connection, sql, [aspect.as_str()], |row| {
        let position = (count(row, 1)?, count(row, 2)?, count(row, 4)?);
        Ok((row.get::<_, i64>(0)?, position, row.get::<_, Vec<u8>>(3)?))
    })?;
    let Some((no, (tail, cursor, floor), recent)) = found else { return Ok(Vec::new()) };
    let contents_floor = retention::contents_floor(connection)?;
    let mut reading = Inbox::of(connection, aspect, no, cursor, contents_floor)?;
    let mut page = Page::new(limit);
    let mut items = Vec::new();
    // Before it nothing is kept.
    let after = after.max(floor);
    let mut offset = after.saturating_add(1);
    let last = last.min(tail);
    while offset <= last && !page.is_full() {
        let block = (offset - 1) / BLOCK;
        let refs = if block == tail / BLOCK { numbers(&recent, aspect)? } else { reading.block(block)? };
        let skip = (offset - 1) % BLOCK;
        if refs.len() as u64 <= skip {
            return Err(damage(format_args!("the inbox of {aspect} has a hole at offset {offset}")));
        }
        let most = usize::try_from(last - offset + 1).unwrap_or(usize::MAX);
        let wanted = &refs[skip as usize..];
        let wanted = &wanted[..wanted.len().min(most)];
        for (offset, reference) in (offset..).zip(wanted) {
            let Some(item) = reading.item(offset, *reference)? else { continue };
            if !page.takes(item.json.len()) {
                break;
            }
            items.push(item);
            if page.is_full() {
                break;
            }
        }
        // One that was not taken has filled the page.
        offset += wanted.len() as u64;
    }
    Ok(items)
}

struct Inbox<'a> {
    aspect: &'a AspectName,
    no: i64,
    cursor: u64,
    contents_floor: u64,
    messages: Messages<'a>,
    block: CachedStatement<'a>,
    item: CachedStatement<'a>,
    closed: CachedStatement<'a>,
    text: Text,
}

impl<'a> Inbox<'a> {
    fn of(
        connection: &'a Connection,
        aspect: &'a AspectName,
        no: i64,
        cursor: u64,
        contents_floor: u64,
    ) -> Stored<Self> {
        let prepare = |sql| connection.prepare_cached(sql).map_err(fault);
        Ok(Self {
            aspect,
            no,
            cursor,
            contents_floor,
            messages: Messages::of(connection)?,
            block: prepare(full_blocks::OF_INBOX)?,
            item: prepare("SELECT id, json FROM items WHERE no = ?1")?,
            closed: prepare("SELECT 1 FROM closed WHERE item = ?1 AND aspect = ?2")?,
            text: Text::default(),
        })
    }

    fn block(&mut self, block: u64) -> Stored<Vec<u64>> {
        let row = params![self.no, to_number(block)];
        let found = self.block.query_row(row, |row| row.get::<_, Vec<u8>>(0)).optional().map_err(fault)?;
        let aspect = self.aspect;
        let found =
            found.ok_or_else(|| damage(format_args!("block {block} of the inbox of {aspect} is gone")))?;
        numbers(&found, aspect)
    }

    /// `None`: the message it carried is kept no longer.
    fn item(&mut self, offset: u64, reference: u64) -> Stored<Option<InboxRecord>> {
        let aspect = self.aspect;
        let number = reference >> 1;
        if reference & 1 == 0 {
            let (cursor, no, closed, text) = (self.cursor, self.no, &mut self.closed, &mut self.text);
            let is_closed = |id: ItemId| {
                Ok(offset <= cursor && closed.exists(params![to_blob(id.0), no]).map_err(fault)?)
            };
            let found =
                self.messages.at(number, |kept| message_record(text, aspect, offset, kept, is_closed))?;
            let may_be_gone = number <= self.contents_floor;
            return if found.is_some() || may_be_gone { Ok(found) } else { Err(lost(aspect, offset)) };
        }
        let of = |row: &Row<'_>| Ok((id(row, 0, ItemId)?, Arc::<str>::from(row.get_ref(1)?.as_str()?)));
        let found = self.item.query_row([to_number(number)], of).optional().map_err(fault)?;
        let (id, json) = found.ok_or_else(|| lost(aspect, offset))?;
        let json = if self.is_closed(offset, id)? { as_answered(&json).into() } else { json };
        Ok(Some(InboxRecord { offset, id, json }))
    }

    fn is_closed(&mut self, offset: u64, item: ItemId) -> Stored<bool> {
        if offset > self.cursor {
            return Ok(false);
        }
        self.closed.exists(params![to_blob(item.0), self.no]).map_err(fault)
    }
}

fn lost(aspect: &AspectName, offset: u64) -> StoreError {
    damage(format_args!("item {offset} of the inbox of {aspect} is gone"))
}

fn message_record(
    text: &mut Text,
    aspect: &AspectName,
    offset: u64,
    kept: &Kept<'_>,
    is_closed: impl FnOnce(ItemId) -> Stored<bool>,
) -> Stored<InboxRecord> {
    let id = derive::message_item(MessageId(kept.id), aspect);
    text.clear();
    kept.write_item(text, id, is_closed(id)?);
    Ok(InboxRecord { offset, id, json: text.as_str().into() })
}

pub(super) fn messages(
    connection: &Connection,
    thread: ThreadId,
    after: u64,
    limit: u32,
) -> Stored<Vec<Message>> {
    let _steady = steady(connection)?;
    let sql = "SELECT no, recent FROM threads JOIN thread_states ON thread_states.thread = threads.no WHERE id = ?1";
    let found = one(connection, sql, [to_blob(thread.0)], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
    })?;
    let Some((no, recent)) = found else { return Ok(Vec::new()) };
    let mut reading = Messages::of(connection)?;
    let floor = retention::contents_floor(connection)?;
    let mut page = Page::new(limit);
    let mut found = Vec::new();
    // Blocks from the one that holds `after` on, then the open one.
    let mut statement = connection.prepare_cached(full_blocks::OF_THREAD_FROM).map_err(fault)?;
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
            let message = reading.at(seq, |kept| kept.message())?;
            if message.is_none() && seq <= floor {
                continue;
            }
            let message =
                message.ok_or_else(|| damage(format_args!("message {seq} of thread {thread} is gone")))?;
            if !page.takes(message.content.len()) {
                break;
            }
            found.push(message);
        }
    }
    Ok(found)
}

pub(super) fn messages_before(
    connection: &Connection,
    thread: ThreadId,
    after: u64,
    before: u64,
    limit: u32,
) -> Stored<Vec<Message>> {
    let _steady = steady(connection)?;
    let mut reading = Messages::of(connection)?;
    let floor = retention::contents_floor(connection)?;
    let mut page = Page::new(limit);
    let mut found = Vec::new();
    back(connection, thread, |seq| {
        if seq >= before {
            return Ok(true);
        }
        if seq <= after || page.is_full() {
            return Ok(false);
        }
        let message = reading.at(seq, |kept| kept.message())?;
        if message.is_none() && seq <= floor {
            return Ok(true);
        }
        let message =
            message.ok_or_else(|| damage(format_args!("message {seq} of thread {thread} is gone")))?;
        let fits = page.takes(message.content.len());
        if fits {
            found.push(message);
        }
        Ok(fits)
    })?;
    found.reverse();
    Ok(found)
}

/// Looks at `scan` entries and no more, long messages counted several times.
pub(super) fn log(
    connection: &Connection,
    reads: &impl Reads,
    from_seq: u64,
    filter: &LogFilter,
    limit: u32,
    scan: u64,
) -> Stored<Stretch<LogEntry>> {
    let _steady = steady(connection)?;
    let newest = entries::newest(connection)?.map_or(0, |(head, _)| head.seq);
    // Before it nothing is kept.
    let from_seq = from_seq.max(retention::log_floor(connection)?);
    let mut end = newest.min(from_seq.saturating_add(scan));
    let sql = "SELECT seq, at, actor, threads.id, kind, subject, detail
        FROM log LEFT JOIN threads ON threads.no = log.thread
        WHERE seq > ?1 AND (?3 IS NULL OR log.thread = (SELECT no FROM threads WHERE id = ?3))
            AND (?4 IS NULL OR actor = ?4) AND (?5 IS NULL OR kind IN (SELECT value FROM json_each(?5)))
            AND seq <= ?6
        ORDER BY seq LIMIT ?2";
    let LogFilter { thread, kinds, by } = filter;
    let by = by.as_ref().map(Party::to_string);
    let row = params![
        to_number(from_seq),
        super::read::limit_of(limit),
        thread.map(|id| to_blob(id.0)),
        by,
        (!kinds.is_empty()).then(|| to_json(kinds)),
        to_number(end),
    ];
    let rows = all(connection, sql, row, log_row)?;
    if rows.len() == limit as usize {
        end = rows.last().map_or(from_seq, |row| row.seq);
    }
    let mut entries: Vec<(u64, Entry)> = rows.into_iter().map(|row| (row.seq, Entry::Row(row))).collect();
    if kinds.is_empty() || kinds.iter().any(|kind| kind == MESSAGE) {
        let (mut page, mut left) = (Page::new(limit), scan);
        let after = from_seq.max(entries::after(connection)?);
        Messages::of(connection)?.each_after(after, |kept| {
            if kept.seq > end {
                return Ok(false);
            }
            left = left.saturating_sub(looked_at(kept.content.len()));
            let is_wanted = thread.is_none_or(|thread| thread.0 == kept.thread)
                && by.as_deref().is_none_or(|by| by == kept.sender);
            if is_wanted {
                entries.push((kept.seq, Entry::Message(kept.message()?)));
            }
            // One that has no room any more ends the page below as well.
            let has_room = !is_wanted || (page.takes(kept.content.len()) && !page.is_full());
            if left == 0 || !has_room {
                end = kept.seq;
            }
            Ok(kept.seq < end)
        })?;
        // What comes behind may not be all there is: the messages were read no further.
        entries.retain(|(seq, _)| *seq <= end);
        entries.sort_unstable_by_key(|(seq, _)| *seq);
    }
    let floor = retention::contents_floor(connection)?;
    let mut messages = Messages::of(connection)?;
    let mut page = Page::new(limit);
    let mut found = Vec::new();
    for (seq, entry) in entries {
        if page.is_full() {
            end = seq - 1;
            break;
        }
        let entry = match entry {
            Entry::Message(message) => entry_of(message),
            // What it is about is at the same place, or was.
            Entry::Row(row @ LoggedRow { what: Logged::Message(_), .. }) => {
                match messages.at(row.seq, |kept| kept.message())? {
                    Some(message) => entry_of(message),
                    None if row.seq <= floor => row.gone(),
                    None => row.entry(reads)?,
                }
            }
            Entry::Row(row) => row.entry(reads)?,
        };
        if !page.takes(weight(&entry)) {
            end = seq - 1;
            break;
        }
        found.push(entry);
    }
    Ok(Stretch { found, next: (end < newest).then_some(end) })
}

fn entry_of(message: Message) -> LogEntry {
    LogEntry {
        seq: message.seq,
        at: message.at,
        actor: message.from.clone(),
        thread: Some(message.thread),
        body: LogBody::Message(Box::new(message)),
    }
}

/// An entry of the log with a row of its own, or a message, which is its own entry.
enum Entry {
    Row(LoggedRow),
    Message(Message),
}

pub(super) fn log_row(row: &Row<'_>) -> rusqlite::Result<LoggedRow> {
    fn subject<T>(row: &Row<'_>, of: fn(Uuid) -> T) -> rusqlite::Result<T> {
        id(row, 5, of)
    }
    let kind = row.get_ref(4)?.as_str()?;
    let what = match kind {
        MESSAGE => Logged::Message(subject(row, MessageId)?),
        "item.closed" => Logged::ItemClosed(subject(row, ItemId)?),
        "item.taken" => Logged::ItemTaken(subject(row, MessageId)?),
        "reacted" => {
            let detail: String = row.get(6)?;
            let (removed, emoji) = match detail.strip_prefix('-') {
                Some(emoji) => (true, emoji),
                None => (false, detail.strip_prefix('+').unwrap_or(&detail)),
            };
            Logged::Reacted { message: subject(row, MessageId)?, emoji: emoji.to_owned(), removed }
        }
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
        "alert.raised" => Logged::Alert(alert_note(row, AlertChange::Raised)?),
        "alert.cleared" => Logged::Alert(alert_note(row, AlertChange::Cleared)?),
        "alert.acknowledged" => Logged::Alert(alert_note(row, AlertChange::Acknowledged)?),
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

#[cfg(test)]
mod tests;
