#![expect(clippy::wildcard_enum_match_arm, reason = "a test names the one variant it expects")]

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use nexus_wire::envelope::{Envelope, decode, encode};
use nexus_wire::limits::OBSERVE_KEPT;
use nexus_wire::observe::{Doing, ObserveBegin, ObserveEnd, ObserveEvent, Observed, ObservedWhat, TurnEvent};
use nexus_wire::{FromBroker, Party, ToBroker, TurnId, inbox::Decision};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::admit::Streamed;
use crate::deliver::outbox::{Out, Page, Work};
use crate::identity::{Identity, Role};

const BASE: u64 = 1_000;

fn relay() -> Arc<Relay> {
    Arc::new(Relay::new(BASE, None))
}

fn peer(number: u128) -> Arc<Peer> {
    let party: Party = "operator/ana".parse().unwrap();
    let identity = Identity { party, role: Role::Operator, key_generation: 0 };
    Arc::new(Peer::new(LinkId(Uuid::from_u128(number)), identity))
}

fn name(text: &str) -> AspectName {
    text.parse().unwrap()
}

/// What a watcher is sent.
#[derive(Debug)]
enum Seen {
    Frame(Observed),
    Gap(ObserveGap),
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// What a link that reads everything is sent now.
fn taken(peer: &Peer) -> Vec<Seen> {
    let mut frames = VecDeque::new();
    match peer.outbox.poll_take(&cx(), &mut frames) {
        Poll::Ready(Work::Frames) => {}
        Poll::Pending => return Vec::new(),
        other => panic!("{other:?}"),
    }
    let mut seen = Vec::new();
    for out in frames {
        match out {
            Out::Stream(block) => {
                seen.extend(block.texts().map(|text| match decode::<FromBroker>(text).unwrap().frame {
                    FromBroker::Observe(observed) => Seen::Frame(observed),
                    other => panic!("{other:?}"),
                }));
            }
            Out::ObserveGap(gap) => seen.push(Seen::Gap(*gap)),
            other => panic!("{other:?}"),
        }
    }
    seen
}

/// As a link's task does: pages are fetched while there is room.
fn fetch(relay: &Relay, peer: &Peer) {
    while let Poll::Ready(page) = peer.outbox.poll_page(&cx()) {
        match page {
            Page::Observe { aspect, after } => relay.catch_up(peer.link, &aspect, after),
            other => panic!("{other:?}"),
        }
    }
}

/// Reads until nothing more comes.
fn read(relay: &Relay, peer: &Peer) -> Vec<Seen> {
    let mut all = Vec::new();
    loop {
        fetch(relay, peer);
        let seen = taken(peer);
        if seen.is_empty() {
            // Once more, to say that what was taken is written.
            fetch(relay, peer);
            let more = taken(peer);
            if more.is_empty() {
                return all;
            }
            all.extend(more);
        }
        all.extend(seen);
    }
}

fn received(relay: &Relay, peer: &Peer) -> Vec<Observed> {
    let frame = |seen| match seen {
        Seen::Frame(observed) => observed,
        Seen::Gap(gap) => panic!("{gap:?}"),
    };
    read(relay, peer).into_iter().map(frame).collect()
}

fn seqs(frames: &[Observed]) -> Vec<u64> {
    frames.iter().map(|it| it.seq - BASE).collect()
}

fn turn(number: u128) -> TurnId {
    TurnId(Uuid::from_u128(number))
}

fn begin(number: u128, thread: Option<ThreadId>) -> Streamed {
    Streamed::Begin(ObserveBegin { turn: turn(number), thread, message: None, dispatch: None })
}

fn event(number: u128, n: u64) -> String {
    let event = ObserveEvent { turn: turn(number), n, event: TurnEvent::Text { text: "x".into() } };
    encode(&Envelope::default(), &ToBroker::ObserveEvent(event))
}

fn port(relay: &Arc<Relay>) -> Port {
    Port::new(Arc::clone(relay), &name("wren"), 1)
}

fn say(port: &mut Port, frames: std::ops::Range<u64>) {
    for n in frames {
        assert!(port.pass(&event(1, n)));
        port.release();
    }
}

/// From now on.
fn watch(relay: &Relay, peer: &Arc<Peer>, thread: Option<ThreadId>) {
    relay.watch(peer, thread, &Starts { from: None, marks: relay.marks() });
}

fn watch_from(relay: &Relay, peer: &Arc<Peer>, from: &[(&str, u64)]) {
    let from = Some(from.iter().map(|(aspect, seq)| (name(aspect), *seq)).collect());
    relay.watch(peer, None, &Starts { from, marks: relay.marks() });
}

#[test]
fn a_watcher_of_a_thread_sees_that_thread_alone() {
    let relay = relay();
    let (all, one) = (peer(1), peer(2));
    let thread = Some(ThreadId(Uuid::from_u128(9)));
    watch(&relay, &all, None);
    watch(&relay, &one, thread);
    let mut port = port(&relay);
    port.stream(begin(1, thread));
    port.stream(begin(2, None));
    assert!(port.pass(&event(1, 0)));
    assert!(port.pass(&event(2, 0)));
    assert_eq!(port.open_turns(), 2);
    port.stream(Streamed::End(ObserveEnd {
        turn: turn(1),
        n: 1,
        decision: Decision::Silent,
        usage: Default::default(),
        cost_microusd: None,
    }));
    assert_eq!(port.open_turns(), 1);
    port.release();
    let turns = |seen: &[Observed]| seen.iter().map(|it| it.turn).collect::<Vec<_>>();
    let seen = received(&relay, &all);
    assert_eq!(turns(&seen), [turn(1), turn(2), turn(1), turn(2), turn(1)]);
    assert_eq!(seqs(&seen), [1, 2, 3, 4, 5]);
    let seen = received(&relay, &one);
    assert_eq!((turns(&seen), seqs(&seen)), (vec![turn(1); 3], vec![1, 3, 5]));
    assert!(seen.iter().all(|it| it.thread == thread && it.aspect.as_str() == "wren"));
    relay.unwatch(&one);
    port.stream(begin(3, thread));
    port.release();
    assert_eq!((received(&relay, &all).len(), received(&relay, &one).len()), (1, 0));
    let again = peer(3);
    relay.watch(
        &again,
        thread,
        &Starts { from: Some([(name("wren"), BASE + 1)].into()), marks: relay.marks() },
    );
    assert_eq!(seqs(&received(&relay, &again)), [3, 5, 6], "what is replayed is of that thread, too");
}

#[test]
fn a_slow_watcher_costs_others_nothing_and_is_given_what_is_kept_and_told_of_the_rest() {
    const EVENTS: u64 = 5_000;
    let relay = relay();
    let (slow, fast) = (peer(1), peer(2));
    watch(&relay, &slow, None);
    watch(&relay, &fast, None);
    let mut port = port(&relay);
    let mut seen_fast = Vec::new();
    for n in 0..EVENTS {
        say(&mut port, n..n + 1);
        seen_fast.extend(taken(&fast));
    }
    assert_eq!(seen_fast.len() as u64, EVENTS);
    let mut seen = read(&relay, &slow).into_iter();
    let kept: Vec<u64> = seen
        .by_ref()
        .map_while(|it| match it {
            Seen::Frame(observed) => Some(observed.seq - BASE),
            Seen::Gap(gap) => {
                assert_eq!(gap.to, BASE + EVENTS - OBSERVE_KEPT);
                assert_eq!(relay.dropped(), gap.to - gap.from + 1);
                None
            }
        })
        .collect();
    assert_eq!(kept, (1..=kept.len() as u64).collect::<Vec<_>>());
    let rest: Vec<u64> = seen
        .map(|it| match it {
            Seen::Frame(observed) => observed.seq - BASE,
            Seen::Gap(gap) => panic!("{gap:?}"),
        })
        .collect();
    assert_eq!(rest, (EVENTS - OBSERVE_KEPT + 1..=EVENTS).collect::<Vec<_>>());
    assert!(kept.len() as u64 + OBSERVE_KEPT < EVENTS);
    say(&mut port, EVENTS..EVENTS + 1);
    assert_eq!(seqs(&received(&relay, &slow)), [EVENTS + 1], "and then it is live again");
}

#[test]
fn what_comes_together_goes_together_and_whoever_begins_within_it_misses_nothing() {
    let relay = relay();
    let (early, late) = (peer(1), peer(2));
    watch(&relay, &early, None);
    let mut port = port(&relay);
    for n in 0..10 {
        assert!(port.pass(&event(1, n)));
    }
    watch(&relay, &late, None);
    assert!(port.pass(&event(1, 10)));
    port.release();
    port.release();
    let mut frames = VecDeque::new();
    let _ = early.outbox.poll_take(&cx(), &mut frames);
    let counts: Vec<u64> = frames
        .iter()
        .map(|out| match out {
            Out::Stream(block) => block.count(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!((counts, received(&relay, &late).len()), (vec![11], 11));
}

#[test]
fn whoever_goes_on_gets_what_came_after_and_is_told_what_is_not_there() {
    let relay = relay();
    let mut port = port(&relay);
    say(&mut port, 0..4);
    // In the middle of a block.
    (4..8).for_each(|n| assert!(port.pass(&event(1, n))));
    port.release();
    let goes_on = peer(1);
    watch_from(&relay, &goes_on, &[("wren", BASE + 5)]);
    assert_eq!(seqs(&received(&relay, &goes_on)), [6, 7, 8]);
    let at_the_end = peer(2);
    watch_from(&relay, &at_the_end, &[("wren", BASE + 8)]);
    assert_eq!(read(&relay, &at_the_end).len(), 0);
    let knows_others = peer(3);
    watch_from(&relay, &knows_others, &[("forge", BASE)]);
    assert_eq!(seqs(&received(&relay, &knows_others)), [1, 2, 3, 4, 5, 6, 7, 8]);
    let from_before = peer(4);
    watch_from(&relay, &from_before, &[("forge", 7), ("wren", 7)]);
    let seen = read(&relay, &from_before);
    let gaps: Vec<_> = seen
        .iter()
        .filter_map(|it| match it {
            Seen::Gap(gap) => Some((gap.aspect.as_str(), gap.from, gap.to)),
            Seen::Frame(_) => None,
        })
        .collect();
    assert_eq!(gaps, [("forge", 8, BASE), ("wren", 8, BASE)]);
    assert_eq!((seen.len(), relay.dropped()), (10, 0), "and what is kept after it");
    let from_nowhere = peer(5);
    watch_from(&relay, &from_nowhere, &[("forge", BASE + 1), ("wren", BASE + 99)]);
    let seen = read(&relay, &from_nowhere);
    let [Seen::Gap(wren), Seen::Gap(forge)] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!((wren.from, wren.to), (BASE + 9, BASE + 99));
    assert_eq!((forge.from, forge.to), (BASE + 1, BASE + 1));
    assert!(wren.reason.contains("another history"), "{}", wren.reason);
}

#[test]
fn a_later_link_takes_the_numbers_over() {
    let relay = relay();
    let all = peer(1);
    watch(&relay, &all, None);
    let mut old = Port::new(Arc::clone(&relay), &name("wren"), 1);
    say(&mut old, 0..2);
    assert!(old.pass(&event(1, 2)));
    let mut new = Port::new(Arc::clone(&relay), &name("wren"), 2);
    say(&mut new, 3..5);
    old.release();
    say(&mut Port::new(Arc::clone(&relay), &name("wren"), 1), 6..7);
    say(&mut new, 5..6);
    let seen = received(&relay, &all);
    let numbers: Vec<_> = seen
        .iter()
        .map(|it| match &it.what {
            ObservedWhat::Event(event) => (it.seq - BASE, event.n),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(numbers, [(1, 0), (2, 1), (3, 3), (4, 4), (5, 5)]);
}

#[test]
fn what_streams_shows_what_the_aspect_does() {
    let relay = relay();
    let mut port = port(&relay);
    let thread = Some(ThreadId(Uuid::from_u128(9)));
    let mut seen = Vec::new();
    let mut note = |port: &mut Port| {
        seen.push(port.news().map(|it| (it.doing, it.tool.clone(), it.turn, it.thread)));
    };
    port.stream(begin(1, thread));
    note(&mut port);
    for n in 0..2 {
        assert!(port.pass(&event(1, n)));
        note(&mut port);
    }
    let call = TurnEvent::ToolCall { call: "1".into(), name: "read_file".into(), input: 1.into() };
    port.stream(Streamed::Event(ObserveEvent { turn: turn(1), n: 2, event: call }));
    note(&mut port);
    port.stream(Streamed::End(ObserveEnd {
        turn: turn(1),
        n: 3,
        decision: Decision::Silent,
        usage: Default::default(),
        cost_microusd: None,
    }));
    note(&mut port);
    let it = |doing, tool: Option<&str>| Some((doing, tool.map(str::to_owned), Some(turn(1)), thread));
    let expected = [
        it(Doing::Waiting, None),
        it(Doing::Writing, None),
        None,
        it(Doing::Tool, Some("read_file")),
        Some((Doing::Idle, None, None, None)),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn what_is_kept_is_bounded_in_bytes() {
    let relay = relay();
    let mut port = port(&relay);
    let large = "x".repeat(60_000);
    for n in 0..50 {
        let event = ObserveEvent { turn: turn(1), n, event: TurnEvent::Text { text: large.clone() } };
        assert!(port.pass(&encode(&Envelope::default(), &ToBroker::ObserveEvent(event))));
        port.release();
    }
    let late = peer(1);
    watch_from(&relay, &late, &[("wren", BASE + 1)]);
    let seen = read(&relay, &late);
    let Some(Seen::Gap(gap)) = seen.first() else { panic!("{seen:?}") };
    assert_eq!((gap.from, seen.len() as u64), (BASE + 2, BASE + 50 - gap.to + 1));
    assert!((5..10).contains(&seen.len()), "{}", seen.len());
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases / 4,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]
    /// However slowly somebody reads, and however often they begin anew where they were: each frame once, in order,
    /// or told of as missing.
    #[test]
    fn every_frame_once_or_in_a_gap(ops in proptest::collection::vec((0_u8..6, 1_u64..400), 1..60)) {
        let relay = relay();
        let mut port = port(&relay);
        let mut reader = peer(1);
        watch(&relay, &reader, None);
        let (mut said, mut reached, mut frames, mut gaps) = (0, BASE, 0, 0);
        let mut note = |seen: Vec<Seen>, reached: &mut u64| {
            for it in seen {
                match it {
                    Seen::Frame(observed) => {
                        assert_eq!(observed.seq, *reached + 1);
                        *reached += 1;
                        frames += 1;
                    }
                    Seen::Gap(gap) => {
                        assert_eq!(gap.from, *reached + 1);
                        gaps += gap.to - *reached;
                        *reached = gap.to;
                    }
                }
            }
        };
        for (number, (op, count)) in ops.into_iter().enumerate() {
            match op {
                0 | 1 => {
                    say(&mut port, said..said + count);
                    said += count;
                }
                2 => {
                    (said..said + count).for_each(|n| assert!(port.pass(&event(1, n))));
                    port.release();
                    said += count;
                }
                3 => fetch(&relay, &reader),
                4 => note(taken(&reader), &mut reached),
                _ => {
                    relay.unwatch(&reader);
                    reader = peer(number as u128 + 2);
                    watch_from(&relay, &reader, &[("wren", reached)]);
                }
            }
        }
        note(read(&relay, &reader), &mut reached);
        prop_assert_eq!(reached, BASE + said);
        prop_assert_eq!(frames + gaps, said);
    }
}
