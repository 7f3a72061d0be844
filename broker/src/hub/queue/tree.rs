//! Trees of dispatches: how one is let in, how a parent yields to its children, and how an end reaches
//! everything below it.

use std::collections::BTreeSet;

use nexus_wire::budget::{Budget, Spending};
use nexus_wire::hands::{CancelReceipt, DispatchState, HandFailure, Lease};
use nexus_wire::{AspectName, DispatchId, Ms, Party, limits};

use super::account::Account;
use super::entry::{Entry, Moving, Phase};
use super::{Accepted, Event, NewDispatch, Queue, Refusal, StaleToken, Verdict, WaitError};

/// Whether the worker is told to stop. One that finished, or that has forgotten the work, is not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Farewell {
    Yes,
    No,
}

/// How a dispatch ends.
pub(super) struct End {
    pub(super) state: DispatchState,
    pub(super) failure: Option<HandFailure>,
    pub(super) farewell: Farewell,
}

impl Queue {
    pub(super) fn admit(&mut self, new: NewDispatch, now: Ms) -> Result<Accepted, Refusal> {
        if self.entries.contains_key(&new.id) {
            return Err(Refusal::Duplicate(new.id));
        }
        let (placement, parent) = match new.parent {
            None => (self.root_placement(&new)?, None),
            Some(lease) => (self.child_placement(&new, lease)?, Some(lease.dispatch)),
        };
        // A root is granted what it needs when it begins.
        let granted = parent.map_or_else(Budget::default, |_| placement.budget);
        let entry = Entry {
            id: new.id,
            seq: self.index.next_seq(),
            hand: new.hand,
            key: placement.key.clone(),
            root: placement.root,
            parent,
            depth: placement.depth,
            idempotent: new.idempotent,
            moving: if new.movable { Moving::May } else { Moving::No },
            timeout_ms: new.timeout_ms,
            accepted_at: now,
            deadline_at: new.deadline_at,
            stands_since: None,
            asks_since: None,
            attempt: 0,
            waits: 0,
            refused: false,
            account: Account::new(new.budget, granted),
            phase: Phase::Pending { passed: 0 },
        };
        self.index.add(&entry);
        self.changed.insert(entry.id);
        self.entries.insert(entry.id, entry);
        Ok(placement)
    }

    fn root_placement(&self, new: &NewDispatch) -> Result<Accepted, Refusal> {
        let (depth, limit) = (self.index.pending_roots_of(&new.invoker), limits::PENDING_PER_KEY_MAX);
        if depth >= limit {
            return Err(Refusal::QueueFull { depth, limit });
        }
        if let Some(limit) = self.beyond_purses(&new.invoker, new.budget) {
            return Err(Refusal::BeyondLimit { asked: new.budget, limit });
        }
        Ok(Accepted { key: new.invoker.clone(), root: new.id, depth: 1, budget: new.budget })
    }

    fn child_placement(&mut self, new: &NewDispatch, lease: Lease) -> Result<Accepted, Refusal> {
        let holder = new.invoker.aspect().ok_or(Refusal::BadParent(lease))?;
        let parent = self.held(lease, holder).map_err(|StaleToken(lease)| Refusal::BadParent(lease))?;
        let (parent, placement, limited) = (parent.id, parent.placement(), parent.account.is_limited());
        if limited && !new.parent_used.is_nothing() {
            self.update(parent, |entry| entry.account.report(new.parent_used));
        }
        let (depth, limit) = (placement.depth + 1, limits::DISPATCH_DEPTH_MAX);
        if depth > limit {
            return Err(Refusal::DepthExceeded { depth, limit });
        }
        let (unended, limit) = (self.index.child_count(parent), limits::CHILDREN_PER_PARENT_MAX);
        if unended >= limit {
            return Err(Refusal::TooManyChildren { parent, depth: unended, limit });
        }
        Ok(Accepted { depth, budget: self.share(parent, new.budget)?, ..placement })
    }

    /// What a child gets out of what its parent has left: what it asks for, or a part of all of it.
    fn share(&self, parent: DispatchId, asked: Budget) -> Result<Budget, Refusal> {
        let account = self.entries.get(&parent).map(|entry| entry.account).unwrap_or_default();
        let left = account.left(self.index.lent_by(parent));
        let share = asked.or(left.map(|left| left / limits::BUDGET_CHILD_PART));
        if left.covers(share.amount()) && !share.is_spent() {
            return Ok(share);
        }
        Err(Refusal::BudgetExceeded { parent, asked: share, left })
    }

