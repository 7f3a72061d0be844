//! What the queue tells its owner: the moments at which somebody outside must learn something.

use nexus_wire::budget::{Budget, Spending};
use nexus_wire::hands::{DispatchState, HandFailure, Lease};
use nexus_wire::{AspectName, DispatchId};

#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An attempt begins: `host` gets the work. `granted` is set aside for the dispatch, of which this attempt may
    /// spend `budget`.
    Assigned { lease: Lease, host: AspectName, granted: Budget, budget: Budget },
    /// The `wait`-th wait of this attempt is over and its place is taken again: the worker goes on.
    Resumed { lease: Lease, wait: u32, host: AspectName },
    /// The token is no longer good: the worker should stop. Not sent to one that finished, or that came back
    /// without the lease. `said` is what it has said so far that it used in this attempt.
    CancelWork { lease: Lease, host: AspectName, reason: String, said: Spending },
    /// Comes exactly once for every accepted dispatch, after the `Ended` of all its children. `attempts` have
    /// begun; `failure` is there for everything but `done`.
    Ended {
        id: DispatchId,
        state: DispatchState,
        failure: Option<HandFailure>,
        attempts: u32,
        /// What was set aside for it, and what it and everything below it have spent.
        granted: Budget,
        spent: Spending,
    },
}
