//! Blobs as rows: what they are called and who refers to them. Their bytes are not here.

use nexus_wire::{BlobId, DispatchId, EntryId, Ms, Party, ThreadId};
use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::columns::{count, id, parties, to_blob, to_number, to_parties};
use super::fault::{damage, fault};
use super::messages::Messages;
use super::read::{all, one as row};
use crate::hub::records::{BlobMention, BlobRecord, Stored};

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT sha256, bytes, media_type, name, at, owners, no FROM blobs ", $rest)
    };
}

fn blob(row: &Row<'_>) -> rusqlite::Result<BlobRecord> {
    Ok(BlobRecord {
        id: blob_id(row)?,
        bytes: count(row, 1)?,
        media_type: row.get(2)?,
        name: row.get(3)?,
        at: row.get(4)?,
        owners: parties(row, 5)?,
    })
}

fn blob_id(row: &Row<'_>) -> rusqlite::Result<BlobId> {
    let bytes = row.get_ref(0)?.as_blob()?;
    let bytes = <[u8; 32]>::try_from(bytes)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, Box::new(error)))?;
    Ok(BlobId(bytes))
}

pub(super) fn one(connection: &Connection, id: BlobId) -> Stored<Option<BlobRecord>> {
    row(connection, select!("WHERE sha256 = ?1"), [id.0], blob)
}

pub(super) fn page(
    connection: &Connection,
    before: Option<u64>,
    limit: u32,
) -> Stored<Vec<(u64, BlobRecord)>> {
    let sql = select!("WHERE no < ?1 ORDER BY no DESC LIMIT ?2");
    let row = params![before.map_or(i64::MAX, to_number), limit];
    all(connection, sql, row, |row| Ok((count(row, 6)?, blob(row)?)))
}

pub(super) fn usage(connection: &Connection, of: Option<&Party>) -> Stored<u64> {
    let sql = "SELECT bytes FROM blob_usage WHERE owner = ?1";
    let owner = of.map_or_else(String::new, Party::to_string);
    Ok(row(connection, sql, [owner], |row| count(row, 0))?.unwrap_or(0))
}

pub(super) fn references(connection: &Connection, id: BlobId) -> Stored<u64> {
    let sql = "SELECT (SELECT count(*) FROM blob_references WHERE blob = blobs.no)
            + (SELECT count(*) FROM blob_mentions WHERE blob = blobs.no)
        FROM blobs WHERE sha256 = ?1";
    Ok(row(connection, sql, [id.0], |row| count(row, 0))?.unwrap_or(0))
}

pub(super) fn is_shown_to(connection: &Connection, id: BlobId, party: &Party) -> Stored<bool> {
    let sql = "SELECT EXISTS (
            SELECT 1 FROM (
                SELECT DISTINCT thread FROM blob_references JOIN blobs ON blobs.no = blob WHERE sha256 = ?1
            ) AS shown JOIN threads ON threads.no = shown.thread
            WHERE instr(' ' || participants || ' ', ' ' || ?2 || ' ') > 0
        )";
    Ok(row(connection, sql, params![id.0, party.to_string()], |row| row.get(0))? == Some(true))
}

pub(super) fn is_shown_in(connection: &Connection, id: BlobId, thread: ThreadId) -> Stored<bool> {
    let sql = "SELECT EXISTS (
            SELECT 1 FROM blob_references JOIN blobs ON blobs.no = blob
            WHERE sha256 = ?1 AND thread = (SELECT no FROM threads WHERE id = ?2)
        )";
    Ok(row(connection, sql, params![id.0, to_blob(thread.0)], |row| row.get(0))? == Some(true))
}

pub(super) fn unreferenced(connection: &Connection, before: Ms, limit: u32) -> Stored<Vec<BlobId>> {
    let sql = "SELECT sha256 FROM blobs
        WHERE at < ?1 AND NOT EXISTS (SELECT 1 FROM blob_references WHERE blob = blobs.no)
            AND NOT EXISTS (SELECT 1 FROM blob_mentions WHERE blob = blobs.no)
        ORDER BY sha256 LIMIT ?2";
    all(connection, sql, params![before, limit], blob_id)
}

pub(super) fn put(connection: &Connection, record: &BlobRecord) -> Stored<()> {
    let update =
        "UPDATE blobs SET bytes = ?2, media_type = ?3, name = ?4, at = ?5, owners = ?6 WHERE sha256 = ?1";
    let insert =
        "INSERT INTO blobs (sha256, bytes, media_type, name, at, owners) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let owners = to_parties(&record.owners);
    let row =
        params![record.id.0, to_number(record.bytes), record.media_type, record.name, record.at, owners];
    let old = one(connection, record.id)?;
    // Not in one: a number would be used up for what is there already.
    execute(connection, if old.is_some() { update } else { insert }, row)?;
    account(connection, old.as_ref(), Some(record))
}

pub(super) fn delete(connection: &Connection, id: BlobId) -> Stored<()> {
    let old = one(connection, id)?;
    execute(connection, "DELETE FROM blobs WHERE sha256 = ?1", [id.0])?;
    account(connection, old.as_ref(), None)
}

