//! Messages as they are kept: in blocks, read by `seq`, in the order of it either way, and by id.

mod block;
mod id_blocks;
mod ids;
mod rows;
#[cfg(test)]
mod tests;

use nexus_wire::{MessageId, Ms};
use rusqlite::{CachedStatement, Connection, Row, params};

pub(super) use block::{Block, Kept};
pub(super) use id_blocks::{check_ids, seq_at as written};
pub(super) use ids::{Ids, seq_of, write_all as write_ids, written_up_to};
pub(super) use rows::{each as each_row, into_blocks};

use super::chain::hash_of_message;
use super::columns::{count, to_number};
use super::entries;
use super::fault::{damage, fault};
use super::read::steady;
use crate::hub::records::{MessageRecord, Stored};
use crate::store::page::first_not;

/// A block of this size and more is written, and before a message that would make it larger; what comes next opens another.
pub(super) const BLOCK_BYTES: usize = 16 * 1024;

/// Reads messages, one after the other. They are looked at in the block that was read last.
pub(super) struct Messages<'c> {
    up_to: CachedStatement<'c>,
    behind: CachedStatement<'c>,
    block: Block,
}

impl<'c> Messages<'c> {
    pub(super) fn of(connection: &'c Connection) -> Stored<Self> {
        let prepare = |sql| connection.prepare_cached(sql).map_err(fault);
        Ok(Self {
            up_to: prepare(
                "SELECT first, body FROM message_blocks WHERE first <= ?1 ORDER BY first DESC LIMIT 1",
            )?,
            behind: prepare(
                "SELECT first, body FROM message_blocks WHERE first > ?1 ORDER BY first LIMIT 1",
            )?,
            block: Block::default(),
        })
    }

