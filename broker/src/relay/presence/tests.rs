use nexus_wire::roster::{AspectRole, ContextMode};
use nexus_wire::{LinkId, Party};
use uuid::Uuid;

use super::*;
use crate::deliver::outbox::Seat;
use crate::identity::{Identity, Role};

fn wren() -> AspectName {
    "wren".parse().unwrap()
}

fn info(state: AspectState, generation: u64) -> AspectInfo {
    AspectInfo {
        name: wren(),
        role: AspectRole::Worker,
        state,
        since: 5,
        last_progress: None,
        model: String::new(),
        provider: String::new(),
        context_mode: ContextMode::Thread,
        capabilities: Vec::new(),
        hands: Vec::new(),
        slots: 1,
        watches: Vec::new(),
        generation,
        backlog: 0,
        restraint: None,
        activity: None,
        process: None,
    }
}

fn peer(generation: u64) -> Arc<Peer> {
    let identity = Identity { party: Party::Aspect(wren()), role: Role::Aspect, key_generation: 1 };
    let peer = Peer::new(LinkId(Uuid::from_u128(u128::from(generation))), identity);
    peer.outbox.seat(Seat { aspect: wren(), generation }).unwrap();
    Arc::new(peer)
}

fn of(patience: Patience) -> Presence {
    Presence::new(patience, Clock::by_hand(0).0)
}

fn state(presence: &Presence) -> (AspectState, Ms) {
    presence.info(&wren()).map(|it| (it.state, it.since)).unwrap()
}

#[test]
fn a_turn_makes_busy_silence_makes_stalled_and_a_token_busy_again() {
    let presence = of(Patience::default());
    let peer = peer(1);
    presence.changed(info(AspectState::Online, 1), Some(Arc::clone(&peer)));
    assert_eq!(state(&presence), (AspectState::Online, 5));
    peer.pulse.set_turns(1);
    peer.pulse.progress(1_000);
    presence.refresh(&wren(), 1_000);
    assert_eq!(state(&presence), (AspectState::Busy, 1_000));
    presence.changed(info(AspectState::Online, 1), Some(Arc::clone(&peer)));
    assert_eq!(state(&presence), (AspectState::Busy, 1_000), "a change of something else");
    presence.sweep(60_999);
    assert_eq!(state(&presence), (AspectState::Busy, 1_000));
    let told = |state| vec![Trouble { aspect: wren(), link: peer.link, state }];
    assert_eq!(presence.sweep(61_000), told(AspectState::Stalled));
    assert_eq!(state(&presence), (AspectState::Stalled, 61_000));
    assert_eq!(presence.sweep(62_000), [], "the hub is told once");
    peer.pulse.progress(70_000);
    assert_eq!(presence.sweep(70_100), told(AspectState::Busy));
    assert_eq!(state(&presence), (AspectState::Busy, 70_100));
    // Of a look that comes late, two things are told one after the other.
    assert_eq!(presence.sweep(140_000), told(AspectState::Stalled));
    peer.pulse.progress(150_000);
    assert_eq!(presence.sweep(300_000), told(AspectState::Busy));
    assert_eq!(presence.sweep(300_001), told(AspectState::Stalled));
    peer.pulse.progress(300_002);
    assert_eq!(presence.sweep(300_003), told(AspectState::Busy));
    // The same where the first of the two was seen in between.
    assert_eq!(presence.sweep(400_000), told(AspectState::Stalled));
    peer.pulse.progress(400_100);
    presence.refresh(&wren(), 400_100);
    assert_eq!(presence.sweep(500_000), told(AspectState::Busy));
    assert_eq!(presence.sweep(500_001), told(AspectState::Stalled));
    peer.pulse.progress(500_002);
    assert_eq!(presence.sweep(500_003), told(AspectState::Busy));
    peer.pulse.set_turns(0);
    presence.refresh(&wren(), 501_000);
    assert_eq!(state(&presence), (AspectState::Online, 501_000));
    presence.changed(info(AspectState::Offline, 1), None);
    let shown = presence.info(&wren()).unwrap();
    assert_eq!((shown.state, shown.last_progress), (AspectState::Offline, Some(500_002)));
}

