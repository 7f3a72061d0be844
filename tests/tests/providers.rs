//! A real provider's key works end to end: real binaries against a stub that speaks the provider's protocol.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use nexus_tests::world::text;
use nexus_tests::{World, wait_until};
use serde_json::{Value, json};

const KEY: &str = "sk-test-6f1c0ffee-never-to-be-seen";
const FACT: &str = "the word is heliotrope";

/// What was asked: head and body.
type Asked = Arc<Mutex<Vec<(String, Value)>>>;

/// A server that answers each request in turn; the last answer is for all that follow.
struct Stub {
    url: String,
    asked: Asked,
}

#[derive(Clone)]
struct Answer {
    status: &'static str,
    content_type: &'static str,
    body: String,
}

impl Answer {
    fn events(events: &[Value], end: &str) -> Self {
        let mut body = String::new();
        for event in events {
            if let Some(kind) = event["type"].as_str() {
                body.push_str(&format!("event: {kind}\n"));
            }
            body.push_str(&format!("data: {event}\n\n"));
        }
        body.push_str(end);
        Self { status: "200 OK", content_type: "text/event-stream", body }
    }

    fn refusal(status: &'static str, body: &Value) -> Self {
        Self { status, content_type: "application/json", body: body.to_string() }
    }
}

impl Stub {
    fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let asked = Asked::default();
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            for (at, stream) in listener.incoming().enumerate() {
                let answer = answers.get(at).or_else(|| answers.last()).expect("a stub has an answer");
                let Some(request) = stream.ok().and_then(|stream| serve(stream, answer)) else { return };
                seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<(String, Value)> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // A vendor has no part in our traces.
        assert!(asked.iter().all(|(head, _)| !head.contains("traceparent")), "{asked:?}");
        asked
    }
}

/// One request, one answer, one connection.
fn serve(stream: TcpStream, answer: &Answer) -> Option<(String, Value)> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_lowercase().replace("bearer sk", "Bearer sk");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let Answer { status, content_type, body: said } = answer;
    let length = said.len();
    let reply = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{said}"
    );
    reader.get_mut().write_all(reply.as_bytes()).ok()?;
    Some((head, serde_json::from_slice(&body).ok()?))
}

fn world() -> World {
    let mut world = World::asleep()
        .env("STUB_KEY", KEY)
        .env("NEXUS_LOG", "trace")
        .env("TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    world.start_broker();
    world
}

fn home(world: &World, kind: &str, base_url: &str) -> std::path::PathBuf {
    let provider = json!({
        "kind": kind, "model": "stub-1", "base_url": base_url, "api_key_env": "STUB_KEY",
    });
    let home = world.home("wren", json!({"provider": provider, "tools": ["read_file"]}), "");
    std::fs::write(home.join("work/fact.txt"), FACT).expect("the folder is ours");
    home
}

fn anthropic(content: &[Value], stop: &str) -> Answer {
    let usage = json!({"input_tokens": 11, "output_tokens": 1});
    let mut events = vec![json!({"type": "message_start", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "stub-1-20260101",
        "stop_reason": null, "usage": usage,
    }})];
    for (index, block) in content.iter().enumerate() {
        let (start, delta) = if block["type"] == "tool_use" {
            let mut start = block.clone();
            start["input"] = json!({});
            (start, json!({"type": "input_json_delta", "partial_json": block["input"].to_string()}))
        } else {
            (json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": block["text"]}))
        };
        events.push(json!({"type": "content_block_start", "index": index, "content_block": start}));
        events.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    let delta = json!({"stop_reason": stop, "stop_sequence": null});
    events.push(json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 7}}));
    events.push(json!({"type": "message_stop"}));
    Answer::events(&events, "")
}

fn openai(delta: Value, stop: &str) -> Answer {
    let chunk = |choices: Value| json!({"id": "c", "object": "chat.completion.chunk", "model": "stub-1", "choices": choices});
    let mut usage = chunk(json!([]));
    usage["usage"] = json!({"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18});
    let events = [
        chunk(json!([{"index": 0, "delta": delta, "finish_reason": null}])),
        chunk(json!([{"index": 0, "delta": {}, "finish_reason": stop}])),
        usage,
    ];
    Answer::events(&events, "data: [DONE]\n\n")
}

/// No file of the home, and nothing any process has said, has the key in it.
fn check_key_unseen(home: &Path, said: &[&str]) {
    let mut folders = vec![home.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder is ours").flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
                continue;
            }
            let bytes = std::fs::read(entry.path()).expect("the file is ours");
            assert!(!String::from_utf8_lossy(&bytes).contains(KEY), "{} has the key", entry.path().display());
        }
    }
    for said in said {
        assert!(!said.contains(KEY), "the key was said: {said}");
    }
}

fn ask(world: &World, home: &Path) -> String {
    let agent = world.agent(home);
    let out = world.nexctl(&["ask", "wren", "what is the word?"]);
    let said = text(&out);
    check_key_unseen(home, &[&said, &agent.text(), &world.broker().text()]);
    said
}

