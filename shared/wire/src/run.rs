//! Runs: a flow at work, from its start to its end, and what became of each step.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Ms;
use crate::flow::Flow;
use crate::hands::HandFailure;
use crate::ids::{ApprovalId, DispatchId, RunId, ThreadId};
use crate::name::{FlowName, Party, StepName, TriggerName};

/// `run.start`: run a flow as it is now, with the rights of the sender.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RunStart {
    pub flow: FlowName,
    #[serde(default)]
    pub input: Value,
    /// The conversation it belongs to: an aspect goes on in it when it is told of the run's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadId>,
}

/// `run`: the end of a run that an aspect has started, in its inbox.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct RunEnd {
    pub run: RunId,
    pub flow: FlowName,
    /// As it was started in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadId>,
    /// `done`, `failed` or `cancelled`.
    pub state: RunState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// The output is large; `run.get` has it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub output_left_out: bool,
    /// Why it failed, or who cancelled it and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<HandFailure>,
}

/// The answer to `run.start` and `run.retry`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct RunStarted {
    pub run: RunId,
    pub flow: FlowName,
    pub version: u32,
    pub state: RunState,
}

/// Where a run stands; `done`, `failed` and `cancelled` are ends.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Another one of its concurrency group is at work.
    Waiting,
    Running,
    Done,
    Failed,
    Cancelled,
}

impl RunState {
    pub fn is_end(self) -> bool {
        match self {
            Self::Waiting | Self::Running => false,
            Self::Done | Self::Failed | Self::Cancelled => true,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Where a step of a run stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    Pending,
    Running,
    Done,
    Failed,
    /// Its condition said no.
    Skipped,
    /// The run never came to it.
    Unreached,
    Cancelled,
}

impl StepState {
    pub fn is_end(self) -> bool {
        match self {
            Self::Pending | Self::Running => false,
            Self::Done | Self::Failed | Self::Skipped | Self::Unreached | Self::Cancelled => true,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Unreached => "unreached",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A step of a run.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct RunStep {
    pub id: StepName,
    pub state: StepState,
    /// How many times it is done: 1, or as many as `for_each` has items.
    pub times: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<Ms>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Ms>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<HandFailure>,
    /// It was done by the run that this one tries again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
    /// A part of it was done by that run, and is not done again: items of `for_each`, or steps of the run that it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resumed: bool,
    /// The runs that its items go on with, by their places.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub goes_on: BTreeMap<u32, RunId>,
}

/// Whom a run is a step of.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct RunParent {
    pub run: RunId,
    pub step: StepName,
    pub index: u32,
}

/// Everything about a run but what went in and came out.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct RunInfo {
    pub id: RunId,
    pub flow: FlowName,
    /// Of the flow.
    pub version: u32,
    /// Whose rights it has: who started it.
    pub by: Party,
    /// The conversation in which it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<RunParent>,
    /// Runs it is a step of, one within the other.
    pub depth: u32,
    /// The triggers that have led to it, the nearest first; none of them is fired by what it does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<TriggerName>,
    pub state: RunState,
    pub accepted_at: Ms,
    /// What its `date` goes by where that is not `accepted_at`: the start of the first run that it tries again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Ms>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<Ms>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Ms>,
    /// Its concurrency groups, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Why it failed, or who cancelled it and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<HandFailure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<RunId>,
    /// The latest one that tries this one again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retried_as: Option<RunId>,
    /// How many times steps of it, and of the runs within it, were begun; of a run within one, 0.
    pub tasks: u32,
    pub steps: Vec<RunStep>,
}

/// What a step is at work on.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskWork {
    Approval(ApprovalId),
    Dispatch(DispatchId),
    Run(RunId),
    /// The time; or nothing that takes any, as of a row that is written, or of an entry of the log that has come.
    Clock,
    /// An entry of the log that is yet to come.
    Event,
}

/// One time that a step is done; without `for_each` there is one. Made when it begins.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct RunTask {
    pub step: StepName,
    pub index: u32,
    /// `pending`: it waits to be tried again.
    pub state: StepState,
    /// Counts from 1.
    pub attempt: u32,
    pub began_at: Ms,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Ms>,
    /// When it is over, or is tried again, whatever else happens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Ms>,
    /// Of its latest attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<TaskWork>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<HandFailure>,
}

/// `run.list`: the latest first; an aspect is shown its own.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct RunList {
    /// Only of this flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<FlowName>,
    /// Also those that have ended.
    #[serde(default)]
    pub all: bool,
    /// Only those before this one: the last of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<RunId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct RunPage {
    pub runs: Vec<RunInfo>,
    #[serde(default)]
    pub more: bool,
}

/// `run.get`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct RunGet {
    pub run: RunId,
}

/// The answer to `run.get`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct RunDetail {
    pub info: RunInfo,
    /// As it was when the run began.
    pub flow: Flow,
    #[serde(default)]
    pub input: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// In the order of the flow's steps.
    pub tasks: Vec<RunTask>,
}

/// `run.cancel`: end it, what it is at work on, and the runs that are steps of it. By who started it, or an operator.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RunCancel {
    pub run: RunId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `run.retry`: run it again, the flow as it was then, keeping what its steps came to before `step`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RunRetry {
    pub run: RunId,
    /// This step is done again, and what needs it; absent: those that were not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepName>,
}
