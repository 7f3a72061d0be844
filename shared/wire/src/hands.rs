//! Hands and the dispatches sent to them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Ms;
use crate::budget::{Budget, Spending};
use crate::chat::Usage;
use crate::ids::{DispatchId, RunId, ThreadId};
use crate::limits;
use crate::name::{AspectName, FlowName, HandName, HandRef, HandTarget, Party, TriggerName};

/// A Hand as its aspect declares it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct HandSpec {
    pub name: HandName,
    #[serde(default)]
    pub description: String,
    /// JSON Schema of the input and the output; absent: anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    #[serde(default = "timeout_default")]
    pub timeout_s: u32,
    /// How many dispatches of this Hand may run at once.
    #[serde(default = "concurrency_default")]
    pub concurrency: u32,
    /// Aspects that may dispatch it; absent: any. Operators always may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_invokers: Option<Vec<AspectName>>,
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Whether a second attempt after a lost worker is safe.
    #[serde(default)]
    pub idempotent: bool,
}

fn timeout_default() -> u32 {
    limits::HAND_TIMEOUT_DEFAULT.as_secs() as u32
}

fn concurrency_default() -> u32 {
    limits::HAND_CONCURRENCY_DEFAULT
}

impl HandSpec {
    /// The Hand `self` as every aspect offers it, unless it declares one of that name: `capabilities` are the
    /// aspect's own.
    pub fn own(capabilities: Vec<String>) -> Self {
        Self {
            name: HandName::own(),
            description: "the aspect itself, without any memory of a conversation".to_owned(),
            input_schema: None,
            output_schema: None,
            timeout_s: limits::SELF_TIMEOUT.as_secs() as u32,
            concurrency: concurrency_default(),
            allowed_invokers: None,
            capabilities,
            idempotent: false,
        }
    }
}

/// The right to work on one attempt of a dispatch: its lease token.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Lease {
    pub dispatch: DispatchId,
    pub attempt: u32,
}

/// `dispatch`: send work to a Hand. Exactly one of `hand` and `capability`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Dispatch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hand: Option<HandTarget>,
    /// The broker chooses a Hand that fits, and says why it is that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capability: Option<Wanted>,
    pub input: Value,
    /// A skill of the broker's workspace, for an aspect's Hand `self`: `input` follows its schema, and is handed on with the
    /// skill's title as `skill` and its text as `instructions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skill: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadId>,
    /// Seconds from acceptance to the end at the latest. Clamped to the limit, and said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_s: Option<u32>,
    /// What it and everything below it may spend. A child's is taken out of what its parent has left; a child
    /// without one gets half of that.
    #[serde(default, skip_serializing_if = "Budget::is_unlimited")]
    pub budget: Budget,
    /// The dispatch on whose behalf this one is made. A Hand at work must name its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Lease>,
    /// What the parent's worker has spent itself in this attempt so far: none of that is left for a child.
    #[serde(default, skip_serializing_if = "Spending::is_nothing")]
    pub parent_used: Spending,
}

impl Dispatch {
    pub fn to(hand: impl Into<HandTarget>, input: Value) -> Self {
        Self { hand: Some(hand.into()), input, ..Self::default() }
    }
}

/// Why work goes nowhere that names none of the two, or both.
pub const HAND_OR_CAPABILITY: &str = "name a `hand`, or the `capability` it has to have, and not both";

/// What a Hand has to be good at, and what counts for it when several are. Upper and lower case are the same.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Wanted {
    /// Capabilities it has to have, all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// Capabilities that count for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub likes: Vec<String>,
    /// Aspects that come before others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefer: Vec<AspectName>,
    /// Aspects that are taken only if there is nobody else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub avoid: Vec<AspectName>,
}

