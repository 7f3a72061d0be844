//! One line of a session file: its header, its entries, and their JSON.
//!
//! A change here is a change of the public format in `docs/session-format.md`. Knows one line at a time;
//! how lines relate is the tree's matter.

use jiff::Timestamp;
use nexus_wire::TraceContext;
use nexus_wire::inbox::Decision;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use crate::conversation::{Block, StopReason, Usage};
use crate::provider::Charge;

pub(super) const FORMAT: &str = "nexus-session";
/// Readers refuse a greater one.
pub(super) const VERSION: u32 = 1;

/// The first line.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Header {
    pub format: String,
    pub version: u32,
    pub id: Uuid,
    pub ts: Timestamp,
    /// The bus thread this session belongs to; absent for the global session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<ForkedFrom>,
}

/// Where a fork comes from. The `lines` after the header are copies, ids and all.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ForkedFrom {
    pub session: Uuid,
    /// Absent for a fork from before the first entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<Uuid>,
    pub lines: u64,
}

/// One entry: a node of the tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub id: Uuid,
    /// As it was written; the tree knows what it hangs on when that line is lost.
    pub parent_id: Option<Uuid>,
    /// To the millisecond.
    pub ts: Timestamp,
    pub payload: Payload,
}

/// What an entry holds, by its kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// `turn.user`
    User(UserTurn),
    /// `turn.assistant`
    Assistant(AssistantTurn),
    /// `turn.tool_result`
    ToolResult(ToolResults),
    /// `system.prompt`
    SystemPrompt(SystemPrompt),
    /// `compaction`
    Compaction(Compaction),
    /// `branch_summary`
    BranchSummary(BranchSummary),
    /// `situation`
    Situation(Situation),
    /// `custom.decision`
    Decision(ItemDecision),
    /// `custom.head`
    Head(HeadMove),
    /// `custom.tool_started`
    ToolStarted(ToolStarted),
    /// Any other `custom.<name>`, and kinds of a later version: kept, shown and not replayed.
    Other { kind: String, payload: Value },
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct UserTurn {
    pub content: Vec<Block>,
    /// The inbox item that was taken with this entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<ItemRef>,
}

impl UserTurn {
    /// Whether it came with an item of this thread.
    pub(crate) fn is_of(&self, thread: Option<Uuid>) -> bool {
        self.item.as_ref().is_some_and(|item| item.thread == thread)
    }
}

/// An inbox item, as the session that took it names it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ItemRef {
    pub id: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// `message`, `result`, …: the type of the item's body on the bus.
    pub kind: String,
    /// Who sent it: an aspect's name, `operator/<name>` or `system`.
    pub from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Uuid>,
    /// The span that caused it, as the inbox has it; no part of a session.
    #[serde(skip)]
    pub trace: Option<Box<TraceContext>>,
}

/// One provider round.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct AssistantTurn {
    pub content: Vec<Block>,
    pub stop: StopReason,
    #[serde(default)]
    pub usage: Usage,
    pub model: String,
    pub provider: String,
    /// Millionths of a US dollar; absent when no price is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_microusd: Option<u64>,
    /// The turn this round is part of.
    pub turn: Uuid,
}

/// Holds [`Block::ToolResult`]s.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct ToolResults {
    pub content: Vec<Block>,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SystemPrompt {
    pub text: String,
    /// What it was made from: file names of the home, or entries of the team's knowledge.
    pub source: String,
    /// Added to the system text instead of replacing it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adds: bool,
}

/// Stands for everything on its branch before `first_kept`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Compaction {
    pub summary: String,
    #[serde(rename = "firstKeptEntryId")]
    pub first_kept: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_before: Option<u64>,
    /// How many turns of the branch it stands for, those behind earlier summaries included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turns: Option<u64>,
    /// The command that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<Uuid>,
    /// Who wrote the summary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Summariser>,
}

/// The round that made a summary.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Summariser {
    pub provider: String,
    pub model: String,
    #[serde(default)]
    pub usage: Usage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_microusd: Option<u64>,
}

impl Summariser {
    pub fn charge(&self) -> Charge {
        Charge { usage: self.usage, cost_microusd: self.cost_microusd }
    }
}

/// How things stood when a summary took the place of what was said: who is there, what is open.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Situation {
    pub text: String,
}

/// What was learnt on a branch that was left.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BranchSummary {
    pub summary: String,
    /// The leaf of the branch it tells of.
    pub of: Uuid,
    /// The command that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<Uuid>,
    /// Who wrote the summary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Summariser>,
}

/// Closes an item.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ItemDecision {
    pub item: Uuid,
    pub decision: Decision,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The reply, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Uuid>,
}

/// A rewind: the next entry hangs on `head`. Null means before the first entry.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct HeadMove {
    pub head: Option<Uuid>,
}

/// Written before a tool runs that must not run twice.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ToolStarted {
    pub tool_use_id: String,
}

impl Payload {
    /// An entry of one's own: `custom.<name>`.
    pub fn custom(name: &str, payload: Value) -> Self {
        Self::Other { kind: format!("custom.{name}"), payload }
    }

