use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::conversation::{Block, StopReason};
use crate::home::Home;
use crate::session::{AssistantTurn, Payload, Session, SessionKey, SystemPrompt, ToolResults, UserTurn};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn not_run(options: RunOptions) -> Outcome {
    Err(format!("runs {} {}", options.home.display(), options.adopt).into())
}

fn displaced(_: RunOptions) -> Outcome {
    Ok(Exit::Displaced)
}

/// Exit, standard output, standard error. `@` stands for the folder.
fn agent_with(runner: Runner, dir: &TempDir, line: &str) -> (Exit, String, String) {
    let root = dir.path().display().to_string();
    let words = line.split_whitespace().map(|word| word.replace('@', &format!("{root}/")));
    let words: Vec<OsString> = std::iter::once("agent".to_owned()).chain(words).map(OsString::from).collect();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let context = Context { out: &mut out, env: &|_| None, durability: Durability::UnsafeNoFsync, now: NOW };
    let exit = run(words, context, &mut err, runner);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text").replace(&format!("{root}/"), "@");
    (exit, text(out), text(err))
}

fn agent(dir: &TempDir, line: &str) -> (Exit, String, String) {
    agent_with(not_run, dir, line)
}

fn dir() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn text(text: &str) -> Block {
    Block::Text { text: text.to_owned() }
}

/// A home with one session: a question, a call with its result, an answer.
fn with_session(dir: &TempDir) -> (SessionKey, Vec<String>) {
    let thread = Uuid::from_u128(7);
    let key = SessionKey::Thread(thread);
    let mut session =
        Session::open(&dir.path().join("wren"), key, Durability::UnsafeNoFsync, NOW).expect("opens");
    let assistant = |content| {
        Payload::Assistant(AssistantTurn {
            content,
            stop: StopReason::EndTurn,
            usage: Default::default(),
            model: "scripted".to_owned(),
            provider: "scripted".to_owned(),
            cost_microusd: None,
            turn: Uuid::nil(),
        })
    };
    let call = Block::ToolUse { id: "c1".into(), name: "read_file".into(), input: json!({"path": "work/a"}) };
    let result =
        Block::ToolResult { tool_use_id: "c1".into(), content: "\u{1b}[31mred".into(), is_error: false };
    let payloads = vec![
        Payload::SystemPrompt(SystemPrompt { text: "be".into(), source: "SOUL.md".into(), adds: false }),
        Payload::User(UserTurn { content: vec![text("what is in a?")], item: None }),
        assistant(vec![call]),
        Payload::ToolResult(ToolResults { content: vec![result] }),
        assistant(vec![text("red")]),
    ];
    let ids = session.append_all(payloads, NOW).expect("appends");
    (key, ids.iter().map(Uuid::to_string).collect())
}

#[test]
fn a_home_is_run_by_naming_it() {
    let dir = dir();
    let (exit, _, err) = agent(&dir, "@wren");
    assert_eq!((exit, err.as_str()), (Exit::Failure, "agent: runs @wren false\n"));
    assert_eq!(agent(&dir, "./wren --adopt").2, "agent: runs ./wren true\n");
    assert_eq!(agent_with(displaced, &dir, "wren").0.code(), 3);
}

#[test]
fn mistakes_in_arguments_exit_with_2_and_say_how() {
    let dir = dir();
    for line in [
        "",
        "--adopt",
        "wren robin",
        "wren check",
        "--no-such",
        "new",
        "session",
        "session tree",
        "new x --name All",
        "new x --role boss",
    ] {
        let (exit, out, err) = agent(&dir, line);
        assert_eq!((exit, out.as_str()), (Exit::Usage, ""), "{line}");
        assert!(err.contains("Usage:") || err.contains("--help"), "{line}: {err}");
    }
    assert!(agent(&dir, "new x --name all").2.contains("reserved"));
    let (exit, out, _) = agent(&dir, "--help");
    assert_eq!(exit, Exit::Done);
    assert!(out.contains("session") && out.contains("[HOME]"), "{out}");
    assert_eq!(
        agent(&dir, "version"),
        (Exit::Done, format!("agent {}\n", nexus_version::VERSION), String::new())
    );
    assert_eq!(agent(&dir, "--version").1, agent(&dir, "version").1);
}

