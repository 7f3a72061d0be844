//! What the client has not read: offered with whatever it is told, and read when it has been shown.

use nexus_wire::chat::{ChatPage, ChatThreads, ThreadPage};
use nexus_wire::derive::message_item;
use nexus_wire::inbox::{Decision, InboxClose};
use nexus_wire::limits::PAGE_MAX;
use nexus_wire::thread::{ChatMark, InboxTaken};
use nexus_wire::{ErrorBody, MessageId, Party, RequestId, ThreadId, ToBroker};
use uuid::Uuid;

use crate::bus::{Bus, Role};
use crate::server::TeamServer;

/// Conversations that are named in an offer.
const NAMED: u32 = 5;
/// Of a title, so that an offer stays short.
const TITLE_CHARS: usize = 60;

impl<B: Bus> TeamServer<B> {
    /// Conversations of the client's own with something new in them.
    pub(crate) async fn unread(&self, limit: u32) -> Result<ThreadPage, ErrorBody> {
        let participant = Some(self.who().party);
        self.look(ChatThreads { before: None, participant, unread: true, limit: Some(limit) }).await
    }

    /// One line about them, if there are any.
    pub(crate) async fn offer(&self) -> Option<String> {
        let page = self.unread(NAMED).await.ok()?;
        offer_of(&page)
    }

    /// Nothing that is new in the conversation lies ahead of this page.
    pub(crate) fn shows_all_unread(&self, page: &ChatPage) -> bool {
        let party = self.who().party;
        let others = page.messages.iter().filter(|message| message.from != party).count();
        !page.more || page.thread.unread <= others as u64
    }

    /// These messages have been shown to the client.
    pub(crate) async fn has_read(&self, page: &ChatPage) {
        let Some(last) = page.messages.last() else { return };
        // A read position is one place: to move it past what was not shown would hide that.
        let is_most = page.messages.len() >= PAGE_MAX as usize;
        if page.thread.unread == 0 || !(self.shows_all_unread(page) || is_most) {
            return;
        }
        let party = self.who().party;
        let to_us: Vec<MessageId> = page
            .messages
            .iter()
            .rev()
            .filter(|message| message.from != party)
            .take(usize::try_from(page.thread.unread).unwrap_or(usize::MAX))
            .filter(|message| message.to.contains(&party))
            .map(|message| message.id)
            .collect();
        self.has_read_to(page.thread.id, last.seq, &to_us).await;
    }

    /// A message that cannot be marked is offered again, and nothing worse.
    pub(crate) async fn has_read_to(&self, thread: ThreadId, seq: u64, to_us: &[MessageId]) {
        if self.who().role == Role::Aspect {
            for message in to_us {
                self.tell(InboxTaken { message: *message }).await;
            }
        }
        self.tell(ChatMark { thread, seq: Some(seq) }).await;
    }

    /// For an aspect: what became of a message it got.
    pub(crate) async fn has_replied(&self, answered: MessageId, reply: MessageId) {
        let Party::Aspect(name) = self.who().party else { return };
        self.tell(InboxTaken { message: answered }).await;
        self.tell(InboxClose {
            item: message_item(answered, &name),
            decision: Decision::Replied,
            reason: None,
            message: Some(reply),
            outcome: None,
            spent: None,
            meta: None,
        })
        .await;
    }

    async fn tell(&self, frame: impl Into<ToBroker>) {
        let told = self.bus().ask(RequestId(Uuid::now_v7()), frame.into()).await;
        if let Err(error) = told {
            tracing::debug!(%error, "not marked as read");
        }
    }
}

fn offer_of(page: &ThreadPage) -> Option<String> {
    let count: u64 = page.threads.iter().map(|thread| thread.unread).sum();
    if count == 0 {
        return None;
    }
    let named: Vec<String> = page
        .threads
        .iter()
        .map(|thread| {
            let title: String = thread.title.chars().take(TITLE_CHARS).collect();
            format!("{:?} ({} new, thread {})", title, thread.unread, thread.id)
        })
        .collect();
    let more = if page.more { " and more" } else { "" };
    Some(format!("{count} unread: {}{more}. Read them with read_chat_thread.", named.join(", ")))
}

#[cfg(test)]
mod tests {
    use nexus_wire::chat::ThreadInfo;

    use super::*;

    fn thread(n: u128, title: &str, unread: u64) -> ThreadInfo {
        ThreadInfo {
            id: ThreadId(Uuid::from_u128(n)),
            title: title.to_owned(),
            created_at: 0,
            last_at: 0,
            messages: unread,
            last_seq: 0,
            participants: Vec::new(),
            participants_left_out: 0,
            paused: false,
            unread,
        }
    }

    #[test]
    fn an_offer_is_one_line_whatever_titles_hold_and_none_where_nothing_is_new() {
        assert_eq!(offer_of(&ThreadPage::default()), None);
        let long = "x".repeat(1000);
        let threads = vec![thread(1, "two\nlines", 2), thread(2, &long, 1)];
        let offer = offer_of(&ThreadPage { threads, more: true, next: None }).expect("something is new");
        let wanted = format!(
            "3 unread: \"two\\nlines\" (2 new, thread {}), {:?} (1 new, thread {}) and more. Read them with \
             read_chat_thread.",
            Uuid::from_u128(1),
            "x".repeat(TITLE_CHARS),
            Uuid::from_u128(2)
        );
        assert_eq!(offer, wanted);
    }
}
