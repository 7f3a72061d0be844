//! Leases, attempts, `unreachable`, timeouts, deadlines and restarts, sentence by sentence.

use nexus_wire::Ms;
use nexus_wire::hands::{DispatchState, Lease};

use super::super::{Clock, Clocks, Event, Queue, RestoreError, StaleToken, Verdict};
use super::harness::{Ask, Harness, LEASE, aspect, config, offer};

fn one_slot() -> Harness {
    Harness::new(3).live("wren", 1, &[("read", 1)])
}

fn roomy() -> Harness {
    Harness::new(3).live("wren", 9, &[("read", 9)]).live("forge", 9, &[("draw", 9)])
}

#[test]
fn a_renewed_lease_does_not_expire() {
    let mut it = one_slot();
    let id = it.give(Ask::root("keel", "wren/read"));
    for _ in 0..20 {
        it.pass(29_999);
        assert_eq!(it.renew("wren", &[it.lease(id)]), []);
    }
    assert_eq!(it.state(id), Some(DispatchState::Running));
}

#[test]
fn an_expired_idempotent_dispatch_gets_three_attempts() {
    let mut it = one_slot();
    let id = it.give(Ask::root("keel", "wren/read").idempotent());
    for attempt in 1..=2 {
        let old = it.lease(id);
        assert_eq!(old.attempt, attempt);
        it.pass(30_000);
        assert_eq!(it.lease(id).attempt, attempt + 1);
        assert!(matches!(&it.events[..], [Event::CancelWork { .. }, Event::Assigned { .. }]));
        assert_eq!(it.result(old, Verdict::Done), Err(StaleToken(old)), "a stale token's result is refused");
        assert_eq!(it.renew("wren", &[old]), [old]);
    }
    it.pass(30_000);
    assert_eq!(it.ended(id), Some(DispatchState::Failed));
}

#[test]
fn the_children_of_an_old_attempt_are_cancelled_before_the_next_begins() {
    let mut it = roomy();
    let parent = it.give(Ask::root("keel", "wren/read").idempotent());
    let child = it.give(Ask::child(it.lease(parent), "wren", "forge/draw"));
    it.wait(it.lease(parent), &[child]).unwrap();
    it.pass(29_000);
    it.renew("forge", &[it.lease(child)]);
    it.pass(1_000);
    let order: Vec<_> = it
        .events
        .iter()
        .map(|event| match event {
            Event::Ended { id, .. } => ("ended", *id),
            Event::CancelWork { lease, .. } => ("stop", lease.dispatch),
            Event::Assigned { lease, .. } => ("assigned", lease.dispatch),
            Event::Resumed { lease, .. } => ("resumed", lease.dispatch),
        })
        .collect();
    assert_eq!(order, [("stop", child), ("ended", child), ("stop", parent), ("assigned", parent)]);
    assert_eq!(it.lease(parent).attempt, 2);
}

#[test]
fn unreachable_holds_no_place_and_is_no_end() {
    let mut it = one_slot();
    let lost = it.give(Ask::root("keel", "wren/read"));
    let next = it.give(Ask::root("keel", "wren/read"));
    it.pass(30_000);
    assert_eq!(it.state(lost), Some(DispatchState::Unreachable));
    assert_eq!(it.running(), [next].into(), "its slot and its place are free");
}

#[test]
fn an_unreachable_result_is_accepted_once() {
    let mut it = one_slot();
    let id = it.give(Ask::root("keel", "wren/read"));
    let lease = it.lease(id);
    it.pass(1_000_000);
    assert_eq!(it.state(id), Some(DispatchState::Unreachable), "the timeout stands still too");
    assert_eq!(it.result(lease, Verdict::Done), Ok(DispatchState::Done));
    assert_eq!(it.result_from(lease, &aspect("wren"), Verdict::Done), Err(StaleToken(lease)));
}

