//! What the writer keeps in memory: rows that every message changes, written once per commit, and the ends of
//! everything that only grows. It always equals what the tables say once it is flushed.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use nexus_wire::{AspectName, Ms, ThreadId};
use rusqlite::{Connection, Row, params};

use super::activity;
use super::blocks::{Full, Recent};
use super::columns::{count, opt_json, parsed, to_blob, to_json, to_number, to_parties};
use super::dispatches::Dispatches;
use super::entries;
use super::fault::{damage, fault, readable};
use super::full_blocks::New;
use super::messages::{self, Block, Ids};
use super::read::{ThreadRow, all, one, thread};
use crate::hub::queue::{ClockChanges, Clocks};
use crate::hub::records::{Position, Stored, ThreadRecord};

/// Threads kept between commits; beyond it all are dropped and read again when needed.
const THREADS_MAX: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Pending {
    inboxes: HashMap<AspectName, Inbox, RandomState>,
    threads: HashMap<ThreadId, Thread, RandomState>,
    dirty_inboxes: Vec<AspectName>,
    dirty_threads: Vec<ThreadId>,
    pub(super) next_item: u64,
    /// The messages that were written since the last block.
    pub(super) block: Block,
    /// Of messages.
    pub(super) ids: Ids,
    pub(super) new_blocks: New,
    pub(super) log_hash: [u8; 32],
    /// The `seq` of the newest message that was written in this batch.
    pub(super) message_seq: u64,
    pub(super) dispatches: Dispatches,
    clocks: Clocks,
    clocks_are_dirty: bool,
    /// Time has moved to it.
    last_at: Option<Ms>,
}

#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) no: i64,
    position: Position,
    recent: Recent,
    is_dirty: bool,
}

#[derive(Debug)]
struct Thread {
    no: i64,
    record: ThreadRecord,
    recent: Recent,
    is_dirty: bool,
}

impl Pending {
    pub(super) fn load(connection: &Connection) -> Stored<Self> {
        let sql = "SELECT no, name, tail, cursor, acked_generation, recent
            FROM aspects JOIN inboxes ON inboxes.aspect = aspects.no";
        let rows = all(connection, sql, [], |row| Ok((parsed::<AspectName>(row, 1)?, inbox_row(row))))?;
        let mut inboxes = HashMap::with_capacity_and_hasher(rows.len(), RandomState::default());
        for (name, row) in rows {
            let (no, position, recent) = readable(format_args!("the inbox of {name}"), row.map_err(fault))?;
            let recent = recent_of(recent, &name)?;
            inboxes.insert(name, Inbox { no, position, recent, is_dirty: false });
        }
        let next_item = one(connection, "SELECT coalesce(max(no), 0) FROM items", [], |row| count(row, 0))?;
        let clocks = one(connection, "SELECT queue_state FROM meta", [], |row| opt_json(row, 0))?.flatten();
        Ok(Self {
            inboxes,
            clocks: clocks.unwrap_or_default(),
            ids: Ids::load(connection)?,
            new_blocks: New::load(connection)?,
            dispatches: Dispatches::load(connection)?,
            next_item: next_item.unwrap_or(0) + 1,
            log_hash: entries::newest(connection)?.map_or([0; 32], |(head, _)| head.hash),
            ..Self::default()
        })
    }

