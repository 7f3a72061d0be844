//! What is done to threads and messages that are there: titles, read positions, reactions, and how far a message
//! has come.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Ms;
use crate::ids::{MessageId, ThreadId};
use crate::inbox::Decision;
use crate::name::Party;

/// `thread.get`: what is known of a thread, without its messages.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ThreadGet {
    pub thread: ThreadId,
}

/// `thread.rename`: by whoever takes part, and by operators.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ThreadRename {
    pub thread: ThreadId,
    pub title: String,
}

/// The answer to `thread.rename`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ThreadRenamed {
    pub thread: ThreadId,
    pub title: String,
}

/// `chat.mark`: everything up to `seq` is read. Goes forward only.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ChatMark {
    pub thread: ThreadId,
    /// All of it when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

/// The answer to `chat.mark`: where the read position is now.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ChatMarked {
    pub thread: ThreadId,
    pub position: u64,
}

/// `chat.react`: put a reaction to a message, or take it back.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ChatReact {
    pub message: MessageId,
    /// An emoji, or another short sign without spaces.
    pub emoji: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub remove: bool,
}

/// A reaction came or went: the answer to `chat.react`, what the log has of it, and, as `chat.reacted`, what
/// those who take part in the thread are told while they are connected.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Reacted {
    pub message: MessageId,
    pub thread: ThreadId,
    pub emoji: String,
    pub by: Party,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
}

/// One sign, and everybody who put it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Reaction {
    pub emoji: String,
    pub by: Vec<Party>,
}

/// `inbox.taken`: a message addressed to this aspect has been put before its model.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct InboxTaken {
    pub message: MessageId,
}

/// `chat.receipts`: how far a message has come with each recipient.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ChatReceipts {
    pub message: MessageId,
    /// Only recipients after this one; the last of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Party>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ReceiptPage {
    /// In the order of the message's recipients.
    pub receipts: Vec<Receipt>,
    #[serde(default)]
    pub more: bool,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Receipt {
    pub party: Party,
    pub state: ReceiptState,
    /// When it came to be `in_context` or `answered`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Ms>,
    /// What was decided; only with `answered`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Why, where the recipient said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The reply, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<MessageId>,
}

/// How far a message has come. Each includes the ones before it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptState {
    /// On the broker's disk.
    Stored,
    /// On the recipient's disk.
    Delivered,
    /// Put before the recipient's model; an operator has read up to it.
    InContext,
    /// The recipient has decided what becomes of it, and replied if that is the decision.
    Answered,
}

impl ReceiptState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Delivered => "delivered",
            Self::InContext => "in_context",
            Self::Answered => "answered",
        }
    }
}
