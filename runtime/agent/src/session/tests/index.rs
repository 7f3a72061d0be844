//! Whatever the index beside a session says: what is read is what stands in the session.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index as Choice;

use super::*;

/// Each entry a moment after the one before, as in life: ids that are newer are greater.
struct Clock(i64);

impl Clock {
    fn now(&mut self) -> Timestamp {
        self.0 += 1;
        Timestamp::from_millisecond(1_700_000_000_000 + self.0).expect("a time")
    }
}

fn by_index(home: &TempDir) -> Session {
    Session::open_indexed(home.path(), SessionKey::Global, NOW).expect("opens")
}

fn session_path(home: &TempDir) -> std::path::PathBuf {
    SessionKey::Global.path(home.path())
}

fn index_path(home: &TempDir) -> std::path::PathBuf {
    session_path(home).with_extension("index")
}

/// Everything a turn asks of a session.
#[derive(Debug, PartialEq)]
struct Seen {
    head: Option<Uuid>,
    replay: Replay,
    open: Vec<(u128, bool)>,
    items: Vec<(bool, Option<ItemDecision>)>,
    pending: Vec<PendingCall>,
    problems: Vec<Problem>,
}

fn seen(session: &Session) -> Seen {
    let tree = session.tree();
    let item = |id| {
        let id = Uuid::from_u128(id);
        (tree.has_taken(id), session.decision(id).expect("reads"))
    };
    Seen {
        head: tree.head(),
        replay: session.replay(),
        open: open_ids(tree),
        items: (0..6).map(item).collect(),
        pending: tree.pending_calls(),
        problems: tree.problems().to_vec(),
    }
}

/// The same read from the session file alone.
fn truth(home: &TempDir) -> Seen {
    let copy = self::home();
    let to = session_path(&copy);
    fs::create_dir_all(to.parent().expect("a folder")).expect("made");
    fs::copy(session_path(home), &to).expect("copied");
    seen(&by_index(&copy))
}

#[derive(Clone, Debug)]
enum Step {
    Append(u8),
    Compact(usize),
    Rewind(usize),
    Reopen,
    /// The process is killed: what it wrote last is in no index.
    Kill,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        9 => (0_u8..9).prop_map(Step::Append),
        1 => any::<usize>().prop_map(Step::Compact),
        1 => any::<usize>().prop_map(Step::Rewind),
        2 => Just(Step::Reopen),
        1 => Just(Step::Kill),
    ];
    vec(step, 1..40)
}

fn payload(kind: u8, count: usize) -> Payload {
    match kind {
        0 => system(&format!("system {count}")),
        1 | 2 => user(&format!("user {count}")),
        3 => assistant(vec![call("a"), text(&format!("assistant {count}"))]),
        4 => results(vec![result("a")]),
        5 => taking(count as u128 % 5),
        6 => decided(count as u128 % 5),
        7 => Payload::Situation(Situation { text: format!("situation {count}") }),
        _ => assistant(vec![text(&format!("assistant {count}"))]),
    }
}

fn some_entry(session: &Session, index: usize) -> Option<Uuid> {
    let tree = Tree::load(session.path()).expect("loads");
    let entries: Vec<Uuid> = tree.entries().map(|entry| entry.id).collect();
    (!entries.is_empty()).then(|| entries[index % entries.len()])
}

