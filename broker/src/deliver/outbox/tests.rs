#![expect(clippy::wildcard_enum_match_arm, reason = "a test names the one variant it expects")]

use std::task::Waker;

use nexus_wire::limits::CREDIT_ITEMS;
use nexus_wire::log::LogBody;
use nexus_wire::{ErrorCode, Party};
use uuid::Uuid;

use super::*;

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn request(number: u128) -> RequestId {
    RequestId(Uuid::from_u128(number))
}

fn refusal() -> Answer {
    Err(ErrorBody::new(ErrorCode::Invalid, "x"))
}

fn entry(seq: u64) -> LogEntry {
    let body = LogBody::Other { kind: "x".into(), subject: String::new() };
    LogEntry { seq, at: 0, actor: Party::System, thread: None, body }
}

/// Takes what there is, as a writer whose socket takes everything.
fn take(outbox: &Outbox) -> Vec<Out> {
    let mut frames = VecDeque::new();
    match outbox.poll_take(&cx(), &mut frames) {
        Poll::Ready(Work::Frames) => frames.into_iter().collect(),
        Poll::Ready(work) => panic!("{work:?}"),
        Poll::Pending => Vec::new(),
    }
}

fn block(bytes: usize) -> Block {
    Block::new(vec![b'x'; bytes], 1)
}

fn wren() -> AspectName {
    "wren".parse().unwrap()
}

#[test]
fn what_was_read_holds_its_place_until_it_is_written() {
    let outbox = Outbox::default();
    let places = Arc::new(tokio::sync::Semaphore::new(2));
    let show = || outbox.show(request(1), refusal(), Arc::clone(&places).try_acquire_owned().unwrap());
    show();
    show();
    assert_eq!(places.available_permits(), 0);
    let taken = take(&outbox);
    assert_eq!((taken.len(), places.available_permits()), (2, 0), "they are not written yet");
    drop(taken);
    assert_eq!(places.available_permits(), 2);
    show();
    outbox.leave();
    show();
    assert_eq!(places.available_permits(), 2, "nobody is there to read them");
}

#[test]
fn pushes_never_take_the_room_of_replies() {
    let outbox = Outbox::default();
    for _ in 0..2 * PUSHES_MAX {
        outbox.stream(block(1));
    }
    for number in 0..OWED_MAX as u128 {
        assert!(outbox.poll_request_room(&cx()).is_ready());
        outbox.owe();
        outbox.answer(request(number), refusal());
    }
    assert!(outbox.poll_request_room(&cx()).is_pending(), "no more requests until replies are written");
    let taken = take(&outbox);
    let replies = taken.iter().filter(|out| matches!(out, Out::Answer { .. })).count();
    assert_eq!((replies, taken.len()), (OWED_MAX, OWED_MAX + PUSHES_MAX));
    assert!(outbox.poll_request_room(&cx()).is_pending(), "taken is not written");
    assert!(!outbox.stream(block(1)));
    assert!(take(&outbox).is_empty());
    assert!(outbox.poll_request_room(&cx()).is_ready());
    assert!(outbox.stream(block(1)));
}

#[test]
fn a_reader_that_stops_is_fed_from_its_inbox_when_it_goes_on() {
    let outbox = Outbox::default();
    outbox.attach(wren(), 0, 0);
    for offset in 1..=1_000 {
        outbox.push(offset, "{}".into());
    }
    let offsets = |frames: Vec<Out>| -> Vec<u64> {
        frames
            .into_iter()
            .map(|out| match out {
                Out::Deliver { offset, .. } => offset,
                other => panic!("{other:?}"),
            })
            .collect()
    };
    assert_eq!(offsets(take(&outbox)), (1..=CREDIT_ITEMS).collect::<Vec<_>>());
    assert!(take(&outbox).is_empty(), "no credit left");
    assert!(outbox.poll_page(&cx()).is_pending(), "enough is held for now");
    assert_eq!(outbox.ack(CREDIT_ITEMS), Ok(true));
    assert_eq!(offsets(take(&outbox)).len() as u64, CREDIT_ITEMS);
    let after = 2 * CREDIT_ITEMS;
    let wanted = Wanted { after, limit: 256, is_last: false };
    assert_eq!(outbox.poll_page(&cx()), Poll::Ready(Page::Inbox { aspect: wren(), wanted }));
    assert!(outbox.poll_page(&cx()).is_pending(), "one page at a time");
    outbox.push(1_001, "{}".into());
    outbox.inbox_page(Some((after + 1..=after + 256).map(|offset| (offset, Arc::from("{}")))), true);
    // What is read ahead is asked for before there is credit for it, and there is no more than that.
    let wanted = Wanted { after: after + 256, limit: 1_001 - 768, is_last: true };
    assert_eq!(outbox.poll_page(&cx()), Poll::Ready(Page::Inbox { aspect: wren(), wanted }));
    outbox.ack(after).unwrap();
    assert_eq!(offsets(take(&outbox)), (after + 1..=after + 256).collect::<Vec<_>>());
}

