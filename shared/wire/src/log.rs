//! The log: every durable change in one order. Operators follow it instead of an inbox.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Ms;
use crate::alert::AlertNote;
use crate::chat::Message;
use crate::hands::{DispatchInfo, Outcome};
use crate::ids::ThreadId;
use crate::inbox::InboxClose;
use crate::name::{AspectName, Party};
use crate::thread::{InboxTaken, Reacted};

/// `subscribe`: follow the log, and what streams. Replaces the link's earlier subscription.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Subscribe {
    /// Entries after this one; absent: only what comes from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_seq: Option<u64>,
    /// Only what belongs to this thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadId>,
    /// Only entries of these kinds: the `type` of a body, or the `kind` of one of type `other`. All when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// Only what this party did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Party>,
    /// Also `observe` frames (of that thread).
    #[serde(default)]
    pub observe: bool,
    /// With `observe`: what each of these aspects streamed after that `seq` comes first, as far as it is kept; of
    /// aspects that are not named, all that is kept. Absent: only what comes from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observe_from: Option<BTreeMap<AspectName, u64>>,
    /// Also `roster.changed` frames.
    #[serde(default)]
    pub roster: bool,
    /// Also `activity` frames.
    #[serde(default)]
    pub activity: bool,
}

/// `unsubscribe`: nothing of the link's subscription is sent any more once this is answered.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Unsubscribe {}

/// `shutdown`: the broker is stopping. What was asked is answered, then the link is closed with code 1001.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Shutdown {
    pub reason: String,
    /// Dial again after this long.
    pub retry_after_ms: u64,
}

/// The answer to `subscribe`.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Subscribed {
    /// The newest entry when the subscription began.
    pub head: u64,
    /// With `observe`: the `seq` of what each aspect had streamed last by then.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub observed: BTreeMap<AspectName, u64>,
}

/// `log`: one entry.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct LogEntry {
    pub seq: u64,
    pub at: Ms,
    pub actor: Party,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadId>,
    pub body: LogBody,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LogBody {
    Message(Box<Message>),
    ItemClosed(Box<InboxClose>),
    /// An aspect has put a message before its model.
    ItemTaken(InboxTaken),
    Reacted(Reacted),
    DispatchAccepted(Box<DispatchInfo>),
    DispatchAssigned {
        dispatch: crate::ids::DispatchId,
        attempt: u32,
        aspect: AspectName,
    },
    DispatchEnded(Box<Outcome>),
    Alert(AlertNote),
    /// A change whose content is not shown here: its kind, and what it was done to.
    Other {
        kind: String,
        subject: String,
    },
}
