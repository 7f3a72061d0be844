//! Looking into an aspect's sessions. They are files of its home; the broker keeps nothing of them and passes
//! the question to the aspect's own process and its answer back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::Ms;
use crate::error::ErrorBody;
use crate::ids::{ItemId, QuestionId, ThreadId, TurnId};
use crate::json::Json;
use crate::name::{AspectName, Party};

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

/// `session.rewind`: the next entry of the session hangs on `entry`. Nothing is removed.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SessionRewind {
    pub of: AspectName,
    pub session: String,
    /// Absent: before the first entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<Uuid>,
}

/// `session.fork`: a new session of the branch that ends at `entry`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SessionFork {
    pub of: AspectName,
    pub session: String,
    /// Absent: the session's head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<Uuid>,
    /// What the user says next in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub say: Option<String>,
}

/// `session.compact`: a summary takes the place of the session's beginning in what the model is shown.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SessionCompact {
    pub of: AspectName,
    pub session: String,
}

/// `session.summarise`: a summary of a branch that was left is put on the active one.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SessionSummarise {
    pub of: AspectName,
    pub session: String,
    /// The last entry of that branch.
    pub entry: Uuid,
}

/// `session.diff`: what each of two branches has since they parted.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SessionDiff {
    pub of: AspectName,
    pub session: String,
    /// The last entry of one branch.
    pub one: Uuid,
    /// Of the other. Absent: the session's head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<Uuid>,
}

/// `session.expand`: the entries that a summary stands for.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SessionExpand {
    pub of: AspectName,
    pub session: String,
    /// A `compaction` or a `branch_summary`.
    pub entry: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// `session.stuck`: the aspect cannot go on with one of its sessions, and somebody has to see to it.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SessionStuck {
    pub session: String,
    pub reason: String,
}

/// The answer to commands about a session or turns: it is in the aspect's inbox.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SessionOrdered {
    /// The item that carries it; `session.status` tells what came of it.
    pub command: ItemId,
}

/// `session.status`: what is known of a command.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SessionStatus {
    pub command: ItemId,
}

#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SessionAct {
    /// Turns begun by items that came before this one; not about a session alone.
    CancelTurns {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thread: Option<ThreadId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        turn: Option<TurnId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    Compact,
    Fork {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        entry: Option<Uuid>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        say: Option<String>,
    },
    /// Turns that wait because a budget is used up.
    GoOn {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thread: Option<ThreadId>,
    },
    Rewind {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        entry: Option<Uuid>,
    },
    Summarise {
        entry: Uuid,
    },
}

impl SessionAct {
    /// Of the request, and of its entry in the log.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::CancelTurns { .. } => "turn.cancel",
            Self::Compact => "session.compact",
            Self::Fork { .. } => "session.fork",
            Self::GoOn { .. } => "turn.go_on",
            Self::Rewind { .. } => "session.rewind",
            Self::Summarise { .. } => "session.summarise",
        }
    }
}

/// One of the requests that are commands.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SessionCommand {
    pub of: AspectName,
    pub session: String,
    pub act: SessionAct,
}

/// The body of the item: what an aspect is to do with one of its sessions, between turns.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SessionOrder {
    pub session: String,
    pub by: Party,
    pub act: SessionAct,
}

/// What came of it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SessionOutcome {
    /// The session that was changed, or made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// What the next entry of it hangs on; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Uuid>,
    /// The turns that were cancelled, or went on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<TurnId>,
    /// Nothing of it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionCommandState {
    /// In the aspect's inbox.
    Pending,
    Done,
    Failed,
}

/// The answer to `session.status`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SessionCommandInfo {
    pub command: ItemId,
    pub of: AspectName,
    pub session: String,
    pub act: SessionAct,
    pub by: Party,
    pub at: Ms,
    pub state: SessionCommandState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Ms>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<SessionOutcome>,
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
    /// → [`SessionDiffed`]
    Diff { session: String, one: Uuid, other: Option<Uuid> },
    /// → [`SessionExpanded`]
    Expand { session: String, entry: Uuid, limit: u32, cursor: Option<String> },
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

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SessionDiffed {
    pub session: String,
    /// The last entry that both have; absent when they have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common: Option<Uuid>,
    pub one: SessionBranch,
    pub other: SessionBranch,
}

/// A branch from where it parted from another one.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SessionBranch {
    /// Its last entry; absent when it ends before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaf: Option<Uuid>,
    /// The first of them; `left_out` says how many more there are.
    pub entries: Vec<SessionNode>,
    #[serde(default)]
    pub left_out: u64,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SessionExpanded {
    pub session: String,
    /// The summary.
    pub entry: Uuid,
    pub entries: Vec<SessionNode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}
