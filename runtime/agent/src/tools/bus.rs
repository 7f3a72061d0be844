//! The tools that are one request to the broker each.

use jiff::Timestamp;
use nexus_wire::attachment::Attachment;
use nexus_wire::chat::{ChatFound, ChatPage, ChatRead, ChatSearch, ChatSend, ChatSent};
use nexus_wire::knowledge::{self, KnowledgeHits, KnowledgeStored};
use nexus_wire::limits::{LOOKS_MAX, PAGE_MAX};
use nexus_wire::roster::{Team, TeamList};
use nexus_wire::{RequestId, ThreadId, derive};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::args::whole;
use super::{Caller, ToolOutcome};
use crate::uplink::{Line, LineError};

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SendMessage {
    /// To whom: aspects by name, `operator/<name>`, or `all`.
    to: Vec<String>,
    content: String,
    /// A thread's id, or `new` to open one; the thread you are in when absent.
    #[serde(default)]
    thread: Option<String>,
    /// Files that go with it, each as attach_file returned it.
    #[serde(default)]
    attachments: Vec<Attachment>,
}

impl SendMessage {
    pub(super) async fn run(self, line: &Line, caller: &Caller, id: RequestId) -> ToolOutcome {
        if self.to.iter().all(|name| name.trim().is_empty()) {
            return ToolOutcome::error("argument `to`: name at least one member of the team");
        }
        if self.content.trim().is_empty() && self.attachments.is_empty() {
            return ToolOutcome::error("argument `content`: there is nothing to send");
        }
        let thread = match thread_of(self.thread.as_deref(), caller) {
            Ok(thread) => thread,
            Err(error) => return ToolOutcome::error(error),
        };
        let to = self.to.into_iter().map(|name| name.trim().trim_start_matches('@').to_owned()).collect();
        let Self { content, attachments, .. } = self;
        let send = ChatSend { thread, to, content, attachments, ..ChatSend::default() };
        ToolOutcome::of(line.ask_for::<ChatSent>(id, send.into()).await)
    }
}

