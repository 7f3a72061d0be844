//! Work that has begun and cannot go on because nothing may be spent: it has no place meanwhile, and its deadline stands
//! still with that of everything below it and of whoever waits for it. What it has cost is not to be lost to a stop.

use std::collections::BTreeMap;

use nexus_wire::{DispatchId, HandRef, Ms};

use super::Queue;
use super::entry::{Entry, Phase};

impl Queue {
    /// Whether nothing is to be spent: somebody has said so, or nothing at all is left of everybody's day.
    fn is_stopped(&self) -> bool {
        self.day.as_ref().is_some_and(|day| day.stop.is_some()) || self.exhausted_day().is_some()
    }

    /// Whether a worker of `hand` that has yielded may have its place again: it would ask a model.
    pub(super) fn may_go_on(&self, hand: &HandRef) -> bool {
        !self.is_stopped() || self.is_free(hand)
    }

    /// Whether what is done for `hand` costs nothing.
    pub(super) fn is_free(&self, hand: &HandRef) -> bool {
        self.hosts.get(&hand.aspect).is_some_and(|offer| offer.is_free)
    }

    /// Whether the deadline of `id` stands still.
    pub fn stands(&self, id: DispatchId) -> bool {
        self.index.standing.contains(&id)
    }

    pub fn does_any_stand(&self) -> bool {
        !self.index.standing.is_empty()
    }

    /// By how much deadlines have moved since the last call.
    pub fn take_moved(&mut self) -> BTreeMap<DispatchId, Ms> {
        std::mem::take(&mut self.moved)
    }

    /// When `id` has to have ended.
    pub fn deadline(&self, id: DispatchId) -> Option<Ms> {
        self.entries.get(&id).map(|entry| entry.deadline_at)
    }

    /// Stops the clocks of those that have to wait, and lets the others go on with what they had left.
    pub(super) fn stand(&mut self, now: Ms) {
        let is_stopped = self.is_stopped();
        if !is_stopped && !self.does_any_stand() {
            return;
        }
        let is_wrong =
            |entry: &&Entry| entry.stands_since.is_some() != (is_stopped && self.has_to_stand(entry));
        let wrong: Vec<DispatchId> = self.entries.values().filter(is_wrong).map(|entry| entry.id).collect();
        for id in wrong {
            let mut moved = 0;
            self.update(id, |entry| match entry.stands_since.take() {
                Some(since) => {
                    moved = now.saturating_sub(since);
                    entry.deadline_at = entry.deadline_at.saturating_add(moved);
                }
                None => entry.stands_since = Some(now),
            });
            if moved > 0 {
                self.moved.insert(id, moved);
            }
        }
    }

    /// Of a tree that has begun, whatever is not at work: a worker that runs may end what it is at.
    fn has_to_stand(&self, entry: &Entry) -> bool {
        let has_begun = self.entries.get(&entry.root).is_some_and(|root| root.attempt > 0);
        has_begun
            && match &entry.phase {
                Phase::Running { .. } | Phase::Unreachable { yielded: None, .. } => false,
                Phase::Waiting { .. } => true,
                Phase::Pending { .. }
                | Phase::Retaking { .. }
                | Phase::Unreachable { yielded: Some(_), .. } => !self.is_free(&entry.hand),
            }
    }
}