    /// `None`: there is no message with this `seq`, or not any more.
    pub(super) fn at<T>(&mut self, seq: u64, look: impl FnOnce(&Kept<'_>) -> Stored<T>) -> Stored<Option<T>> {
        if !self.block.spans(seq) {
            self.read_up_to(seq)?;
        }
        self.block.find(seq)?.map(|kept| look(&kept)).transpose()
    }

    pub(super) fn has(&mut self, seq: u64) -> Stored<bool> {
        Ok(self.at(seq, |_| Ok(()))?.is_some())
    }

    /// Visits those behind `seq`, the first one first, until `visit` has seen enough and returns false.
    pub(super) fn each_after(
        &mut self,
        seq: u64,
        mut visit: impl FnMut(&Kept<'_>) -> Stored<bool>,
    ) -> Stored<()> {
        let mut last = seq;
        if !self.block.spans(seq) {
            self.read_up_to(seq)?;
        }
        loop {
            for place in self.block.up_to(last)..self.block.count() {
                let kept = self.block.get(place)?;
                last = kept.seq;
                if !visit(&kept)? {
                    return Ok(());
                }
            }
            if !read(&mut self.behind, last, &mut self.block)? {
                return Ok(());
            }
        }
    }

    /// The same with those before `seq`, the last one first.
    pub(super) fn each_before(
        &mut self,
        seq: u64,
        mut visit: impl FnMut(&Kept<'_>) -> Stored<bool>,
    ) -> Stored<()> {
        let mut first = seq;
        while let Some(before) = first.checked_sub(1)
            && self.read_up_to(before)?
        {
            for place in (0..self.block.before(first)).rev() {
                let kept = self.block.get(place)?;
                first = kept.seq;
                if !visit(&kept)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The first `seq` up to `end` with only older messages than of that time before it.
    pub(super) fn made_since(&mut self, time: Ms, end: u64) -> Stored<u64> {
        // Time runs with `seq`.
        first_not(0, end, |seq| {
            // What is no message, or not any more, has the time of the one before it.
            let mut is_older = true;
            self.each_before(seq + 1, |kept| {
                is_older = kept.at < time;
                Ok(false)
            })?;
            Ok(is_older)
        })
    }

    /// Of the entry that a message behind `after` is; `None`: there is no message with this `seq`. Where it is not written it
    /// follows from the entry before, be that one in the block or not: `of` tells the hash of that one.
    pub(super) fn hash_at(
        &mut self,
        seq: u64,
        after: u64,
        of: impl FnOnce(u64) -> Stored<[u8; 32]>,
    ) -> Stored<Option<[u8; 32]>> {
        let found = self.at(seq, |kept| Ok(kept.hash))?;
        if found != Some(None) {
            return Ok(found.flatten());
        }
        let place = self.block.before(seq);
        if place + 1 == self.block.count() {
            return Err(damage(format_args!("the block that ends with message {seq} has no hash")));
        }
        let (mut first, mut before) = (place, seq.saturating_sub(1));
        while first > 0 && before > after && self.block.get(first - 1)?.seq == before {
            (first, before) = (first - 1, before - 1);
        }
        let mut hash = of(before)?;
        for place in first..=place {
            let kept = self.block.get(place)?;
            hash = hash_of_message(&kept, &hash);
        }
        Ok(Some(hash))
    }

    /// Holds `hash`, which was told of the entry that message `seq` is, against the one that is written with the last of
    /// those that follow it in its block.
    pub(super) fn check_hash(&mut self, seq: u64, mut hash: [u8; 32]) -> Stored<()> {
        if !self.has(seq)? {
            return Ok(());
        }
        let mut last = seq;
        for place in self.block.up_to(seq)..self.block.count() {
            let kept = self.block.get(place)?;
            if kept.seq - last > 1 {
                return Ok(());
            }
            last = kept.seq;
            hash = hash_of_message(&kept, &hash);
            if kept.hash.is_some_and(|written| written != hash) {
                return Err(damage(format_args!("an entry of the log up to {last} was changed")));
            }
        }
        Ok(())
    }

    /// Reads the last block that begins no later than at `seq`; `false`: there is none.
    fn read_up_to(&mut self, seq: u64) -> Stored<bool> {
        read(&mut self.up_to, seq, &mut self.block)
    }
}

fn read(statement: &mut CachedStatement<'_>, seq: u64, block: &mut Block) -> Stored<bool> {
    let mut rows = statement.query([to_number(seq)]).map_err(fault)?;
    match rows.next().map_err(fault)? {
        Some(row) => fill(block, row).map(|()| true),
        None => {
            block.clear();
            Ok(false)
        }
    }
}

/// From its row: `first` and `body`. One that begins elsewhere than it says would be read for ever.
fn fill(block: &mut Block, row: &Row<'_>) -> Stored<()> {
    let first = count(row, 0).map_err(fault)?;
    block.fill(row.get_ref(1).and_then(|it| Ok(it.as_blob()?)).map_err(fault)?)?;
    match block.first() == Some(first) {
        true => Ok(()),
        false => Err(damage(format_args!("the block of message {first} begins with another"))),
    }
}

/// No message lies in two blocks, or before the one it belongs to.
pub(super) fn check_order(connection: &Connection) -> Stored<()> {
    let mut statement =
        connection.prepare("SELECT first, body FROM message_blocks ORDER BY first").map_err(fault)?;
    let mut rows = statement.query([]).map_err(fault)?;
    let (mut block, mut last) = (Block::default(), None);
    while let Some(row) = rows.next().map_err(fault)? {
        fill(&mut block, row)?;
        if let Some(first) = block.first().filter(|first| last.is_some_and(|last| *first <= last)) {
            return Err(damage(format_args!("the block of message {first} begins inside the one before")));
        }
        last = block.last();
    }
    Ok(())
}

pub(super) fn record_at(connection: &Connection, seq: u64) -> Stored<Option<MessageRecord>> {
    Messages::of(connection)?.at(seq, |kept| kept.record())
}

pub(super) fn record(connection: &Connection, id: MessageId) -> Stored<Option<MessageRecord>> {
    let _steady = steady(connection)?;
    match seq_of(connection, id)? {
        Some(seq) => record_at(connection, seq),
        None => Ok(None),
    }
}

/// Puts a message into the open block, which is written when it is large enough.
pub(super) fn append(connection: &Connection, block: &mut Block, message: &Kept<'_>) -> Stored<()> {
    if block.bytes().len() + message.content.len() > BLOCK_BYTES {
        // Whoever reads a small one need not read a large one for it.
        insert_block(connection, block)?;
    }
    block.push(message)?;
    if block.bytes().len() >= BLOCK_BYTES {
        insert_block(connection, block)?;
    }
    Ok(())
}

/// Writes a block, if there is anything in it, and empties it.
pub(super) fn insert_block(connection: &Connection, block: &mut Block) -> Stored<()> {
    let Some(first) = block.first() else { return Ok(()) };
    let sql = "INSERT INTO message_blocks (first, body) VALUES (?1, ?2)";
    let mut insert = connection.prepare_cached(sql).map_err(fault)?;
    insert.execute(params![to_number(first), block.bytes()]).map_err(fault)?;
    block.clear();
    Ok(())
}

/// Takes a message out of its block. Its id must be in the table.
pub(super) fn delete(connection: &Connection, id: MessageId, seq: u64) -> Stored<()> {
    let mut messages = Messages::of(connection)?;
    messages.read_up_to(seq)?;
    let Some(first) = messages.block.first() else {
        return Err(damage(format_args!("there is no message {id}")));
    };
    let mut left = messages.block.without(seq)?;
    if let Some(last) = left.last().filter(|last| *last < seq) {
        left.set_hash(entries::hash_at(connection, last)?);
    }
    let execute = |sql, params: &[&dyn rusqlite::ToSql]| {
        connection.prepare_cached(sql).and_then(|mut it| it.execute(params)).map_err(fault)
    };
    if left.first() == Some(first) {
        let sql = "UPDATE message_blocks SET body = ?2 WHERE first = ?1";
        execute(sql, &[&to_number(first), &left.bytes()])?;
    } else {
        execute("DELETE FROM message_blocks WHERE first = ?1", &[&to_number(first)])?;
        insert_block(connection, &mut left)?;
    }
    id_blocks::remove(connection, id.0)
}
