use std::path::Path;

use nexus_wire::chat::Message;
use nexus_wire::{MessageId, Party, ThreadId};
use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::*;
use crate::hub::records::{Checkpoint, ReactionRecord, Reads, Store, ThreadRecord, Transaction};
use crate::store::Head;
use crate::store::sqlite::chain::Link;
use crate::store::sqlite::columns::to_blob;
use crate::store::sqlite::entries::MESSAGE;
use crate::store::sqlite::migrate::MIGRATIONS;
use crate::store::sqlite::{Options, ReaderPool, SqliteStore};

const THREAD: ThreadId = ThreadId(Uuid::from_u128(77));

fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

fn all(connection: &Connection) -> Vec<MessageRecord> {
    let mut found = Vec::new();
    Messages::of(connection)
        .unwrap()
        .each_after(0, |kept| {
            found.push(kept.record()?);
            Ok(true)
        })
        .unwrap();
    found
}

fn verify(path: &Path) -> Stored<Head> {
    Ok(ReaderPool::new(path, 1).read(|reader| reader.verify(None))?.head)
}

/// As it was before there were blocks: messages are rows, some small and some larger than a block.
fn rows(path: &Path, count: u64) -> Vec<MessageRecord> {
    let connection = Connection::open(path).unwrap();
    let before = MIGRATIONS.iter().position(|sql| sql.contains("CREATE TABLE message_blocks")).unwrap();
    MIGRATIONS[..before].iter().for_each(|sql| connection.execute_batch(sql).unwrap());
    connection.pragma_update(None, "user_version", before as u32).unwrap();
    let sql =
        "INSERT INTO threads (no, id, title, created_at, participants) VALUES (3, ?1, 'one', 0, 'wren')";
    connection.execute(sql, [THREAD.0.into_bytes()]).unwrap();
    let sql = "INSERT INTO thread_states (thread, last_at, last_seq, messages, paused, agent_run, same_run, last_content, recent)
        VALUES (3, 0, 0, 0, 0, 0, 0, zeroblob(32), x'')";
    connection.execute(sql, []).unwrap();
    let sql =
        "INSERT INTO blobs (no, sha256, bytes, media_type, at, owners) VALUES (1, x'00', 1, 'a/b', 0, '')";
    connection.execute(sql, []).unwrap();
    let records: Vec<MessageRecord> = (1..=count)
        .map(|seq| {
            let has_all = seq % 3 == 0;
            let message = Message {
                id: MessageId(Uuid::from_u128(u128::from(seq ^ 5) << 80)),
                seq,
                thread: THREAD,
                reply_to: has_all.then_some(MessageId(Uuid::from_bytes([7; 16]))),
                from: "wren".parse().unwrap(),
                to: vec!["forge".parse().unwrap(), "operator/ana".parse().unwrap()],
                content: if seq % 50 == 0 { "x".repeat(40_000) } else { format!("message {seq}") },
                at: seq.cast_signed(),
                meta: None,
                attachments: Vec::new(),
                reactions: Vec::new(),
            };
            let unknown = if has_all { vec!["nobody".to_owned()] } else { Vec::new() };
            MessageRecord { message: Box::new(message), trace: None, unknown, request_digest: [9; 16] }
        })
        .collect();
    for (record, hash) in records.iter().zip(hashes(&records)) {
        let message = &record.message;
        let sql = "INSERT INTO messages (seq, id, thread, at, sender, recipients, reply_to, content, unknown,
                request_sha256, hash)
            VALUES (?1, ?2, 3, ?3, 'wren', 'forge operator/ana', ?4, ?5, ?6, ?7, ?8)";
        let reply_to = message.reply_to.map(|id| to_blob(id.0));
        let unknown = (!record.unknown.is_empty()).then_some(r#"["nobody"]"#);
        let (seq, id) = (to_number(message.seq), to_blob(message.id.0));
        let row = params![seq, id, message.at, reply_to, message.content, unknown, [9_u8; 32], hash];
        connection.execute(sql, row).unwrap();
    }
    connection.execute("INSERT INTO reactions VALUES (2, '+1', 'wren', 5)", []).unwrap();
    connection.execute("INSERT INTO blob_references VALUES (1, 4)", []).unwrap();
    records
}

