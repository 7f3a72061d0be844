//! The log as server-sent events: whole, resumable, and over when it should be.

use nexus_wire::admin::OperatorRole;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::World;
use super::client::{PATIENCE, http};

/// An open stream of events. HTTP/1.0, so that the body comes as it is.
struct Events(BufReader<TcpStream>);

#[derive(Debug, Default, PartialEq)]
struct Event {
    id: Option<u64>,
    event: String,
    data: Value,
}

impl Events {
    async fn open(world: &World, token: &str, query: &str, last: Option<u64>) -> Self {
        let mut socket = TcpStream::connect(world.authority()).await.unwrap();
        let last = last.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        let request = format!(
            "GET /api/v1/events{query} HTTP/1.0\r\nhost: {}\r\nauthorization: Bearer {token}\r\n{last}\r\n",
            world.authority()
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut events = Self(BufReader::new(socket));
        let head = events.lines().await.unwrap();
        assert!(head[0].contains(" 200 "), "{head:?}");
        assert!(head.iter().any(|line| line == "content-type: text/event-stream"), "{head:?}");
        events
    }

    /// Lines up to an empty one; `None` at the end of the stream.
    async fn lines(&mut self) -> Option<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let read = timeout(PATIENCE, self.0.read_line(&mut line)).await.expect("something comes");
            if read.unwrap() == 0 {
                return None;
            }
            match line.trim_end() {
                "" => return Some(lines),
                line => lines.push(line.to_owned()),
            }
        }
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            let mut event = Event::default();
            for line in self.lines().await? {
                match line.split_once(": ") {
                    Some(("id", id)) => event.id = Some(id.parse().unwrap()),
                    Some(("event", name)) => name.clone_into(&mut event.event),
                    Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                    Some(_) | None => {}
                }
            }
            if !event.event.is_empty() {
                return Some(event);
            }
        }
    }

    /// The `seq`s and contents of the messages up to and including the one that says `last`.
    async fn messages(&mut self, last: &str) -> Vec<(u64, String)> {
        let mut found = Vec::new();
        loop {
            let event = self.next().await.unwrap();
            let body = &event.data["payload"]["body"];
            if body["type"] == "message" {
                let content = body["content"].as_str().unwrap().to_owned();
                assert_eq!(event.id, event.data["payload"]["seq"].as_u64());
                let is_last = content == last;
                found.push((event.id.unwrap(), content));
                if is_last {
                    return found;
                }
            }
        }
    }
}

async fn say(world: &World, content: &str) {
    let bearer = format!("Bearer {}", world.token);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let body = json!({"content": content}).to_string();
    let said = http(world, "POST", "/api/v1/messages", &headers, &body).await;
    assert_eq!(said.0, 200, "{}", said.1);
}

#[tokio::test]
async fn a_stream_goes_on_where_the_last_one_ended() {
    let world = World::new().await;
    say(&world, "one").await;
    say(&world, "two").await;
    let mut events = Events::open(&world, &world.token, "?from_seq=0", None).await;
    let first = events.messages("two").await;
    assert_eq!(first.iter().map(|it| it.1.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    say(&world, "three").await;
    let live = events.messages("three").await;
    assert_eq!(live.len(), 1);
    drop(events);
    say(&world, "four").await;
    let mut again = Events::open(&world, &world.token, "?from_seq=0", Some(first[0].0)).await;
    let rest = again.messages("four").await;
    assert_eq!(rest.iter().map(|it| it.1.as_str()).collect::<Vec<_>>(), ["two", "three", "four"]);
    let mut only_new = Events::open(&world, &world.token, "?roster=true", None).await;
    // "four" was answered, and may be on its way to those who follow.
    say(&world, "five").await;
    let new = only_new.messages("five").await;
    assert!(new.iter().all(|it| ["four", "five"].contains(&it.1.as_str())), "{new:?}");
}

#[tokio::test]
async fn a_reader_that_does_not_read_finds_everything_later() {
    let world = World::new().await;
    let mut events = Events::open(&world, &world.token, "?from_seq=0", None).await;
    let thread = {
        let bearer = format!("Bearer {}", world.token);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let opened = http(&world, "POST", "/api/v1/messages", &headers, r#"{"content": "0"}"#).await;
        serde_json::from_str::<Value>(&opened.1).unwrap()["thread"].clone()
    };
    let mut raw = super::client::Raw::operator(&world).await;
    let filler = "x".repeat(20_000);
    for n in 1..600 {
        let content = if n == 599 { "end".to_owned() } else { format!("{n} {filler}") };
        raw.send("chat.send", None, json!({"thread": thread, "content": content})).await;
    }
    // Far more than an outbox and a socket hold: most of it can only come from the log.
    assert_eq!(raw.request("team.list", json!({})).await["kind"], "ok");
    let found = events.messages("end").await;
    assert_eq!(found.len(), 600);
    assert!(found.is_sorted_by(|a, b| a.0 < b.0), "in order, each once");
}

#[tokio::test]
async fn streams_are_for_operators_and_end_with_their_token_or_the_broker() {
    let world = World::new().await;
    let wren = world.aspect("wren").await;
    let access = nexus_client::Broker::of_keyfile(wren).unwrap().bearer().await.unwrap();
    let bearer = format!("Bearer {}", access.expose());
    let refused = http(&world, "GET", "/api/v1/events", &[("authorization", &bearer)], "").await;
    assert_eq!(refused.0, 403, "{}", refused.1);
    let bearer = format!("Bearer {}", world.token);
    let odd = [("authorization", bearer.as_str()), ("last-event-id", "-1")];
    let refused = http(&world, "GET", "/api/v1/events", &odd, "").await;
    assert_eq!(refused.0, 400, "{}", refused.1);

    let token = world.operator("vic", OperatorRole::Viewer).await;
    let mut events = Events::open(&world, &token, "", None).await;
    let mut others = Events::open(&world, &world.token, "", None).await;
    let gone = http(&world, "DELETE", "/api/v1/operators/vic", &[("authorization", &bearer)], "").await;
    assert_eq!(gone.0, 200, "{}", gone.1);
    let close = Event {
        id: None,
        event: "close".to_owned(),
        data: json!({"code": nexus_wire::limits::CLOSE_REVOKED, "reason": "revoked"}),
    };
    let mut last = events.next().await.unwrap();
    while last.event != "close" {
        last = events.next().await.unwrap();
    }
    assert_eq!(last, close);
    assert_eq!(events.next().await, None);

    world.running.stop().await.unwrap();
    let mut names = Vec::new();
    while let Some(event) = others.next().await {
        names.push(event.event);
    }
    assert_eq!(names.last().map(String::as_str), Some("close"), "{names:?}");
}
