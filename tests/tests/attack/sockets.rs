//! What can be done to a socket below the protocol.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream as Socket;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::join_all;
use futures_util::{SinkExt as _, StreamExt as _};
use nexus_tests::process::PATIENCE;
use nexus_tests::raw::Raw;
use nexus_tests::{World, wait_until};
use nexus_wire::limits::{CLOSE_DISPLACED, SUBPROTOCOL};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use crate::http::{address, request};

const MANY: usize = 200;

/// Lets this process open as many files as it may ever have, and says how many, where that is bounded.
pub(crate) fn open_files() -> Option<u64> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("as many as are allowed");
    maximum
}

/// Ten thousand, or as many sockets as this machine lets a process have.
fn as_many_as_may_be() -> usize {
    const MOST: u64 = 10_000;
    /// For all else that a process opens.
    const SPARE: u64 = 500;
    let most = open_files().map_or(MOST, |maximum| MOST.min(maximum.saturating_sub(SPARE)));
    assert!(most >= 500, "`ulimit -Hn` is too small for this test");
    most as usize
}

#[tokio::test]
async fn ten_thousand_links_open_at_once_and_all_are_served() {
    let many = as_many_as_may_be();
    let mut world = World::asleep().config("[limits]\nupgrades_per_s = 10000\nrequests_per_s = 10000\n");
    world.start_broker();
    let world = &world;
    let token = world.token();
    let dialled = (0..many).map(|_| Raw::with_token(world, &token));
    let mut links = join_all(dialled).await;
    // All are open now, and each is answered.
    let said = links
        .iter_mut()
        .enumerate()
        .map(|(n, raw)| async move { raw.request("chat.send", json!({"content": format!("{n}")})).await });
    let sent = join_all(said).await;
    let seqs: BTreeSet<u64> = sent.iter().filter_map(|reply| reply["payload"]["seq"].as_u64()).collect();
    assert_eq!(seqs.len(), many, "each has an answer of its own");
}

#[tokio::test]
async fn whoever_asks_too_often_is_told_when_to_come_again() {
    let mut world = World::asleep().config("[limits]\nupgrades_per_s = 1\nrequests_per_s = 1\n");
    world.start_broker();
    let bearer = format!("Bearer {}", world.token());
    let mut first = Raw::operator(&world).await;
    let mut refused = 0;
    for _ in 0..MANY {
        refused += match Raw::dial(&world, &[("authorization", &bearer)]).await {
            Ok(_) => 0,
            Err(status) => {
                assert_eq!(status, 429);
                1
            }
        };
    }
    assert!(refused > MANY / 2, "{refused} of {MANY} links");
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::new();
    let answer = loop {
        let asked = client.get(format!("{}/api/v1/aspects", world.url())).header("authorization", &bearer);
        let answer = asked.send().await.expect("it answers");
        if answer.status() != 200 {
            break answer;
        }
    };
    assert_eq!(answer.status(), 429);
    let head = |name: &str| answer.headers().get(name).and_then(|it| it.to_str().ok()).map(str::to_owned);
    let (kind, wait) = (head("content-type"), head("retry-after"));
    let problem: Value = answer.json().await.expect("JSON");
    assert_eq!(kind.as_deref(), Some("application/problem+json"));
    assert_eq!(problem["code"], "rate_limited", "{problem}");
    assert_eq!(wait, Some(problem["details"]["retry_after"].to_string()), "{problem}");
    // Whoever is in already is not held up.
    assert_eq!(first.request("team.list", json!({})).await["kind"], "ok");
    // Refusals are gathered for a second before they are written; the same ones are one row.
    let trail = loop {
        let page = first.request("audit.list", json!({"kind": "refused.rate"})).await;
        let rows = page["payload"]["entries"].as_array().expect("a list").clone();
        if !rows.is_empty() {
            break rows;
        }
    };
    let told: Vec<_> = trail.iter().map(|row| (row["actor"].as_str(), row["subject"].as_str())).collect();
    assert_eq!(told, [(Some("operator/admin"), Some("requests"))]);
}

