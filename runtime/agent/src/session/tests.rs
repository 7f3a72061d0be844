//! Whole stories through files; the properties are in `tests/random.rs`.

use std::fs;

use nexus_wire::inbox::Decision;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::conversation::{Block, Message, Role, StopReason, Usage};

mod damage;
mod documented;
mod index;
mod random;
mod replays;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn home() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn open(home: &TempDir) -> Session {
    Session::open(home.path(), SessionKey::Global, Durability::UnsafeNoFsync, NOW).expect("opens")
}

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
        usage: Usage { input_tokens: 7, ..Usage::default() },
        model: "m".to_owned(),
        provider: "scripted".to_owned(),
        cost_microusd: None,
        turn: Uuid::from_u128(9),
    })
}

fn results(content: Vec<Block>) -> Payload {
    Payload::ToolResult(ToolResults { content })
}

fn system(text: &str) -> Payload {
    Payload::SystemPrompt(SystemPrompt { text: text.to_owned(), source: "SOUL.md".to_owned(), adds: false })
}

fn item(id: u128) -> ItemRef {
    ItemRef {
        id: Uuid::from_u128(id),
        offset: Some(4),
        kind: "message".to_owned(),
        from: "operator/ana".to_owned(),
        thread: None,
        message: None,
        trace: None,
    }
}

fn taking(id: u128) -> Payload {
    Payload::User(UserTurn { content: vec![text("do it")], item: Some(item(id)) })
}

fn decided(id: u128) -> Payload {
    Payload::Decision(ItemDecision {
        item: Uuid::from_u128(id),
        decision: Decision::Silent,
        reason: Some("not for me".to_owned()),
        message: None,
    })
}

fn push(session: &mut Session, payload: Payload) -> Uuid {
    session.append(payload, NOW).expect("appends")
}

fn open_ids(tree: &Tree) -> Vec<(u128, bool)> {
    tree.open_items().into_iter().map(|open| (open.item.id.as_u128(), open.on_active_branch)).collect()
}

#[test]
fn what_was_appended_is_there_after_a_restart() {
    let home = home();
    let mut session = open(&home);
    push(&mut session, system("be brief"));
    let asked = push(&mut session, user("hello"));
    let answered = push(&mut session, assistant(vec![text("hi")]));
    push(&mut session, Payload::custom("note", json!({"a": [1, 2.5, null]})));
    assert_eq!(session.tree().parent(answered).map(|entry| entry.id), Some(asked));
    let (tree, id) = (session.tree().clone(), session.id());
    drop(session);
    let again = open(&home);
    assert_eq!(*again.tree(), tree);
    assert_eq!(again.id(), id);
    assert_eq!(Tree::load(&SessionKey::Global.path(home.path())).expect("loads"), tree);
}

