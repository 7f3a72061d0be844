//! What streams while it happens. Kept in memory only, may be dropped with its numbers showing the gap, and
//! superseded by the message or result that ends the turn.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Ms;
use crate::chat::Usage;
use crate::ids::{DispatchId, MessageId, ThreadId, TurnId};
use crate::inbox::Decision;
use crate::name::AspectName;
use crate::roster::AspectInfo;

/// `observe.begin`: a turn began, or goes on after a reconnect.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ObserveBegin {
    pub turn: TurnId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadId>,
    /// The message that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageId>,
    /// The dispatch it works on, when it is a Hand's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatch: Option<DispatchId>,
}

/// `observe.event`: the `n`-th thing of the turn, counted from 0.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ObserveEvent {
    pub turn: TurnId,
    pub n: u64,
    pub event: TurnEvent,
}

/// `observe.end`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ObserveEnd {
    pub turn: TurnId,
    pub n: u64,
    pub decision: Decision,
    #[serde(default)]
    pub usage: Usage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_microusd: Option<u64>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TurnEvent {
    Text {
        text: String,
    },
    Thinking {
        text: String,
    },
    /// What streamed since the last tool result is void: the provider is asked again.
    Restarted {
        reason: String,
    },
    ToolCall {
        call: String,
        name: String,
        input: Value,
    },
    ToolResult {
        call: String,
        name: String,
        is_error: bool,
        /// The beginning of what the tool returned.
        preview: String,
    },
}

/// `observe`: what a subscriber is shown of a turn.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Observed {
    pub aspect: AspectName,
    pub turn: TurnId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatch: Option<DispatchId>,
    pub what: ObservedWhat,
    /// Counts what this aspect streams, one by one; it never goes back, and leaps when the broker starts.
    #[serde(default)]
    pub seq: u64,
}

/// `observe.gap`: these frames of the aspect cannot be had any more, or may never have been.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ObserveGap {
    pub aspect: AspectName,
    pub from: u64,
    pub to: u64,
    pub reason: String,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ObservedWhat {
    Begin(ObserveBegin),
    Event(ObserveEvent),
    End(ObserveEnd),
    /// A worker's note on a dispatch.
    Progress {
        note: String,
    },
}

/// What an aspect does, as far as its turns show it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Doing {
    /// It is in no turn.
    #[default]
    Idle,
    /// A turn has begun, or a tool has answered, and its model has shown nothing since.
    Waiting,
    Thinking,
    Writing,
    Tool,
}

impl Doing {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Waiting => "waiting",
            Self::Thinking => "thinking",
            Self::Writing => "writing",
            Self::Tool => "tool",
        }
    }
}

/// What an aspect is doing now; of several turns, in the one that moved last.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Activity {
    pub doing: Doing,
    /// The tool that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<TurnId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadId>,
    /// The dispatch that turn works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatch: Option<DispatchId>,
    /// Turns it is in.
    pub turns: u32,
    /// Dispatches it is at work on, of as many as it has `slots`.
    pub dispatches: u32,
    /// What it waits for people for: leave to use a tool, or an answer.
    #[serde(default)]
    pub approvals: u32,
    /// Since when it does that.
    pub since: Ms,
}

/// `activity`: what one aspect is doing now.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ActivityChanged {
    pub aspect: AspectName,
    pub activity: Activity,
}

/// `roster.changed`: one aspect as it now stands.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct RosterChanged {
    pub aspect: AspectInfo,
}
