//! Checks what can be checked of a database: pages, foreign keys, and the log's hash chain.

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::chain::Link;
use super::columns::count;
use super::fault::{damage, fault};
use crate::hub::records::Stored;

/// The newest entry and its hash, if every check holds; otherwise the first fault.
pub(super) fn verify(connection: &Connection) -> Stored<(u64, [u8; 32])> {
    let integrity: String =
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(fault)?;
    if integrity != "ok" {
        return Err(damage(integrity));
    }
    let mut keys = connection.prepare("PRAGMA foreign_key_check").map_err(fault)?;
    let mut broken = keys.query([]).map_err(fault)?;
    if let Some(row) = broken.next().map_err(fault)? {
        let table: String = row.get(0).map_err(fault)?;
        return Err(damage(format_args!("a row of {table} refers to one that is not there")));
    }
    chain(connection)
}

fn chain(connection: &Connection) -> Stored<(u64, [u8; 32])> {
    let sql = "SELECT seq, at, kind, actor, threads.id, subject, detail, content_sha256, hash
        FROM log LEFT JOIN threads ON threads.no = log.thread ORDER BY seq";
    let mut statement = connection.prepare(sql).map_err(fault)?;
    let mut rows = statement.query([]).map_err(fault)?;
    let mut head = (0, [0; 32]);
    while let Some(row) = rows.next().map_err(fault)? {
        let (seq, written) = checked(row, &head.1).map_err(fault)?;
        if seq != head.0 + 1 {
            return Err(damage(format_args!("the log goes from {} to {seq}", head.0)));
        }
        head = (seq, written.ok_or_else(|| damage(format_args!("entry {seq} of the log was changed")))?);
    }
    Ok(head)
}

/// The row's hash, if it is what the row and the one before say.
fn checked(row: &rusqlite::Row<'_>, before: &[u8; 32]) -> rusqlite::Result<(u64, Option<[u8; 32]>)> {
    let bytes = |at: usize| {
        Ok::<_, rusqlite::Error>(match row.get_ref(at)? {
            ValueRef::Blob(bytes) | ValueRef::Text(bytes) => bytes,
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => &[],
        })
    };
    let seq = count(row, 0)?;
    let hash = Link {
        seq,
        at: row.get(1)?,
        kind: row.get_ref(2)?.as_str()?,
        actor: row.get_ref(3)?.as_str()?,
        thread: bytes(4)?,
        subject: bytes(5)?,
        detail: row.get_ref(6)?.as_str_or_null()?.unwrap_or_default(),
        content_sha256: bytes(7)?,
    }
    .hash(before);
    let written: [u8; 32] = row.get(8)?;
    Ok((seq, (written == hash).then_some(hash)))
}
