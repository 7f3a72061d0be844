//! Parents, children, waiting and cancelling, sentence by sentence.

use nexus_wire::hands::{CancelReceipt, DispatchState, Lease};
use nexus_wire::{DispatchId, ErrorBody, ErrorCode, Ms};

use super::super::{Event, Refusal, StaleToken, Verdict, WaitError};
use super::harness::{Ask, Harness, aspect, failure, offer};

fn roomy(soft_cap: u32) -> Harness {
    Harness::new(soft_cap).live("wren", 100, &[("read", 100)]).live("forge", 100, &[("draw", 100)])
}

/// Each the child of the one before, all running: wren/read and forge/draw in turns.
fn chain(it: &mut Harness, depth: u32) -> Vec<DispatchId> {
    let mut ids = vec![it.give(Ask::root("keel", "wren/read"))];
    for level in 1..depth {
        let parent = it.lease(ids[ids.len() - 1]);
        let (invoker, hand) = if level % 2 == 1 { ("wren", "forge/draw") } else { ("forge", "wren/read") };
        ids.push(it.give(Ask::child(parent, invoker, hand)));
    }
    ids
}

#[test]
fn a_parent_is_a_good_token_held_by_the_link() {
    let mut it = roomy(3);
    let parent = it.give(Ask::root("keel", "wren/read"));
    let good = it.lease(parent);
    let pending = it.give(Ask::root("keel", "gone/read"));
    let unknown = Lease { dispatch: DispatchId(uuid::Uuid::nil()), attempt: 1 };
    let bad = [
        ("wren", unknown),
        ("wren", Lease { attempt: 2, ..good }),
        ("wren", Lease { attempt: 0, ..good }),
        ("forge", good),
        ("operator/ana", good),
        ("gone", Lease { dispatch: pending, attempt: 0 }),
    ];
    for (invoker, lease) in bad {
        let refused = it.accept(Ask::child(lease, invoker, "forge/draw"));
        assert_eq!(refused, Err(Refusal::BadParent(lease)), "{invoker} with {lease:?}");
        assert_eq!(ErrorBody::from(Refusal::BadParent(lease)).code, ErrorCode::BadParent);
    }
    assert!(it.accept(Ask::child(good, "wren", "forge/draw")).is_ok());
    it.done(parent);
    assert_eq!(it.accept(Ask::child(good, "wren", "forge/draw")), Err(Refusal::BadParent(good)));
}

#[test]
fn a_root_has_depth_one_and_four_is_the_deepest() {
    let mut it = roomy(9);
    let ids = chain(&mut it, 4);
    let deepest = it.lease(ids[3]);
    assert_eq!(it.queue.placement(ids[3]).map(|at| (at.depth, at.root)), Some((4, ids[0])));
    let refused = it.accept(Ask::child(deepest, "forge", "wren/read"));
    assert_eq!(refused, Err(Refusal::DepthExceeded { depth: 5, limit: 4 }));
}

#[test]
fn a_parent_has_at_most_32_unended_children_which_the_cap_of_its_key_does_not_count() {
    let mut it = roomy(3);
    let parent = it.give(Ask::root("keel", "wren/read"));
    let lease = it.lease(parent);
    for _ in 0..256 {
        it.give(Ask::root("keel", "gone/read"));
    }
    assert!(it.accept(Ask::root("keel", "gone/read")).is_err());
    let children: Vec<_> = (0..32).map(|_| it.give(Ask::child(lease, "wren", "gone/read"))).collect();
    let refused = it.accept(Ask::child(lease, "wren", "gone/read"));
    assert_eq!(refused, Err(Refusal::TooManyChildren { parent, depth: 32, limit: 32 }));
    it.cancel(children[7]);
    assert!(it.accept(Ask::child(lease, "wren", "gone/read")).is_ok());
}

#[test]
fn an_id_in_the_queue_is_not_accepted_again() {
    let mut it = roomy(3);
    let id = it.give(Ask::root("keel", "gone/read"));
    let again = super::super::NewDispatch {
        id,
        hand: super::harness::hand("wren/read"),
        idempotent: false,
        movable: false,
        timeout_ms: 1,
        deadline_at: Ms::MAX,
        invoker: super::harness::party("keel"),
        parent: None,
        budget: nexus_wire::budget::Budget::default(),
        parent_used: nexus_wire::budget::Spending::default(),
    };
    assert_eq!(it.queue.accept(again, it.now), Err(Refusal::Duplicate(id)));
}

