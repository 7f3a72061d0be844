//! The inbox: everything durable for one aspect, in one order, with one cursor.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Ms;
use crate::approval::ApprovalEnd;
use crate::budget::Spending;
use crate::chat::{Message, ReplyMeta};
use crate::gather::GatherResult;
use crate::hands::{Assignment, Lease, Outcome};
use crate::ids::{EpochId, ItemId, MessageId};
use crate::run::RunEnd;
use crate::session::{SessionOrder, SessionOutcome};
use crate::trace::TraceContext;

/// One entry of an inbox.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Item {
    pub id: ItemId,
    pub at: Ms,
    /// The span that caused it.
    #[serde(default, deserialize_with = "TraceContext::lenient", skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceContext>,
    /// Already closed by this aspect, in a history its home has lost; it starts no turn.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub answered: bool,
    pub body: ItemBody,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ItemBody {
    /// A message addressed to this aspect.
    Message(Message),
    /// Work for one of its Hands.
    Assignment(Assignment),
    /// The end of a dispatch it invoked.
    Result(Outcome),
    /// The end of a gather it made.
    Gather(GatherResult),
    /// The end of something it asked people for.
    Approval(ApprovalEnd),
    /// The end of a run it started.
    Run(RunEnd),
    /// Stop work on this lease; its result would be refused.
    Cancel { lease: Lease, reason: String },
    /// The `wait`-th wait of this dispatch is over: its place is taken again.
    Resume { lease: Lease, wait: u32 },
    /// An operator wants one of its sessions changed.
    Session(SessionOrder),
}

/// `deliver`: the item at `offset`, which is on disk.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Deliver {
    pub offset: u64,
    pub item: Item,
}

/// `ack`: every item up to and including `offset` is on the client's disk.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Ack {
    pub offset: u64,
}

/// `gap`: these offsets cannot be sent any more.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Gap {
    pub from: u64,
    pub to: u64,
    pub reason: String,
}

/// Where a client's copy of its inbox ends.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Resume {
    pub epoch: EpochId,
    pub offset: u64,
    /// The item at `offset`; tells one history from another. Absent only at offset 0 or after a gap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<ItemId>,
}

/// What became of an inbound item.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Replied,
    Acted,
    Silent,
    Failed,
}

/// `inbox.close`: the decision on a message item or a session command, once it is on the aspect's own disk.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct InboxClose {
    pub item: ItemId,
    pub decision: Decision,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The reply, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageId>,
    /// What a session command came to; not shown in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<SessionOutcome>,
    /// What the turn has spent, where no message says so; not shown in the log. `meta` says it more exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<Spending>,
    /// What a message would say of the turn, where there is none; not shown in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<ReplyMeta>,
}
