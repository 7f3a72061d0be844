//! Caps, eligibility and the order in which places are given, sentence by sentence.

use nexus_wire::hands::DispatchState;
use nexus_wire::{ErrorBody, ErrorCode};

use super::super::{Event, Refusal};
use super::harness::{Ask, Harness, aspect, hand, offer};

/// One live aspect with room for anything.
fn roomy(soft_cap: u32) -> Harness {
    Harness::new(soft_cap).live("wren", 100, &[("read", 100), ("check", 100)])
}

#[test]
fn the_hard_ceiling_is_the_larger_of_n_and_live_aspects_plus_one() {
    let mut it = Harness::new(3);
    assert_eq!(it.queue.hard_cap(), 4);
    for (host, cap) in [("wren", 4), ("forge", 4), ("keel", 4), ("harrow", 5), ("fifth", 6)] {
        it = it.live(host, 1, &[]);
        assert_eq!(it.queue.hard_cap(), cap, "with {host}");
    }
    it.offline("wren");
    it.offline("forge");
    assert_eq!(it.queue.hard_cap(), 4);
    it.set_soft_cap(7);
    assert_eq!(it.queue.hard_cap(), 8);
    it.set_soft_cap(0);
    assert_eq!((it.queue.soft_cap(), it.queue.hard_cap()), (1, 4));
}

#[test]
fn one_key_fills_the_soft_cap_and_an_idle_key_may_go_up_to_the_ceiling() {
    let mut it = roomy(3);
    let greedy: Vec<_> = (0..6).map(|_| it.give(Ask::root("keel", "wren/read"))).collect();
    assert_eq!(it.queue.active(), 3);
    assert_eq!(it.queue.position(greedy[5]), 2);

    let first_of_idle = it.give(Ask::root("forge", "wren/read"));
    assert_eq!(it.state(first_of_idle), Some(DispatchState::Running));
    assert_eq!(it.queue.active(), 4);

    let over_the_ceiling = it.give(Ask::root("operator/ana", "wren/read"));
    assert_eq!(it.state(over_the_ceiling), Some(DispatchState::Pending));

    // The idle key's item goes before the older ones of a key that has something active.
    it.done(greedy[0]);
    assert_eq!(it.state(over_the_ceiling), Some(DispatchState::Running));
    assert_eq!(it.state(greedy[3]), Some(DispatchState::Pending));
}

#[test]
fn an_item_is_eligible_only_with_host_slot_hand_and_place() {
    type Host = Option<(u32, &'static [(&'static str, u32)])>;
    let cases: [(&str, Host, usize); 6] = [
        ("offline", None, 0),
        ("no slots", Some((0, &[("read", 9)])), 0),
        ("not offered", Some((9, &[("check", 9)])), 0),
        ("one place", Some((9, &[("read", 1)])), 1),
        ("no place", Some((9, &[("read", 0)])), 0),
        ("two slots", Some((2, &[("read", 9)])), 2),
    ];
    for (name, host, running) in cases {
        let mut it = Harness::new(9);
        if let Some((slots, hands)) = host {
            it = it.live("wren", slots, hands);
        }
        let ids: Vec<_> = (0..3).map(|_| it.give(Ask::root("keel", "wren/read"))).collect();
        assert_eq!(it.running().len(), running, "{name}");
        it.register("wren", offer(9, &[("read", 9)]), &it.queue.leases(&aspect("wren")));
        assert_eq!(it.running().len(), 3, "{name}: all of {ids:?} once there is room");
    }
}

#[test]
fn a_root_waits_while_its_key_has_h_begun_trees_and_a_child_does_not() {
    let mut it = roomy(3).live("forge", 100, &[("draw", 100)]);
    // Four trees of one key begin and wait, each for a child nobody can do.
    for _ in 0..4 {
        let parent = it.give(Ask::root("keel", "wren/read"));
        let lease = it.lease(parent);
        let child = it.give(Ask::child(lease, "wren", "gone/read"));
        assert_eq!(it.wait(lease, &[child]), Ok(DispatchState::Waiting));
    }
    assert_eq!((it.queue.active(), it.queue.hard_cap()), (0, 4));
    let root = it.give(Ask::root("keel", "wren/read"));
    assert_eq!(it.state(root), Some(DispatchState::Pending), "four trees have begun and H is 4");
    let of_another = it.give(Ask::root("forge", "wren/read"));
    assert_eq!(it.state(of_another), Some(DispatchState::Running));

    let parent = it.queue.leases(&aspect("wren"))[0];
    let child = it.give(Ask::child(parent, "wren", "forge/draw"));
    assert_eq!(it.state(child), Some(DispatchState::Running), "a child is exempt");

    // H rises with the live aspects, and the root begins.
    it = it.live("harrow", 1, &[]).live("fifth", 1, &[]);
    assert_eq!(it.state(root), Some(DispatchState::Running));
}