#[test]
fn waiting_frees_the_place_the_slot_and_the_hands_place() {
    let mut it = Harness::new(1).live("wren", 1, &[("read", 1)]).live("forge", 1, &[("draw", 1)]);
    let parent = it.give(Ask::root("keel", "wren/read"));
    let lease = it.lease(parent);
    let child = it.give(Ask::child(lease, "wren", "forge/draw"));
    let grandchild_hand = it.give(Ask::child(lease, "wren", "wren/read"));
    assert_eq!(it.running(), [parent].into(), "N = 1, and its key is not idle");
    assert_eq!(it.wait(lease, &[child, grandchild_hand]), Ok(DispatchState::Waiting));
    assert_eq!(it.running(), [child].into(), "its key is not idle while it waits, so only up to N");
    it.done(child);
    assert_eq!(it.state(parent), Some(DispatchState::Waiting), "for all of them");
    assert_eq!(it.running(), [grandchild_hand].into(), "in the slot that the parent gave up");
    it.done(grandchild_hand);
    assert_eq!(it.state(parent), Some(DispatchState::Running));
    assert!(it.events.contains(&Event::Resumed { lease, wait: 1, host: aspect("wren") }));
}

#[test]
fn a_wait_on_nothing_left_goes_on_by_resume_and_counts() {
    let mut it = roomy(3);
    let parent = it.give(Ask::root("keel", "wren/read"));
    let lease = it.lease(parent);
    let child = it.give(Ask::child(lease, "wren", "forge/draw"));
    it.done(child);
    for wait in 1..3 {
        assert_eq!(it.wait(lease, &[child]), Ok(DispatchState::Running));
        assert_eq!(it.events, [Event::Resumed { lease, wait, host: aspect("wren") }]);
    }
}

#[test]
fn a_repeated_wait_changes_nothing_while_yielded() {
    let mut it = roomy(3);
    let parent = it.give(Ask::root("keel", "wren/read"));
    let lease = it.lease(parent);
    let child = it.give(Ask::child(lease, "wren", "forge/draw"));
    assert_eq!(it.wait(lease, &[child]), Ok(DispatchState::Waiting));
    assert_eq!(it.wait(lease, &[]), Ok(DispatchState::Waiting));
    it.done(child);
    assert!(it.events.contains(&Event::Resumed { lease, wait: 1, host: aspect("wren") }));
}

#[test]
fn a_task_waits_only_for_its_own_children() {
    let mut it = roomy(9);
    let ids = chain(&mut it, 3);
    let lease = it.lease(ids[0]);
    for stranger in [ids[0], ids[2], DispatchId(uuid::Uuid::nil())] {
        let refused = WaitError::NotAChild { parent: ids[0], child: stranger };
        assert_eq!(it.wait(lease, &[ids[1], stranger]), Err(refused));
        assert_eq!(it.state(ids[0]), Some(DispatchState::Running));
    }
    let stale = Lease { attempt: 7, ..lease };
    assert_eq!(it.wait(stale, &[ids[1]]), Err(WaitError::Stale(StaleToken(stale))));
}

#[test]
fn the_timeout_stands_still_while_waiting_and_retaking() {
    let mut it = Harness::new(3).live("wren", 1, &[("read", 1)]).live("forge", 9, &[("draw", 9)]);
    let parent = it.give(Ask::root("keel", "wren/read").timeout(20_000));
    let lease = it.lease(parent);
    let child = it.give(Ask::child(lease, "wren", "forge/draw"));
    it.pass(15_000);
    it.wait(lease, &[child]).unwrap();
    let other = it.give(Ask::root("harrow", "wren/read"));
    for _ in 0..6 {
        it.pass(10_000);
        let (parent, child, other) = (it.lease(parent), it.lease(child), it.lease(other));
        assert!(it.renew("wren", &[parent, other]).is_empty());
        assert!(it.renew("forge", &[child]).is_empty());
    }
    it.done(child);
    assert_eq!(it.state(parent), Some(DispatchState::Retaking));
    it.pass(20_000);
    it.renew("wren", &[lease]);
    it.done(other);
    assert_eq!(it.state(parent), Some(DispatchState::Running));
    it.pass(4_999);
    assert_eq!(it.state(parent), Some(DispatchState::Running));
    it.pass(1);
    assert_eq!(it.ended(parent), Some(DispatchState::TimedOut));
}

#[test]
fn three_parents_each_waiting_for_a_child_at_three_all_end() {
    let mut it = Harness::new(3).live("wren", 3, &[("read", 3)]);
    let parents: Vec<_> = (0..3).map(|_| it.give(Ask::root("keel", "wren/read"))).collect();
    let leases: Vec<_> = parents.iter().map(|id| it.lease(*id)).collect();
    let children: Vec<_> =
        leases.iter().map(|lease| it.give(Ask::child(*lease, "wren", "wren/read"))).collect();
    for (lease, child) in leases.iter().zip(&children) {
        it.wait(*lease, &[*child]).unwrap();
    }
    assert_eq!(it.running(), children.iter().copied().collect());
    for child in children {
        it.done(child);
    }
    assert_eq!(it.running(), parents.iter().copied().collect());
    for parent in parents {
        it.done(parent);
    }
    assert!(it.queue.is_empty());
}

