//! All spending stopped for today: a turn stops between two rounds, a question waits, and both go on when they may;
//! whoever is killed meanwhile.

use super::look::*;

const SCRIPT: &str = r#"
[[rule]]
match = "read"
[[rule.step]]
hold = "gate"
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

const WHY: &str = "I wait: all spending is stopped by operator/admin until ";

fn rounds(home: &Path, thread: &str) -> usize {
    session(home, thread).of_kind("turn.assistant").count()
}

#[test]
fn a_turn_stops_between_two_rounds_and_goes_on_when_it_may_whoever_is_killed() {
    let mut world = World::new();
    let home = world.home("wren", json!({"tools": ["read_file"]}), SCRIPT);
    std::fs::write(home.join("work/note.txt"), "a note\n").expect("the folder is ours");
    let mut agent = world.agent(&home);
    let (thread, _) = say(&world, "wren", "read it, please, and tell me of it");
    // It is in its first round when everything is stopped, and that round ends as it would.
    wait_for_entries(&home, &thread, "turn.user", 1);
    let said = nexctl(&world, &["budget", "stop", "--reason", "the bill is too high"]);
    assert!(said.starts_with("all spending is stopped by operator/admin until "), "{said}");
    agent.wait_for_text("no model is asked: all spending is stopped by operator/admin");
    std::fs::write(home.join("gate"), "").expect("the folder is ours");
    let waits = last(&world, &thread, 2);
    assert!(waits.starts_with(WHY) && waits.contains(": the bill is too high. I go on by myself"), "{waits}");
    wait_for_entries(&home, &thread, "turn.tool_result", 1);
    assert_eq!(rounds(&home, &thread), 1, "what it has done is kept");
    let alerts = world.nexctl_json(&["get", "alerts"]);
    let keys: Vec<_> = alerts["alerts"].as_array().expect("a list").iter().map(|it| &it["key"]).collect();
    assert_eq!(keys, ["spending_stopped/all"]);
    assert_eq!(nexctl(&world, &["go-on", "wren"]).trim(), "no turn of wren waits for its budget");

    // A question asked meanwhile waits, and so does everything after a kill of either side.
    let (other, _) = say(&world, "wren", "hello");
    assert!(last(&world, &other, 2).starts_with(WHY));
    agent.kill();
    world.kill_broker();
    world.start_broker();
    let agent = world.agent(&home);
    agent.wait_for_text("no model is asked: all spending is stopped by operator/admin");
    let (third, _) = say(&world, "wren", "hello");
    assert!(last(&world, &third, 2).starts_with(WHY));
    assert_eq!((rounds(&home, &thread), rounds(&home, &other), rounds(&home, &third)), (1, 0, 0));

    let said = nexctl(&world, &["budget", "go-on"]);
    assert_eq!(said.trim(), "spending goes on, within the budgets");
    assert_eq!(last(&world, &thread, 3), "I have read it.");
    assert_eq!(
        (last(&world, &other, 3), last(&world, &third, 3)),
        ("Noted.".to_owned(), "Noted.".to_owned())
    );
    let file = decided(&home, &thread, 1);
    assert_eq!((file.of_kind("turn.assistant").count(), file.of_kind("turn.tool_result").count()), (2, 1));
    assert_eq!(messages(&world, &thread).len(), 3, "it was told once why it waits");
    assert_eq!(world.nexctl_json(&["get", "alerts"])["alerts"], json!([]));
    assert_eq!(world.nexctl_json(&["budget", "list"]), json!({"budgets": []}));
}