    /// Writes what is held back.
    pub(super) fn flush(&mut self, connection: &Connection) -> Stored<()> {
        messages::insert_block(connection, &mut self.block)?;
        if !self.dirty_inboxes.is_empty() {
            let sql = "UPDATE inboxes SET tail = ?2, cursor = ?3, acked_generation = ?4, recent = ?5
                WHERE aspect = ?1";
            let mut update = connection.prepare_cached(sql).map_err(fault)?;
            for name in self.dirty_inboxes.drain(..) {
                let Some(inbox) = self.inboxes.get_mut(&name) else { continue };
                let Position { tail, cursor, acked_generation } = inbox.position;
                let (tail, cursor) = (to_number(tail), to_number(cursor));
                let generation = to_number(acked_generation);
                update
                    .execute(params![inbox.no, tail, cursor, generation, inbox.recent.bytes()])
                    .map_err(fault)?;
                inbox.is_dirty = false;
            }
        }
        if !self.dirty_threads.is_empty() {
            let sql = "UPDATE thread_states SET last_at = ?2, last_seq = ?3, messages = ?4, paused = ?5,
                    agent_run = ?6, same_run = ?7, last_content = ?8, recent = ?9
                WHERE thread = ?1";
            let mut update = connection.prepare_cached(sql).map_err(fault)?;
            for id in self.dirty_threads.drain(..) {
                let Some(thread) = self.threads.get_mut(&id) else { continue };
                let record = &thread.record;
                let row = params![
                    thread.no,
                    record.last_at,
                    to_number(record.last_seq),
                    to_number(record.messages),
                    record.paused,
                    record.agent_run,
                    record.same_run,
                    record.last_content,
                    thread.recent.bytes(),
                ];
                update.execute(row).map_err(fault)?;
                thread.is_dirty = false;
            }
        }
        if std::mem::take(&mut self.clocks_are_dirty) {
            let sql = "UPDATE meta SET queue_state = ?1";
            let mut update = connection.prepare_cached(sql).map_err(fault)?;
            update.execute([to_json(&self.clocks)]).map_err(fault)?;
        }
        if let Some(at) = self.last_at.take() {
            let sql = "UPDATE meta SET last_at = ?1 WHERE last_at < ?1";
            let mut update = connection.prepare_cached(sql).map_err(fault)?;
            update.execute([at]).map_err(fault)?;
        }
        Ok(())
    }

    pub(super) fn put_clocks(&mut self, changes: &ClockChanges) {
        self.clocks.change(changes);
        self.clocks_are_dirty = true;
    }

    pub(super) fn put_last_at(&mut self, at: Ms) {
        self.last_at = self.last_at.max(Some(at));
    }

    /// Called after a commit, when nothing is held back.
    pub(super) fn trim(&mut self) {
        if self.threads.len() > THREADS_MAX {
            self.threads.clear();
        }
    }

    pub(super) fn aspect_no(&self, name: &AspectName) -> Stored<i64> {
        let inbox = self.inboxes.get(name);
        inbox.map(|inbox| inbox.no).ok_or_else(|| damage(format_args!("there is no aspect {name}")))
    }

    /// An aspect that was just inserted.
    pub(super) fn add_aspect(&mut self, name: AspectName, no: i64) {
        let (position, recent) = (Position::default(), Recent::default());
        self.inboxes.insert(name, Inbox { no, position, recent, is_dirty: false });
    }

    pub(super) fn has_aspect(&self, name: &AspectName) -> bool {
        self.inboxes.contains_key(name)
    }

    pub(super) fn set_position(&mut self, name: &AspectName, position: Position) -> Stored<()> {
        let inbox = self.dirty_inbox(name)?;
        inbox.position = position;
        Ok(())
    }

    /// Appends an item.
    pub(super) fn push_item(
        &mut self,
        connection: &Connection,
        name: &AspectName,
        offset: u64,
        reference: u64,
    ) -> Stored<()> {
        let inbox = self.dirty_inbox(name)?;
        if offset != inbox.position.tail + 1 {
            let tail = inbox.position.tail;
            return Err(damage(format_args!("offset {offset} cannot follow {tail} in the inbox of {name}")));
        }
        inbox.position.tail = offset;
        inbox.recent.push(reference);
        match inbox.recent.take_full() {
            None => Ok(()),
            Some(full) => {
                let no = inbox.no;
                self.new_blocks.put_of_inbox(connection, no, offset, &full.bytes)
            }
        }
    }

    fn dirty_inbox(&mut self, name: &AspectName) -> Stored<&mut Inbox> {
        let inbox = self.inboxes.get_mut(name);
        let inbox = inbox.ok_or_else(|| damage(format_args!("there is no aspect {name}")))?;
        if !inbox.is_dirty {
            inbox.is_dirty = true;
            self.dirty_inboxes.push(name.clone());
        }
        Ok(inbox)
    }

