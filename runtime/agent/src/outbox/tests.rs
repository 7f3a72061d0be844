use std::fs;

use nexus_wire::chat::ChatSend;
use nexus_wire::inbox::{Decision, InboxClose};
use nexus_wire::{ItemId, RequestId};
use uuid::Uuid;

use super::*;

fn post(n: u128) -> Post {
    let content = format!("number {n}\nwith \"quotes\" and \u{2028}");
    let trace = TraceContext::new([1; 16], [2; 8], n.is_multiple_of(2)).map(Box::new).filter(|_| n > 1);
    let id = RequestId(Uuid::from_u128(n));
    Post { id, trace, frame: ChatSend { content, ..ChatSend::default() }.into() }
}

fn open(home: &Path) -> Outbox {
    Outbox::open(home, Durability::Fsync).expect("an outbox")
}

fn ids(outbox: &Outbox) -> Vec<u128> {
    outbox.pending().map(|post| post.id.0.as_u128()).collect()
}

#[test]
fn posts_survive_in_order_until_they_are_sent() {
    let home = tempfile::tempdir().expect("a folder");
    let mut outbox = open(home.path());
    let close = InboxClose {
        item: ItemId(Uuid::from_u128(9)),
        decision: Decision::Silent,
        reason: None,
        message: None,
        outcome: None,
        spent: None,
        meta: None,
    };
    let close = Post { id: RequestId(Uuid::from_u128(3)), trace: None, frame: close.into() };
    outbox.put(vec![post(1), post(2)]).expect("stored");
    outbox.put(vec![close.clone()]).expect("stored");
    drop(outbox);
    let mut outbox = open(home.path());
    assert_eq!(outbox.pending().cloned().collect::<Vec<_>>(), [post(1), post(2), close]);
    assert_eq!(outbox.first(), Some(&post(1)));
    outbox.sent(post(1).id).expect("noted");
    outbox.flush().expect("written");
    drop(outbox);
    assert_eq!(ids(&open(home.path())), [2, 3]);
}

#[test]
fn a_post_put_in_again_is_no_second_post_even_after_it_was_sent() {
    let home = tempfile::tempdir().expect("a folder");
    let mut outbox = open(home.path());
    outbox.put(vec![post(1), post(1)]).expect("stored");
    outbox.put(vec![post(1)]).expect("stored");
    assert_eq!(ids(&outbox), [1]);
    outbox.sent(post(1).id).expect("noted");
    outbox.put(vec![post(1), post(2)]).expect("stored");
    assert_eq!(ids(&outbox), [2]);
    drop(outbox);
    let mut outbox = open(home.path());
    outbox.put(vec![post(1)]).expect("stored");
    assert_eq!(ids(&outbox), [2]);
}

#[test]
fn what_was_sent_and_not_written_down_goes_out_again() {
    let home = tempfile::tempdir().expect("a folder");
    let mut outbox = open(home.path());
    outbox.put(vec![post(1)]).expect("stored");
    outbox.sent(post(1).id).expect("noted");
    drop(outbox);
    assert_eq!(ids(&open(home.path())), [1]);
}

#[test]
fn torn_and_unreadable_lines_cost_nothing_else() {
    let home = tempfile::tempdir().expect("a folder");
    let mut outbox = open(home.path());
    outbox.put(vec![post(1), post(2)]).expect("stored");
    drop(outbox);
    let path = home.path().join(OUTBOX_FILE);
    let text = fs::read_to_string(&path).expect("text");
    fs::write(&path, format!("nonsense\n{text}{}", &text[..text.len() / 4])).expect("written");
    let mut outbox = open(home.path());
    assert_eq!(ids(&outbox), [1, 2]);
    outbox.put(vec![post(3)]).expect("stored");
    drop(outbox);
    assert_eq!(ids(&open(home.path())), [1, 2, 3]);
}

#[test]
fn every_cut_of_the_file_leaves_a_beginning_of_the_posts() {
    let home = tempfile::tempdir().expect("a folder");
    let mut outbox = open(home.path());
    outbox.put((1..=4).map(post).collect()).expect("stored");
    drop(outbox);
    let path = home.path().join(OUTBOX_FILE);
    let whole = fs::read(&path).expect("bytes");
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).expect("written");
        let left = ids(&open(home.path()));
        assert_eq!(left, (1..=left.len() as u128).collect::<Vec<_>>(), "cut at {cut}");
    }
}

#[test]
fn the_file_does_not_grow_for_ever() {
    let home = tempfile::tempdir().expect("a folder");
    let mut outbox = Outbox::open(home.path(), Durability::UnsafeNoFsync).expect("an outbox");
    for n in 1..=30_000 {
        outbox.put(vec![post(n)]).expect("stored");
        outbox.sent(post(n).id).expect("noted");
    }
    outbox.put(vec![post(40_000)]).expect("stored");
    outbox.flush().expect("written");
    drop(outbox);
    let lines = fs::read_to_string(home.path().join(OUTBOX_FILE)).expect("text").lines().count();
    assert!(lines < 5 * SENT_KEPT, "{lines} lines");
    assert_eq!(ids(&open(home.path())), [40_000]);
}
