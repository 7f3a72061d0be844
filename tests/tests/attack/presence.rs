//! Who is there and does not do their part: what is shown of them, what is told, and that it costs nobody else.

use nexus_tests::World;
use nexus_tests::raw::Raw;
use serde_json::{Value, json};

/// Short enough for a test, and nothing here depends on how long it really takes.
const HASTY: &str =
    "expected_roster = [\"wren\"]\nexpected_grace_s = 1\n[presence]\nstalled_s = 1\ndeaf_s = 1\n";

fn hasty() -> World {
    let mut world = World::asleep().config(HASTY);
    world.start_broker();
    world
}

/// An operator who follows roster and log.
async fn watcher(world: &World) -> Raw {
    let mut raw = Raw::operator(world).await;
    let reply = raw.request("subscribe", json!({"from_seq": 0, "roster": true})).await;
    assert_eq!(reply["kind"], "ok", "{reply}");
    raw
}

async fn alert(raw: &mut Raw, change: &str, key: &str) -> Value {
    loop {
        let entry = raw.next_of("log").await["payload"].clone();
        if entry["body"]["type"] == "alert"
            && entry["body"]["change"] == change
            && entry["body"]["key"] == key
        {
            return entry;
        }
    }
}

async fn state(world: &World, name: &str) -> String {
    let team = Raw::operator(world).await.request("team.list", json!({})).await;
    let aspects = team["payload"]["aspects"].as_array().cloned().unwrap_or_default();
    let found = aspects.into_iter().find(|aspect| aspect["name"] == name).expect("on the team");
    found["state"].as_str().expect("a state").to_owned()
}

#[tokio::test]
async fn one_that_is_expected_and_does_not_come_is_missed_until_it_does() {
    let world = hasty();
    let mut watcher = watcher(&world).await;
    alert(&mut watcher, "raised", "aspect_missing/wren").await;
    let shown = world.nexctl_json(&["get", "alerts"]);
    assert_eq!(shown["alerts"][0]["key"], "aspect_missing/wren", "{shown}");
    let acked = world.nexctl_json(&["ack", "aspect_missing/wren"]);
    assert_eq!(acked["acked_by"], "operator/admin", "{acked}");
    let home = world.home("wren", json!({}), "");
    let (_wren, _) = Raw::registered(&world, &home, json!({})).await;
    alert(&mut watcher, "cleared", "aspect_missing/wren").await;
    assert_eq!(world.nexctl_json(&["get", "alerts"])["alerts"], json!([]));
}

#[tokio::test]
async fn one_that_never_acknowledges_is_deaf_and_the_others_hear() {
    let world = hasty();
    let (moth, forge) = (world.home("moth", json!({}), ""), world.home("forge", json!({}), ""));
    let (mut moth, _) = Raw::registered(&world, &moth, json!({})).await;
    let (mut forge, _) = Raw::registered(&world, &forge, json!({})).await;
    let mut watcher = watcher(&world).await;
    let sent = watcher.request("chat.send", json!({"content": "hello", "to": ["moth", "forge"]})).await;
    assert_eq!(sent["kind"], "ok", "{sent}");
    let offset = forge.next_of("deliver").await["payload"]["offset"].clone();
    assert_eq!(forge.request("ack", json!({"offset": offset})).await["kind"], "ok");
    alert(&mut watcher, "raised", "aspect_deaf/moth").await;
    assert_eq!(state(&world, "moth").await, "deaf");
    assert_eq!(state(&world, "forge").await, "online");
    let situation = moth.request("situation", json!({})).await["payload"].clone();
    assert_eq!(situation["undelivered"], 1, "it is asked for and answers: {situation}");
    assert_eq!(moth.request("ack", json!({"offset": 1})).await["kind"], "ok");
    alert(&mut watcher, "cleared", "aspect_deaf/moth").await;
    assert_eq!(state(&world, "moth").await, "online");
}

#[tokio::test]
async fn a_stopped_process_is_deaf_and_hears_all_of_it_when_it_goes_on() {
    let world = hasty();
    let home = world.home(
        "moth",
        json!({}),
        "[[rule]]\nname = \"any\"\nmatch = '.'\n\n[[rule.step]]\nsay = \"heard\"\n",
    );
    let moth = world.agent(&home);
    let mut watcher = watcher(&world).await;
    moth.signal("STOP");
    let sent = watcher.request("chat.send", json!({"content": "hello", "to": ["moth"]})).await;
    let thread = sent["payload"]["thread"].clone();
    alert(&mut watcher, "raised", "aspect_deaf/moth").await;
    moth.signal("CONT");
    alert(&mut watcher, "cleared", "aspect_deaf/moth").await;
    loop {
        let read = Raw::operator(&world).await.request("chat.read", json!({"thread": thread})).await;
        let messages = read["payload"]["messages"].as_array().cloned().unwrap_or_default();
        if messages.iter().any(|message| message["from"] == "moth") {
            return;
        }
        alert_free(&mut watcher).await;
    }
}

