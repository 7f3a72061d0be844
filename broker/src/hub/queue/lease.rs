//! The life of a lease: held, renewed, expired, lost, found again.

use std::collections::BTreeSet;

use nexus_wire::hands::{DispatchState, HandFailure, Lease};
use nexus_wire::roster::HeldLease;
use nexus_wire::{AspectName, DispatchId, Ms, limits};

use super::entry::{Entry, Moving, Phase};
use super::index::Timer;
use super::tree::{End, Farewell};
use super::{Event, Queue, StaleToken};

impl Queue {
    /// Changes an entry with the index in step. What the dispatch's own row says is not touched by it.
    pub(super) fn edit(&mut self, id: DispatchId, change: impl FnOnce(&mut Entry)) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let clocks = (entry.phase.lease_until(), entry.phase.passed());
        self.index.remove(entry);
        change(entry);
        self.index.add(entry);
        if clocks != (entry.phase.lease_until(), entry.phase.passed()) {
            self.clocks_changed.insert(id);
        }
    }

    /// Like [`Self::edit`], for what the row does say.
    pub(super) fn update(&mut self, id: DispatchId, change: impl FnOnce(&mut Entry)) {
        self.edit(id, change);
        self.changed.insert(id);
    }

    /// The entry `lease` is a good token of, in the hands of `host`.
    pub(super) fn held(&self, lease: Lease, host: &AspectName) -> Result<&Entry, StaleToken> {
        self.entries
            .get(&lease.dispatch)
            .filter(|entry| !entry.phase.is_pending() && entry.lease() == lease && entry.host() == host)
            .ok_or(StaleToken(lease))
    }

    /// A sign of life: renews the lease, and brings an unreachable worker back to where it was. That may make
    /// more active than the caps say; nothing is preempted, and nothing begins until there is room again.
    pub(super) fn touch(&mut self, lease: Lease, host: &AspectName, now: Ms) -> Result<(), StaleToken> {
        let until = now.saturating_add(self.config.lease_ms);
        match &self.held(lease, host)?.phase {
            Phase::Unreachable { yielded: None, left_ms } => {
                let left_ms = *left_ms;
                self.update(lease.dispatch, |entry| entry.run(left_ms, until, now));
            }
            Phase::Unreachable { yielded: Some(on), left_ms } => {
                let phase = self.yielded(on.clone(), *left_ms, until);
                self.update(lease.dispatch, |entry| entry.phase = phase);
            }
            Phase::Pending { .. }
            | Phase::Running { .. }
            | Phase::Waiting { .. }
            | Phase::Retaking { .. } => {
                self.edit(lease.dispatch, |entry| entry.phase.set_lease_until(until));
            }
        }
        Ok(())
    }

    /// Where a worker stands that has yielded for `on`.
    pub(super) fn yielded(&self, on: BTreeSet<DispatchId>, left_ms: Ms, lease_until: Ms) -> Phase {
        if on.is_empty() {
            Phase::Retaking { turn: self.index.next_turn(), left_ms, lease_until }
        } else {
            Phase::Waiting { on, left_ms, lease_until }
        }
    }

    /// `host` came with these leases: they are renewed, and what else it was thought to hold is lost.
    pub(super) fn reconcile(&mut self, host: &AspectName, leases: &[HeldLease], now: Ms) -> Vec<Lease> {
        let named: BTreeSet<Lease> = leases.iter().map(|held| held.lease).collect();
        for id in self.index.held_by(host) {
            let absent = self.entries.get(&id).is_some_and(|entry| !named.contains(&entry.lease()));
            if absent {
                let why = format!("{host} registered without it");
                self.lose(id, &why, true, Farewell::No);
            }
        }
        named.into_iter().filter(|lease| self.touch(*lease, host, now).is_err()).collect()
    }

    /// The worker is gone for good (`absent`), or its lease has expired: the next attempt, or the end, or for
    /// what may not be tried twice and may yet come back, `unreachable`.
    pub(super) fn lose(&mut self, id: DispatchId, why: &str, absent: bool, farewell: Farewell) {
        let Some(entry) = self.entries.get(&id) else { return };
        let message = if !entry.idempotent {
            format!(
                "the worker is lost ({why}) and the Hand is not declared idempotent, so it is not tried again"
            )
        } else if entry.attempt >= limits::ATTEMPTS_MAX {
            format!("the worker of attempt {} is lost ({why}), which was the last", entry.attempt)
        } else {
            return self.try_again(id, why, farewell);
        };
        if entry.idempotent || absent {
            let failure = HandFailure { code: "worker_lost".into(), message };
            self.end(id, End { state: DispatchState::Failed, failure: Some(failure), farewell });
        }
    }

    fn try_again(&mut self, id: DispatchId, why: &str, farewell: Farewell) {
        self.cancel_children(id, &format!("{id} begins another attempt"));
        if let Some(entry) = self.entries.get(&id).filter(|_| farewell == Farewell::Yes) {
            let (lease, host, said) = (entry.lease(), entry.host().clone(), entry.account.said());
            self.events.push(Event::CancelWork { lease, host, reason: why.to_owned(), said });
        }
        let ran_out = farewell == Farewell::Yes;
        self.update(id, |entry| {
            entry.account.next_attempt();
            if entry.moving != Moving::No {
                entry.moving = if ran_out { Moving::Should } else { Moving::May };
            }
            entry.asks_since = None;
            entry.phase = Phase::Pending { passed: 0 };
        });
        let is_gone = self.entries.get(&id).is_some_and(|entry| {
            let offer = self.hosts.get(entry.host());
            offer.is_some_and(|offer| !offer.hands.contains_key(&entry.hand.hand))
        });
        if is_gone {
            self.hand_gone(id);
        }
    }

    /// The lease of `id` ran out at `at`. The timeout stands still while nobody can say how the work goes.
    fn lease_expired(&mut self, id: DispatchId, at: Ms) {
        self.lose(id, "its lease expired", false, Farewell::Yes);
        let Some(entry) = self.entries.get(&id) else { return };
        let gone = match &entry.phase {
            Phase::Running { timeout_at, .. } => {
                Phase::Unreachable { yielded: None, left_ms: entry.left(*timeout_at, at) }
            }
            Phase::Waiting { on, left_ms, .. } => {
                Phase::Unreachable { yielded: Some(on.clone()), left_ms: *left_ms }
            }
            Phase::Retaking { left_ms, .. } => {
                Phase::Unreachable { yielded: Some(BTreeSet::new()), left_ms: *left_ms }
            }
            Phase::Pending { .. } | Phase::Unreachable { .. } => return,
        };
        self.update(id, |entry| entry.phase = gone);
    }

    /// Whether people are asked something for `lease` from now on: its timeout stands still until that is over. What was
    /// due by now has happened before. False: all is as it was.
    pub fn set_asks(&mut self, lease: Lease, asks: bool, now: Ms) -> bool {
        let is_held = |entry: &&Entry| entry.lease() == lease && !entry.phase.is_pending();
        let entry = self.entries.get(&lease.dispatch).filter(is_held);
        if entry.is_none_or(|entry| entry.asks_since.is_some() == asks) {
            return false;
        }
        self.update(lease.dispatch, |entry| {
            if let Phase::Running { timeout_at, lease_until } = entry.phase {
                entry.run(entry.left(timeout_at, now), lease_until, now);
            }
            entry.asks_since = asks.then_some(now);
        });
        true
    }

    /// Lets everything that is due by `now` happen, in the order it was due.
    pub(super) fn expire(&mut self, now: Ms) {
        self.turn_purses(now);
        while let Some((at, timer, id)) = self.index.timers.first().copied().filter(|(at, _, _)| *at <= now) {
            match timer {
                Timer::Deadline => self.timed_out(id, "deadline", "its deadline passed"),
                Timer::Timeout => self.timed_out(id, "timeout", "the Hand's timeout passed"),
                Timer::Lease => self.lease_expired(id, at),
            }
        }
    }

    fn timed_out(&mut self, id: DispatchId, code: &str, why: &str) {
        let Some(entry) = self.entries.get(&id) else { return };
        let message =
            format!("{why} while {} at {}{}", entry.phase.state().as_str(), entry.hand, self.hint(entry));
        let failure = HandFailure { code: code.into(), message };
        let end = End { state: DispatchState::TimedOut, failure: Some(failure), farewell: Farewell::Yes };
        self.end(id, end);
    }

    /// Why a pending item has not begun, where that is not simply the length of the queue.
    fn hint(&self, entry: &Entry) -> &'static str {
        match (&entry.phase, self.hosts.get(entry.host())) {
            (Phase::Pending { .. }, None) => ", which is offline",
            (Phase::Pending { .. }, Some(offer)) if offer.slots == 0 => ", which has no worker slots",
            (
                Phase::Pending { .. }
                | Phase::Running { .. }
                | Phase::Waiting { .. }
                | Phase::Retaking { .. }
                | Phase::Unreachable { .. },
                _,
            ) => "",
        }
    }

    /// Expiry and places, until nothing more is due and nothing moves.
    pub(super) fn settle(&mut self, now: Ms) {
        self.turn_purses(now);
        self.stand(now);
        self.expire(now);
        self.advance(now);
        // What was given a place may be due at once: a timeout or a lease of nothing.
        while self.index.timers.first().is_some_and(|(at, _, _)| *at <= now) {
            self.expire(now);
            self.advance(now);
        }
        self.stand(now);
    }

    /// Timeouts that do not stand still anyway pass later by as much.
    pub(super) fn put_off(&mut self, by: Ms) {
        let at_work: Vec<DispatchId> = self.index.clocked.iter().copied().collect();
        for id in at_work {
            let Some(Entry { phase: Phase::Running { timeout_at, lease_until }, asks_since: None, .. }) =
                self.entries.get(&id)
            else {
                continue;
            };
            let phase =
                Phase::Running { timeout_at: timeout_at.saturating_add(by), lease_until: *lease_until };
            self.update(id, |entry| entry.phase = phase);
        }
    }

    /// Nobody could renew or hand in a result while there was no broker, or the machine slept: every lease
    /// begins anew, and no timeout passes before that lease does. Deadlines stand.
    pub(super) fn regrant(&mut self, now: Ms) {
        let until = now.saturating_add(self.config.lease_at_boot_ms);
        let leased: Vec<DispatchId> = self.index.clocked.iter().copied().collect();
        for id in leased {
            let Some(entry) = self.entries.get(&id) else { continue };
            let short = match entry.phase {
                Phase::Running { timeout_at, .. } => entry.asks_since.is_none() && timeout_at < until,
                Phase::Pending { .. }
                | Phase::Waiting { .. }
                | Phase::Retaking { .. }
                | Phase::Unreachable { .. } => false,
            };
            if short {
                self.update(id, |entry| {
                    entry.phase = Phase::Running { timeout_at: until, lease_until: until }
                });
            } else {
                self.edit(id, |entry| entry.phase.set_lease_until(until));
            }
        }
    }
}