#[test]
fn rows_of_an_older_database_become_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    let records = rows(&path, 205);
    let head = verify(&path).expect("an older database is checked as it is");
    assert_eq!(head.seq, 205);
    let store = SqliteStore::open(&path, Options::default()).unwrap();
    assert_eq!(all(&store.connection), records);
    let sizes = "SELECT count(*), max(length(body)) FROM message_blocks";
    let (blocks, largest): (u32, u32) =
        store.connection.query_row(sizes, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert!(
        (5..20).contains(&blocks) && largest < BLOCK_BYTES as u32 + 40_200,
        "{blocks} of up to {largest}"
    );
    for record in &records {
        assert_eq!(store.message(record.message.id).unwrap().as_ref(), Some(record));
    }
    let reaction = ReactionRecord {
        message: records[1].message.id,
        emoji: "+1".into(),
        by: "wren".parse().unwrap(),
        at: 5,
    };
    assert_eq!(store.reactions(reaction.message).unwrap(), [reaction]);
    let blob: u32 = store
        .connection
        .query_row("SELECT message FROM blob_references WHERE blob = 1 AND thread = 3", [], |row| row.get(0))
        .unwrap();
    assert_eq!(blob, 4);
    drop(store);
    assert_eq!(verify(&path).unwrap(), head);
}

#[test]
fn a_thread_of_an_older_database_without_its_state_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    rows(&path, 5);
    verify(&path).unwrap();
    Connection::open(&path).unwrap().execute("DELETE FROM thread_states", []).unwrap();
    let error = verify(&path).unwrap_err().to_string();
    assert!(error.contains(&format!("the state of thread {THREAD} is gone")), "{error}");
}

#[test]
fn an_older_database_with_a_changed_message_is_found_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    rows(&path, 5);
    let raw = Connection::open(&path).unwrap();
    raw.execute("UPDATE messages SET content = 'another' WHERE seq = 3", []).unwrap();
    let error = verify(&path).unwrap_err().to_string();
    assert!(error.contains("entry 3 "), "{error}");
}

/// Writes messages with these numbers in their ids, `each` in a commit, from `seq` on.
fn write(store: &mut SqliteStore, seq: u64, ids: &[u64], each: usize) -> Vec<MessageRecord> {
    let mut records = Vec::new();
    let mut seqs = seq..;
    for ids in ids.chunks(each) {
        store.begin().unwrap();
        for (id, seq) in ids.iter().zip(seqs.by_ref()) {
            let message = Message {
                id: MessageId(Uuid::from_u128(u128::from(*id))),
                seq,
                thread: THREAD,
                reply_to: None,
                from: Party::System,
                to: vec!["wren".parse().unwrap()],
                content: format!("message {id}"),
                at: seq.cast_signed(),
                meta: None,
                attachments: Vec::new(),
                reactions: Vec::new(),
            };
            let message = Box::new(message);
            let record = MessageRecord { message, trace: None, unknown: Vec::new(), request_digest: [1; 16] };
            store.put_message(&record, &sha256(&record.message.content)).unwrap();
            // The open block is read as well.
            assert_eq!(store.message(record.message.id).unwrap().as_ref(), Some(&record));
            records.push(record);
        }
        store.commit().unwrap();
    }
    records
}

fn opened(path: &Path) -> SqliteStore {
    let mut store = SqliteStore::open(path, Options::default()).unwrap();
    store.begin().unwrap();
    store.put_thread(&ThreadRecord::opened(THREAD, "one".into(), 0)).unwrap();
    store.commit().unwrap();
    store
}

