//! The queue with everything watched: each call is followed by the oracle, written as rows, and restored from
//! them.

use std::collections::{BTreeMap, BTreeSet};

use nexus_wire::budget::{Budget, BudgetPer, Spending, SpendingDay, SpendingStop};
use nexus_wire::hands::{CancelReceipt, DispatchState, HandFailure, Lease};
use nexus_wire::roster::HeldLease;
use nexus_wire::{AspectName, DispatchId, HandRef, Ms, Party};

use super::super::entry::Moving;
use super::super::persist::clock;
use super::super::{
    Clocks, Event, NewDispatch, Offer, Purse, PurseKey, PurseTerms, Queue, QueueConfig, Refusal, StaleToken,
    Verdict, WaitError,
};
use super::oracle::{Facts, Oracle};

pub(super) const LEASE: Ms = 30_000;
pub(super) const LEASE_AT_BOOT: Ms = 90_000;

pub(super) fn config(soft_cap: u32) -> QueueConfig {
    QueueConfig { soft_cap, lease_ms: LEASE, lease_at_boot_ms: LEASE_AT_BOOT }
}

pub(super) fn aspect(name: &str) -> AspectName {
    name.parse().unwrap()
}

pub(super) fn hand(name: &str) -> HandRef {
    name.parse().unwrap()
}

/// `wren`, or `operator/ana`.
pub(super) fn party(name: &str) -> Party {
    name.parse().unwrap()
}

pub(super) fn offer(slots: u32, hands: &[(&str, u32)]) -> Offer {
    let hands = hands.iter().map(|(name, most)| (name.parse().unwrap(), *most)).collect();
    Offer { slots, hands, is_free: false }
}

pub(super) fn held(lease: Lease) -> HeldLease {
    HeldLease { lease, waiting: false }
}

pub(super) fn failure(code: &str) -> HandFailure {
    HandFailure { code: code.into(), message: "as the Hand says".into() }
}

/// What a dispatch asks for; the rest is the harness's.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) hand: HandRef,
    pub(super) invoker: Party,
    pub(super) parent: Option<Lease>,
    pub(super) idempotent: bool,
    pub(super) movable: bool,
    pub(super) timeout_ms: Ms,
    pub(super) deadline_ms: Ms,
    pub(super) budget: Budget,
    pub(super) parent_used: Spending,
}

impl Ask {
    pub(super) fn root(invoker: &str, to: &str) -> Self {
        Self {
            hand: hand(to),
            invoker: party(invoker),
            parent: None,
            idempotent: false,
            movable: false,
            timeout_ms: 600_000,
            deadline_ms: 1_800_000,
            budget: Budget::default(),
            parent_used: Spending::default(),
        }
    }

    pub(super) fn child(of: Lease, invoker: &str, to: &str) -> Self {
        Self { parent: Some(of), ..Self::root(invoker, to) }
    }

    pub(super) fn idempotent(self) -> Self {
        Self { idempotent: true, ..self }
    }

    /// Another Hand would do.
    pub(super) fn movable(self) -> Self {
        Self { movable: true, ..self }
    }

    pub(super) fn timeout(self, timeout_ms: Ms) -> Self {
        Self { timeout_ms, ..self }
    }

    pub(super) fn budget(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }

    /// Of the parent's worker, so far.
    pub(super) fn after(self, parent_used: Spending) -> Self {
        Self { parent_used, ..self }
    }

    pub(super) fn deadline(self, deadline_ms: Ms) -> Self {
        Self { deadline_ms, ..self }
    }
}

/// A broken promise panics, so that tests read as what they do; `fault` is the prefix of that message.
#[derive(Debug)]
pub(super) struct Harness {
    pub(super) queue: Queue,
    pub(super) oracle: Oracle,
    pub(super) now: Ms,
    pub(super) fault: String,
    /// Events of the last call.
    pub(super) events: Vec<Event>,
    rows: BTreeMap<DispatchId, String>,
    clocks: Clocks,
    purses: BTreeMap<PurseKey, Purse>,
    leases: BTreeMap<DispatchId, Ms>,
    /// Attempts for which people are asked something.
    asked: BTreeMap<DispatchId, u32>,
    day: Option<SpendingDay>,
    made: u128,
}

