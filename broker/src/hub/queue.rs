//! The Hand queue: decides which dispatch runs, where and in what order, until each has ended.
//!
//! A pure state machine: no clock, no I/O, no randomness; `now` is an argument and never runs back. It knows
//! nothing of inputs, outputs, links, inboxes or rows. Call a mutator, then carry out [`Queue::take_events`]
//! in their order and write [`Queue::take_changes`] in the same batch, *also when the mutator refused*: every
//! one of them first lets what is due by `now` expire. [`Queue::tick`] is due at [`Queue::next_timer`].
//!
//! - a token is (dispatch, attempt); it is good from the assignment until the end, or until the next attempt;
//! - *active* are the running; who waits, retakes or is unreachable holds no slot and no place of its Hand;
//! - while nothing may be spent nobody retakes, and the deadlines of what has begun stand still, see `stand`;
//! - the order in which places are given is in `advance`, the life of a lease in `lease`, trees in `tree`.

mod account;
mod advance;
mod entry;
mod event;
mod index;
mod lease;
mod persist;
mod purse;
mod refusal;
mod stand;
#[cfg(test)]
mod tests;
mod tree;
mod waits;

use std::collections::{BTreeMap, BTreeSet};

use nexus_wire::budget::{Budget, Spending, SpendingDay};
use nexus_wire::hands::{CancelReceipt, DispatchState, HandFailure, Lease, WaitingFor};
use nexus_wire::name::HandName;
use nexus_wire::roster::HeldLease;
use nexus_wire::{AspectName, DispatchId, HandRef, Ms, Party, limits};

use super::command::HubConfig;
use entry::{Entry, Moving};
pub use event::Event;
use index::Index;
pub use persist::{Changes, Clock, ClockChanges, Clocks, RestoreError};
pub(super) use purse::period;
pub use purse::{Purse, PurseKey, PurseTerms, Purses};
pub use refusal::{Refusal, StaleToken, WaitError};
use tree::Farewell;

/// What the rules depend on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct QueueConfig {
    /// Counts as at least 1: with 0 a waiting parent's children would never start.
    pub soft_cap: u32,
    pub lease_ms: Ms,
    pub lease_at_boot_ms: Ms,
}

impl From<&HubConfig> for QueueConfig {
    fn from(config: &HubConfig) -> Self {
        Self {
            soft_cap: config.soft_cap,
            lease_ms: config.lease_ms,
            lease_at_boot_ms: config.lease_at_boot_ms,
        }
    }
}

/// What an online aspect offers: its Hands with their concurrency (`self` included) and its worker slots.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Offer {
    pub hands: BTreeMap<HandName, u32>,
    pub slots: u32,
    /// It asks no model: what it does costs nothing.
    pub is_free: bool,
}

/// A dispatch that asks to be accepted. `id` must be new; `invoker` is the stamped sender.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewDispatch {
    pub id: DispatchId,
    pub hand: HandRef,
    pub idempotent: bool,
    /// Another Hand would do, if this one's host is lost: see [`Queue::redirect`].
    pub movable: bool,
    pub timeout_ms: Ms,
    pub deadline_at: Ms,
    pub invoker: Party,
    pub parent: Option<Lease>,
    /// What it asks for.
    pub budget: Budget,
    /// What the parent's worker has spent so far.
    pub parent_used: Spending,
}

/// Where an accepted dispatch stands in its tree.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Accepted {
    /// The invoker of the tree's root.
    pub key: Party,
    pub root: DispatchId,
    pub depth: u32,
    /// What it asked for; of a child, what it was given.
    pub budget: Budget,
}

/// The verdict on a worker's work; the output itself is not the queue's business.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Done,
    Failed(HandFailure),
    /// The output is not what the Hand promises. An attempt may put it right once; the second time it has failed.
    Refused(HandFailure),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    config: QueueConfig,
    /// The live aspects.
    hosts: BTreeMap<AspectName, Offer>,
    /// Every accepted dispatch that has not ended.
    entries: BTreeMap<DispatchId, Entry>,
    /// Derived from `entries`, never written on its own.
    index: Index,
    events: Vec<Event>,
    changed: BTreeSet<DispatchId>,
    clocks_changed: BTreeSet<DispatchId>,
    purses: Purses,
    purses_changed: BTreeSet<PurseKey>,
    /// What was said for the day that is now.
    day: Option<SpendingDay>,
    /// By how much deadlines have moved.
    moved: BTreeMap<DispatchId, Ms>,
}

