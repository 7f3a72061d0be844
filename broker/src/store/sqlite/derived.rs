//! What is kept a second time, so that it is found without looking through all, says what it was made from.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params};

use super::has_table;
use crate::hub::records::Stored;
use crate::store::sqlite::activity::{ALL, era};
use crate::store::sqlite::columns::{count, opt_id, to_number};
use crate::store::sqlite::fault::{damage, fault};
use crate::store::sqlite::messages::Messages;
use crate::store::sqlite::read::all;

/// Tables that an older schema does not have are left out.
pub(super) fn check(connection: &Connection) -> Stored<()> {
    if has_table(connection, "thread_activity")? {
        thread_activity(connection)?;
    }
    if has_table(connection, "blob_usage")? {
        blob_usage(connection)?;
        blob_references(connection)?;
    }
    Ok(())
}

/// Each thread is found by everybody who takes part, in the era in which it last changed, and nowhere else.
fn thread_activity(connection: &Connection) -> Stored<()> {
    let sql = "SELECT EXISTS (SELECT 1 FROM thread_activity WHERE party = ?1 AND era = ?2 AND thread = ?3)";
    let mut find = connection.prepare(sql).map_err(fault)?;
    let sql = "SELECT no, participants, last_seq FROM threads JOIN thread_states ON thread = no";
    let mut threads = connection.prepare(sql).map_err(fault)?;
    let mut rows = threads.query([]).map_err(fault)?;
    let mut wanted: u64 = 0;
    while let Some(row) = rows.next().map_err(fault)? {
        let no: i64 = row.get(0).map_err(fault)?;
        let participants = row.get_ref(1).and_then(|it| Ok(it.as_str()?)).map_err(fault)?;
        let era = to_number(era(count(row, 2).map_err(fault)?));
        let parties: BTreeSet<&str> = participants.split_ascii_whitespace().chain([ALL]).collect();
        for party in parties {
            wanted += 1;
            if !find.query_row(params![party, era, no], |row| row.get(0)).map_err(fault)? {
                let of = if party == ALL { "everybody" } else { party };
                return Err(damage(format_args!("thread {no} is not among those of {of}")));
            }
        }
    }
    let found = all(connection, "SELECT count(*) FROM thread_activity", [], |row| count(row, 0))?;
    match found == [wanted] {
        true => Ok(()),
        false => Err(damage("a thread is among those of somebody who takes no part in it")),
    }
}

fn blob_usage(connection: &Connection) -> Stored<()> {
    let mut wanted: BTreeMap<String, u64> = BTreeMap::new();
    let blobs = all(connection, "SELECT bytes, owners FROM blobs", [], |row| {
        Ok((count(row, 0)?, row.get::<_, String>(1)?))
    })?;
    for (bytes, owners) in blobs.iter().filter(|(bytes, _)| *bytes > 0) {
        for owner in owners.split_ascii_whitespace().chain([ALL]) {
            let used = wanted.entry(owner.to_owned()).or_default();
            *used = used.saturating_add(*bytes);
        }
    }
    let sql = "SELECT owner, bytes FROM blob_usage WHERE bytes <> 0";
    let found = all(connection, sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let wanted: BTreeMap<String, i64> =
        wanted.into_iter().map(|(owner, bytes)| (owner, to_number(bytes))).collect();
    let found: BTreeMap<String, i64> = found.into_iter().collect();
    match found == wanted {
        true => Ok(()),
        false => Err(damage("what is kept of how much room blobs take is not what they take")),
    }
}

/// Each says the thread of its message.
fn blob_references(connection: &Connection) -> Stored<()> {
    let sql =
        "SELECT message, threads.id FROM blob_references LEFT JOIN threads ON no = thread ORDER BY message";
    let references = all(connection, sql, [], |row| Ok((count(row, 0)?, opt_id(row, 1, |id| id)?)))?;
    let mut messages = Messages::of(connection)?;
    for (seq, thread) in references {
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
    fn what_is_derived_and_says_otherwise_is_damage() {
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
        let verify = || ReaderPool::new(&path, 1).read(|reader| reader.verify(None));
        verify().unwrap();
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
            let error = verify().unwrap_err().to_string();
            assert!(error.contains(says), "{sql}: {error}");
        }
    }
}
