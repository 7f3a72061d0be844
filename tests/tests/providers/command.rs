//! Programs that think: in our own lines and over the Agent Client Protocol, each written in Python, and what is left of
//! them when a turn or their agent ends.

use std::path::{Path, PathBuf};

use nexus_tests::process::checkout;
use nexus_tests::world::text;
use nexus_tests::{World, wait_until};
use serde_json::{Value, json};

/// Reads the file it is asked for by a tool of the aspect's, then says what it was told.
const LINES: &str = r#"
import json, re, sys

def say(**line):
    print(json.dumps(line), flush=True)

round = json.loads(sys.stdin.readline())
last = round["messages"][-1]["content"]
results = [block for block in last if block["type"] == "tool_result"]
words = " ".join(block["text"] for block in last if block["type"] == "text")
if "break" in words:
    print("the disk is on fire", file=sys.stderr)
    sys.exit(3)
if "refuse" in words:
    say(type="error", kind="refused", message="not that")
elif results:
    say(type="text", text="It says: ")
    say(type="nobody-knows-this", text="and passes it over")
    found = re.search("helio[a-z]*", results[0]["content"])
    say(type="text", text=found[0] if found else results[0]["content"])
    say(type="done", stop="end_turn", usage={"input_tokens": 7, "output_tokens": 3}, model="mine-2")
else:
    assert [tool["name"] for tool in round["tools"]] == ["read_file"], round["tools"]
    assert (round["aspect"], round["version"]) == ("wren", 1)
    say(type="tool_use", id="1", name="read_file", input={"path": "work/note.txt"})
    say(type="usage", input_tokens=40, output_tokens=1)
    say(type="done", stop="tool_use")
"#;

fn home(world: &World, run: &[&str], speaks: &str) -> PathBuf {
    let command = json!({"run": run, "speaks": speaks});
    let provider = json!({"kind": "command", "model": "mine", "command": command});
    let home = world.home("wren", json!({"provider": provider, "tools": ["read_file"]}), "");
    std::fs::write(home.join("work/note.txt"), "heliotrope\n").expect("the folder is ours");
    home
}

fn acp_agent() -> String {
    checkout().join("runtime/agent/tests/fixtures/command/acp-agent").display().to_string()
}

fn content(reply: &Value) -> &str {
    reply["message"]["content"].as_str().expect("an answer")
}

/// What the agent was told, as it tells it.
fn told(reply: &Value) -> Value {
    serde_json::from_str(content(reply)).unwrap_or_else(|error| panic!("{error}: {reply}"))
}

fn is_running(pid: &str) -> bool {
    Path::new("/proc").join(pid).join("stat").is_file()
}

#[test]
fn a_program_of_ones_own_thinks_with_the_tools_of_its_aspect() {
    let world = World::new();
    let program = world.dir().join("think.py");
    std::fs::write(&program, LINES).expect("the folder is ours");
    let home = home(&world, &["python3", &program.display().to_string()], "lines");
    let agent = world.agent(&home);
    let reply = world.nexctl_json(&["ask", "wren", "what does the note say?"]);
    assert_eq!((content(&reply), &reply["tool_calls"]), ("It says: heliotrope", &json!(1)));
    let usage =
        json!({"input_tokens": 47, "output_tokens": 4, "cache_read_tokens": 0, "cache_write_tokens": 0});
    let meta = &reply["message"]["meta"];
    assert_eq!(
        (&meta["provider"], &meta["model"], &meta["usage"]),
        (&json!("command"), &json!("mine-2"), &usage)
    );

    let refused = text(&world.nexctl(&["ask", "wren", "refuse"]));
    assert!(refused.contains("not that"), "{refused}");
    let broken = text(&world.nexctl(&["ask", "wren", "break"]));
    assert!(broken.contains("(exit status: 3); it said last: the disk is on fire"), "{broken}");
    assert!(agent.text().contains("the disk is on fire"));
}

#[test]
fn an_agent_over_acp_keeps_its_session_for_a_thread_and_ends_with_ours() {
    let world = World::new();
    let home = home(&world, &[&acp_agent()], "acp");
    let mut agent = world.agent(&home);
    let first = world.nexctl_json(&["ask", "wren", "tell"]);
    let begun = told(&first);
    let pid = begun["pid"].to_string();
    assert!(begun["told"].as_str().is_some_and(|text| text.contains("You are wren.")), "{begun}");
    assert_eq!(begun["cwd"], json!(home.join("work").canonicalize().expect("it is there")));

    let thread = first["message"]["thread"].as_str().expect("a thread");
    let again = told(&world.nexctl_json(&["ask", "wren", "--thread", thread, "tell"]));
    assert_eq!(again["pid"], begun["pid"]);
    assert!(
        !again["told"].as_str().expect("a text").contains("You are wren."),
        "it is told what is new: {again}"
    );
    let elsewhere = told(&world.nexctl_json(&["ask", "wren", "tell"]));
    assert_ne!(elsewhere["pid"], begun["pid"], "another thread is another conversation");

    let worked = world.nexctl_json(&["ask", "wren", "work"]);
    assert_eq!(content(&worked), "One rule.");
    let usage =
        json!({"input_tokens": 40, "output_tokens": 12, "cache_read_tokens": 900, "cache_write_tokens": 0});
    assert_eq!(worked["message"]["meta"]["usage"], usage);

    agent.signal("TERM");
    agent.wait();
    wait_until("the end of its sessions", || (!is_running(&pid)).then_some(()));
}

#[test]
fn a_turn_that_is_stopped_cancels_what_the_agent_is_at() {
    let world = World::new();
    let home = home(&world, &[&acp_agent()], "acp");
    let agent = world.agent(&home);
    let note = world.dir().join("note");
    let sent = world.nexctl_json(&["say", "--to", "wren", &format!("hang {}", note.display())]);
    let thread = sent["thread"].as_str().expect("a thread");
    let is_hanging = || agent_children(&agent.pid().to_string()).contains("sleep").then_some(());
    wait_until("an agent at work", is_hanging);
    let out = world.nexctl(&["stop", "wren", "--thread", thread]);
    assert!(out.status.success(), "{}", text(&out));
    let cancelled = || std::fs::read_to_string(&note).ok().filter(|text| text == "cancelled");
    wait_until("its cancel", cancelled);
    wait_until("its end", || (!agent_children(&agent.pid().to_string()).contains("sleep")).then_some(()));
    // It is fit for the next question.
    assert_eq!(content(&world.nexctl_json(&["ask", "wren", "work"])), "One rule.");
}

#[test]
fn an_agent_that_dies_is_told_of_with_its_last_words() {
    let world = World::new();
    let home = home(&world, &[&acp_agent()], "acp");
    let mut agent = world.agent(&home);
    let died = text(&world.nexctl(&["ask", "wren", "die"]));
    assert!(died.contains("(exit status: 3); it said last: the disk is on fire"), "{died}");
    assert!(!agent.text().contains("panicked"), "{}", agent.text());
    // kill -9 of ours leaves none of it: its standard input ends.
    let pid = told(&world.nexctl_json(&["ask", "wren", "tell"]))["pid"].to_string();
    assert!(is_running(&pid));
    agent.kill();
    wait_until("its end", || (!is_running(&pid)).then_some(()));
}

/// Names of all processes below `pid`.
fn agent_children(pid: &str) -> String {
    let children = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children: Vec<String> = children
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|pids| pids.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    children
        .iter()
        .map(|child| {
            let name = std::fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
            format!("{name} {}", agent_children(child))
        })
        .collect()
}