#[test]
fn an_unreachable_token_is_good_until_the_deadline() {
    let mut it = one_slot();
    let id = it.give(Ask::root("keel", "wren/read").deadline(100_000));
    let lease = it.lease(id);
    it.pass(99_999);
    assert_eq!(it.queue.holds(lease, &aspect("wren")), Ok(()));
    it.pass(1);
    assert_eq!(it.ended(id), Some(DispatchState::TimedOut));
    assert!(matches!(&it.events[..], [Event::CancelWork { .. }, Event::Ended { .. }]));
    assert_eq!(it.result_from(lease, &aspect("wren"), Verdict::Done), Err(StaleToken(lease)));
}

#[test]
fn an_unreachable_worker_that_registers_without_it_has_lost_it() {
    let mut it = one_slot();
    let id = it.give(Ask::root("keel", "wren/read"));
    it.offline("wren");
    it.pass(60_000);
    assert_eq!(it.state(id), Some(DispatchState::Unreachable));
    it.register("wren", offer(1, &[("read", 1)]), &[]);
    assert_eq!((it.ended(id), it.code(id)), (Some(DispatchState::Failed), Some("worker_lost")));
    assert!(!it.events.iter().any(|event| matches!(event, Event::CancelWork { .. })));
}

#[test]
fn a_worker_that_comes_back_goes_on_where_it_was() {
    let mut it = roomy();
    let runs = it.give(Ask::root("keel", "wren/read").timeout(40_000));
    let waits = it.give(Ask::root("keel", "wren/read"));
    let retakes = it.give(Ask::root("keel", "wren/read"));
    let open = it.give(Ask::child(it.lease(waits), "wren", "forge/draw"));
    let ends = it.give(Ask::child(it.lease(retakes), "wren", "forge/draw"));
    it.wait(it.lease(waits), &[open]).unwrap();
    it.wait(it.lease(retakes), &[ends]).unwrap();
    it.offline("wren");
    it.pass(29_000);
    it.renew("forge", &[it.lease(open), it.lease(ends)]);
    it.pass(21_000);
    let all = [runs, waits, retakes];
    assert_eq!(all.map(|id| it.state(id)), [Some(DispatchState::Unreachable); 3]);
    it.done(ends);
    assert_eq!(it.state(retakes), Some(DispatchState::Unreachable), "an end of a child does not find it");
    it.register("wren", offer(2, &[("read", 1)]), &all.map(|id| it.lease(id)));
    let states = [DispatchState::Running, DispatchState::Waiting, DispatchState::Retaking];
    assert_eq!(all.map(|id| it.state(id)), states.map(Some), "its one place is taken by the first");
    // Ten seconds of forty were left when the lease expired.
    it.pass(9_999);
    assert_eq!(it.state(runs), Some(DispatchState::Running));
    it.pass(1);
    assert_eq!(
        (it.ended(runs), it.state(retakes)),
        (Some(DispatchState::TimedOut), Some(DispatchState::Running))
    );
}

#[test]
fn a_renewal_brings_an_unreachable_worker_back_even_above_the_ceiling() {
    let mut it = Harness::new(1).live("wren", 9, &[("read", 9)]);
    let lost = [it.give(Ask::root("operator/a", "wren/read")), it.give(Ask::root("operator/b", "wren/read"))];
    it.pass(30_000);
    let new = [it.give(Ask::root("operator/c", "wren/read")), it.give(Ask::root("operator/d", "wren/read"))];
    assert_eq!(it.running(), new.into());
    assert_eq!(it.renew("wren", &lost.map(|id| it.lease(id))), []);
    assert_eq!((it.queue.active(), it.queue.hard_cap()), (4, 2));
    let pending = it.give(Ask::root("operator/e", "wren/read"));
    it.done(new[0]);
    it.done(new[1]);
    assert_eq!(it.state(pending), Some(DispatchState::Pending), "active is H, not less");
    it.done(lost[0]);
    assert_eq!(it.state(pending), Some(DispatchState::Running));
}