impl Wanted {
    /// Why no Hand can be chosen by it, whoever is there.
    pub fn fault(&self) -> Option<String> {
        let Self { needs, likes, prefer, avoid } = self;
        if needs.iter().all(|name| name.trim().is_empty()) {
            return Some("name in `needs` at least one capability".to_owned());
        }
        let (most, bytes) = (limits::WANTED_MAX, limits::TOPIC_BYTES_MAX);
        let is_many = [needs.len(), likes.len(), prefer.len(), avoid.len()].into_iter().any(|len| len > most);
        let is_long = needs.iter().chain(likes).any(|name| name.len() > bytes);
        (is_many || is_long).then(|| format!("at most {most} in each list, of {bytes} bytes at most"))
    }
}

/// A Hand that came into question when one was chosen by capability.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Candidate {
    pub hand: HandRef,
    /// The larger, the better; absent for one that cannot take it at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<i64>,
    /// Why it is another; absent for the chosen one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Lost>,
    /// The same in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub because: String,
}

/// Why a candidate was not chosen: the first of these that is true of it. Those up to `input_refused` put it out
/// of question; the others say what the chosen one has before it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lost {
    /// A capability that is needed.
    Lacks,
    /// The invoker is not among its allowed ones.
    NotAllowed,
    Offline,
    /// Its process takes no Hand tasks.
    NoSlots,
    /// The input does not follow its schema.
    InputRefused,
    LessPreferred,
    FewerLikes,
    /// It could not begin at once.
    NoPlace,
    /// It is the shadow of an aspect, and the chosen one is a Hand made for this.
    Shadow,
    Busier,
    /// All else being equal, names decide.
    LaterName,
}

/// The answer to `dispatch`: the work is on disk and will end.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Dispatched {
    pub dispatch: DispatchId,
    /// The Hand it goes to.
    pub chosen: HandRef,
    /// When it was chosen by capability: the chosen one, then the others, the best first, with the reason each
    /// lost; at most `CANDIDATES_TOLD_MAX`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<Candidate>,
    pub state: DispatchState,
    /// How many of the same key are before it; 0 once it has begun.
    pub position: u32,
    pub deadline_at: Ms,
    /// The deadline asked for was longer than allowed.
    pub clamped: bool,
    /// What it asked for, and for a child what it was given.
    #[serde(default, skip_serializing_if = "Budget::is_unlimited")]
    pub budget: Budget,
}

/// Where a dispatch stands; the last four are ends.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DispatchState {
    /// In the queue.
    Pending,
    /// A worker holds it.
    Running,
    /// Its worker has yielded until its children end.
    Waiting,
    /// Its children have ended; it waits for its place back.
    Retaking,
    /// Its worker is lost and it may not be tried twice; the token stays good until the deadline.
    Unreachable,
    Done,
    Failed,
    TimedOut,
    Cancelled,
}

impl DispatchState {
    pub fn is_end(self) -> bool {
        match self {
            Self::Done | Self::Failed | Self::TimedOut | Self::Cancelled => true,
            Self::Pending | Self::Running | Self::Waiting | Self::Retaking | Self::Unreachable => false,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Retaking => "retaking",
            Self::Unreachable => "unreachable",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Why a dispatch has not begun.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitingFor {
    /// Not enough is left of a budget that an operator has set.
    Budget,
    /// Its aspect is offline or paused.
    Aspect,
    /// Every slot of the aspect, or every place of the Hand, is taken.
    Place,
    /// Others come first.
    Turn,
}

impl WaitingFor {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Aspect => "aspect",
            Self::Place => "place",
            Self::Turn => "turn",
        }
    }
}

/// Why a dispatch did not end as `done`. `code` is a short snake_case word: the broker's own are
/// `worker_lost`, `timeout`, `deadline`, `cancelled`, `parent_ended`, `hand_gone`, `invalid_output`; others are the
/// Hand's, among them `budget_exceeded`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct HandFailure {
    pub code: String,
    pub message: String,
}