    pub(super) fn thread(&mut self, connection: &Connection, id: ThreadId) -> Stored<Option<ThreadRecord>> {
        if let Some(thread) = self.threads.get(&id) {
            return Ok(Some(thread.record.clone()));
        }
        let Some(ThreadRow { no, record, recent }) = thread(connection, id)? else {
            return Ok(None);
        };
        let recent = recent_of(recent, &id)?;
        self.threads.insert(id, Thread { no, record: record.clone(), recent, is_dirty: false });
        Ok(Some(record))
    }

    pub(super) fn thread_no(&mut self, connection: &Connection, id: ThreadId) -> Stored<i64> {
        if !self.threads.contains_key(&id) {
            self.thread(connection, id)?;
        }
        let thread = self.threads.get(&id);
        thread.map(|thread| thread.no).ok_or_else(|| damage(format_args!("there is no thread {id}")))
    }

    pub(super) fn put_thread(&mut self, connection: &Connection, record: &ThreadRecord) -> Stored<()> {
        let id = record.id;
        if !self.threads.contains_key(&id) && self.thread(connection, id)?.is_none() {
            self.threads.insert(id, insert_thread(connection, record)?);
        }
        let Some(thread) = self.threads.get_mut(&id) else { return Ok(()) };
        let kept = &thread.record;
        if !is_same(&kept.title, &record.title) || !is_same(&kept.participants, &record.participants) {
            let sql = "UPDATE threads SET title = ?2, participants = ?3 WHERE no = ?1";
            let mut update = connection.prepare_cached(sql).map_err(fault)?;
            let participants = to_parties(&record.participants);
            update.execute(params![thread.no, &*record.title, participants]).map_err(fault)?;
        }
        activity::change(connection, thread.no, Some(kept), record)?;
        thread.record = record.clone();
        if !thread.is_dirty {
            thread.is_dirty = true;
            self.dirty_threads.push(id);
        }
        Ok(())
    }

    /// Notes a message of a thread.
    pub(super) fn push_message(&mut self, connection: &Connection, id: ThreadId, seq: u64) -> Stored<()> {
        let no = self.thread_no(connection, id)?;
        let Some(thread) = self.threads.get_mut(&id) else { return Ok(()) };
        thread.recent.push(seq);
        if !thread.is_dirty {
            thread.is_dirty = true;
            self.dirty_threads.push(id);
        }
        match thread.recent.take_full() {
            None => Ok(()),
            Some(Full { first, bytes }) => self.new_blocks.put_of_thread(connection, no, first, &bytes),
        }
    }
}

fn inbox_row(row: &Row<'_>) -> rusqlite::Result<(i64, Position, Vec<u8>)> {
    let position =
        Position { tail: count(row, 2)?, cursor: count(row, 3)?, acked_generation: count(row, 4)? };
    Ok((row.get(0)?, position, row.get(5)?))
}

/// Nearly always it is the very one.
fn is_same<T: PartialEq + ?Sized>(a: &Arc<T>, b: &Arc<T>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

fn insert_thread(connection: &Connection, record: &ThreadRecord) -> Stored<Thread> {
    let sql = "INSERT INTO threads (id, title, created_at, participants) VALUES (?1, ?2, ?3, ?4)";
    let mut insert = connection.prepare_cached(sql).map_err(fault)?;
    let participants = to_parties(&record.participants);
    let row = params![to_blob(record.id.0), &*record.title, record.created_at, participants];
    let no = insert.insert(row).map_err(fault)?;
    let sql = "INSERT INTO thread_states
            (thread, last_at, last_seq, messages, paused, agent_run, same_run, last_content, recent)
        VALUES (?1, ?2, 0, 0, 0, 0, 0, x'', x'')";
    let mut insert = connection.prepare_cached(sql).map_err(fault)?;
    insert.execute(params![no, record.last_at]).map_err(fault)?;
    activity::change(connection, no, None, record)?;
    Ok(Thread { no, record: record.clone(), recent: Recent::default(), is_dirty: false })
}

pub(super) fn recent_of(bytes: Vec<u8>, of: &dyn std::fmt::Display) -> Stored<Recent> {
    Recent::from_bytes(bytes).ok_or_else(|| damage(format_args!("the open block of {of} cannot be read")))
}
