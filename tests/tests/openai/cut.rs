//! Requests that do not end as they began: whoever asks goes, the broker dies, the aspect fails.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use nexus_tests::session::SessionFile;
use nexus_tests::{connect, wait_until};

use super::look::*;

/// A stream that was asked for and has begun to come.
fn begun(world: &World, headers: &str, text: &str) -> (BufReader<TcpStream>, String) {
    let url = world.url();
    let address = url.trim_start_matches("http://");
    let body = json!({"model": "wren", "messages": [user(text)], "stream": true}).to_string();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n{headers}\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        world.token(),
        body.len()
    );
    let mut socket = connect(address);
    socket.write_all(request.as_bytes()).expect("it reads");
    let mut stream = BufReader::new(socket);
    let mut thread = None;
    loop {
        let mut line = String::new();
        assert_ne!(stream.read_line(&mut line).expect("it goes on"), 0, "it ended early");
        let line = line.trim_end();
        thread = line.strip_prefix("x-nexus-thread: ").map(str::to_owned).or(thread);
        if line.contains("It begins") || line.contains("\"content\":\"It") {
            return (stream, thread.expect("the head comes first"));
        }
    }
}

fn decisions(home: &std::path::Path, thread: &str) -> Vec<(Value, Value)> {
    let file = SessionFile::read(&home.join(format!("session/threads/{thread}.jsonl")));
    let of = |entry: &Value| (entry["payload"]["decision"].clone(), entry["payload"]["reason"].clone());
    file.of_kind("custom.decision").map(of).collect()
}

#[test]
fn whoever_goes_leaves_no_turn_behind() {
    let world = World::new();
    let home = wren(&world);
    let _agent = world.agent(&home);
    let (stream, thread) = begun(&world, "", "slowly");
    drop(stream);
    let decided = wait_until("the end of the turn", || {
        Some(decisions(&home, &thread)).filter(|decided| !decided.is_empty())
    });
    let why = "cancelled by operator/admin: whoever asked has gone";
    assert_eq!(decided, [(json!("failed"), json!(why))]);
    // What is asked next in the conversation goes on in the thread, as if that had not been said.
    std::fs::write(home.join("go"), "").expect("the folder is ours");
    let audit = world.nexctl_json(&["audit", "--kind", "turn.cancel"]);
    assert_eq!(audit["entries"].as_array().map(Vec::len), Some(1), "{audit}");
}

#[test]
fn a_named_request_is_answered_once_whatever_dies() {
    let mut world = World::new();
    let home = wren(&world);
    let _agent = world.agent(&home);
    let (mut stream, thread) = begun(&world, "Idempotency-Key: once\r\n", "slowly");
    world.kill_broker();
    let mut rest = String::new();
    // It ends, cleanly or not, and does not look finished.
    let _ = stream.read_to_string(&mut rest);
    assert!(!rest.contains("[DONE]") && !rest.contains("finish_reason\":\"stop"), "{rest}");
    std::fs::write(home.join("go"), "").expect("the folder is ours");
    world.start_broker();
    let body = json!({"model": "wren", "messages": [user("slowly")]});
    let again = ask(&world, "/v1/chat/completions", "Idempotency-Key: once\r\n", &body);
    assert_eq!(again.status, 200, "{}", again.body);
    assert_eq!(again.json()["choices"][0]["message"]["content"], "and ends");
    assert_eq!(again.header("x-nexus-thread"), Some(thread.as_str()));
    let said: Vec<String> = messages(&world, &thread).into_iter().map(|it| it.1).collect();
    assert_eq!(said, ["slowly", "and ends"]);
    // A client's own second try finds the first, too.
    let retry = ask(&world, "/v1/chat/completions", "x-stainless-retry-count: 1\r\n", &body);
    assert_eq!(retry.header("x-nexus-thread"), Some(thread.as_str()), "{}", retry.body);
    assert_eq!(messages(&world, &thread).len(), 2);
}

#[test]
fn a_broker_that_stops_says_so() {
    let world = World::new();
    let home = wren(&world);
    let _agent = world.agent(&home);
    let (mut stream, _) = begun(&world, "", "slowly");
    world.broker().signal("TERM");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("it ends as it should");
    assert!(rest.contains(r#""code":"shutting_down""#) && !rest.contains("[DONE]"), "{rest}");
}

#[test]
fn what_an_aspect_fails_at_is_no_answer() {
    let world = World::new();
    let home = wren(&world);
    let agent = world.agent(&home);
    let failed = chat(&world, &json!({"model": "wren", "messages": [user("fail")]}));
    let error = failed.json()["error"].clone();
    assert_eq!(
        (failed.status, &error["code"], &error["type"]),
        (502, &json!("aspect_failed"), &json!("server_error"))
    );
    assert_eq!(failed.header("x-should-retry"), Some("false"), "asking again asks it again");
    let streamed = chat(&world, &json!({"model": "wren", "messages": [user("fail")], "stream": true}));
    let last = streamed.events().last().cloned().expect("an event");
    assert_eq!((&last["error"]["code"], streamed.body.contains("[DONE]")), (&json!("aspect_failed"), false));
    drop(agent);
    // Asked while the broker has not seen it go, it would keep the question until it is back.
    wait_until("it to be offline", || {
        (world.nexctl_json(&["get", "aspects"])["aspects"][0]["state"] == "offline").then_some(())
    });
    let offline = chat(&world, &json!({"model": "wren", "messages": [user("first question")]}));
    assert_eq!(offline.status, 503);
    assert_eq!(offline.json()["error"]["code"], "model_offline");
    assert_eq!(offline.header("retry-after"), Some("2"));
}
