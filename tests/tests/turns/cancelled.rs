//! An operator cancels what an aspect is at.

use super::look::*;

const SCRIPT: &str = r#"
[[rule]]
match = "wait"
[[rule.step]]
name = "note"
call = "read_file"
args = { path = "work/note.txt" }
[[rule.step]]
hold = "go"
say = "late"

[[rule]]
match = "ask keel"
[[rule.step]]
call = "dispatch_hand"
args = { hand = "keel/slow", input = {} }
[[rule.step]]
say = "keel is done"

[[rule]]
match = "gather"
[[rule.step]]
call = "gather"
args = { work = [{ hand = "keel/slow", input = { n = 1 } }, { hand = "keel/slow", input = { n = 2 } }] }
[[rule.step]]
say = "keel is done"

[[rule]]
match = "hello"
[[rule.step]]
say = "hello yourself"
"#;

fn wren(world: &World) -> std::path::PathBuf {
    let home = world.home("wren", json!({"tools": ["read_file", "dispatch_hand", "gather"]}), SCRIPT);
    std::fs::write(home.join("work/note.txt"), "a note\n").expect("the folder is ours");
    home
}

fn states(world: &World) -> Vec<String> {
    let page = world.nexctl_json(&["get", "dispatches"]);
    let all = page["dispatches"].as_array().expect("dispatches").clone();
    all.iter().map(|it| it["state"].as_str().expect("a state").to_owned()).collect()
}

#[test]
fn a_turn_that_is_cancelled_ends_and_says_by_whom() {
    let world = World::new();
    let home = wren(&world);
    let _agent = world.agent(&home);
    let (thread, _) = say(&world, "wren", "wait");
    let (other, _) = say(&world, "wren", "wait for me, too");
    for thread in [&thread, &other] {
        wait_for_entries(&home, thread, "turn.tool_result", 1);
    }
    let stopped = nexctl(&world, &["stop", "wren", "--thread", &thread, "--reason", "the wrong place"]);
    assert!(stopped.starts_with("cancelled: turn "), "{stopped}");
    let file = decided(&home, &thread, 1);
    let decision = file.of_kind("custom.decision").next().expect("one").clone();
    let why = "cancelled by operator/admin: the wrong place";
    assert_eq!(
        (&decision["payload"]["decision"], &decision["payload"]["reason"]),
        (&json!("failed"), &json!(why))
    );
    let said = wait_until("the notice", || Some(messages(&world, &thread)).filter(|all| all.len() == 2));
    assert_eq!(said[1], ("wren".to_owned(), format!("I could not answer this: {why}")));
    let again = nexctl(&world, &["stop", "wren", "--thread", &thread]);
    assert_eq!(again.trim(), "wren was at no such turn");
    // The other thread's turn is none of that, and what comes next is answered.
    assert!(session(&home, &other).of_kind("custom.decision").next().is_none());
    nexctl(&world, &["say", "--thread", &thread, "hello"]);
    wait_until("the answer", || {
        messages(&world, &thread).last().filter(|(_, text)| text == "hello yourself").map(drop)
    });
    std::fs::write(home.join("go"), "").expect("the folder is ours");
    wait_until("its answer", || messages(&world, &other).last().filter(|(_, text)| text == "late").map(drop));
    let audit = world.nexctl_json(&["audit", "--kind", "turn.cancel"]);
    assert_eq!(audit["entries"].as_array().map(Vec::len), Some(2), "{audit}");
}

#[test]
fn what_a_cancelled_turn_waited_for_is_cancelled_with_it() {
    const SLOW: &str = "[[rule]]\nhand = \"slow\"\n[[rule.step]]\nhold = \"go\"\nanswer = {}\n";
    let world = World::new();
    let home = wren(&world);
    let keel = world.home("keel", json!({"hands": [{"name": "slow", "concurrency": 4}]}), SLOW);
    let (_wren, _keel) = (world.agent(&home), world.agent(&keel));
    for (what, dispatches) in [("ask keel", 1), ("gather", 3)] {
        let (thread, _) = say(&world, "wren", what);
        wait_until("the dispatches", || (states(&world).len() == dispatches).then_some(()));
        wait_until("them at work", || {
            states(&world).iter().all(|it| it == "running" || it == "cancelled").then_some(())
        });
        nexctl(&world, &["stop", "wren"]);
        decided(&home, &thread, 1);
        wait_until("their end", || states(&world).iter().all(|it| it == "cancelled").then_some(()));
    }
}

#[test]
fn a_cancel_reaches_a_turn_whose_process_was_killed() {
    let world = World::new();
    let home = wren(&world);
    let mut agent = world.agent(&home);
    let (thread, _) = say(&world, "wren", "wait");
    wait_for_entries(&home, &thread, "turn.tool_result", 1);
    agent.kill();
    let order = world.nexctl_json(&["stop", "wren", "--reason", "enough", "--wait", "0"]);
    assert_eq!((&order["state"], &order["session"]), (&json!("pending"), &json!("all")), "{order}");
    // This one comes after the cancel, which is not about it.
    nexctl(&world, &["say", "--thread", &thread, "hello"]);
    let _agent = world.agent(&home);
    let file = decided(&home, &thread, 2);
    let decisions: Vec<Vec<String>> = file.decisions_by_item().into_values().collect();
    assert!(decisions.contains(&vec!["failed".to_owned()]), "{decisions:?}");
    assert!(decisions.contains(&vec!["replied".to_owned()]), "{decisions:?}");
    let command = order["command"].as_str().expect("an id");
    let done = wait_until("its end", || {
        let info = world.nexctl_json(&["session", "status", command]);
        (info["state"] == "done").then_some(info)
    });
    assert_eq!(done["outcome"]["turns"].as_array().map(Vec::len), Some(1), "{done}");
    assert!(file.results_by_call().values().all(|results| *results == 1));
}
