//! Flows: several steps as one piece of work, written down once and run as often as wanted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Ms;
use crate::hands::Wanted;
use crate::ids::ThreadId;
use crate::name::{AspectName, FlowName, HandRef, OperatorName, Party, RegistryName, StepName};

/// A flow as it is kept. Conditions are expressions, and texts may have places to fill in; both are written down in
/// the documentation of flows.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    pub id: FlowName,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The JSON Schema of what it is started with; absent: anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    pub steps: Vec<FlowStep>,
    /// What a run comes to, with places to fill in; absent: null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Of runs that have a text in common here one runs at a time; the others wait for it, in order. With places to
    /// fill in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub concurrency_group: Vec<String>,
    /// How much of one run is at work at the same time (8).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_parallel: Option<u32>,
    /// The time zone of the days that `date` names, such as `Europe/Berlin`; absent: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FlowStep {
    pub id: StepName,
    #[serde(rename = "do")]
    pub act: StepAct,
    /// It begins when these have ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<StepName>,
    /// An expression; false: it is skipped, and what needs it goes on.
    #[serde(default, rename = "if", skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// An expression for a list: once for each `item`, whose place in it is `index`. The output is the list of outputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_each: Option<String>,
    #[serde(default, skip_serializing_if = "OnError::is_fail")]
    pub on_error: OnError,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<StepRetry>,
    /// Seconds one attempt may take. Of a dispatch it is the deadline, within the limit of dispatches; of an approval
    /// it counts as `expires_s` where that is longer, and for nothing with `on_timeout: approve`; whatever else takes
    /// longer is a failure with the code `timeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u32>,
}

/// What a step does.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepAct {
    Approve(StepApprove),
    Ask(StepAsk),
    Dispatch(StepDispatch),
    Flow(StepFlow),
    Wait(StepWait),
    Write(StepWrite),
}

/// Leave of a person to go on. The output is `{approved, by, text}`; a denial is a failure with the code `denied`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StepApprove {
    /// What they are asked, with places to fill in.
    pub text: String,
    /// Who alone may answer; absent: every operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<OperatorName>,
    /// Seconds it waits for an answer (24 h, at most 7 days).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_s: Option<u32>,
    #[serde(default)]
    pub on_timeout: OnTimeout,
}

/// What nobody's answer means.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnTimeout {
    /// A failure with the code `expired`.
    #[default]
    Fail,
    /// As if it had been approved.
    Approve,
}

/// A task for an aspect itself, which is a dispatch to its Hand `self`; its answer is the output.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StepAsk {
    pub aspect: AspectName,
    /// With places to fill in.
    pub text: String,
}

/// Work for a Hand. Exactly one of `hand` and `capability`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StepDispatch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hand: Option<HandRef>,
    /// The broker chooses a Hand that fits when the step begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capability: Option<Wanted>,
    /// With places to fill in.
    #[serde(default)]
    pub input: Value,
}

/// A run of another flow, whose output is the output.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StepFlow {
    pub id: FlowName,
    /// With places to fill in.
    #[serde(default)]
    pub input: Value,
}

/// Exactly one of `event`, `seconds` and `until`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StepWait {
    /// The first such entry of the log after the step began; it is the output. The step's `timeout_s` ends the wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<StepEvent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
    /// A time as RFC 3339 writes it, with places to fill in. One that has passed is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// Which entries of the log are meant; as in `subscribe`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StepEvent {
    /// At least one: the `type` of a body, or the `kind` of one of type `other`.
    pub kinds: Vec<String>,
    /// Only what this party did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Party>,
    /// Only what belongs to this thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadId>,
}

/// A row of a registry, written as `registry.write` does it, by whoever started the run. The output is
/// `{registry, row, version, changed}`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StepWrite {
    pub registry: RegistryName,
    /// Which row, with places to fill in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<String>,
    /// Fields by their names, with places to fill in.
    pub values: Value,
}

/// What a failure means for the rest of the run.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The run fails; what is at work is cancelled.
    #[default]
    Fail,
    /// What needs the step goes on; its output is null and `error` says what was wrong.
    Continue,
    /// Nothing more begins, and the run is done.
    SkipRest,
    /// That step is next, which begins in no other way; what else needs this one is not reached.
    Goto(StepName),
}

impl OnError {
    pub fn is_fail(&self) -> bool {
        *self == Self::Fail
    }
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StepRetry {
    /// How often after the first time, at most 10.
    pub times: u32,
    /// Seconds before the first of them (10); it doubles each time, up to an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff_s: Option<u32>,
}

/// `flow.put`: keep a flow under its id. One that is there is replaced; runs that have begun go on as they began.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FlowPut {
    pub flow: Flow,
}

/// The answer to `flow.put`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct FlowStored {
    pub flow: FlowName,
    /// Counts from 1, and goes on after a deletion.
    pub version: u32,
    /// Whether it is another one than was there.
    pub changed: bool,
    /// What it names that is not there. It may come, so the flow is kept; a step that finds it missing fails.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<FlowAbsent>,
}

/// Something that a step names and that is not there when the flow is put.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct FlowAbsent {
    /// Where in the flow: `steps[1].do.ask.aspect`.
    pub at: String,
    pub message: String,
}

/// `flow.list`: by id.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct FlowList {
    /// Only those behind this one: the last of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<FlowName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct FlowHead {
    pub id: FlowName,
    pub description: String,
    pub version: u32,
    pub steps: u32,
    /// Who put this version, and when.
    pub by: Party,
    pub at: Ms,
}

#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct FlowPage {
    pub flows: Vec<FlowHead>,
    #[serde(default)]
    pub more: bool,
}

/// `flow.get`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct FlowGet {
    pub flow: FlowName,
}

/// The answer to `flow.get`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct FlowInfo {
    pub flow: Flow,
    pub version: u32,
    pub by: Party,
    pub at: Ms,
}

/// `flow.delete`: it can be started no more; runs that have begun go on.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct FlowDelete {
    pub flow: FlowName,
}

/// The answer to `flow.delete`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct FlowDeleted {
    pub flow: FlowName,
    /// Whether there was one.
    pub deleted: bool,
}
