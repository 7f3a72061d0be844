use std::path::Path;

use nexus_wire::chat::Message;
use nexus_wire::roster::AspectRole;
use nexus_wire::{AspectName, EpochId, MessageId, Party, ThreadId, derive};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::*;
use crate::hub::records::{
    AspectRecord, MessageRecord, NewItem, Profile, Reads, Store, ThreadRecord, Transaction,
};
use crate::store::sqlite::{Options, SqliteReader, SqliteStore};

const NAMES: [&str; 3] = ["wren", "forge", "pixel"];
const EACH: u64 = 50;

fn name(place: usize) -> AspectName {
    NAMES[place].parse().unwrap()
}

fn thread(place: usize) -> ThreadId {
    ThreadId(Uuid::from_u128(70 + place as u128))
}

fn opened(path: &Path) -> SqliteStore {
    let mut store = SqliteStore::open(path, Options::default()).unwrap();
    store.begin().unwrap();
    for place in 0..NAMES.len() {
        let aspect = AspectRecord {
            name: name(place),
            role: AspectRole::Worker,
            public_key: [0; 32],
            key_generation: 1,
            previous_key: None,
            share_knowledge: false,
            revoked_at: None,
            created_at: 0,
            link: None,
            generation: 0,
            acked_generation: 0,
            since: 0,
            epoch: EpochId(Uuid::nil()),
            tail: 0,
            cursor: 0,
            profile: Profile::default(),
            restraint: None,
        };
        store.put_aspect(&aspect).unwrap();
        store.put_thread(&ThreadRecord::opened(thread(place), "one".into(), 0)).unwrap();
    }
    store.commit().unwrap();
    sooner(store)
}

/// What there are enough of comes sooner.
fn sooner(mut store: SqliteStore) -> SqliteStore {
    store.pending.get_mut().new_blocks.most = 256;
    store
}

/// To whom, and in which thread, the message with this `seq` goes.
fn places(seq: u64) -> (usize, usize) {
    ((seq % 3) as usize, ((seq / 7) % 3) as usize)
}

/// Writes the messages with these numbers, [`EACH`] in a commit.
fn write(store: &mut SqliteStore, seqs: std::ops::RangeInclusive<u64>, tails: &mut [u64; 3]) {
    for seq in seqs.clone() {
        if (seq - seqs.start()).is_multiple_of(EACH) {
            store.begin().unwrap();
        }
        let (aspect, of) = places(seq);
        let id = MessageId(Uuid::from_u128(u128::from(seq)));
        let message = Box::new(Message {
            id,
            seq,
            thread: thread(of),
            reply_to: None,
            from: Party::System,
            to: vec![Party::Aspect(name(aspect))],
            content: format!("message {seq}"),
            at: 5,
            meta: None,
            attachments: Vec::new(),
            reactions: Vec::new(),
        });
        let record = MessageRecord { message, trace: None, unknown: Vec::new(), request_digest: [1; 16] };
        let content = Sha256::digest(&record.message.content).into();
        store.put_message(&record, &content).unwrap();
        tails[aspect] += 1;
        let item = derive::message_item(id, &name(aspect));
        let item =
            NewItem { offset: tails[aspect], id: item, at: 5, message_seq: Some(seq), json: "".into() };
        store.put_inbox(&name(aspect), &item).unwrap();
        if (seq - seqs.start() + 1).is_multiple_of(EACH) || seq == *seqs.end() {
            store.commit().unwrap();
        }
    }
}

fn of_reader<T>(store: &SqliteStore, reading: impl FnOnce(&SqliteReader) -> Stored<T>) -> T {
    store.readers(1).read(|reader| reading(reader)).unwrap()
}

/// Every inbox and every thread holds what came of the messages up to `last`, whichever way it is read; of wren's inbox
/// what is up to `floor` is not kept.
fn check(store: &SqliteStore, last: u64, floor: u64) {
    for (place, its_name) in NAMES.into_iter().enumerate() {
        let floor = if place == 0 { floor } else { 0 };
        let wanted: Vec<_> = (1..=last).filter(|seq| places(*seq).0 == place).collect();
        let wanted: Vec<_> = (1..).zip(wanted).filter(|(offset, _)| *offset > floor).collect();
        let mut found = Vec::new();
        let mut after = 0;
        loop {
            let page = of_reader(store, |reader| reader.inbox(&name(place), after, 500));
            let Some(end) = page.last() else { break };
            after = end.offset;
            found.extend(page.into_iter().map(|it| {
                let item: serde_json::Value = serde_json::from_str(&it.json).unwrap();
                (it.offset, item["body"]["seq"].as_u64().unwrap())
            }));
        }
        assert_eq!(found, wanted, "the inbox of {its_name}");

        let wanted: Vec<u64> = (1..=last).filter(|seq| places(*seq).1 == place).collect();
        let (mut found, mut after) = (Vec::new(), 0);
        loop {
            let page = of_reader(store, |reader| reader.messages(thread(place), after, 500));
            let Some(end) = page.last() else { break };
            after = end.seq;
            found.extend(page.iter().map(|it| it.seq));
        }
        assert_eq!(found, wanted, "thread {place}, forwards");
        let (mut found, mut before) = (Vec::new(), u64::MAX);
        loop {
            let mut page = of_reader(store, |reader| reader.messages_before(thread(place), 0, before, 500));
            page.sort_by_key(|it| it.seq);
            let Some(first) = page.first() else { break };
            before = first.seq;
            found.extend(page.iter().rev().map(|it| it.seq));
        }
        found.reverse();
        assert_eq!(found, wanted, "thread {place}, backwards");
    }
}

#[test]
fn blocks_are_found_where_they_came_and_where_they_were_moved_to() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    let mut store = opened(&path);
    let mut tails = [0; 3];
    let new = |store: &SqliteStore| store.pending.borrow().new_blocks;
    write(&mut store, 1..=6_000, &mut tails);
    assert_eq!(new(&store), New { of_inboxes: 93, of_threads: 93, most: 256 });
    check(&store, 6_000, 0);
    write(&mut store, 6_001..=18_000, &mut tails);
    // 281 have become full, and the commit in which it was the 256th has moved them.
    let moved = new(&store);
    assert!(moved.of_inboxes < 26 && moved.of_threads < 26, "{moved:?}");
    check(&store, 18_000, 0);
    drop(store);

    let mut store = sooner(SqliteStore::open(&path, Options::default()).unwrap());
    assert_eq!(new(&store), moved);
    check(&store, 18_000, 0);
    // What is rolled back is not counted.
    store.begin().unwrap();
    store.pending.get_mut().new_blocks.put_of_thread(&store.connection, 1, 99, b"").unwrap();
    store.rollback().unwrap();
    let mut store = sooner(store);
    assert_eq!(new(&store), moved);

    // The last of what goes is a new one, and more follow.
    let floor = tails[0] / BLOCK * BLOCK;
    store.begin().unwrap();
    store.prune_inbox(&name(0), floor).unwrap();
    store.commit().unwrap();
    check(&store, 18_000, floor);
    write(&mut store, 18_001..=19_000, &mut tails);
    check(&store, 19_000, floor);
    store.readers(1).read(|reader| reader.verify(None)).unwrap();
}
