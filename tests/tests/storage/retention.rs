//! What is kept no longer goes while the broker runs, and whoever comes from before is told what is missing.

use nexus_tests::raw::Raw;
use nexus_tests::world::text;
use nexus_tests::{World, wait_until};
use serde_json::json;

use crate::damaged::{sql, stop};

fn verify(world: &World, more: &[&str]) -> (i32, String) {
    let data = world.data().to_string_lossy().into_owned();
    let out = world.run("nexus", &[&["verify", "--data", &data], more].concat());
    (out.status.code().expect("it was not killed"), text(&out))
}

/// Waits for an entry of this kind in the log.
async fn logged(operator: &mut Raw, kind: &str) {
    loop {
        let entry = operator.next_of("log").await;
        if entry["payload"]["body"]["kind"] == kind {
            return;
        }
    }
}

#[tokio::test]
async fn a_client_from_before_is_told_of_the_gap_and_goes_on() {
    // A second, and two.
    let mut world = World::asleep().config("[retention]\ninbox_days = 0.0000116\nlog_days = \"0.0000232\"\n");
    world.start_broker();
    let home = world.home("wren", json!({}), "");
    let (mut wren, first) = Raw::registered(&world, &home, json!({})).await;
    let mut operator = Raw::operator(&world).await;
    let mut items = Vec::new();
    for n in 0..140 {
        operator.request("chat.send", json!({"to": ["wren"], "content": format!("{n}")})).await;
        let delivered = wren.next_of("deliver").await;
        wren.send("ack", None, json!({"offset": delivered["payload"]["offset"]})).await;
        items.push(delivered["payload"]["item"]["id"].clone());
    }
    let (code, head) = verify(&world, &["--export-head"]);
    assert_eq!(code, 0, "{head}");
    let head = head.lines().nth(1).expect("a head").to_owned();
    operator.request("subscribe", json!({"from_seq": 0})).await;
    logged(&mut operator, "inbox.pruned").await;
    drop(wren);
    // The second block may go a little later than the first.
    let (mut floor, mut frames) = (0, Vec::new());
    while floor < 128 {
        let resume = json!({"epoch": first["epoch"], "offset": 10, "item": items[9]});
        let register = json!({"resume": resume, "last_generation": 1_000_000});
        let (mut wren, registered) = Raw::registered(&world, &home, register).await;
        assert_eq!((&registered["epoch"], &registered["offset"]), (&first["epoch"], &json!(10)));
        let gap = wren.next_of("gap").await["payload"].clone();
        assert_eq!(gap["from"], 11, "{gap}");
        floor = gap["to"].as_u64().expect("a gap has an end");
        frames = vec![wren.next_of("deliver").await["payload"].clone()];
        wren.send("ack", None, json!({"offset": frames[0]["offset"]})).await;
    }
    assert_eq!(floor, 128);
    assert_eq!((&frames[0]["offset"], &frames[0]["item"]["id"]), (&json!(129), &items[128]));

    logged(&mut operator, "log.pruned").await;
    let (code, said) = verify(&world, &[]);
    assert_eq!(code, 0, "{said}");
    let (_, newer) = verify(&world, &["--export-head"]);
    let newer = newer.lines().nth(1).expect("a head").to_owned();
    let (code, said) = verify(&world, &["--against", &newer]);
    // Pruned on meanwhile, or contained.
    assert!(code == 0 || said.contains("not kept any more"), "{said}");
    world.restart_broker();
    let (code, said) = verify(&world, &["--against", &head]);
    assert!(code == 0 || said.contains("not kept any more"), "{said}");
    let mut operator = Raw::operator(&world).await;
    let sent = operator.request("chat.send", json!({"to": ["wren"], "content": "still here"})).await;
    assert_eq!(sent["kind"], "ok", "{sent}");
}

