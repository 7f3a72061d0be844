//! In which thread a conversation goes on: the one that has said and answered all of it so far. It is looked for
//! among those the caller was last active in, so nothing is kept, and a restart changes nothing.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use nexus_wire::chat::{ChatPage, ChatRead, ChatThreads, Message, ThreadInfo, ThreadPage};
use nexus_wire::{AspectName, Ms, Party, RequestId, ThreadId, ToBroker};
use uuid::Uuid;

use super::fault::Fault;
use super::talk::{Exchange, Talk};
use crate::edge::Edge;
use crate::identity::Identity;
use crate::listen::ask::Question;

/// Threads that are looked at, the latest activity first.
const THREADS_LOOKED_AT: u32 = 64;
/// Messages of a thread that are looked at.
const MESSAGES_LOOKED_AT: usize = 2_000;
/// A client's own second try comes soon.
const RETRY_WITHIN_MS: Ms = 15 * 60 * 1_000;

pub(super) enum Place {
    New,
    /// The rest of it has been said there. Nobody else is given the thread while this is held.
    GoesOn(Taken),
    /// It is asked already.
    Asked(Question),
}

/// Threads in which something is about to be said.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Arc<Mutex<HashSet<ThreadId>>>);

pub(super) struct Taken {
    pub(super) thread: ThreadId,
    places: Places,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.places.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.thread);
    }
}

impl Places {
    fn take(&self, thread: ThreadId) -> Option<Taken> {
        let is_free = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(thread);
        is_free.then(|| Taken { thread, places: self.clone() })
    }

    /// Where `talk` of `caller` with `aspect` belongs; `is_retry`: it may be asked already.
    pub(super) async fn find(
        &self,
        edge: &Edge,
        caller: &Identity,
        aspect: &AspectName,
        talk: &Talk,
        is_retry: bool,
    ) -> Result<Place, Fault> {
        if talk.answers() == 0 && !is_retry {
            return Ok(Place::New);
        }
        let looking = Looking { edge, caller, aspect };
        for thread in looking.threads().await? {
            let seen = looking.at(&thread).await?;
            if is_retry && let Some(question) = seen.asked(talk, edge.now()) {
                let (to, thread) = (aspect.clone(), thread.id);
                return Ok(Place::Asked(Question { to, message: question.id, thread, seq: question.seq }));
            }
            if !seen.is_open_to(talk) {
                continue;
            }
            let Some(taken) = self.take(thread.id) else { continue };
            // Somebody may have gone on in it before it was taken.
            if looking.at(&thread).await?.is_open_to(talk) {
                return Ok(Place::GoesOn(taken));
            }
        }
        Ok(Place::New)
    }
}

struct Looking<'a> {
    edge: &'a Edge,
    caller: &'a Identity,
    aspect: &'a AspectName,
}

/// What a thread has of the caller and the aspect.
#[derive(Default)]
struct Seen {
    exchanges: Vec<Exchange>,
    /// The latest message of the caller, unless it came to nothing.
    last: Option<Message>,
    /// It is not answered yet.
    is_pending: bool,
}

impl Looking<'_> {
    async fn read<T: serde::de::DeserializeOwned>(&self, frame: impl Into<ToBroker>) -> Result<T, Fault> {
        let answer = self.edge.request(self.caller, RequestId(Uuid::now_v7()), frame.into(), 0).await?;
        answer.parse().map_err(|error| super::unreadable(&error))
    }

    async fn threads(&self) -> Result<Vec<ThreadInfo>, Fault> {
        let participant = Some(self.caller.party.clone());
        let list = ChatThreads { participant, limit: Some(THREADS_LOOKED_AT), ..ChatThreads::default() };
        let page: ThreadPage = self.read(list).await?;
        let aspect = Party::Aspect(self.aspect.clone());
        Ok(page.threads.into_iter().filter(|it| it.participants.contains(&aspect)).collect())
    }

    /// A thread that is longer than what is looked at is nobody's, and so is one that has lost its beginning.
    async fn at(&self, thread: &ThreadInfo) -> Result<Seen, Fault> {
        let mut messages = Vec::new();
        loop {
            let after = messages.last().map_or(0, |message: &Message| message.seq);
            let thread = Some(thread.id);
            let page: ChatPage =
                self.read(ChatRead { thread, after, limit: Some(200), ..ChatRead::default() }).await?;
            let (is_whole, is_last) = (page.gap.is_none(), !page.more || page.messages.is_empty());
            messages.extend(page.messages);
            if !is_whole || messages.len() > MESSAGES_LOOKED_AT {
                return Ok(Seen::default());
            }
            if is_last {
                return Ok(self.seen(messages));
            }
        }
    }

    fn seen(&self, messages: Vec<Message>) -> Seen {
        let mut seen = Seen::default();
        for message in messages {
            if message.from == self.caller.party {
                seen.is_pending = true;
                seen.last = Some(message);
            } else if message.from.aspect() == Some(self.aspect)
                && let Some(last) = seen.last.as_ref().filter(|last| message.reply_to == Some(last.id))
            {
                // What no model wrote says that it came to nothing.
                if message.meta.is_some() {
                    let said = last.content.clone();
                    seen.exchanges.push(Exchange { said, answer: message.id, answered: message.content });
                } else {
                    seen.last = None;
                }
                seen.is_pending = false;
            }
        }
        seen
    }
}

impl Seen {
    fn is_open_to(&self, talk: &Talk) -> bool {
        !self.is_pending && talk.continues(&self.exchanges)
    }

    fn asked(&self, talk: &Talk, now: Ms) -> Option<&Message> {
        let last = self.last.as_ref().filter(|last| now.saturating_sub(last.at) < RETRY_WITHIN_MS)?;
        let before = self.exchanges.len() - usize::from(!self.is_pending && !self.exchanges.is_empty());
        talk.repeats(&self.exchanges[..before], &last.content).then_some(last)
    }
}
