//! Every command of `docs/session-format.md`, run as it stands there on a real home.

use std::fs;
use std::path::Path;
use std::process::Command;

use jiff::Timestamp;
use nexus_agent::conversation::{Block, StopReason, Usage};
use nexus_agent::journal::Durability;
use nexus_agent::session::{AssistantTurn, Compaction, Payload, Session, SessionKey, UserTurn};
use uuid::Uuid;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn user(text: &str) -> Payload {
    Payload::User(UserTurn { content: vec![Block::Text { text: text.to_owned() }], item: None })
}

fn assistant(text: &str) -> Payload {
    Payload::Assistant(AssistantTurn {
        content: vec![Block::Text { text: text.to_owned() }],
        stop: StopReason::EndTurn,
        usage: Usage::default(),
        model: "scripted".to_owned(),
        provider: "scripted".to_owned(),
        cost_microusd: None,
        turn: Uuid::nil(),
    })
}

/// A conversation of twelve turns with a summary, and a branch that was left. Gives the ids that commands name.
fn conversation(home: &Path) -> [(&'static str, Uuid); 3] {
    let mut session = Session::open(home, SessionKey::Global, Durability::Fsync, NOW).expect("opens");
    let mut push = |payload| session.append(payload, NOW).expect("appends");
    let mut turns = Vec::new();
    for turn in 1..=12 {
        turns.push(push(user(&format!("question {turn}"))));
        push(assistant(&format!("answer {turn}")));
    }
    let summary = push(Payload::Compaction(Compaction {
        summary: "they talked".to_owned(),
        first_kept: turns[2],
        tokens_before: None,
        turns: Some(2),
        item: None,
        by: None,
    }));
    let entry = push(user("question 13"));
    let left = push(assistant("a wrong answer"));
    session.rewind(Some(entry), NOW).expect("rewinds");
    session.append(assistant("a right answer"), NOW).expect("appends");
    [("ENTRY", entry), ("LEFT", left), ("SUMMARY", summary)]
}

#[test]
fn every_command_of_the_document_works_as_it_stands_there() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/session-format.md");
    let document = fs::read_to_string(document).expect("is there");
    let (_, commands) = document.split_once("## Commands").expect("has commands");
    let (_, commands) = commands.split_once("```sh\n").expect("has a block");
    let (commands, _) = commands.split_once("```").expect("the block ends");
    assert!(commands.lines().count() >= 12, "{commands}");

    let dir = tempfile::tempdir().expect("a folder");
    let home = dir.path().join("agents/wren");
    fs::create_dir_all(home.join("work")).expect("made");
    fs::write(home.join("aspect.json"), r#"{"name": "wren", "context_mode": "global"}"#).expect("written");
    fs::write(home.join("SOUL.md"), "Be exact.").expect("written");
    let ids = conversation(&home);
    let agent = Path::new(env!("CARGO_BIN_EXE_agent"));
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", agent.parent().expect("a folder").display());
    let mut said = Vec::new();
    for command in commands.lines() {
        let mut shell = Command::new("sh");
        shell.args(["-euc", command]).current_dir(dir.path()).env("PATH", &path).env("NEXUS_LOG", "off");
        let out = shell.envs(ids.map(|(name, id)| (name, id.to_string()))).output().expect("sh runs");
        let error = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{command}: {error}");
        said.push(format!("{command}\n{}", String::from_utf8_lossy(&out.stdout)));
    }
    let of = |part: &str| said.iter().find(|said| said.contains(part)).expect("it was run").as_str();
    assert!(of("session list").contains("global"));
    assert!(of("session tree").contains("← head"));
    assert!(of("session diff").contains("a wrong answer") && of("session diff").contains("a right answer"));
    assert!(of("session expand").contains("question 1") && !of("session expand").contains("question 3"));
    assert!(of("summarise-branch").contains("branch_summary"));
    assert!(of("session compact").contains("compaction"));
    assert!(of("session fork").contains("session/forks/"));
    let page = fs::read_to_string(dir.path().join("session.html")).expect("written");
    assert!(page.starts_with("<!doctype html>") && page.contains("a wrong answer"), "{page}");
    let text = fs::read_to_string(dir.path().join("session.md")).expect("written");
    assert!(text.contains("a right answer") && !text.contains("a wrong answer"), "{text}");
}
