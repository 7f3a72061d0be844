use nexus_wire::Ms;
use nexus_wire::chat::Message;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::*;
use crate::hub::records::{Finds, MessageRecord, Store, ThreadRecord, Transaction};
use crate::store::page::MATCHES_MAX;
use crate::store::sqlite::{Indexer, Options, SqliteReader, SqliteStore, open};

const SCAN: u64 = 10;
/// With wren, who says nearly everything.
const OFTEN: ThreadId = ThreadId(Uuid::from_u128(1));
/// With forge, who says a little.
const SELDOM: ThreadId = ThreadId(Uuid::from_u128(2));
const COUNT: u64 = 100;
const OF_FORGE: [u64; 3] = [97, 52, 5];

fn party(name: &str) -> Party {
    name.parse().unwrap()
}

fn opened(path: &Path) -> SqliteStore {
    let mut store = SqliteStore::open(path, Options::default()).unwrap();
    store.begin().unwrap();
    for (id, with) in [(OFTEN, "wren"), (SELDOM, "forge")] {
        let participants = [party(with)].as_slice().into();
        store
            .put_thread(&ThreadRecord { participants, ..ThreadRecord::opened(id, "one".into(), 0) })
            .unwrap();
    }
    store.commit().unwrap();
    store
}

/// Each at a time that is its `seq`.
fn say(store: &mut SqliteStore, seq: u64, thread: ThreadId, from: &Party, content: &str) {
    let message = Message {
        id: MessageId(Uuid::from_u128(u128::from(seq))),
        seq,
        thread,
        reply_to: None,
        from: from.clone(),
        to: Vec::new(),
        content: content.to_owned(),
        at: seq.cast_signed(),
        meta: None,
        attachments: Vec::new(),
        reactions: Vec::new(),
    };
    let message = Box::new(message);
    let record = MessageRecord { message, trace: None, unknown: Vec::new(), request_digest: [1; 16] };
    store.put_message(&record, &Sha256::digest(content).into()).unwrap();
}

/// All of it has the word.
fn talk(store: &mut SqliteStore, long: Option<u64>) {
    store.begin().unwrap();
    for seq in 1..=COUNT {
        let content = if long == Some(seq) { "moon ".repeat(2_000) } else { format!("moon {seq}") };
        match OF_FORGE.contains(&seq) {
            true => say(store, seq, SELDOM, &party("forge"), &content),
            false => say(store, seq, OFTEN, &party("wren"), &content),
        }
    }
    store.commit().unwrap();
}

fn index(path: &Path) {
    let mut indexer = Indexer::open(path).unwrap();
    while indexer.step().unwrap().more {}
}

fn indexed(path: &Path) -> Connection {
    index(path);
    let connection = open::reader(path).unwrap();
    assert!(attach(&connection, &Attached::default(), path).unwrap());
    connection
}

fn moon() -> ChatSearch {
    ChatSearch { query: "moon".into(), ..ChatSearch::default() }
}

/// What is found from the last to the first message, and where the pages ended in between.
fn paged(connection: &Connection, visible: &Visible, asked: &ChatSearch, limit: u32) -> (Vec<u64>, Vec<u64>) {
    let (mut asked, mut all, mut ends) = (asked.clone(), Vec::new(), Vec::new());
    loop {
        let found = search(connection, visible, &asked, limit, SCAN).unwrap();
        assert!(found.hits.len() <= limit as usize);
        all.extend(found.hits.iter().map(|hit| hit.seq));
        let Some(next) = found.next else { return (all, ends) };
        assert!(asked.cursor.is_none_or(|cursor| next < cursor));
        ends.push(next);
        asked.cursor = Some(next);
    }
}

fn down(from: u64, to: u64) -> Vec<u64> {
    (to..=from).rev().collect()
}