    pub(super) fn park(
        &mut self,
        lease: Lease,
        host: &AspectName,
        on: &[DispatchId],
        now: Ms,
    ) -> Result<(), WaitError> {
        self.held(lease, host)?;
        let is_child =
            |id: &DispatchId| self.entries.get(id).is_some_and(|entry| entry.parent == Some(lease.dispatch));
        if let Some(stranger) = on.iter().find(|id| !is_child(id)) {
            return Err(WaitError::NotAChild { parent: lease.dispatch, child: *stranger });
        }
        self.touch(lease, host, now)?;
        let entry = self.held(lease, host)?;
        let (left_ms, lease_until) = match entry.phase {
            Phase::Running { timeout_at, lease_until } => (entry.left(timeout_at, now), lease_until),
            Phase::Pending { .. }
            | Phase::Waiting { .. }
            | Phase::Retaking { .. }
            | Phase::Unreachable { .. } => return Ok(()),
        };
        let phase = self.yielded(on.iter().copied().collect(), left_ms, lease_until);
        self.update(lease.dispatch, |entry| {
            entry.waits += 1;
            entry.phase = phase;
        });
        Ok(())
    }

    pub(super) fn finish(
        &mut self,
        lease: Lease,
        host: &AspectName,
        verdict: Verdict,
        used: Spending,
        now: Ms,
    ) -> Result<DispatchState, StaleToken> {
        let was_refused = self.held(lease, host)?.refused;
        // Most say nothing of it, and an entry is taken out of the whole index to be changed.
        if !used.is_nothing() {
            self.edit(lease.dispatch, |entry| entry.account.report(used));
        }
        let (state, failure) = match verdict {
            Verdict::Done => (DispatchState::Done, None),
            Verdict::Failed(failure) => (DispatchState::Failed, Some(failure)),
            Verdict::Refused(failure) if was_refused => (DispatchState::Failed, Some(failure)),
            Verdict::Refused(_) => {
                self.touch(lease, host, now)?;
                self.update(lease.dispatch, |entry| entry.refused = true);
                return Ok(self.state(lease.dispatch).unwrap_or(DispatchState::Running));
            }
        };
        self.end(lease.dispatch, End { state, failure, farewell: Farewell::No });
        Ok(state)
    }

    pub(super) fn cancel_tree(&mut self, id: DispatchId, reason: &str) -> CancelReceipt {
        let mut receipt = CancelReceipt::default();
        self.collect_tree(id, &mut receipt.cancelled);
        for id in &receipt.cancelled {
            let Some(entry) = self.entries.get(id) else { continue };
            if entry.phase.is_pending() {
                receipt.stopped.push(*id);
            } else if self.hosts.contains_key(entry.host()) {
                receipt.unconfirmed.push(*id);
            } else {
                receipt.unreachable.push(*id);
            }
        }
        if receipt.cancelled.is_empty() {
            receipt.already_ended.push(id);
        }
        self.end(id, cancelled_as("cancelled", reason.to_owned()));
        receipt
    }

    /// What is pending for Hands of `host` that it does not offer any more ends, or is somebody else's.
    pub(super) fn drop_gone(&mut self, host: &AspectName) {
        for (id, hand) in self.index.pending_for(host) {
            let offered = self.hosts.get(host).is_some_and(|offer| offer.hands.contains_key(&hand.hand));
            if !offered {
                self.hand_gone(id);
            }
        }
    }

    pub(super) fn hand_gone(&mut self, id: DispatchId) {
        let Some(entry) = self.entries.get(&id) else { return };
        if entry.moving != Moving::No {
            return self.update(id, |entry| entry.moving = Moving::Must);
        }
        self.end_as_gone(id);
    }

    pub(super) fn end_as_gone(&mut self, id: DispatchId) {
        let Some(entry) = self.entries.get(&id) else { return };
        let message = format!("{} is not offered any more", entry.hand);
        let failure = HandFailure { code: "hand_gone".into(), message };
        self.end(id, End { state: DispatchState::Failed, failure: Some(failure), farewell: Farewell::No });
    }

