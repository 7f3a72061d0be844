use std::fs;

use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::journal::tests::where_no_name_reaches_the_disk;

fn home() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn open(home: &TempDir) -> Inbox {
    Inbox::open(home.path(), Durability::UnsafeNoFsync).expect("opens")
}

fn epoch(number: u128) -> Uuid {
    Uuid::from_u128(0xe000 + number)
}

fn id(number: u64) -> Uuid {
    Uuid::from_u128(u128::from(number))
}

fn body(number: u64) -> Json {
    Json::of(&serde_json::json!({"type": "message", "n": number, "text": "é\n\u{2028}"}))
}

/// The item that stands at `offset` of epoch 0.
fn delivery(offset: u64) -> Delivery {
    Delivery { epoch: epoch(0), offset, id: id(offset), body: body(offset) }
}

fn started(home: &TempDir) -> Inbox {
    let mut inbox = open(home);
    inbox.new_epoch(epoch(0), 0).expect("starts");
    inbox
}

fn open_ids(inbox: &Inbox) -> Vec<u128> {
    inbox.open_items().map(|item| item.id.as_u128()).collect()
}

#[test]
fn only_the_next_offset_is_stored() {
    let home = home();
    let mut inbox = open(&home);
    assert_eq!(inbox.resume_point(), None);
    let early = inbox.deliver(epoch(0), 1, id(1), body(1)).expect("judges");
    assert_eq!(early, Accept::WrongEpoch { current: None });
    assert!(inbox.new_epoch(epoch(0), 4).expect("starts"));
    assert!(!inbox.new_epoch(epoch(0), 9).expect("is no news"));
    let batch = [5, 6, 6, 8, 7, 5].map(delivery);
    let expected = [
        Accept::Stored,
        Accept::Stored,
        Accept::Duplicate,
        Accept::Gap { expected: 7 },
        Accept::Stored,
        Accept::Duplicate,
    ];
    assert_eq!(inbox.append_batch(batch).expect("stores"), expected);
    assert_eq!(inbox.resume_point(), Some(ResumePoint { epoch: epoch(0), offset: 7, item: Some(id(7)) }));
    assert_eq!(inbox.ack_offset(), Some(7));
    assert_eq!(open_ids(&inbox), [5, 6, 7]);
    assert_eq!(inbox.item(id(6)).map(|item| &item.body), Some(&body(6)));
}

