//! What a hostile or broken client can do on a link, and what it cannot.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;

use nexus_tests::raw::Raw;
use nexus_tests::{World, connect};
use nexus_wire::limits::{BAD_FRAMES_MAX, CLOSE_DISPLACED, CREDIT_ITEMS, FRAME_BYTES_MAX, SUBPROTOCOL};
use serde_json::{Value, json};

fn aspect(world: &World, name: &str) -> PathBuf {
    world.home(name, json!({}), "")
}

async fn say(operator: &mut Raw, to: &str, content: &str) -> Value {
    let reply = operator.request("chat.send", json!({"to": [to], "content": content})).await;
    assert_eq!(reply["kind"], "ok", "{reply}");
    reply["payload"].clone()
}

#[tokio::test]
async fn an_upgrade_without_a_good_token_or_from_elsewhere_is_refused() {
    let world = World::new();
    let bearer = format!("Bearer {}", world.token());
    let good = ("authorization", bearer.as_str());
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Result<(), u16>);
    let cases: &[Case<'_>] = &[
        ("no token", &[], Err(401)),
        ("a made-up token", &[("authorization", "Bearer nxo_AAAA")], Err(401)),
        ("a token of another scheme", &[("authorization", "Basic YTpi")], Err(401)),
        ("a foreign origin", &[good, ("origin", "https://evil.example")], Err(403)),
        ("a foreign host", &[good, ("host", "evil.example")], Err(403)),
        ("a good token", &[good], Ok(())),
    ];
    for (name, headers, expected) in cases {
        assert_eq!(Raw::dial(&world, headers).await.map(drop), *expected, "{name}");
    }
}

#[tokio::test]
async fn a_new_link_displaces_the_old_one_and_its_late_end_changes_nothing() {
    let world = World::new();
    let home = aspect(&world, "wren");
    let (mut old, first) = Raw::registered(&world, &home, json!({})).await;
    let (mut new, second) = Raw::registered(&world, &home, json!({"last_generation": 1})).await;
    assert_eq!(old.closed().await, CLOSE_DISPLACED);
    assert_eq!((&first["generation"], &second["generation"]), (&json!(1), &json!(2)));
    drop(old);
    let mut operator = Raw::operator(&world).await;
    say(&mut operator, "wren", "still there?").await;
    let delivered = new.next_of("deliver").await;
    assert_eq!(delivered["payload"]["item"]["body"]["content"], "still there?");
    let team = operator.request("team.list", json!({})).await;
    assert_eq!(team["payload"]["aspects"][0]["state"], "online", "{team}");
}

#[tokio::test]
async fn nobody_can_speak_as_somebody_else() {
    let world = World::new();
    let (wren, forge) = (aspect(&world, "wren"), aspect(&world, "forge"));
    let (mut wren, _) = Raw::registered(&world, &wren, json!({"name": "forge", "from": "forge"})).await;
    let (mut forge, _) = Raw::registered(&world, &forge, json!({})).await;
    let forged = json!({
        "to": ["forge"], "content": "hello", "from": "operator/admin", "sender": "operator/admin",
        "via": "outpost", "role": "admin",
    });
    let reply = wren.request("chat.send", forged).await;
    assert_eq!(reply["kind"], "ok", "{reply}");
    let delivered = forge.next_of("deliver").await;
    assert_eq!(delivered["payload"]["item"]["body"]["from"], "wren");
    let refused = [
        ("subscribe", json!({"from_seq": 0})),
        ("dispatch.cancel", json!({"dispatch": "0199a0b1-c2d3-7123-8456-789abcdef012"})),
        (
            "dispatch.result",
            json!({"lease": {"dispatch": "0199a0b1-c2d3-7123-8456-789abcdef012", "attempt": 1}, "output": 1}),
        ),
    ];
    for (kind, payload) in refused {
        let reply = wren.request(kind, payload).await;
        assert_eq!(reply["kind"], "error", "{kind}: {reply}");
        let code = reply["payload"]["code"].as_str().unwrap_or_default();
        assert!(["forbidden", "not_found", "stale_token"].contains(&code), "{kind}: {reply}");
    }
    // An operator's link is no aspect's.
    let mut operator = Raw::operator(&world).await;
    for (kind, payload) in [("register", json!({})), ("ack", json!({"offset": 1}))] {
        let reply = operator.request(kind, payload).await;
        assert_eq!(reply["payload"]["code"], "forbidden", "{kind}: {reply}");
    }
}

