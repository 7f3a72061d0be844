//! Links over real sockets: order, limits, and what one link can do to another.

use futures_util::SinkExt;
use nexus_wire::admin::OperatorRole;
use nexus_wire::limits::{
    BAD_FRAMES_MAX, CLOSE_DISPLACED, CLOSE_GOING_AWAY, CLOSE_POLICY, CLOSE_TOO_BIG, CLOSE_UNSUPPORTED,
    CREDIT_ITEMS, FRAME_BYTES_MAX,
};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use super::client::Raw;
use super::{World, start};
use crate::meter::Reading;

async fn say(operator: &mut Raw, to: &[&str], content: &str) -> Value {
    let reply = operator.request("chat.send", json!({"to": to, "content": content})).await;
    assert_eq!(reply["kind"], "ok", "{reply}");
    reply["payload"].clone()
}

#[tokio::test]
async fn what_is_no_frame_is_answered_and_counted() {
    let world = World::new().await;
    let mut raw = Raw::operator(&world).await;
    let id = Uuid::now_v7();
    raw.say(format!(r#"{{"kind":"chat.send","id":"{id}","payload":{{"content":7}}}}"#)).await;
    let answer = raw.next().await.unwrap();
    assert_eq!((&answer["in_reply_to"], &answer["payload"]["code"]), (&json!(id), &json!("bad_frame")));
    for _ in 0..2 * BAD_FRAMES_MAX {
        raw.say(format!(r#"{{"kind":"shout","id":"{id}"}}"#)).await;
        assert_eq!(raw.next().await.unwrap()["payload"]["code"], "unknown_kind");
    }
    for _ in 2..BAD_FRAMES_MAX {
        raw.say("{").await;
        assert_eq!(raw.next().await.unwrap()["payload"]["code"], "bad_frame");
    }
    assert_eq!(raw.request("team.list", json!({})).await["kind"], "ok", "and the count starts anew");
    for _ in 0..BAD_FRAMES_MAX {
        raw.say("{").await;
    }
    assert_eq!(raw.closed().await, CLOSE_POLICY);
}

#[tokio::test]
async fn binary_and_oversized_frames_close_the_link_and_say_why() {
    let world = World::new().await;
    let mut raw = Raw::operator(&world).await;
    raw.0.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(raw.closed().await, CLOSE_UNSUPPORTED);
    for bytes in [FRAME_BYTES_MAX + 1, 4 * FRAME_BYTES_MAX] {
        let mut raw = Raw::operator(&world).await;
        raw.say(" ".repeat(bytes)).await;
        assert_eq!(raw.closed().await, CLOSE_TOO_BIG, "{bytes}");
    }
    let mut raw = Raw::operator(&world).await;
    raw.say(format!("{}{}", r#"{"kind":"team.list"}"#, " ".repeat(FRAME_BYTES_MAX - 20))).await;
    assert_eq!(raw.request("team.list", json!({})).await["kind"], "ok");
}

#[tokio::test]
async fn registered_comes_before_the_first_item_and_nothing_is_left_out() {
    let world = World::new().await;
    let wren = world.aspect("wren").await;
    let mut operator = Raw::operator(&world).await;
    for n in 1..=3 {
        say(&mut operator, &["wren"], &n.to_string()).await;
    }
    let mut raw = Raw::aspect(&world, &wren).await;
    let refused = raw.request("chat.send", json!({"content": "x"})).await;
    assert_eq!(refused["payload"]["code"], "not_registered", "{refused}");
    let id = Uuid::now_v7();
    raw.send("register", Some(id), json!({"model": "m"})).await;
    let first = raw.next().await.unwrap();
    assert_eq!((&first["kind"], &first["in_reply_to"]), (&json!("registered"), &json!(id)));
    say(&mut operator, &["wren"], "4").await;
    for n in 1..=4 {
        let item = raw.next_of("deliver").await;
        assert_eq!((&item["offset"], &item["item"]["body"]["content"]), (&json!(n), &json!(n.to_string())));
        raw.send("ack", None, json!({"offset": n})).await;
    }
    let beyond = raw.request("ack", json!({"offset": 5})).await;
    assert_eq!(beyond["payload"]["code"], "invalid", "{beyond}");
    assert_eq!(raw.request("ack", json!({"offset": 4})).await["kind"], "ok");
    let team = operator.request("team.list", json!({})).await;
    let wren = &team["payload"]["aspects"][0];
    assert_eq!(
        (&wren["state"], &wren["backlog"], &wren["model"]),
        (&json!("online"), &json!(0), &json!("m"))
    );
}

#[tokio::test]
async fn a_long_inbox_comes_whole_and_in_order_whatever_fills_its_pages() {
    // Of the long ones fewer fit into a page than may be asked for, or into half of one.
    let content = |n: u64| format!("{n}{}", "x".repeat(if n <= 600 { 12_000 } else { 10 }));
    const MESSAGES: u64 = 1_800;
    let world = World::new().await;
    let (wren, finch) = (world.aspect("wren").await, world.aspect("finch").await);
    let mut operator = Raw::operator(&world).await;
    let mut answered = 0;
    for n in 1..=MESSAGES {
        let payload = json!({"to": ["wren", "finch"], "content": content(n)});
        operator.send("chat.send", Some(Uuid::now_v7()), payload).await;
        while answered < n && (n - answered >= 64 || n == MESSAGES) {
            assert_eq!(operator.next().await.unwrap()["kind"], "ok");
            answered += 1;
        }
    }
    let all_leaves = || -> Vec<_> { std::iter::from_fn(|| world.running.edge.library.ahead()).collect() };
    let read = async |aspect| {
        let (mut raw, _) = Raw::registered(&world, aspect, json!({})).await;
        for n in 1..=MESSAGES {
            let item = raw.next_of("deliver").await;
            assert_eq!((&item["offset"], &item["item"]["body"]["content"]), (&json!(n), &json!(content(n))));
            if n % 64 == 0 {
                raw.send("ack", None, json!({"offset": n})).await;
            }
        }
        raw
    };
    let leaves = all_leaves();
    read(&wren).await;
    let count = leaves.len();
    drop(leaves);
    let _still_there = read(&finch).await;
    assert_eq!((count, all_leaves().len()), (16, 16), "whoever has caught up needs to read ahead no longer");
}

#[tokio::test]
async fn a_reader_that_never_reads_costs_the_others_nothing_and_catches_up() {
    const MESSAGES: u64 = 2 * CREDIT_ITEMS;
    let world = World::new().await;
    let (slow, quick) = (world.aspect("slow").await, world.aspect("quick").await);
    let (mut slow, _) = Raw::registered(&world, &slow, json!({})).await;
    let (mut quick, _) = Raw::registered(&world, &quick, json!({})).await;
    let mut deaf = Raw::operator(&world).await;
    deaf.send("subscribe", None, json!({"from_seq": 0, "roster": true})).await;
    let mut operator = Raw::operator(&world).await;
    let filler = "x".repeat(8_000);
    for n in 1..=MESSAGES {
        say(&mut operator, &["slow", "quick"], &format!("{n} {filler}")).await;
        let item = quick.next_of("deliver").await;
        assert_eq!(item["offset"], n);
        quick.send("ack", None, json!({"offset": n})).await;
    }
    for n in 1..=MESSAGES {
        assert_eq!(slow.next_of("deliver").await["offset"], n);
        if n % CREDIT_ITEMS == 0 {
            let reply = slow.request("team.list", json!({})).await;
            assert_eq!(reply["kind"], "ok", "nothing more without an acknowledgement");
            slow.send("ack", None, json!({"offset": n})).await;
        }
    }
    // The one who followed the log and did not read finds all of it, in order.
    let (mut last, mut messages) = (0, 0);
    while messages < MESSAGES {
        let entry = deaf.next_of("log").await;
        assert_eq!(entry["seq"], last + 1);
        last += 1;
        messages += u64::from(entry["body"]["type"] == "message");
    }
}

#[tokio::test]
async fn answers_that_nobody_reads_are_not_all_made_at_once() {
    const READS: usize = 80;
    let world = World::new().await;
    let mut operator = Raw::operator(&world).await;
    let content = "x".repeat(300_000);
    let thread = say(&mut operator, &[], &content).await["thread"].clone();
    for _ in 0..2 {
        let more = json!({"thread": thread, "content": content});
        assert_eq!(operator.request("chat.send", more).await["kind"], "ok");
    }
    let mut deaf = Raw::operator(&world).await;
    for _ in 0..READS {
        let read = json!({"kind": "chat.read", "id": Uuid::now_v7(), "payload": {"thread": thread}});
        deaf.0.feed(Message::text(read.to_string())).await.unwrap();
    }
    deaf.0.flush().await.unwrap();
    let held = || {
        let peers = world.running.edge.published.deliver.peers();
        peers.iter().map(|peer| peer.outbox.bytes()).max().unwrap()
    };
    while held() < 16 * FRAME_BYTES_MAX {
        assert_eq!(operator.request("team.list", json!({})).await["kind"], "ok");
    }
    // Whatever else would be made is made meanwhile.
    for _ in 0..2_000 {
        assert_eq!(operator.request("chat.threads", json!({})).await["kind"], "ok");
    }
    assert!(held() <= 32 * FRAME_BYTES_MAX, "{} bytes", held());
    for _ in 0..READS {
        assert_eq!(deaf.next_of("ok").await["messages"].as_array().map(Vec::len), Some(3));
    }
}

#[tokio::test]
async fn many_requests_at_once_all_get_their_one_answer() {
    const REQUESTS: usize = 2_000;
    let world = World::new().await;
    let mut raw = Raw::operator(&world).await;
    let ids: Vec<Uuid> = (0..REQUESTS).map(|_| Uuid::now_v7()).collect();
    let (mut sink, mut stream) = futures_util::StreamExt::split(raw.0);
    let sent = ids.clone();
    let sending = tokio::spawn(async move {
        for (n, id) in sent.iter().enumerate() {
            let kind = if n % 3 == 0 { "chat.threads" } else { "chat.send" };
            let frame = json!({"kind": kind, "id": id, "payload": {"content": n.to_string()}});
            sink.feed(Message::text(frame.to_string())).await.unwrap();
        }
        sink.flush().await.unwrap();
        sink
    });
    let mut answered = std::collections::HashSet::new();
    while answered.len() < REQUESTS {
        let message = futures_util::StreamExt::next(&mut stream).await.unwrap().unwrap();
        let frame: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
        assert_eq!(frame["kind"], "ok", "{frame}");
        let id: Uuid = serde_json::from_value(frame["in_reply_to"].clone()).unwrap();
        assert!(answered.insert(id), "answered twice");
    }
    assert!(ids.iter().all(|id| answered.contains(id)));
    raw = Raw(sending.await.unwrap().reunite(stream).unwrap());
    assert_eq!(raw.request("team.list", json!({})).await["kind"], "ok");
}

#[tokio::test]
async fn a_turn_is_seen_while_it_happens_and_shows_in_the_roster() {
    let world = World::new().await;
    let wren = world.aspect("wren").await;
    let mut watcher = Raw::operator(&world).await;
    let opened = watcher.request("chat.send", json!({"to": ["wren"], "content": "hello"})).await;
    let thread = &opened["payload"]["thread"];
    let subscribed = watcher.request("subscribe", json!({"observe": true, "roster": true})).await;
    assert!(subscribed["payload"]["head"].is_u64(), "{subscribed}");
    let (mut raw, _) = Raw::registered(&world, &wren, json!({})).await;
    let turn = Uuid::now_v7();
    raw.send("observe.begin", None, json!({"turn": turn, "thread": thread})).await;
    for n in 0..3 {
        let event = json!({"turn": turn, "n": n, "event": {"type": "text", "text": "a \"word\""}});
        // Written as our clients write it, and in another order.
        if n == 1 {
            raw.say(format!(r#"{{"payload":{event},"kind":"observe.event"}}"#)).await;
        } else {
            raw.say(format!(r#"{{"kind":"observe.event","payload":{event}}}"#)).await;
        }
    }
    raw.send("observe.end", None, json!({"turn": turn, "n": 3, "decision": "silent"})).await;
    let (mut seen, mut states) = (Vec::new(), Vec::new());
    while seen.len() < 5 || states.last() != Some(&json!("online")) {
        let frame = watcher.next().await.unwrap();
        match frame["kind"].as_str() {
            Some("observe") => seen.push(frame["payload"].clone()),
            Some("roster.changed") => states.push(frame["payload"]["aspect"]["state"].clone()),
            Some(_) | None => {}
        }
    }
    for (n, observed) in seen.iter().enumerate() {
        assert_eq!((&observed["aspect"], &observed["thread"]), (&json!("wren"), &json!(thread)), "{n}");
    }
    let numbers: Vec<&Value> = seen[1..].iter().map(|it| &it["what"]["n"]).collect();
    assert_eq!(numbers, [&json!(0), &json!(1), &json!(2), &json!(3)]);
    drop(raw);
    loop {
        let changed = watcher.next_of("roster.changed").await;
        if changed["aspect"]["state"] == "offline" {
            break;
        }
    }
    let counted = world.running.edge.published.meter.text(&Reading::default()).unwrap();
    assert!(counted.contains("nexus_frames_received_total{kind=\"observe.event\"} 3\n"), "{counted}");
}

#[tokio::test]
async fn a_viewer_looks_and_does_not_act_and_an_aspect_sees_its_own() {
    let world = World::new().await;
    let token = world.operator("vi", OperatorRole::Viewer).await;
    let mut viewer = Raw::with(&world, &token).await;
    let mut operator = Raw::operator(&world).await;
    let (wren, forge) = (world.aspect("wren").await, world.aspect("forge").await);
    let (mut wren, _) = Raw::registered(&world, &wren, json!({})).await;
    let (mut forge, _) = Raw::registered(&world, &forge, json!({})).await;
    let sent = say(&mut operator, &["wren"], "hello").await;
    let read = json!({"thread": sent["thread"]});
    for raw in [&mut viewer, &mut wren, &mut operator] {
        let page = raw.request("chat.read", read.clone()).await;
        assert_eq!(page["payload"]["messages"][0]["content"], "hello", "{page}");
    }
    let hidden = forge.request("chat.read", read).await;
    assert_eq!(hidden["payload"]["code"], "not_found", "{hidden}");
    let threads = forge.request("chat.threads", json!({})).await;
    assert_eq!(threads["payload"]["threads"], json!([]), "{threads}");
    let refused = viewer.request("chat.send", json!({"content": "x"})).await;
    assert_eq!(refused["payload"]["code"], "forbidden", "{refused}");
}

#[tokio::test]
async fn a_stop_closes_links_and_a_start_finds_everything() {
    let world = World::new().await;
    let wren = world.aspect("wren").await;
    let (mut raw, registered) = Raw::registered(&world, &wren, json!({})).await;
    let mut operator = Raw::operator(&world).await;
    let sent = say(&mut operator, &["wren"], "kept").await;
    let World { dir, running, token } = world;
    let stopping = tokio::spawn(running.stop());
    assert_eq!(operator.closed().await, CLOSE_GOING_AWAY);
    assert_eq!(raw.next_of("deliver").await["offset"], 1);
    assert_eq!(raw.closed().await, CLOSE_GOING_AWAY);
    stopping.await.unwrap().unwrap();
    assert!(!dir.path().join("nexus.run").exists());

    let running = start(dir.path(), &[]).await;
    assert_eq!(running.first_token(), None);
    let world = World { dir, running, token };
    let mut operator = Raw::operator(&world).await;
    let page = operator.request("chat.read", json!({"message": sent["message"]})).await;
    assert_eq!(page["payload"]["messages"][0]["content"], "kept", "{page}");
    let wren = nexus_client::KeyFile { url: world.url().to_owned(), ..wren };
    let (mut raw, again) = Raw::registered(&world, &wren, json!({"last_generation": 1})).await;
    assert_eq!((&again["epoch"], &again["generation"]), (&registered["epoch"], &json!(2)));
    assert_eq!(raw.next_of("deliver").await["item"]["body"]["content"], "kept");
}

#[tokio::test]
async fn a_newer_link_displaces_the_older_one() {
    let world = World::new().await;
    let wren = world.aspect("wren").await;
    let (mut old, _) = Raw::registered(&world, &wren, json!({})).await;
    let (mut new, _) = Raw::registered(&world, &wren, json!({"last_generation": 1})).await;
    assert_eq!(old.closed().await, CLOSE_DISPLACED);
    drop(old);
    let mut operator = Raw::operator(&world).await;
    say(&mut operator, &["wren"], "still there?").await;
    assert_eq!(new.next_of("deliver").await["item"]["body"]["content"], "still there?");
}

#[tokio::test]
async fn a_link_over_tls_is_a_link() {
    use nexus_client::{Broker, Link};
    use nexus_wire::chat::ChatSend;

    let world = World::with(&[("tls.always", "true")]).await;
    assert!(world.url().starts_with("https://127.0.0.1:"), "{}", world.url());
    let wren = world.aspect("wren").await;
    let broker = Broker::of_keyfile(wren.clone()).unwrap();
    assert_eq!(broker.info().await.unwrap().nexus_id, world.running.edge.info().nexus_id);
    let (link, mut pushes): (Link, _) = broker.connect().await.unwrap();
    let registered = link.call(nexus_wire::roster::Register::default()).await.unwrap();
    assert_eq!(registered.generation, 1);
    let send = ChatSend { to: vec!["wren".into()], content: "to myself?".into(), ..ChatSend::default() };
    link.call(send).await.unwrap();

    let other = World::with(&[("tls.always", "true")]).await;
    let elsewhere = nexus_client::KeyFile { url: other.url().to_owned(), ..wren };
    let error = Broker::of_keyfile(elsewhere).unwrap().info().await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    world.running.stop().await.unwrap();
    assert!(matches!(pushes.recv().await, Some(nexus_wire::FromBroker::Shutdown(_))), "a stop is announced");
    assert_eq!(pushes.recv().await, None);
}