#[test]
fn a_message_is_found_by_its_id_before_and_after_that_is_in_the_table() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    let mut store = opened(&path);
    // Most come in the order of their time, and some from a clock that is far behind.
    let ids: Vec<u64> = (1..=9_000).map(|n| if n % 7 == 0 { 20_000 - n } else { 1_000_000 + n }).collect();
    let mut records = Vec::new();
    let mut found_written = Vec::new();
    for (part, ids) in ids.chunks(3_000).enumerate() {
        records.extend(write(&mut store, part as u64 * 3_000 + 1, ids, 40));
        found_written.push(check_ids(&store.connection).unwrap());
    }
    // A commit of 40 after the 1024th; then again.
    assert_eq!(found_written, [2_080, 5_200, 8_320]);
    let check = |store: &SqliteStore, records: &[MessageRecord]| {
        assert_eq!(all(&store.connection), records);
        let readers = store.readers(1);
        for record in records.iter().step_by(97).chain(records.last()) {
            let id = record.message.id;
            assert_eq!(store.message(id).unwrap().as_ref(), Some(record));
            assert_eq!(readers.read(|reader| reader.message(id)).unwrap().as_ref(), Some(record));
        }
        let other = MessageId(Uuid::from_u128(1_000_000_000));
        let earlier = MessageId(Uuid::from_u128(3));
        for id in [other, earlier] {
            assert_eq!(store.message(id).unwrap(), None);
            assert_eq!(readers.read(|reader| reader.message(id)).unwrap(), None);
        }
    };
    check(&store, &records);
    drop(store);
    let mut store = opened(&path);
    check(&store, &records);

    // One that is in the table, one that is not, and all of a block.
    store.begin().unwrap();
    let gone: Vec<MessageId> =
        records[..45].iter().chain(&records[8_990..8_991]).map(|it| it.message.id).collect();
    gone.iter().for_each(|id| store.delete_message(*id).unwrap());
    store.put_contents_floor(8_991).unwrap();
    store.commit().unwrap();
    records.retain(|record| !gone.contains(&record.message.id));
    check(&store, &records);
    for id in &gone {
        assert_eq!(store.message(*id).unwrap(), None);
    }
    // The same id again is another message.
    records.extend(write(&mut store, 9_001, &[ids[3], ids[8_990]], 2));
    check(&store, &records);
    drop(store);
    check(&opened(&path), &records);
    assert_eq!(verify(&path).unwrap().seq, 9_002);
}

/// The chain as far as it goes, worked out from the messages alone.
fn hashes(records: &[MessageRecord]) -> Vec<[u8; 32]> {
    let mut hash = [0; 32];
    let mut hashes = Vec::new();
    for MessageRecord { message, .. } in records {
        hash = Link {
            seq: message.seq,
            at: message.at,
            kind: MESSAGE,
            actor: &message.from.to_string(),
            thread: THREAD.0.as_bytes(),
            subject: message.id.0.as_bytes(),
            detail: "",
            content_sha256: &sha256(&message.content),
        }
        .hash(&hash);
        hashes.push(hash);
    }
    hashes
}

#[test]
fn the_hash_of_each_entry_is_told_though_a_block_has_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    let mut store = opened(&path);
    let ids: Vec<u64> = (1..=30).collect();
    let records = write(&mut store, 1, &ids, 10);
    let expected = hashes(&records);
    let told = |store: &SqliteStore, from: u64| -> Vec<[u8; 32]> {
        (from..=30).map(|seq| store.log_hash(seq).unwrap().unwrap()).collect()
    };
    assert_eq!(told(&store, 1), expected);
    assert_eq!(store.log_hash(31).unwrap(), None);
    // One in the middle of a block, the last of one, two that follow one another, and all of the last block but one.
    let mut gone = vec![4, 10, 15, 16];
    gone.extend(22..=30);
    for id in &gone {
        store.begin().unwrap();
        store.delete_message(MessageId(Uuid::from_u128(*id))).unwrap();
        store.commit().unwrap();
        assert_eq!(told(&store, 1), expected, "without {id}");
    }
    drop(store);
    assert_eq!(verify(&path).unwrap(), Head { seq: 30, hash: expected[29] });
    // The log is cut between two messages of one block.
    let mut store = SqliteStore::open(&path, Options::default()).unwrap();
    store.begin().unwrap();
    let checkpoint = Checkpoint { seq: 17, at: 17, hash: expected[16], signature: "signed".into() };
    store.prune_log(&checkpoint).unwrap();
    store.commit().unwrap();
    assert_eq!(told(&store, 18), expected[17..]);
    assert_eq!(store.log_hash(17).unwrap(), None);
    drop(store);
    assert_eq!(verify(&path).unwrap(), Head { seq: 30, hash: expected[29] });
}