#[tokio::test]
async fn a_link_that_did_not_register_can_do_nothing() {
    let world = World::new();
    let home = aspect(&world, "wren");
    let mut raw = Raw::aspect(&world, &home).await;
    let reply = raw.request("chat.send", json!({"content": "hello"})).await;
    assert_eq!(reply["payload"]["code"], "not_registered", "{reply}");
}

#[tokio::test]
async fn the_same_id_twice_is_one_message_at_once_and_after_a_restart() {
    let mut world = World::new();
    let home = aspect(&world, "wren");
    let id = nexus_client::new_request_id();
    let send = json!({"to": ["wren"], "content": "once"});
    let (mut one, mut two) = (Raw::operator(&world).await, Raw::operator(&world).await);
    one.send("chat.send", Some(id), send.clone()).await;
    two.send("chat.send", Some(id), send.clone()).await;
    let (first, second) = (one.reply_to(id).await, two.reply_to(id).await);
    assert_eq!(first["payload"], second["payload"]);
    world.restart_broker();
    let mut again = Raw::operator(&world).await;
    assert_eq!(again.request_as(id, "chat.send", send).await["payload"], first["payload"]);
    let other = again.request_as(id, "chat.send", json!({"to": ["wren"], "content": "other"})).await;
    assert_eq!(other["payload"]["code"], "id_reused", "{other}");
    // Exactly one item came of it.
    let (mut wren, registered) = Raw::registered(&world, &home, json!({})).await;
    assert_eq!(registered["situation"]["undelivered"], 1, "{registered}");
    wren.next_of("deliver").await;
    let (before, _) = wren.frames_until_reply("team.list", json!({})).await;
    assert_eq!(before, Vec::<Value>::new());
}