impl Harness {
    pub(super) fn new(soft_cap: u32) -> Self {
        Self {
            queue: Queue::new(config(soft_cap)),
            oracle: Oracle::new(soft_cap.max(1)),
            now: 1_000_000,
            fault: String::new(),
            events: Vec::new(),
            rows: BTreeMap::new(),
            clocks: Clocks::default(),
            purses: BTreeMap::new(),
            leases: BTreeMap::new(),
            asked: BTreeMap::new(),
            day: None,
            made: 0,
        }
    }

    pub(super) fn live(mut self, host: &str, slots: u32, hands: &[(&str, u32)]) -> Self {
        self.register(host, offer(slots, hands), &[]);
        self
    }

    pub(super) fn accept(&mut self, ask: Ask) -> Result<DispatchId, Refusal> {
        self.made += 1;
        // Ids in no order, so that nothing leans on theirs.
        let id = DispatchId(uuid::Uuid::from_u128(self.made.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_0c0f)));
        let new = NewDispatch {
            id,
            hand: ask.hand.clone(),
            idempotent: ask.idempotent,
            movable: ask.movable,
            timeout_ms: ask.timeout_ms,
            deadline_at: self.now + ask.deadline_ms,
            invoker: ask.invoker.clone(),
            parent: ask.parent,
            budget: ask.budget,
            parent_used: ask.parent_used,
        };
        self.oracle.turn_purses(self.now);
        if ask.parent.is_some_and(|lease| self.is_limited(lease, &ask.invoker)) {
            self.oracle.report(ask.parent, ask.parent_used);
        }
        let parent = ask.parent.and_then(|lease| self.oracle.facts(lease.dispatch).cloned());
        let allowed = self.oracle.allowed(&ask);
        let accepted = self.queue.accept(new, self.now);
        if let Ok(accepted) = &accepted {
            let mut facts = Facts::new(id, &ask, parent.as_ref(), self.now);
            facts.granted = ask.parent.map_or_else(Budget::default, |_| allowed.unwrap_or_default());
            assert_eq!(Some(accepted.budget), allowed, "{}", self.fault);
            assert_eq!((&accepted.key, accepted.depth), (&facts.key, facts.depth), "{}", self.fault);
            self.oracle.open.push(facts);
        }
        self.after();
        accepted.map(|_| id)
    }

    /// Whether this is a good token of somebody whose spending is limited.
    fn is_limited(&self, lease: Lease, holder: &Party) -> bool {
        let held = holder.aspect().is_some_and(|holder| self.queue.holds(lease, holder).is_ok());
        held && self.oracle.facts(lease.dispatch).is_some_and(|facts| !facts.granted.is_unlimited())
    }

    /// An accepted dispatch, for tests in which that is not the question.
    pub(super) fn give(&mut self, ask: Ask) -> DispatchId {
        self.accept(ask).unwrap()
    }

    pub(super) fn register(&mut self, host: &str, offer: Offer, leases: &[Lease]) -> Vec<Lease> {
        let name = aspect(host);
        self.oracle.live.insert(name.clone(), offer.clone());
        let before = self.queue.leases(&name);
        let named: Vec<HeldLease> = leases.iter().copied().map(held).collect();
        let lost = self.queue.register(&name, offer, &named, self.now);
        for lease in leases {
            if !before.contains(lease) {
                assert!(lost.contains(lease), "{}: {lease:?} was not good and is not lost", self.fault);
            }
        }
        self.signs_of_life(leases, &lost);
        self.after();
        lost
    }

    /// What `host`, which is live, offers from now on.
    pub(super) fn offer(&mut self, host: &str, offer: Offer) {
        self.oracle.live.insert(aspect(host), offer.clone());
        self.queue.offer(&aspect(host), offer, self.now);
        self.after();
    }

    pub(super) fn offline(&mut self, host: &str) {
        self.oracle.live.remove(&aspect(host));
        self.queue.offline(&aspect(host), self.now);
        self.after();
    }

    pub(super) fn gone(&mut self, host: &str) {
        let name = aspect(host);
        self.oracle.live.remove(&name);
        self.queue.gone(&name, self.now);
        self.after();
        let left = self.oracle.open.iter().find(|facts| facts.hand.aspect == name && !facts.astray);
        assert!(left.is_none(), "{}: {left:?} waits for somebody who will not come back", self.fault);
    }

    /// Whether the hub would let work for it in.
    pub(super) fn is_offered(&self, hand: &HandRef) -> bool {
        self.oracle.live.get(&hand.aspect).is_none_or(|offer| offer.hands.contains_key(&hand.hand))
    }

    pub(super) fn check_offered(&self) {
        let pending = |facts: &&Facts| self.state(facts.id) == Some(DispatchState::Pending);
        // What somebody else may do is looked at, or waits for whoever may yet come back.
        let waits = |facts: &&Facts| {
            let moving = self.queue.entries.get(&facts.id).map(|entry| entry.moving);
            facts.movable && moving.is_some_and(|moving| moving.is_astray() || moving == Moving::Stuck)
        };
        let mut all = self.oracle.open.iter().filter(pending).filter(|facts| !waits(facts));
        let gone = all.find(|facts| !self.is_offered(&facts.hand));
        assert!(gone.is_none(), "{}: {gone:?} waits for a Hand that is gone", self.fault);
    }

    pub(super) fn result(&mut self, lease: Lease, verdict: Verdict) -> Result<DispatchState, StaleToken> {
        let host = self.host_of(lease.dispatch);
        self.result_from(lease, &host, verdict)
    }

    pub(super) fn result_from(
        &mut self,
        lease: Lease,
        host: &AspectName,
        verdict: Verdict,
    ) -> Result<DispatchState, StaleToken> {
        self.result_using(lease, host, verdict, Spending::default())
    }

    pub(super) fn result_using(
        &mut self,
        lease: Lease,
        host: &AspectName,
        verdict: Verdict,
        used: Spending,
    ) -> Result<DispatchState, StaleToken> {
        let good = self.queue.holds(lease, host).is_ok();
        if good {
            self.oracle.report(Some(lease), used);
        }
        let result = self.queue.result(lease, host, verdict, used, self.now);
        assert!(good || result.is_err(), "{}: a stale token was good for a result", self.fault);
        if result.is_ok_and(|state| !state.is_end()) {
            self.signs_of_life(&[lease], &[]);
        }
        self.after();
        result
    }

    pub(super) fn done(&mut self, id: DispatchId) {
        let lease = self.lease(id);
        assert_eq!(self.result(lease, Verdict::Done), Ok(DispatchState::Done), "{}", self.fault);
    }

    pub(super) fn cancel(&mut self, id: DispatchId) -> CancelReceipt {
        let receipt = self.queue.cancel(id, "nobody needs it", self.now);
        self.after();
        for id in &receipt.cancelled {
            assert_eq!(self.ended(*id), Some(DispatchState::Cancelled), "{}", self.fault);
        }
        receipt
    }

    /// What may not be done twice stays so.
    pub(super) fn redirect(&mut self, id: DispatchId, to: &str) {
        let before = self.tick();
        let Some(facts) = self.oracle.open.iter_mut().find(|facts| facts.id == id) else { return };
        if self.queue.state(id) == Some(DispatchState::Pending) {
            facts.hand = hand(to);
        }
        let idempotent = facts.idempotent;
        self.queue.redirect(id, hand(to), idempotent, 600_000, self.now);
        self.after();
        self.events.splice(0..0, before);
    }

    /// Nobody else could do it.
    pub(super) fn nobody_else(&mut self, id: DispatchId) {
        self.nobody_else_yet(id, false);
    }

    pub(super) fn nobody_else_yet(&mut self, id: DispatchId, is_early: bool) {
        let before = self.tick();
        self.queue.nobody_else(id, is_early, self.now);
        self.after();
        self.events.splice(0..0, before);
    }

    pub(super) fn astray(&self) -> Vec<DispatchId> {
        self.queue.astray().collect()
    }

    /// What another may do, and whom it waits for.
    pub(super) fn movable(&self) -> Vec<(String, Vec<DispatchId>)> {
        self.queue.movable().map(|(host, work)| (host.to_string(), work.collect())).collect()
    }

    /// Children that have ended are left out, as the hub does.
    pub(super) fn wait(&mut self, lease: Lease, on: &[DispatchId]) -> Result<DispatchState, WaitError> {
        let open: Vec<_> = on.iter().copied().filter(|id| !self.oracle.ended.contains_key(id)).collect();
        let host = self.host_of(lease.dispatch);
        let standing = self.queue.wait(lease, &host, &open, self.now);
        if standing.is_ok() {
            self.signs_of_life(&[lease], &[]);
        }
        self.after();
        standing
    }

    pub(super) fn asks(&mut self, lease: Lease, asks: bool) {
        let changed = self.queue.set_asks(lease, asks, self.now);
        let before = if asks {
            self.asked.insert(lease.dispatch, lease.attempt)
        } else {
            self.asked.remove(&lease.dispatch)
        };
        assert_eq!(changed, asks != (before == Some(lease.attempt)), "{}: {lease:?}", self.fault);
        self.after();
    }

    pub(super) fn renew(&mut self, host: &str, leases: &[Lease]) -> Vec<Lease> {
        let lost = self.queue.renew(&aspect(host), leases, self.now);
        self.signs_of_life(leases, &lost);
        self.after();
        lost
    }

    pub(super) fn set_purse(&mut self, of: Option<&str>, per: BudgetPer, limit: Budget, each: Budget) {
        let key = (of.map(party), per);
        let before = self.tick();
        self.oracle.set_purse(key.clone(), limit, each, self.now);
        let terms = PurseTerms { limit, each, set_by: party("operator/ana") };
        self.queue.set_purse(key, terms, self.now);
        self.after();
        self.events.splice(0..0, before);
    }

    pub(super) fn clear_purse(&mut self, of: Option<&str>, per: BudgetPer) {
        let key = (of.map(party), per);
        let before = self.tick();
        let was_there = self.oracle.clear_purse(&key);
        assert_eq!(self.queue.clear_purse(&key, self.now), was_there, "{}", self.fault);
        self.after();
        self.events.splice(0..0, before);
    }

    pub(super) fn spend(&mut self, payer: &str, spent: Spending) {
        let before = self.tick();
        self.oracle.spend(&party(payer), spent);
        self.queue.spend(&party(payer), spent, self.now);
        self.after();
        self.events.splice(0..0, before);
    }

    /// Somebody says that nothing is to be spent, or that it goes on.
    pub(super) fn say_stopped(&mut self, is_said: bool) {
        let before = self.tick();
        let by = party("operator/ana");
        let stop = SpendingStop { reason: None, by: Some(by.clone()), until: Ms::MAX };
        let day = SpendingDay {
            until: Ms::MAX,
            stop: Some(stop),
            unlimited: false,
            cost_microusd: None,
            by,
            at: self.now,
        };
        self.day = is_said.then_some(day);
        self.oracle.is_said = is_said;
        self.queue.set_day(self.day.clone(), self.now);
        self.after();
        self.events.splice(0..0, before);
    }

    fn tick(&mut self) -> Vec<Event> {
        self.queue.tick(self.now);
        self.after();
        std::mem::take(&mut self.events)
    }

    /// What a worker that does as it is told may have spent by now: `tenths` of what it may.
    pub(super) fn within(&self, id: DispatchId, tenths: u64) -> Spending {
        self.oracle.within(id, tenths)
    }

    pub(super) fn set_soft_cap(&mut self, soft_cap: u32) {
        self.oracle.soft_cap = soft_cap.max(1);
        self.queue.set_soft_cap(soft_cap, self.now);
        self.after();
    }

    /// Passes time, firing every timer when it is due. Afterwards `events` are those of all of it.
    pub(super) fn pass(&mut self, ms: Ms) {
        let until = self.now + ms;
        let mut events = Vec::new();
        while let Some(due) = self.queue.next_timer().filter(|due| *due <= until) {
            self.now = due.max(self.now);
            self.queue.tick(self.now);
            assert!(
                self.queue.next_timer().is_none_or(|next| next > self.now),
                "{}: no progress",
                self.fault
            );
            self.after();
            events.append(&mut self.events);
        }
        self.now = until;
        let before = self.queue.clone();
        self.queue.tick(self.now);
        assert_eq!(self.queue, before, "{}: something moved though no timer was due", self.fault);
        self.events = events;
    }

    /// The broker is killed, is down for a while, and starts again from its rows.
    pub(super) fn restart(&mut self, down_ms: Ms) {
        self.now += down_ms;
        let soft_cap = self.queue.soft_cap();
        self.queue = self.restored();
        self.oracle.live.clear();
        self.queue.broker_started(config(soft_cap), self.now);
        self.leases_begin_anew();
        self.after();
    }

    /// The machine is suspended for a while, and with it everybody.
    pub(super) fn sleep(&mut self, ms: Ms) {
        self.now += ms;
        self.queue.machine_woke(self.now, ms);
        self.leases_begin_anew();
        self.after();
    }

    fn leases_begin_anew(&mut self) {
        for (id, until) in &mut self.leases {
            if self.queue.state(*id) != Some(DispatchState::Unreachable) {
                *until = self.now + LEASE_AT_BOOT;
            }
        }
    }

    pub(super) fn lease(&self, id: DispatchId) -> Lease {
        Lease { dispatch: id, attempt: self.queue.attempt(id).unwrap_or(0) }
    }

    pub(super) fn state(&self, id: DispatchId) -> Option<DispatchState> {
        self.queue.state(id)
    }

    pub(super) fn ended(&self, id: DispatchId) -> Option<DispatchState> {
        self.oracle.ended.get(&id).copied()
    }

    /// The code with which `id` ended in the last call.
    pub(super) fn code(&self, id: DispatchId) -> Option<&str> {
        self.events.iter().find_map(|event| match event {
            Event::Ended { id: ended, failure, .. } if *ended == id => {
                failure.as_ref().map(|failure| failure.code.as_str())
            }
            Event::Ended { .. }
            | Event::Assigned { .. }
            | Event::Resumed { .. }
            | Event::CancelWork { .. } => None,
        })
    }

    pub(super) fn running(&self) -> BTreeSet<DispatchId> {
        let open = self.oracle.open.iter().map(|facts| facts.id);
        open.filter(|id| self.state(*id) == Some(DispatchState::Running)).collect()
    }

    fn host_of(&self, id: DispatchId) -> AspectName {
        self.oracle.facts(id).map_or_else(|| aspect("nobody"), |facts| facts.hand.aspect.clone())
    }

    fn restored(&self) -> Queue {
        let live = self.oracle.live.iter().map(|(name, offer)| (name.clone(), offer.clone()));
        let entries = self.rows.values().map(String::as_str);
        let config = config(self.queue.soft_cap());
        let queue = Queue::restore(config, live, entries, &self.clocks).unwrap();
        queue.with_purses(self.purses.values().cloned()).with_day(self.day.clone())
    }

    fn signs_of_life(&mut self, leases: &[Lease], lost: &[Lease]) {
        for lease in leases.iter().filter(|lease| !lost.contains(lease)) {
            self.leases.insert(lease.dispatch, self.now + LEASE);
        }
    }

    /// Checks everything that must hold after every call.
    fn after(&mut self) {
        self.events = self.queue.take_events();
        let changes = self.queue.take_changes().unwrap();
        for (id, row) in changes.dispatches {
            match row {
                Some(row) => self.rows.insert(id, row),
                None => self.rows.remove(&id),
            };
        }
        self.clocks.change(&changes.clocks);
        for (key, purse) in changes.purses {
            match purse {
                Some(purse) => self.purses.insert(key, purse),
                None => self.purses.remove(&key),
            };
        }
        self.oracle.turn_purses(self.now);
        // For whoever has deadlines of its own that follow those.
        let _ = self.queue.take_moved();
        let followed = self.oracle.follow(&self.queue, &self.events);
        let stood = followed.and_then(|()| self.oracle.stand(&self.queue, self.now));
        if let Err(found) = stood.and_then(|()| self.check_clocks()) {
            panic!("{}: {found}\nevents of this call: {:#?}", self.fault, self.events);
        }
        let config = config(self.queue.config.soft_cap);
        let live = self.oracle.live.clone();
        let entries = self.rows.values().map(String::as_str);
        let restored = Queue::restore(config, live, entries, &self.clocks)
            .unwrap()
            .with_purses(self.purses.values().cloned())
            .with_day(self.day.clone());
        assert_eq!(restored, self.queue, "{}: restored otherwise than it was", self.fault);
        let mut clocks = Clocks::default();
        clocks.change(&self.queue.entries.iter().map(|(id, entry)| (*id, clock(entry))).collect());
        assert_eq!(self.clocks, clocks, "{}: the clocks were not written when they changed", self.fault);
    }

    fn check_clocks(&mut self) -> Result<(), String> {
        for event in &self.events {
            if let Event::Assigned { lease, .. } = event {
                self.leases.insert(lease.dispatch, self.now + LEASE);
            }
        }
        for event in &self.events {
            let Event::Ended { id, failure: Some(failure), attempts, .. } = event else { continue };
            let asks = self.asked.get(id) == Some(attempts);
            ensure!(!asks || failure.code != "timeout", "{event:?} while people were asked");
        }
        for facts in &self.oracle.open {
            let stands = facts.stands_since.is_some();
            ensure!(stands || facts.deadline_at > self.now, "{:?} outlived its deadline", facts.id);
            let until = self.leases.get(&facts.id).copied();
            let expired = until.is_some_and(|until| until <= self.now);
            match self.queue.state(facts.id) {
                Some(DispatchState::Running | DispatchState::Waiting | DispatchState::Retaking) => {
                    ensure!(!expired && until.is_some(), "{:?} outlived its lease", facts.id);
                }
                Some(DispatchState::Unreachable) => {
                    ensure!(expired && !facts.idempotent, "{:?} is unreachable without cause", facts.id);
                }
                Some(DispatchState::Pending) => {
                    ensure!(
                        self.queue.attempt(facts.id) < Some(3),
                        "{:?} would get a fourth attempt",
                        facts.id
                    );
                    let begun = self.queue.attempt(facts.id) > Some(0);
                    ensure!(!begun || facts.idempotent, "{:?} is tried twice", facts.id);
                }
                Some(
                    DispatchState::Done
                    | DispatchState::Failed
                    | DispatchState::TimedOut
                    | DispatchState::Cancelled,
                )
                | None => return Err(format!("{:?} has ended and is still there", facts.id)),
            }
        }
        self.leases.retain(|id, _| self.queue.state(*id).is_some());
        Ok(())
    }
}
