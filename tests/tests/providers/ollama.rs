//! Ollama, as its streams were recorded: tools, usage, what it says when something is wrong.

use nexus_tests::World;
use nexus_tests::raw::Raw;
use nexus_tests::session::SessionFile;
use nexus_tests::world::text;
use serde_json::{Value, json};

use super::stub::{Answer, Stub};

fn home(world: &World, url: &str) -> std::path::PathBuf {
    let provider = json!({
        "kind": "ollama", "model": "qwen3:8b", "base_url": url, "thinking": "low",
        "extra": {"keep_alive": "30m", "options": {"num_ctx": 32768}},
    });
    let home = world.home("wren", json!({"provider": provider, "tools": ["search_files", "list_team"]}), "");
    std::fs::write(home.join("work/rule.txt"), "who receives é is decided here\n").expect("ours");
    home
}

fn results(body: &Value) -> Vec<String> {
    let messages = body["messages"].as_array().expect("messages");
    let results = messages.iter().filter(|message| message["role"] == "tool");
    results
        .map(|message| format!("{}: {}", message["tool_name"].as_str().unwrap_or("?"), message["content"]))
        .collect()
}

#[tokio::test]
async fn it_calls_tools_and_answers_and_is_counted() {
    let stub = Stub::start(vec![Answer::ollama("tools"), Answer::ollama("text")]);
    let world = World::new();
    let home = home(&world, &stub.url);
    let _agent = world.agent(&home);
    let reply = world.nexctl_json(&["ask", "wren", "who decides?"]);
    assert_eq!(reply["message"]["content"], "The broker decides — naïve? 🜁 no: one rule.");
    let usage =
        json!({"input_tokens": 131, "output_tokens": 45, "cache_read_tokens": 0, "cache_write_tokens": 0});
    let meta = &reply["message"]["meta"];
    assert_eq!((&meta["provider"], &meta["model"]), (&json!("ollama"), &json!("qwen3:8b")));
    assert_eq!((&meta["usage"], &reply["tool_calls"]), (&usage, &json!(2)));

    let asked = stub.asked();
    assert_eq!(asked.len(), 2);
    for (head, body) in &asked {
        assert!(head.starts_with("post /api/chat "), "{head}");
        assert!(!head.contains("authorization"), "it needs no key: {head}");
        let said = [&body["model"], &body["think"], &body["keep_alive"], &body["truncate"], &body["stream"]];
        assert_eq!(said, [&json!("qwen3:8b"), &json!("low"), &json!("30m"), &json!(false), &json!(true)]);
        assert_eq!(body["options"], json!({"num_ctx": 32768, "num_predict": 8192}));
    }
    let told = results(&asked[1].1);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("search_files: ") && told[0].contains("rule.txt"), "{told:?}");
    assert!(told[1].starts_with("list_team: ") && told[1].contains("wren"), "{told:?}");
    let session = SessionFile::all(&home).pop().expect("a session");
    assert!(session.results_by_call().values().all(|results| *results == 1));
    let used = Raw::operator(&world).await.request("usage.read", json!({})).await;
    let total = &used["payload"]["total"];
    assert_eq!(
        (&total["usage"], &total["unpriced"]),
        (&usage, &json!(1)),
        "a model of one's own has no price"
    );
}

#[test]
fn an_older_server_that_counts_and_names_nothing_is_understood() {
    let stub = Stub::start(vec![Answer::ollama("bare"), Answer::ollama("text")]);
    let world = World::new();
    let home = home(&world, &stub.url);
    let _agent = world.agent(&home);
    let reply = world.nexctl_json(&["ask", "wren", "who decides?"]);
    assert_eq!(reply["message"]["content"], "The broker decides — naïve? 🜁 no: one rule.");
    let told = results(&stub.asked()[1].1);
    assert!(told[0].starts_with("list_team: "), "{told:?}");
    assert!(told[1].contains("read_file"), "it is told that it has no such tool: {told:?}");
}

#[test]
fn a_model_that_dies_in_mid_stream_is_asked_again_and_one_that_is_not_there_is_named() {
    let missing = Answer::refusal("404 Not Found", &json!({"error": "model 'qwen3:8b' not found"}));
    let stub = Stub::start(vec![Answer::ollama("overloaded-midway"), Answer::ollama("thinking"), missing]);
    let world = World::new();
    let home = home(&world, &stub.url);
    let _agent = world.agent(&home);
    let ask = |words| world.nexctl_json(&["ask", "wren", words])["message"]["content"].clone();
    assert_eq!(ask("who decides?"), "One.");
    let told = text(&world.nexctl(&["ask", "wren", "and now?"]));
    assert!(told.contains("model 'qwen3:8b' not found; fetch it with: ollama pull qwen3:8b"), "{told}");
    assert_eq!(stub.asked().len(), 3, "what is not there is not asked again");
}
