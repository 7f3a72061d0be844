//! Operators look into an aspect's sessions through the broker, and have them changed: real binaries, and what is said
//! when they cannot.

use std::path::Path;

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

/// The entries of the one session of an aspect that has one for everything.
fn entries(world: &World) -> Vec<Value> {
    let tree = world.nexctl_json(&["session", "tree", "wren", "global"]);
    tree["entries"].as_array().expect("entries").clone()
}

/// Asks, and waits for the end of the turn; gives the last entry.
fn ask(world: &World, question: &str, turns: usize) -> String {
    let out = world.nexctl(&["ask", "wren", question]);
    assert!(out.status.success(), "{}", text(&out));
    wait_until("the turn's end", || {
        let entries = entries(world);
        let last = entries.last().filter(|last| last["kind"] == "custom.decision")?;
        let turned = entries.iter().filter(|entry| entry["kind"] == "turn.assistant").count();
        (turned == turns).then(|| last["id"].as_str().expect("an id").to_owned())
    })
}

fn said(world: &World) -> Vec<(String, bool)> {
    let user = entries(world).into_iter().filter(|entry| entry["kind"] == "turn.user");
    user.map(|entry| {
        let summary = entry["summary"].as_str().expect("a summary").to_owned();
        (summary, entry["active"] == true)
    })
    .collect()
}

#[test]
fn an_operator_rewinds_and_forks_a_session_of_an_aspect() {
    let world = World::new();
    let home = world.home("wren", json!({"context_mode": "global"}), SCRIPT);
    let mut agent = world.agent(&home);
    let first = ask(&world, "alpha", 1);
    let second = ask(&world, "beta", 2);
    let out = world.nexctl(&["session", "rewind", "wren", "global", &first]);
    assert!(out.status.success() && text(&out).contains(&format!("goes on after {first}")), "{}", text(&out));
    ask(&world, "gamma", 3);
    let active: Vec<bool> = said(&world).into_iter().map(|(_, active)| active).collect();
    assert_eq!(active, [true, false, true]);

    let fork = ["session", "fork", "wren", "global", &second, "--say", "and delta?"];
    let info = world.nexctl_json(&fork);
    assert_eq!(info["state"], "done", "{info}");
    let made = info["outcome"]["session"].as_str().expect("a session").to_owned();
    let tree = world.nexctl_json(&["session", "tree", "wren", &made]);
    let last = tree["entries"].as_array().and_then(|all| all.last()).expect("entries").clone();
    assert!(last["summary"].as_str().is_some_and(|it| it.contains("and delta?")), "{last}");
    assert_eq!(last["id"], info["outcome"]["head"]);

    let cases: [(&[&str], &str); 4] = [
        (&["session", "rewind", "wren", "global", "0199a0b1-c2d3-7123-8456-789abcdef012"], "no entry"),
        (&["session", "rewind", "wren", "0199a0b1-c2d3-7123-8456-789abcdef012", "start"], "has no session"),
        (&["session", "compact", "wren", "global"], "nothing a summary could stand for"),
        (&["session", "status", "0199a0b1-c2d3-7123-8456-789abcdef012"], "there is no session command"),
    ];
    for (args, expected) in cases {
        let out = world.nexctl(args);
        assert!(!out.status.success() && text(&out).contains(expected), "{args:?}: {}", text(&out));
    }
    assert!(!home.join("session/threads").exists(), "what was asked of nothing made nothing");

    agent.kill();
    let waiting = world.nexctl_json(&["session", "rewind", "wren", "global", "start", "--wait", "0"]);
    assert_eq!(waiting["state"], "pending", "{waiting}");
    let _agent = world.agent(&home);
    let command = waiting["command"].as_str().expect("an id");
    let done = wait_until("it to be done", || {
        let info = world.nexctl_json(&["session", "status", command]);
        (info["state"] == "done").then_some(info)
    });
    assert_eq!(done["outcome"], json!({"session": "global"}));
    let audit = world.nexctl_json(&["audit", "--kind", "session.rewind"]);
    let acts = audit["entries"].as_array().expect("entries");
    assert!(acts.len() >= 3 && acts.iter().all(|act| act["actor"] == "operator/admin"), "{audit}");
}

/// The calls by which something gets onto the agent's disk.
const CALLS: &str = "write,fdatasync,fsync,rename,renameat,renameat2";

fn heads(home: &Path) -> (Vec<Value>, SessionFile) {
    let file = SessionFile::read(&home.join("session/global.jsonl"));
    (file.of_kind("custom.head").map(|entry| entry["payload"]["head"].clone()).collect(), file)
}

#[test]
fn a_command_is_carried_out_once_wherever_a_kill_cuts_the_agent_off() {
    let world = World::new();
    let home = world.home("wren", json!({"context_mode": "global"}), SCRIPT);
    let mut agent = world.agent(&home);
    let places = [ask(&world, "alpha", 1), ask(&world, "beta", 2)];
    agent.kill();
    let mut killed = 0;
    for (round, at) in (1..).enumerate() {
        let to = &places[round % 2];
        let order = |verb: &str, more: &[&str]| {
            let args = [&["session", verb, "wren", "global", to, "--wait", "0"], more].concat();
            world.nexctl_json(&args)["command"].as_str().expect("an id").to_owned()
        };
        let commands = [order("rewind", &[]), order("fork", &["--say", "and then?"])];
        let done = |command: &String| world.nexctl_json(&["session", "status", command])["state"] == "done";
        let (trace, inject) = (format!("trace={CALLS}"), format!("inject={CALLS}:signal=KILL:when={at}"));
        let runner = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
        let mut agent = world.agent_under(&runner, &home);
        let survived = wait_until("an end", || {
            if agent.has_ended() { Some(false) } else { commands.iter().all(done).then_some(true) }
        });
        drop(agent);
        killed += usize::from(!survived);
        let agent = world.agent(&home);
        wait_until("both to be done", || commands.iter().all(done).then_some(()));
        drop(agent);
        let (heads, file) = heads(&home);
        assert_eq!(heads.last(), Some(&json!(to)), "killed at {at}");
        assert_eq!(file.decisions_by_item()[&commands[0]], ["acted"], "killed at {at}");
        let forks = std::fs::read_dir(home.join("session/forks")).expect("forks").count();
        assert_eq!(forks, round + 1, "killed at {at}");
        if survived {
            break;
        }
    }
    assert!(killed > 6, "{killed}: it makes more calls than that");
}