#[test]
fn a_registration_that_does_not_name_a_running_lease_has_lost_it() {
    let mut it = Harness::new(9).live("wren", 9, &[("read", 9)]);
    let twice = it.give(Ask::root("keel", "wren/read").idempotent());
    let once = it.give(Ask::root("keel", "wren/read"));
    let kept = it.give(Ask::root("keel", "wren/read"));
    let stranger = Lease { dispatch: kept, attempt: 9 };
    let named = [it.lease(kept), stranger];
    let lost = it.register("wren", offer(9, &[("read", 9)]), &named);
    assert_eq!(lost, [stranger]);
    let stopped = it.events.iter().any(|event| matches!(event, Event::CancelWork { .. }));
    assert!(!stopped, "nobody is there to be told");
    assert_eq!(it.lease(twice).attempt, 2, "the next attempt at once");
    assert_eq!((it.ended(once), it.code(once)), (Some(DispatchState::Failed), Some("worker_lost")));
    assert_eq!((it.state(kept), it.lease(kept).attempt), (Some(DispatchState::Running), 1));
}

#[test]
fn only_the_holder_can_use_a_token() {
    let mut it = roomy();
    let id = it.give(Ask::root("keel", "wren/read"));
    let lease = it.lease(id);
    assert_eq!(it.result_from(lease, &aspect("forge"), Verdict::Done), Err(StaleToken(lease)));
    assert_eq!(it.queue.renew(&aspect("forge"), &[lease], it.now), [lease]);
    assert_eq!(it.register("forge", offer(9, &[("draw", 9)]), &[lease]), [lease]);
    assert_eq!(it.state(id), Some(DispatchState::Running));
}

#[test]
fn a_host_that_goes_keeps_its_leases_until_they_expire() {
    let mut it = one_slot();
    let id = it.give(Ask::root("keel", "wren/read"));
    it.offline("wren");
    it.pass(29_999);
    assert_eq!(it.state(id), Some(DispatchState::Running));
    assert_eq!(it.register("wren", offer(1, &[("read", 1)]), &[it.lease(id)]), []);
    it.pass(29_999);
    assert_eq!(it.state(id), Some(DispatchState::Running), "registering renews");
}

#[test]
fn timeout_runs_from_each_assignment_and_a_late_result_is_refused() {
    let mut it = one_slot();
    let first = it.give(Ask::root("keel", "wren/read"));
    let id = it.give(Ask::root("keel", "wren/read").timeout(20_000));
    it.pass(29_000);
    it.done(first);
    it.pass(19_999);
    assert_eq!(it.state(id), Some(DispatchState::Running));
    let lease = it.lease(id);
    // The result arrives first, before any tick, and is late all the same.
    it.now += 1;
    assert_eq!(it.result(lease, Verdict::Done), Err(StaleToken(lease)));
    assert_eq!((it.ended(id), it.code(id)), (Some(DispatchState::TimedOut), Some("timeout")));
}

#[test]
fn a_timeout_stands_still_while_people_are_asked() {
    let mut it = one_slot();
    let id = it.give(Ask::root("keel", "wren/read").timeout(20_000).deadline(900_000));
    let lease = it.lease(id);
    let keep = |it: &mut Harness, ms: Ms| {
        for _ in 0..ms / 10_000 {
            it.pass(10_000);
            it.renew("wren", &[lease]);
        }
    };
    keep(&mut it, 10_000);
    it.asks(lease, true);
    keep(&mut it, 100_000);
    // Not twice as long after the broker was away, or the machine slept.
    it.restart(5_000);
    it.register("wren", offer(1, &[("read", 1)]), &[lease]);
    it.sleep(50_000);
    // Nor is it forgotten while nobody can say how the work goes.
    it.pass(90_000);
    assert_eq!(it.state(id), Some(DispatchState::Unreachable));
    it.renew("wren", &[lease]);
    keep(&mut it, 100_000);
    it.asks(lease, false);
    it.pass(9_999);
    assert_eq!(it.state(id), Some(DispatchState::Running));
    it.pass(1);
    assert_eq!((it.ended(id), it.code(id)), (Some(DispatchState::TimedOut), Some("timeout")));
}