    pub fn kind(&self) -> &str {
        match self {
            Self::User(_) => "turn.user",
            Self::Assistant(_) => "turn.assistant",
            Self::ToolResult(_) => "turn.tool_result",
            Self::SystemPrompt(_) => "system.prompt",
            Self::Compaction(_) => "compaction",
            Self::BranchSummary(_) => "branch_summary",
            Self::Situation(_) => "situation",
            Self::Decision(_) => "custom.decision",
            Self::Head(_) => "custom.head",
            Self::ToolStarted(_) => "custom.tool_started",
            Self::Other { kind, .. } => kind,
        }
    }

    /// Whether it is a record of where the head went (one that cannot be read included) and so never the head.
    pub fn is_rewind(&self) -> bool {
        self.kind() == "custom.head"
    }

    /// The blocks of a message; empty for entries that are none.
    pub fn content(&self) -> &[Block] {
        match self {
            Self::User(turn) => &turn.content,
            Self::Assistant(turn) => &turn.content,
            Self::ToolResult(results) => &results.content,
            Self::SystemPrompt(_)
            | Self::Compaction(_)
            | Self::BranchSummary(_)
            | Self::Situation(_)
            | Self::Decision(_)
            | Self::Head(_)
            | Self::ToolStarted(_)
            | Self::Other { .. } => &[],
        }
    }

    fn to_raw(&self) -> serde_json::Result<Box<RawValue>> {
        match self {
            Self::User(payload) => to_raw_value(payload),
            Self::Assistant(payload) => to_raw_value(payload),
            Self::ToolResult(payload) => to_raw_value(payload),
            Self::SystemPrompt(payload) => to_raw_value(payload),
            Self::Compaction(payload) => to_raw_value(payload),
            Self::BranchSummary(payload) => to_raw_value(payload),
            Self::Situation(payload) => to_raw_value(payload),
            Self::Decision(payload) => to_raw_value(payload),
            Self::Head(payload) => to_raw_value(payload),
            Self::ToolStarted(payload) => to_raw_value(payload),
            Self::Other { payload, .. } => to_raw_value(payload),
        }
    }

    fn from_raw(kind: &str, raw: &RawValue) -> serde_json::Result<Self> {
        fn parse<T: DeserializeOwned>(raw: &RawValue) -> serde_json::Result<T> {
            serde_json::from_str(raw.get())
        }
        Ok(match kind {
            "turn.user" => Self::User(parse(raw)?),
            "turn.assistant" => Self::Assistant(parse(raw)?),
            "turn.tool_result" => Self::ToolResult(parse(raw)?),
            "system.prompt" => Self::SystemPrompt(parse(raw)?),
            "compaction" => Self::Compaction(parse(raw)?),
            "branch_summary" => Self::BranchSummary(parse(raw)?),
            "situation" => Self::Situation(parse(raw)?),
            "custom.decision" => Self::Decision(parse(raw)?),
            "custom.head" => Self::Head(parse(raw)?),
            "custom.tool_started" => Self::ToolStarted(parse(raw)?),
            kind => Self::Other { kind: kind.to_owned(), payload: parse(raw)? },
        })
    }
}

#[derive(Serialize)]
struct Written<'a> {
    id: Uuid,
    #[serde(rename = "parentId")]
    parent_id: Option<Uuid>,
    kind: &'a str,
    ts: Timestamp,
    payload: &'a RawValue,
}

#[derive(Deserialize)]
struct Read<'a> {
    id: Uuid,
    #[serde(rename = "parentId")]
    parent_id: Option<Uuid>,
    kind: String,
    ts: Timestamp,
    #[serde(borrow)]
    payload: &'a RawValue,
}

impl Entry {
    /// The entry as its line, without a newline.
    pub fn encode(&self) -> serde_json::Result<String> {
        let payload = self.payload.to_raw()?;
        serde_json::to_string(&Written {
            id: self.id,
            parent_id: self.parent_id,
            kind: self.payload.kind(),
            ts: self.ts,
            payload: &payload,
        })
    }

    /// The entry of a line, and what is wrong with its payload. An entry whose payload does not fit its kind is
    /// kept as [`Payload::Other`], so that what hangs on it stays where it is.
    pub(super) fn decode(line: &[u8]) -> serde_json::Result<(Self, Option<serde_json::Error>)> {
        let read: Read<'_> = serde_json::from_slice(line)?;
        let (payload, fault) = match Payload::from_raw(&read.kind, read.payload) {
            Ok(payload) => (payload, None),
            Err(fault) => {
                let payload = serde_json::from_str(read.payload.get()).unwrap_or(Value::Null);
                (Payload::Other { kind: read.kind, payload }, Some(fault))
            }
        };
        Ok((Self { id: read.id, parent_id: read.parent_id, ts: read.ts, payload }, fault))
    }
}

impl Header {
    /// The version alone, which every later header has too.
    pub(super) fn version_of(line: &[u8]) -> Option<u32> {
        #[derive(Deserialize)]
        struct Versioned {
            format: String,
            version: u32,
        }
        let header: Versioned = serde_json::from_slice(line).ok()?;
        (header.format == FORMAT).then_some(header.version)
    }

    pub(super) fn decode(line: &[u8]) -> serde_json::Result<Self> {
        let header: Self = serde_json::from_slice(line)?;
        if header.format != FORMAT {
            return Err(serde_json::Error::custom(format!(
                "its format is {:?}, not {FORMAT:?}",
                header.format
            )));
        }
        Ok(header)
    }
}
