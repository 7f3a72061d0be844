//! What a turn, a thread and a day may spend: a turn over its budget waits, also over a restart, until an operator
//! lets it go on.

use super::look::*;

const SCRIPT: &str = r#"
[[rule]]
match = "read"
[[rule.step]]
call = "read_file"
args = { path = "work/note.txt" }
[[rule.step]]
say = "I have read it."

[[rule]]
match = "(?s).*"
[[rule.step]]
say = "Noted."
"#;

#[test]
fn a_turn_over_its_budget_waits_over_a_kill_and_goes_on_when_it_may() {
    let world = World::new();
    let settings = json!({"tools": ["read_file"], "budgets": {"turn": {"tokens": 12}}});
    let home = world.home("wren", settings, SCRIPT);
    std::fs::write(home.join("work/note.txt"), "a note\n").expect("the folder is ours");
    let mut agent = world.agent(&home);
    let (thread, _) = say(&world, "wren", "read it, please, and tell me of it");
    let said = last(&world, &thread, 2);
    let how = format!("To let me go on: nexctl go-on wren --thread {thread}");
    assert!(
        said.starts_with("I wait for an operator: another round would go over its budget of 12 tokens"),
        "{said}"
    );
    assert!(said.ends_with(&how), "{said}");
    assert!(session(&home, &thread).of_kind("custom.decision").next().is_none(), "it stays open");
    let alerts = wait_until("the alert", || {
        let alerts = world.nexctl_json(&["get", "alerts"]).to_string();
        alerts
            .contains("a turn waits for an operator: another round would go over its budget")
            .then_some(alerts)
    });
    assert!(alerts.contains("session_stuck"), "{alerts}");
    agent.kill();
    let _agent = world.agent(&home);
    let gone_on = wait_until("a turn that waits", || {
        let out = nexctl(&world, &["go-on", "wren", "--thread", &thread]);
        out.starts_with("goes on: turn ").then_some(out)
    });
    assert!(!gone_on.is_empty());
    // Once more what one may spend is one more round.
    assert_eq!(last(&world, &thread, 3), "I have read it.");
    let file = decided(&home, &thread, 1);
    assert_eq!(file.of_kind("custom.go_on").count(), 1);
    assert!(file.results_by_call().values().all(|results| *results == 1));
    assert_eq!(nexctl(&world, &["go-on", "wren"]).trim(), "no turn of wren waits for its budget");
}

#[test]
fn a_turn_that_waits_goes_on_by_itself_when_its_limit_is_raised_also_after_a_kill() {
    let world = World::new();
    let settings = |tokens: u64| json!({"tools": ["read_file"], "budgets": {"turn": {"tokens": tokens}}});
    let home = world.home("wren", settings(12), SCRIPT);
    std::fs::write(home.join("work/note.txt"), "a note\n").expect("the folder is ours");
    let raise = |before: u64, after: u64| {
        let file = home.join("aspect.json");
        let text = std::fs::read_to_string(&file).expect("it is there");
        let (before, after) = (format!("\"tokens\":{before}"), format!("\"tokens\":{after}"));
        assert!(text.contains(&before), "{text}");
        std::fs::write(file, text.replace(&before, &after)).expect("the folder is ours");
    };
    let mut agent = world.agent(&home);
    let (thread, _) = say(&world, "wren", "read it, please, and tell me of it");
    assert!(last(&world, &thread, 2).contains("over its budget of 12 tokens"));
    // Too little is not enough, and is said by nobody.
    raise(12, 13);
    agent.wait_for_text("changed: budgets");
    raise(13, 10000);
    assert_eq!(last(&world, &thread, 3), "I have read it.");
    let file = decided(&home, &thread, 1);
    let count = |kind: &str| file.of_kind(kind).count();
    assert_eq!((count("custom.relief"), count("custom.go_on"), count("turn.tool_result")), (1, 0, 1));

    raise(10000, 12);
    let (thread, _) = say(&world, "wren", "read it, please, and tell me of it");
    last(&world, &thread, 2);
    agent.kill();
    let _agent = world.agent(&home);
    raise(12, 10000);
    assert_eq!(last(&world, &thread, 3), "I have read it.");
}

#[test]
fn turns_that_wait_for_their_budget_stand_in_nobodys_way() {
    let world = World::new();
    let settings = json!({"tools": ["read_file"], "budgets": {"turn": {"tokens": 12}}});
    let home = world.home("wren", settings, SCRIPT);
    std::fs::write(home.join("work/note.txt"), "a note\n").expect("the folder is ours");
    let mut agent = world.agent(&home);
    // As many as may be at work at the same time.
    let threads: Vec<String> =
        (0..16).map(|_| say(&world, "wren", "read it, please, and tell me of it").0).collect();
    for thread in &threads {
        assert!(last(&world, thread, 2).starts_with("I wait for an operator"));
    }
    let hello = || String::from_utf8(world.nexctl(&["ask", "wren", "hello"]).stdout).expect("text");
    assert!(hello().contains("Noted."));
    agent.kill();
    let _agent = world.agent(&home);
    assert!(hello().contains("Noted."), "nor do those an earlier process has left");
    let went_on = wait_until("all that wait", || {
        let said = nexctl(&world, &["go-on", "wren"]);
        let count = said.matches("turn ").count();
        (count > 0).then_some(count)
    });
    assert!(went_on > 0);
}

#[test]
fn the_days_turns_count_over_a_restart_and_a_turn_that_waits_can_be_cancelled() {
    let world = World::new();
    let settings = json!({"budgets": {"thread": {"turns": 1}, "aspect": {"turns": 2}}});
    let home = world.home("wren", settings, SCRIPT);
    let mut agent = world.agent(&home);
    let (first, _) = say(&world, "wren", "one");
    assert_eq!(last(&world, &first, 2), "Noted.");
    agent.kill();
    let _agent = world.agent(&home);
    nexctl(&world, &["say", "--thread", &first, "one more"]);
    let said = last(&world, &first, 4);
    assert!(said.contains("what its thread may spend today"), "{said}");
    let (second, _) = say(&world, "wren", "two");
    let said = last(&world, &second, 2);
    assert!(said.contains("what all turns and Hands may spend today"), "{said}");
    nexctl(&world, &["stop", "wren", "--thread", &second, "--reason", "tomorrow"]);
    let said = last(&world, &second, 3);
    assert_eq!(said, "I could not answer this: cancelled by operator/admin: tomorrow");
    let went_on = nexctl(&world, &["go-on", "wren"]);
    assert!(went_on.starts_with("goes on: turn "), "{went_on}");
    assert_eq!(last(&world, &first, 5), "Noted.");
}
