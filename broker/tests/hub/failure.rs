//! Commits that fail, a database that is in use, read-only, tampered with or opened again, and long reads.

use std::path::Path;
use std::sync::Arc;

use nexus_broker::hub::records::{NewItem, PAGE_BYTES, Reads, Store, StoreError, Transaction};
use nexus_broker::hub::{Change, Command, CommandBody, Effect, Hub, HubConfig, Origin};
use nexus_broker::store::{OpenError, Options, SqliteStore};
use nexus_wire::chat::ChatSend;
use nexus_wire::inbox::Item;
use nexus_wire::roster::Register;
use nexus_wire::{ItemId, RequestId, derive};

use crate::on_both_stores;
use crate::same::assert_same;
use crate::world::{World, memory, message, name, party, sqlite};

fn open(dir: &Path) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(&dir.join("nexus.db"), Options::default())
}

fn change() -> Change {
    Change::ChatSend(ChatSend { to: vec!["wren".into()], ..message("x") }.into())
}

fn send(request: RequestId) -> CommandBody {
    CommandBody::Request { sender: party("operator/ana"), link: None, request, change: change() }
}

/// Applies a batch and takes it back.
fn undone<S: Transaction>(world: &mut World<S>, commands: Vec<CommandBody>) -> Vec<Effect> {
    let before = world.hub.clone();
    world.store.begin().unwrap();
    let mut effects = Vec::new();
    for body in commands {
        world.at += 1;
        let command = Command { at: world.at, origin: Origin::Call(1), trace: None, body };
        effects.extend(world.hub.apply(&mut world.store, command).unwrap());
    }
    assert_ne!(world.hub, before);
    world.store.rollback().unwrap();
    world.hub = Hub::rebuild(&world.store, HubConfig::default()).unwrap();
    assert_eq!(world.hub, before);
    effects
}

on_both_stores! {
    fn a_batch_that_fails_never_was(world) {
        world.operator("ana");
        world.online("wren");
        world.say("operator/ana", "@wren before");
        let request = RequestId(world.id());
        let first = undone(world, vec![send(request), send(RequestId(nexus(9)))]);
        assert_eq!(world.inbox("wren").len(), 1);
        // The same request later is new, and is what the first would have been.
        let (answer, effects) = world.request_as("operator/ana", request, change());
        assert!(matches!(&first[0], Effect::Answer { answer: Ok(_), .. }));
        assert!(answer.is_ok() && !effects.is_empty());
        assert_eq!(world.inbox("wren").len(), 2);
    }

    fn failures_where_blocks_end_leave_no_hole(world) {
        world.operator("ana");
        world.online("wren");
        let first = world.say("operator/ana", "@wren 0");
        for n in 1..200 {
            let send = ChatSend { thread: Some(first.thread), ..message(&format!("{n}")) };
            let requests: Vec<RequestId> = (0..n % 4).map(|_| RequestId(world.id())).collect();
            let body = |request| CommandBody::Request {
                sender: party("operator/ana"), link: None, request, change: Change::ChatSend(send.clone().into()),
            };
            if !requests.is_empty() {
                undone(world, requests.into_iter().map(body).collect());
            }
            world.send("operator/ana", send.clone()).unwrap();
        }
        let contents: Vec<String> =
            world.store.messages(first.thread, 0, 1000).unwrap().into_iter().map(|it| it.content).collect();
        assert_eq!(contents[1..], (1..200).map(|n| n.to_string()).collect::<Vec<_>>()[..]);
        assert_eq!(world.inbox("wren").len(), 200);
        let middle = world.store.messages(first.thread, first.seq, 1).unwrap()[0].seq;
        assert_eq!(world.store.messages(first.thread, middle, 150).unwrap().len(), 150);
        assert_same(&world.store, &world.store);
    }

    fn a_page_of_large_items_ends_before_it_fills_the_memory(world) {
        world.operator("ana");
        world.aspect("wren");
        let content = "x".repeat(700_000);
        for _ in 0..14 {
            world.send("operator/ana", ChatSend { to: vec!["wren".into()], ..message(&content) }).unwrap();
        }
        let (mut after, mut pages) = (0, Vec::new());
        loop {
            let page = world.store.inbox(&name("wren"), after, 256).unwrap();
            let Some(last) = page.last() else { break };
            after = last.offset;
            assert!(page.iter().map(|item| item.json.len()).sum::<usize>() <= PAGE_BYTES);
            pages.push(page.len());
        }
        assert_eq!(pages, vec![5, 5, 4]);
        assert_eq!(world.store.log(0, None, 1000).unwrap().len(), 2 + 5, "the log, too");
    }
}

fn nexus(n: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0000 | n)
}

#[test]
fn a_commit_told_to_fail_says_the_storage_is_unavailable() {
    let mut world = memory();
    world.operator("ana");
    world.store.begin().unwrap();
    world.store.fail_next_commit();
    assert!(matches!(world.store.commit(), Err(StoreError::Unavailable(_))));
    world.store.rollback().unwrap();
    world.store.begin().unwrap();
    world.store.commit().unwrap();
}