#[test]
fn roots_that_wait_for_another_attempt_do_not_block_each_other() {
    let mut it = roomy(3);
    let ids: Vec<_> = (0..3).map(|_| it.give(Ask::root("keel", "wren/read").idempotent())).collect();
    let fourth = it.give(Ask::root("keel", "wren/read").idempotent());
    it.offline("wren");
    it.pass(31_000);
    assert!(ids.iter().all(|id| it.state(*id) == Some(DispatchState::Pending)));
    it = it.live("wren", 100, &[("read", 100)]);
    assert_eq!(it.running(), ids.iter().copied().collect());
    assert_eq!(it.queue.position(fourth), 0, "three older ones have begun");
    assert_eq!(it.state(fourth), Some(DispatchState::Pending));
}

#[test]
fn a_retake_goes_before_an_idle_key_and_waits_for_its_place() {
    let mut it = Harness::new(1).live("wren", 1, &[("read", 1)]).live("forge", 1, &[("draw", 1)]);
    let parent = it.give(Ask::root("keel", "wren/read"));
    let lease = it.lease(parent);
    let child = it.give(Ask::child(lease, "wren", "forge/draw"));
    assert_eq!(it.wait(lease, &[child]), Ok(DispatchState::Waiting));
    // Somebody takes the place meanwhile.
    let other = it.give(Ask::root("harrow", "wren/read"));
    let third = it.give(Ask::root("operator/ana", "wren/read"));
    assert_eq!(it.running(), [child, other].into());
    it.done(child);
    assert_eq!(it.state(parent), Some(DispatchState::Retaking));
    it.done(other);
    assert_eq!(it.state(parent), Some(DispatchState::Running), "before the item of the idle key");
    assert_eq!(it.state(third), Some(DispatchState::Pending));
    assert!(matches!(&it.events[..], [Event::Ended { .. }, Event::Resumed { wait: 1, .. }]));
}

#[test]
fn the_retake_that_came_first_goes_first() {
    let mut it = Harness::new(4).live("wren", 9, &[("read", 2)]).live("forge", 9, &[("draw", 9)]);
    let parents = [it.give(Ask::root("keel", "wren/read")), it.give(Ask::root("keel", "wren/read"))];
    let leases = parents.map(|id| it.lease(id));
    let children = leases.map(|lease| it.give(Ask::child(lease, "wren", "forge/draw")));
    for (lease, child) in leases.into_iter().zip(children) {
        assert_eq!(it.wait(lease, &[child]), Ok(DispatchState::Waiting));
    }
    let others = [it.give(Ask::root("harrow", "wren/read")), it.give(Ask::root("harrow", "wren/read"))];
    assert_eq!(it.running(), [children, others].concat().into_iter().collect());
    it.done(children[1]);
    it.done(children[0]);
    it.done(others[0]);
    assert_eq!(parents.map(|id| it.state(id)), [Some(DispatchState::Retaking), Some(DispatchState::Running)]);
}

#[test]
fn an_item_passed_over_eight_times_goes_first() {
    let mut it = roomy(1);
    // H = 2. One key holds a place for ever; its next item is passed over by younger ones of idle keys.
    let held = it.give(Ask::root("keel", "wren/read"));
    let next = it.give(Ask::root("keel", "wren/read"));
    let mut running = it.give(Ask::root("operator/first", "wren/read"));
    for n in 1..=8 {
        assert_eq!(it.state(next), Some(DispatchState::Pending), "passed over {n} times");
        let younger = it.give(Ask::root(&format!("operator/n{n}"), "wren/read"));
        it.done(running);
        running = if it.state(younger) == Some(DispatchState::Running) { younger } else { next };
    }
    // The first of them was taken before the eight, and counts too.
    assert_eq!(running, next, "the ninth time it goes before an idle key");
    assert_eq!(it.running(), [held, next].into());
}