impl Queue {
    pub fn new(config: QueueConfig) -> Self {
        Self {
            config,
            hosts: BTreeMap::new(),
            entries: BTreeMap::new(),
            index: Index::default(),
            events: Vec::new(),
            changed: BTreeSet::new(),
            clocks_changed: BTreeSet::new(),
            purses: Purses::default(),
            purses_changed: BTreeSet::new(),
            day: None,
            moved: BTreeMap::new(),
        }
    }

    /// Takes a dispatch in; from here on it ends exactly once, by an [`Event::Ended`].
    pub fn accept(&mut self, new: NewDispatch, now: Ms) -> Result<Accepted, Refusal> {
        self.expire(now);
        let accepted = self.admit(new, now);
        self.settle(now);
        accepted
    }

    /// `host` is live with this offer. `leases` are those its runtime holds *and* those it cannot know of yet,
    /// because their assignment lies after its inbox cursor. Returns those of `leases` that are not good.
    pub fn register(&mut self, host: &AspectName, offer: Offer, leases: &[HeldLease], now: Ms) -> Vec<Lease> {
        self.expire(now);
        self.hosts.insert(host.clone(), offer);
        let lost = self.reconcile(host, leases, now);
        self.drop_gone(host);
        self.look_anew();
        self.settle(now);
        lost
    }

    /// `host` will not come back: what it worked on is lost, and nothing waits for it any longer.
    pub fn gone(&mut self, host: &AspectName, now: Ms) {
        self.expire(now);
        self.hosts.remove(host);
        for id in self.index.held_by(host) {
            self.lose(id, "its aspect was revoked", true, Farewell::Yes);
        }
        self.drop_gone(host);
        self.settle(now);
    }

    /// `host` has no link any more. What it works on keeps its leases.
    pub fn offline(&mut self, host: &AspectName, now: Ms) {
        self.expire(now);
        self.hosts.remove(host);
        self.settle(now);
    }

    /// What `host`, which is live, offers from now on.
    pub fn offer(&mut self, host: &AspectName, offer: Offer, now: Ms) {
        self.expire(now);
        self.hosts.insert(host.clone(), offer);
        self.look_anew();
        self.settle(now);
    }

    /// `host` is kept off: it will not come back to what it works on.
    pub fn dismiss(&mut self, host: &AspectName, why: &str, now: Ms) {
        self.expire(now);
        self.hosts.remove(host);
        for id in self.index.held_by(host) {
            self.lose(id, why, true, Farewell::No);
        }
        self.settle(now);
    }

    /// The worker of `lease`, a task of `host`, has finished, having spent `used` in this attempt; where the dispatch
    /// now stands.
    pub fn result(
        &mut self,
        lease: Lease,
        host: &AspectName,
        verdict: Verdict,
        used: Spending,
        now: Ms,
    ) -> Result<DispatchState, StaleToken> {
        self.expire(now);
        let finished = self.finish(lease, host, verdict, used, now);
        self.settle(now);
        finished
    }

    /// The worker of an attempt that is over says what it had used beyond what it had said. `above` are the dispatches it
    /// was made for, the nearest first; `payer` is who pays for all of them.
    pub fn used_late(&mut self, lease: Lease, above: &[DispatchId], payer: &Party, late: Spending, now: Ms) {
        self.expire(now);
        self.count_late(lease, above, payer, late);
        self.settle(now);
    }

    /// What is pending goes to another Hand, in the turn that it has. One that has begun may go only where it may be done
    /// twice; that is the caller's to know.
    pub fn redirect(&mut self, id: DispatchId, to: HandRef, idempotent: bool, timeout_ms: Ms, now: Ms) {
        self.expire(now);
        if self.entries.get(&id).is_some_and(|entry| entry.phase.is_pending()) {
            self.update(id, |entry| {
                entry.hand = to;
                entry.idempotent = idempotent;
                entry.timeout_ms = timeout_ms;
                entry.moving = Moving::May;
            });
        }
        self.settle(now);
    }

