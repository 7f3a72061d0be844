//! Large things in great numbers: whatever is asked, the answer is a frame, and the pages together are everything.

use std::path::Path;

use futures_util::future::join_all;
use nexus_tests::World;
use nexus_tests::raw::Raw;
use nexus_wire::limits::FRAME_BYTES_MAX;
use serde_json::{Value, json};

/// Of what is sent here; each is allowed, and two of them together are no frame any more.
const LARGE: usize = 600 * 1024;

fn list(page: &Value, field: &str) -> Vec<Value> {
    page["payload"][field].as_array().unwrap_or_else(|| panic!("no {field}: {page}")).clone()
}

/// Asks for page after page; `next` makes of one the request for the next.
async fn pages(
    raw: &mut Raw,
    kind: &str,
    field: &str,
    mut request: Value,
    next: impl Fn(&Value, &mut Value),
) -> Vec<Value> {
    let mut all = Vec::new();
    loop {
        let page = raw.request(kind, request.clone()).await;
        assert_eq!(page["kind"], "ok", "{kind} {request}: {page}");
        assert!(page.to_string().len() <= FRAME_BYTES_MAX, "{kind}");
        let items = list(&page, field);
        assert!(!items.is_empty() || all.is_empty(), "an empty page says that it is the last");
        all.extend(items);
        if page["payload"]["more"] != json!(true) {
            return all;
        }
        next(&page["payload"], &mut request);
    }
}

async fn worker(world: &World, home: &Path) -> (Raw, Value) {
    let hands = json!([{"name": "swell", "timeout_s": 600, "concurrency": 8}]);
    Raw::registered(world, home, json!({"hands": hands, "slots": 8})).await
}

#[tokio::test]
async fn pages_of_large_messages_and_many_threads_are_frames() {
    let world = World::new();
    let mut raw = Raw::operator(&world).await;
    let mut sent: Vec<String> = Vec::new();
    let mut thread = Value::Null;
    for n in 0..5 {
        let content = format!("{n} {}", "\u{0}x".repeat(LARGE / 7));
        let reply = raw.request("chat.send", json!({"thread": thread, "content": content})).await;
        assert_eq!(reply["kind"], "ok", "{}", reply["payload"]["message"]);
        thread = reply["payload"]["thread"].clone();
        sent.push(content);
    }
    let read = pages(&mut raw, "chat.read", "messages", json!({"thread": thread}), |page, request| {
        let last = page["messages"].as_array().and_then(|all| all.last()).expect("a page that is not empty");
        request["after"] = last["seq"].clone();
    })
    .await;
    let contents: Vec<&str> = read.iter().filter_map(|it| it["content"].as_str()).collect();
    assert_eq!(contents, sent);

    // Titles as large as they may be, in more threads than one page has.
    let topic = "\u{1}".repeat(256);
    let mut opened = vec![thread];
    for _ in 0..700 {
        let reply = raw.request("chat.send", json!({"content": "x", "topic": topic})).await;
        opened.push(reply["payload"]["thread"].clone());
    }
    let request = json!({"limit": 200});
    let next = |page: &Value, request: &mut Value| request["before"] = page["next"].clone();
    let mut listed: Vec<Value> = pages(&mut raw, "chat.threads", "threads", request, next)
        .await
        .into_iter()
        .map(|thread| thread["id"].clone())
        .collect();
    listed.reverse();
    assert_eq!(listed, opened);
    assert_eq!(raw.request("team.list", json!({})).await["kind"], "ok", "the link is as good as ever");
}