#[test]
fn work_waits_while_what_costs_nothing_goes_on() {
    let world = World::new();
    let hands = json!({"hands": [{"name": "verify"}]});
    let home = world.home("wren", hands, "[[rule]]\n[[rule.step]]\nsay = \"yes\"\n");
    let runner = json!({"provider": {"kind": "none"}, "runner": {"wait": {"seconds_max": 5}}, "slots": 8});
    let runner = world.home("runner", runner, "");
    let (_wren, _runner) = (world.agent(&home), world.agent(&runner));
    nexctl(&world, &["budget", "stop"]);
    let sent = world.nexctl_json(&["dispatch", "wren/verify", "{}"]);
    let id = sent["dispatch"].as_str().expect("an id").to_owned();
    let dispatch = || world.nexctl_json(&["get", "dispatches", &id]);
    assert_eq!((&dispatch()["state"], &dispatch()["waiting_for"]), (&json!("pending"), &json!("budget")));
    nexctl(&world, &["dispatch", "runner/wait", r#"{"seconds": 1}"#, "--wait"]);
    assert_eq!(dispatch()["state"], "pending");
    // Everybody's day is used up, and nobody minds today.
    nexctl(&world, &["budget", "set", "--per", "day", "--tokens", "1", "--each-tokens", "1"]);
    let said = nexctl(&world, &["budget", "go-on", "--today"]);
    assert!(said.starts_with("spending goes on; until "), "{said}");
    wait_until("the work", || (dispatch()["state"] == "done").then_some(()));
    let today = &world.nexctl_json(&["budget", "list"])["today"];
    assert_eq!((&today["unlimited"], &today["by"]), (&json!(true), &json!("operator/admin")));
}

/// Holds its first round, reads, and says what it found.
const HAND: &str = r#"
[[rule]]
hand = "read"
[[rule.step]]
hold = "gate"
[[rule.step]]
call = "read_file"
args = { path = "work/note.txt" }
[[rule.step]]
say = "\"well read\""
"#;

fn reader(world: &World, idempotent: bool) -> std::path::PathBuf {
    let hands = json!({"slots": 1, "hands": [{
        "name": "read", "tools": ["read_file"], "concurrency": 1, "timeout_s": 600, "idempotent": idempotent,
    }]});
    let home = world.home("wren", hands, HAND);
    std::fs::write(home.join("work/note.txt"), "a note\n").expect("the folder is ours");
    home
}

fn begun(world: &World, deadline_s: &str) -> String {
    let sent = world.nexctl_json(&["dispatch", "wren/read", "{}", "--deadline", deadline_s]);
    let id = sent["dispatch"].as_str().expect("an id").to_owned();
    assert_eq!(sent["state"], "running", "{sent}");
    id
}

/// Where a dispatch stands: its state, what it waits for, and how many attempts have begun.
fn standing(world: &World, id: &str) -> (Value, Value, Value) {
    let found = world.nexctl_json(&["get", "dispatches", id]);
    (found["state"].clone(), found["waiting_for"].clone(), found["attempt"].clone())
}

#[test]
fn a_hand_that_has_to_wait_gives_its_place_to_others_and_loses_no_time() {
    // Only one of them may be at work, and whoever asks for all of it has something at work.
    let mut world = World::asleep().config("[hands]\nsoft_cap = 1\n");
    world.start_broker();
    let home = reader(&world, false);
    let wait = json!({"provider": {"kind": "none"}, "runner": {"wait": {"seconds_max": 30}}, "slots": 8});
    let runner = world.home("runner", wait, "");
    let (agent, _runner) = (world.agent(&home), world.agent(&runner));
    let id = begun(&world, "8s");
    nexctl(&world, &["budget", "stop", "--reason", "the bill is too high"]);
    agent.wait_for_text("no model is asked: all spending is stopped by operator/admin");
    assert_eq!(standing(&world, &id).0, "running", "its first round ends as it would");
    std::fs::write(home.join("gate"), "").expect("the folder is ours");
    let halted = (json!("retaking"), json!("budget"), json!(1));
    let wait_halted = |world: &World| {
        wait_until("the Hand to give its place back", || (standing(world, &id) == halted).then_some(()));
    };
    wait_halted(&world);
    // Its place is another's meanwhile, for longer than its deadline was away; and nothing is lost to a kill.
    nexctl(&world, &["dispatch", "runner/wait", r#"{"seconds": 9}"#, "--wait"]);
    assert_eq!(standing(&world, &id), halted);
    world.kill_broker();
    world.start_broker();
    wait_halted(&world);
    nexctl(&world, &["budget", "go-on"]);
    let done = wait_until("the work", || {
        let found = world.nexctl_json(&["get", "dispatches", &id]);
        found["ended_at"].is_i64().then_some(found)
    });
    assert_eq!((&done["state"], &done["output"]), (&json!("done"), &json!("well read")), "{done}");
    assert_eq!(done["attempt"], 1, "it went on where it was: {done}");
    let moved = done["deadline_at"].as_i64().expect("a time") - done["accepted_at"].as_i64().expect("a time");
    assert!(moved > 8_000 + 8_000, "its deadline stood still: {done}");
}

#[test]
fn a_hand_that_is_killed_while_it_waits_begins_again_when_it_may() {
    let world = World::new();
    let home = reader(&world, true);
    let mut agent = world.agent(&home);
    let id = begun(&world, "600s");
    nexctl(&world, &["budget", "stop"]);
    agent.wait_for_text("no model is asked: all spending is stopped by operator/admin");
    std::fs::write(home.join("gate"), "").expect("the folder is ours");
    wait_until("the Hand to give its place back", || {
        (standing(&world, &id) == (json!("retaking"), json!("budget"), json!(1))).then_some(())
    });
    agent.kill();
    let _agent = world.agent(&home);
    // Its process has forgotten it; the next attempt waits as everything else does.
    wait_until("the next attempt", || {
        (standing(&world, &id) == (json!("pending"), json!("budget"), json!(1))).then_some(())
    });
    nexctl(&world, &["budget", "go-on"]);
    let done = wait_until("the work", || {
        let found = world.nexctl_json(&["get", "dispatches", &id]);
        found["ended_at"].is_i64().then_some(found)
    });
    assert_eq!(
        (&done["state"], &done["attempt"], &done["output"]),
        (&json!("done"), &json!(2), &json!("well read"))
    );
}
