//! What is kept a second time, so that it is found without looking through all: threads by who takes part, the room that
//! blobs take, the threads of references to blobs. Whether it says what it was made from, and how it is made anew.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params};

use super::activity::{ALL, era};
use super::blobs;
use super::columns::{count, opt_id, to_number};
use super::fault::{damage, fault};
use super::messages::Messages;
use super::read::one;
use super::verify::has_table;
use crate::hub::records::Stored;

/// Its tables are there, whatever they say. An older schema has not all of them.
pub(super) fn check_tables(connection: &Connection) -> Stored<()> {
    for table in ["thread_activity", "blob_usage"] {
        if !has_table(connection, table)? {
            return Err(damage(format_args!("the table {table} is gone")));
        }
    }
    Ok(())
}

/// Of an older schema only what it has.
pub(super) fn check(connection: &Connection) -> Stored<()> {
    if has_table(connection, "thread_activity")? {
        check_activity(connection)?;
    }
    if has_table(connection, "blob_usage")? {
        check_usage(connection)?;
        check_references(connection)?;
    }
    Ok(())
}

/// From the rows that it stands for, whatever it said before.
pub(super) fn make_anew(connection: &Connection) -> Stored<()> {
    let sql = "DELETE FROM thread_activity; DELETE FROM blob_usage; UPDATE blob_references SET thread = NULL";
    connection.execute_batch(sql).map_err(fault)?;
    let sql = "INSERT INTO thread_activity (party, era, thread) VALUES (?1, ?2, ?3)";
    let mut insert = connection.prepare(sql).map_err(fault)?;
    each_place(connection, |party, era, thread| {
        insert.execute(params![party, era, thread]).map_err(fault).map(drop)
    })?;
    let mut insert =
        connection.prepare("INSERT INTO blob_usage (owner, bytes) VALUES (?1, ?2)").map_err(fault)?;
    for (owner, bytes) in usage(connection)? {
        insert.execute(params![owner, bytes]).map_err(fault)?;
    }
    blobs::write_threads(connection)
}

/// Visits where each thread belongs: with everybody who takes part, in the era in which it last changed.
fn each_place(connection: &Connection, mut visit: impl FnMut(&str, i64, i64) -> Stored<()>) -> Stored<()> {
    let sql = "SELECT no, participants, last_seq FROM threads JOIN thread_states ON thread = no";
    let mut threads = connection.prepare(sql).map_err(fault)?;
    let mut rows = threads.query([]).map_err(fault)?;
    while let Some(row) = rows.next().map_err(fault)? {
        let no: i64 = row.get(0).map_err(fault)?;
        let participants = row.get_ref(1).and_then(|it| Ok(it.as_str()?)).map_err(fault)?;
        let era = to_number(era(count(row, 2).map_err(fault)?));
        let parties: BTreeSet<&str> = participants.split_ascii_whitespace().chain([ALL]).collect();
        for party in parties {
            visit(party, era, no)?;
        }
    }
    Ok(())
}

fn check_activity(connection: &Connection) -> Stored<()> {
    let sql = "SELECT EXISTS (SELECT 1 FROM thread_activity WHERE party = ?1 AND era = ?2 AND thread = ?3)";
    let mut find = connection.prepare(sql).map_err(fault)?;
    let mut places: u64 = 0;
    each_place(connection, |party, era, thread| {
        places += 1;
        if find.query_row(params![party, era, thread], |row| row.get(0)).map_err(fault)? {
            return Ok(());
        }
        let of = if party == ALL { "everybody" } else { party };
        Err(damage(format_args!("thread {thread} is not among those of {of}")))
    })?;
    let found = one(connection, "SELECT count(*) FROM thread_activity", [], |row| count(row, 0))?;
    match found == Some(places) {
        true => Ok(()),
        false => Err(damage("a thread is among those of somebody who takes no part in it")),
    }
}

/// Bytes of the blobs of each owner, and of all together.
fn usage(connection: &Connection) -> Stored<BTreeMap<String, i64>> {
    let mut usage: BTreeMap<String, i64> = BTreeMap::new();
    let mut blobs = connection.prepare("SELECT bytes, owners FROM blobs WHERE bytes > 0").map_err(fault)?;
    let mut rows = blobs.query([]).map_err(fault)?;
    while let Some(row) = rows.next().map_err(fault)? {
        let bytes: i64 = row.get(0).map_err(fault)?;
        let owners = row.get_ref(1).and_then(|it| Ok(it.as_str()?)).map_err(fault)?;
        for owner in owners.split_ascii_whitespace().chain([ALL]) {
            let used = usage.entry(owner.to_owned()).or_default();
            *used = used.saturating_add(bytes);
        }
    }
    Ok(usage)
}

