//! Read positions, receipts and reactions: small rows beside the messages.

use nexus_wire::{AspectName, ItemId, MessageId, Ms, Party, ThreadId};
use rusqlite::{Connection, params};

use super::blocks::{BLOCK, unpack};
use super::columns::{count, parsed, to_blob, to_number};
use super::fault::{damage, fault};
use super::messages::Messages;
use super::read::{all, one};
use super::{full_blocks, retention};
use crate::hub::records::{ReactionRecord, Stored};

pub(super) fn taken(connection: &Connection, aspect: &AspectName, item: ItemId) -> Stored<Option<Ms>> {
    let sql = "SELECT at FROM taken WHERE item = ?1 AND aspect = (SELECT no FROM aspects WHERE name = ?2)";
    one(connection, sql, params![to_blob(item.0), aspect.as_str()], |row| row.get(0))
}

pub(super) fn read_position(connection: &Connection, reader: &Party, thread: ThreadId) -> Stored<u64> {
    let sql = "SELECT seq FROM read_positions
        WHERE thread = (SELECT no FROM threads WHERE id = ?1) AND reader = ?2";
    let found = one(connection, sql, params![to_blob(thread.0), reader.to_string()], |row| count(row, 0))?;
    Ok(found.unwrap_or(0))
}

/// To the message `message` at `seq`.
pub(super) fn reactions(
    connection: &Connection,
    message: MessageId,
    seq: u64,
) -> Stored<Vec<ReactionRecord>> {
    let sql = "SELECT emoji, party, at FROM reactions WHERE message = ?1 ORDER BY emoji, party";
    all(connection, sql, [to_number(seq)], |row| {
        Ok(ReactionRecord { message, emoji: row.get(0)?, by: parsed(row, 1)?, at: row.get(2)? })
    })
}

/// The `seq`s of a thread from the last one back, until `visit` has seen enough and returns false.
pub(super) fn back(
    connection: &Connection,
    thread: ThreadId,
    mut visit: impl FnMut(u64) -> Stored<bool>,
) -> Stored<()> {
    let numbers = |bytes: &[u8]| {
        unpack(bytes).ok_or_else(|| damage(format_args!("a block of {thread} cannot be read")))
    };
    let sql = "SELECT no, recent FROM threads JOIN thread_states ON thread_states.thread = threads.no WHERE id = ?1";
    let found = one(connection, sql, [to_blob(thread.0)], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
    })?;
    let Some((no, recent)) = found else { return Ok(()) };
    for seq in numbers(&recent)?.into_iter().rev() {
        if !visit(seq)? {
            return Ok(());
        }
    }
    let mut statement = connection.prepare_cached(full_blocks::OF_THREAD_BACK).map_err(fault)?;
    let mut rows = statement.query([no]).map_err(fault)?;
    while let Some(row) = rows.next().map_err(fault)? {
        let block = row.get_ref(0).and_then(|it| Ok(it.as_blob()?)).map_err(fault)?;
        for seq in numbers(block)?.into_iter().rev() {
            if !visit(seq)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

pub(super) fn unread(connection: &Connection, reader: &Party, thread: ThreadId, most: u64) -> Stored<u64> {
    let position = read_position(connection, reader, thread)?;
    let mut messages = Messages::of(connection)?;
    let (own, mut unread, mut looks) = (reader.to_string(), 0, most.saturating_mul(2));
    back(connection, thread, |seq| {
        if seq <= position || unread == most || looks == 0 {
            return Ok(false);
        }
        looks -= 1;
        let Some(is_own) = messages.at(seq, |kept| Ok(kept.sender == own))? else {
            // It is kept no longer.
            return Ok(true);
        };
        unread += u64::from(!is_own);
        Ok(!is_own)
    })?;
    Ok(unread)
}

/// Of the messages in an inbox that are not acknowledged, the first one's `seq`.
pub(super) fn first_unacked(connection: &Connection, aspect: &AspectName) -> Stored<Option<u64>> {
    let sql = "SELECT no, tail, cursor, recent FROM aspects JOIN inboxes ON inboxes.aspect = aspects.no
        WHERE name = ?1";
    let found = one(connection, sql, [aspect.as_str()], |row| {
        Ok((row.get::<_, i64>(0)?, count(row, 1)?, count(row, 2)?, row.get::<_, Vec<u8>>(3)?))
    })?;
    let Some((no, tail, cursor, recent)) = found else { return Ok(None) };
    let numbers = |bytes: &[u8]| {
        unpack(bytes).ok_or_else(|| damage(format_args!("the inbox of {aspect} cannot be read")))
    };
    let floor = retention::contents_floor(connection)?;
    let mut offset = cursor + 1;
    while offset <= tail {
        let block = (offset - 1) / BLOCK;
        let refs = if block == tail / BLOCK {
            numbers(&recent)?
        } else {
            let block = params![no, to_number(block)];
            let found = one(connection, full_blocks::OF_INBOX, block, |row| row.get::<_, Vec<u8>>(0))?;
            numbers(&found.ok_or_else(|| damage(format_args!("a block of {aspect}'s inbox is gone")))?)?
        };
        let rest = refs.get(((offset - 1) % BLOCK) as usize..).unwrap_or_default();
        for seq in rest.iter().filter(|reference| *reference & 1 == 0).map(|reference| reference >> 1) {
            // The cursor may have gone back behind what is kept no longer.
            if seq > floor || Messages::of(connection)?.has(seq)? {
                return Ok(Some(seq));
            }
        }
        offset = (block + 1) * BLOCK + 1;
    }
    Ok(None)
}