/// What a worker is given.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Assignment {
    pub lease: Lease,
    pub hand: HandName,
    pub input: Value,
    pub invoker: Party,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadId>,
    pub depth: u32,
    pub timeout_s: u32,
    pub deadline_at: Ms,
    /// What this attempt and everything below it may spend; the worker stops before it spends more.
    #[serde(default, skip_serializing_if = "Budget::is_unlimited")]
    pub budget: Budget,
}

/// `dispatch.result`: a worker's answer. Exactly one of `output` and `error`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct DispatchResult {
    pub lease: Lease,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<HandFailure>,
    #[serde(default)]
    pub usage: Usage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_microusd: Option<u64>,
}

/// How a dispatch ended, as its invoker learns it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Outcome {
    pub dispatch: DispatchId,
    pub hand: HandRef,
    /// The invoker's own dispatch it was made for, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<DispatchId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadId>,
    pub state: DispatchState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<HandFailure>,
    pub attempts: u32,
    /// Absent: all zero.
    #[serde(default, skip_serializing_if = "Usage::is_zero")]
    pub usage: Usage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_microusd: Option<u64>,
    /// What it and everything below it has spent of its budget, if it had one: so much less its parent has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<Spending>,
}

/// `dispatch.progress`: a note for whoever watches. Not kept.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct DispatchProgress {
    pub lease: Lease,
    pub note: String,
}

/// `dispatch.cancel`: by the invoker or an operator. Reaches everything below it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct DispatchCancel {
    pub dispatch: DispatchId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The answer to `dispatch.cancel`: nothing of `cancelled` can deliver a result any more. Each of them is in one
/// of the three lists that follow.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct CancelReceipt {
    pub cancelled: Vec<DispatchId>,
    /// Nobody was at work on them.
    #[serde(default)]
    pub stopped: Vec<DispatchId>,
    /// Their workers are told to stop and have not said yet that they did.
    #[serde(default)]
    pub unconfirmed: Vec<DispatchId>,
    /// Their workers have no link; they are told once they are back.
    #[serde(default)]
    pub unreachable: Vec<DispatchId>,
    /// Had ended before the cancel came.
    pub already_ended: Vec<DispatchId>,
}

/// `dispatch.retry`: do again what failed or timed out. By its invoker or an operator, who becomes the invoker of
/// the new dispatch.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct DispatchRetry {
    pub dispatch: DispatchId,
    /// As for `dispatch`; as long as the first had, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_s: Option<u32>,
    /// As for `dispatch`; what the first had, when absent.
    #[serde(default, skip_serializing_if = "Budget::is_unlimited")]
    pub budget: Budget,
}

/// `dispatch.stopped`: the work that a `cancel` item was about has stopped, having used this.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct DispatchStopped {
    pub lease: Lease,
    #[serde(default)]
    pub usage: Usage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_microusd: Option<u64>,
}

/// `dispatch.status`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct DispatchStatus {
    pub dispatch: DispatchId,
    /// Without the output, so that an input that was left out for want of room fits.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_output: bool,
}

/// `dispatch.list`: the latest first, without inputs and outputs.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct DispatchList {
    /// Only those that have not ended.
    #[serde(default)]
    pub open: bool,
    /// Only those that failed or timed out and that nobody has tried again.
    #[serde(default)]
    pub dead: bool,
    /// Only those of this tree: its root and everything below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<DispatchId>,
    /// Only those before this one; the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<DispatchId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct DispatchPage {
    pub dispatches: Vec<DispatchInfo>,
    #[serde(default)]
    pub more: bool,
    /// To go on, ask with this as `before`; set when there are more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<DispatchId>,
}