#[tokio::test]
async fn messages_and_dispatches_go_while_the_broker_runs_and_what_is_missing_is_said() {
    // A second each.
    let days = "0.0000116";
    let mut world =
        World::asleep().config(&format!("[retention]\nmessages_days = {days}\ndispatches_days = {days}\n"));
    world.start_broker();
    let home = world.home("wren", json!({}), "");
    let hands = json!({"hands": [{"name": "work"}], "slots": 1});
    let (mut wren, first) = Raw::registered(&world, &home, hands).await;
    let mut operator = Raw::operator(&world).await;
    operator.request("subscribe", json!({"from_seq": 0})).await;
    let opened = operator.request("chat.send", json!({"to": ["wren"], "content": "the lighthouse"})).await;
    let thread = opened["payload"]["thread"].clone();
    operator.request("chat.send", json!({"thread": thread, "content": "and the end"})).await;
    let mut items = Vec::new();
    for _ in 0..2 {
        let delivered = wren.next_of("deliver").await["payload"].clone();
        wren.send("ack", None, json!({"offset": delivered["offset"]})).await;
        items.push(delivered["item"]["id"].clone());
    }
    let asked = operator.request("dispatch", json!({"hand": "wren/work", "input": {}})).await;
    let dispatch = asked["payload"]["dispatch"].clone();
    let assigned = wren.next_of("deliver").await["payload"].clone();
    wren.send("ack", None, json!({"offset": assigned["offset"]})).await;
    wren.request("dispatch.result", json!({"lease": assigned["item"]["body"]["lease"], "output": 1})).await;
    let (mut messages, mut dispatches) = (false, false);
    while !(messages && dispatches) {
        let kind = operator.next_of("log").await["payload"]["body"]["kind"].clone();
        messages |= kind == "messages.pruned";
        dispatches |= kind == "dispatches.pruned";
    }
    let status = operator.request("dispatch.status", json!({"dispatch": dispatch})).await;
    assert_eq!(status["payload"]["code"], "not_found", "{status}");

    let page = operator.request("chat.read", json!({"thread": thread})).await["payload"].clone();
    let shown: Vec<_> =
        page["messages"].as_array().expect("a page").iter().map(|it| &it["content"]).collect();
    assert_eq!(shown, ["and the end"], "{page}");
    let seq = &opened["payload"]["seq"];
    assert_eq!((&page["gap"]["from"], &page["gap"]["to"]), (&json!(1), seq), "{page}");
    let found = operator.request("chat.search", json!({"query": "lighthouse"})).await;
    assert_eq!(found["payload"]["hits"], json!([]), "{found}");
    let (code, said) = verify(&world, &[]);
    assert_eq!(code, 0, "{said}");

    // A client from before its first item: what it lacks is announced, and it goes on.
    drop(wren);
    let resume = json!({"epoch": first["epoch"], "offset": 0});
    let (mut wren, registered) =
        Raw::registered(&world, &home, json!({"resume": resume, "last_generation": 1_000_000})).await;
    assert_eq!(registered["offset"], 0);
    let gap = wren.next_of("gap").await["payload"].clone();
    assert_eq!((&gap["from"], &gap["to"]), (&json!(1), &json!(1)), "{gap}");
    assert_eq!(wren.next_of("deliver").await["payload"]["item"]["id"], items[1]);

    world.restart_broker();
    let mut operator = Raw::operator(&world).await;
    operator.request("subscribe", json!({"from_seq": 0})).await;
    let entry = loop {
        let entry = operator.next_of("log").await["payload"].clone();
        if entry["seq"] == *seq {
            break entry;
        }
    };
    assert_eq!(entry["body"]["type"], "other", "it says that it was there: {entry}");
}

#[tokio::test]
async fn what_cannot_be_read_of_one_kind_keeps_no_other_from_going() {
    let mut world = World::new();
    let home = world.home("wren", json!({}), "");
    let hands = json!({"hands": [{"name": "work"}], "slots": 1});
    let (mut wren, _) = Raw::registered(&world, &home, hands).await;
    let mut operator = Raw::operator(&world).await;
    operator.request("dispatch", json!({"hand": "wren/work", "input": {}})).await;
    let assigned = wren.next_of("deliver").await["payload"].clone();
    wren.send("ack", None, json!({"offset": assigned["offset"]})).await;
    wren.request("dispatch.result", json!({"lease": assigned["item"]["body"]["lease"], "output": 1})).await;
    drop((wren, operator));
    stop(&mut world);
    assert_eq!(sql(&world.data().join("nexus.db"), "UPDATE dispatches SET info = 'torn'"), 1);

    // A second each.
    let days = "0.0000116";
    let mut world = world.config(&format!("[retention]\ndispatches_days = {days}\nlog_days = {days}\n"));
    world.start_broker();
    wait_until("the log to be pruned", || {
        let trail = world.nexctl_json(&["audit", "--kind", "log.pruned"]);
        trail["entries"].as_array().is_some_and(|entries| !entries.is_empty()).then_some(())
    });
    let said = world.broker().text();
    let is_told =
        |line: &str| line.contains("cannot drop what is kept no longer") && line.contains("Dispatches");
    assert!(said.lines().any(is_told), "{said}");
}