#[test]
fn everything_is_there_after_a_restart() {
    let home = home();
    let mut inbox = started(&home);
    inbox.append_batch((1..=4).map(delivery)).expect("stores");
    inbox.taken(id(1)).expect("takes");
    inbox.taken(id(2)).expect("takes");
    inbox.closed(id(2), Decision::Replied).expect("closes");
    inbox.closed(id(2), Decision::Failed).expect("keeps the first");
    inbox.note_generation(7).expect("notes");
    inbox.note_generation(5).expect("ignores an older one");
    let book = inbox.book.clone();
    drop(inbox);
    let inbox = open(&home);
    assert_eq!(inbox.book, book);
    assert_eq!(open_ids(&inbox), [1, 3, 4]);
    assert_eq!(inbox.open_items().map(|item| item.taken).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!((inbox.decision(id(2)), inbox.last_generation()), (Some(Decision::Replied), 7));
}

#[test]
fn a_new_epoch_counts_anew_and_knows_its_items() {
    let home = home();
    let mut inbox = started(&home);
    inbox.append_batch((1..=3).map(delivery)).expect("stores");
    inbox.closed(id(1), Decision::Acted).expect("closes");
    assert!(inbox.new_epoch(epoch(1), 10).expect("starts"));
    let at = |offset, number| Delivery { epoch: epoch(1), offset, id: id(number), body: body(number) };
    let stale = inbox.append_batch([delivery(4)]).expect("judges");
    assert_eq!(stale, [Accept::WrongEpoch { current: Some(epoch(1)) }]);
    // A closed one, an open one, a new one, and that one again.
    let accepts = inbox.append_batch([at(11, 1), at(12, 3), at(13, 9), at(14, 9)]).expect("stores");
    assert_eq!(accepts, [Accept::Duplicate, Accept::Duplicate, Accept::Stored, Accept::Duplicate]);
    assert_eq!(inbox.ack_offset(), Some(14));
    assert_eq!(open_ids(&inbox), [2, 3, 9]);
    let book = inbox.book.clone();
    drop(inbox);
    assert_eq!(open(&home).book, book);
}

#[test]
fn an_announced_gap_moves_the_cursor_and_only_when_it_adjoins() {
    let home = home();
    let mut inbox = started(&home);
    inbox.append_batch((1..=3).map(delivery)).expect("stores");
    assert_eq!(inbox.note_gap(6, 8, "pruned").expect("judges"), Accept::Gap { expected: 4 });
    assert_eq!(inbox.note_gap(1, 3, "pruned").expect("judges"), Accept::Duplicate);
    assert_eq!(inbox.note_gap(4, 8, "pruned").expect("moves"), Accept::Stored);
    drop(inbox);
    let mut inbox = open(&home);
    assert_eq!(inbox.resume_point(), Some(ResumePoint { epoch: epoch(0), offset: 8, item: None }));
    assert_eq!(inbox.append_batch([delivery(9)]).expect("stores"), [Accept::Stored]);
    assert_eq!(inbox.problems(), []);
}

#[test]
fn a_damaged_line_makes_the_broker_be_asked_again_once() {
    let home = home();
    let mut inbox = started(&home);
    inbox.append_batch((1..=5).map(delivery)).expect("stores");
    inbox.taken(id(3)).expect("takes");
    drop(inbox);
    let path = home.path().join(INBOX_FILE);
    let text = fs::read_to_string(&path).expect("reads");
    let mut lines: Vec<&str> = text.lines().collect();
    // The header and the epoch come first, so this is offset 3.
    lines[4] = "{\"item\":{\"epo";
    fs::write(&path, lines.join("\n") + "\n").expect("writes");

    let mut inbox = open(&home);
    assert!(matches!(
        inbox.problems(),
        [
            InboxProblem::Unreadable { line: 5, .. },
            InboxProblem::Hole { line: 6, expected: 3 },
            InboxProblem::Hole { line: 7, expected: 3 },
        ]
    ));
    assert_eq!(inbox.ack_offset(), Some(2));
    assert_eq!(open_ids(&inbox), [1, 2, 4, 5]);
    let accepts = inbox.append_batch((3..=6).map(delivery)).expect("stores");
    assert_eq!(accepts, [Accept::Stored, Accept::Duplicate, Accept::Duplicate, Accept::Stored]);
    assert_eq!(open_ids(&inbox), [1, 2, 3, 4, 5, 6]);
    assert_eq!(inbox.item(id(3)).map(|item| item.taken), Some(true), "its session had it");
    drop(inbox);
    let inbox = open(&home);
    assert_eq!(inbox.ack_offset(), Some(6));
    assert!(fs::read_to_string(&path).expect("reads").contains("{\"item\":{\"epo\n"), "evidence is kept");
}

#[test]
fn a_long_used_file_is_written_anew_and_says_the_same() {
    let home = home();
    let mut inbox = started(&home);
    inbox.note_generation(3).expect("notes");
    inbox.append_batch([delivery(1)]).expect("stores");
    assert!(inbox.new_epoch(epoch(1), 0).expect("starts"));
    let at = |offset| Delivery { epoch: epoch(1), offset, id: id(100 + offset), body: body(offset) };
    inbox.append_batch((1..=3000).map(at)).expect("stores");
    for offset in 2..=3000 {
        inbox.taken(id(100 + offset)).expect("takes");
        inbox.closed(id(100 + offset), Decision::Silent).expect("closes");
    }
    inbox.taken(id(1)).expect("takes");
    let (mut book, size) = (inbox.book.clone(), fs::metadata(inbox.journal.path()).expect("is there").len());
    drop(inbox);
    let inbox = open(&home);
    let smaller = fs::metadata(inbox.journal.path()).expect("is there").len();
    assert!(smaller < size / 2, "{smaller} of {size}");
    assert_eq!(inbox.book, book);
    drop(inbox);
    let mut inbox = open(&home);
    assert_eq!(inbox.book, book);
    assert_eq!(open_ids(&inbox), [1, 101]);
    inbox.append_batch([at(3001)]).expect("stores");
    book.apply(Record::Item { epoch: epoch(1), offset: 3001, id: id(3101), body: body(3001) });
    assert_eq!(inbox.book, book);
}

#[test]
fn a_file_written_anew_takes_nothing_before_its_name_is_on_disk() {
    let home = home();
    let open = || Inbox::open(home.path(), Durability::Fsync).expect("opens");
    let mut inbox = open();
    inbox.new_epoch(epoch(0), 0).expect("starts");
    inbox.append_batch([delivery(1)]).expect("stores");
    let (compacted, delivered) = where_no_name_reaches_the_disk(home.path(), || {
        (inbox.compact(2 * COMPACT_LINES_MIN), inbox.append_batch([delivery(2)]))
    });
    assert!(matches!(compacted, Err(InboxError::Journal(JournalError::Io { .. }))));
    assert!(matches!(delivered, Err(InboxError::Journal(JournalError::Broken(_)))));
    assert_eq!((inbox.ack_offset(), open_ids(&inbox)), (Some(1), vec![1]));
    drop(inbox);
    let mut inbox = open();
    assert_eq!(inbox.append_batch([delivery(2)]).expect("stores"), [Accept::Stored]);
    drop(inbox);
    assert_eq!(open_ids(&open()), [1, 2]);
}

#[test]
fn a_file_that_cannot_be_written_anew_goes_on() {
    let home = home();
    let mut inbox = started(&home);
    // Where the copy would be made.
    fs::create_dir(home.path().join(format!("{INBOX_FILE}.new"))).expect("makes");
    inbox.compact(2 * COMPACT_LINES_MIN).expect("is no harm");
    inbox.append_batch([delivery(1)]).expect("stores");
    drop(inbox);
    assert_eq!(open_ids(&open(&home)), [1]);
}

#[test]
fn closed_items_are_forgotten_oldest_first() {
    let mut book = Book::default();
    let last = book::CLOSED_KEPT as u64 + 1;
    for number in 1..=last {
        book.apply(Record::Closed { id: id(number), decision: Decision::Acted });
    }
    assert!(!book.knows(id(1)) && book.knows(id(2)) && book.knows(id(last)));
}

#[test]
fn a_body_with_line_breaks_stays_on_its_line() {
    let home = home();
    let mut inbox = started(&home);
    let pretty: Json = serde_json::from_str("{\n  \"a\": \"b\\nc\"\r\n}").expect("JSON");
    inbox.deliver(epoch(0), 1, id(1), pretty).expect("stores");
    drop(inbox);
    let inbox = open(&home);
    assert_eq!(inbox.problems(), []);
    let value: serde_json::Value = inbox.item(id(1)).expect("is open").body.parse().expect("parses");
    assert_eq!(value, serde_json::json!({"a": "b\nc"}));
}

#[test]
fn a_later_format_and_a_second_process_are_refused() {
    let home = home();
    let held = started(&home);
    let second = Inbox::open(home.path(), Durability::Fsync);
    assert!(matches!(second, Err(InboxError::Journal(JournalError::Locked { .. }))));
    drop(held);
    let path = home.path().join(INBOX_FILE);
    let later = "{\"format\":\"nexus-inbox\",\"version\":2}\n{\"torn";
    fs::write(&path, later).expect("writes");
    assert!(matches!(Inbox::open(home.path(), Durability::Fsync), Err(InboxError::Newer { version: 2, .. })));
    assert_eq!(fs::read_to_string(&path).expect("reads"), later);
}

#[derive(Clone, Debug)]
enum Step {
    /// So far from the next offset, and how many.
    Deliver(i8, u8),
    NewEpoch,
    Gap(i8, u8),
    Take(u64),
    Close(u64),
    Generation(u64),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (-3_i8..3, 1_u8..6).prop_map(|(from, count)| Step::Deliver(from, count)),
        1 => Just(Step::NewEpoch),
        1 => (-2_i8..3, 0_u8..4).prop_map(|(from, count)| Step::Gap(from, count)),
        2 => (0_u64..40).prop_map(Step::Take),
        3 => (0_u64..40).prop_map(Step::Close),
        1 => (0_u64..9).prop_map(Step::Generation),
        1 => Just(Step::Reopen),
    ];
    vec(step, 1..40)
}