fn run(home: &TempDir, clock: &mut Clock, steps: &[Step]) -> Session {
    let mut session = by_index(home);
    for (count, step) in steps.iter().enumerate() {
        match step {
            Step::Append(kind) => {
                session.append(payload(*kind, count), clock.now()).expect("appends");
            }
            Step::Compact(index) => {
                let Some(first_kept) = some_entry(&session, *index) else { continue };
                let summary = format!("summary {count}");
                let (turns, item, by) = (None, None, None);
                let compaction = Compaction { summary, first_kept, tokens_before: None, turns, item, by };
                session.append(Payload::Compaction(compaction), clock.now()).expect("appends");
            }
            Step::Rewind(index) => {
                let to = some_entry(&session, *index);
                match session.rewind(to, clock.now()) {
                    Ok(()) | Err(SessionError::Cut(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            Step::Reopen | Step::Kill => {
                let before = seen(&session);
                let kept = fs::read(index_path(home)).ok();
                drop(session);
                if let (Step::Kill, Some(kept)) = (step, kept) {
                    fs::write(index_path(home), kept).expect("written");
                }
                session = by_index(home);
                assert_eq!(seen(&session), before, "step {count}");
            }
        }
    }
    session
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn with_an_index_the_same_is_read_as_without(steps in steps()) {
        let home = home();
        let session = run(&home, &mut Clock(0), &steps);
        let before = seen(&session);
        drop(session);
        prop_assert_eq!(&truth(&home), &before);
        let mut again = by_index(&home);
        prop_assert_eq!(&seen(&again), &before);
        again.whole().expect("reads");
        prop_assert_eq!(again.tree(), &Tree::load(again.path()).expect("loads"));
        prop_assert_eq!(&seen(&again), &before);
    }

    /// Damaged in any one byte, cut anywhere, or of an earlier time: an index changes nothing.
    #[test]
    fn an_index_that_is_wrong_changes_nothing(
        steps in steps(),
        more in steps(),
        at in any::<Choice>(),
        with in 1_u8..,
        what in 0_u8..4,
    ) {
        let (home, mut clock) = (home(), Clock(0));
        drop(run(&home, &mut clock, &steps));
        let stale = fs::read(index_path(&home)).unwrap_or_default();
        drop(run(&home, &mut clock, &more));
        let mut index = fs::read(index_path(&home)).unwrap_or_default();
        prop_assume!(!index.is_empty());
        match what {
            0 => {
                let at = at.index(index.len());
                index[at] ^= with;
            }
            1 => index.truncate(at.index(index.len())),
            2 => index = stale,
            _ => index.extend_from_slice(&[with; 40]),
        }
        let expected = truth(&home);
        fs::write(index_path(&home), index).expect("written");
        let mut session = by_index(&home);
        prop_assert_eq!(&seen(&session), &expected);
        session.append(user("and on"), clock.now()).expect("appends");
        let expected = seen(&session);
        drop(session);
        prop_assert_eq!(&truth(&home), &expected);
        prop_assert_eq!(&seen(&by_index(&home)), &expected);
    }
}

fn long(home: &TempDir) -> (Clock, Vec<Uuid>) {
    let mut clock = Clock(0);
    let mut session = by_index(home);
    let mut ids = Vec::new();
    for payload in
        [system("be brief"), user("long ago"), assistant(vec![text("indeed")]), taking(1), decided(1)]
    {
        ids.push(session.append(payload, clock.now()).expect("appends"));
    }
    ids.push(session.append(assistant(vec![text("then")]), clock.now()).expect("appends"));
    let kept = session.append(user("lately"), clock.now()).expect("appends");
    let (turns, item, by) = (Some(2), None, None);
    let compaction = Compaction {
        summary: "they talked".to_owned(),
        first_kept: kept,
        tokens_before: None,
        turns,
        item,
        by,
    };
    ids.push(kept);
    ids.push(session.append(Payload::Compaction(compaction), clock.now()).expect("appends"));
    (clock, ids)
}

#[test]
fn only_what_a_turn_needs_is_held() {
    let home = home();
    let (mut clock, ids) = long(&home);
    let mut session = by_index(&home);
    let held: Vec<Uuid> = session.tree().entries().map(|entry| entry.id).collect();
    let expected = [ids[0], ids[5], ids[6], ids[7]];
    assert_eq!(held, expected, "the prompt, the last round, what is kept, and the summary");
    assert_eq!(
        session.decision(Uuid::from_u128(1)).expect("reads").map(|it| it.decision),
        Some(Decision::Silent)
    );
    session.append(user("more"), clock.now()).expect("appends");
    assert!(!session.tree().is_whole(), "an append needs no more than the head");
    session.rewind(Some(ids[1]), clock.now()).expect("rewinds");
    assert!(session.tree().is_whole());
    assert_eq!(session.replay().messages.len(), 1);
}

/// The rounds behind a summary are not all there is to say which calls are open.
#[test]
fn a_rewind_to_right_behind_a_summary_finds_the_calls_before_it() {
    use Step::{Append, Compact, Kill, Rewind};
    let (home, mut clock) = (home(), Clock(0));
    // A call, a prompt, something said, and a summary that keeps the last; then another round.
    drop(run(&home, &mut clock, &[Append(3), Append(0), Append(5), Compact(2), Append(5), Append(3)]));
    // Back to what was said behind the summary, known to the file alone.
    drop(run(&home, &mut clock, &[Append(0), Append(0), Rewind(4), Kill]));
    let read = seen(&by_index(&home));
    assert_eq!(read.pending.len(), 1);
    assert_eq!(read, truth(&home));
}

#[test]
fn a_session_that_was_changed_in_place_is_read_anew() {
    let home = home();
    long(&home);
    let text = fs::read_to_string(session_path(&home)).expect("reads");
    let index = fs::read(index_path(&home)).expect("there is an index");
    fs::write(session_path(&home), text.replace("lately", "LATELY")).expect("written");
    let said = |home: &TempDir| format!("{:?}", by_index(home).replay());
    assert!(said(&home).contains("LATELY"));
    // Another file of the same name.
    fs::remove_file(session_path(&home)).expect("removed");
    fs::write(session_path(&home), text.replace("lately", "latest")).expect("written");
    fs::write(index_path(&home), index).expect("written");
    assert!(said(&home).contains("latest"));
}

#[test]
fn a_damaged_session_has_no_index() {
    let home = home();
    long(&home);
    fs::remove_file(index_path(&home)).expect("there was one");
    let mut text = fs::read_to_string(session_path(&home)).expect("reads");
    text.push_str("not an entry\n");
    fs::write(session_path(&home), text).expect("written");
    drop(by_index(&home));
    assert!(!index_path(&home).exists());
}
