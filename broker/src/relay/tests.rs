#![expect(clippy::wildcard_enum_match_arm, reason = "a test names the one variant it expects")]

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use nexus_wire::Party;
use nexus_wire::envelope::{Envelope, decode, encode};
use nexus_wire::observe::{ObserveEnd, ObserveEvent, TurnEvent};
use nexus_wire::{ToBroker, inbox::Decision};
use uuid::Uuid;

use super::*;
use crate::deliver::outbox::{Out, Work};
use crate::identity::{Identity, Role};

fn peer(number: u128) -> Arc<Peer> {
    let party: Party = "operator/ana".parse().unwrap();
    let identity = Identity { party, role: Role::Operator, key_generation: 0 };
    Arc::new(Peer::new(LinkId(Uuid::from_u128(number)), identity))
}

fn received(peer: &Peer) -> Vec<Observed> {
    let mut frames = VecDeque::new();
    let cx = Context::from_waker(Waker::noop());
    match peer.outbox.poll_take(&cx, &mut frames) {
        Poll::Ready(Work::Frames) => {}
        other => panic!("{other:?}"),
    }
    let texts = frames.into_iter().flat_map(|out| match out {
        Out::Stream(block) => block.texts().map(str::to_owned).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    });
    texts
        .map(|text| match decode::<FromBroker>(&text).unwrap().frame {
            FromBroker::Observe(observed) => observed,
            other => panic!("{other:?}"),
        })
        .collect()
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
    Port::new(Arc::clone(relay), "wren".parse().unwrap())
}

#[test]
fn a_watcher_of_a_thread_sees_that_thread_alone() {
    let relay = Arc::new(Relay::default());
    let (all, one) = (peer(1), peer(2));
    let thread = Some(ThreadId(Uuid::from_u128(9)));
    relay.watch(&all, None);
    relay.watch(&one, thread);
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
    assert_eq!(turns(&received(&all)), [turn(1), turn(2), turn(1), turn(2), turn(1)]);
    let seen = received(&one);
    assert_eq!(turns(&seen), [turn(1); 3]);
    assert!(seen.iter().all(|it| it.thread == thread && it.aspect.as_str() == "wren"));
    relay.unwatch(one.link);
    port.stream(begin(3, thread));
    port.release();
    assert_eq!(received(&all).len(), 1);
    assert!(one.outbox.poll_take(&Context::from_waker(Waker::noop()), &mut VecDeque::new()).is_pending());
}

#[test]
fn what_is_dropped_for_a_slow_watcher_shows_in_the_numbers_and_costs_others_nothing() {
    const EVENTS: u64 = 5_000;
    let relay = Arc::new(Relay::default());
    let (slow, fast) = (peer(1), peer(2));
    relay.watch(&slow, None);
    relay.watch(&fast, None);
    let mut port = port(&relay);
    let mut seen_fast = Vec::new();
    for n in 0..EVENTS {
        assert!(port.pass(&event(1, n)));
        port.release();
        seen_fast.extend(received(&fast));
    }
    let numbers = |seen: Vec<Observed>| -> Vec<u64> {
        seen.into_iter()
            .map(|it| match it.what {
                ObservedWhat::Event(event) => event.n,
                other => panic!("{other:?}"),
            })
            .collect()
    };
    assert_eq!(numbers(seen_fast), (0..EVENTS).collect::<Vec<_>>());
    let first = received(&slow);
    let kept = first.len() as u64;
    assert!(kept < EVENTS);
    assert_eq!(relay.dropped(), EVENTS - kept);
    // What was taken counts until it is written; then there is room again, and the gap is visible.
    assert!(slow.outbox.poll_take(&Context::from_waker(Waker::noop()), &mut VecDeque::new()).is_pending());
    assert!(port.pass(&event(1, EVENTS)));
    port.release();
    let mut seen = numbers(first);
    seen.extend(numbers(received(&slow)));
    let expected: Vec<u64> = (0..kept).chain([EVENTS]).collect();
    assert_eq!(seen, expected);
}

#[test]
fn what_comes_together_goes_together_to_those_who_watched_then() {
    let relay = Arc::new(Relay::default());
    let (early, late) = (peer(1), peer(2));
    relay.watch(&early, None);
    let mut port = port(&relay);
    for n in 0..10 {
        assert!(port.pass(&event(1, n)));
    }
    relay.watch(&late, None);
    assert!(port.pass(&event(1, 10)));
    port.release();
    port.release();
    let mut frames = VecDeque::new();
    let _ = early.outbox.poll_take(&Context::from_waker(Waker::noop()), &mut frames);
    let counts: Vec<u64> = frames
        .iter()
        .map(|out| match out {
            Out::Stream(block) => block.count(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!((counts, received(&late).len()), (vec![10, 1], 1));
}