#[tokio::test]
async fn what_is_no_frame_is_answered_and_counted() {
    let world = World::new();
    let id = "0199a0b1-c2d3-7123-8456-789abcdef012";
    let deep =
        format!(r#"{{"kind":"team.list","id":"{id}","payload":{}{}}}"#, "[".repeat(80), "]".repeat(80));
    let cases: Vec<(&str, String, &str)> = vec![
        ("not JSON", "hello".into(), "bad_frame"),
        ("not an object", "[]".into(), "bad_frame"),
        ("deep", deep, "too_deep"),
        (
            "lone surrogate",
            format!(r#"{{"kind":"chat.send","id":"{id}","payload":{{"content":"\ud800"}}}}"#),
            "bad_frame",
        ),
        (
            "huge number",
            format!(r#"{{"kind":"chat.read","id":"{id}","payload":{{"after":1e400}}}}"#),
            "bad_frame",
        ),
        (
            "wrong type",
            format!(r#"{{"kind":"chat.send","id":"{id}","payload":{{"content":7}}}}"#),
            "bad_frame",
        ),
        ("unknown kind", format!(r#"{{"kind":"shout","id":"{id}","payload":{{}}}}"#), "unknown_kind"),
        ("a reply", format!(r#"{{"kind":"ok","id":"{id}","payload":{{}}}}"#), "unknown_kind"),
    ];
    let mut raw = Raw::operator(&world).await;
    for (name, text, code) in cases {
        raw.say(text).await;
        let reply = raw.next_of("error").await;
        assert_eq!(reply["payload"]["code"], code, "{name}: {reply}");
    }
    // A good frame starts the count anew; this many bad ones in a row do not pass.
    assert_eq!(raw.request("team.list", json!({})).await["kind"], "ok");
    for _ in 0..BAD_FRAMES_MAX {
        raw.say("{").await;
    }
    assert_eq!(raw.closed().await, 1008);
}

#[tokio::test]
async fn binary_and_oversized_frames_close_the_link() {
    let world = World::new();
    let mut raw = Raw::operator(&world).await;
    raw.say_binary(vec![1, 2, 3]).await;
    assert_eq!(raw.closed().await, 1003);
    let mut raw = Raw::operator(&world).await;
    raw.say(" ".repeat(FRAME_BYTES_MAX + 1)).await;
    assert_eq!(raw.closed().await, 1009);
    // The largest that is allowed to become durable does, and a larger one is refused without harm.
    let mut raw = Raw::operator(&world).await;
    let large = "x".repeat(700 * 1024);
    assert_eq!(raw.request("chat.send", json!({"content": large})).await["kind"], "ok");
    let larger = "x".repeat(800 * 1024);
    let reply = raw.request("chat.send", json!({"content": larger})).await;
    assert_eq!(reply["payload"]["code"], "too_large");
    assert_eq!(raw.request("chat.send", json!({"content": "nul \u{0} é"})).await["kind"], "ok");
}

/// What comes on a new link from its upgrade to its end when the first thing said there is these bytes.
fn answer_to(world: &World, said: &[u8]) -> Vec<u8> {
    let (url, token) = (world.url(), world.token());
    let address = url.trim_start_matches("http://");
    let mut socket = BufReader::new(connect(address));
    let upgrade = format!(
        "GET /connect HTTP/1.1\r\nhost: {address}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
         sec-websocket-protocol: {SUBPROTOCOL}\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    socket.get_mut().write_all(upgrade.as_bytes()).expect("the broker reads");
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(socket.read_line(&mut head).expect("it answers") > 0, "{head}");
    }
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    socket.get_mut().write_all(said).expect("the broker reads");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).expect("it ends");
    answer
}

#[test]
fn text_that_is_not_utf_8_closes_the_link_with_its_own_code() {
    let world = World::new();
    // Each masked with zeros.
    let cases: [(&str, &[u8]); 3] = [
        ("a byte that is in no character", b"\x81\x83\0\0\0\0a\xffb"),
        ("half a character", b"\x81\x81\0\0\0\0\xc3"),
        ("in two pieces", b"\x01\x81\0\0\0\0\xc3\x80\x81\0\0\0\0a"),
    ];
    let close = [&[0x88_u8, 15][..], &1007_u16.to_be_bytes(), b"text is UTF-8"].concat();
    for (name, said) in cases {
        assert_eq!(answer_to(&world, said), close, "{name}");
    }
}

#[tokio::test]
async fn a_reader_that_never_reads_costs_the_others_nothing_and_catches_up() {
    const MESSAGES: u64 = CREDIT_ITEMS * 4;
    let world = World::new();
    let (slow, quick) = (aspect(&world, "slow"), aspect(&world, "quick"));
    let (mut slow, _) = Raw::registered(&world, &slow, json!({})).await;
    let (mut quick, _) = Raw::registered(&world, &quick, json!({})).await;
    let mut operator = Raw::operator(&world).await;
    let filler = "x".repeat(2000);
    for n in 1..=MESSAGES {
        let to = json!({"to": ["slow", "quick"], "content": format!("{n} {filler}")});
        assert_eq!(operator.request("chat.send", to).await["kind"], "ok");
        let delivered = quick.next_of("deliver").await;
        assert_eq!(delivered["payload"]["offset"], n);
        quick.send("ack", None, json!({"offset": n})).await;
    }
    for n in 1..=MESSAGES {
        let delivered = slow.next_of("deliver").await;
        assert_eq!(delivered["payload"]["offset"], n);
        if n == CREDIT_ITEMS {
            // Nothing more comes without an acknowledgement.
            let (before, _) = slow.frames_until_reply("team.list", json!({})).await;
            assert_eq!(before, Vec::<Value>::new());
        }
        if n % CREDIT_ITEMS == 0 {
            slow.send("ack", None, json!({"offset": n})).await;
        }
    }
}

#[tokio::test]
async fn delivery_goes_on_where_the_client_stopped_and_another_history_is_noticed() {
    let world = World::new();
    let home = aspect(&world, "wren");
    let mut operator = Raw::operator(&world).await;
    for n in 1..=3 {
        say(&mut operator, "wren", &format!("number {n}")).await;
    }
    let (mut raw, first) = Raw::registered(&world, &home, json!({})).await;
    let mut items = Vec::new();
    for _ in 0..3 {
        items.push(raw.next_of("deliver").await["payload"].clone());
    }
    drop(raw);
    let resume = |epoch: &Value, offset: u64, item: &Value| json!({"last_generation": 9, "resume": {"epoch": epoch, "offset": offset, "item": item}});
    let epoch = &first["epoch"];
    let (mut raw, second) = Raw::registered(&world, &home, resume(epoch, 2, &items[1]["item"]["id"])).await;
    assert_eq!((&second["epoch"], &second["offset"]), (epoch, &json!(2)));
    assert_eq!(raw.next_of("deliver").await["payload"], items[2]);
    drop(raw);
    // Another item at that offset, then an offset nobody has reached: a new epoch, and nothing is left out.
    for other in [resume(epoch, 2, &items[0]["item"]["id"]), resume(epoch, 99, &items[0]["item"]["id"])] {
        let (mut raw, third) = Raw::registered(&world, &home, other).await;
        assert_ne!(third["epoch"], *epoch);
        let next = raw.next_of("deliver").await["payload"].clone();
        assert_eq!(next["offset"], json!(third["offset"].as_u64().map(|offset| offset + 1)));
    }
}
