//! Why the queue refuses, in words for people and as the body of an `error` reply.

use nexus_wire::budget::Budget;
use nexus_wire::hands::Lease;
use nexus_wire::{DispatchId, ErrorBody, ErrorCode};
use serde_json::json;
use thiserror::Error;

/// Why a dispatch was not accepted.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Refusal {
    #[error(
        "parent {} attempt {} is not a token this aspect holds; name the lease of the assignment being worked on",
        .0.dispatch, .0.attempt
    )]
    BadParent(Lease),
    #[error(
        "{asked} is more than the {limit} an operator lets be spent at all; ask for less, or have it raised"
    )]
    BeyondLimit { asked: Budget, limit: Budget },
    #[error(
        "{left} is what dispatch {parent} has left, and it is not enough for {asked}; ask for less, or wait until other \
        children of it have ended"
    )]
    BudgetExceeded { parent: DispatchId, asked: Budget, left: Budget },
    #[error(
        "the dispatch would be at depth {depth} of its tree and {limit} is the deepest; do the work here"
    )]
    DepthExceeded { depth: u32, limit: u32 },
    #[error("dispatch {0} is already in the queue")]
    Duplicate(DispatchId),
    #[error(
        "{depth} dispatches of this invoker are pending and {limit} may be; try again when some have begun"
    )]
    QueueFull { depth: usize, limit: usize },
    #[error("dispatch {parent} has {depth} unended children and {limit} may be; wait for some of them first")]
    TooManyChildren { parent: DispatchId, depth: usize, limit: usize },
}

impl From<Refusal> for ErrorBody {
    fn from(refusal: Refusal) -> Self {
        let (code, details) = match &refusal {
            Refusal::BadParent(lease) => (ErrorCode::BadParent, json!({ "parent": lease })),
            Refusal::BeyondLimit { asked, limit } => {
                (ErrorCode::BudgetExceeded, json!({ "asked": asked, "left": limit }))
            }
            Refusal::BudgetExceeded { parent, asked, left } => {
                (ErrorCode::BudgetExceeded, json!({ "parent": parent, "asked": asked, "left": left }))
            }
            Refusal::DepthExceeded { depth, limit } => {
                (ErrorCode::Invalid, json!({ "depth": depth, "limit": limit }))
            }
            Refusal::Duplicate(id) => (ErrorCode::IdReused, json!({ "dispatch": id })),
            Refusal::QueueFull { depth, limit } => {
                (ErrorCode::QueueFull, json!({ "depth": depth, "limit": limit }))
            }
            Refusal::TooManyChildren { parent, depth, limit } => {
                (ErrorCode::QueueFull, json!({ "depth": depth, "limit": limit, "parent": parent }))
            }
        };
        Self::new(code, refusal.to_string()).with(details)
    }
}

/// The token is of an earlier attempt, of a dispatch that has ended, or of somebody else's.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the token of dispatch {} attempt {} is not good any more; stop that work", .0.dispatch, .0.attempt)]
pub struct StaleToken(pub Lease);

impl From<StaleToken> for ErrorBody {
    fn from(stale: StaleToken) -> Self {
        Self::new(ErrorCode::StaleToken, stale.to_string()).with(json!({ "lease": stale.0 }))
    }
}

/// Why a worker may not yield.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum WaitError {
    #[error(
        "{child} is not a child of dispatch {parent}; a task may wait only for what it dispatched itself"
    )]
    NotAChild { parent: DispatchId, child: DispatchId },
    #[error(transparent)]
    Stale(#[from] StaleToken),
}

impl From<WaitError> for ErrorBody {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::NotAChild { parent, child } => Self::new(ErrorCode::Invalid, error.to_string())
                .with(json!({ "dispatch": parent, "on": child })),
            WaitError::Stale(stale) => stale.into(),
        }
    }
}
