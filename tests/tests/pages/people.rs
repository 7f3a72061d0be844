//! `docs/security.md` and `docs/tools.md`: people, keys and secrets, and what agents ask people for.

use nexus_tests::{World, wait_until};
use serde_json::json;

use super::page::{filled, run, typed_here};

#[test]
fn every_command_of_the_security_page_does_what_is_said_of_it() {
    let world = World::new();
    for name in ["forge", "wren"] {
        world.home(name, json!({}), "");
    }
    for line in typed_here("docs/security.md", &[]) {
        let is_secret = line.starts_with("nexctl credential add");
        run(&world, &if is_secret { format!("{line} <<<'a secret'") } else { line });
    }
    let people = world.nexctl_json(&["get", "operator", "ana"]);
    assert_eq!(people["operators"][0]["role"], "viewer", "{people}");
    let kept = world.nexctl_json(&["credential", "show", "anthropic"]);
    assert!(kept.to_string().contains("forge") && !kept.to_string().contains("a secret"), "{kept}");
}

const SCRIPT: &str = r#"
[[rule]]
match = "store it"
[[rule.step]]
call = "store_knowledge"
args = { topic = "colour", content = "red" }
[[rule.step]]
say = "Asked."

[[rule]]
match = "what colour"
[[rule.step]]
call = "ask_operator"
args = { question = "Which colour?" }
[[rule.step]]
say = "Answered."
"#;

#[test]
fn every_command_of_the_tools_page_does_what_is_said_of_it() {
    let world = World::new();
    let approval = json!({"policy": "untrusted", "always": ["store_knowledge"]});
    let home = world.home(
        "wren",
        json!({"tools": ["ask_operator", "store_knowledge"], "approval": approval}),
        SCRIPT,
    );
    let _wren = world.agent(&home);
    let waiting = || {
        let page = world.nexctl_json(&["get", "approvals"]);
        let id = page["approvals"].as_array()?.first()?["id"].as_str()?.to_owned();
        // Of an id its end will do, as on the page.
        Some(id[24..].to_owned())
    };
    let mut id = None;
    for line in typed_here("docs/tools.md", &[]) {
        let question = if line.starts_with("nexctl answer") { "what colour" } else { "store it" };
        let now = id.take().unwrap_or_else(|| {
            run(&world, &format!("nexctl say --to wren '{question}'"));
            wait_until("something to wait for people", waiting)
        });
        run(&world, &filled(&line, &[("6c9a8cae5076", now.clone())]));
        let is_decided = ["approve", "deny", "answer"].iter().any(|verb| line.contains(verb));
        id = (!is_decided || line == "nexctl get approvals").then_some(now);
    }
    assert_eq!(waiting(), None, "all is answered");
    let all = world.nexctl_json(&["get", "approvals", "--all"]);
    let states: Vec<&str> =
        all["approvals"].as_array().into_iter().flatten().filter_map(|it| it["state"].as_str()).collect();
    assert_eq!(states, ["answered", "denied", "approved"], "{all}");
}