#[test]
fn an_older_item_of_another_key_ages_nobody() {
    let mut it = roomy(1);
    let running = it.give(Ask::root("keel", "wren/read"));
    let last = it.give(Ask::root("operator/last", "wren/read"));
    let older: Vec<_> = (0..9).map(|_| it.give(Ask::root("keel", "wren/read"))).collect();
    let young = it.give(Ask::root("keel", "wren/read"));
    it.done(running);
    it.done(last);
    for id in older {
        assert_eq!(it.running(), [id].into(), "the order of acceptance below the soft cap");
        it.done(id);
    }
    assert_eq!(it.running(), [young].into());
}

#[test]
fn when_the_ceiling_falls_nothing_is_preempted_and_nothing_starts() {
    let mut it = roomy(1);
    for host in ["forge", "keel", "harrow", "fifth"] {
        it = it.live(host, 0, &[]);
    }
    let ids: Vec<_> = (0..6).map(|n| it.give(Ask::root(&format!("operator/n{n}"), "wren/read"))).collect();
    assert_eq!((it.queue.active(), it.queue.hard_cap()), (6, 6));
    for host in ["forge", "keel", "harrow", "fifth"] {
        it.offline(host);
    }
    assert_eq!((it.queue.active(), it.queue.hard_cap()), (6, 2));
    let pending = it.give(Ask::root("operator/late", "wren/read"));
    for id in &ids[..4] {
        it.done(*id);
        assert_eq!(it.state(pending), Some(DispatchState::Pending), "active is {}", it.queue.active());
    }
    it.done(ids[4]);
    assert_eq!(it.state(pending), Some(DispatchState::Running));
}

#[test]
fn a_key_may_have_256_pending() {
    let mut it = Harness::new(3);
    for _ in 0..256 {
        it.give(Ask::root("keel", "wren/read"));
    }
    let refused = it.accept(Ask::root("keel", "wren/read"));
    assert_eq!(refused, Err(Refusal::QueueFull { depth: 256, limit: 256 }));
    let body = ErrorBody::from(Refusal::QueueFull { depth: 256, limit: 256 });
    assert_eq!(body.code, ErrorCode::QueueFull);
    assert_eq!(body.details, serde_json::json!({ "depth": 256, "limit": 256 }));
    assert!(it.accept(Ask::root("forge", "wren/read")).is_ok(), "another key has its own");
}

#[test]
fn thousands_pending_are_served_in_order() {
    let mut it = super::super::Queue::new(super::harness::config(3));
    let host = aspect("wren");
    it.register(&host, offer(64, &[("read", 64)]), &[], 0);
    let (keys, each) = (40, 250);
    for n in 0..keys * each {
        let new = super::super::NewDispatch {
            id: nexus_wire::DispatchId(uuid::Uuid::from_u128(n)),
            hand: super::harness::hand("wren/read"),
            idempotent: false,
            movable: false,
            timeout_ms: 1_000_000,
            deadline_at: 1_000_000,
            invoker: super::harness::party(&format!("operator/n{}", n % keys)),
            parent: None,
            budget: nexus_wire::budget::Budget::default(),
            parent_used: nexus_wire::budget::Spending::default(),
        };
        assert!(it.accept(new, 0).is_ok());
    }
    let mut ended = 0;
    while !it.is_empty() {
        let lease = it.leases(&host)[0];
        assert!(it.result(lease, &host, super::super::Verdict::Done, Default::default(), 1).is_ok());
        ended += it.take_events().iter().filter(|event| matches!(event, Event::Ended { .. })).count();
    }
    assert_eq!(ended, (keys * each) as usize);
}

#[test]
fn what_is_redirected_has_its_turn_at_the_other_hand() {
    let mut it = Harness::new(3).live("wren", 1, &[("read", 1)]);
    let busy = it.give(Ask::root("keel", "wren/read"));
    let lost = it.give(Ask::root("keel", "forge/read").movable());
    let named = it.give(Ask::root("keel", "forge/read"));
    let later = it.give(Ask::root("keel", "wren/read").movable());
    assert_eq!(it.movable(), [("forge".into(), vec![lost]), ("wren".into(), vec![later])]);

    it.redirect(lost, "wren/read");
    assert_eq!(it.events, []);
    assert_eq!(it.movable(), [("wren".into(), vec![lost, later])]);
    it.done(busy);
    assert_eq!(it.state(lost), Some(DispatchState::Running), "it was there before the other");
    assert_eq!(it.movable(), [("wren".into(), vec![later])]);

    // Neither what runs, nor what has ended.
    it.redirect(lost, "forge/read");
    assert_eq!(it.queue.hand(lost), Some(&hand("wren/read")));
    it.done(lost);
    it.redirect(lost, "forge/read");
    assert_eq!(it.queue.hand(lost), None);
    assert_eq!(
        (it.state(named), it.state(later)),
        (Some(DispatchState::Pending), Some(DispatchState::Running))
    );
}

