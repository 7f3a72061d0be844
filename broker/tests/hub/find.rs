//! Search in messages: the same from the index as from the messages themselves, whatever happens to the index.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nexus_broker::hub::records::{Finds, Found, Visible};
use nexus_broker::store::{Indexer, MemoryStore, SqliteReader, SqliteStore};
use nexus_wire::ThreadId;
use nexus_wire::chat::{ChatSearch, ChatSend};
use proptest::prelude::*;

use crate::world::{World, memory, message, party, sqlite};

fn indexed(indexer: &mut Indexer) -> u64 {
    loop {
        let indexed = indexer.step().unwrap();
        if !indexed.more {
            return indexed.seq;
        }
    }
}

fn query(text: &str) -> ChatSearch {
    ChatSearch { query: text.into(), ..ChatSearch::default() }
}

fn seqs(found: &Found) -> Vec<u64> {
    found.hits.iter().map(|hit| hit.seq).collect()
}

/// Says the same in both worlds; the thread of it.
fn say(twins: (&mut World<MemoryStore>, &mut World<SqliteStore>), send: &ChatSend) -> ThreadId {
    let (one, other) =
        (twins.0.send("operator/ana", send.clone()), twins.1.send("operator/ana", send.clone()));
    assert_eq!(one, other);
    one.unwrap().thread
}

fn twins(dir: &Path) -> (World<MemoryStore>, World<SqliteStore>) {
    let (mut one, mut other) = (memory(), sqlite(dir));
    for name in ["wren", "forge"] {
        one.online(name);
        other.online(name);
    }
    one.operator("ana");
    other.operator("ana");
    (one, other)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_index_finds_what_a_look_through_everything_finds(
        said in prop::collection::vec((0_usize..3, "(river|rivers|sea|moon|é|\\x00|\"| |-|deep){1,6}"), 1..30),
        queries in prop::collection::vec("(river|sea|-moon|\"sea moon\"|OR|deep\\*|é| |\\x00|\"){1,4}", 1..6),
        limit in 1_u32..8,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (mut one, mut other) = twins(dir.path());
        let mut indexer = Indexer::open(other.store.path()).unwrap();
        let mut threads: Vec<ThreadId> = Vec::new();
        for (to, content) in &said {
            let to = ["wren", "forge", "operator/ana"][*to];
            let thread = (threads.len() > 3).then(|| threads[0]);
            let send = ChatSend { to: vec![to.into()], thread, ..message(content) };
            threads.push(say((&mut one, &mut other), &send));
        }
        prop_assert!(indexed(&mut indexer) > 0);
        let reader = SqliteReader::open(&dir.path().join("nexus.db")).unwrap();
        let to = |name: &str, worked: Vec<ThreadId>| Visible::To { party: party(name), worked };
        for text in &queries {
            for visible in [Visible::All, to("wren", Vec::new()), to("forge", vec![threads[0]])] {
                for search in [
                    query(text),
                    ChatSearch { thread: Some(threads[0]), ..query(text) },
                    ChatSearch { by: Some(party("wren")), ..query(text) },
                    ChatSearch { since: Some(one.at - 9), until: Some(one.at), ..query(text) },
                ] {
                    let expected = one.store.chat_search(&visible, &search, 100).unwrap();
                    prop_assert_eq!(&reader.chat_search(&visible, &search, 100).unwrap(), &expected, "{:?}", search);
                    // Page by page it is the same.
                    let (mut all, mut cursor) = (Vec::new(), None);
                    loop {
                        let asked = ChatSearch { cursor, ..search.clone() };
                        let page = reader.chat_search(&visible, &asked, limit).unwrap();
                        if cursor.is_none() {
                            prop_assert_eq!(&page, &one.store.chat_search(&visible, &asked, limit).unwrap());
                        }
                        all.extend(page.hits);
                        cursor = page.next;
                        if cursor.is_none() {
                            break;
                        }
                    }
                    prop_assert_eq!(all, expected.hits);
                }
            }
        }
    }
}

#[test]
fn an_index_that_is_lost_damaged_or_of_another_history_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let database = dir.path().join("nexus.db");
    let old = dir.path().join("old.db");
    let mut world = sqlite(dir.path());
    world.operator("ana");
    let first = world.say("operator/ana", "the moon is a harsh mistress");
    let reader = SqliteReader::open(&database).unwrap();
    let none = reader.chat_search(&Visible::All, &query("moon"), 10).unwrap();
    assert_eq!(none, Found { hits: Vec::new(), next: None, indexed_seq: 0 }, "there is no index yet");
    drop(reader);
    let found = |text: &str| {
        let mut indexer = Indexer::open(&database).unwrap();
        let seq = indexed(&mut indexer);
        let reader = SqliteReader::open(&database).unwrap();
        let found = reader.chat_search(&Visible::All, &query(text), 10).unwrap();
        assert_eq!(found.indexed_seq, seq);
        seqs(&found)
    };
    assert_eq!(found("moons"), [first.seq]);
    drop(world);
    std::fs::copy(&database, &old).unwrap();
    let mut world = sqlite(dir.path());
    let second = world.say("operator/ana", "another moon");
    assert_eq!(found("moon"), [second.seq, first.seq]);
    let before = SqliteReader::open(&database).unwrap();
    let still = || seqs(&before.chat_search(&Visible::All, &query("moon"), 10).unwrap());
    assert_eq!(still(), [second.seq, first.seq]);
    for damage in ["lost", "torn", "scrambled"] {
        let path = dir.path().join("search.db");
        match damage {
            "lost" => std::fs::remove_file(&path).unwrap(),
            "torn" => std::fs::write(&path, "SQLite format 3\0 and no more").unwrap(),
            _ => {
                let mut bytes = std::fs::read(&path).unwrap();
                bytes[100..].fill(0xa5);
                std::fs::write(&path, bytes).unwrap();
            }
        }
        assert_eq!(found("moon"), [second.seq, first.seq], "{damage}");
        assert_eq!(still(), [second.seq, first.seq], "{damage}");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "messages can be read out of it ({damage})");
    }
    drop(before);
    // The old file is copied back, and goes on differently.
    drop(world);
    std::fs::copy(&old, &database).unwrap();
    let mut world = sqlite(dir.path());
    for _ in 0..10 {
        // A new world draws the ids of the one before; nobody else's clients do.
        world.id();
    }
    world.say("operator/ana", "of cheese");
    let third = world.say("operator/ana", "a moon of cheese");
    assert_eq!(found("moon"), [third.seq, first.seq]);
    assert_eq!(found("another"), Vec::<u64>::new());
}