#[test]
fn what_an_aspect_does_is_told_now_and_then_and_the_last_of_it_always() {
    use nexus_wire::observe::Doing;
    let presence = of(Patience::default());
    let (peer, watcher, other) = (peer(1), peer(2), peer(3));
    presence.changed(info(AspectState::Online, 1), Some(Arc::clone(&peer)));
    presence.follow(&watcher, false, true);
    presence.follow(&other, true, false);
    let told = |peer: &Peer| {
        let mut frames = Default::default();
        let cx = std::task::Context::from_waker(std::task::Waker::noop());
        match peer.outbox.poll_take(&cx, &mut frames) {
            std::task::Poll::Ready(crate::deliver::outbox::Work::Active(names)) => Some(names.len()),
            std::task::Poll::Ready(_) | std::task::Poll::Pending => None,
        }
    };
    let does = |doing, now| {
        peer.pulse.set_activity(&Activity { doing, ..Activity::default() }, now);
        presence.refresh(&wren(), now);
    };
    does(Doing::Thinking, 1_000);
    assert_eq!((told(&watcher), told(&other)), (Some(1), None));
    for (now, doing) in [(1_050, Doing::Writing), (1_100, Doing::Tool), (1_199, Doing::Waiting)] {
        does(doing, now);
        assert_eq!(told(&watcher), None, "{now}");
    }
    peer.pulse.set_work(2, 1, 1_300);
    presence.sweep(1_900);
    assert_eq!(told(&watcher), Some(1));
    presence.sweep(2_900);
    assert_eq!(told(&watcher), None, "it is no news any more");
    let expected =
        Activity { doing: Doing::Waiting, dispatches: 2, approvals: 1, since: 1_199, ..Activity::default() };
    assert_eq!(presence.activity(&wren()), Some((wren(), expected.clone())));
    assert_eq!(presence.info(&wren()).unwrap().activity, Some(expected));
    presence.changed(info(AspectState::Offline, 1), None);
    assert_eq!((presence.activity(&wren()), presence.info(&wren()).unwrap().activity), (None, None));
}

#[test]
fn items_that_are_never_acknowledged_make_deaf() {
    let presence = of(Patience::default());
    let peer = peer(1);
    peer.outbox.attach(wren(), 0, 0);
    presence.changed(info(AspectState::Online, 1), Some(Arc::clone(&peer)));
    for offset in 1..=3 {
        peer.outbox.push(offset, "{}".into());
    }
    presence.sweep(1_000);
    peer.outbox.ack(1).unwrap();
    presence.sweep(50_000);
    presence.sweep(109_999);
    assert_eq!(state(&presence).0, AspectState::Online);
    let told = |state| vec![Trouble { aspect: wren(), link: peer.link, state }];
    assert_eq!(presence.sweep(110_000), told(AspectState::Deaf));
    assert_eq!(state(&presence), (AspectState::Deaf, 110_000));
    assert_eq!(presence.info(&wren()).unwrap().backlog, 2);
    peer.outbox.ack(3).unwrap();
    assert_eq!(presence.sweep(111_000), told(AspectState::Online));
    assert_eq!(state(&presence), (AspectState::Online, 111_000));
}

#[test]
fn a_sleep_of_the_machine_is_no_silence_and_ends_none() {
    let (clock, machine) = Clock::by_hand(0);
    let presence = Presence::new(Patience::default(), clock.clone());
    let (stalled, fine) = (peer(1), peer(2));
    let keel: AspectName = "keel".parse().unwrap();
    presence.changed(info(AspectState::Online, 1), Some(Arc::clone(&stalled)));
    presence
        .changed(AspectInfo { name: keel.clone(), ..info(AspectState::Online, 1) }, Some(Arc::clone(&fine)));
    let state_of = |name: &AspectName| presence.info(name).map(|it| (it.state, it.since)).unwrap();
    for (peer, at) in [(&stalled, 1_000), (&fine, 50_000)] {
        peer.pulse.set_turns(1);
        peer.pulse.progress(at);
    }
    fine.outbox.attach(keel.clone(), 0, 0);
    fine.outbox.push(1, "{}".into());
    let told = |aspect, peer: &Peer, state| vec![Trouble { aspect, link: peer.link, state }];
    assert_eq!(presence.sweep(61_000), told(wren(), &stalled, AspectState::Stalled));
    assert_eq!(state_of(&keel), (AspectState::Busy, 61_000));

    machine.suspend(3_600_000);
    assert_eq!(clock.now(), 3_600_000);
    assert_eq!(presence.sweep(3_600_500), []);
    assert_eq!(state_of(&wren()), (AspectState::Stalled, 61_000), "it was silent before");
    assert_eq!(state_of(&keel), (AspectState::Busy, 61_000));
    assert_eq!(presence.sweep(3_659_999), []);
    assert_eq!(presence.sweep(3_660_000), told(keel, &fine, AspectState::Deaf), "silent since it woke");
}

