//! What is kept no longer, as rows: blocks of inboxes, and the beginning of the log.

use nexus_wire::{ApprovalId, AspectName, DispatchId, MessageId, Ms, Party, ThreadId, derive};
use rusqlite::{Connection, params};

use super::blocks::{BLOCK, unpack};
use super::columns::{count, id, to_blob, to_number};
use super::entries;
use super::fault::{damage, fault};
use super::messages::{self, Messages};
use super::read::{all, one};
use crate::hub::records::{Checkpoint, INBOX_BLOCK, Pruned, Stored};

const _: () = assert!(BLOCK == INBOX_BLOCK);

pub(super) fn inbox_floor(connection: &Connection, aspect: &AspectName) -> Stored<u64> {
    let sql = "SELECT floor FROM inboxes JOIN aspects ON aspects.no = aspect WHERE name = ?1";
    Ok(one(connection, sql, [aspect.as_str()], |row| count(row, 0))?.unwrap_or(0))
}

pub(super) fn prune_inbox(connection: &Connection, aspect: &AspectName, no: i64, floor: u64) -> Stored<()> {
    let first = inbox_floor(connection, aspect)? / BLOCK;
    for block in first..floor / BLOCK {
        let row = params![no, to_number(block)];
        let sql = "SELECT refs FROM inbox_blocks WHERE aspect = ?1 AND block = ?2";
        let refs =
            one(connection, sql, row, |row| row.get::<_, Vec<u8>>(0))?.and_then(|bytes| unpack(&bytes));
        let refs = refs
            .ok_or_else(|| damage(format_args!("block {block} of the inbox of {aspect} cannot be read")))?;
        // The others are of messages, which are not this inbox's alone.
        for item in refs.into_iter().filter(|reference| reference & 1 == 1) {
            execute(connection, "DELETE FROM items WHERE no = ?1", [to_number(item >> 1)])?;
        }
        execute(connection, "DELETE FROM inbox_blocks WHERE aspect = ?1 AND block = ?2", row)?;
    }
    execute(connection, "UPDATE inboxes SET floor = ?2 WHERE aspect = ?1", params![no, to_number(floor)])
}

pub(super) fn log_floor(connection: &Connection) -> Stored<u64> {
    let sql = "SELECT coalesce(max(seq), 0) FROM checkpoints";
    Ok(one(connection, sql, [], |row| count(row, 0))?.unwrap_or(0))
}

pub(super) fn checkpoints(connection: &Connection) -> Stored<Vec<Checkpoint>> {
    let sql = "SELECT seq, at, hash, signature FROM checkpoints ORDER BY seq";
    all(connection, sql, [], |row| {
        Ok(Checkpoint { seq: count(row, 0)?, at: row.get(1)?, hash: row.get(2)?, signature: row.get(3)? })
    })
}

pub(super) fn prune_log(connection: &Connection, checkpoint: &Checkpoint) -> Stored<()> {
    let Checkpoint { seq, at, hash, signature } = checkpoint;
    let sql = "INSERT INTO checkpoints (seq, at, hash, signature) VALUES (?1, ?2, ?3, ?4)";
    execute(connection, sql, params![to_number(*seq), at, hash, signature])?;
    entries::drop_up_to(connection, *seq)
}

pub(super) fn contents_floor(connection: &Connection) -> Stored<u64> {
    Ok(one(connection, "SELECT contents_floor FROM meta", [], |row| count(row, 0))?.unwrap_or(0))
}

pub(super) fn put_contents_floor(connection: &Connection, seq: u64) -> Stored<()> {
    execute(connection, "UPDATE meta SET contents_floor = ?1", [to_number(seq)])
}

pub(super) fn thread_pruned(connection: &Connection, thread: ThreadId) -> Stored<Option<Pruned>> {
    let sql =
        "SELECT messages, up_to FROM thread_pruned WHERE thread = (SELECT no FROM threads WHERE id = ?1)";
    one(connection, sql, [to_blob(thread.0)], |row| {
        Ok(Pruned { messages: count(row, 0)?, up_to: count(row, 1)? })
    })
}

