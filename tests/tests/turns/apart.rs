//! Hands in a process of their own: what they do there, and how that ends.

use std::path::PathBuf;
use std::process::Command;

use super::look::*;

const SCRIPT: &str = r#"
[[rule]]
hand = "*"
when = "input.command"
[[rule.step]]
name = "ran"
call = "run_command"
args = { command = "{{ input.command }}" }
[[rule.step]]
answer = { out = "{{ ran.json.stdout | trim }}" }

[[rule]]
hand = "*"
when = "input.hold"
[[rule.step]]
name = "note"
call = "read_file"
args = { path = "work/note.txt" }
[[rule.step]]
hold = "{{ input.hold }}"
name = "again"
call = "read_file"
args = { path = "work/note.txt" }
[[rule.step]]
answer = { first = "{{ note.json.text | trim }}", again = "{{ again.text }}" }

[[rule]]
hand = "*"
[[rule.step]]
name = "note"
call = "read_file"
args = { path = "work/note.txt" }
[[rule.step]]
name = "team"
call = "list_team"
args = {}
[[rule.step]]
name = "child"
call = "dispatch_hand"
args = { hand = "wren/plain", input = { hold = "there" } }
[[rule.step]]
answer = { note = "{{ note.json.text | trim }}", team = "{{ team.ok }}", child = "{{ child.json.output.first }}" }
"#;

fn wren(world: &World) -> PathBuf {
    let tools = ["read_file", "run_command", "list_team", "dispatch_hand"];
    let hand = |name: &str, isolation: &str| json!({"name": name, "tools": tools, "isolation": isolation, "concurrency": 4, "timeout_s": 300});
    let settings = json!({
        "sandbox": {"mode": "full"},
        "approval": {"policy": "trusted"},
        "hands": [hand("apart", "process"), hand("plain", "task")],
    });
    let home = world.home("wren", settings, SCRIPT);
    std::fs::write(home.join("work/note.txt"), "a note\n").expect("the folder is ours");
    std::fs::write(home.join("there"), "").expect("the folder is ours");
    home
}

/// Processes of Hands that belong to this agent.
fn workers(agent: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").expect("there is one").flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let read = |what: &str| std::fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap_or_default();
        let parent =
            read("stat").rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        read("cmdline").contains("hand-worker") && parent == Some(agent)
    })
    .collect()
}

fn signal(pid: u32, signal: &str) {
    let done = Command::new("kill").args([format!("-{signal}"), pid.to_string()]).status();
    assert!(done.is_ok_and(|status| status.success()), "{pid} cannot be signalled");
}

fn is_gone(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.is_empty() || stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
}

/// Dispatches to the Hand and gives the dispatch's id.
fn begin(world: &World, input: &Value) -> String {
    let sent = world.nexctl_json(&["dispatch", "wren/apart", &input.to_string()]);
    sent["dispatch"].as_str().expect("an id").to_owned()
}

fn end(world: &World, dispatch: &str) -> Value {
    wait_until("the end", || {
        let info = world.nexctl_json(&["get", "dispatches", dispatch]);
        let open = ["pending", "running", "waiting", "retaking"];
        (!open.iter().any(|state| info["state"] == *state)).then_some(info)
    })
}

#[test]
fn what_touches_the_machine_is_done_apart_and_the_bus_is_the_agents() {
    let world = World::new().env("NEXUS_SECRET_OF_THE_TEST", "do not tell");
    let home = wren(&world);
    let agent = world.agent(&home);
    let ended = end(&world, &begin(&world, &json!({"work": true})));
    assert_eq!(ended["output"], json!({"note": "a note", "team": true, "child": "a note"}), "{ended}");
    let command = "env; echo parent $(cat /proc/$PPID/cmdline | tr '\\0' ' ')";
    let ended = end(&world, &begin(&world, &json!({ "command": command })));
    let out = ended["output"]["out"].as_str().expect("what it printed");
    assert!(!out.contains("do not tell") && !out.contains("NEXUS_"), "{out}");
    wait_until("the processes to end with their work", || workers(agent.pid()).is_empty().then_some(()));
}

#[test]
fn a_process_that_dies_or_is_stuck_fails_its_hand_alone() {
    let world = World::new();
    let home = wren(&world);
    let agent = world.agent(&home);
    for (how, why) in [("KILL", "signal: 9"), ("STOP", "no sign of life")] {
        let dispatch = begin(&world, &json!({"hold": "never"}));
        let worker = wait_until("its process", || workers(agent.pid()).first().copied());
        signal(worker, how);
        let ended = end(&world, &dispatch);
        assert_eq!((&ended["state"], &ended["error"]["code"]), (&json!("failed"), &json!("worker_crashed")));
        let message = ended["error"]["message"].as_str().expect("a message");
        assert!(message.contains(why), "{message}");
        wait_until("it to be gone", || is_gone(worker).then_some(()));
    }
    let ended = end(&world, &begin(&world, &json!({"hold": "there"})));
    assert_eq!(ended["output"]["first"], "a note", "{ended}");
}

#[test]
fn no_process_outlives_its_work_or_its_agent() {
    let world = World::new();
    let home = wren(&world);
    let mut agent = world.agent(&home);
    let dispatch = begin(&world, &json!({"hold": "never"}));
    let worker = wait_until("its process", || workers(agent.pid()).first().copied());
    nexctl(&world, &["cancel", &dispatch]);
    wait_until("it to be gone", || is_gone(worker).then_some(()));
    begin(&world, &json!({"hold": "never"}));
    let worker = wait_until("its process", || workers(agent.pid()).first().copied());
    agent.kill();
    wait_until("it to be gone", || is_gone(worker).then_some(()));
}