/// Takes what was there from the usage of its owners and of all, and adds what is there now.
fn account(connection: &Connection, old: Option<&BlobRecord>, new: Option<&BlobRecord>) -> Stored<()> {
    let sql = "INSERT INTO blob_usage (owner, bytes) VALUES (?1, ?2)
        ON CONFLICT (owner) DO UPDATE SET bytes = bytes + excluded.bytes";
    let signed = |record: &BlobRecord, sign: i64| sign * to_number(record.bytes);
    let changes = [old.map(|it| (it, signed(it, -1))), new.map(|it| (it, signed(it, 1)))];
    for (record, bytes) in changes.into_iter().flatten() {
        execute(connection, sql, params!["", bytes])?;
        for owner in &record.owners {
            execute(connection, sql, params![owner.to_string(), bytes])?;
        }
    }
    Ok(())
}

/// `thread`: its number, which is the message's.
pub(super) fn put_reference(
    connection: &Connection,
    id: BlobId,
    thread: i64,
    message_seq: u64,
) -> Stored<()> {
    let sql =
        "INSERT INTO blob_references (blob, message, thread) SELECT no, ?2, ?3 FROM blobs WHERE sha256 = ?1
        ON CONFLICT DO NOTHING";
    let is_there = one(connection, id)?.is_some();
    execute(connection, sql, params![id.0, to_number(message_seq), thread])?;
    match is_there {
        true => Ok(()),
        false => Err(damage(format_args!("there is no blob {id}"))),
    }
}

/// Fills in the threads of references that were written without.
pub(super) fn write_threads(connection: &Connection) -> Stored<()> {
    let sql = "SELECT DISTINCT message FROM blob_references ORDER BY message";
    let seqs = all(connection, sql, [], |row| count(row, 0))?;
    let mut messages = Messages::of(connection)?;
    let sql = "UPDATE blob_references SET thread = (SELECT no FROM threads WHERE id = ?2) WHERE message = ?1";
    for seq in seqs {
        if let Some(thread) = messages.at(seq, |kept| Ok(kept.thread))? {
            execute(connection, sql, params![to_number(seq), to_blob(thread)])?;
        }
    }
    Ok(())
}

/// What stands for a mention in a row.
fn mention_key(by: BlobMention) -> (i64, Uuid) {
    match by {
        BlobMention::Dispatch(DispatchId(id)) => (0, id),
        BlobMention::Knowledge(EntryId(id)) => (1, id),
    }
}

pub(super) fn mentions(connection: &Connection, blob: BlobId, limit: u32) -> Stored<Vec<BlobMention>> {
    let sql = "SELECT kind, id FROM blob_mentions JOIN blobs ON blobs.no = blob
        WHERE sha256 = ?1 ORDER BY id DESC LIMIT ?2";
    all(connection, sql, params![blob.0, limit], |row| match row.get::<_, i64>(0)? {
        0 => id(row, 1, |id| BlobMention::Dispatch(DispatchId(id))),
        1 => id(row, 1, |id| BlobMention::Knowledge(EntryId(id))),
        kind => Err(rusqlite::Error::IntegralValueOutOfRange(0, kind)),
    })
}

pub(super) fn put_mention(connection: &Connection, blob: BlobId, by: BlobMention) -> Stored<()> {
    if one(connection, blob)?.is_none() {
        return Err(damage(format_args!("there is no blob {blob}")));
    }
    let sql = "INSERT INTO blob_mentions (blob, kind, id) SELECT no, ?2, ?3 FROM blobs WHERE sha256 = ?1
        ON CONFLICT DO NOTHING";
    let (kind, id) = mention_key(by);
    execute(connection, sql, params![blob.0, kind, to_blob(id)]).map(drop)
}

fn execute(connection: &Connection, sql: &str, params: impl rusqlite::Params) -> Stored<usize> {
    let mut statement = connection.prepare_cached(sql).map_err(fault)?;
    statement.execute(params).map_err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::records::Reads;
    use crate::store::sqlite::tests::older;
    use crate::store::sqlite::{Options, SqliteStore};

    #[test]
    fn what_an_older_database_holds_is_on_the_quota_of_its_owners() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nexus.db");
        let old = older(&path, "blob_usage");
        for (bytes, owners) in [(5, "operator/ana wren"), (70, "wren"), (300, "")] {
            let sql =
                "INSERT INTO blobs (sha256, bytes, media_type, at, owners) VALUES (?1, ?2, 'a/b', 0, ?3)";
            old.execute(sql, params![[bytes as u8; 32], bytes, owners]).unwrap();
        }
        drop(old);
        let store = SqliteStore::open(&path, Options::default()).unwrap();
        let of = |name: &str| store.blob_usage(Some(&name.parse().unwrap())).unwrap();
        let used = (of("operator/ana"), of("wren"), of("forge"), store.blob_usage(None).unwrap());
        assert_eq!(used, (5, 75, 0, 375));
    }
}