    /// `id` and what is below it, parents first.
    fn collect_tree(&self, id: DispatchId, into: &mut Vec<DispatchId>) {
        if self.entries.contains_key(&id) {
            into.push(id);
            for child in self.index.children_of(id) {
                self.collect_tree(child, into);
            }
        }
    }

    pub(super) fn cancel_children(&mut self, id: DispatchId, why: &str) {
        for child in self.index.children_of(id) {
            self.end(child, cancelled_as("parent_ended", why.to_owned()));
        }
    }

    /// The one way out: children first, then the dispatch, then whoever waited for it.
    pub(super) fn end(&mut self, id: DispatchId, end: End) {
        self.cancel_children(id, &format!("its parent {id} has ended"));
        let Some(entry) = self.entries.remove(&id) else { return };
        self.index.remove(&entry);
        self.changed.insert(id);
        if entry.phase.lease_until().is_some() || entry.phase.passed() > 0 {
            self.clocks_changed.insert(id);
        }
        self.close_account(&entry);
        if end.farewell == Farewell::Yes && !entry.phase.is_pending() {
            let reason = end.failure.as_ref().map(|failure| failure.message.clone()).unwrap_or_default();
            let (lease, host, said) = (entry.lease(), entry.host().clone(), entry.account.said());
            self.events.push(Event::CancelWork { lease, host, reason, said });
        }
        let (state, failure, attempts) = (end.state, end.failure, entry.attempt);
        let (granted, spent) = (entry.account.granted, entry.account.total());
        self.events.push(Event::Ended { id, state, failure, attempts, granted, spent });
        if let Some(parent) = entry.parent {
            self.child_ended(parent, id);
        }
    }

    /// What it did not spend is its parent's or its payer's again; what its own workers did counts as spent.
    fn close_account(&mut self, entry: &Entry) {
        let (own, total) = (entry.account.by_itself(), entry.account.total());
        self.charge(&entry.key, own);
        if total.is_nothing() {
            return;
        }
        if entry.root != entry.id && self.is_limited(entry.root) {
            self.update(entry.root, |it| it.account.settle(own));
        }
        if let Some(parent) = entry.parent.filter(|parent| self.is_limited(*parent)) {
            self.update(parent, |it| it.account.child_ended(total));
        }
    }

    /// An attempt that is over had cost so much more than had been said by then. With another one under way it is the
    /// dispatch's; otherwise whoever pays is charged, and what is above it and still open has so much less.
    pub(super) fn count_late(&mut self, lease: Lease, above: &[DispatchId], payer: &Party, late: Spending) {
        if late.is_nothing() {
            return;
        }
        if self.entries.contains_key(&lease.dispatch) {
            self.update(lease.dispatch, |it| it.account.late(late));
            return;
        }
        self.charge(payer, late);
        if let Some(root) = above.last().filter(|root| self.is_limited(**root)) {
            self.update(*root, |it| it.account.settle(late));
        }
        let open = above.iter().find(|id| self.entries.contains_key(*id));
        if let Some(open) = open.filter(|id| self.is_limited(**id)) {
            self.update(*open, |it| it.account.child_ended(late));
        }
    }

    fn is_limited(&self, id: DispatchId) -> bool {
        self.entries.get(&id).is_some_and(|entry| entry.account.is_limited())
    }

    fn child_ended(&mut self, parent: DispatchId, child: DispatchId) {
        let mut last = None;
        self.edit(parent, |entry| match &mut entry.phase {
            Phase::Waiting { on, left_ms, lease_until } => {
                if on.remove(&child) && on.is_empty() {
                    last = Some((*left_ms, *lease_until));
                }
            }
            Phase::Unreachable { yielded: Some(on), .. } => {
                on.remove(&child);
            }
            Phase::Pending { .. }
            | Phase::Running { .. }
            | Phase::Retaking { .. }
            | Phase::Unreachable { yielded: None, .. } => {}
        });
        if let Some((left_ms, lease_until)) = last {
            let phase = self.yielded(BTreeSet::new(), left_ms, lease_until);
            self.update(parent, |entry| entry.phase = phase);
        }
    }
}

fn cancelled_as(code: &str, message: String) -> End {
    let failure = HandFailure { code: code.into(), message };
    End { state: DispatchState::Cancelled, failure: Some(failure), farewell: Farewell::Yes }
}
