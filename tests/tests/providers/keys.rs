//! A real provider's key works end to end: real binaries against a stub that speaks the provider's protocol.

use std::path::{Path, PathBuf};

use nexus_tests::world::text;
use nexus_tests::{World, wait_until};
use serde_json::{Value, json};

use super::stub::{Answer, Stub, anthropic, openai};

const KEY: &str = "sk-test-6f1c0ffee-never-to-be-seen";
const FACT: &str = "the word is heliotrope";

fn world() -> World {
    let mut world = World::asleep()
        .env("STUB_KEY", KEY)
        .env("NEXUS_LOG", "trace")
        .env("TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    world.start_broker();
    world
}

fn home(world: &World, kind: &str, base_url: &str) -> PathBuf {
    let provider = json!({
        "kind": kind, "model": "stub-1", "base_url": base_url, "api_key_env": "STUB_KEY",
    });
    let home = world.home("wren", json!({"provider": provider, "tools": ["read_file"]}), "");
    std::fs::write(home.join("work/fact.txt"), FACT).expect("the folder is ours");
    home
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