fn check_usage(connection: &Connection) -> Stored<()> {
    let mut kept =
        connection.prepare("SELECT owner, bytes FROM blob_usage WHERE bytes <> 0").map_err(fault)?;
    let rows = kept.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(fault)?;
    let kept = rows.collect::<rusqlite::Result<BTreeMap<String, i64>>>().map_err(fault)?;
    match kept == usage(connection)? {
        true => Ok(()),
        false => Err(damage("what is kept of how much room blobs take is not what they take")),
    }
}

/// Each says the thread of its message.
fn check_references(connection: &Connection) -> Stored<()> {
    let sql =
        "SELECT message, threads.id FROM blob_references LEFT JOIN threads ON no = thread ORDER BY message";
    let mut references = connection.prepare(sql).map_err(fault)?;
    let mut rows = references.query([]).map_err(fault)?;
    let mut messages = Messages::of(connection)?;
    while let Some(row) = rows.next().map_err(fault)? {
        let seq = count(row, 0).map_err(fault)?;
        let thread = opt_id(row, 1, |id| id).map_err(fault)?;
        if messages.at(seq, |kept| Ok(thread == Some(kept.thread)))? == Some(false) {
            return Err(damage(format_args!("a blob of message {seq} is said to be in another thread")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use nexus_wire::chat::Message;
    use nexus_wire::{BlobId, MessageId, Party, ThreadId};
    use sha2::{Digest, Sha256};
    use uuid::Uuid;

    use super::*;
    use crate::hub::records::{BlobRecord, MessageRecord, Store, ThreadRecord, Transaction};
    use crate::store::sqlite::{Options, ReaderPool, SqliteStore};

    #[test]
    fn what_is_derived_and_says_otherwise_is_told_and_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nexus.db");
        let mut store = SqliteStore::open(&path, Options::default()).unwrap();
        let (thread, other) = (ThreadId(Uuid::from_u128(77)), ThreadId(Uuid::from_u128(78)));
        let parties: [Party; 2] = ["wren", "operator/ana"].map(|name| name.parse().unwrap());
        let blob = BlobRecord {
            id: BlobId([1; 32]),
            bytes: 5,
            media_type: "text/plain".into(),
            name: None,
            at: 1,
            owners: parties.to_vec(),
        };
        let message = Message {
            id: MessageId(Uuid::from_u128(1)),
            seq: 1,
            thread,
            reply_to: None,
            from: parties[0].clone(),
            to: vec![parties[1].clone()],
            content: "look".into(),
            at: 1,
            meta: None,
            attachments: Vec::new(),
            reactions: Vec::new(),
        };
        let message = Box::new(message);
        let record = MessageRecord { message, trace: None, unknown: Vec::new(), request_digest: [1; 16] };
        let mut opened = ThreadRecord::opened(thread, "one".into(), 0);
        opened.participants = parties.into();
        opened.last_seq = 10_000;
        store.begin().unwrap();
        store.put_thread(&opened).unwrap();
        store.put_thread(&ThreadRecord::opened(other, "other".into(), 0)).unwrap();
        store.put_blob(&blob).unwrap();
        store.put_blob(&BlobRecord { id: BlobId([2; 32]), bytes: 7, ..blob.clone() }).unwrap();
        store.put_message(&record, &Sha256::digest("look").into()).unwrap();
        store.put_blob_reference(blob.id, thread, 1).unwrap();
        store.delete_blob(BlobId([2; 32])).unwrap();
        store.commit().unwrap();
        drop(store);
        let check = || ReaderPool::new(&path, 1).read(|reader| reader.check_derived());
        check().unwrap();
        let whole = std::fs::read(&path).unwrap();
        for (sql, says) in [
            ("DELETE FROM thread_activity WHERE party = 'wren'", "thread 1 is not among those of wren"),
            (
                "UPDATE thread_activity SET era = 1 WHERE thread = 1 AND party = ''",
                "thread 1 is not among those of everybody",
            ),
            (
                "INSERT INTO thread_activity VALUES ('forge', 0, 2)",
                "a thread is among those of somebody who takes no part in it",
            ),
            ("UPDATE blob_usage SET bytes = 6 WHERE owner = ''", "how much room blobs take"),
            ("UPDATE blob_usage SET bytes = -5 WHERE owner = 'wren'", "how much room blobs take"),
            ("DELETE FROM blob_usage WHERE owner = 'operator/ana'", "how much room blobs take"),
            ("INSERT INTO blob_usage VALUES ('forge', 1)", "how much room blobs take"),
            ("UPDATE blob_references SET thread = 2", "a blob of message 1 is said to be in another thread"),
            (
                "UPDATE blob_references SET thread = NULL",
                "a blob of message 1 is said to be in another thread",
            ),
        ] {
            std::fs::write(&path, &whole).unwrap();
            assert_eq!(Connection::open(&path).unwrap().execute(sql, []).unwrap(), 1, "{sql}");
            let error = check().unwrap_err().to_string();
            assert!(error.contains(says), "{sql}: {error}");
            SqliteStore::open(&path, Options::default()).unwrap().derive_anew().unwrap();
            check().unwrap_or_else(|error| panic!("made anew after {sql}: {error}"));
        }
    }
}
