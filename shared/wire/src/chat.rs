//! Messages and threads.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Ms;
use crate::attachment::Attachment;
use crate::ids::{MessageId, ThreadId, TurnId};
use crate::inbox::Gap;
use crate::limits::PAGE_DEFAULT;
use crate::name::Party;
use crate::thread::Reaction;

/// Tokens as the provider counted them; zero where it does not say. `input_tokens` excludes the cached ones.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default)]
pub struct Usage {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cache_read_tokens: u64,
    pub cache_write_tokens: u64,
}

impl Usage {
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    #[must_use]
    pub fn plus(&self, more: &Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_add(more.input_tokens),
            output_tokens: self.output_tokens.saturating_add(more.output_tokens),
            cache_read_tokens: self.cache_read_tokens.saturating_add(more.cache_read_tokens),
            cache_write_tokens: self.cache_write_tokens.saturating_add(more.cache_write_tokens),
        }
    }

    /// Of all kinds together.
    pub fn tokens(&self) -> u64 {
        [self.output_tokens, self.cache_read_tokens, self.cache_write_tokens]
            .into_iter()
            .fold(self.input_tokens, u64::saturating_add)
    }
}

/// What produced a message, as its aspect tells it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ReplyMeta {
    pub turn: TurnId,
    /// `scripted` when no model was asked.
    pub provider: String,
    pub model: String,
    #[serde(default)]
    pub usage: Usage,
    /// Millionths of a US dollar; absent when the price is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_microusd: Option<u64>,
}

/// `chat.send`: post a message.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ChatSend {
    /// Absent: a new thread, or the thread of `reply_to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    /// Parties, or `all`. Who is not known comes back in `unknown`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// May be empty when there are attachments.
    pub content: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// Title of the thread this message opens; the content's first line otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<ReplyMeta>,
}

/// The answer to `chat.send`: the message is on disk.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ChatSent {
    pub message: MessageId,
    pub seq: u64,
    pub thread: ThreadId,
    pub recipients: Vec<Party>,
    pub unknown: Vec<String>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Message {
    pub id: MessageId,
    /// Position in the log; grows over all threads.
    pub seq: u64,
    pub thread: ThreadId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    pub from: Party,
    pub to: Vec<Party>,
    pub content: String,
    pub at: Ms,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<ReplyMeta>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// In the answers to `chat.read` and `chat.get` only: a message is sent and logged as it was written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
}

/// `chat.get`: one message, with its reactions.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ChatGet {
    pub message: MessageId,
}

/// `chat.read`: messages of a thread, oldest first. Name the thread, or any message in it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ChatRead {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageId>,
    /// Only messages with a larger `seq`.
    #[serde(default)]
    pub after: u64,
    /// Only messages with a smaller `seq`, the last of them first to be chosen: a page counted from the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ChatPage {
    pub thread: ThreadInfo,
    pub messages: Vec<Message>,
    /// There are more behind the last one, or, with `before`, ahead of the first one.
    pub more: bool,
    /// Of the messages with these `seq`s, which belong to this page, some are kept no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Gap>,
}

/// `chat.threads`: threads, the latest activity first.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ChatThreads {
    /// Only threads whose `last_seq` is smaller; the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Only threads in which this party takes part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub participant: Option<Party>,
    /// Only threads with messages the reader has not read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unread: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ThreadInfo {
    pub id: ThreadId,
    pub title: String,
    pub created_at: Ms,
    pub last_at: Ms,
    pub messages: u64,
    /// `seq` of its last message.
    #[serde(default)]
    pub last_seq: u64,
    /// At most 256 of them are listed.
    pub participants: Vec<Party>,
    /// How many more there are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub participants_left_out: u64,
    /// Paused by the loop guard until an operator speaks.
    pub paused: bool,
    /// Messages of others after the reader's read position and after their own last one; 999 stands for more, and 99 in a
    /// situation.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unread: u64,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ThreadPage {
    pub threads: Vec<ThreadInfo>,
    #[serde(default)]
    pub more: bool,
    /// To go on, ask with this as `before`; set when there are more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// `chat.search`: full text over the messages the reader may read, the newest first. The query is as for
/// `knowledge.search`, and any text is one.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ChatSearch {
    pub query: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadId>,
    /// Only messages of this party.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Party>,
    /// Not older than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Ms>,
    /// Older than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Ms>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ChatFound {
    pub hits: Vec<ChatHit>,
    pub more: bool,
    /// To go on, ask with this as `cursor`; set when there may be more. A page looks at so many messages that match and
    /// no more: it may end before it is full, and be empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// Messages up to this `seq` were looked through: the index follows a moment behind.
    pub indexed_seq: u64,
}

impl ChatFound {
    /// What is still to be asked for, if the page is not full and there may be more. `asked`: what it answers.
    pub fn rest(&self, asked: &ChatSearch) -> Option<ChatSearch> {
        let limit = asked.limit.unwrap_or(PAGE_DEFAULT);
        let room = limit.saturating_sub(u32::try_from(self.hits.len()).unwrap_or(limit));
        let next = self.next.filter(|_| room > 0)?;
        Some(ChatSearch { cursor: Some(next), limit: Some(room), ..asked.clone() })
    }

    /// Puts the answer to [`Self::rest`] behind it.
    pub fn append(&mut self, rest: Self) {
        // What the index had not come to at first was not looked through.
        let Self { hits, more, next, indexed_seq: _ } = rest;
        self.hits.extend(hits);
        (self.more, self.next) = (more, next);
    }
}

/// A message that was found.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ChatHit {
    pub message: MessageId,
    pub seq: u64,
    pub thread: ThreadId,
    /// Of the thread.
    pub title: String,
    pub from: Party,
    pub at: Ms,
    /// Where the query matches, in pieces.
    pub snippet: Vec<Piece>,
}

/// A piece of a text: what matches, or what stands between.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Piece {
    pub text: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hit: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_asked_for_until_it_is_full_or_the_last_one() {
        let hit = |seq: u64| ChatHit {
            message: MessageId(uuid::Uuid::from_u128(u128::from(seq))),
            seq,
            thread: ThreadId(uuid::Uuid::nil()),
            title: String::new(),
            from: Party::System,
            at: 0,
            snippet: Vec::new(),
        };
        let found = |seqs: &[u64], next: Option<u64>, indexed_seq| ChatFound {
            hits: seqs.iter().map(|seq| hit(*seq)).collect(),
            more: next.is_some(),
            next,
            indexed_seq,
        };
        let asked = ChatSearch { query: "moon".into(), limit: Some(3), ..ChatSearch::default() };
        let rest =
            |cursor, limit| Some(ChatSearch { cursor: Some(cursor), limit: Some(limit), ..asked.clone() });
        let mut page = found(&[], Some(70), 90);
        assert_eq!(page.rest(&asked), rest(70, 3));
        page.append(found(&[65, 61], Some(60), 99));
        assert_eq!(page.rest(&asked), rest(60, 1));
        page.append(found(&[55], Some(50), 99));
        assert_eq!((page.rest(&asked), &page), (None, &found(&[65, 61, 55], Some(50), 90)), "it is full");
        assert_eq!(found(&[65], None, 90).rest(&asked), None, "there is nothing else");
        let any = ChatSearch { limit: None, ..asked };
        assert_eq!(page.rest(&any).and_then(|rest| rest.limit), Some(PAGE_DEFAULT - 3));
    }
}
