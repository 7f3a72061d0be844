//! Fuzz targets: whatever the index beside a session says, what is read is what stands in the session.

use std::fmt::Debug;

use bolero::{TypeGenerator, check};
use jiff::Timestamp;
use nexus_wire::inbox::Decision;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::altered::Altered;
use crate::conversation::{Block, StopReason, Usage};
use crate::session::{
    AssistantTurn, Compaction, ItemDecision, ItemRef, Session, SessionKey, SystemPrompt, UserTurn,
};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn text(text: &str) -> Block {
    Block::Text { text: text.to_owned() }
}

fn asked(said: &str, item: Option<u128>) -> Payload {
    let item = item.map(|id| ItemRef {
        id: Uuid::from_u128(id),
        offset: Some(4),
        kind: "message".to_owned(),
        from: "operator/ana".to_owned(),
        thread: None,
        message: None,
        trace: None,
    });
    Payload::User(UserTurn { content: vec![text(said)], item })
}

fn answered(content: Block) -> Payload {
    Payload::Assistant(AssistantTurn {
        content: vec![content],
        stop: StopReason::EndTurn,
        usage: Usage::default(),
        model: "m".to_owned(),
        provider: "scripted".to_owned(),
        cost_microusd: None,
        turn: Uuid::from_u128(9),
    })
}

fn closed(item: u128) -> Payload {
    let item = Uuid::from_u128(item);
    Payload::Decision(ItemDecision { item, decision: Decision::Silent, reason: None, message: None })
}

/// A session that stays as it is, and what its index says: now, and when it was shorter.
struct Sample {
    home: TempDir,
    session: PathBuf,
    indexes: [Vec<u8>; 2],
}

impl Sample {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let session = SessionKey::Global.path(home.path());
        let mut sample = Self { home, session, indexes: Default::default() };
        let (id, name, input) = ("a".to_owned(), "read_file".to_owned(), json!({"path": "a"}));
        let call = Block::ToolUse { id, name, input };
        let prompt = SystemPrompt { text: "be brief".to_owned(), source: "SOUL.md".to_owned(), adds: false };
        sample.append(vec![
            Payload::SystemPrompt(prompt),
            asked("long ago", None),
            answered(text("indeed")),
            asked("do it", Some(1)),
            closed(1),
            answered(text("done")),
        ]);
        let kept = sample.append(vec![asked("lately", None)]);
        sample.append(vec![Payload::Compaction(Compaction {
            summary: "they talked".to_owned(),
            first_kept: kept,
            tokens_before: None,
            turns: Some(2),
            item: None,
            by: None,
        })]);
        let shorter = fs::read(path_of(&sample.session)).expect("there is an index");
        sample.append(vec![asked("now", Some(2)), answered(call)]);
        sample.indexes = [fs::read(path_of(&sample.session)).expect("there is an index"), shorter];
        sample
    }

    /// The last of what was appended. The index is written when the session is closed.
    fn append(&self, payloads: Vec<Payload>) -> Uuid {
        let mut session = self.open();
        // Each entry a moment after the one before, as in life: ids that are newer are greater.
        let first = Tree::load(&self.session).expect("loads").len() as i64;
        let append = |(n, payload)| {
            let now = Timestamp::from_millisecond(1_700_000_000_000 + first + n).expect("a time");
            session.append(payload, now).expect("appends")
        };
        (0..).zip(payloads).map(append).last().expect("something is appended")
    }

    fn open(&self) -> Session {
        Session::open_indexed(self.home.path(), SessionKey::Global, NOW).expect("opens")
    }

    fn with_index(&self, index: &[u8]) -> Session {
        fs::write(path_of(&self.session), index).expect("written");
        self.open()
    }

    fn without_index(&self) -> Session {
        fs::remove_file(path_of(&self.session)).expect("there was one");
        self.open()
    }
}

/// Everything a turn asks of a session.
fn seen(session: &Session) -> impl Debug + PartialEq + use<> {
    let tree = session.tree();
    let item = |id| {
        let id = Uuid::from_u128(id);
        (tree.has_taken(id), session.decision(id).expect("reads"))
    };
    let items: Vec<_> = (0..4).map(item).collect();
    (tree.head(), session.replay(), tree.open_items(), items, tree.pending_calls(), tree.problems().to_vec())
}

#[test]
fn an_index() {
    let sample = Sample::new();
    for index in &sample.indexes {
        assert!(!sample.with_index(index).tree().is_whole(), "unaltered it is taken");
    }
    let truth = seen(&sample.without_index());
    check!().with_type::<Altered>().for_each(|altered| {
        assert_eq!(seen(&sample.with_index(&altered.of(&sample.indexes))), truth);
    });
}