#[test]
fn a_new_home_is_in_order_and_its_maker_knows_what_comes_next() {
    let dir = dir();
    let (exit, out, err) = agent(&dir, "new @robin --hand find");
    assert_eq!((exit, err.as_str()), (Exit::Done, ""));
    assert!(out.contains("wrote @robin/aspect.json\n"), "{out}");
    assert!(out.contains("  nexus aspect add robin --home @robin\n"), "{out}");
    assert!(out.contains("  nexus serve --spawn "), "{out}");
    let (exit, out, _) = agent(&dir, "check @robin");
    assert_eq!(exit, Exit::Done);
    assert!(out.starts_with("@robin is in order\n") && out.contains("hands     find\n"), "{out}");
    let home = Home::load(&dir.path().join("robin"), |_| None).expect("loads");
    assert_eq!(home.settings.name.as_str(), "robin");

    let (exit, _, err) = agent(&dir, "new @robin");
    assert_eq!(
        (exit, err.as_str()),
        (Exit::Failure, "agent: @robin is a home already; edit it, or choose another folder\n")
    );
    assert!(agent(&dir, "new @Robin").2.contains("give one with --name"));
    assert_eq!(agent(&dir, "new @Robin --name rob --role frame").0, Exit::Done);
    for (preset, has, has_not) in [("read", "read_file", "write_file"), ("edit", "edit_file", "run_command")]
    {
        agent(&dir, &format!("new @{preset} --tools {preset} --description told"));
        let (_, out, _) = agent(&dir, &format!("check @{preset} -o json"));
        let told: Value = serde_json::from_str(&out).expect("JSON");
        let tools = told["aspect"]["tools"].as_array().expect("tools");
        assert!(tools.contains(&json!(has)) && !tools.contains(&json!(has_not)), "{out}");
    }
    fs::create_dir(dir.path().join("full")).expect("made");
    fs::write(dir.path().join("full/file"), "").expect("written");
    let (exit, _, err) = agent(&dir, "new @full");
    assert_eq!(
        (exit, err.as_str()),
        (
            Exit::Failure,
            "agent: @full is not empty; choose a folder that is not there yet, or an empty one\n"
        )
    );
    let (_, out, _) = agent(&dir, "new @ann --provider anthropic");
    assert!(out.contains("ANTHROPIC_API_KEY is not set"), "{out}");
}

#[test]
fn check_tells_every_fault_and_exits_with_1() {
    let dir = dir();
    agent(&dir, "new @robin");
    let path = dir.path().join("robin/aspect.json");
    let settings = fs::read_to_string(&path).expect("reads");
    fs::write(&path, settings.replace("\"slots\": 4", "\"slots\": 0").replace("\"roots\"", "\"rots\""))
        .expect("writes");
    let (exit, out, _) = agent(&dir, "check @robin");
    assert_eq!(exit, Exit::Failure);
    assert!(out.contains("rots: there is no such setting; did you mean \"roots\"?\n"), "{out}");
    assert!(out.contains("slots: 0 is too small; at least 1\n"), "{out}");
    assert!(out.ends_with("2 faults in @robin\n"), "{out}");
    let (exit, out, _) = agent(&dir, "check @robin -o json");
    let told: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(
        (exit, &told["ok"], told["faults"].as_array().map(Vec::len)),
        (Exit::Failure, &json!(false), Some(2))
    );
    assert_eq!(agent(&dir, "check @nowhere").0, Exit::Failure);
}

#[test]
fn a_tree_is_drawn_with_its_branches_and_head() {
    let dir = dir();
    let (_, ids) = with_session(&dir);
    let short = |at: usize| ids[at][28..].to_owned();
    let line = format!("session rewind @wren {}", ids[1]);
    assert_eq!(agent(&dir, &line).0, Exit::Done);
    let mut session = Session::open(
        &dir.path().join("wren"),
        SessionKey::Thread(Uuid::from_u128(7)),
        Durability::UnsafeNoFsync,
        NOW,
    )
    .expect("opens");
    let other = session
        .append(Payload::User(UserTurn { content: vec![text("and\nb?")], item: None }), NOW)
        .expect("appends");
    drop(session);
    let (exit, out, _) = agent(&dir, "session tree @wren");
    assert_eq!(exit, Exit::Done);
    let other = &other.to_string()[28..];
    let expected = format!(
        "@wren/session/threads/00000000-0000-0000-0000-000000000007.jsonl\n\
         ● {} 01-01 00:00:00 system.prompt  SOUL.md\n\
         ● {} 01-01 00:00:00 turn.user  what is in a?\n\
         ├─ ○ {} 01-01 00:00:00 turn.assistant  → read_file {{\"path\":\"work/a\"}}\n\
         │  ○ {} 01-01 00:00:00 turn.tool_result  ← [31mred\n\
         │  ○ {} 01-01 00:00:00 turn.assistant  red\n\
         └─ ◉ {other} 01-01 00:00:00 turn.user  and b?  ← head\n",
        short(0),
        short(1),
        short(2),
        short(3),
        short(4),
    );
    assert_eq!(out, expected);
    let (_, out, _) = agent(&dir, "session tree @wren -o json");
    let told: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(told["entries"].as_array().map(Vec::len), Some(7));
    assert_eq!(told["problems"], json!([]));
}