#[test]
fn a_slow_subscriber_goes_back_to_the_log() {
    let outbox = Outbox::default();
    outbox.follow(Some(request(1)), refusal(), None, Follow::new(LogFilter::default(), 0, 0));
    assert!(outbox.stream(block(BYTES_MAX)));
    outbox.logged(&Arc::new(LogLine::new(entry(1))));
    assert!(outbox.poll_page(&cx()).is_pending(), "no page while there is no room for it");
    let frames = take(&outbox);
    assert!(
        matches!(frames[..], [Out::Answer { .. }, Out::Stream(_)]),
        "the answer first, and no entry: {frames:?}"
    );
    assert!(take(&outbox).is_empty());
    assert_eq!(
        outbox.poll_page(&cx()),
        Poll::Ready(Page::Log { filter: LogFilter::default(), after: 0, limit: 256 })
    );
    outbox.logged(&Arc::new(LogLine::new(entry(2))));
    outbox.log_page(Some((Stretch { found: vec![entry(1), entry(2)], next: None }, 0)));
    outbox.logged(&Arc::new(LogLine::new(entry(3))));
    let seqs: Vec<u64> = take(&outbox)
        .iter()
        .map(|out| match out {
            Out::Log(line) => line.entry().seq,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(seqs, [1, 2, 3]);
}

#[test]
fn roster_changes_are_kept_once_each_and_the_close_comes_last() {
    let outbox = Outbox::default();
    outbox.close(4001, "displaced");
    outbox.close(1001, "later reasons do not count");
    outbox.owe();
    outbox.answer(request(1), refusal());
    assert!(outbox.poll_closing(&cx()).is_ready());
    assert!(!outbox.stream(block(1)), "nothing new for a link that is being closed");
    outbox.roster_changed(wren());
    outbox.roster_changed(wren());
    assert_eq!(take(&outbox).len(), 1);
    let mut frames = VecDeque::new();
    let Poll::Ready(Work::Roster(names)) = outbox.poll_take(&cx(), &mut frames) else { panic!() };
    assert_eq!(names.len(), 1);
    let Poll::Ready(Work::Close(close)) = outbox.poll_take(&cx(), &mut frames) else { panic!() };
    assert_eq!(close, Close { code: 4001, reason: "displaced".into() });
}

#[test]
fn who_has_left_takes_nothing_and_hands_the_seat_over() {
    let outbox = Outbox::default();
    let seat = Seat { aspect: wren(), generation: 3 };
    assert_eq!(outbox.seat(seat.clone()), Ok(()));
    assert_eq!(outbox.generation(), Some(3));
    assert_eq!(outbox.leave(), Some(seat.clone()));
    assert_eq!(outbox.seat(seat), Err(Gone));
    outbox.answer(request(1), refusal());
    outbox.attach(wren(), 0, 10);
    outbox.push(11, "{}".into());
    assert_eq!((take(&outbox).len(), outbox.standing()), (0, None));
    assert!(outbox.poll_page(&cx()).is_pending());
}

#[test]
fn of_many_pings_the_last_is_answered_and_before_anything_else() {
    let outbox = Outbox::default();
    outbox.ping();
    for payload in [b"a", b"b", b"c"] {
        outbox.pong(payload);
    }
    let taken = take(&outbox);
    assert!(matches!(&taken[..], [Out::Pong(payload), Out::Ping] if **payload == *b"c"), "{taken:?}");
}

#[test]
fn a_farewell_waits_for_what_is_owed_and_for_nothing_else() {
    let outbox = Outbox::default();
    let mut frames = VecDeque::new();
    let cx = cx();
    outbox.owe();
    outbox.farewell("bye".into(), 1001, "stopping");
    assert!(matches!(outbox.poll_take(&cx, &mut frames), Poll::Ready(Work::Frames)));
    assert!(matches!(frames.pop_front(), Some(Out::Shutdown(text)) if &*text == "bye"));
    assert!(outbox.poll_take(&cx, &mut frames).is_pending(), "an answer is owed");
    assert!(!outbox.stream(crate::framing::Block::default()), "nothing else is sent any more");
    outbox.answer(request(1), refusal());
    assert!(matches!(outbox.poll_take(&cx, &mut frames), Poll::Ready(Work::Frames)));
    frames.clear();
    assert!(
        matches!(outbox.poll_take(&cx, &mut frames), Poll::Ready(Work::Close(close)) if close.code == 1001)
    );
}