#[test]
fn what_nobody_else_could_do_is_movable_again_once_somebody_offers_something() {
    let mut it = Harness::new(3);
    let id = it.give(Ask::root("keel", "wren/read").movable().idempotent());
    let movable = [("wren".to_owned(), vec![id])];
    it.nobody_else(id);
    assert_eq!(it.movable(), []);
    it.register("forge", offer(1, &[("draw", 1)]), &[]);
    assert_eq!(it.movable(), movable);
    it.nobody_else(id);
    it.offer("forge", offer(1, &[("read", 1)]));
    assert_eq!(it.movable(), movable);
    it.nobody_else(id);
    it.register("wren", offer(1, &[("read", 1)]), &[]);
    assert_eq!((it.movable(), it.state(id)), (Vec::new(), Some(DispatchState::Running)));
}

#[test]
fn what_its_host_has_let_run_out_is_given_to_it_again_only_if_nobody_else_can_do_it() {
    let mut it = Harness::new(3).live("wren", 1, &[("read", 1)]);
    let id = it.give(Ask::root("keel", "wren/read").movable().idempotent());
    let named = it.give(Ask::root("keel", "wren/read").idempotent());
    // The host looks as if it were there.
    it.pass(30_000);
    assert_eq!((it.astray(), it.movable()), (vec![id], Vec::new()));
    assert_eq!(it.state(named), Some(DispatchState::Running), "what was named does not wait for that");
    assert_eq!(it.queue.shunned(id), Some(&aspect("wren")));
    it.register("forge", offer(1, &[("read", 1)]), &[]);
    it.redirect(id, "forge/read");
    assert_eq!((it.state(id), it.lease(id).attempt), (Some(DispatchState::Running), 2));
    assert_eq!((it.astray(), it.queue.shunned(id)), (Vec::new(), None));

    it.pass(30_000);
    assert_eq!(it.astray(), [id]);
    it.nobody_else(id);
    assert_eq!((it.state(id), it.lease(id).attempt), (Some(DispatchState::Running), 3), "forge is here");
    assert_eq!(it.astray(), []);
}

#[test]
fn what_waits_for_a_hand_that_is_not_there_any_more_ends_if_nobody_else_can_do_it() {
    let mut it = Harness::new(3).live("wren", 1, &[("read", 1)]).live("forge", 1, &[("read", 1)]);
    let begun = it.give(Ask::root("keel", "wren/read").movable().idempotent());
    let waits = it.give(Ask::root("keel", "wren/read").movable());
    let named = it.give(Ask::root("keel", "wren/read"));
    it.gone("wren");
    assert_eq!(it.ended(named), Some(DispatchState::Failed));
    assert_eq!((it.astray(), it.queue.shunned(begun)), (vec![begun, waits], None));
    it.redirect(begun, "forge/read");
    it.nobody_else(waits);
    assert_eq!(
        (it.state(begun), it.ended(waits)),
        (Some(DispatchState::Running), Some(DispatchState::Failed))
    );
    assert_eq!(it.code(waits), Some("hand_gone"));

    let other = it.give(Ask::root("keel", "forge/read").movable());
    it.register("forge", offer(1, &[("draw", 1)]), &[it.lease(begun)]);
    assert_eq!(it.astray(), [other]);
    // While others may yet come back it is not over, and each time somebody does it is looked at.
    it.nobody_else_yet(other, true);
    assert_eq!((it.astray(), it.state(other)), (Vec::new(), Some(DispatchState::Pending)));
    it.register("wren", offer(1, &[("draw", 1)]), &[]);
    assert_eq!(it.astray(), [other]);
    // Its own Hand may be there again, too.
    it.register("forge", offer(2, &[("read", 2)]), &[it.lease(begun)]);
    assert_eq!((it.astray(), it.state(other)), (Vec::new(), Some(DispatchState::Running)));
}
