//! What one dispatch may spend and has spent. What is set aside stands in one place, the account it is set aside
//! for, so that it is given back by the end of the dispatch and by nothing else.

use nexus_wire::budget::{Budget, Spending};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub(super) struct Account {
    /// What its invoker asked for.
    pub(super) asked: Budget,
    /// What is set aside for it and everything below it: for a child from the beginning, for a root once it begins.
    pub(super) granted: Budget,
    /// Spent by the worker of this attempt, as far as it has said,
    own: Spending,
    /// by those of attempts before,
    before: Spending,
    /// and by children that have ended.
    below: Spending,
    /// Of a root: what of its tree the purses count as spent, and need not set aside any more.
    settled: Spending,
}

impl Account {
    pub(super) fn new(asked: Budget, granted: Budget) -> Self {
        Self { asked, granted, ..Self::default() }
    }

    pub(super) fn is_blank(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn is_limited(&self) -> bool {
        !self.granted.is_unlimited()
    }

    /// The worker says what it has spent in this attempt; what it said before is part of that.
    pub(super) fn report(&mut self, own: Spending) {
        self.own = self.own.max(own);
    }

    pub(super) fn next_attempt(&mut self) {
        self.before = self.before.plus(std::mem::take(&mut self.own));
    }

    /// What the worker has said so far of this attempt.
    pub(super) fn said(&self) -> Spending {
        self.own
    }

    /// An attempt that is over had used this as well.
    pub(super) fn late(&mut self, spent: Spending) {
        self.before = self.before.plus(spent);
    }

    pub(super) fn child_ended(&mut self, spent: Spending) {
        self.below = self.below.plus(spent);
    }

    pub(super) fn settle(&mut self, spent: Spending) {
        self.settled = self.settled.plus(spent);
    }

    /// By its own workers.
    pub(super) fn by_itself(&self) -> Spending {
        self.before.plus(self.own)
    }

    /// By them and by everything below.
    pub(super) fn total(&self) -> Spending {
        self.by_itself().plus(self.below)
    }

    /// What may be spent yet, with `held` set aside for children.
    pub(super) fn left(&self, held: Spending) -> Budget {
        self.granted.less(self.total().plus(held))
    }

    /// Of a root: what the purses keep for its tree.
    pub(super) fn set_aside(&self) -> Spending {
        self.granted.amount().minus(self.settled)
    }
}
