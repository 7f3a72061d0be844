//! One accepted, unended dispatch: what it is and where it stands. Knows nothing of the others.

use std::collections::BTreeSet;

use nexus_wire::budget::Budget;
use nexus_wire::hands::{DispatchState, Lease};
use nexus_wire::{AspectName, DispatchId, HandRef, Ms, Party};
use serde::{Deserialize, Serialize};

use super::Accepted;
use super::account::Account;

/// `passed` and `lease_until` move without anything happening to the dispatch itself; they are kept apart, so
/// that a renewal does not rewrite what may be a large row (see `persist`).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) enum Phase {
    Pending {
        /// How often somebody was taken instead.
        #[serde(skip)]
        passed: u32,
    },
    Running {
        timeout_at: Ms,
        #[serde(skip)]
        lease_until: Ms,
    },
    Waiting {
        /// Children not ended yet; never empty.
        on: BTreeSet<DispatchId>,
        /// What is left of the timeout once it runs again.
        left_ms: Ms,
        #[serde(skip)]
        lease_until: Ms,
    },
    Retaking {
        /// Its turn among those that retake.
        turn: u64,
        left_ms: Ms,
        #[serde(skip)]
        lease_until: Ms,
    },
    Unreachable {
        /// What it waits for, if it had yielded when it was lost; empty: it was to retake.
        yielded: Option<BTreeSet<DispatchId>>,
        left_ms: Ms,
    },
}

impl Phase {
    pub(super) fn state(&self) -> DispatchState {
        match self {
            Self::Pending { .. } => DispatchState::Pending,
            Self::Running { .. } => DispatchState::Running,
            Self::Waiting { .. } => DispatchState::Waiting,
            Self::Retaking { .. } => DispatchState::Retaking,
            Self::Unreachable { .. } => DispatchState::Unreachable,
        }
    }

    pub(super) fn lease_until(&self) -> Option<Ms> {
        match self {
            Self::Running { lease_until, .. }
            | Self::Waiting { lease_until, .. }
            | Self::Retaking { lease_until, .. } => Some(*lease_until),
            Self::Pending { .. } | Self::Unreachable { .. } => None,
        }
    }

    pub(super) fn set_lease_until(&mut self, until: Ms) {
        match self {
            Self::Running { lease_until, .. }
            | Self::Waiting { lease_until, .. }
            | Self::Retaking { lease_until, .. } => *lease_until = until,
            Self::Pending { .. } | Self::Unreachable { .. } => {}
        }
    }

    pub(super) fn passed(&self) -> u32 {
        match self {
            Self::Pending { passed } => *passed,
            Self::Running { .. }
            | Self::Waiting { .. }
            | Self::Retaking { .. }
            | Self::Unreachable { .. } => 0,
        }
    }

    pub(super) fn is_pending(&self) -> bool {
        match self {
            Self::Pending { .. } => true,
            Self::Running { .. }
            | Self::Waiting { .. }
            | Self::Retaking { .. }
            | Self::Unreachable { .. } => false,
        }
    }
}

/// Whether another Hand may do it, and while it is pending, how that stands.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Moving {
    /// Its Hand was named.
    #[default]
    No,
    /// If its host is lost.
    May,
    /// Its host has let an attempt of it run out, and is given it again only if nobody else can do it.
    Should,
    /// Its Hand is not there any more: if nobody else can do it, that is its end.
    Must,
    /// Its host is lost, and nobody else could.
    Stuck,
}

impl Moving {
    fn is_no(&self) -> bool {
        *self == Self::No
    }

    /// It waits for somebody to look for another, and for nothing else.
    pub(super) fn is_astray(self) -> bool {
        match self {
            Self::Should | Self::Must => true,
            Self::No | Self::May | Self::Stuck => false,
        }
    }
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Entry {
    pub(super) id: DispatchId,
    /// The order of acceptance among the unended.
    pub(super) seq: u64,
    pub(super) hand: HandRef,
    pub(super) key: Party,
    pub(super) root: DispatchId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parent: Option<DispatchId>,
    pub(super) depth: u32,
    pub(super) idempotent: bool,
    #[serde(default, skip_serializing_if = "Moving::is_no")]
    pub(super) moving: Moving,
    pub(super) timeout_ms: Ms,
    #[serde(default)]
    pub(super) accepted_at: Ms,
    pub(super) deadline_at: Ms,
    /// Since when that stands still, because nothing may be spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stands_since: Option<Ms>,
    /// Since when people are asked something for this attempt: the timeout of what runs stands still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) asks_since: Option<Ms>,
    /// Attempts begun.
    pub(super) attempt: u32,
    /// Waits begun in this attempt.
    pub(super) waits: u32,
    /// An output of this attempt was refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) refused: bool,
    #[serde(default, skip_serializing_if = "Account::is_blank")]
    pub(super) account: Account,
    pub(super) phase: Phase,
}

impl Entry {
    pub(super) fn lease(&self) -> Lease {
        Lease { dispatch: self.id, attempt: self.attempt }
    }

    pub(super) fn host(&self) -> &AspectName {
        &self.hand.aspect
    }

    pub(super) fn is_root(&self) -> bool {
        self.parent.is_none()
    }

    /// It runs from `now` on with what is left of its timeout.
    pub(super) fn run(&mut self, left_ms: Ms, lease_until: Ms, now: Ms) {
        self.asks_since = self.asks_since.map(|_| now);
        self.phase = Phase::Running { timeout_at: now.saturating_add(left_ms), lease_until };
    }

    /// What `now` is left of a timeout that is to pass at `timeout_at`.
    pub(super) fn left(&self, timeout_at: Ms, now: Ms) -> Ms {
        timeout_at.saturating_sub(self.asks_since.unwrap_or(now))
    }

    /// Of a root that has not begun: what it asks for.
    pub(super) fn asked(&self) -> Option<Budget> {
        (self.is_root() && self.attempt == 0).then_some(self.account.asked)
    }

    pub(super) fn placement(&self) -> Accepted {
        let Account { asked, granted, .. } = self.account;
        Accepted { key: self.key.clone(), root: self.root, depth: self.depth, budget: granted.or(asked) }
    }
}