#[test]
fn whoever_waits_for_children_and_for_people_has_its_timeout_when_it_goes_on() {
    let mut it = roomy();
    let id = it.give(Ask::root("keel", "wren/read").timeout(20_000).deadline(900_000));
    let child = it.give(Ask::child(it.lease(id), "wren", "gone/read"));
    let lease = it.lease(id);
    it.asks(lease, true);
    it.wait(lease, &[child]).unwrap();
    it.pass(29_000);
    it.cancel(child);
    it.pass(900);
    it.renew("wren", &[lease]);
    it.asks(lease, false);
    it.pass(19_999);
    assert_eq!(it.state(id), Some(DispatchState::Running));
    it.pass(1);
    assert_eq!(it.ended(id), Some(DispatchState::TimedOut));
}

#[test]
fn another_attempt_asks_nothing() {
    let mut it = one_slot();
    let id = it.give(Ask::root("keel", "wren/read").idempotent().timeout(20_000).deadline(900_000));
    let first = it.lease(id);
    it.asks(first, true);
    it.pass(30_000);
    assert_eq!((it.state(id), it.lease(id).attempt), (Some(DispatchState::Running), 2));
    it.asks(first, true);
    it.pass(20_000);
    assert_eq!(it.ended(id), Some(DispatchState::TimedOut));
}

#[test]
fn the_deadline_ends_what_is_pending_waiting_or_without_a_host() {
    let mut it = one_slot();
    let never = it.give(Ask::root("keel", "gone/read").deadline(50_000));
    let parent = it.give(Ask::root("keel", "wren/read").deadline(50_000));
    let child = it.give(Ask::child(it.lease(parent), "wren", "gone/read"));
    it.wait(it.lease(parent), &[child]).unwrap();
    for _ in 0..2 {
        it.pass(24_000);
        it.renew("wren", &[it.lease(parent)]);
    }
    it.pass(1_999);
    assert_eq!(it.queue.len(), 3);
    it.pass(1);
    assert_eq!(it.ended(never), Some(DispatchState::TimedOut));
    assert_eq!(it.ended(parent), Some(DispatchState::TimedOut));
    assert_eq!(it.ended(child), Some(DispatchState::Cancelled));
    let said = it.events.iter().find_map(|event| match event {
        Event::Ended { id, failure, .. } if *id == never => failure.clone(),
        Event::Ended { .. } | Event::Assigned { .. } | Event::Resumed { .. } | Event::CancelWork { .. } => {
            None
        }
    });
    let said = said.unwrap();
    assert_eq!(said.code, "deadline");
    assert!(said.message.contains("gone/read, which is offline"), "{}", said.message);
}

#[test]
fn nothing_of_zero_length_goes_round_for_ever() {
    let mut it = one_slot();
    let no_time = it.give(Ask::root("keel", "wren/read").deadline(0));
    assert_eq!(it.ended(no_time), Some(DispatchState::TimedOut));
    // Given a place and due at once, in one call: more than the oracle can follow.
    let new = super::super::NewDispatch {
        id: nexus_wire::DispatchId(uuid::Uuid::from_u128(5)),
        hand: super::harness::hand("wren/read"),
        idempotent: true,
        movable: false,
        timeout_ms: 0,
        deadline_at: it.now + 1,
        invoker: super::harness::party("keel"),
        parent: None,
        budget: nexus_wire::budget::Budget::default(),
        parent_used: nexus_wire::budget::Spending::default(),
    };
    let mut queue = it.queue.clone();
    queue.accept(new.clone(), it.now).unwrap();
    assert!(queue.is_empty());
    let mut queue = it.queue.clone();
    queue.broker_started(super::super::QueueConfig { lease_ms: 0, lease_at_boot_ms: 0, soft_cap: 0 }, it.now);
    queue.register(&aspect("wren"), offer(1, &[("read", 1)]), &[], it.now);
    queue.accept(super::super::NewDispatch { timeout_ms: i64::MAX, ..new }, it.now).unwrap();
    let ended = queue.take_events().pop();
    assert!(
        matches!(ended, Some(Event::Ended { state: DispatchState::Failed, attempts: 3, .. })),
        "{ended:?}"
    );
}

