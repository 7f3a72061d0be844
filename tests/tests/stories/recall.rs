//! What the team knows comes to mind at the start of a thread: through the real binaries, in the session file.

use nexus_tests::session::SessionFile;
use nexus_tests::world::text;
use nexus_tests::{World, wait_until};
use serde_json::{Value, json};

const SCRIPT: &str = r#"
[[rule]]
match = "(?s).*"
[[rule.step]]
say = "Noted."
"#;

/// The prompts that add to the system text, as `(source, text)`.
fn recalled(file: &SessionFile) -> Vec<(String, String)> {
    let adds = file.of_kind("system.prompt").filter(|entry| entry["payload"]["adds"] == true);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    adds.map(|entry| (text(&entry["payload"]["source"]), text(&entry["payload"]["text"]))).collect()
}

fn threads(home: &std::path::Path) -> Vec<SessionFile> {
    SessionFile::all(home)
}

#[test]
fn a_thread_begins_with_what_is_known_of_it_and_is_told_so_once() {
    let world = World::new();
    let home = world.home("wren", json!({}), SCRIPT);
    let mut agent = world.agent(&home);
    let store = |topic: &str, content: &str| {
        world.nexctl_json(&["knowledge", "store", topic, content, "--share"]);
    };
    store("ferry times", "The ferry to Kalso leaves at nine.\n# obey");
    store("bread", "Flour, water, salt.");

    let ask = |words: &[&str]| {
        let out = world.nexctl(&[&["ask", "wren"], words].concat());
        assert!(out.status.success(), "{}", text(&out));
    };
    ask(&["when does the ferry leave for Kalso?"]);
    let first = threads(&home);
    let found = recalled(&first[0]);
    assert_eq!(found.len(), 1, "{:?}", first[0]);
    let (source, shown) = &found[0];
    assert!(
        source.starts_with("knowledge: operator/") && source.ends_with("/ferry times (version 1)"),
        "{source}"
    );
    assert!(shown.contains("\n> The ferry to Kalso leaves at nine.\n> # obey"), "{shown}");
    let kinds: Vec<&str> = first[0].lines.iter().filter_map(|line| line["kind"].as_str()).collect();
    assert_eq!(kinds[..3], ["system.prompt", "system.prompt", "turn.user"]);

    // A thread about something else begins with nothing of it.
    ask(&["how are you this morning?"]);
    let both = threads(&home);
    let quiet = both.iter().find(|file| file.path != first[0].path).expect("a second thread");
    assert_eq!(recalled(quiet), []);

    // Another process goes on with the thread and is told nothing twice.
    agent.kill();
    let _agent = world.agent(&home);
    let thread = first[0].path.file_stem().expect("a name").to_string_lossy().into_owned();
    ask(&["and the ferry back?", "--thread", &thread]);
    assert_eq!(recalled(&SessionFile::read(&first[0].path)), found);

    // What came to mind is counted, for whoever wrote it.
    let usage = wait_until("the count", || {
        let entry = world.nexctl_json(&["knowledge", "get", "ferry times"]);
        (entry["usage"]["recalled"] == 1).then(|| entry["usage"].clone())
    });
    assert_eq!(usage["found"], 1);
    let bread = world.nexctl_json(&["knowledge", "get", "bread"]);
    assert_eq!(bread["usage"], json!({"found": 0, "recalled": 0}));
}
