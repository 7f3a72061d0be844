//! Messages as rows, as they were kept before there were blocks: put into blocks, and read by whoever checks an older
//! database without bringing it up to date.

use rusqlite::{Connection, Row};

use super::block::{Block, Kept};
use super::{append, insert_block};
use crate::hub::records::{Stored, digest_kept};
use crate::store::sqlite::columns::{count, id, opt_id};
use crate::store::sqlite::fault::fault;

fn kept<'a>(row: &'a Row<'_>) -> rusqlite::Result<Kept<'a>> {
    Ok(Kept {
        seq: count(row, 0)?,
        id: id(row, 1, |id| id)?,
        // Checked as a key of `threads`; one that is not there is found by the hash.
        thread: opt_id(row, 2, |id| id)?.unwrap_or_default(),
        at: row.get(3)?,
        sender: row.get_ref(4)?.as_str()?,
        recipients: row.get_ref(5)?.as_str()?,
        reply_to: opt_id(row, 6, |id| id)?,
        content: row.get_ref(7)?.as_str()?,
        meta: row.get_ref(8)?.as_str_or_null()?,
        unknown: row.get_ref(9)?.as_str_or_null()?,
        request_digest: digest_kept(&row.get(10)?),
        attachments: row.get_ref(11)?.as_str_or_null()?,
        trace: row.get_ref(12)?.as_blob_or_null()?,
        hash: row.get(13)?,
    })
}

/// Visits all of them, the first one first.
pub(in crate::store::sqlite) fn each(
    connection: &Connection,
    mut visit: impl FnMut(&Kept<'_>) -> Stored<()>,
) -> Stored<()> {
    let sql = "SELECT seq, messages.id, threads.id, at, sender, recipients, reply_to, content, meta, unknown,
            request_sha256, attachments, trace, hash
        FROM messages LEFT JOIN threads ON threads.no = messages.thread ORDER BY seq";
    let mut statement = connection.prepare(sql).map_err(fault)?;
    let mut rows = statement.query([]).map_err(fault)?;
    while let Some(row) = rows.next().map_err(fault)? {
        visit(&kept(row).map_err(fault)?)?;
    }
    Ok(())
}

/// Puts all of them into blocks.
pub(in crate::store::sqlite) fn into_blocks(connection: &Connection) -> Stored<()> {
    let mut block = Block::default();
    each(connection, |kept| append(connection, &mut block, kept))?;
    insert_block(connection, &mut block)
}