pub(super) fn messages_older(
    connection: &Connection,
    before: Ms,
    after: u64,
    limit: u32,
) -> Stored<Vec<(u64, MessageId)>> {
    let mut found = Vec::new();
    if limit == 0 {
        return Ok(found);
    }
    Messages::of(connection)?.each_after(after, |kept| {
        // Time runs with `seq`: behind one that is too young there is none.
        let is_older = kept.at < before;
        if is_older {
            found.push((kept.seq, MessageId(kept.id)));
        }
        Ok(is_older && found.len() < limit as usize)
    })?;
    Ok(found)
}

pub(super) fn dispatches_older(
    connection: &Connection,
    before: Ms,
    after: Option<DispatchId>,
    limit: u32,
) -> Stored<Vec<DispatchId>> {
    let sql = "SELECT id FROM dispatches
        WHERE queue IS NULL AND id > ?2 AND info ->> '$.ended_at' < ?1 ORDER BY id LIMIT ?3";
    let after = after.map_or(Vec::new(), |id| to_blob(id.0).to_vec());
    all(connection, sql, params![before, after, limit], |row| id(row, 0, DispatchId))
}

pub(super) fn approvals_older(
    connection: &Connection,
    before: Ms,
    after: Option<ApprovalId>,
    limit: u32,
) -> Stored<Vec<ApprovalId>> {
    let sql = "SELECT id FROM approvals
        WHERE NOT open AND id > ?2 AND info ->> '$.ended_at' < ?1 ORDER BY id LIMIT ?3";
    let after = after.map_or(Vec::new(), |id| to_blob(id.0).to_vec());
    all(connection, sql, params![before, after, limit], |row| id(row, 0, ApprovalId))
}

pub(super) fn delete_approval(connection: &Connection, id: ApprovalId) -> Stored<()> {
    execute(connection, "DELETE FROM approvals WHERE id = ?1", [to_blob(id.0)])
}

pub(super) fn delete_message(connection: &Connection, id: MessageId) -> Stored<()> {
    let found = match messages::seq_of(connection, id)? {
        Some(seq) => {
            Messages::of(connection)?.at(seq, |kept| Ok((kept.seq, to_blob(kept.thread), kept.to()?)))?
        }
        None => None,
    };
    let (seq, thread, to) = found.ok_or_else(|| damage(format_args!("there is no message {id}")))?;
    for name in to.iter().filter_map(Party::aspect) {
        let row = params![to_blob(derive::message_item(id, name).0), name.as_str()];
        for sql in [
            "DELETE FROM taken WHERE item = ?1 AND aspect = (SELECT no FROM aspects WHERE name = ?2)",
            "DELETE FROM closed WHERE item = ?1 AND aspect = (SELECT no FROM aspects WHERE name = ?2)",
        ] {
            execute(connection, sql, row)?;
        }
    }
    entries::outlive(connection, seq)?;
    for sql in ["DELETE FROM reactions WHERE message = ?1", "DELETE FROM blob_references WHERE message = ?1"]
    {
        execute(connection, sql, [to_number(seq)])?;
    }
    messages::delete(connection, id, seq)?;
    let sql = "INSERT INTO thread_pruned (thread, messages, up_to)
        SELECT no, 1, ?2 FROM threads WHERE id = ?1
        ON CONFLICT (thread) DO UPDATE SET messages = messages + 1, up_to = max(up_to, excluded.up_to)";
    execute(connection, sql, params![thread, to_number(seq)])
}

pub(super) fn delete_dispatch(connection: &Connection, id: DispatchId) -> Stored<()> {
    let id = to_blob(id.0);
    for sql in [
        "DELETE FROM dispatch_inputs WHERE dispatch = (SELECT no FROM dispatches WHERE id = ?1)",
        "DELETE FROM dispatch_outputs WHERE dispatch = (SELECT no FROM dispatches WHERE id = ?1)",
        "DELETE FROM blob_mentions WHERE kind = 0 AND id = ?1",
        "DELETE FROM dispatches WHERE id = ?1",
    ] {
        execute(connection, sql, [id])?;
    }
    Ok(())
}

fn execute(connection: &Connection, sql: &str, params: impl rusqlite::Params) -> Stored<()> {
    connection.prepare_cached(sql).and_then(|mut it| it.execute(params)).map_err(fault)?;
    Ok(())
}