#[test]
fn anthropic_answers_with_a_tool_and_a_key() {
    let call =
        json!({"type": "tool_use", "id": "toolu_1", "name": "read_file", "input": {"path": "work/fact.txt"}});
    let stub = Stub::start(vec![
        anthropic(&[json!({"type": "text", "text": "I look."}), call], "tool_use"),
        anthropic(&[json!({"type": "text", "text": "It is heliotrope."})], "end_turn"),
    ]);
    let world = world();
    let home = home(&world, "anthropic", &stub.url);
    let said = ask(&world, &home);
    assert!(said.contains("It is heliotrope."), "{said}");
    let asked = stub.asked();
    assert_eq!(asked.len(), 2);
    for (head, body) in &asked {
        assert!(head.starts_with("post /v1/messages "), "{head}");
        assert!(head.contains(&format!("x-api-key: {KEY}\r\n")), "{head}");
        assert_eq!((&body["model"], &body["stream"]), (&json!("stub-1"), &json!(true)));
        assert_eq!(body["tools"][0]["name"], "read_file");
        assert!(body["system"].to_string().contains("You are wren."), "{body}");
    }
    let messages = asked[1].1["messages"].as_array().expect("messages");
    let roles: Vec<&Value> = messages.iter().map(|message| &message["role"]).collect();
    assert_eq!(roles, ["user", "assistant", "user"]);
    assert!(messages[0].to_string().contains("what is the word?"));
    assert_eq!(messages[2]["content"][0]["tool_use_id"], "toolu_1");
    assert!(messages[2]["content"][0]["content"].to_string().contains(FACT), "{}", messages[2]);
}

#[test]
fn openai_answers_with_a_tool_and_a_key() {
    let function = json!({"name": "read_file", "arguments": "{\"path\": \"work/fact.txt\"}"});
    let call = json!([{"index": 0, "id": "call_1", "type": "function", "function": function}]);
    let stub = Stub::start(vec![
        openai(json!({"role": "assistant", "content": null, "tool_calls": call}), "tool_calls"),
        openai(json!({"role": "assistant", "content": "It is heliotrope."}), "stop"),
    ]);
    let world = world();
    let home = home(&world, "openai", &format!("{}/v1", stub.url));
    let said = ask(&world, &home);
    assert!(said.contains("It is heliotrope."), "{said}");
    let asked = stub.asked();
    assert_eq!(asked.len(), 2);
    for (head, body) in &asked {
        assert!(head.starts_with("post /v1/chat/completions "), "{head}");
        assert!(head.contains(&format!("authorization: Bearer {KEY}\r\n")), "{head}");
        assert_eq!((&body["model"], &body["stream"]), (&json!("stub-1"), &json!(true)));
        assert_eq!(body["tools"][0]["function"]["name"], "read_file");
    }
    let messages = asked[1].1["messages"].as_array().expect("messages");
    let roles: Vec<&Value> = messages.iter().map(|message| &message["role"]).collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool"]);
    assert_eq!(messages[3]["tool_call_id"], "call_1");
    assert!(messages[3]["content"].to_string().contains(FACT), "{}", messages[3]);
}

#[test]
fn a_refused_key_is_told_without_showing_it() {
    let error = json!({"type": "error", "error": {
        "type": "authentication_error", "message": format!("invalid x-api-key {KEY}"),
    }});
    let stub = Stub::start(vec![Answer::refusal("401 Unauthorized", &error)]);
    let world = world();
    let home = home(&world, "anthropic", &stub.url);
    let said = ask(&world, &home);
    assert!(said.contains("the key was refused"), "{said}");
    assert!(said.contains("provider.api_key_env"), "{said}");
    assert_eq!(stub.asked().len(), 1, "a refused key is not tried again");
}

#[test]
fn an_overloaded_provider_is_asked_again_and_a_full_window_is_not() {
    let overloaded = json!({"error": {"message": "try again", "type": "server_error"}});
    let full = json!({"error": {
        "message": "maximum context length is 8 tokens", "type": "invalid_request_error",
        "code": "context_length_exceeded",
    }});
    let stub = Stub::start(vec![
        Answer::refusal("503 Service Unavailable", &overloaded),
        openai(json!({"role": "assistant", "content": "Here I am."}), "stop"),
        Answer::refusal("400 Bad Request", &full),
    ]);
    let world = world();
    let home = home(&world, "openai", &stub.url);
    let agent = world.agent(&home);
    let first = text(&world.nexctl(&["ask", "wren", "hello"]));
    assert!(first.contains("Here I am."), "{first}");
    let second = text(&world.nexctl(&["ask", "wren", "hello again"]));
    assert!(second.contains("does not fit the model's context window"), "{second}");
    assert_eq!(stub.asked().len(), 3);
    check_key_unseen(&home, &[&first, &second, &agent.text()]);
}

#[test]
fn a_stream_that_breaks_off_is_asked_again() {
    let whole = anthropic(&[json!({"type": "text", "text": "All of it."})], "end_turn");
    let mut torn = whole.clone();
    torn.body.truncate(torn.body.find("event: message_delta").expect("it has one"));
    let stub = Stub::start(vec![torn, whole]);
    let world = world();
    let home = home(&world, "anthropic", &stub.url);
    let said = ask(&world, &home);
    assert!(said.contains("All of it."), "{said}");
    assert_eq!(stub.asked().len(), 2);
}

#[test]
fn a_key_that_is_not_set_is_said_before_anything_runs() {
    let world = World::new();
    let home = home(&world, "anthropic", "http://127.0.0.1:9");
    let mut agent = world.agent_under(&[], &home);
    let status = wait_until("its end", || Some(agent.wait()));
    assert_eq!(status.code(), Some(5), "the home is unfit: {}", agent.text());
    assert!(agent.text().contains("STUB_KEY is not set"), "{}", agent.text());
}
