//! Tasks, as what the log and the receipts say of a message or a dispatch: pure, so that a task is the same after
//! every restart, and needs no record of its own.

use std::collections::HashMap;

use a2a::{Artifact, Message, Part, PartContent, Role, Task, TaskState, TaskStatus};
use chrono::{DateTime, Utc};
use nexus_wire::approval::{ApprovalInfo, Asked};
use nexus_wire::attachment::Attachment;
use nexus_wire::chat;
use nexus_wire::hands::{DispatchInfo, DispatchState};
use nexus_wire::inbox::Decision;
use nexus_wire::thread::{Receipt, ReceiptState};
use nexus_wire::turn::CANCELLED_BY;
use nexus_wire::{AspectName, Ms};
use serde_json::{Value, json};

/// The artifact that a conversation's answer is.
pub(super) const ANSWER: &str = "answer";
/// The artifact that a Hand's output is.
pub(super) const RESULT: &str = "result";
/// The code with which work fails whose Hand is no longer offered.
const HAND_GONE: &str = "hand_gone";

/// A message to an aspect, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Said {
    pub(super) aspect: AspectName,
    pub(super) message: chat::Message,
    pub(super) receipt: Receipt,
    pub(super) answer: Option<chat::Message>,
    /// What the aspect waits for people for.
    pub(super) waits: Option<ApprovalInfo>,
}

/// Work for a Hand.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Work {
    pub(super) info: DispatchInfo,
    pub(super) waits: Option<ApprovalInfo>,
}

/// What a task is made from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Source {
    Said(Box<Said>),
    Work(Box<Work>),
}

/// How much of a task is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub(super) history: Option<i32>,
    pub(super) artifacts: bool,
}

impl Default for Extent {
    fn default() -> Self {
        Self { history: None, artifacts: true }
    }
}

impl Source {
    pub(super) fn id(&self) -> String {
        match self {
            Self::Said(said) => said.message.id.to_string(),
            Self::Work(work) => work.info.id.to_string(),
        }
    }

    /// The thread; of work that belongs to none, the work itself.
    pub(super) fn context(&self) -> String {
        match self {
            Self::Said(said) => said.message.thread.to_string(),
            Self::Work(work) => {
                work.info.thread.map_or_else(|| work.info.id.to_string(), |thread| thread.to_string())
            }
        }
    }

    pub(super) fn aspect(&self) -> &AspectName {
        match self {
            Self::Said(said) => &said.aspect,
            Self::Work(work) => &work.info.hand.aspect,
        }
    }

    pub(super) fn waits(&self) -> Option<&ApprovalInfo> {
        match self {
            Self::Said(said) => said.waits.as_ref(),
            Self::Work(work) => work.waits.as_ref(),
        }
    }

    pub(super) fn task(&self, origin: &str, extent: Extent) -> Task {
        let wanted = |count: i32| usize::try_from(count).unwrap_or(0);
        let history = self.history(origin);
        let skip = extent.history.map_or(0, |count| history.len().saturating_sub(wanted(count)));
        let history: Vec<_> = history.into_iter().skip(skip).collect();
        let artifacts = if extent.artifacts { self.artifacts(origin) } else { Vec::new() };
        Task {
            id: self.id(),
            context_id: self.context(),
            status: self.status(),
            artifacts: (!artifacts.is_empty()).then_some(artifacts),
            history: (!history.is_empty()).then_some(history),
            metadata: Some(HashMap::from([("aspect".to_owned(), json!(self.aspect()))])),
        }
    }

    pub(super) fn status(&self) -> TaskStatus {
        let (state, at, text) = match self {
            Self::Said(said) => said.stands(),
            Self::Work(work) => work.stands(),
        };
        let message = match self.waits().filter(|_| state == TaskState::InputRequired) {
            Some(approval) => Some(self.question(approval)),
            None => text.map(|text| {
                self.says(format!("{}/{}", self.id(), state_name(&state)), vec![Part::text(text)])
            }),
        };
        TaskStatus { state, message, timestamp: time(at) }
    }

    pub(super) fn artifacts(&self, origin: &str) -> Vec<Artifact> {
        match self {
            Self::Said(said) => said
                .answer
                .iter()
                .filter(|_| said.receipt.decision == Some(Decision::Replied))
                .map(|answer| artifact(ANSWER, parts(origin, &answer.content, &answer.attachments)))
                .collect(),
            Self::Work(work) => {
                let output = work.info.output.iter();
                output.map(|output| artifact(RESULT, vec![value(output)])).collect()
            }
        }
    }

    /// What the client said.
    fn history(&self, origin: &str) -> Vec<Message> {
        let (id, parts) = match self {
            Self::Said(said) => {
                let message = &said.message;
                (message.id.to_string(), parts(origin, &message.content, &message.attachments))
            }
            Self::Work(work) if work.info.input.is_null() => return Vec::new(),
            Self::Work(work) => (work.info.id.to_string(), vec![value(&work.info.input)]),
        };
        vec![Message { role: Role::User, ..self.says(id, parts) }]
    }