/// Another number in one place of the index.
#[derive(Clone, Copy, Debug, TypeGenerator)]
struct Other {
    line: u8,
    field: u8,
    value: u16,
    is_far: bool,
}

impl Other {
    fn put(self, records: &mut [u8]) {
        let at = usize::from(self.line) % (records.len() / RECORD_BYTES);
        let bytes = &mut records[at * RECORD_BYTES..(at + 1) * RECORD_BYTES];
        let mut record = Record::of_bytes(bytes).expect("it was written so");
        let value = u64::from(self.value);
        let value = if self.is_far { u64::MAX - value } else { value };
        match self.field % 5 {
            0 => record.spot.offset = value,
            1 => record.spot.len = value,
            2 => record.parent = value % 16,
            3 => record.prompt_above = value % 16,
            _ => record.is_prompt = !record.is_prompt,
        }
        bytes.copy_from_slice(&record.to_bytes());
    }
}

/// Chance does not get past the checks: what lies behind them is reached by an index whose checks are right.
#[derive(Debug, TypeGenerator)]
struct Forged {
    head: Altered,
    records: Vec<Other>,
    items: Altered,
}

/// The head of an index as it was written, its records, and its items.
fn parts(index: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let mut parts = index.splitn(3, |byte| *byte == b'\n');
    let (_, head, rest) = (parts.next(), parts.next().expect("a head"), parts.next().expect("records"));
    let lines = head_of(head).expect("it was written so").lines;
    let (records, items) = rest.split_at(usize::try_from(lines).expect("few") * RECORD_BYTES);
    (head, records, items)
}

fn head_of(text: &[u8]) -> serde_json::Result<Head> {
    serde_json::from_slice(text)
}

/// An index of these parts, whose checks are right.
fn sealed(mut head: Head, records: &[u8], items: &[u8]) -> Vec<u8> {
    (head.items, head.items_sha256) = ((items.len() / ITEM_BYTES) as u64, hash(items));
    let head = serde_json::to_vec(&head).expect("it serializes");
    let first = format!("{MAGIC} {} {}\n", hash(&head), head.len());
    [first.as_bytes(), &head, b"\n", records, items].concat()
}

impl Forged {
    fn of(&self, index: &[u8]) -> Vec<u8> {
        let (head, records, items) = parts(index);
        let mut records = records.to_vec();
        self.records.iter().take(4).for_each(|other| other.put(&mut records));
        let mut items = self.items.of(&[items]);
        items.truncate(items.len() / ITEM_BYTES * ITEM_BYTES);
        let head = head_of(&self.head.of(&[head])).or_else(|_| head_of(head)).expect("it was written so");
        sealed(head, &records, &items)
    }
}

#[test]
fn an_index_with_checks_that_are_right() {
    let sample = Sample::new();
    let truth = Tree::load(&sample.session).expect("loads");
    let whole_index = &sample.indexes[0];
    check!().with_type::<Forged>().for_each(|forged| {
        let mut session = sample.with_index(&forged.of(whole_index));
        // What is held stands in the session, and no way through it is endless.
        for entry in session.tree().entries() {
            assert_eq!(truth.entry(entry.id), Some(entry));
            assert!(session.tree().branch(Some(entry.id)).len() <= session.tree().len());
        }
        let _ = (session.replay(), session.tree().open_items(), session.tree().pending_calls());
        for item in (0..4).map(Uuid::from_u128) {
            let said = session.decision(item).expect("reads");
            assert!(said.is_none() || said.as_ref() == truth.decision(item), "{said:?}");
        }
        session.whole().expect("reads");
        assert_eq!(*session.tree(), truth);
    });
}

/// Wherever a forged index says that it stands, and however long it is said to be.
#[test]
fn what_became_of_an_item_is_what_the_file_says() {
    let sample = Sample::new();
    let (head, records, items) = parts(&sample.indexes[0]);
    let item = Uuid::from_u128(1);
    let truth = Tree::load(&sample.session).expect("loads");
    let bytes = fs::metadata(&sample.session).expect("it is there").len();
    for (offset, len) in
        [(0, u64::MAX), (u64::MAX, u64::MAX), (bytes, 1 << 50), (0, bytes), (bytes, 0), (1, 2)]
    {
        let forged = |(id, known): (Uuid, Known)| {
            let closed = known.closed.map(|_| Spot { offset, len });
            item_bytes(id, Known { closed, ..known })
        };
        let items: Vec<u8> = Items(items.to_vec()).all().flat_map(forged).collect();
        let head = head_of(head).expect("it was written so");
        let session = sample.with_index(&sealed(head, records, &items));
        assert!(!session.tree().is_whole(), "the index is taken");
        let said = session.decision(item).expect("reads");
        assert!(said.is_some() && said.as_ref() == truth.decision(item), "{offset} {len}: {said:?}");
    }
}
