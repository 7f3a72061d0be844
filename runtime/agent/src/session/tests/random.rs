//! Random histories: what must hold after any of them.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Append(u8),
    /// A summary stands for what is before an entry.
    Compact(usize),
    /// A summary of the branch that ends at an entry.
    Summarise(usize),
    Rewind(usize),
    Fork(usize),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0_u8..10).prop_map(Step::Append),
        1 => any::<usize>().prop_map(Step::Compact),
        1 => any::<usize>().prop_map(Step::Summarise),
        2 => any::<usize>().prop_map(Step::Rewind),
        1 => any::<usize>().prop_map(Step::Fork),
        1 => Just(Step::Reopen),
    ];
    vec(step, 1..40)
}

fn payload(kind: u8, count: usize) -> Payload {
    let id = format!("c{}", count % 3);
    match kind {
        0 => system(&format!("system {count}")),
        1 => user(&format!("user {count}")),
        2 => assistant(vec![text(&format!("assistant {count}"))]),
        3 => assistant(vec![call(&id), call("twin")]),
        4 => results(vec![result(&id)]),
        5 => results(vec![result("twin"), result("c0")]),
        6 => taking(count as u128 % 5),
        7 => decided(count as u128 % 5),
        8 => Payload::Situation(Situation { text: format!("situation {count}") }),
        _ => Payload::custom("note", json!({ "count": count })),
    }
}

/// The entry that a step names, or the root.
fn pick(tree: &Tree, index: usize) -> Option<Uuid> {
    tree.entries().nth(index % (tree.len() + 1)).map(|entry| entry.id)
}

fn check(tree: &Tree) {
    let order: Vec<Uuid> = tree.entries().map(|entry| entry.id).collect();
    for (at, entry) in tree.entries().enumerate() {
        let parent = tree.parent(entry.id).map(|parent| parent.id);
        assert_eq!(parent, entry.parent_id);
        assert!(parent.is_none_or(|parent| order[..at].contains(&parent)), "a parent precedes its children");
        let branch = tree.branch(Some(entry.id));
        assert!(branch.len() <= at + 1, "a walk ends");
        assert_eq!(branch.last().map(|leaf| leaf.id), Some(entry.id));
        check_replay(&tree.replay(Some(entry.id)).messages);
    }
}

/// What every provider asks for.
fn check_replay(messages: &[Message]) {
    let mut calls: Vec<&str> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        assert_eq!(message.role, if at % 2 == 0 { Role::User } else { Role::Assistant });
        assert!(!message.content.is_empty());
        let results: Vec<&str> = message
            .content
            .iter()
            .map_while(|block| {
                if let Block::ToolResult { tool_use_id, .. } = block {
                    Some(tool_use_id.as_str())
                } else {
                    None
                }
            })
            .collect();
        assert_eq!(results, calls);
        let all = message.content.iter().filter(|block| matches!(block, Block::ToolResult { .. })).count();
        assert_eq!(all, results.len(), "results stand at the front");
        calls = message
            .content
            .iter()
            .filter_map(|block| if let Block::ToolUse { id, .. } = block { Some(id.as_str()) } else { None })
            .collect();
    }
    assert!(calls.is_empty(), "the last call has a result");
}

