//! Operators look into an aspect's sessions through the broker: real binaries, and what is said when they cannot.

use nexus_tests::world::text;
use nexus_tests::{World, wait_until};
use serde_json::json;

const SCRIPT: &str = r#"
[[rule]]
match = "(?s).*"
[[rule.step]]
say = "Noted."
"#;

#[test]
fn an_operator_looks_into_a_session_of_an_aspect_that_is_online() {
    let world = World::new();
    let home = world.home("wren", json!({}), SCRIPT);
    let mut agent = world.agent(&home);
    let out = world.nexctl(&["ask", "wren", "remember the ferry"]);
    assert!(out.status.success(), "{}", text(&out));

    let list = world.nexctl_json(&["session", "list", "wren"]);
    let sessions = list["sessions"].as_array().expect("sessions");
    assert_eq!(sessions.len(), 1, "{list}");
    assert_eq!(sessions[0]["kind"], "thread");
    let session = sessions[0]["session"].as_str().expect("an id");
    // The decision is written after the answer is out.
    let tree = wait_until("the turn's end", || {
        let tree = world.nexctl_json(&["session", "tree", "wren", session]);
        let last = tree["entries"].as_array().and_then(|entries| entries.last().cloned());
        last.filter(|last| last["kind"] == "custom.decision").map(|_| tree)
    });
    let entries = tree["entries"].as_array().expect("entries");
    let kinds: Vec<&str> = entries.iter().filter_map(|entry| entry["kind"].as_str()).collect();
    assert_eq!(kinds, ["system.prompt", "turn.user", "turn.assistant", "custom.decision"]);
    assert!(entries.iter().all(|entry| entry["active"] == true));
    let id = entries[1]["id"].as_str().expect("an id");
    let shown = world.nexctl_json(&["session", "show", "wren", session, id]);
    assert_eq!(shown["entry"]["payload"]["content"][0]["text"], "remember the ferry");

    let wrong = world.nexctl(&["session", "tree", "wren", "../../key"]);
    assert!(!wrong.status.success() && text(&wrong).contains("there is no session"), "{}", text(&wrong));
    let nobody = world.nexctl(&["session", "list", "harrow"]);
    assert!(
        !nobody.status.success() && text(&nobody).contains("there is no aspect harrow"),
        "{}",
        text(&nobody)
    );

    agent.kill();
    wait_until("the aspect to be offline", || {
        let out = world.nexctl(&["session", "list", "wren"]);
        (!out.status.success() && text(&out).contains("wren is offline")).then_some(())
    });
}
