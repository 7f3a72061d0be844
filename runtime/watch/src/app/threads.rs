//! Conversations, and the one that is read.

use std::collections::VecDeque;

use nexus_wire::chat::{ChatPage, Message, ThreadInfo};
use nexus_wire::name::Party;
use nexus_wire::{MessageId, Ms, ThreadId};

use super::event::Load;
use super::line::clipped;
use super::listing::{Listing, Scroll};

/// The latest; older ones are found with `nexctl get threads`.
const THREADS_MAX: usize = 200;
const MESSAGES_MAX: usize = 500;
pub(super) const MESSAGES_BYTES_MAX: usize = 1024 * 1024;
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
const PARTICIPANTS_MAX: usize = 16;

/// A message as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    pub id: MessageId,
    pub seq: u64,
    pub from: Party,
    pub at: Ms,
    pub content: String,
    pub attachments: Vec<String>,
    pub reactions: Vec<(String, usize)>,
    pub cost_microusd: Option<u64>,
}

impl From<Message> for Said {
    fn from(message: Message) -> Self {
        let reactions = message.reactions.into_iter().take(16);
        Self {
            id: message.id,
            seq: message.seq,
            from: message.from,
            at: message.at,
            content: clipped(message.content, MESSAGE_BYTES_MAX),
            attachments: message.attachments.into_iter().map(|attachment| attachment.name).collect(),
            reactions: reactions.map(|reaction| (reaction.emoji, reaction.by.len())).collect(),
            cost_microusd: message.meta.and_then(|meta| meta.cost_microusd),
        }
    }
}

#[derive(Debug, Default)]
pub struct Threads {
    threads: Vec<ThreadInfo>,
    pub listing: Listing<ThreadId>,
    pub is_known: bool,
    /// The thread whose messages are held.
    read: Option<ThreadId>,
    /// Some of its messages may have been missed.
    is_stale: bool,
    pub messages: VecDeque<Said>,
    /// There are older ones.
    pub more: bool,
    /// Older ones are not held, lest it grow.
    pub is_full: bool,
    /// Of what was before, something is kept no longer.
    pub gap: Option<String>,
    pub scroll: Scroll,
    loading: Option<Load>,
    want_older: bool,
}

impl Threads {
    pub fn get(&self, id: &ThreadId) -> Option<&ThreadInfo> {
        self.threads.iter().find(|thread| thread.id == *id)
    }

    /// The chosen one.
    pub fn chosen(&self) -> Option<&ThreadInfo> {
        self.get(self.listing.key()?)
    }

    /// Whether the messages that are held are of the chosen thread.
    pub fn is_read(&self) -> bool {
        self.read.is_some() && self.read.as_ref() == self.listing.key()
    }

    pub fn unread(&self) -> usize {
        self.threads.iter().filter(|thread| thread.unread > 0).count()
    }

    pub fn all(&self) -> &[ThreadInfo] {
        &self.threads
    }

    pub(super) fn replace(&mut self, threads: Vec<ThreadInfo>, filter: &str) {
        self.threads = threads;
        self.threads.truncate(THREADS_MAX);
        for thread in &mut self.threads {
            let left_out = thread.participants.len().saturating_sub(PARTICIPANTS_MAX) as u64;
            thread.participants.truncate(PARTICIPANTS_MAX);
            thread.participants_left_out = thread.participants_left_out.saturating_add(left_out);
        }
        self.is_known = true;
        self.refilter(filter);
    }

    /// Chooses a thread, also one that does not fit the filter or is not listed.
    pub(super) fn open(&mut self, id: ThreadId) -> bool {
        self.listing.choose(&id)
    }

    pub(super) fn said(&mut self, message: Message) {
        let is_next = self.messages.back().is_none_or(|last| last.seq < message.seq);
        if self.read == Some(message.thread) && is_next && self.loading.is_none() {
            self.messages.push_back(message.into());
            while self.is_too_much() {
                self.messages.pop_front();
                self.more = true;
            }
        }
    }

    pub(super) fn page(&mut self, page: ChatPage, older: bool) {
        let id = page.thread.id;
        self.loading.take_if(|load| matches!(load, Load::Messages { thread, .. } if *thread == id));
        let messages = page.messages.into_iter().map(Said::from);
        if !older {
            self.messages = messages.collect();
            self.is_full = false;
        } else if self.read == Some(id) {
            for message in messages.rev() {
                self.messages.push_front(message);
            }
        } else {
            return;
        }
        self.read = Some(id);
        self.is_stale &= older;
        self.more = page.more;
        self.gap = page.gap.map(|gap| gap.reason);
        while self.is_too_much() {
            self.messages.pop_front();
            (self.more, self.is_full) = (true, true);
        }
    }

    pub(super) fn failed(&mut self) {
        self.loading = None;
        // What cannot be had is not asked for over and over.
        if self.read != self.listing.key().copied() {
            self.read = self.listing.key().copied();
            self.messages.clear();
        }
        self.is_stale = false;
    }

    /// The messages are asked for anew: some may have been missed.
    pub(super) fn forget(&mut self) {
        self.is_stale = true;
        self.loading = None;
    }

    pub(super) fn older(&mut self) {
        self.want_older = self.more && !self.is_full;
    }

    pub(super) fn wanted(&mut self) -> Option<Load> {
        let thread = *self.listing.key()?;
        let older = std::mem::take(&mut self.want_older);
        let load = if self.read != Some(thread) || self.is_stale {
            Load::Messages { thread, before: None }
        } else if older {
            Load::Messages { thread, before: Some(self.messages.front()?.seq) }
        } else {
            return None;
        };
        if self.loading == Some(load) || (self.loading.is_some() && older) {
            return None;
        }
        self.loading = Some(load);
        Some(load)
    }

    pub(super) fn refilter(&mut self, filter: &str) {
        let filter = filter.to_lowercase();
        let fits = |thread: &&ThreadInfo| {
            filter.is_empty()
                || thread.title.to_lowercase().contains(&filter)
                || thread.participants.iter().any(|party| party.to_string().contains(&filter))
        };
        let keys = self.threads.iter().filter(fits).map(|thread| thread.id).collect();
        self.listing.set(keys);
    }

    fn is_too_much(&self) -> bool {
        self.messages.len() > MESSAGES_MAX || (self.weight() > MESSAGES_BYTES_MAX && self.messages.len() > 1)
    }

    pub fn weight(&self) -> usize {
        self.messages.iter().map(|said| said.content.len() + 256).sum()
    }
}