#[tokio::test]
async fn a_dispatch_with_large_input_and_output_is_shown_in_parts() {
    let world = World::new();
    let home = world.home("wren", json!({}), "");
    let (mut wren, _) = worker(&world, &home).await;
    let mut raw = Raw::operator(&world).await;
    let large = "y".repeat(LARGE);
    let mut dispatched: Vec<Value> = Vec::new();
    for n in 0..3 {
        let input = json!({"n": n, "text": large});
        let reply = raw.request("dispatch", json!({"hand": "wren/swell", "input": input})).await;
        dispatched.push(reply["payload"]["dispatch"].clone());
        let lease = wren.next_of("deliver").await["payload"]["item"]["body"]["lease"].clone();
        let done = wren.request("dispatch.result", json!({"lease": lease, "output": large})).await;
        assert_eq!(done["payload"]["state"], "done", "{done}");
    }
    let next = |page: &Value, request: &mut Value| request["before"] = page["next"].clone();
    let listed = pages(&mut raw, "dispatch.list", "dispatches", json!({"limit": 2}), next).await;
    let ids: Vec<Value> = listed.iter().rev().map(|info| info["id"].clone()).collect();
    assert_eq!(ids, dispatched);
    let status = json!({"dispatch": dispatched[1]});
    let whole = raw.request("dispatch.status", status).await["payload"].clone();
    assert_eq!((&whole["input_left_out"], &whole["output"]), (&json!(true), &json!(large)));
    let status = json!({"dispatch": dispatched[1], "without_output": true});
    let input = raw.request("dispatch.status", status).await["payload"].clone();
    assert_eq!((&input["input"], &input["output"]), (&json!({"n": 1, "text": large}), &Value::Null));
}

#[tokio::test]
async fn a_team_of_many_words_and_much_knowledge_come_in_pages() {
    let world = World::new();
    let homes = ["ada", "bee", "cleo", "dot"].map(|name| world.home(name, json!({}), ""));
    let hands = json!([{"name": "talk", "description": "z".repeat(LARGE)}]);
    let links = homes.iter().map(|home| Raw::registered(&world, home, json!({"hands": hands})));
    let _links = join_all(links).await;
    let mut raw = Raw::operator(&world).await;
    let next = |page: &Value, request: &mut Value| {
        let last = page["aspects"].as_array().and_then(|all| all.last()).expect("a page that is not empty");
        request["after"] = last["name"].clone();
    };
    let team = pages(&mut raw, "team.list", "aspects", json!({}), next).await;
    let names: Vec<&str> = team.iter().filter_map(|aspect| aspect["name"].as_str()).collect();
    assert_eq!(names, ["ada", "bee", "cleo", "dot"]);
    for n in 0..4 {
        let content = format!("moon {n} {}", "w ".repeat(LARGE / 2));
        let reply =
            raw.request("knowledge.store", json!({"topic": format!("t{n}"), "content": content})).await;
        assert_eq!(reply["kind"], "ok", "{reply}");
    }
    let found = raw.request("knowledge.search", json!({"query": "moon"})).await;
    assert_eq!((list(&found, "hits").len(), found["payload"]["cursor"].is_string()), (1, true));
}

#[tokio::test]
async fn what_streams_is_passed_on_as_a_frame_or_refused() {
    let world = World::new();
    let home = world.home("wren", json!({}), "");
    let (mut wren, _) = worker(&world, &home).await;
    let mut raw = Raw::operator(&world).await;
    assert_eq!(raw.request("subscribe", json!({"observe": true})).await["kind"], "ok");
    let turn = nexus_client::new_request_id();
    assert_eq!(wren.request("observe.begin", json!({"turn": turn})).await["kind"], "ok");
    let text =
        |bytes: usize| json!({"turn": turn, "n": 1, "event": {"type": "text", "text": "t".repeat(bytes)}});
    let refused = wren.request("observe.event", text(FRAME_BYTES_MAX - 300)).await;
    assert_eq!(refused["payload"]["code"], "too_large", "{refused}");
    wren.send("observe.event", None, text(FRAME_BYTES_MAX - 300)).await;
    assert_eq!(wren.request("observe.event", text(LARGE)).await["kind"], "ok");
    let begun = raw.next_of("observe").await;
    assert_eq!(begun["payload"]["what"]["type"], "begin");
    let passed = raw.next_of("observe").await;
    let length = passed["payload"]["what"]["event"]["text"].as_str().map(str::len);
    assert_eq!(length, Some(LARGE));
}