#[tokio::test]
async fn of_many_links_of_one_aspect_the_last_one_stays() {
    let world = World::new();
    let home = world.home("wren", json!({}), "");
    let mut links = join_all((0..MANY / 4).map(|_| Raw::registered(&world, &home, json!({})))).await;
    links.sort_by_key(|(_, registered)| registered["generation"].as_u64());
    let generations: Vec<Value> =
        links.iter().map(|(_, registered)| registered["generation"].clone()).collect();
    assert_eq!(generations, (1..=MANY / 4).map(|n| json!(n)).collect::<Vec<_>>());
    let (mut last, _) = links.pop().expect("there is one");
    for (mut link, _) in links {
        assert_eq!(link.closed().await, CLOSE_DISPLACED);
    }
    assert_eq!(last.request("chat.threads", json!({})).await["kind"], "ok");
    let mut operator = Raw::operator(&world).await;
    assert_eq!(operator.request("chat.send", json!({"to": ["wren"], "content": "you"})).await["kind"], "ok");
    assert_eq!(last.next_of("deliver").await["payload"]["item"]["body"]["content"], "you");
}

#[tokio::test]
async fn a_frame_cut_off_by_the_end_of_its_socket_is_nothing_and_its_link_is_gone() {
    let world = World::new();
    let home = world.home("wren", json!({}), "");
    for (generation, is_reset) in [(1, true), (2, false)] {
        let (link, registered) = Raw::registered(&world, &home, json!({})).await;
        assert_eq!(registered["generation"], generation);
        let id = nexus_client::new_request_id();
        let frame = json!({"kind": "chat.send", "id": id, "payload": {"content": "x".repeat(2_000)}});
        link.torn(&frame.to_string(), is_reset).await;
        wait_until("the broker to see that wren is gone", || {
            let team = world.nexctl_json(&["get", "aspects"]);
            (team["aspects"][0]["state"] == "offline").then_some(())
        });
        assert_eq!(world.nexctl_json(&["get", "threads"])["threads"], json!([]));
    }
}

/// Sends one byte with each write, so that each is a packet.
struct Dripping(TcpStream);

impl AsyncRead for Dripping {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl AsyncWrite for Dripping {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes.get(..1).unwrap_or(bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn frames_of_one_byte_a_packet_are_frames() {
    let world = World::new();
    let socket = TcpStream::connect(address(&world)).await.expect("the broker listens");
    socket.set_nodelay(true).expect("a socket has no delay");
    let mut upgrade = format!("ws://{}/connect", address(&world)).into_client_request().expect("a URL");
    let bearer = format!("Bearer {}", world.token());
    upgrade.headers_mut().insert("authorization", HeaderValue::from_str(&bearer).expect("a token"));
    upgrade.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
    let (mut link, _) =
        tokio_tungstenite::client_async(upgrade, Dripping(socket)).await.expect("the upgrade is made");
    let content = "drop by drop ".repeat(300);
    for n in 0..3 {
        let id = nexus_client::new_request_id();
        let frame = json!({"kind": "chat.send", "id": id, "payload": {"content": format!("{n} {content}")}});
        link.send(Message::text(frame.to_string())).await.expect("it is taken");
        let reply = loop {
            let message = link.next().await.expect("it answers").expect("it is well");
            if let Message::Text(text) = message {
                break serde_json::from_str::<Value>(&text).expect("frames are JSON");
            }
            assert!(message.is_ping(), "{message:?}");
        };
        assert_eq!((&reply["kind"], &reply["in_reply_to"]), (&json!("ok"), &json!(id)));
    }
}

#[tokio::test]
async fn sockets_that_say_nothing_or_never_finish_hold_up_nobody() {
    let world = World::new();
    let beginnings = [
        "",
        "G",
        "GET /connect HTTP/1.1\r\nhost: localhost\r\nx-slow: ",
        "POST /api/v1/token HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n{",
        "\u{16}\u{3}\u{1}",
    ];
    let mut slow: Vec<Socket> = (0..MANY)
        .map(|n| {
            let mut socket = Socket::connect(address(&world)).expect("the broker listens");
            socket.write_all(beginnings[n % beginnings.len()].as_bytes()).expect("it is taken");
            socket
        })
        .collect();
    // Links that were opened and never say a word, and never read one.
    let _silent = join_all((0..20).map(|_| Raw::operator(&world))).await;
    let mut operator = Raw::operator(&world).await;
    assert_eq!(operator.request("chat.send", json!({"content": "through"})).await["kind"], "ok");
    assert_eq!(request(&world, "GET", "/healthz", None, ""), (200, json!("ok\n")));
    assert_eq!(request(&world, "GET", "/readyz", None, "").0, 200);
    // And the broker does not keep them for ever.
    let mut slowest = slow.swap_remove(2);
    slowest.set_read_timeout(Some(PATIENCE)).expect("a socket has a timeout");
    let mut farewell = Vec::new();
    slowest.read_to_end(&mut farewell).expect("the broker ends it");
}
