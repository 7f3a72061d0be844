//! Several dispatches taken together: one answer when enough of them are done.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Ms;
use crate::hands::{CancelReceipt, DispatchState, Lease, Outcome};
use crate::ids::{DispatchId, GatherId};
use crate::name::Party;

/// How many have to be done.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GatherPolicy {
    #[default]
    All,
    First,
    /// As many as `n` says.
    N,
}

/// `gather`: one answer about several dispatches, all of them the sender's own.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Gather {
    pub dispatches: Vec<DispatchId>,
    #[serde(default)]
    pub policy: GatherPolicy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u32>,
    /// Seconds until it ends at the latest. Clamped to the limit of dispatches, and said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_s: Option<u32>,
    /// Whether those still open are cancelled when it ends; absent: unless the policy is `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_rest: Option<bool>,
    /// A Hand at work that has nothing else to do: it yields its place as by `dispatch.wait`, for these children.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
}

/// Where a gather stands; all but `open` are ends.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GatherState {
    Open,
    /// Enough of them are done.
    Met,
    /// Too many have ended otherwise.
    Failed,
    /// Its deadline passed.
    TimedOut,
    /// Its invoker or an operator ended it.
    Cancelled,
}

impl GatherState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Met => "met",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The answer to `gather`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Gathered {
    pub gather: GatherId,
    pub state: GatherState,
    pub deadline_at: Ms,
    /// The deadline asked for was longer than allowed.
    pub clamped: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct GatherMember {
    pub dispatch: DispatchId,
    /// How it ended; absent: it had not when the gather ended, or has not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<DispatchState>,
}

/// `gather.cancel`: end an open gather before it is decided. By its invoker or an operator.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct GatherCancel {
    pub gather: GatherId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether its dispatches that are open are cancelled with it; absent: as `gather` said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_rest: Option<bool>,
}

/// The answer to `gather.cancel`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct GatherCancelled {
    pub gather: GatherId,
    /// `cancelled`, unless it had ended before.
    pub state: GatherState,
    /// What became of its dispatches, where they were cancelled with it.
    #[serde(default)]
    pub rest: CancelReceipt,
}

/// `gather.list`: those that are open, the latest first.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct GatherList {
    /// Only those before this one: the last of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<GatherId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct GatherPage {
    pub gathers: Vec<GatherInfo>,
    #[serde(default)]
    pub more: bool,
}

/// `gather.status`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct GatherStatus {
    pub gather: GatherId,
}

/// Everything the broker knows of a gather.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct GatherInfo {
    pub id: GatherId,
    pub invoker: Party,
    pub policy: GatherPolicy,
    /// How many have to be done.
    pub need: u32,
    pub cancel_rest: bool,
    pub state: GatherState,
    pub accepted_at: Ms,
    pub deadline_at: Ms,
    pub clamped: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Ms>,
    /// Who cancelled it, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub members: Vec<GatherMember>,
}

/// How a gather ended, as its invoker learns it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct GatherResult {
    pub gather: GatherId,
    pub state: GatherState,
    /// Who cancelled it, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub need: u32,
    /// Of those that had ended, in the order in which they were named.
    pub outcomes: Vec<Outcome>,
    /// Those that had not; with `cancel_rest` they are cancelled now.
    pub open: Vec<DispatchId>,
    /// Of these the output is not in `outcomes`, for want of room: see their own results.
    #[serde(default)]
    pub left_out: Vec<DispatchId>,
}
