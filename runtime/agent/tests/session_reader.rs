//! A reader in another language, written from the documented format alone, sees what we see: forks, summaries,
//! rewinds and every kind of damage.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;
use nexus_agent::conversation::{Block, StopReason, Usage};
use nexus_agent::journal::Durability;
use nexus_agent::session::{
    AssistantTurn, BranchSummary, Compaction, ItemDecision, ItemRef, Payload, Replay, Session, SessionKey,
    Situation, SystemPrompt, ToolResults, Tree, UserTurn,
};
use nexus_wire::inbox::Decision;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index as Choice;
use serde_json::json;
use uuid::Uuid;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;
const OFF: Durability = Durability::UnsafeNoFsync;

fn text(text: &str) -> Block {
    Block::Text { text: text.to_owned() }
}

fn call(id: &str) -> Block {
    Block::ToolUse { id: id.to_owned(), name: "read_file".to_owned(), input: json!({"path": id}) }
}

fn result(id: &str) -> Block {
    Block::ToolResult { tool_use_id: id.to_owned(), content: format!("of {id}"), is_error: false }
}

fn user(said: &str) -> Payload {
    Payload::User(UserTurn { content: vec![text(said)], item: None })
}

fn assistant(content: Vec<Block>) -> Payload {
    Payload::Assistant(AssistantTurn {
        content,
        stop: StopReason::EndTurn,
        usage: Usage::default(),
        model: "m".to_owned(),
        provider: "scripted".to_owned(),
        cost_microusd: None,
        turn: Uuid::from_u128(9),
    })
}

fn results(content: Vec<Block>) -> Payload {
    Payload::ToolResult(ToolResults { content })
}

fn prompt(text: String, adds: bool) -> Payload {
    Payload::SystemPrompt(SystemPrompt { text, source: "SOUL.md".to_owned(), adds })
}

fn taking(id: u128) -> Payload {
    let item = ItemRef {
        id: Uuid::from_u128(id),
        offset: Some(4),
        kind: "message".to_owned(),
        from: "operator/ana".to_owned(),
        thread: None,
        message: None,
        trace: None,
    };
    Payload::User(UserTurn { content: vec![text("do it")], item: Some(item) })
}

fn decided(id: u128) -> Payload {
    let decision = Decision::Silent;
    Payload::Decision(ItemDecision { item: Uuid::from_u128(id), decision, reason: None, message: None })
}

fn reader() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients/session_reader/session_reader.py")
}

/// What the other reader says of a file.
fn theirs(path: &Path) -> serde_json::Value {
    let out = Command::new("python3").arg(reader()).arg(path).output().expect("python3 runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).expect("JSON")
}

fn ours(path: &Path) -> serde_json::Value {
    let tree = Tree::load(path).expect("loads");
    let Replay { system, messages } = tree.replay(tree.head());
    let problems: Vec<u64> = tree.problems().iter().map(|problem| problem.line).collect();
    json!({"head": tree.head(), "problems": problems, "system": system, "messages": messages})
}

#[derive(Clone, Debug)]
enum Step {
    Append(u8),
    Compact(usize),
    Rewind(usize),
    Fork(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        9 => (0_u8..11).prop_map(Step::Append),
        1 => any::<usize>().prop_map(Step::Compact),
        2 => any::<usize>().prop_map(Step::Rewind),
        1 => any::<usize>().prop_map(Step::Fork),
    ];
    vec(step, 3..40)
}

fn payload(kind: u8, count: usize, some: Option<Uuid>) -> Payload {
    let id = format!("c{}", count % 2);
    match kind {
        0 => prompt(format!("system {count}"), false),
        1 => user(&format!("user é {count}")),
        2 => assistant(vec![text(&format!("assistant {count}"))]),
        3 => assistant(vec![call(&id), call("twin")]),
        4 => results(vec![result(&id)]),
        5 => results(vec![result("twin"), result("c0")]),
        6 => taking(count as u128 % 5),
        7 => decided(count as u128 % 5),
        8 => Payload::Situation(Situation { text: format!("situation {count}") }),
        9 => Payload::BranchSummary(BranchSummary {
            summary: format!("branch {count}"),
            of: some.unwrap_or_default(),
            item: None,
            by: None,
        }),
        _ => prompt(format!("added {count}"), true),
    }
}

/// Makes a session; gives its file, or that of a fork of it.
fn run(home: &Path, steps: &[Step]) -> PathBuf {
    let mut session = Session::open(home, SessionKey::Global, OFF, NOW).expect("opens");
    for (count, step) in steps.iter().enumerate() {
        let pick = |session: &Session, index: usize| {
            let tree = session.tree();
            tree.entries().nth(index % (tree.len() + 1)).map(|entry| entry.id)
        };
        match step {
            Step::Append(kind) => {
                let some = pick(&session, count * 7);
                session.append(payload(*kind, count, some), NOW).expect("appends");
            }
            Step::Compact(index) => {
                let Some(first_kept) = pick(&session, *index) else { continue };
                let (summary, turns) = (format!("summary {count}"), Some(1));
                let (item, by) = (None, None);
                let compaction = Compaction { summary, first_kept, tokens_before: None, turns, item, by };
                session.append(Payload::Compaction(compaction), NOW).expect("appends");
            }
            Step::Rewind(index) => {
                let to = pick(&session, *index);
                let _ = session.rewind(to, NOW).is_ok();
            }
            Step::Fork(index) => {
                let at = pick(&session, *index);
                let Ok(forked) = session.fork(home, at, None, NOW) else { continue };
                session = Session::open_existing(home, forked.key, OFF, NOW).expect("opens");
            }
        }
    }
    session.path().to_owned()
}

/// What may happen to a file.
fn damage(lines: &mut Vec<Vec<u8>>, what: u8, at: usize) {
    let at = at % lines.len();
    match what {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, b"{\"id\": nonsense".to_vec()),
        2 => lines.insert(at, Vec::new()),
        3 => lines.insert(at, lines[at].clone()),
        4 => {
            let half = lines[at].len() / 2;
            lines[at].truncate(half);
        }
        5 => {
            let line =
                String::from_utf8_lossy(&lines[at]).replace("\"content\":[", "\"content\":7,\"was\":[");
            lines[at] = line.into_bytes();
        }
        6 => {
            let swapped = (at + 1) % lines.len();
            lines.swap(at, swapped);
        }
        _ => lines[at] = vec![0xff, 0xfe, b'{'],
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn another_reader_sees_the_same(
        steps in steps(),
        damages in vec((0_u8..8, any::<usize>()), 0..4),
        cut in proptest::option::of(any::<Choice>()),
    ) {
        let home = tempfile::tempdir().expect("a folder");
        let path = run(home.path(), &steps);
        let bytes = fs::read(&path).expect("reads");
        let mut lines: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        lines.pop();
        for (what, at) in damages {
            if !lines.is_empty() {
                damage(&mut lines, what, at);
            }
        }
        let mut text: Vec<u8> = lines.into_iter().flat_map(|line| [line, vec![b'\n']].concat()).collect();
        if let Some(cut) = cut {
            text.truncate(cut.index(text.len() + 1));
        }
        fs::write(&path, text).expect("written");
        prop_assert_eq!(theirs(&path), ours(&path));
    }
}
