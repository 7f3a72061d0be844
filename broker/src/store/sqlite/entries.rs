//! The log as it is read: rows of `log`, and messages, which are their own entries.

use nexus_wire::Ms;
use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};

use super::columns::{count, to_blob, to_number};
use super::fault::{damage, fault};
use super::messages::Messages;
use super::read::{all, one};
use crate::hub::records::Stored;
use crate::store::head::Head;

/// Of an entry that is a message.
pub(super) const MESSAGE: &str = "message";

/// How a schema keeps messages; older ones are only read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// Every entry is a row of `log`.
    Beside,
    /// They are rows, and their own entries.
    Rows,
    /// They lie in blocks, and are their own entries.
    Blocks,
}

pub(super) fn form(connection: &Connection) -> Stored<Form> {
    let sql = "SELECT EXISTS (SELECT 1 FROM pragma_table_info('messages')),
        EXISTS (SELECT 1 FROM pragma_table_info('messages') WHERE name = 'hash')";
    let found = one(connection, sql, [], |row| Ok((row.get::<_, bool>(0)?, row.get::<_, bool>(1)?)))?;
    Ok(match found {
        Some((true, true)) => Form::Rows,
        Some((true, false)) => Form::Beside,
        Some((false, _)) | None => Form::Blocks,
    })
}

/// Messages behind this `seq` are their own entries.
pub(super) fn after(connection: &Connection) -> Stored<u64> {
    Ok(one(connection, "SELECT entries_after FROM meta", [], |row| count(row, 0))?.unwrap_or(0))
}

/// The newest entry, and its time.
pub(super) fn newest(connection: &Connection) -> Stored<Option<(Head, Ms)>> {
    let sql = "SELECT seq, at, hash FROM log ORDER BY seq DESC LIMIT 1";
    let of_log = one(connection, sql, [], |row| {
        Ok((Head { seq: count(row, 0)?, hash: row.get(2)? }, row.get::<_, Ms>(1)?))
    })?;
    let mut message = None;
    match form(connection)? {
        Form::Beside => {}
        Form::Rows => {
            let sql = "SELECT seq, at, hash FROM messages WHERE hash IS NOT NULL ORDER BY seq DESC LIMIT 1";
            message = one(connection, sql, [], |row| Ok((count(row, 0)?, row.get(1)?, row.get(2)?)))?;
        }
        Form::Blocks => Messages::of(connection)?.each_before(u64::MAX, |kept| {
            message = kept.hash.map(|hash| (kept.seq, kept.at, hash));
            Ok(false)
        })?,
    }
    let message = message.map(|(seq, at, hash)| (Head { seq, hash }, at));
    Ok(message.into_iter().chain(of_log).max_by_key(|(head, _)| head.seq))
}

/// When an entry was made. Behind the floor there are no holes.
pub(super) fn made_at(connection: &Connection, messages: &mut Messages<'_>, seq: u64) -> Stored<Ms> {
    let of_log = one(connection, "SELECT at FROM log WHERE seq = ?1", [to_number(seq)], |row| row.get(0))?;
    let found = match of_log {
        Some(at) => Some(at),
        None => messages.at(seq, |kept| Ok(kept.at))?,
    };
    found.ok_or_else(|| damage(format_args!("entry {seq} of the log is gone")))
}

/// `None`: there is no entry with this `seq`, or not any more.
pub(super) fn hash_at(connection: &Connection, seq: u64) -> Stored<Option<[u8; 32]>> {
    let of_log = one(connection, "SELECT hash FROM log WHERE seq = ?1", [to_number(seq)], |row| row.get(0))?;
    let after = after(connection)?;
    if of_log.is_some() || seq <= after {
        return Ok(of_log);
    }
    Messages::of(connection)?.hash_at(seq, after, |before| chained_to(connection, before))
}

/// What the chain goes on from behind the entry `seq`, which a checkpoint may stand for.
fn chained_to(connection: &Connection, seq: u64) -> Stored<[u8; 32]> {
    if seq == 0 {
        return Ok([0; 32]);
    }
    let sql = "SELECT hash FROM checkpoints WHERE seq = ?1";
    let found = match one(connection, sql, [to_number(seq)], |row| row.get(0))? {
        Some(of_checkpoint) => Some(of_checkpoint),
        None => hash_at(connection, seq)?,
    };
    found.ok_or_else(|| damage(format_args!("entry {seq} of the log is gone")))
}

/// The last of the first `limit` entries that is older than `before`.
pub(super) fn last_before(connection: &Connection, before: Ms, limit: u32) -> Stored<Option<u64>> {
    let sql = "SELECT seq, at FROM log ORDER BY seq LIMIT ?1";
    let mut first: Vec<(u64, Ms)> = all(connection, sql, [limit], |row| Ok((count(row, 0)?, row.get(1)?)))?;
    let mut left = limit;
    Messages::of(connection)?.each_after(after(connection)?, |kept| {
        first.push((kept.seq, kept.at));
        left = left.saturating_sub(1);
        Ok(left > 0)
    })?;
    first.sort_unstable();
    first.truncate(limit as usize);
    Ok(first.into_iter().rev().find(|(_, at)| *at < before).map(|(seq, _)| seq))
}

/// Gives the entry of a message that is about to go a row of its own, if it is kept.
pub(super) fn outlive(connection: &Connection, seq: u64) -> Stored<()> {
    if seq <= after(connection)? {
        return Ok(());
    }
    let sql = "INSERT INTO log (seq, at, kind, actor, thread, subject, content_sha256, hash)
        VALUES (?1, ?2, ?3, ?4, (SELECT no FROM threads WHERE id = ?5), ?6, ?7, ?8)";
    let mut insert = connection.prepare_cached(sql).map_err(fault)?;
    let hash = hash_at(connection, seq)?;
    Messages::of(connection)?.at(seq, |kept| {
        let digest: [u8; 32] = Sha256::digest(kept.content).into();
        let (thread, subject) = (to_blob(kept.thread), to_blob(kept.id));
        let row = params![to_number(seq), kept.at, MESSAGE, kept.sender, thread, subject, digest, hash];
        insert.execute(row).map_err(fault)
    })?;
    Ok(())
}

/// Entries up to here are not kept any more.
pub(super) fn drop_up_to(connection: &Connection, seq: u64) -> Stored<()> {
    for sql in
        ["DELETE FROM log WHERE seq <= ?1", "UPDATE meta SET entries_after = ?1 WHERE entries_after < ?1"]
    {
        connection.prepare_cached(sql).and_then(|mut it| it.execute([to_number(seq)])).map_err(fault)?;
    }
    Ok(())
}