#[test]
fn chains_of_the_greatest_depth_end_with_one_slot_and_a_soft_cap_of_one() {
    let mut it = Harness::new(1).live("wren", 1, &[("read", 1)]);
    let roots: Vec<_> = (0..5).map(|_| it.give(Ask::root("keel", "wren/read"))).collect();
    for _ in 0..200 {
        let Some(id) = it.running().first().copied() else { break };
        let lease = it.lease(id);
        let depth = it.queue.placement(id).unwrap().depth;
        let has_waited = it.queue.entries[&id].waits > 0;
        if depth < 4 && !has_waited {
            let child = it.give(Ask::child(lease, "wren", "wren/read"));
            it.wait(lease, &[child]).unwrap();
        } else {
            it.done(id);
        }
    }
    assert!(it.queue.is_empty(), "all of {roots:?} and what is below them");
}

#[test]
fn cancel_reaches_everything_below_children_first_and_says_what_stopped() {
    let mut it = roomy(9);
    let ids = chain(&mut it, 4);
    let sibling = it.give(Ask::child(it.lease(ids[1]), "forge", "gone/read"));
    let receipt = it.cancel(ids[1]);
    assert_eq!(receipt.cancelled.len(), 4);
    assert!(receipt.cancelled.iter().all(|id| [ids[1], ids[2], ids[3], sibling].contains(id)));
    assert_eq!(receipt.already_ended, []);
    assert_eq!(it.state(ids[0]), Some(DispatchState::Running), "nothing above");
    let (mut stopped, mut ended) = (Vec::new(), Vec::new());
    for event in &it.events {
        match event {
            Event::CancelWork { lease, .. } => stopped.push(lease.dispatch),
            Event::Ended { id, .. } => ended.push(*id),
            Event::Assigned { .. } | Event::Resumed { .. } => {}
        }
    }
    assert_eq!(stopped, [ids[3], ids[2], ids[1]], "the pending one had no worker to stop");
    assert_eq!(ended, [ids[3], ids[2], sibling, ids[1]]);
    assert_eq!((it.code(ids[1]), it.code(ids[2])), (Some("cancelled"), Some("parent_ended")));

    let again = it.cancel(ids[1]);
    assert_eq!(again, CancelReceipt { already_ended: vec![ids[1]], ..CancelReceipt::default() });
}

#[test]
fn nothing_cancelled_can_deliver_a_result() {
    let mut it = roomy(9);
    let ids = chain(&mut it, 2);
    let leases = [it.lease(ids[0]), it.lease(ids[1])];
    it.cancel(ids[0]);
    for (lease, host) in leases.into_iter().zip(["wren", "forge"]) {
        assert_eq!(it.result_from(lease, &aspect(host), Verdict::Done), Err(StaleToken(lease)));
        assert_eq!(it.renew(host, &[lease]), [lease]);
    }
}

#[test]
fn whatever_ends_a_parent_ends_its_children_first() {
    type EndIt = fn(&mut Harness, DispatchId);
    let ways: [(&str, DispatchState, EndIt); 6] = [
        ("done", DispatchState::Done, |it, id| it.done(id)),
        ("failed", DispatchState::Failed, |it, id| {
            it.result(it.lease(id), Verdict::Failed(failure("invalid_output"))).unwrap();
        }),
        ("cancelled", DispatchState::Cancelled, |it, id| drop(it.cancel(id))),
        ("timeout", DispatchState::TimedOut, |it, _| it.pass(20_000)),
        ("deadline", DispatchState::TimedOut, |it, id| {
            it.wait(it.lease(id), &it.queue.children(id)).unwrap();
            it.pass(25_000);
        }),
        ("worker_lost", DispatchState::Failed, |it, _| {
            it.register("wren", offer(100, &[("read", 100)]), &[]);
        }),
    ];
    for (name, state, end) in ways {
        let mut it = roomy(9);
        it.fault = name.into();
        let parent = it.give(Ask::root("keel", "wren/read").timeout(20_000).deadline(25_000));
        let running = it.give(Ask::child(it.lease(parent), "wren", "forge/draw"));
        let pending = it.give(Ask::child(it.lease(parent), "wren", "gone/draw"));
        end(&mut it, parent);
        assert_eq!(it.ended(parent), Some(state), "{name}");
        for child in [running, pending] {
            assert_eq!(it.ended(child), Some(DispatchState::Cancelled), "{name}");
        }
    }
}

#[test]
fn a_waiting_parent_goes_on_whichever_way_its_children_end() {
    let mut it = roomy(9);
    let parent = it.give(Ask::root("keel", "wren/read"));
    let lease = it.lease(parent);
    let cancelled = it.give(Ask::child(lease, "wren", "gone/draw"));
    let failed = it.give(Ask::child(lease, "wren", "forge/draw"));
    let late = it.give(Ask::child(lease, "wren", "gone/draw").deadline(5_000));
    it.wait(lease, &[cancelled, failed, late]).unwrap();
    it.cancel(cancelled);
    it.result(it.lease(failed), Verdict::Failed(failure("no_idea"))).unwrap();
    assert_eq!(it.code(failed), Some("no_idea"));
    assert_eq!(it.state(parent), Some(DispatchState::Waiting));
    it.pass(5_000);
    assert_eq!(it.ended(late), Some(DispatchState::TimedOut));
    assert_eq!(it.state(parent), Some(DispatchState::Running));
}
