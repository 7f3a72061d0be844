//! Checks what can be checked of a database: pages, foreign keys, and the log's hash chain.

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use sha2::{Digest, Sha256};

use super::chain::Link;
use super::columns::count;
use super::entries;
use super::fault::{damage, fault};
use super::retention;
use crate::hub::records::Stored;
use crate::store::head::Head;

/// What a database that passed every check holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Checked {
    pub head: Head,
    /// How the head it was compared with stands in this log.
    pub against: Option<Standing>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// The log holds that entry, so everything up to it is as it was.
    Contained,
    /// Another entry stands there: the log is another one, or was rewritten.
    Differs,
    /// The log ends before it: an older copy was put in its place.
    Missing,
    /// The entry is not kept any more, and the checkpoint that stands for it is a later one.
    Pruned,
}

/// Every check; otherwise the first fault.
pub(super) fn verify(connection: &Connection, against: Option<Head>) -> Stored<Checked> {
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
    chain(connection, against)
}

fn chain(connection: &Connection, against: Option<Head>) -> Stored<Checked> {
    let sql = entries::chain(entries::has_messages(connection)?);
    let mut statement = connection.prepare(sql).map_err(fault)?;
    let mut rows = statement.query([]).map_err(fault)?;
    let checkpoints = checkpoints_of(connection)?;
    let mut head = checkpoints.last().copied().unwrap_or(Head { seq: 0, hash: [0; 32] });
    let mut standing = against.map(|wanted| match checkpoints.iter().find(|it| it.seq == wanted.seq) {
        Some(checkpoint) => standing_at(*checkpoint, wanted),
        None if wanted.seq < head.seq => Standing::Pruned,
        None => standing_at(head, wanted),
    });
    while let Some(row) = rows.next().map_err(fault)? {
        let (seq, written) = checked(row, &head.hash).map_err(fault)?;
        if seq != head.seq + 1 {
            return Err(damage(format_args!("the log goes from entry {} to {seq}", head.seq)));
        }
        let hash = written.ok_or_else(|| damage(format_args!("entry {seq} of the log was changed")))?;
        head = Head { seq, hash };
        if let Some(wanted) = against.filter(|wanted| wanted.seq == seq) {
            standing = Some(standing_at(head, wanted));
        }
    }
    Ok(Checked { head, against: standing })
}

/// Those that stand for entries that are gone; an older schema has none.
fn checkpoints_of(connection: &Connection) -> Stored<Vec<Head>> {
    let sql = "SELECT count(*) FROM sqlite_schema WHERE name = 'checkpoints'";
    let has_them: u32 = connection.query_row(sql, [], |row| row.get(0)).map_err(fault)?;
    if has_them == 0 {
        return Ok(Vec::new());
    }
    let checkpoints = retention::checkpoints(connection)?;
    Ok(checkpoints.into_iter().map(|it| Head { seq: it.seq, hash: it.hash }).collect())
}

fn standing_at(head: Head, wanted: Head) -> Standing {
    match head == wanted {
        true => Standing::Contained,
        false if head.seq == wanted.seq => Standing::Differs,
        false => Standing::Missing,
    }
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
    let digest = Sha256::digest(bytes(8)?);
    let hash = Link {
        seq,
        at: row.get(1)?,
        kind: row.get_ref(2)?.as_str()?,
        actor: row.get_ref(3)?.as_str()?,
        thread: bytes(4)?,
        subject: bytes(5)?,
        detail: row.get_ref(6)?.as_str_or_null()?.unwrap_or_default(),
        content_sha256: if row.get_ref(8)? == ValueRef::Null { bytes(7)? } else { &digest[..] },
    }
    .hash(before);
    Ok((seq, (bytes(9)? == hash).then_some(hash)))
}
