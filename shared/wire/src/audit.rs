//! Looking back: the log as an auditor reads it, and what was spent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Ms;
use crate::chat::Usage;
use crate::ids::ThreadId;
use crate::name::Party;

/// `audit.list`: rows of the log, the latest first; those that match everything named.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct AuditList {
    /// Whoever did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Party>,
    /// A kind, such as `dispatch.ended`, or a family of kinds, such as `dispatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What it was done to: an id or a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadId>,
    /// At this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Ms>,
    /// Before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Ms>,
    /// Only rows with a smaller `seq`: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// One durable change: who did what to what, and when.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct AuditEntry {
    pub seq: u64,
    pub at: Ms,
    pub kind: String,
    pub actor: Party,
    /// An id or a name.
    pub subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadId>,
}

#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct AuditPage {
    pub entries: Vec<AuditEntry>,
    pub more: bool,
    /// To go on, ask with this as `before`; set when there may be more. A page looks at so many rows of the log and no
    /// more: it may end before it is full, and be empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// By what spending is added up.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageBy {
    /// Who spent it.
    #[default]
    Aspect,
    /// `<aspect>/<hand>`; what sessions spent counts as `session`.
    Hand,
    /// `<provider>/<model>`; what Hands spent counts as `hand`, what sessions spent without naming one as `session`.
    Model,
    /// The day in UTC, `2026-11-26`.
    Day,
    /// What has led to it: `trigger/<name>`, `flow/<id>` for a run that nobody but people or agents have started, `dispatch` for
    /// work that they sent, `chat` for everything else.
    Source,
}

/// `usage.read`: tokens and cost of replies, of items that no message answers, and of dispatches that have ended.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct UsageRead {
    #[serde(default)]
    pub by: UsageBy,
    /// At this time or later; absent: from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Ms>,
    /// Before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Ms>,
}

/// What one key spent.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct UsageRow {
    pub key: String,
    /// Replies that say what they used.
    pub messages: u64,
    /// Items that no message answers and whose `inbox.close` says what was used.
    #[serde(default)]
    pub closings: u64,
    /// Dispatches that have ended.
    pub dispatches: u64,
    pub usage: Usage,
    pub cost_microusd: u64,
    /// Of the messages, closings and dispatches: those that used tokens and whose price is not known.
    pub unpriced: u64,
}

/// Days in their order; everything else by cost, the dearest first.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct UsageReport {
    pub by: UsageBy,
    pub rows: Vec<UsageRow>,
    /// Over all rows, those left out included.
    pub total: UsageRow,
    /// There were more rows than are shown.
    pub more: bool,
}
