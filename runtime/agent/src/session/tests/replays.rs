//! What a provider is given, for branches no provider would accept as they stand.

use super::*;

type Said = Vec<(Role, Vec<Block>)>;

fn replayed(payloads: Vec<Payload>) -> Said {
    let home = home();
    let mut session = open(&home);
    session.append_all(payloads, NOW).expect("appends");
    session.replay().messages.into_iter().map(|Message { role, content }| (role, content)).collect()
}

fn interrupted(id: &str) -> Block {
    Block::ToolResult { tool_use_id: id.to_owned(), content: INTERRUPTED.to_owned(), is_error: true }
}

#[test]
fn every_replay_is_one_a_provider_accepts() {
    use Role::{Assistant, User};
    let orphan = text("[result of a tool call that is missing from this conversation]\nof x");
    let cases: Vec<(&str, Vec<Payload>, Said)> = vec![
        (
            "adjacent messages of one role are merged",
            vec![user("a"), user("b"), assistant(vec![text("c")]), assistant(vec![text("d")])],
            vec![(User, vec![text("a"), text("b")]), (Assistant, vec![text("c"), text("d")])],
        ),
        (
            "results come first, in the order of the calls, and none is missing",
            vec![
                user("go"),
                assistant(vec![call("a"), call("b"), call("c")]),
                user("joined"),
                results(vec![result("c")]),
                results(vec![result("a")]),
            ],
            vec![
                (User, vec![text("go")]),
                (Assistant, vec![call("a"), call("b"), call("c")]),
                (User, vec![result("a"), interrupted("b"), result("c"), text("joined")]),
            ],
        ),
        (
            "a round that was interrupted before another one",
            vec![user("go"), assistant(vec![call("a")]), assistant(vec![text("done")])],
            vec![
                (User, vec![text("go")]),
                (Assistant, vec![call("a")]),
                (User, vec![interrupted("a")]),
                (Assistant, vec![text("done")]),
            ],
        ),
        (
            "a branch that ends in a call",
            vec![user("go"), assistant(vec![call("a")])],
            vec![(User, vec![text("go")]), (Assistant, vec![call("a")]), (User, vec![interrupted("a")])],
        ),
        (
            "a result without its call, and one given twice",
            vec![
                results(vec![result("x")]),
                assistant(vec![call("a")]),
                results(vec![result("a")]),
                results(vec![result("a")]),
            ],
            vec![(User, vec![orphan]), (Assistant, vec![call("a")]), (User, vec![result("a")])],
        ),
        (
            "call ids that come again in a later turn",
            vec![
                user("1"),
                assistant(vec![call("a")]),
                results(vec![result("a")]),
                assistant(vec![call("a")]),
                results(vec![result("a")]),
            ],
            vec![
                (User, vec![text("1")]),
                (Assistant, vec![call("a")]),
                (User, vec![result("a")]),
                (Assistant, vec![call("a")]),
                (User, vec![result("a")]),
            ],
        ),
        (
            "nothing empty, and the user begins",
            vec![
                assistant(vec![text("")]),
                assistant(vec![text("hi")]),
                user(""),
                user("x"),
                assistant(vec![]),
                user("y"),
            ],
            vec![
                (User, vec![text("[the beginning of this conversation is missing]")]),
                (Assistant, vec![text("hi")]),
                (User, vec![text("x"), text("y")]),
            ],
        ),
        ("bookkeeping says nothing", vec![decided(1), Payload::custom("x", json!(1)), system("s")], vec![]),
    ];
    for (name, payloads, expected) in cases {
        assert_eq!(replayed(payloads), expected, "{name}");
    }
}

#[test]
fn the_last_system_prompt_of_the_branch_counts() {
    let home = home();
    let mut session = open(&home);
    push(&mut session, system("old"));
    let asked = push(&mut session, user("a"));
    push(&mut session, system("new"));
    assert_eq!(session.replay().system, "new");
    assert_eq!(session.tree().replay(Some(asked)).system, "old");
}

#[test]
fn a_compaction_hides_what_is_before_its_first_kept_entry_from_newer_heads_only() {
    let home = home();
    let mut session = open(&home);
    push(&mut session, system("s"));
    push(&mut session, user("long ago"));
    let old = push(&mut session, assistant(vec![text("indeed")]));
    let before = session.tree().replay(Some(old));
    let kept = push(&mut session, user("lately"));
    push(&mut session, assistant(vec![text("yes")]));
    let compaction = Compaction {
        summary: "they talked".to_owned(),
        first_kept: kept,
        tokens_before: None,
        turns: None,
        item: None,
        by: None,
    };
    push(&mut session, Payload::Compaction(compaction));
    push(&mut session, user("go on"));
    let replay = session.replay();
    assert_eq!(replay.system, "s");
    assert_eq!(
        replay.messages.into_iter().map(|message| message.content).collect::<Vec<_>>(),
        [
            vec![text("[summary of the conversation so far]\nthey talked"), text("lately")],
            vec![text("yes")],
            vec![text("go on")],
        ]
    );
    assert_eq!(session.tree().replay(Some(old)), before);
}