/// The next entry of the log, whatever it is.
async fn alert_free(raw: &mut Raw) {
    raw.next_of("log").await;
}

#[tokio::test]
async fn a_turn_without_a_token_stalls_and_a_token_ends_that() {
    let world = hasty();
    let home = world.home("moth", json!({}), "");
    let (mut moth, _) = Raw::registered(&world, &home, json!({})).await;
    let mut watcher = watcher(&world).await;
    let turn = nexus_client::new_request_id();
    assert_eq!(moth.request("observe.begin", json!({"turn": turn})).await["kind"], "ok");
    alert(&mut watcher, "raised", "aspect_stalled/moth").await;
    assert_eq!(state(&world, "moth").await, "stalled");
    let text = json!({"turn": turn, "n": 0, "event": {"type": "text", "text": "x"}});
    assert_eq!(moth.request("observe.event", text).await["kind"], "ok");
    alert(&mut watcher, "cleared", "aspect_stalled/moth").await;
    // A link that goes takes what was said of it along.
    alert(&mut watcher, "raised", "aspect_stalled/moth").await;
    drop(moth);
    alert(&mut watcher, "cleared", "aspect_stalled/moth").await;
    assert_eq!(state(&world, "moth").await, "offline");
}

#[tokio::test]
async fn work_for_a_hand_is_shown_as_busy() {
    let world = hasty();
    let home = world.home("moth", json!({}), "");
    let hands = json!({"hands": [{"name": "work"}], "slots": 1});
    let (mut moth, _) = Raw::registered(&world, &home, hands).await;
    assert_eq!(state(&world, "moth").await, "online");
    let mut operator = Raw::operator(&world).await;
    operator.request("dispatch", json!({"hand": "moth/work", "input": 1})).await;
    let item = moth.next_of("deliver").await["payload"].clone();
    moth.request("ack", json!({"offset": item["offset"]})).await;
    assert_eq!(state(&world, "moth").await, "busy");
    let result = json!({"lease": item["item"]["body"]["lease"], "output": 1});
    moth.request("dispatch.result", result).await;
    assert_eq!(state(&world, "moth").await, "online");
}

/// An old link whose end is noticed only after its successor registered takes nothing away from that one.
#[tokio::test]
async fn the_end_of_an_old_link_leaves_its_successor_alone() {
    let world = World::new();
    let home = world.home("moth", json!({}), "");
    let (mut old, first) = Raw::registered(&world, &home, json!({})).await;
    let register = json!({"last_generation": first["generation"]});
    let (mut new, _) = Raw::registered(&world, &home, register).await;
    assert_eq!(old.next().await, Err(4001));
    drop(old);
    // Whatever the old link's end did was before these.
    assert_eq!(new.request("situation", json!({})).await["kind"], "ok");
    assert_eq!(state(&world, "moth").await, "online");
    let mut operator = Raw::operator(&world).await;
    operator.request("chat.send", json!({"content": "hello", "to": ["moth"]})).await;
    assert_eq!(new.next_of("deliver").await["payload"]["offset"], 1);
}

#[tokio::test]
async fn a_held_agent_ends_stays_down_and_comes_back_when_it_is_released() {
    let mut world = World::new();
    let home = world.home("moth", json!({}), "");
    let mut agent = world.agent(&home);
    let out = world.nexctl(&["hold", "moth", "--reason", "it deletes files"]);
    assert!(out.status.success(), "{}", nexus_tests::world::text(&out));
    assert_eq!(agent.wait().code(), Some(4), "the exit code of one that is held");
    world.restart_broker();
    let mut again = world.agent_under(&[], &home);
    again.wait_for_text("it deletes files");
    assert_eq!(again.wait().code(), Some(4));
    let shown = world.nexctl_json(&["get", "aspects"]);
    assert_eq!(shown["aspects"][0]["restraint"]["kind"], "held", "{shown}");
    assert!(world.nexctl(&["release", "moth"]).status.success());
    let back = world.agent(&home);
    assert!(world.nexctl(&["pause", "moth", "--reason", "a new disk"]).status.success());
    let shown = world.nexctl_json(&["get", "aspects"]);
    assert_eq!(
        (&shown["aspects"][0]["state"], &shown["aspects"][0]["restraint"]["kind"]),
        (&json!("offline"), &json!("paused"))
    );
    // It still speaks, and hears.
    let sent =
        Raw::operator(&world).await.request("chat.send", json!({"content": "hello", "to": ["moth"]})).await;
    assert_eq!(sent["kind"], "ok", "{sent}");
    assert!(world.nexctl(&["release", "moth"]).status.success());
    // It may be at work on its answer.
    assert_ne!(state(&world, "moth").await, "offline");
    drop(back);
}
