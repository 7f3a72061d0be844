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
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use crate::http::{address, request};

const MANY: usize = 200;

#[tokio::test]
async fn many_links_open_at_once_and_all_are_served() {
    let world = World::new();
    let sent = join_all((0..MANY).map(|n| {
        let world = &world;
        async move {
            let mut raw = Raw::operator(world).await;
            raw.request("chat.send", json!({"content": format!("{n}")})).await
        }
    }))
    .await;
    let seqs: BTreeSet<u64> = sent.iter().filter_map(|reply| reply["payload"]["seq"].as_u64()).collect();
    assert_eq!(seqs.len(), MANY, "each has an answer of its own");
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
