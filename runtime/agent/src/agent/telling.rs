//! Tells the broker what a turn has said and decided: always on record first, and under ids that derive from the item,
//! so that telling it again does nothing.

use nexus_wire::budget::Spending;
use nexus_wire::chat::{ChatSend, ReplyMeta};
use nexus_wire::inbox::InboxClose;
use nexus_wire::thread::InboxTaken;
use nexus_wire::{ItemId, MessageId, Party, RequestId, ThreadId, derive};
use uuid::Uuid;

use super::drive::{Drive, DriveError};
use crate::outbox::Post;
use crate::session::{ItemDecision, ItemRef, Payload};
use crate::turn::{self, Closing, PostKind};
use crate::uplink::Books;

/// Of a reason, as the broker takes it.
const REASON_CHARS_MAX: usize = 1000;

impl Drive {
    /// The sender sees that its message is before the model. Not worth a line on disk: the decision that follows
    /// says more, and is.
    pub(super) fn tell_taken(&self, item: &ItemRef) {
        let Some(message) = item.message.map(MessageId) else { return };
        let line = self.toolbox.line().traced(item.trace.as_deref().cloned());
        let id = RequestId(derive::derived(item.id, "taken", 0));
        tokio::spawn(async move {
            if let Err(error) = line.ask(id, InboxTaken { message }.into()).await {
                tracing::debug!(%error, %message, "the broker does not know that a message was taken");
            }
        });
    }

    pub(super) async fn post(&self, post: turn::Post) -> Result<(), DriveError> {
        let id = match post.kind {
            // It may be told of another stop after a restart.
            PostKind::Halted(before) => {
                let purpose = format!("halted {}", post.text);
                RequestId(derive::derived(post.answers.id, &purpose, before.into()))
            }
            kind @ (PostKind::Reply | PostKind::Notice | PostKind::Waiting(_)) => {
                post_id(post.answers.id, kind)
            }
        };
        let content = match post.kind {
            PostKind::Reply | PostKind::Notice => post.text,
            PostKind::Halted(_) => {
                format!("I wait: {}. I go on by myself then, or after: nexctl budget go-on", post.text)
            }
            PostKind::Waiting(_) => self.how_to_go_on(&post.text),
        };
        let frame = ChatSend {
            // What answers no message is said in the conversation.
            thread: post.answers.thread.filter(|_| post.answers.message.is_none()).map(ThreadId),
            reply_to: post.answers.message.map(MessageId),
            content,
            meta: post.meta,
            ..ChatSend::default()
        };
        let post = Post { id, trace: self.trace.carried(), frame: frame.into() };
        Ok(self.books.post_when_there_is_room(post).await?)
    }

    /// What an operator is told of a turn that waits.
    fn how_to_go_on(&self, reason: &str) -> String {
        let thread = self.caller.thread.map(|thread| format!(" --thread {thread}")).unwrap_or_default();
        format!("I wait for an operator: {reason}. To let me go on: nexctl go-on {}{thread}", self.caller.me)
    }

    pub(super) async fn close(&mut self, closing: Closing) -> Result<(), DriveError> {
        let Closing { item, decision, reason, post, first, spent, meta } = closing;
        let me = Party::Aspect(self.caller.me.clone());
        let message = post.map(|kind| derive::message_id(post_id(first.id, kind), &me).0);
        let reason = reason.map(|reason| reason.chars().take(REASON_CHARS_MAX).collect());
        let decided = ItemDecision { item: item.id, decision, reason, message };
        self.record.append(Payload::Decision(decided.clone())).await?;
        self.trace.decided(item.id, decision);
        tell_closing(&self.books, &item, decided, Outlay { spent, meta }).await
    }
}

/// Tells the broker of a decision that is on record, then closes the item. Doing it again does nothing.
pub(crate) async fn tell_decision(
    books: &Books,
    item: &ItemRef,
    decided: ItemDecision,
) -> Result<(), DriveError> {
    tell_closing(books, item, decided, Outlay::default()).await
}

/// What was spent for an item where no message says so.
#[derive(Clone, Debug, Default)]
pub(super) struct Outlay {
    pub(super) spent: Option<Spending>,
    pub(super) meta: Option<ReplyMeta>,
}

/// The same with what it has cost.
pub(super) async fn tell_closing(
    books: &Books,
    item: &ItemRef,
    decided: ItemDecision,
    outlay: Outlay,
) -> Result<(), DriveError> {
    let Outlay { spent, meta } = outlay;
    let ItemDecision { decision, reason, message, .. } = decided;
    let close = InboxClose {
        item: ItemId(item.id),
        decision,
        reason,
        message: message.map(MessageId),
        outcome: None,
        spent,
        meta,
    };
    let id = RequestId(derive::derived(item.id, "close", 0));
    books.post(Post { id, trace: item.trace.clone(), frame: close.into() }).await?;
    Ok(books.closed(item.id, decision).await?)
}

fn post_id(item: Uuid, kind: PostKind) -> RequestId {
    let (purpose, ordinal) = match kind {
        PostKind::Reply => ("reply", 0),
        PostKind::Notice => ("notice", 0),
        PostKind::Halted(before) => ("halted", before),
        PostKind::Waiting(before) => ("waiting", before),
    };
    RequestId(derive::derived(item, purpose, ordinal.into()))
}