#[test]
fn a_second_broker_is_kept_out_and_told_who_is_in() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path()).unwrap();
    let error = open(dir.path()).unwrap_err();
    assert!(
        matches!(&error, OpenError::Locked { pid, .. } if *pid == std::process::id().to_string()),
        "{error}"
    );
    drop(first);
    open(dir.path()).unwrap();
}

#[test]
fn what_was_committed_is_there_when_it_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = sqlite(dir.path());
    world.operator("ana");
    world.online("wren");
    for n in 0..70 {
        world.say("operator/ana", &format!("@wren {n}"));
    }
    let (hub, items) = (world.hub.clone(), world.inbox("wren"));
    drop(world);
    let mut world = sqlite(dir.path());
    assert_eq!((&world.hub, world.inbox("wren")), (&hub, items));
    world.say("operator/ana", "@wren 70");
    assert_eq!(world.inbox("wren").len(), 71);
    let head = world
        .store
        .readers(2)
        .read(|reader| reader.check_derived().and_then(|()| reader.verify(None)))
        .unwrap();
    assert_eq!(head.head.seq, world.hub.log_seq());
}

#[test]
fn a_changed_row_of_the_log_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = sqlite(dir.path());
    world.operator("ana");
    world.say("operator/ana", "hello");
    world.say("operator/ana", "hello again");
    let readers = world.store.readers(1);
    readers.read(|reader| reader.verify(None)).unwrap();
    let path = dir.path().join("nexus.db");
    drop(world);
    let raw = rusqlite::Connection::open(&path).unwrap();
    let sql = "SELECT body FROM message_blocks WHERE first = 2";
    let mut body: Vec<u8> = raw.query_row(sql, [], |row| row.get(0)).unwrap();
    let sender = body.windows(12).position(|window| window == b"operator/ana").unwrap();
    body[sender + 9..sender + 12].copy_from_slice(b"eve");
    raw.execute("UPDATE message_blocks SET body = ?1 WHERE first = 2", [body]).unwrap();
    let error = readers.read(|reader| reader.verify(None)).unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt(what) if what.contains("entry 2")), "{error}");
}

#[test]
fn a_page_that_was_overwritten_is_damage_and_not_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = sqlite(dir.path());
    world.operator("ana");
    world.aspect("wren");
    for n in 0..300 {
        world.say("operator/ana", &format!("@wren {n} {}", "x".repeat(200)));
    }
    drop(world);
    let path = dir.path().join("nexus.db");
    let whole = std::fs::read(&path).unwrap();
    let mut found = 0;
    for page in 1..whole.len() / 4096 {
        let mut torn = whole.clone();
        torn[page * 4096..(page + 1) * 4096].fill(0xa5);
        std::fs::write(&path, &torn).unwrap();
        let opened = open(dir.path());
        let Ok(store) = opened else {
            found += 1;
            continue;
        };
        let checked = store.readers(1).read(|reader| reader.verify(None));
        found += usize::from(matches!(checked, Err(StoreError::Corrupt(_) | StoreError::Unavailable(_))));
        let _ = Hub::rebuild(&store, HubConfig::default());
        let _ = store.inbox(&name("wren"), 0, 1000);
        let _ = store.log(0, None, 1000);
    }
    assert_eq!(found, whole.len() / 4096 - 1, "every page counts");
}

#[test]
fn a_million_items_are_read_page_by_page() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = sqlite(dir.path());
    world.operator("ana");
    world.aspect("wren");
    let sent = world.say("operator/ana", "@wren hello");
    let (wren, million) = (name("wren"), 1_000_000);
    let id = derive::message_item(sent.message, &wren);
    world.store.begin().unwrap();
    for offset in 2..=million {
        let item = NewItem { offset, id, at: world.at, message_seq: Some(sent.seq), json: Arc::from("") };
        world.store.put_inbox(&wren, &item).unwrap();
    }
    world.store.commit().unwrap();
    world.hub = Hub::rebuild(&world.store, HubConfig::default()).unwrap();
    let readers = world.store.readers(1);
    for (after, count) in [(0, 256), (499_999, 256), (million - 100, 100), (million, 0), (u64::MAX - 1, 0)] {
        let page = readers.read(|reader| reader.inbox(&wren, after, 256)).unwrap();
        assert_eq!(page.len(), count, "after {after}");
        assert!(
            page.iter().enumerate().all(|(at, item)| item.offset == after + 1 + at as u64 && item.id == id)
        );
    }
    let registered = world.register("wren", Register::default()).unwrap();
    assert_eq!((registered.offset, registered.situation.undelivered), (0, million));
    let item: Item =
        serde_json::from_str(&world.store.inbox(&wren, million - 1, 1).unwrap()[0].json).unwrap();
    assert_eq!(item.id, ItemId(id.0));
}