/// Everything the broker knows of a dispatch.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct DispatchInfo {
    pub id: DispatchId,
    pub hand: HandRef,
    pub invoker: Party,
    /// The invoker of the tree's root: the key of fairness.
    pub key: Party,
    pub root: DispatchId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<DispatchId>,
    pub depth: u32,
    /// What was asked for, where that was no Hand by its name: a Hand whose host is lost can be another one then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capability: Option<Wanted>,
    /// Who has worked on it before it went to another, in that order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<EarlierWorker>,
    /// The run that it is a step of: that learns its end, and its invoker does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// What has led to its tree; absent: somebody sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<WorkSource>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadId>,
    pub state: DispatchState,
    pub attempt: u32,
    pub accepted_at: Ms,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_at: Option<Ms>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Ms>,
    pub deadline_at: Ms,
    /// The dispatch that ended and that this one tries again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<DispatchId>,
    /// The latest one that tries this one again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retried_as: Option<DispatchId>,
    /// A worker that had to be told to stop, and whether it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    /// What it asked for, and for a child what it was given.
    #[serde(default, skip_serializing_if = "Budget::is_unlimited")]
    pub budget: Budget,
    /// What is set aside for it since it began, where an operator's budget limits what it did not.
    #[serde(default, skip_serializing_if = "Budget::is_unlimited")]
    pub granted: Budget,
    /// What it and everything below it has spent of that; known once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<Spending>,
    /// Why it has not begun, or may not retake its place; not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<WaitingFor>,
    /// When it was chosen by capability, as `dispatch` was answered; not in lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<Candidate>,
    #[serde(default)]
    pub input: Value,
    /// Input and output together are larger than a frame; ask `without_output` to see the input.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub input_left_out: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<HandFailure>,
    /// Absent: all zero.
    #[serde(default, skip_serializing_if = "Usage::is_zero")]
    pub usage: Usage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_microusd: Option<u64>,
}

/// What has led to work.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkSource {
    /// The nearest one.
    Trigger(TriggerName),
    /// The one that was started, whichever flow within it the work belongs to.
    Flow(FlowName),
}

impl DispatchInfo {
    /// Who had the work in that attempt.
    pub fn worker_of(&self, attempt: u32) -> &AspectName {
        let earlier = self.earlier.iter().find(|worker| attempt <= worker.attempt);
        earlier.map_or(&self.hand.aspect, |worker| &worker.aspect)
    }

    /// What had to be stopped, the latest last.
    pub fn stops(&self) -> impl Iterator<Item = &Stop> {
        self.earlier.iter().filter_map(|worker| worker.stop.as_ref()).chain(&self.stop)
    }

    pub fn stop_of(&mut self, attempt: u32) -> Option<&mut Stop> {
        let earlier = self.earlier.iter_mut().filter_map(|worker| worker.stop.as_mut());
        earlier.chain(&mut self.stop).find(|stop| stop.attempt == attempt)
    }
}

impl fmt::Display for WorkSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trigger(name) => write!(f, "trigger/{name}"),
            Self::Flow(name) => write!(f, "flow/{name}"),
        }
    }
}

/// An aspect from which a dispatch has gone to another one.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct EarlierWorker {
    pub aspect: AspectName,
    /// The last attempt that it has begun.
    pub attempt: u32,
    /// It had to be told to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
}

/// The worker of an attempt that is over was told to stop. Nothing of it counts any more, whether it has or not.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Stop {
    pub attempt: u32,
    pub told_at: Ms,
    /// What it had said by then that it had used in this attempt: what it says when it has stopped includes that.
    #[serde(default, skip_serializing_if = "Spending::is_nothing")]
    pub said: Spending,
    /// Absent until it says that it has stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<Ms>,
}

/// `dispatch.wait`: yield the place until all of `on`, children of this dispatch, have ended. The worker
/// goes on when a `resume` item arrives, not before.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct DispatchWait {
    pub lease: Lease,
    pub on: Vec<DispatchId>,
}

/// The answer to `dispatch.result` and `dispatch.wait`: where the dispatch now stands.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct DispatchStanding {
    pub dispatch: DispatchId,
    pub state: DispatchState,
}

/// `lease.renew`: these tasks are supervised and alive.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct LeaseRenew {
    pub leases: Vec<Lease>,
}

/// The answer to `lease.renew`: stop work on `lost`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct LeasesRenewed {
    pub lost: Vec<Lease>,
}
