//! What is kept no longer, as rows: blocks of inboxes, and the beginning of the log.

use nexus_wire::{AspectName, Ms};
use rusqlite::{Connection, params};

use super::blocks::{BLOCK, unpack};
use super::columns::{count, to_number};
use super::fault::{damage, fault};
use super::read::{all, one};
use crate::hub::records::{Checkpoint, INBOX_BLOCK, Stored};

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

pub(super) fn log_hash(connection: &Connection, seq: u64) -> Stored<Option<[u8; 32]>> {
    one(connection, "SELECT hash FROM log WHERE seq = ?1", [to_number(seq)], |row| row.get(0))
}

pub(super) fn checkpoints(connection: &Connection) -> Stored<Vec<Checkpoint>> {
    let sql = "SELECT seq, at, hash, signature FROM checkpoints ORDER BY seq";
    all(connection, sql, [], |row| {
        Ok(Checkpoint { seq: count(row, 0)?, at: row.get(1)?, hash: row.get(2)?, signature: row.get(3)? })
    })
}

pub(super) fn log_before(connection: &Connection, before: Ms, limit: u32) -> Stored<Option<u64>> {
    let sql = "SELECT max(seq) FROM (SELECT seq, at FROM log ORDER BY seq LIMIT ?2) WHERE at < ?1";
    let found = one(connection, sql, params![before, limit], |row| row.get::<_, Option<i64>>(0))?;
    Ok(found.flatten().and_then(|seq| u64::try_from(seq).ok()))
}

pub(super) fn prune_log(connection: &Connection, checkpoint: &Checkpoint) -> Stored<()> {
    let Checkpoint { seq, at, hash, signature } = checkpoint;
    let sql = "INSERT INTO checkpoints (seq, at, hash, signature) VALUES (?1, ?2, ?3, ?4)";
    execute(connection, sql, params![to_number(*seq), at, hash, signature])?;
    execute(connection, "DELETE FROM log WHERE seq <= ?1", [to_number(*seq)])
}

fn execute(connection: &Connection, sql: &str, params: impl rusqlite::Params) -> Stored<()> {
    connection.prepare_cached(sql).and_then(|mut it| it.execute(params)).map_err(fault)?;
    Ok(())
}
