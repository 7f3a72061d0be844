//! Nothing may be spent: whoever has yielded holds no place, and the deadlines of what has begun stand still.

use nexus_wire::budget::{Budget, BudgetPer, Spending};
use nexus_wire::hands::{DispatchState, WaitingFor};

use super::super::Offer;
use super::harness::{Ask, Harness, LEASE, hand, offer};

const HOUR: i64 = 3_600_000;

/// Passes an hour in which the workers say that they are alive.
fn pass_an_hour(it: &mut Harness) {
    for _ in 0..(HOUR / LEASE * 2) {
        it.pass(LEASE / 2);
        let leases = it.queue.leases(&"wren".parse().unwrap());
        assert_eq!(it.renew("wren", &leases), []);
    }
}

fn one_place() -> Harness {
    Harness::new(1).live("wren", 8, &[("check", 8), ("ask", 8)])
}

#[test]
fn whoever_has_to_wait_gives_its_place_back_and_goes_on_where_it_was() {
    let mut it = one_place();
    let free = Offer { is_free: true, ..offer(1, &[("tell", 1)]) };
    it.register("runner", free, &[]);
    let ask = |to: &str| Ask::root("operator/ana", to).deadline(600_000);
    let id = it.give(ask("wren/check"));
    it.pass(1_000);
    it.say_stopped(true);
    assert_eq!(it.state(id), Some(DispatchState::Running), "it ends what it is at");
    it.pass(1_000);
    let lease = it.lease(id);
    assert_eq!(it.wait(lease, &[]), Ok(DispatchState::Retaking));
    assert_eq!(it.queue.waiting_for(id), Some(WaitingFor::Budget));
    // The one place there is is another's, whose work costs nothing.
    let told = it.give(ask("runner/tell"));
    assert_eq!(it.state(told), Some(DispatchState::Running));
    it.done(told);
    let waits = it.give(ask("wren/check"));
    pass_an_hour(&mut it);
    assert_eq!(it.state(id), Some(DispatchState::Retaking));
    assert_eq!(it.ended(waits), Some(DispatchState::TimedOut), "it had not begun");
    it.restart(HOUR);
    it.register("wren", offer(8, &[("check", 8), ("ask", 8)]), &[lease]);
    assert_eq!(it.state(id), Some(DispatchState::Retaking), "after a restart, too");
    it.say_stopped(false);
    assert_eq!((it.state(id), it.queue.attempt(id)), (Some(DispatchState::Running), Some(1)));
    // It had used two seconds of ten minutes.
    assert_eq!(it.queue.deadline(id), Some(it.now + 598_000));
    it.renew("wren", &[lease]);
    it.done(id);
}

#[test]
fn a_tree_that_has_begun_stands_still_as_a_whole() {
    let mut it = one_place();
    let root = it.give(Ask::root("operator/ana", "wren/ask").deadline(600_000));
    let lease = it.lease(root);
    it.say_stopped(true);
    let child = it.give(Ask::child(lease, "wren", "wren/check").deadline(300_000));
    assert_eq!(it.wait(lease, &[child]), Ok(DispatchState::Waiting));
    assert_eq!(it.queue.waiting_for(child), Some(WaitingFor::Budget));
    assert_eq!((it.queue.stands(root), it.queue.stands(child)), (true, true));
    pass_an_hour(&mut it);
    it.say_stopped(false);
    assert_eq!(it.state(child), Some(DispatchState::Running));
    let left = |it: &Harness, id| it.queue.deadline(id).unwrap() - it.now;
    assert_eq!((left(&it, root), left(&it, child)), (600_000, 300_000));
    // It goes on at once when it may, and is cancelled with everything else.
    it.say_stopped(true);
    assert_eq!((it.queue.stands(root), it.queue.stands(child)), (true, false), "the child is at work");
    it.cancel(root);
    assert!(it.queue.is_empty());
}

#[test]
fn a_day_that_is_used_up_is_a_stop_until_the_next() {
    let mut it = one_place();
    let limit = Budget { tokens: Some(100), cost_microusd: None };
    it.set_purse(None, BudgetPer::Day, limit, Budget { tokens: Some(10), cost_microusd: None });
    let id = it.give(Ask::root("operator/ana", "wren/check").deadline(600_000));
    it.spend("operator/bo", Spending { tokens: 100, cost_microusd: 0 });
    let lease = it.lease(id);
    assert_eq!(it.wait(lease, &[]), Ok(DispatchState::Retaking));
    assert_eq!(it.queue.waiting_for(id), Some(WaitingFor::Budget));
    pass_an_hour(&mut it);
    assert_eq!(it.state(id), Some(DispatchState::Retaking));
    it.set_purse(None, BudgetPer::Day, Budget { tokens: Some(200), ..limit }, Budget::default());
    assert_eq!(it.state(id), Some(DispatchState::Running));
    assert_eq!(it.queue.hand(id), Some(&hand("wren/check")));
}

#[test]
fn a_worker_that_is_lost_while_it_waits_begins_again_when_it_may() {
    let mut it = one_place();
    let again = it.give(Ask::root("operator/ana", "wren/check").idempotent().deadline(600_000));
    it.say_stopped(true);
    let lease = it.lease(again);
    assert_eq!(it.wait(lease, &[]), Ok(DispatchState::Retaking));
    it.register("wren", offer(8, &[("check", 8), ("ask", 8)]), &[]);
    assert_eq!(it.state(again), Some(DispatchState::Pending));
    it.pass(HOUR);
    assert_eq!(it.state(again), Some(DispatchState::Pending), "it had begun, and has cost something");
    it.say_stopped(false);
    assert_eq!((it.state(again), it.queue.attempt(again)), (Some(DispatchState::Running), Some(2)));
}