#[test]
fn entries_and_branches_are_shown_without_control_characters() {
    let dir = dir();
    let (_, ids) = with_session(&dir);
    let (exit, out, _) = agent(&dir, &format!("session show @wren {}", &ids[3][24..]));
    assert_eq!(exit, Exit::Done);
    assert!(out.contains("← [c1]\n\\u{1b}[31mred\n"), "{out}");
    assert_eq!(out.matches("── ").count(), 1);
    assert_eq!(agent(&dir, "session show @wren").1.matches("── ").count(), 5);
    assert_eq!(agent(&dir, &format!("session show @wren {} --branch", ids[1])).1.matches("── ").count(), 2);
    let (_, out, _) = agent(&dir, "session show @wren -o json");
    let told: Vec<Value> = serde_json::from_str(&out).expect("JSON");
    assert_eq!(told.iter().map(|entry| entry["id"].clone()).collect::<Vec<_>>(), ids);
    assert_eq!(agent(&dir, "session show @wren ffff-no").2, "agent: there is no entry ffff-no\n");
    // Every id begins with the same time.
    assert!(agent(&dir, &format!("session show @wren {}", &ids[0][..8])).2.contains("fits 5 entry ids"));
}

#[test]
fn rewind_and_fork_work_at_legal_places_only() {
    let dir = dir();
    let (_, ids) = with_session(&dir);
    let (exit, _, err) = agent(&dir, &format!("session rewind @wren {}", ids[2]));
    assert_eq!(exit, Exit::Failure);
    assert!(err.contains("between a tool call and its result") && err.contains(&ids[3]), "{err}");
    let (exit, out, _) = agent(&dir, &format!("session fork @wren {} --say again -o json", ids[3]));
    assert_eq!(exit, Exit::Done);
    let told: Value = serde_json::from_str(&out).expect("JSON");
    let fork = told["session"].as_str().expect("an id");
    let (_, out, _) = agent(&dir, &format!("session show @wren --session {fork}"));
    assert!(out.trim_end().ends_with("again"), "{out}");
    assert_eq!(agent(&dir, "session list @wren").1.lines().count(), 2);
    // Now there are two, and a change wants to know which.
    let (exit, _, err) = agent(&dir, "session rewind @wren start");
    assert_eq!(exit, Exit::Failure);
    assert!(err.contains("name one with --session"), "{err}");
    assert_eq!(
        agent(&dir, &format!("session rewind @wren start --session {fork}")).1,
        "the next message begins anew\n"
    );
    assert!(
        agent(&dir, &format!("session tree @wren -s {fork}"))
            .1
            .contains("the head is before the first entry")
    );
}

#[test]
fn what_would_change_a_session_is_refused_while_the_aspect_runs() {
    let dir = dir();
    let (key, ids) = with_session(&dir);
    let wren: &Path = &dir.path().join("wren");
    let held = crate::journal::hold_dir(wren).expect("holds");
    for line in [format!("session rewind @wren {}", ids[1]), "session fork @wren".to_owned()] {
        let (exit, _, err) = agent(&dir, &line);
        assert_eq!(exit, Exit::Failure);
        assert!(err.contains("is in use by") && err.contains("stop it first"), "{err}");
    }
    assert_eq!(agent(&dir, "session tree @wren").0, Exit::Done);
    drop(held);
    let _session = Session::open(wren, key, Durability::UnsafeNoFsync, NOW).expect("opens");
    assert!(agent(&dir, "session fork @wren").2.contains("is in use by"));
    assert_eq!(agent(&dir, "session show @wren").0, Exit::Done);
}

#[test]
fn homes_without_sessions_are_told_so() {
    let dir = dir();
    agent(&dir, "new @robin");
    assert_eq!(
        agent(&dir, "session tree @robin"),
        (Exit::Failure, String::new(), "agent: @robin has no sessions yet\n".to_owned())
    );
    assert_eq!(agent(&dir, "session list @robin").1, "@robin has no sessions yet\n");
}

/// Commands and arguments that do not explain themselves.
fn unexplained(command: &clap::Command, path: &str, found: &mut Vec<String>) {
    let path = format!("{path} {}", command.get_name());
    if command.get_about().is_none() && command.get_long_about().is_none() {
        found.push(path.clone());
    }
    for argument in command.get_arguments() {
        let is_said = argument.get_help().is_some() || argument.get_long_help().is_some();
        if !is_said && !["help", "version"].contains(&argument.get_id().as_str()) {
            found.push(format!("{path} {}", argument.get_id()));
        }
    }
    for command in command.get_subcommands().filter(|it| it.get_name() != "help") {
        unexplained(command, &path, found);
    }
}

#[test]
fn every_command_and_argument_explains_itself() {
    let mut found = Vec::new();
    unexplained(&Arguments::command(), "", &mut found);
    assert_eq!(found, [""; 0]);
}