    /// Nobody else can do what is pending. Its own host has it again where that can; otherwise it is left alone until somebody
    /// offers something anew. `is_early`: others may yet come back, so that a Hand that is gone is no end yet.
    pub fn nobody_else(&mut self, id: DispatchId, is_early: bool, now: Ms) {
        self.expire(now);
        let Some(entry) = self.entries.get(&id).filter(|entry| entry.phase.is_pending()) else { return };
        match entry.moving {
            Moving::No | Moving::Stuck => {}
            Moving::Must if is_early => self.update(id, |entry| entry.moving = Moving::Stuck),
            Moving::Must => self.end_as_gone(id),
            Moving::May | Moving::Should => {
                let is_here = self.hosts.contains_key(entry.host());
                self.update(id, |entry| entry.moving = if is_here { Moving::May } else { Moving::Stuck });
            }
        }
        self.settle(now);
    }

    /// Somebody offers something anew.
    fn look_anew(&mut self) {
        let waiting: Vec<DispatchId> =
            self.index.stuck.iter().chain(self.index.astray.values()).copied().collect();
        for id in waiting {
            let Some(entry) = self.entries.get(&id) else { continue };
            let offers = self.hosts.get(entry.host()).map(|offer| offer.hands.contains_key(&entry.hand.hand));
            let moving = match (entry.moving, offers) {
                (Moving::Stuck, Some(false)) => Moving::Must,
                (Moving::Stuck, Some(true) | None) | (Moving::Must, Some(true)) => Moving::May,
                (Moving::No | Moving::May | Moving::Should | Moving::Must, _) => continue,
            };
            self.update(id, |entry| entry.moving = moving);
        }
    }

    /// Ends `id` and everything below it. Whether `id` ever existed, and who may cancel it, is the caller's to
    /// know.
    pub fn cancel(&mut self, id: DispatchId, reason: &str, now: Ms) -> CancelReceipt {
        self.expire(now);
        let receipt = self.cancel_tree(id, reason);
        self.settle(now);
        receipt
    }

    /// The worker of `lease` yields until `on`, which are children of that dispatch, have ended. The caller
    /// leaves out children that have ended already (the queue has forgotten those); with none left the
    /// dispatch goes straight on to retake its place. Repeated while yielded it changes nothing.
    pub fn wait(
        &mut self,
        lease: Lease,
        host: &AspectName,
        on: &[DispatchId],
        now: Ms,
    ) -> Result<DispatchState, WaitError> {
        self.expire(now);
        let parked = self.park(lease, host, on, now);
        self.settle(now);
        parked?;
        // Retaken at once is running again; a lease of no length may even have been lost already.
        self.state(lease.dispatch).ok_or(WaitError::Stale(StaleToken(lease)))
    }

    /// These tasks of `host` are alive. Returns those that are not good any more.
    pub fn renew(&mut self, host: &AspectName, leases: &[Lease], now: Ms) -> Vec<Lease> {
        self.expire(now);
        let lost = leases.iter().copied().filter(|lease| self.touch(*lease, host, now).is_err()).collect();
        self.settle(now);
        lost
    }

    /// Time passed.
    pub fn tick(&mut self, now: Ms) {
        self.settle(now);
    }

    /// A broker took over: nobody is live, and every lease lasts until `lease_at_boot_ms` from now.
    pub fn broker_started(&mut self, config: QueueConfig, now: Ms) {
        self.config = config;
        self.hosts.clear();
        self.regrant(now);
        self.settle(now);
    }

    /// The machine was suspended: every lease lasts until `lease_at_boot_ms` from now, and the time that work may take has
    /// stood still.
    pub fn machine_woke(&mut self, now: Ms, slept_ms: Ms) {
        self.put_off(slept_ms);
        self.regrant(now);
        self.settle(now);
    }

    pub fn set_soft_cap(&mut self, soft_cap: u32, now: Ms) {
        self.expire(now);
        self.config.soft_cap = soft_cap;
        self.settle(now);
    }

