//! Files that go, come back or are old: nothing that was acknowledged is taken for something else.

use std::path::Path;

use nexus_tests::raw::Raw;
use nexus_tests::{World, wait_until};
use serde_json::{Value, json};

use crate::http::request;

/// Sends so many messages to wren, which acknowledges them; the item of the last, its offset and its message.
async fn work(world: &World, wren: &mut Raw, count: usize) -> (Value, Value, Value) {
    let mut operator = Raw::operator(world).await;
    let mut last = (Value::Null, Value::Null, Value::Null);
    for n in 0..count {
        let sent = operator.request("chat.send", json!({"to": ["wren"], "content": format!("{n}")})).await;
        let delivered = wren.next_of("deliver").await["payload"].clone();
        last = (
            delivered["item"]["id"].clone(),
            delivered["offset"].clone(),
            sent["payload"]["message"].clone(),
        );
        wren.send("ack", None, json!({"offset": last.1})).await;
    }
    // Answered in order: the acknowledgements are on disk.
    wren.request("chat.threads", json!({})).await;
    last
}

async fn reads(world: &World, message: &Value) -> bool {
    let mut operator = Raw::operator(world).await;
    operator.request("chat.read", json!({"message": message})).await["kind"] == "ok"
}

fn stop(world: &mut World) {
    world.broker().signal("TERM");
    world.broker_mut().wait();
}

fn beside(data: &Path, end: &str) -> std::path::PathBuf {
    data.join(format!("nexus.db{end}"))
}

#[tokio::test]
async fn a_lost_index_of_the_write_ahead_log_costs_nothing() {
    let mut world = World::new();
    let home = world.home("wren", json!({}), "");
    let (mut wren, first) = Raw::registered(&world, &home, json!({})).await;
    let (item, offset, message) = work(&world, &mut wren, 5).await;
    world.kill_broker();
    std::fs::remove_file(beside(&world.data(), "-shm")).expect("a killed broker leaves it");
    world.start_broker();
    assert!(reads(&world, &message).await);
    let resume = json!({"epoch": first["epoch"], "offset": offset, "item": item});
    let (_, again) = Raw::registered(&world, &home, json!({"resume": resume, "last_generation": 1})).await;
    assert_eq!((&again["epoch"], &again["offset"]), (&first["epoch"], &offset));
}

#[tokio::test]
async fn a_database_that_was_set_back_begins_a_new_epoch_with_who_was_further() {
    for lost in ["the write-ahead log", "an old copy put back"] {
        let mut world = World::new();
        let home = world.home("wren", json!({}), "");
        let (mut wren, first) = Raw::registered(&world, &home, json!({})).await;
        let (_, kept_offset, kept) = work(&world, &mut wren, 3).await;
        stop(&mut world);
        let copy = std::fs::read(beside(&world.data(), "")).expect("a stopped broker leaves one file");
        world.start_broker();
        let register = json!({"last_generation": 1});
        let (mut wren, _) = Raw::registered(&world, &home, register).await;
        let (item, offset, gone) = work(&world, &mut wren, 4).await;
        world.kill_broker();
        if lost == "an old copy put back" {
            std::fs::write(beside(&world.data(), ""), copy).expect("the file is ours");
        }
        for end in ["-wal", "-shm"] {
            std::fs::remove_file(beside(&world.data(), end)).expect("a killed broker leaves it");
        }
        world.start_broker();
        assert!(reads(&world, &kept).await && !reads(&world, &gone).await, "{lost}");
        let resume = json!({"epoch": first["epoch"], "offset": offset, "item": item});
        let register = json!({"resume": resume, "last_generation": 2});
        let (mut wren, again) = Raw::registered(&world, &home, register).await;
        assert_ne!(
            again["epoch"], first["epoch"],
            "{lost}: offsets beyond {kept_offset} mean other items now"
        );
        assert_eq!(again["offset"], kept_offset, "{lost}");
        work(&world, &mut wren, 2).await;
        let verified = world.run("nexus", &["verify", "--data", &world.data().to_string_lossy()]);
        assert!(verified.status.success(), "{lost}: {}", nexus_tests::world::text(&verified));
    }
}

#[tokio::test]
async fn a_database_that_vanishes_under_a_broker_takes_nothing_in_until_it_is_back() {
    let world = World::new();
    let mut operator = Raw::operator(&world).await;
    let before = operator.request("chat.send", json!({"content": "before"})).await["payload"].clone();
    let (database, away) = (beside(&world.data(), ""), world.dir().join("away.db"));
    std::fs::rename(&database, &away).expect("the folder is ours");
    let (id, payload) = (nexus_client::new_request_id(), json!({"content": "meanwhile"}));
    let refused = operator.request_as(id, "chat.send", payload.clone()).await;
    assert_eq!(refused["payload"]["code"], "storage_unavailable", "{refused}");
    assert_eq!(request(&world, "GET", "/readyz", None, "").0, 503);
    std::fs::rename(&away, &database).expect("the folder is ours");
    wait_until("the broker ready again", || {
        (request(&world, "GET", "/readyz", None, "").0 == 200).then_some(())
    });
    let sent = operator.request_as(id, "chat.send", payload).await;
    assert_eq!(sent["kind"], "ok", "{sent}");
    assert!(reads(&world, &before["message"]).await);
}