/// In epoch `n` the item at an offset has the id `offset + n`, so that a later epoch repeats most of them.
fn nth(epochs: u64, offset: u64) -> Delivery {
    let number = offset + epochs;
    Delivery { epoch: epoch(u128::from(epochs)), offset, id: id(number), body: body(number) }
}

fn run(home: &TempDir, steps: &[Step]) -> (Inbox, u64) {
    let mut inbox = started(home);
    let mut epochs = 0;
    for step in steps {
        let next = inbox.ack_offset().unwrap_or_default() + 1;
        match step {
            Step::Deliver(from, count) => {
                let from = next.saturating_add_signed((*from).into()).max(1);
                let batch: Vec<Delivery> =
                    (from..from + u64::from(*count)).map(|offset| nth(epochs, offset)).collect();
                let accepts = inbox.append_batch(batch.clone()).expect("stores");
                for (delivery, accept) in batch.iter().zip(accepts) {
                    match accept {
                        Accept::Stored => assert!(inbox.item(delivery.id).is_some()),
                        Accept::Duplicate => {}
                        Accept::Gap { expected } => assert!(expected < delivery.offset),
                        Accept::WrongEpoch { .. } => panic!("the epoch is this one"),
                    }
                }
            }
            Step::NewEpoch => {
                epochs += 1;
                assert!(inbox.new_epoch(epoch(u128::from(epochs)), 0).expect("starts"));
            }
            Step::Gap(from, count) => {
                let from = next.saturating_add_signed((*from).into()).max(1);
                inbox.note_gap(from, from + u64::from(*count), "pruned").expect("notes");
            }
            Step::Take(number) => inbox.taken(id(*number)).expect("takes"),
            Step::Close(number) => inbox.closed(id(*number), Decision::Acted).expect("closes"),
            Step::Generation(number) => inbox.note_generation(*number).expect("notes"),
            Step::Reopen => {
                let book = inbox.book.clone();
                drop(inbox);
                inbox = open(home);
                assert_eq!(inbox.book, book);
                assert_eq!(inbox.problems(), []);
            }
        }
    }
    (inbox, epochs)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Nothing acknowledged is lost, whatever the order of things, and the compacted records say the same.
    #[test]
    fn the_book_is_what_the_file_says(steps in steps()) {
        let home = home();
        let (inbox, _) = run(&home, &steps);
        let book = inbox.book.clone();
        drop(inbox);
        let inbox = open(&home);
        prop_assert_eq!(&inbox.book, &book);
        let mut compacted = Book::default();
        for record in book.records() {
            compacted.apply(record);
        }
        prop_assert_eq!(compacted.cursor(), book.cursor());
        prop_assert_eq!(compacted.open().collect::<Vec<_>>(), book.open().collect::<Vec<_>>());
        prop_assert_eq!(compacted.records(), book.records());
    }

    /// A cut at any byte is the state after the whole lines before it, and delivery goes on from there.
    #[test]
    fn a_cut_at_any_byte_leaves_the_whole_lines(steps in steps(), at in any::<prop::sample::Index>()) {
        let home = home();
        drop(run(&home, &steps));
        let path = home.path().join(INBOX_FILE);
        let bytes = fs::read(&path).expect("reads");
        let cut = at.index(bytes.len() + 1);
        fs::write(&path, &bytes[..cut]).expect("writes");
        let mut expected = Book::default();
        let mut offset = 0;
        for line in bytes.split(|byte| *byte == b'\n') {
            offset += line.len();
            if offset <= cut && let Ok(record) = serde_json::from_slice::<Record>(line) {
                expected.apply(record);
            }
            offset += 1;
        }
        let mut inbox = open(&home);
        prop_assert_eq!(&inbox.book, &expected);
        let torn_only = |problem: &InboxProblem| matches!(problem, InboxProblem::Torn { .. });
        prop_assert!(inbox.problems().iter().all(torn_only));
        inbox.note_generation(100).expect("appends");
        drop(inbox);
        let inbox = open(&home);
        prop_assert_eq!(inbox.problems(), []);
        prop_assert_eq!(inbox.last_generation(), 100);
    }

    /// Whichever line is damaged: once the broker has sent again what it is asked for, no item is missing.
    #[test]
    fn a_damaged_line_is_healed_by_the_broker(count in 1_u64..12, closes in vec(1_u64..12, 0..6), at in any::<prop::sample::Index>()) {
        let home = home();
        let mut inbox = started(&home);
        inbox.append_batch((1..=count).map(delivery)).expect("stores");
        for close in &closes {
            inbox.taken(id(*close)).expect("takes");
            inbox.closed(id(*close), Decision::Acted).expect("closes");
        }
        drop(inbox);
        let path = home.path().join(INBOX_FILE);
        let text = fs::read_to_string(&path).expect("reads");
        let mut lines: Vec<&str> = text.lines().collect();
        let damaged = at.index(lines.len());
        lines[damaged] = "{\"garbage";
        fs::write(&path, lines.join("\n") + "\n").expect("writes");

        for _ in 0..2 {
            let mut inbox = open(&home);
            if inbox.new_epoch(epoch(0), 0).expect("registers") {
                // The line of the epoch was the damaged one: the broker starts over.
                prop_assert_eq!(inbox.resume_point().map(|point| point.offset), Some(0));
            }
            let from = inbox.ack_offset().unwrap_or_default() + 1;
            inbox.append_batch((from..=count).map(delivery)).expect("stores");
            prop_assert_eq!(inbox.ack_offset(), Some(count));
            for number in 1..=count {
                prop_assert!(inbox.book.knows(id(number)), "{} is lost", number);
            }
            let items: Vec<u128> = open_ids(&inbox);
            prop_assert!(items.is_sorted() && items.windows(2).all(|pair| pair[0] != pair[1]));
        }
    }
}