fn run(home: &TempDir, steps: &[Step]) -> Session {
    let mut session = open(home);
    for (count, step) in steps.iter().enumerate() {
        match step {
            Step::Append(kind) => {
                push(&mut session, payload(*kind, count));
            }
            Step::Compact(index) | Step::Summarise(index) => {
                let Some(entry) = pick(session.tree(), *index) else { continue };
                // What older heads say stays what it was.
                let older: Vec<(Uuid, Replay)> = session
                    .tree()
                    .entries()
                    .map(|entry| (entry.id, session.tree().replay(Some(entry.id))))
                    .collect();
                let summary = format!("summary {count}");
                let (item, by) = (None, None);
                let payload = if matches!(step, Step::Compact(_)) {
                    let (tokens_before, turns) = (Some(count as u64), None);
                    let first_kept = entry;
                    Payload::Compaction(Compaction { summary, first_kept, tokens_before, turns, item, by })
                } else {
                    Payload::BranchSummary(BranchSummary { summary, of: entry, item, by })
                };
                push(&mut session, payload);
                for (id, replay) in older {
                    assert_eq!(session.tree().replay(Some(id)), replay);
                }
            }
            Step::Rewind(index) => {
                let to = pick(session.tree(), *index);
                let before = session.tree().head();
                match session.rewind(to, NOW) {
                    Ok(()) => assert_eq!(session.tree().head(), to),
                    Err(SessionError::Cut(CutError::SplitsToolCall { before: legal, after, .. })) => {
                        assert_eq!(session.tree().head(), before);
                        assert_eq!(session.tree().check_cut(legal), Ok(()));
                        assert_eq!(session.tree().check_cut(Some(after)), Ok(()));
                    }
                    Err(SessionError::Cut(CutError::Rewind(_))) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            Step::Fork(index) => {
                let at = pick(session.tree(), *index);
                let Ok(forked) = session.fork(home.path(), at, None, NOW) else { continue };
                let fork = Tree::load(&forked.path).expect("loads");
                assert_eq!(fork.problems(), []);
                assert_eq!(fork.head(), at);
                assert_eq!(fork.replay(fork.head()), session.tree().replay(at));
                assert_eq!(fork.open_items(), []);
                check(&fork);
            }
            Step::Reopen => {
                let tree = session.tree().clone();
                drop(session);
                session = open(home);
                assert_eq!(*session.tree(), tree);
            }
        }
    }
    session
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Wherever a summary is made to end, what it stands for and what is kept are the whole branch, no call is parted
    /// from its result, and the next summary goes on from there.
    #[test]
    fn a_summary_ends_where_a_turn_begins(steps in steps(), limit in 0_u64..4000, running in any::<bool>()) {
        let home = home();
        let session = run(&home, &steps);
        let branch = session.tree().branch(session.tree().head());
        let Some(cut) = cut(&branch, limit, running) else { return Ok(()) };
        prop_assert_eq!(branch[cut.at].id, cut.first_kept);
        prop_assert!(matches!(branch[cut.at].payload, Payload::User(_)));
        let mut calls: Vec<&str> = Vec::new();
        for (at, entry) in branch.iter().enumerate() {
            if matches!(entry.payload, Payload::Assistant(_)) {
                if at >= cut.at {
                    break;
                }
                calls.clear();
            }
            for block in entry.payload.content() {
                match block {
                    Block::ToolUse { id, .. } => calls.push(id),
                    Block::ToolResult { tool_use_id, .. } => {
                        prop_assert!(at < cut.at || !calls.contains(&tool_use_id.as_str()));
                        calls.retain(|call| call != tool_use_id);
                    }
                    Block::Text { .. } | Block::Thinking { .. } => {}
                }
            }
        }
    }

    #[test]
    fn the_invariants_hold_after_any_history(steps in steps()) {
        let home = home();
        let session = run(&home, &steps);
        check(session.tree());
        prop_assert_eq!(session.tree().problems(), []);
        let tree = session.tree().clone();
        drop(session);
        let again = open(&home);
        prop_assert_eq!(again.tree(), &tree);
    }

    /// A cut at any byte leaves the whole lines before it, and the session goes on from there.
    #[test]
    fn a_cut_at_any_byte_leaves_the_whole_lines_before_it(steps in steps(), at in any::<prop::sample::Index>()) {
        let home = home();
        let session = run(&home, &steps);
        let (path, tree) = (session.path().to_owned(), session.tree().clone());
        drop(session);
        let bytes = fs::read(&path).expect("reads");
        let cut = at.index(bytes.len() + 1);
        fs::write(&path, &bytes[..cut]).expect("writes");

        let kept: Vec<&Entry> = tree
            .entries()
            .filter(|entry| tree.place(entry.id).is_some_and(|place| place.offset + place.len <= cut as u64))
            .collect();
        let mut session = open(&home);
        prop_assert_eq!(session.tree().entries().collect::<Vec<_>>(), kept);
        let torn_only = |problem: &Problem| matches!(problem.kind, ProblemKind::Torn { .. });
        prop_assert!(session.tree().problems().iter().all(torn_only));
        check(session.tree());
        let head = session.tree().head();
        let next = push(&mut session, user("after the crash"));
        prop_assert_eq!(session.tree().parent(next).map(|entry| entry.id), head);
        let tree = session.tree().clone();
        drop(session);
        let again = open(&home);
        // What was cut is not there to be told a second time.
        prop_assert_eq!(again.tree().entries().collect::<Vec<_>>(), tree.entries().collect::<Vec<_>>());
        prop_assert_eq!(again.tree().head(), Some(next));
        prop_assert_eq!(again.tree().problems(), []);
    }
}