#[test]
fn a_line_is_the_documented_shape() {
    let home = home();
    let mut session = open(&home);
    let now: Timestamp = "2026-01-02T03:04:05.678901Z".parse().expect("a time");
    session.append(taking(3), now).expect("appends");
    session.append(decided(3), now).expect("appends");
    let lines = fs::read_to_string(session.path()).expect("reads");
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let header =
        json!({"format": "nexus-session", "version": 1, "id": session.id(), "ts": "1970-01-01T00:00:00Z"});
    assert_eq!(lines[0], header);
    let (taken, decision) = (&lines[1], &lines[2]);
    assert_eq!(
        *taken,
        json!({
            "id": taken["id"], "parentId": null, "kind": "turn.user", "ts": "2026-01-02T03:04:05.678Z",
            "payload": {
                "content": [{"type": "text", "text": "do it"}],
                "item": {
                    "id": Uuid::from_u128(3), "offset": 4, "kind": "message", "from": "operator/ana",
                },
            },
        })
    );
    assert_eq!(
        *decision,
        json!({
            "id": decision["id"], "parentId": taken["id"], "kind": "custom.decision",
            "ts": "2026-01-02T03:04:05.678Z",
            "payload": {"item": Uuid::from_u128(3), "decision": "silent", "reason": "not for me"},
        })
    );
    let id: Uuid = taken["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    assert_eq!(id.get_version_num(), 7);
}

#[test]
fn a_rewind_starts_a_branch_and_loses_nothing() {
    let home = home();
    let mut session = open(&home);
    let first = push(&mut session, user("one"));
    let left = push(&mut session, assistant(vec![text("left")]));
    session.rewind(Some(first), NOW).expect("rewinds");
    assert_eq!(session.tree().head(), Some(first));
    let taken = push(&mut session, assistant(vec![text("taken")]));
    drop(session);
    let session = open(&home);
    assert_eq!(session.tree().head(), Some(taken));
    assert_eq!(session.replay().messages[1].content, [text("taken")]);
    assert_eq!(session.tree().replay(Some(left)).messages[1].content, [text("left")]);
    let under: Vec<Uuid> = session.tree().children()[&Some(first)].iter().map(|entry| entry.id).collect();
    assert!(under.contains(&left) && under.contains(&taken));
}

#[test]
fn a_rewind_to_the_start_survives_a_restart() {
    let home = home();
    let mut session = open(&home);
    push(&mut session, user("one"));
    session.rewind(None, NOW).expect("rewinds");
    drop(session);
    let mut session = open(&home);
    assert_eq!(session.tree().head(), None);
    assert_eq!(session.replay(), Replay::default());
    let again = push(&mut session, user("again"));
    assert_eq!(session.tree().parent(again), None);
}

#[test]
fn a_cut_between_a_call_and_its_result_is_refused_with_both_neighbours() {
    let home = home();
    let mut session = open(&home);
    let asked = push(&mut session, user("read both"));
    let calls = push(&mut session, assistant(vec![call("a"), call("b")]));
    // While the calls run, nothing is separated yet.
    assert_eq!(session.tree().check_cut(Some(calls)), Ok(()));
    let started = push(&mut session, Payload::ToolStarted(ToolStarted { tool_use_id: "a".to_owned() }));
    let half = push(&mut session, results(vec![result("a")]));
    let joined = push(&mut session, user("also this"));
    let done = push(&mut session, results(vec![result("b")]));
    for between in [calls, started, half, joined] {
        let refused = CutError::SplitsToolCall { entry: between, before: Some(asked), after: done };
        assert_eq!(session.tree().check_cut(Some(between)), Err(refused));
        assert!(matches!(session.rewind(Some(between), NOW), Err(SessionError::Cut(_))));
        assert!(matches!(session.fork(home.path(), Some(between), None, NOW), Err(SessionError::Cut(_))));
    }
    assert_eq!(session.tree().head(), Some(done), "a refused rewind moves nothing");
    assert!(session.rewind(Some(asked), NOW).is_ok());
    assert!(session.rewind(Some(done), NOW).is_ok());
    let unknown = Uuid::from_u128(1);
    assert_eq!(session.tree().check_cut(Some(unknown)), Err(CutError::Unknown(unknown)));
    let rewind =
        session.tree().entries().find(|entry| entry.payload.kind() == "custom.head").expect("one").id;
    assert_eq!(session.tree().check_cut(Some(rewind)), Err(CutError::Rewind(rewind)));
}

#[test]
fn an_interrupted_round_tells_which_calls_may_have_run() {
    let home = home();
    let mut session = open(&home);
    push(&mut session, user("go"));
    push(&mut session, assistant(vec![call("a"), call("b"), call("c")]));
    push(&mut session, Payload::ToolStarted(ToolStarted { tool_use_id: "a".to_owned() }));
    push(&mut session, results(vec![result("a")]));
    push(&mut session, Payload::ToolStarted(ToolStarted { tool_use_id: "b".to_owned() }));
    drop(session);
    let pending: Vec<(String, bool)> =
        open(&home).tree().pending_calls().into_iter().map(|call| (call.tool_use_id, call.started)).collect();
    assert_eq!(pending, [("b".to_owned(), true), ("c".to_owned(), false)]);
}

#[test]
fn items_are_open_until_decided_and_never_inherited() {
    let home = home();
    let mut session = open(&home);
    let before = push(&mut session, user("before"));
    push(&mut session, taking(1));
    let second = push(&mut session, taking(2));
    assert_eq!(open_ids(session.tree()), [(1, true), (2, true)]);
    push(&mut session, decided(1));
    assert_eq!(open_ids(session.tree()), [(2, true)]);
    assert_eq!(
        session.tree().decision(Uuid::from_u128(1)).map(|closed| closed.decision),
        Some(Decision::Silent)
    );

    let say = UserTurn { content: vec![text("and now?")], item: None };
    let forked = session.fork(home.path(), Some(second), Some(say), NOW).expect("forks");
    let fork =
        Session::open_existing(home.path(), forked.key, Durability::UnsafeNoFsync, NOW).expect("opens");
    assert_eq!(fork.tree().head(), forked.head);
    assert_eq!(open_ids(fork.tree()), []);
    assert!(fork.tree().has_taken(Uuid::from_u128(2)), "its words are in the history already");
    assert_eq!(
        fork.tree().header().and_then(|header| header.forked_from.clone()).map(|from| from.lines),
        Some(3)
    );
    assert_eq!(SessionKey::list(home.path()).expect("lists"), [SessionKey::Global, forked.key]);

    session.rewind(Some(before), NOW).expect("rewinds");
    assert_eq!(
        open_ids(session.tree()),
        [(2, false)],
        "still open, and told to be on a branch that was left"
    );
    push(&mut session, taking(2));
    assert_eq!(open_ids(session.tree()), [(2, false)], "an id is taken once");
}

#[test]
fn what_could_not_be_read_back_is_refused() {
    let home = home();
    let mut session = open(&home);
    let deep = (0..200).fold(json!(0), |inner, _| json!([inner]));
    let error = session.append(Payload::custom("deep", deep), NOW).expect_err("too deep");
    assert!(matches!(error, SessionError::Unstorable { .. }), "{error}");
    let posing = Payload::Other { kind: "turn.user".to_owned(), payload: json!({"content": 1}) };
    assert!(matches!(session.append(posing, NOW), Err(SessionError::Unstorable { .. })));
    assert!(session.tree().is_empty());
}

#[test]
fn a_second_writer_and_a_missing_session_are_told() {
    let home = home();
    let missing = Session::open_existing(home.path(), SessionKey::Global, Durability::Fsync, NOW);
    assert!(matches!(missing, Err(SessionError::Missing(_))));
    let held = open(&home);
    let second = Session::open(home.path(), SessionKey::Global, Durability::Fsync, NOW);
    assert!(matches!(second, Err(SessionError::Journal(JournalError::Locked { .. }))));
    drop(held);
    open(&home);
}
