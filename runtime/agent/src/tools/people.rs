//! Asking people and waiting for what they say, however long that takes: for leave to run a tool, and `ask_operator`.
//!
//! The answer comes through the inbox, so waiting for it survives reconnects and restarts; who asks again under the
//! same id asks the same thing.

use nexus_wire::approval::{ApprovalAsk, ApprovalEnd, ApprovalInfo, ApprovalState, Asked};
use nexus_wire::limits::{APPROVAL_CHOICE_BYTES_MAX, APPROVAL_CHOICES_MAX, APPROVAL_TEXT_BYTES_MAX};
use nexus_wire::{ApprovalId, ItemId, Party, RequestId, derive};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::dispatch::{Claim, Claims, End, Ended};
use super::{Caller, Tool, ToolOutcome, args, propose};
use crate::uplink::{Line, LineError};

/// Of the arguments in a message.
const NOTICE_BYTES_MAX: usize = 2000;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AskOperator {
    /// What you need to know, so that somebody who has not followed the conversation can answer it.
    pub(super) question: String,
    /// Answers that suggest themselves, if there are some; people may answer otherwise.
    #[serde(default)]
    pub(super) choices: Vec<String>,
}

/// Why there is no answer to wait for.
#[derive(Debug, thiserror::Error)]
pub enum NotAsked {
    #[error("this process is stopping")]
    Stopping,
    #[error(transparent)]
    Line(#[from] LineError),
}

/// Asks, and waits for the end and the item that brings it.
pub async fn ask(
    line: &Line,
    claims: &Claims,
    caller: &Caller,
    id: RequestId,
    ask: ApprovalAsk,
) -> Result<(ApprovalEnd, ItemId), NotAsked> {
    let approval = derive::approval_id(id, &Party::Aspect(caller.me.clone()));
    let (claim, ended) = oneshot::channel();
    // Claimed before it is asked for: its end may be faster than the answer.
    let claim = Claim { of: approval.0, ended: claim };
    claims.claims.send(claim).await.map_err(|_| NotAsked::Stopping)?;
    line.ask_for::<ApprovalInfo>(id, ask.into()).await?;
    match ended.await {
        Ok(Ended { item, end: End::Approval(end) }) => Ok((end, item)),
        // Nothing else goes by its id.
        Ok(Ended { end: End::Dispatch(_) | End::Gather(_), .. }) | Err(_) => Err(NotAsked::Stopping),
    }
}

impl AskOperator {
    /// Why it cannot be asked, for the model.
    pub(super) fn fault(&self) -> Option<String> {
        if self.question.trim().is_empty() {
            return Some("argument `question`: there is nothing to ask".to_owned());
        }
        if self.question.len() > APPROVAL_TEXT_BYTES_MAX {
            return Some(format!("argument `question`: at most {APPROVAL_TEXT_BYTES_MAX} bytes"));
        }
        if self.choices.len() > APPROVAL_CHOICES_MAX
            || self.choices.iter().any(|choice| choice.len() > APPROVAL_CHOICE_BYTES_MAX)
        {
            return Some(format!(
                "argument `choices`: at most {APPROVAL_CHOICES_MAX}, each of {APPROVAL_CHOICE_BYTES_MAX} bytes"
            ));
        }
        None
    }

    pub(super) fn asked(self) -> Asked {
        Asked::Question { question: self.question, choices: self.choices }
    }

    pub(super) async fn run(
        self,
        line: &Line,
        claims: &Claims,
        caller: &Caller,
        id: RequestId,
        wait_s: Option<u32>,
    ) -> ToolOutcome {
        if let Some(fault) = self.fault() {
            return ToolOutcome::error(fault);
        }
        let notice = caller.notice_of(id);
        let asks = ApprovalAsk {
            asked: self.asked(),
            thread: caller.thread,
            lease: caller.lease,
            notice,
            trigger: None,
            deadline_s: wait_s,
        };
        match ask(line, claims, caller, id, asks).await {
            Ok((end, item)) => ToolOutcome { settles: Some(item), ..told(&end) },
            Err(error) => ToolOutcome::error(error.to_string()),
        }
    }
}

fn told(end: &ApprovalEnd) -> ToolOutcome {
    let text = end.text.as_deref().unwrap_or_default();
    match end.state {
        ApprovalState::Answered => ToolOutcome::json(&json!({"answer": text, "by": end.by})),
        ApprovalState::Expired => {
            ToolOutcome::error("nobody answered in time; go on as well as you can without the answer")
        }
        ApprovalState::Denied if text.is_empty() => ToolOutcome::error("nobody is going to answer this"),
        ApprovalState::Denied => ToolOutcome::error(format!("nobody is going to answer this: {text}")),
        ApprovalState::Open | ApprovalState::Approved | ApprovalState::Withdrawn => {
            ToolOutcome::error(format!("there is no answer: it is {}", end.state.as_str()))
        }
    }
}

/// What a conversation is told of what people are asked.
pub fn notice(asked: &Asked, approval: ApprovalId) -> String {
    match asked {
        Asked::Tool { tool, summary, arguments } => {
            let shown = &arguments[..arguments.floor_char_boundary(NOTICE_BYTES_MAX)];
            let rest = if shown.len() < arguments.len() { "\n…" } else { "" };
            // What becomes somebody's is approved where all of it is seen.
            let how = match tool == Tool::CreateTrigger.name() {
                true => "To make it yours:",
                false => "Reply to this message with approve or deny, or:",
            };
            format!("May I use {tool}: {summary}\n\n{shown}{rest}\n\n{how} nexctl approve {approval}")
        }
        Asked::Question { question, choices } => {
            let choices: String = choices.iter().map(|choice| format!("\n- {choice}")).collect();
            format!("{question}{choices}\n\nReply to this message, or: nexctl answer {approval} \"…\"")
        }
    }
}

/// What people are asked by a call that is going to be made, and by which tool.
pub fn put_to_people(name: &str, input: &Value) -> Option<(Tool, Asked)> {
    let (ask, create) = (Tool::AskOperator, Tool::CreateTrigger);
    if name == ask.name() {
        let args = args::parse::<AskOperator>(input).ok().filter(|args| args.fault().is_none())?;
        return Some((ask, args.asked()));
    }
    (name == create.name()).then(|| propose::proposal(input)).flatten().map(|asked| (create, asked))
}
