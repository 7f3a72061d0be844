//! What an aspect asks of people and waits for: leave to use a tool, or an answer to a question.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Ms;
use crate::hands::Lease;
use crate::ids::{ApprovalId, MessageId, RunId, ThreadId};
use crate::name::{OperatorName, Party};
use crate::trigger::Trigger;

/// What is asked.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Asked {
    /// May it use this tool, so?
    Tool {
        tool: String,
        /// What it would do, in a line.
        summary: String,
        /// What the tool would be called with, as text for people; nothing in it is left out or masked.
        #[serde(default)]
        arguments: String,
    },
    /// Something only people know.
    Question {
        question: String,
        /// Answers that suggest themselves; any other text is one too.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        choices: Vec<String>,
    },
}

impl Asked {
    /// What it is about, in a line.
    pub fn summary(&self) -> &str {
        match self {
            Self::Tool { summary, .. } => summary,
            Self::Question { question, .. } => question,
        }
    }
}

/// `approval.ask`: an aspect waits for people.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ApprovalAsk {
    pub asked: Asked,
    /// The conversation it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadId>,
    /// A Hand's right to the work it asks for. What an earlier attempt asked is withdrawn, and all of it when the
    /// dispatch ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// A message of the sender's own, or one it is about to send: an operator's reply to it answers, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<MessageId>,
    /// A trigger that the asker proposes, with a tool in `asked`: whoever approves becomes its owner, in the same moment.
    /// The broker puts the definition in the place of the tool's arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Box<Trigger>>,
    /// Seconds until it ends unanswered (24 h; at most 7 days, and at least 1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_s: Option<u32>,
}

/// Where it stands; all but `open` are ends.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    Open,
    Approved,
    Denied,
    /// A question has its answer.
    Answered,
    /// Nobody answered in time.
    Expired,
    /// Whoever asked does not wait any more.
    Withdrawn,
}

impl ApprovalState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Answered => "answered",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// Everything the broker knows of it. The answer to `approval.ask`, `approval.answer`, `approval.get` and
/// `approval.withdraw`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ApprovalInfo {
    pub id: ApprovalId,
    /// Who asks: an aspect, or for a step of a run whoever started the run.
    pub aspect: Party,
    pub asked: Asked,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<MessageId>,
    /// The trigger that is proposed, and is defined with the approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Box<Trigger>>,
    /// The run that waits for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Who alone may answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<OperatorName>,
    pub state: ApprovalState,
    pub asked_at: Ms,
    pub expires_at: Ms,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Ms>,
    /// Who answered or withdrew it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Party>,
    /// The answer to a question, or what was said with a verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It may use the tool.
    Approve,
    /// It may not; of a question, that nobody is going to answer it.
    Deny,
    /// The answer to a question, in `text`.
    Answer,
}

/// `approval.answer`: the first answer counts, and who comes later is shown it.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ApprovalAnswer {
    pub approval: ApprovalId,
    pub verdict: Verdict,
    /// The answer to a question; with a verdict, a word for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// `approval.get`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ApprovalGet {
    pub approval: ApprovalId,
}

/// `approval.list`: those that are open, the latest first.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ApprovalList {
    /// Also those that have ended.
    #[serde(default)]
    pub all: bool,
    /// Only those before this one: the last of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<ApprovalId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ApprovalPage {
    pub approvals: Vec<ApprovalInfo>,
    #[serde(default)]
    pub more: bool,
}

/// `approval.withdraw`: the sender does not wait for it any more.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ApprovalWithdraw {
    pub approval: ApprovalId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How it ended, as whoever asked learns it. What it withdrew itself it is not told.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ApprovalEnd {
    pub approval: ApprovalId,
    pub state: ApprovalState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Party>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}