fn thread_of(asked: Option<&str>, caller: &Caller) -> Result<Option<ThreadId>, String> {
    match asked.map(str::trim) {
        None | Some("") => Ok(caller.thread),
        Some("new") => Ok(None),
        Some(id) => match id.parse() {
            Ok(id) => Ok(Some(id)),
            Err(_) => Err(format!("argument `thread`: {id:?} is no thread's id")),
        },
    }
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadThread {
    /// A thread's id; the thread you are in when absent.
    #[serde(default)]
    thread: Option<String>,
    /// Only messages after the one with this `seq`.
    #[serde(default, deserialize_with = "whole")]
    #[schemars(with = "Option<u64>")]
    after: Option<u64>,
    /// How many (50; at most 200).
    #[serde(default, deserialize_with = "whole")]
    #[schemars(with = "Option<u64>")]
    limit: Option<u64>,
}

impl ReadThread {
    pub(super) async fn run(self, line: &Line, caller: &Caller, id: RequestId) -> ToolOutcome {
        let thread = match thread_of(self.thread.as_deref(), caller) {
            Ok(Some(thread)) => thread,
            Ok(None) => return ToolOutcome::error("argument `thread`: you are in no thread, so name one"),
            Err(error) => return ToolOutcome::error(error),
        };
        let read = ChatRead {
            thread: Some(thread),
            message: None,
            after: self.after.unwrap_or(0),
            before: None,
            limit: small(self.limit),
        };
        match line.ask_for::<ChatPage>(id, read.into()).await {
            Ok(page) => ToolOutcome::json(&page_shown(&page)),
            Err(error) => ToolOutcome::error(error.to_string()),
        }
    }
}

/// What a reader needs of a page; ids and costs only take up room.
fn page_shown(page: &ChatPage) -> Value {
    let messages: Vec<Value> = page
        .messages
        .iter()
        .map(|message| {
            let at = Timestamp::from_millisecond(message.at).map(|at| at.to_string()).unwrap_or_default();
            let mut shown =
                json!({"seq": message.seq, "from": message.from, "at": at, "content": message.content});
            if !message.attachments.is_empty() {
                shown["attachments"] = json!(message.attachments);
            }
            shown
        })
        .collect();
    let thread =
        json!({"id": page.thread.id, "title": page.thread.title, "participants": page.thread.participants});
    json!({"thread": thread, "messages": messages, "more": page.more})
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchMessages {
    query: String,
    /// Only in this thread, by its id.
    #[serde(default)]
    thread: Option<String>,
    /// Only messages of this party: an aspect's name or `operator/<name>`.
    #[serde(default)]
    by: Option<String>,
    /// The `next` of the answer before.
    #[serde(default, deserialize_with = "whole")]
    #[schemars(with = "Option<u64>")]
    cursor: Option<u64>,
    /// How many (50; at most 200).
    #[serde(default, deserialize_with = "whole")]
    #[schemars(with = "Option<u64>")]
    limit: Option<u64>,
}

impl SearchMessages {
    pub(super) async fn run(self, line: &Line, id: RequestId) -> ToolOutcome {
        let thread = match self.thread.as_deref().map(str::trim).filter(|id| !id.is_empty()) {
            None => None,
            Some(id) => match id.parse() {
                Ok(thread) => Some(thread),
                Err(_) => return ToolOutcome::error(format!("argument `thread`: {id:?} is no thread's id")),
            },
        };
        let by = self.by.as_deref().map(|name| name.trim().trim_start_matches('@').parse()).transpose();
        let by = match by {
            Ok(by) => by,
            Err(error) => return ToolOutcome::error(format!("argument `by`: {error}")),
        };
        let search = ChatSearch {
            query: self.query,
            thread,
            by,
            cursor: self.cursor,
            limit: small(self.limit),
            ..ChatSearch::default()
        };
        match look_for(line, id, &search).await {
            Ok(found) => ToolOutcome::json(&found_shown(&found)),
            Err(error) => ToolOutcome::error(error.to_string()),
        }
    }
}

/// A whole page: one with nothing in it would be taken for the last.
async fn look_for(line: &Line, id: RequestId, wanted: &ChatSearch) -> Result<ChatFound, LineError> {
    let mut found: ChatFound = line.ask_for(id, wanted.clone().into()).await?;
    for look in 1..LOOKS_MAX {
        let Some(rest) = found.rest(wanted) else { break };
        let id = RequestId(derive::derived(id.0, "look", look as u64));
        found.append(line.ask_for(id, rest.into()).await?);
    }
    Ok(found)
}

fn found_shown(found: &ChatFound) -> Value {
    let hits: Vec<Value> = found
        .hits
        .iter()
        .map(|hit| {
            let at = Timestamp::from_millisecond(hit.at).map(|at| at.to_string()).unwrap_or_default();
            let snippet: String = hit.snippet.iter().map(|piece| piece.text.as_str()).collect();
            json!({
                "seq": hit.seq, "thread": hit.thread, "title": hit.title, "from": hit.from, "at": at,
                "snippet": snippet,
            })
        })
        .collect();
    json!({"hits": hits, "next": found.next})
}

fn small(limit: Option<u64>) -> Option<u32> {
    limit.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX).clamp(1, PAGE_MAX))
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListTeam {}

impl ListTeam {
    pub(super) async fn run(self, line: &Line, id: RequestId) -> ToolOutcome {
        ToolOutcome::of(line.ask_for::<Team>(id, TeamList::default().into()).await)
    }
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchKnowledge {
    query: String,
    /// How many entries (50; at most 200).
    #[serde(default, deserialize_with = "whole")]
    #[schemars(with = "Option<u64>")]
    limit: Option<u64>,
}

impl SearchKnowledge {
    pub(super) async fn run(self, line: &Line, id: RequestId) -> ToolOutcome {
        let search = knowledge::KnowledgeSearch {
            query: self.query,
            limit: small(self.limit),
            ..knowledge::KnowledgeSearch::default()
        };
        ToolOutcome::of(line.ask_for::<KnowledgeHits>(id, search.into()).await)
    }
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StoreKnowledge {
    /// A few words under which it is found; storing under the same ones again replaces it.
    topic: String,
    content: String,
    /// Readable by the whole team; needs an operator's grant.
    #[serde(default)]
    shared: Option<bool>,
}

impl StoreKnowledge {
    pub(super) async fn run(self, line: &Line, id: RequestId) -> ToolOutcome {
        if self.topic.trim().is_empty() {
            return ToolOutcome::error("argument `topic`: name what it is about");
        }
        let shared = self.shared.unwrap_or(false);
        let store = knowledge::KnowledgeStore { topic: self.topic, content: self.content, shared };
        ToolOutcome::of(line.ask_for::<KnowledgeStored>(id, store.into()).await)
    }
}
