//! What an operator may want of turns that are under way. Carried to the aspect's process as a command in its inbox.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{ThreadId, TurnId};
use crate::name::AspectName;
use crate::session::{SessionAct, SessionCommand};

/// How the reason begins with which an aspect closes what a cancelled turn was about; who cancelled it
/// follows.
pub const CANCELLED_BY: &str = "cancelled by ";

/// The `session` of a command about turns of every thread.
const ALL: &str = "all";

/// `turn.cancel`: turns that an aspect had begun when this was asked end without an answer.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct TurnCancel {
    /// Whose.
    pub of: AspectName,
    /// Absent: whatever thread they are about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadId>,
    /// This one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<TurnId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `turn.go_on`: turns that wait because a budget of the aspect is used up may spend as much again.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct TurnGoOn {
    pub of: AspectName,
    /// Absent: whatever thread they are about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadId>,
}

impl From<TurnCancel> for SessionCommand {
    fn from(TurnCancel { of, thread, turn, reason }: TurnCancel) -> Self {
        Self { of, session: session(thread), act: SessionAct::CancelTurns { thread, turn, reason } }
    }
}

impl From<TurnGoOn> for SessionCommand {
    fn from(TurnGoOn { of, thread }: TurnGoOn) -> Self {
        Self { of, session: session(thread), act: SessionAct::GoOn { thread } }
    }
}

fn session(thread: Option<ThreadId>) -> String {
    thread.map_or_else(|| ALL.to_owned(), |thread| thread.to_string())
}