#[test]
fn at_broker_start_every_lease_and_no_host_is_there() {
    let mut it = roomy();
    let running = it.give(Ask::root("keel", "wren/read").timeout(60_000));
    let waiting = it.give(Ask::root("keel", "wren/read"));
    let child = it.give(Ask::child(it.lease(waiting), "wren", "forge/draw"));
    it.wait(it.lease(waiting), &[child]).unwrap();
    let pending = it.give(Ask::root("keel", "gone/read"));
    // Far longer than lease and timeout: nobody could renew or report meanwhile.
    it.restart(600_000);
    assert_eq!(it.queue.hard_cap(), 4);
    let states = [running, waiting, child, pending].map(|id| it.state(id));
    let as_before =
        [DispatchState::Running, DispatchState::Waiting, DispatchState::Running, DispatchState::Pending];
    assert_eq!(states, as_before.map(Some));
    it.pass(89_999);
    assert_eq!(it.running(), [running, child].into());
    assert_eq!(
        it.result(it.lease(running), Verdict::Done),
        Ok(DispatchState::Done),
        "the answer still arrives"
    );
    it.pass(1);
    assert_eq!(it.state(waiting), Some(DispatchState::Unreachable));
}

#[test]
fn a_sleep_of_the_machine_costs_no_attempt_and_nobody_goes() {
    let mut it = roomy();
    let running = it.give(Ask::root("keel", "wren/read").timeout(60_000));
    let late = it.give(Ask::root("keel", "wren/read").deadline(500_000));
    it.sleep(600_000);
    assert_eq!(
        (it.state(running), it.ended(late)),
        (Some(DispatchState::Running), Some(DispatchState::TimedOut))
    );
    it.pass(89_999);
    assert_eq!((it.state(running), it.lease(running).attempt), (Some(DispatchState::Running), 1));
    let next = it.give(Ask::root("keel", "wren/read"));
    assert_eq!(it.state(next), Some(DispatchState::Running), "its host is there still");
    it.pass(1);
    assert_eq!(it.ended(running), Some(DispatchState::TimedOut));
}

#[test]
fn a_deadline_that_passed_while_the_broker_was_down_ends_it() {
    let mut it = one_slot();
    let id = it.give(Ask::root("keel", "wren/read").deadline(100_000));
    it.restart(100_000);
    assert_eq!((it.ended(id), it.code(id)), (Some(DispatchState::TimedOut), Some("deadline")));
}

#[test]
fn a_renewal_and_an_age_rewrite_no_row_of_a_dispatch() {
    let mut it = Harness::new(1).live("wren", 9, &[("read", 9)]);
    let id = it.give(Ask::root("keel", "wren/read"));
    it.queue.renew(&aspect("wren"), &[it.lease(id)], it.now + 5);
    let changes = it.queue.take_changes().unwrap();
    assert!(changes.dispatches.is_empty());
    let until = it.now + 5 + LEASE;
    assert_eq!(changes.clocks, [(id, Some(Clock::LeaseUntil(until)))].into());
    it.queue.tick(it.now + 6);
    assert_eq!(it.queue.take_changes().unwrap(), super::super::Changes::default());
}

#[test]
fn rows_that_make_no_queue_are_refused() {
    let mut it = roomy();
    let parent = it.give(Ask::root("keel", "wren/read"));
    it.give(Ask::child(it.lease(parent), "wren", "forge/draw"));
    let row = |id| serde_json::to_string(&it.queue.entries[&id]).unwrap();
    let child = row(it.queue.children(parent)[0]);
    let parent = row(parent);
    let restore = |rows: &[&str]| {
        Queue::restore(config(3), [], rows.iter().copied(), &Clocks::default()).map(|queue| queue.len())
    };
    assert!(matches!(restore(&["{}"]), Err(RestoreError::Entry(_))));
    assert!(matches!(restore(&[&child]), Err(RestoreError::Orphan(_))));
    assert!(matches!(restore(&[&parent]), Err(RestoreError::NoLease(_))));
    assert!(matches!(restore(&[&parent, &parent]), Err(RestoreError::Twice(_))));
    assert!(matches!(restore(&[]), Ok(0)));
}