    /// A message of the agent about the task.
    pub(super) fn says(&self, message_id: String, parts: Vec<Part>) -> Message {
        Message {
            message_id,
            context_id: Some(self.context()),
            task_id: Some(self.id()),
            role: Role::Agent,
            parts,
            metadata: None,
            extensions: None,
            reference_task_ids: None,
        }
    }

    fn question(&self, approval: &ApprovalInfo) -> Message {
        let (text, about) = match &approval.asked {
            Asked::Question { question, choices } => {
                (question.clone(), json!({"approval": approval.id, "choices": choices}))
            }
            Asked::Tool { tool, summary, arguments } => (
                format!("May I use {tool}? {summary} (answer `approve` or `deny`)"),
                json!({"approval": approval.id, "tool": tool, "arguments": arguments}),
            ),
        };
        self.says(approval.id.to_string(), vec![Part::text(text), data(about)])
    }
}

type Stand = (TaskState, Ms, Option<String>);

impl Said {
    fn stands(&self) -> Stand {
        let Receipt { state, at, decision, reason, .. } = &self.receipt;
        let at = at.unwrap_or(self.message.at);
        match (state, decision) {
            (ReceiptState::Stored | ReceiptState::Delivered, _) => (TaskState::Submitted, at, None),
            (ReceiptState::InContext, _) => match &self.waits {
                Some(waits) => (TaskState::InputRequired, waits.asked_at, None),
                None => (TaskState::Working, at, None),
            },
            (ReceiptState::Answered, Some(Decision::Failed)) => {
                let reason = reason.clone().unwrap_or_else(|| "the agent could not answer".to_owned());
                let state =
                    if reason.starts_with(CANCELLED_BY) { TaskState::Canceled } else { TaskState::Failed };
                (state, at, Some(reason))
            }
            (ReceiptState::Answered, Some(Decision::Acted | Decision::Silent)) => {
                (TaskState::Completed, at, reason.clone())
            }
            (ReceiptState::Answered, Some(Decision::Replied) | None) => (TaskState::Completed, at, None),
        }
    }
}

impl Work {
    fn stands(&self) -> Stand {
        let DispatchInfo { state, accepted_at, assigned_at, ended_at, error, .. } = &self.info;
        let failed = || error.as_ref().map(|error| format!("{}: {}", error.code, error.message));
        let ended = ended_at.unwrap_or(*accepted_at);
        match state {
            DispatchState::Pending => (TaskState::Submitted, *accepted_at, None),
            DispatchState::Running
            | DispatchState::Waiting
            | DispatchState::Retaking
            | DispatchState::Unreachable => match &self.waits {
                Some(waits) => (TaskState::InputRequired, waits.asked_at, None),
                None => (TaskState::Working, assigned_at.unwrap_or(*accepted_at), None),
            },
            DispatchState::Done => (TaskState::Completed, ended, None),
            DispatchState::Failed if error.as_ref().is_some_and(|it| it.code == HAND_GONE) => {
                (TaskState::Rejected, ended, failed())
            }
            DispatchState::Failed | DispatchState::TimedOut => (TaskState::Failed, ended, failed()),
            DispatchState::Cancelled => (TaskState::Canceled, ended, failed()),
        }
    }
}

pub(super) fn is_interrupted(state: &TaskState) -> bool {
    match state {
        TaskState::InputRequired | TaskState::AuthRequired => true,
        TaskState::Unspecified
        | TaskState::Submitted
        | TaskState::Working
        | TaskState::Completed
        | TaskState::Failed
        | TaskState::Canceled
        | TaskState::Rejected => false,
    }
}

fn state_name(state: &TaskState) -> &'static str {
    match state {
        TaskState::Unspecified => "unspecified",
        TaskState::Submitted => "submitted",
        TaskState::Working => "working",
        TaskState::Completed => "completed",
        TaskState::Failed => "failed",
        TaskState::Canceled => "canceled",
        TaskState::InputRequired => "input-required",
        TaskState::Rejected => "rejected",
        TaskState::AuthRequired => "auth-required",
    }
}

pub(super) fn time(at: Ms) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(at)
}

pub(super) fn artifact(id: &str, parts: Vec<Part>) -> Artifact {
    Artifact {
        artifact_id: id.to_owned(),
        name: Some(id.to_owned()),
        description: None,
        parts,
        metadata: None,
        extensions: None,
    }
}

/// What goes into a Hand or comes out of it.
fn value(value: &Value) -> Part {
    value.as_str().map_or_else(|| data(value.clone()), Part::text)
}

fn data(value: Value) -> Part {
    Part::data(value).with_media_type("application/json")
}

fn parts(origin: &str, content: &str, attachments: &[Attachment]) -> Vec<Part> {
    let text = (!content.is_empty() || attachments.is_empty()).then(|| Part::text(content));
    let files = attachments.iter().map(|it| Part {
        content: PartContent::Url(format!("{origin}/api/v1/blobs/{}", it.blob)),
        filename: Some(it.name.clone()),
        media_type: it.media_type.clone(),
        metadata: None,
    });
    text.into_iter().chain(files).collect()
}

#[cfg(test)]
mod tests;
