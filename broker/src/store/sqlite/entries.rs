//! The log as it is read: rows of `log`, and messages, which are their own entries.

use nexus_wire::Ms;
use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};

use super::columns::{count, to_number};
use super::fault::fault;
use super::read::one;
use crate::hub::records::Stored;
use crate::store::head::Head;

/// Of an entry that is a message.
pub(super) const MESSAGE: &str = "message";

/// Columns of entries of the log, in the order that `$order` says; `$which` stands behind `FROM log`. Both halves are
/// read in that order and merged.
macro_rules! entries {
    ($columns:literal, $which:literal, $order:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM log ",
            $which,
            " UNION ALL SELECT ",
            $columns,
            " FROM (SELECT seq, at, 'message' AS kind, sender AS actor, thread, id AS subject, NULL AS detail, hash
                FROM messages WHERE seq > (SELECT entries_after FROM meta)) AS log ",
            $which,
            " ",
            $order
        )
    };
}

pub(super) use entries;

/// What the chain is made of, the content of messages in place of its digest. `false`: of a schema in which every
/// entry is a row of `log`.
pub(super) const fn chain(has_messages: bool) -> &'static str {
    if has_messages {
        "SELECT seq, at, kind, actor, threads.id, subject, detail, content_sha256, NULL, hash
            FROM log LEFT JOIN threads ON threads.no = log.thread
        UNION ALL SELECT seq, at, 'message', sender, threads.id, messages.id, NULL, NULL, content, hash
            FROM messages LEFT JOIN threads ON threads.no = messages.thread
            WHERE seq > (SELECT entries_after FROM meta)
        ORDER BY seq"
    } else {
        "SELECT seq, at, kind, actor, threads.id, subject, detail, content_sha256, NULL, hash
            FROM log LEFT JOIN threads ON threads.no = log.thread ORDER BY seq"
    }
}

/// Whether the schema is one in which messages are their own entries; older ones are only read.
pub(super) fn has_messages(connection: &Connection) -> Stored<bool> {
    let sql = "SELECT count(*) FROM pragma_table_info('messages') WHERE name = 'hash'";
    Ok(one(connection, sql, [], |row| row.get::<_, i64>(0))? == Some(1))
}

/// The newest entry, and its time.
pub(super) fn newest(connection: &Connection) -> Stored<Option<(Head, Ms)>> {
    let sql = if has_messages(connection)? {
        entries!("seq, at, hash", "", "ORDER BY seq DESC LIMIT 1")
    } else {
        "SELECT seq, at, hash FROM log ORDER BY seq DESC LIMIT 1"
    };
    one(connection, sql, [], |row| Ok((Head { seq: count(row, 0)?, hash: row.get(2)? }, row.get(1)?)))
}

pub(super) fn hash_at(connection: &Connection, seq: u64) -> Stored<Option<[u8; 32]>> {
    one(connection, entries!("hash", "WHERE seq = ?1", ""), [to_number(seq)], |row| row.get(0))
}

/// The last of the first `limit` entries that is older than `before`.
pub(super) fn last_before(connection: &Connection, before: Ms, limit: u32) -> Stored<Option<u64>> {
    let sql = concat!(
        "SELECT max(seq) FROM (",
        entries!("seq, at", "", "ORDER BY seq LIMIT ?2"),
        ") WHERE at < ?1"
    );
    let found = one(connection, sql, params![before, limit], |row| row.get::<_, Option<i64>>(0))?;
    Ok(found.flatten().and_then(|seq| u64::try_from(seq).ok()))
}

/// Gives the entry of a message that is about to go a row of its own, if it is kept.
pub(super) fn outlive(connection: &Connection, seq: i64) -> Stored<()> {
    let sql = "SELECT content FROM messages WHERE seq = ?1 AND seq > (SELECT entries_after FROM meta)";
    let digest = one(connection, sql, [seq], |row| {
        let content: [u8; 32] = Sha256::digest(row.get_ref(0)?.as_str()?).into();
        Ok(content)
    })?;
    let Some(digest) = digest else { return Ok(()) };
    let sql = "INSERT INTO log (seq, at, kind, actor, thread, subject, content_sha256, hash)
        SELECT seq, at, ?2, sender, thread, id, ?3, hash FROM messages WHERE seq = ?1";
    connection
        .prepare_cached(sql)
        .and_then(|mut it| it.execute(params![seq, MESSAGE, digest]))
        .map_err(fault)?;
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
