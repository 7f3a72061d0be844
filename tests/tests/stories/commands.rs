//! `run_command` in a real agent: what becomes of a command when its agent dies, and when people allow it more.

use std::fs;
use std::path::Path;

use nexus_tests::world::text;
use nexus_tests::{World, wait_until};
use serde_json::{Value, json};

/// Runs what it is asked to and says what came of it.
const SCRIPT: &str = r#"
[[rule]]
match = '''^run (?P<command>.+)$'''
[[rule.step]]
name = "r"
call = "run_command"
args = { command = "{{ command }}" }
[[rule.step]]
say = "said: {{ r.text }}"
"#;

fn runs(word: &str) -> bool {
    let commands = fs::read_dir("/proc").expect("/proc").flatten();
    let lines = commands.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).any(|line| line.contains(word))
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

#[test]
fn a_command_ends_with_its_killed_agent_and_is_not_run_again() {
    let world = World::new();
    let home = world.home("wren", json!({"tools": ["run_command"]}), SCRIPT);
    let mut agent = world.agent(&home);
    let asked = world
        .nexctl_command(&["ask", "wren", "run echo x >> begun; n=888.7; (setsid sleep ${n}5 &); sleep ${n}5"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("nexctl runs");
    // Of all processes only what the command has started has the number whole.
    let begun = home.join("work/begun");
    wait_until("the command to begin", || (lines(&begun) == 1 && runs("sleep 888.75")).then_some(()));
    agent.kill();
    wait_until("the command to end with its agent", || (!runs("sleep 888.75")).then_some(()));
    let _agent = world.agent(&home);
    let out = asked.wait_with_output().expect("it ends");
    let said = text(&out);
    assert!(
        said.contains("said: interrupted; not run again, because it may already have had its effect"),
        "{said}"
    );
    assert_eq!(lines(&begun), 1, "it ran once");
}

#[test]
fn a_command_that_the_sandbox_stopped_runs_without_it_once_a_person_allows_that() {
    let world = World::new();
    let home = world.home("wren", json!({"tools": ["run_command"]}), SCRIPT);
    fs::write(world.dir().join("beside"), "what lies beside\n").expect("written");
    let _agent = world.agent(&home);
    let ask = |command: &str| {
        world
            .nexctl_command(&["ask", "wren", &format!("run {command}")])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("nexctl runs")
    };
    let open = || {
        let list = world.nexctl_json(&["get", "approvals"]);
        let all = list["approvals"].as_array().or_else(|| list.as_array()).cloned().unwrap_or_default();
        all.first().cloned()
    };
    // Without a sandbox a failure is a failure; in one that says it was not let, people are asked.
    let cases = [("deny", "cat: "), ("approve", "what lies beside")];
    for (verb, expected) in cases {
        let asked = ask(&format!("cat {}/beside || (echo permission denied; exit 1)", world.dir().display()));
        let approval: Value = wait_until("people to be asked", open);
        let id = approval["id"].as_str().or_else(|| approval["approval"].as_str()).expect("an id").to_owned();
        assert!(approval.to_string().contains("beside"), "{approval}");
        let out = world.nexctl(&[verb, &id]);
        assert!(out.status.success(), "{}", text(&out));
        let said = text(&asked.wait_with_output().expect("it ends"));
        assert!(said.contains(expected), "{verb}: {said}");
        assert_eq!(said.contains("what lies beside"), verb == "approve", "{verb}: {said}");
        wait_until("it to be closed", || open().is_none().then_some(()));
    }
}
