//! A provider fails and another one stands in for it: what people are told, what is on record, what is counted.

use std::path::{Path, PathBuf};

use nexus_tests::World;
use nexus_tests::raw::Raw;
use nexus_tests::session::SessionFile;
use nexus_tests::world::text;
use serde_json::{Value, json};

use super::stub::{Answer, Stub, anthropic, openai};

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:9";

fn world() -> World {
    let mut world = World::asleep().env("STUB_KEY", "sk-first").env("OTHER_KEY", "sk-second");
    world.start_broker();
    world
}

/// The first has a price, the second another one.
fn home(world: &World, first: &str, second: &str) -> PathBuf {
    let provider = json!({
        "kind": "anthropic", "model": "first-1", "base_url": first, "api_key_env": "STUB_KEY",
        "price": {"input": 1_000_000, "output": 1_000_000},
    });
    let stand_in = json!({
        "kind": "openai", "model": "second-1", "base_url": second, "api_key_env": "OTHER_KEY",
        "price": {"input": 2_000_000, "output": 2_000_000},
    });
    world.home("wren", json!({"provider": provider, "failover": [stand_in]}), "")
}

fn overloaded() -> Answer {
    Answer::refusal(
        "529 Overloaded",
        &json!({"type": "error", "error": {
            "type": "overloaded_error", "message": "Overloaded",
        }}),
    )
}

fn no_key() -> Answer {
    Answer::refusal("401 Unauthorized", &json!({"error": {"message": "no"}}))
}

fn of_first(text: &str) -> Answer {
    anthropic(&[json!({"type": "text", "text": text})], "end_turn")
}

fn of_second(text: &str) -> Answer {
    openai(json!({"role": "assistant", "content": text}), "stop")
}

/// Asks, and gives what was answered, by whom, and what that cost.
fn ask(world: &World, words: &str) -> Value {
    let reply = world.nexctl_json(&["ask", "wren", words]);
    let (content, meta) = (&reply["message"]["content"], &reply["message"]["meta"]);
    json!([content, meta["provider"], meta["cost_microusd"]])
}

/// Who answered, in the sessions of the home.
fn answerers(home: &Path) -> Vec<Value> {
    let all = SessionFile::all(home);
    let replies = all.iter().flat_map(|file| file.of_kind("turn.assistant"));
    replies.map(|entry| json!([entry["payload"]["provider"], entry["payload"]["model"]])).collect()
}

#[tokio::test]
async fn an_outage_is_bridged_and_the_first_one_is_back_when_it_can_be() {
    let first =
        Stub::start(vec![overloaded(), overloaded(), of_first("I am back."), of_first("Still here.")]);
    let second = Stub::start(vec![of_second("I stand in."), of_second("I still do."), no_key()]);
    let world = world();
    let home = home(&world, &first.url, &second.url);
    let agent = world.agent(&home);
    assert_eq!(ask(&world, "one"), json!(["I stand in.", "openai", 36]));
    assert_eq!(first.asked().len(), 2, "it was given a second chance");
    agent.wait_for_text("the provider failed; the next one stands in");

    // It rests: nobody waits for it meanwhile.
    assert_eq!(ask(&world, "two"), json!(["I still do.", "openai", 36]));
    assert_eq!((first.asked().len(), second.asked().len()), (2, 2));

    // With the other one at fault, it is asked before its time, and once it has answered it is the first again.
    assert_eq!(ask(&world, "three"), json!(["I am back.", "anthropic", 18]));
    assert_eq!(ask(&world, "four"), json!(["Still here.", "anthropic", 18]));
    assert_eq!((first.asked().len(), second.asked().len()), (4, 3));
    let mut seen = answerers(&home);
    seen.sort_by_key(Value::to_string);
    let by = |provider: &str, model: &str| json!([provider, model]);
    let (back, stood_in) = (by("anthropic", "stub-1-20260101"), by("openai", "stub-1"));
    assert_eq!(seen, [back.clone(), back, stood_in.clone(), stood_in]);
    // Each has its own key, and the other one's is never sent to it.
    assert!(first.asked().iter().all(|(head, _)| head.contains("x-api-key: sk-first")));
    assert!(second.asked().iter().all(|(head, _)| head.contains("authorization: Bearer sk-second")));

    let used = Raw::operator(&world).await.request("usage.read", json!({})).await;
    assert_eq!(used["payload"]["total"]["cost_microusd"], 2 * 36 + 2 * 18, "{used}");
}

#[test]
fn one_that_asks_for_an_hour_is_left_alone_for_an_hour() {
    let limit = json!({"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}});
    let slow = Answer::refusal("429 Too Many Requests", &limit).header("retry-after", "3600");
    let first = Stub::start(vec![slow, of_first("too early")]);
    let second = Stub::start(vec![of_second("I stand in.")]);
    let world = world();
    let home = home(&world, &first.url, &second.url);
    let _agent = world.agent(&home);
    for words in ["one", "two"] {
        assert_eq!(ask(&world, words), json!(["I stand in.", "openai", 36]));
    }
    assert_eq!((first.asked().len(), second.asked().len()), (1, 2));
}

#[test]
fn what_a_dying_one_had_said_is_void_and_paid() {
    let mut torn = of_first("The first said this");
    torn.body.truncate(torn.body.find("event: content_block_stop").expect("it has one"));
    let first = Stub::start(vec![torn.clone(), torn]);
    let second = Stub::start(vec![of_second("The second says that.")]);
    let world = world();
    let home = home(&world, &first.url, &second.url);
    let _agent = world.agent(&home);
    // Twice 11 in and 1 out of the first one.
    assert_eq!(ask(&world, "one"), json!(["The second says that.", "openai", 2 * 12 + 36]));
    let session = SessionFile::all(&home).pop().expect("a session");
    let text = std::fs::read_to_string(session.path).expect("it is there");
    assert!(!text.contains("The first said this"), "{text}");
}

#[test]
fn when_nobody_is_there_people_are_told_of_each_and_the_next_question_finds_whoever_is_back() {
    let world = world();
    let home = home(&world, NOWHERE, NOWHERE);
    let second = Stub::start(vec![no_key(), of_second("I am here.")]);
    let settings = std::fs::read_to_string(home.join("aspect.json")).expect("it was written");
    let (before, after) = settings.split_once(NOWHERE).expect("it is named twice");
    std::fs::write(home.join("aspect.json"), format!("{before}{}{after}", second.url)).expect("ours");
    let agent = world.agent(&home);
    let told = text(&world.nexctl(&["ask", "wren", "one"]));
    assert!(told.contains("openai: the key was refused (401: no; before it, anthropic: "), "{told}");
    assert_eq!(ask(&world, "two"), json!(["I am here.", "openai", 36]));
    assert!(!agent.text().contains("sk-"), "{}", agent.text());
}