#[test]
fn a_search_that_finds_little_comes_back_in_between() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    let mut store = opened(&path);
    talk(&mut store, None);
    let connection = indexed(&path);
    let every_ten: Vec<u64> = down(91, 11).into_iter().step_by(10).collect();
    let to_forge = Visible::To { party: party("forge"), worked: Vec::new() };
    for (visible, asked) in [
        (&Visible::All, ChatSearch { thread: Some(SELDOM), ..moon() }),
        (&Visible::All, ChatSearch { by: Some(party("forge")), ..moon() }),
        (&to_forge, moon()),
    ] {
        let found = paged(&connection, visible, &asked, 3);
        assert_eq!(found, (OF_FORGE.into(), every_ten.clone()), "{asked:?} {visible:?}");
    }
    // A full page ends where it is full, and the last one of all is known to be that.
    let ends: Vec<u64> = down(98, 2).into_iter().step_by(3).collect();
    assert_eq!(paged(&connection, &Visible::All, &moon(), 3), (down(COUNT, 1), ends));
    let last = ChatSearch { since: Some(89), ..moon() };
    assert_eq!(paged(&connection, &Visible::All, &last, 3), (down(COUNT, 89), vec![98, 95, 92]));
    let nothing = ChatSearch { query: "sun".into(), ..moon() };
    assert_eq!(paged(&connection, &Visible::All, &nothing, 3), (Vec::new(), Vec::new()));
}

#[test]
fn what_is_older_or_younger_than_is_wanted_is_not_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    let mut store = opened(&path);
    talk(&mut store, None);
    let connection = indexed(&path);
    let times: [(Option<Ms>, Option<Ms>); 11] = [
        (None, None),
        (Some(96), None),
        (None, Some(6)),
        (Some(20), Some(26)),
        (Some(45), Some(65)),
        (Some(28), Some(45)),
        (Some(40), Some(50)),
        (Some(26), Some(20)),
        (Some(1_000), None),
        (None, Some(1)),
        (Some(Ms::MIN), Some(Ms::MAX)),
    ];
    let expected = |since: Option<Ms>, until: Option<Ms>| {
        let is_between = |seq: &u64| {
            let at = seq.cast_signed();
            since.is_none_or(|since| at >= since) && until.is_none_or(|until| at < until)
        };
        down(COUNT, 1).into_iter().filter(is_between).collect::<Vec<u64>>()
    };
    let found = |since, until| {
        paged(&connection, &Visible::All, &ChatSearch { since, until, ..moon() }, COUNT as u32)
    };
    for (since, until) in times {
        let (found, ends) = found(since, until);
        assert_eq!(found, expected(since, until), "from {since:?} to {until:?}");
        assert!(ends.len() <= found.len() / SCAN as usize, "from {since:?} to {until:?}: {ends:?}");
    }
    // The same with some that are still in the index and kept no longer.
    let gone = 31..=60_u64;
    store.begin().unwrap();
    for seq in gone.clone() {
        store.delete_message(MessageId(Uuid::from_u128(u128::from(seq)))).unwrap();
    }
    store.commit().unwrap();
    for (since, until) in times {
        let mut expected = expected(since, until);
        expected.retain(|seq| !gone.contains(seq));
        assert_eq!(found(since, until).0, expected, "from {since:?} to {until:?}");
    }
}

#[test]
fn a_long_message_counts_as_many_matches() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    let mut store = opened(&path);
    talk(&mut store, Some(95));
    let connection = indexed(&path);
    let seldom = ChatSearch { thread: Some(SELDOM), ..moon() };
    let (found, ends) = paged(&connection, &Visible::All, &seldom, 3);
    assert_eq!((found.as_slice(), &ends[..2]), (&OF_FORGE[..], &[95, 85][..]));
}

#[test]
fn one_search_looks_at_so_many_matches_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    let mut store = opened(&path);
    let wren = party("wren");
    store.begin().unwrap();
    for seq in 1..=MATCHES_MAX + 5 {
        say(&mut store, seq, OFTEN, &wren, "moon");
    }
    store.commit().unwrap();
    index(&path);
    let reader = SqliteReader::open(&path).unwrap();
    let look = |cursor| {
        let asked = ChatSearch { thread: Some(SELDOM), cursor, ..moon() };
        let found = reader.chat_search(&Visible::All, &asked, 3).unwrap();
        (found.hits.len(), found.next)
    };
    assert_eq!((look(None), look(Some(6))), ((0, Some(6)), (0, None)));
}
