//! Fuzz targets: the files of a home, as a crash, an editor or another program may have left them.

#[path = "../../../tests/src/altered.rs"]
mod altered;

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use altered::Altered;
use bolero::check;
use jiff::Timestamp;
use nexus_agent::home;
use nexus_agent::inbox::Inbox;
use nexus_agent::journal::Durability;
use nexus_agent::outbox::{OUTBOX_FILE, Outbox, Post, Room};
use nexus_agent::session::{Payload, Session, SessionKey, Tree, UserTurn};
use nexus_wire::chat::ChatSend;
use nexus_wire::{RequestId, TraceContext};
use uuid::Uuid;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;
const OFF: Durability = Durability::UnsafeNoFsync;

fn said(text: &str) -> Payload {
    Payload::User(UserTurn {
        content: vec![nexus_agent::conversation::Block::Text { text: text.into() }],
        item: None,
    })
}

/// A session with a branch, a rewind and a system prompt.
fn sample() -> Vec<u8> {
    let home = tempfile::tempdir().expect("a folder");
    let mut session = Session::open(home.path(), SessionKey::Global, OFF, NOW).expect("opens");
    let first = session.append(said("one"), NOW).expect("appended");
    session.append(said("two"), NOW).expect("appended");
    session.rewind(Some(first), NOW).expect("rewound");
    session.append(said("three"), NOW).expect("appended");
    fs::read(session.path()).expect("is there")
}

#[test]
fn a_session() {
    let home = tempfile::tempdir().expect("a folder");
    let path = SessionKey::Global.path(home.path());
    fs::create_dir_all(path.parent().expect("has a folder")).expect("made");
    let texts = [sample()];
    check!().with_type::<Altered>().for_each(|altered| {
        let bytes = altered.of(&texts);
        fs::write(&path, &bytes).expect("written");
        let Ok(tree) = Tree::load(&path) else { return };
        // Parents precede children, so every walk ends.
        for entry in tree.entries() {
            let branch = tree.branch(Some(entry.id));
            assert!(branch.len() <= tree.len(), "a walk from {} goes in circles", entry.id);
        }
        let replayed = tree.replay(tree.head());
        assert_eq!(tree.replay(tree.head()), replayed);
        let Ok(mut session) = Session::open(home.path(), SessionKey::Global, OFF, NOW) else { return };
        // Nothing but a torn last line is ever cut, and what is appended is read back.
        let kept = fs::read(&path).expect("is there");
        let whole_lines = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        assert!(kept.starts_with(&bytes[..whole_lines]), "what was there was changed");
        let added = session.append(said("more"), NOW).expect("appended");
        drop(session);
        assert!(Tree::load(&path).expect("reads").entry(added).is_some(), "what was appended is lost");
    });
}

#[test]
fn an_inbox() {
    let home = tempfile::tempdir().expect("a folder");
    let sample = {
        let mut inbox = Inbox::open(home.path(), OFF).expect("opens");
        let epoch = Uuid::from_u128(1);
        inbox.new_epoch(epoch, 0).expect("written");
        for offset in 1..4_u64 {
            let body = nexus_wire::Json::of(&serde_json::json!({"type": "x"}));
            inbox.deliver(epoch, offset, Uuid::from_u128(offset.into()), body).expect("written");
        }
        inbox.taken(Uuid::from_u128(2)).expect("written");
        inbox.note_generation(7).expect("written");
        fs::read(home.path().join("inbox.jsonl")).expect("is there")
    };
    check!().with_type::<Altered>().for_each(|altered| {
        fs::write(home.path().join("inbox.jsonl"), altered.of(&[&sample])).expect("written");
        let Ok(inbox) = Inbox::open(home.path(), OFF) else { return };
        let (acked, resume) = (inbox.ack_offset(), inbox.resume_point());
        drop(inbox);
        // Opening mends at most once: the second opening finds the same.
        let again = Inbox::open(home.path(), OFF).expect("opened before");
        assert_eq!((again.ack_offset(), again.resume_point()), (acked, resume));
    });
}

fn post(number: u128) -> Post {
    let content = format!("number {number}\nwith \"quotes\"");
    let trace = TraceContext::new([1; 16], [2; 8], true).map(Box::new);
    Post {
        id: RequestId(Uuid::from_u128(number)),
        trace,
        frame: ChatSend { content, ..ChatSend::default() }.into(),
    }
}

#[test]
fn an_outbox() {
    let (home, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let path = home.path().join(OUTBOX_FILE);
    let open = |home: &Path| Outbox::open(home, OFF).expect("opens, whatever is in it");
    let pending = |outbox: &Outbox| outbox.pending().cloned().collect::<Vec<_>>();
    let sample = {
        let mut outbox = open(home.path());
        outbox.put((1..=4).map(post).collect()).expect("written");
        outbox.sent(post(2).id).expect("noted");
        outbox.flush().expect("written");
        fs::read(&path).expect("is there")
    };
    // Chance makes no such id.
    let another = post(0x0199_a0b1_c2d3_7123_8456_789a_bcde_f012);
    check!().with_type::<Altered>().for_each(|altered| {
        let bytes = altered.of(&[&sample]);
        fs::write(&path, &bytes).expect("written");
        let mut outbox = open(home.path());
        // Nothing but a torn last line is ever cut.
        let kept = fs::read(&path).expect("is there");
        let whole_lines = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        assert!(kept.starts_with(&bytes[..whole_lines]), "what was there was changed");
        let mut waiting = pending(&outbox);
        outbox.put(vec![another.clone()]).expect("written");
        drop(outbox);
        waiting.push(another.clone());
        let mut outbox = open(home.path());
        assert_eq!(pending(&outbox), waiting, "what is read is read again, and what was put is behind it");

        // Each is written as what it was read for.
        fs::write(other.path().join(OUTBOX_FILE), "").expect("written");
        open(other.path()).put(waiting.clone()).expect("written");
        let mut once = waiting.clone();
        let mut ids = HashSet::new();
        once.retain(|post| ids.insert(post.id));
        assert_eq!(pending(&open(other.path())), once);

        // What is sent takes no room, and never comes back.
        for post in &waiting {
            outbox.sent(post.id).expect("noted");
        }
        assert!(outbox.first().is_none() && outbox.has(Room { posts: 1, bytes: 1 }), "{outbox:?}");
        outbox.flush().expect("written");
        drop(outbox);
        assert_eq!(pending(&open(home.path())), []);
    });
}

#[test]
fn a_home() {
    let home = tempfile::tempdir().expect("a folder");
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../agents/wren");
    for file in ["NEXUS.md", "SOUL.md", "PRIMER.md"] {
        fs::copy(real.join(file), home.path().join(file)).expect("copied");
    }
    let settings = [fs::read(real.join("aspect.json")).expect("is there")];
    let scripts = [fs::read(real.join("script.toml")).expect("is there")];
    check!().with_type::<(Altered, Altered)>().for_each(|(settings_edits, script_edits)| {
        fs::write(home.path().join("aspect.json"), settings_edits.of(&settings)).expect("written");
        fs::write(home.path().join("script.toml"), script_edits.of(&scripts)).expect("written");
        let (found, faults) = home::check(home.path(), |_| None);
        assert!(found.is_some() || !faults.is_empty(), "refused without a word");
    });
}
