//! What is told to those who watch: what they asked for and no more, what they cannot have any more, and that the
//! broker goes away.

use nexus_tests::World;
use nexus_tests::raw::Raw;
use serde_json::{Value, json};

#[tokio::test]
async fn a_broker_that_stops_says_so_and_answers_what_was_asked() {
    let mut world = World::new();
    let home = world.home("wren", json!({}), "");
    let (mut wren, _) = Raw::registered(&world, &home, json!({})).await;
    let mut operator = Raw::operator(&world).await;
    let mut asked = Vec::new();
    for n in 0..50 {
        let id = nexus_client::new_request_id();
        operator.send("chat.send", Some(id), json!({"content": format!("{n}")})).await;
        asked.push(json!(id));
    }
    let first = operator.next().await.expect("an answer");
    let mut answered = vec![first["in_reply_to"].clone()];
    world.broker().signal("TERM");
    let mut said = Vec::new();
    let code = loop {
        match operator.next().await {
            Ok(frame) if frame["kind"] == "shutdown" => said.push(frame["payload"].clone()),
            Ok(frame) => answered.push(frame["in_reply_to"].clone()),
            Err(code) => break code,
        }
    };
    assert_eq!(code, 1001);
    assert_eq!(said, [json!({"reason": "the broker is stopping", "retry_after_ms": 1000})]);
    assert!(answered.iter().all(|id| asked.contains(id)));
    assert_eq!(wren.next_of("shutdown").await["payload"]["retry_after_ms"], 1000);
    assert_eq!(wren.closed().await, 1001);
    assert_eq!(world.broker_mut().wait().code(), Some(0), "{}", world.broker().text());
}

/// Entries up to one whose kind is `last`.
async fn entries(raw: &mut Raw, last: &str) -> Vec<Value> {
    let mut all = Vec::new();
    loop {
        let entry = raw.next_of("log").await["payload"].clone();
        let kind = match entry["body"]["type"].as_str() {
            Some("other") => entry["body"]["kind"].clone(),
            _ => entry["body"]["type"].clone(),
        };
        all.push(kind.clone());
        if kind == last {
            return all;
        }
    }
}

#[tokio::test]
async fn a_subscription_shows_what_it_asks_for_live_and_later() {
    let world = World::new();
    let home = world.home("wren", json!({}), "");
    let (mut wren, _) = Raw::registered(&world, &home, json!({})).await;
    let (mut live, mut operator) = (Raw::operator(&world).await, Raw::operator(&world).await);
    let filter = json!({"kinds": ["message", "thread.renamed"], "by": "wren", "from_seq": 0});
    assert_eq!(live.request("subscribe", filter.clone()).await["kind"], "ok");
    operator.request("chat.send", json!({"to": ["wren"], "content": "from somebody else"})).await;
    let sent = wren.request("chat.send", json!({"content": "mine"})).await["payload"].clone();
    wren.request("chat.react", json!({"message": sent["message"], "emoji": "+1"})).await;
    let rename = json!({"thread": sent["thread"], "title": "ours"});
    assert_eq!(wren.request("thread.rename", rename).await["kind"], "ok");
    let expected = ["message", "thread.renamed"];
    assert_eq!(entries(&mut live, "thread.renamed").await, expected);
    let mut later = Raw::operator(&world).await;
    later.request("subscribe", filter).await;
    assert_eq!(entries(&mut later, "thread.renamed").await, expected);
    // Nothing comes after it was called off.
    assert_eq!(live.request("unsubscribe", json!({})).await["kind"], "ok");
    wren.request("chat.send", json!({"content": "again"})).await;
    let (before, _) = live.frames_until_reply("team.list", json!({})).await;
    assert_eq!(before, Vec::<Value>::new());
}

#[tokio::test]
async fn a_log_that_is_shorter_than_what_was_seen_says_so_and_goes_on() {
    let world = World::new();
    let mut raw = Raw::operator(&world).await;
    let head = raw.request("subscribe", json!({"from_seq": 999_999})).await["payload"]["head"].clone();
    let gap = raw.next_of("gap").await["payload"].clone();
    let first = head.as_u64().map(|head| head + 1);
    assert_eq!((gap["from"].as_u64(), gap["to"].as_u64()), (first, Some(999_999)));
    let sent = raw.request("chat.send", json!({"content": "here"})).await["payload"].clone();
    assert_eq!(sent["seq"].as_u64(), first);
    let mut follower = Raw::operator(&world).await;
    follower.request("subscribe", json!({"from_seq": head})).await;
    assert_eq!(follower.next_of("log").await["payload"]["seq"].as_u64(), first);
}

/// As many items as one reader may have to catch up with, scaled to what a test may take; `ITEMS=1000000` asks for more.
#[tokio::test]
async fn an_inbox_of_a_hundred_thousand_items_is_read_whole_and_in_order() {
    const SENDERS: u64 = 8;
    /// What a sender leaves unread at a time.
    const UNREAD: u64 = 1_000;
    let asked = std::env::var("ITEMS").ok().map(|items| items.parse::<u64>().expect("a number"));
    let items = asked.unwrap_or(100_000).next_multiple_of(SENDERS);
    let mut world = World::new();
    let home = world.home("wren", json!({}), "");
    let senders = (0..SENDERS).map(|_| async {
        let mut raw = Raw::operator(&world).await;
        for n in 1..=items / SENDERS {
            let message = json!({"to": ["wren"], "content": format!("{n}")});
            match n % UNREAD {
                0 => assert_eq!(raw.request("chat.send", message).await["kind"], "ok"),
                _ => raw.send("chat.send", None, message).await,
            }
        }
        assert_eq!(raw.request("team.list", json!({})).await["kind"], "ok");
    });
    futures_util::future::join_all(senders).await;
    world.restart_broker();
    let (mut wren, registered) = Raw::registered(&world, &home, json!({})).await;
    assert_eq!(registered["situation"]["undelivered"], items);
    for offset in 1..=items {
        let delivered = wren.next_of("deliver").await;
        assert_eq!(delivered["payload"]["offset"], offset);
        if offset % 64 == 0 {
            wren.send("ack", None, json!({"offset": offset})).await;
        }
    }
    assert_eq!(wren.request("ack", json!({"offset": items})).await["kind"], "ok");
    let mut operator = Raw::operator(&world).await;
    let team = operator.request("team.list", json!({})).await;
    assert_eq!(team["payload"]["aspects"][0]["backlog"], 0, "{team}");
}