/// No more can be told of them: they have one hash together.
#[test]
fn an_altered_message_of_a_block_is_between_two_entries() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    let mut store = opened(&path);
    write(&mut store, 1, &[10, 20, 30, 40, 50], 2);
    drop(store);
    verify(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let altered = |sql: &str| {
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(Connection::open(&path).unwrap().execute(sql, []).unwrap(), 1);
        verify(&path).unwrap_err().to_string()
    };
    for (text, first, says) in [
        ("message 30", 3, "an entry of the log from 3 to 4 was changed"),
        ("message 40", 3, "an entry of the log from 3 to 4 was changed"),
        ("message 50", 5, "entry 5 of the log was changed"),
    ] {
        let error = altered(&format!(
            "UPDATE message_blocks SET body = CAST(replace(CAST(body AS TEXT), '{text}', 'massage 99') AS BLOB)
             WHERE first = {first}"
        ));
        assert!(error.contains(says), "{text}: {error}");
    }
    let error = altered(
        "UPDATE message_blocks SET body = CAST(substr(body, 1, 1) || zeroblob(32) || substr(body, 34) AS BLOB)
         WHERE first = 3",
    );
    assert!(error.contains("an entry of the log from 3 to 4 was changed"), "{error}");
}

/// It might be signed. What is kept no longer goes nevertheless, and what was altered is found as before.
#[test]
fn no_hash_is_told_of_a_message_behind_one_that_was_altered() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    let mut store = opened(&path);
    write(&mut store, 1, &[10, 20, 30, 40], 4);
    let sql = "UPDATE message_blocks
        SET body = CAST(replace(CAST(body AS TEXT), 'message 20', 'massage 20') AS BLOB)";
    assert_eq!(store.connection.execute(sql, []).unwrap(), 1);
    let says = "an entry of the log up to 4 was changed";
    assert!(store.log_hash(3).unwrap_err().to_string().contains(says));
    store.begin().unwrap();
    store.delete_message(MessageId(Uuid::from_u128(30))).unwrap();
    store.commit().unwrap();
    drop(store);
    let error = verify(&path).unwrap_err().to_string();
    assert!(error.contains("entry 4 of the log was changed"), "{error}");
}

/// Of the version before, with the hash of its entry in each message.
#[test]
fn blocks_of_before_are_read_checked_and_taken_apart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    let mut store = opened(&path);
    let mut records = write(&mut store, 1, &[10, 20, 30, 40], 4);
    let expected = hashes(&records);
    let block: Vec<u8> =
        store.connection.query_row("SELECT body FROM message_blocks", [], |row| row.get(0)).unwrap();
    let mut read = Block::default();
    read.fill(&block).unwrap();
    let with_hash =
        |(place, hash): (usize, &[u8; 32])| Kept { hash: Some(*hash), ..read.get(place).unwrap() };
    let kept: Vec<Kept<'_>> = expected.iter().enumerate().map(with_hash).collect();
    let before = block::tests::with_tails(&kept);
    store.connection.execute("UPDATE message_blocks SET body = ?1", [before]).unwrap();
    drop(store);
    assert_eq!(verify(&path).unwrap(), Head { seq: 4, hash: expected[3] });
    let mut store = SqliteStore::open(&path, Options::default()).unwrap();
    assert_eq!(all(&store.connection), records);
    for id in [20, 40] {
        store.begin().unwrap();
        store.delete_message(MessageId(Uuid::from_u128(id))).unwrap();
        store.commit().unwrap();
        records.retain(|record| record.message.id.0.as_u128() != id);
        assert_eq!(all(&store.connection), records);
        let told: Vec<[u8; 32]> = (1..=4).map(|seq| store.log_hash(seq).unwrap().unwrap()).collect();
        assert_eq!(told, expected, "without {id}");
    }
    drop(store);
    assert_eq!(verify(&path).unwrap(), Head { seq: 4, hash: expected[3] });
}

#[test]
fn what_is_rolled_back_is_not_found() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = opened(&dir.path().join("nexus.db"));
    let records = write(&mut store, 1, &[10, 20], 2);
    store.begin().unwrap();
    let mut lost = records[0].clone();
    (lost.message.id, lost.message.seq) = (MessageId(Uuid::from_u128(30)), 3);
    store.put_message(&lost, &[0; 32]).unwrap();
    assert_eq!(store.message(lost.message.id).unwrap().as_ref(), Some(&lost));
    store.rollback().unwrap();
    assert_eq!(store.message(lost.message.id).unwrap(), None);
    assert_eq!(all(&store.connection), records);
}