#[test]
fn work_for_a_hand_makes_busy_and_never_stalls_without_a_turn() {
    let presence = of(Patience { stalled_ms: 10, deaf_ms: 10 });
    let peer = peer(1);
    presence.changed(info(AspectState::Online, 1), Some(Arc::clone(&peer)));
    assert!(peer.pulse.set_work(2, 0, 0));
    presence.refresh(&wren(), 1_000);
    assert_eq!(state(&presence), (AspectState::Busy, 1_000));
    assert!(!peer.pulse.set_work(2, 0, 0), "no news");
    assert_eq!(presence.sweep(9_000), []);
    assert_eq!(state(&presence), (AspectState::Busy, 1_000));
    assert!(peer.pulse.set_work(0, 0, 0));
    presence.refresh(&wren(), 9_500);
    assert_eq!(state(&presence), (AspectState::Online, 9_500));
}

#[test]
fn whoever_waits_for_people_does_not_stall() {
    let presence = of(Patience { stalled_ms: 10, deaf_ms: 10 });
    let peer = peer(1);
    presence.changed(info(AspectState::Online, 1), Some(Arc::clone(&peer)));
    peer.pulse.set_turns(1);
    peer.pulse.progress(1_000);
    assert!(peer.pulse.set_work(0, 1, 1_001));
    assert_eq!(presence.sweep(9_000), []);
    assert_eq!(state(&presence).0, AspectState::Busy);
    assert!(peer.pulse.set_work(0, 0, 9_001));
    assert_eq!(presence.sweep(9_010), [], "it goes on from the answer");
    assert_eq!(presence.sweep(9_011).len(), 1);
}

#[test]
fn while_nothing_is_to_be_spent_no_turn_stalls_and_none_does_at_once_afterwards() {
    let presence = of(Patience::default());
    let peer = peer(1);
    presence.changed(info(AspectState::Online, 1), Some(Arc::clone(&peer)));
    peer.pulse.set_turns(1);
    peer.pulse.progress(1_000);
    presence.set_stopped(true, 2_000);
    assert_eq!(presence.sweep(10_000_000), []);
    presence.set_stopped(false, 10_000_000);
    assert_eq!(presence.sweep(10_059_999), []);
    let told = vec![Trouble { aspect: wren(), link: peer.link, state: AspectState::Stalled }];
    assert_eq!(presence.sweep(10_060_000), told);
}

#[test]
fn a_link_that_is_replaced_takes_its_trouble_along() {
    let presence = of(Patience { stalled_ms: 10, deaf_ms: 10 });
    let first = peer(1);
    first.pulse.set_turns(1);
    presence.changed(info(AspectState::Online, 1), Some(Arc::clone(&first)));
    assert_eq!(presence.sweep(1_000).len(), 1);
    let second = peer(2);
    presence.changed(info(AspectState::Online, 2), Some(Arc::clone(&second)));
    assert_eq!(presence.sweep(1_001), [], "nothing is known of the new one");
    second.pulse.set_turns(1);
    let told = Trouble { aspect: wren(), link: second.link, state: AspectState::Stalled };
    assert_eq!(presence.sweep(1_002), [told]);
}

#[test]
fn the_overlay_never_revives_who_is_offline() {
    let presence = of(Patience::default());
    let peer = peer(1);
    peer.pulse.set_turns(1);
    peer.pulse.progress(7);
    presence.changed(info(AspectState::Online, 1), Some(peer));
    presence.refresh(&wren(), 8);
    let mut team =
        [info(AspectState::Offline, 1), info(AspectState::Online, 1), info(AspectState::Online, 2)];
    presence.overlay(&mut team);
    let states: Vec<AspectState> = team.iter().map(|it| it.state).collect();
    assert_eq!(states, [AspectState::Offline, AspectState::Busy, AspectState::Online]);
    assert!(team.iter().all(|it| it.last_progress == Some(7)));
}