    /// When [`Self::tick`] is due next.
    pub fn next_timer(&self) -> Option<Ms> {
        let timer = self.index.timers.first().map(|(at, _, _)| *at);
        [timer, self.purses_turn_at(), self.day.as_ref().map(|day| day.until)].into_iter().flatten().min()
    }

    /// What has happened since the last call, in order.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// `None` once it has ended, and for what was never accepted.
    pub fn state(&self, id: DispatchId) -> Option<DispatchState> {
        self.entries.get(&id).map(|entry| entry.phase.state())
    }

    /// How many attempts have begun.
    pub fn attempt(&self, id: DispatchId) -> Option<u32> {
        self.entries.get(&id).map(|entry| entry.attempt)
    }

    /// The tree `id` belongs to.
    pub fn placement(&self, id: DispatchId) -> Option<Accepted> {
        self.entries.get(&id).map(Entry::placement)
    }

    /// How many of the same key are before it; 0 once it has begun.
    pub fn position(&self, id: DispatchId) -> u32 {
        self.entries.get(&id).map_or(0, |entry| self.index.before(entry))
    }

    /// Children of `id` that have not ended, in the order of acceptance.
    pub fn children(&self, id: DispatchId) -> Vec<DispatchId> {
        self.index.children_of(id)
    }

    /// Where `id` goes.
    pub fn hand(&self, id: DispatchId) -> Option<&HandRef> {
        self.entries.get(&id).map(|entry| &entry.hand)
    }

    /// How many run on the Hand's host, and of the Hand itself.
    pub fn running(&self, hand: &HandRef) -> (u32, u32) {
        (self.index.running_on(&hand.aspect), self.index.running_of(hand))
    }

    /// What is pending that another may do if its host is lost, in the order of acceptance, by that host.
    pub fn movable(&self) -> impl Iterator<Item = (&AspectName, impl Iterator<Item = DispatchId>)> {
        self.index.movable.iter().map(|(host, line)| (host, line.values().copied()))
    }

    /// What is pending and given to nobody until another was looked for, in the order of acceptance.
    pub fn astray(&self) -> impl Iterator<Item = DispatchId> {
        self.index.astray.values().copied()
    }

    /// Who has let an attempt of `id` run out, and is not to have it again if others can do it.
    pub fn shunned(&self, id: DispatchId) -> Option<&AspectName> {
        self.entries.get(&id).filter(|entry| entry.moving == Moving::Should).map(Entry::host)
    }

    /// How many are pending for each aspect that has any.
    pub fn waiting(&self) -> BTreeMap<AspectName, u32> {
        self.index.waiting()
    }

    /// Whether `host` holds `lease`.
    pub fn holds(&self, lease: Lease, host: &AspectName) -> Result<(), StaleToken> {
        self.held(lease, host).map(|_| ())
    }

    /// Every good token of `host`, in the order of ids: what a runtime of it should be working on.
    pub fn leases(&self, host: &AspectName) -> Vec<Lease> {
        let held = self.index.held_by(host);
        held.iter().filter_map(|id| self.entries.get(id)).map(Entry::lease).collect()
    }

    /// How many are running at `host`.
    pub fn running_on(&self, host: &AspectName) -> u32 {
        self.index.running_on(host)
    }

    /// How many are running.
    pub fn active(&self) -> u32 {
        self.index.active
    }

    /// Unended dispatches.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Dispatches of nobody's work that `key` has waiting.
    pub fn pending_roots_of(&self, key: &Party) -> usize {
        self.index.pending_roots_of(key)
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn soft_cap(&self) -> u32 {
        self.config.soft_cap.max(1)
    }

    /// How long a lease lasts that is not renewed.
    pub fn lease_ms(&self) -> Ms {
        self.config.lease_ms
    }

    /// H: no assignment makes more than this many active.
    pub fn hard_cap(&self) -> u32 {
        let live = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
        self.soft_cap().max(live).saturating_add(1)
    }
}

const _: () = assert!(limits::DISPATCH_DEPTH_MAX >= 1 && limits::ATTEMPTS_MAX >= 1 && limits::SOFT_CAP >= 1);
