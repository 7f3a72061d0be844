//! Looking into an aspect's sessions. They are files of its home; the broker keeps nothing of them and passes
//! the question to the aspect's own process and its answer back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::Ms;
use crate::error::ErrorBody;
use crate::ids::QuestionId;
use crate::json::Json;
use crate::name::AspectName;

/// `session.list`: the sessions of an aspect that is online, the latest first.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SessionList {
    /// Whose.
    pub of: AspectName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// `session.tree`: the entries of a session in the order of its file.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SessionTree {
    pub of: AspectName,
    /// `global`, or the id of a thread or a fork.
    pub session: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// `session.entry`: one entry whole.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SessionEntry {
    pub of: AspectName,
    pub session: String,
    pub entry: Uuid,
}

/// `session.ask`: a question of an operator, for the aspect's process to answer by `session.answer`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SessionAsk {
    pub question: QuestionId,
    pub about: SessionQuestion,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SessionQuestion {
    /// → [`SessionPage`]
    List { limit: u32, cursor: Option<String> },
    /// → [`SessionTreePage`]
    Tree { session: String, limit: u32, cursor: Option<String> },
    /// → [`SessionShown`]
    Entry { session: String, entry: Uuid },
}

/// `session.answer`: one of the two.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SessionAnswer {
    pub question: QuestionId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SessionPage {
    pub sessions: Vec<SessionInfo>,
    /// There are more: ask again with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionKind {
    Global,
    Thread,
    Fork,
}

impl SessionKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Thread => "thread",
            Self::Fork => "fork",
        }
    }
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SessionInfo {
    /// `global`, or the id of the thread or the fork.
    pub session: String,
    pub kind: SessionKind,
    /// Of its file.
    pub bytes: u64,
    /// When it was last written.
    pub at: Ms,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SessionTreePage {
    pub session: String,
    /// The next entry hangs on this one; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Uuid>,
    pub entries: Vec<SessionNode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SessionNode {
    pub id: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Uuid>,
    /// As in the session's file: `turn.user`, `turn.assistant` …
    pub kind: String,
    pub at: Ms,
    /// It is on the branch that ends at the head.
    pub active: bool,
    /// What it says, in a line.
    pub summary: String,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SessionShown {
    /// As in the session's file, read back: `{id, parentId, kind, ts, payload}`.
    pub entry: Value,
}