#[test]
fn an_id_that_leads_astray_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    let mut store = opened(&path);
    write(&mut store, 1, &[10, 20, 30], 3);
    store.begin().unwrap();
    store.pending.get_mut().ids.write(&store.connection).unwrap();
    store.commit().unwrap();
    drop(store);
    verify(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for (sql, says) in [
        (
            "UPDATE message_id_blocks SET body = CAST(substr(body, 1, 47) || x'01' || substr(body, 49) AS BLOB)",
            "message 2 is not found by its id",
        ),
        ("UPDATE message_id_blocks SET body = substr(body, 1, 48)", "message 3 is not found by its id"),
        (
            "UPDATE message_id_blocks SET body = CAST(body || x'ff' || zeroblob(22) || x'09' AS BLOB)",
            "an id of a message that is not there",
        ),
        (
            "UPDATE message_id_blocks SET body = CAST(substr(body, 25, 24) || substr(body, 1, 24) AS BLOB)",
            "block 1 of ids is not in order",
        ),
        (
            "UPDATE message_id_blocks SET first = x'0000000000000000000000000000000b'",
            "block 1 of ids is not in order",
        ),
        (
            "INSERT INTO message_id_blocks (first, body) SELECT x'0000000000000000000000000000000c', substr(body, 25) FROM message_id_blocks",
            "block 2 of ids is not in order",
        ),
        ("UPDATE message_id_blocks SET body = substr(body, 2)", "block 1 of ids cannot be read"),
        ("UPDATE message_id_blocks SET body = x''", "block 1 of ids cannot be read"),
        (
            "INSERT INTO message_blocks SELECT first + 1, body FROM message_blocks",
            "message 2 begins with another",
        ),
        ("UPDATE message_blocks SET body = x'01'", "message 1 begins with another"),
        ("INSERT INTO reactions VALUES (9, '+1', 'wren', 5)", "reactions refers to message 9"),
    ] {
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(Connection::open(&path).unwrap().execute(sql, []).unwrap(), 1);
        let error = verify(&path).unwrap_err().to_string();
        assert!(error.contains(says), "{sql}: {error}");
    }
    // What a reader would find, and a walk from one block to the next would not.
    std::fs::write(&path, &whole).unwrap();
    let mut forged = Block::default();
    forged.push(&block::tests::kept(2, "forged", true)).unwrap();
    insert_block(&Connection::open(&path).unwrap(), &mut forged).unwrap();
    let error = verify(&path).unwrap_err().to_string();
    assert!(error.contains("message 2 begins inside the one before"), "{error}");
}

#[test]
fn messages_are_visited_either_way_from_wherever_it_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = opened(&dir.path().join("nexus.db"));
    write(&mut store, 10, &[10, 20, 30], 2);
    write(&mut store, 20, &[40], 1);
    // One that looks from the start, and one that has been anywhere before.
    for before in [None, Some(10), Some(12), Some(20)] {
        let mut messages = Messages::of(&store.connection).unwrap();
        if let Some(seq) = before {
            assert!(messages.has(seq).unwrap());
        }
        for seq in [0, 9, 10, 11, 12, 15, 19, 20, 21, u64::MAX] {
            let is_there = [10, 11, 12, 20].contains(&seq);
            assert_eq!(messages.has(seq).unwrap(), is_there, "{seq}");
            let mut after = Vec::new();
            messages
                .each_after(seq, |kept| {
                    after.push(kept.seq);
                    Ok(true)
                })
                .unwrap();
            let mut before = Vec::new();
            messages
                .each_before(seq, |kept| {
                    before.push(kept.seq);
                    Ok(true)
                })
                .unwrap();
            assert_eq!(
                after,
                [10, 11, 12, 20].into_iter().filter(|it| *it > seq).collect::<Vec<u64>>(),
                "{seq}"
            );
            let expected: Vec<u64> = [20, 12, 11, 10].into_iter().filter(|it| *it < seq).collect();
            assert_eq!(before, expected, "{seq}");
        }
        let mut first = Vec::new();
        let mut take = |kept: &Kept<'_>| {
            first.push(kept.seq);
            Ok(false)
        };
        messages.each_after(10, &mut take).unwrap();
        messages.each_before(20, &mut take).unwrap();
        assert_eq!(first, [11, 12], "no more than is wanted");
    }
}
