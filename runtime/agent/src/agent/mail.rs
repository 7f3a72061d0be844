//! Inbox items as what they are for: something said in a session, or something for a Hand.

use nexus_wire::attachment::Attachment;
use nexus_wire::chat::Message;
use nexus_wire::inbox::Item;
use nexus_wire::roster::ContextMode;
use nexus_wire::{ItemId, TraceContext};

use crate::conversation::Block;
use crate::inbox::InboxItem;
use crate::session::{ItemRef, SessionKey, UserTurn};

/// An item and where it stood in the inbox.
#[derive(Debug)]
pub(crate) struct Mail {
    pub(crate) offset: u64,
    pub(crate) item: Item,
    /// A task or a session of an earlier process had it.
    pub(crate) taken: bool,
}

impl Mail {
    /// From the books; the error is for people.
    pub(crate) fn of(stored: &InboxItem) -> Result<Self, String> {
        let item = stored.body.parse().map_err(|error| format!("item {}: {error}", stored.id))?;
        Ok(Self { offset: stored.offset, item, taken: stored.taken })
    }
}

/// The session a message belongs to.
pub(crate) fn session_of(mode: ContextMode, message: &Message) -> SessionKey {
    match mode {
        ContextMode::Global => SessionKey::Global,
        // Without a file, but one after the other within a thread all the same.
        ContextMode::Thread | ContextMode::Stateless => SessionKey::Thread(message.thread.0),
    }
}

pub(crate) fn said(id: ItemId, offset: u64, trace: Option<TraceContext>, message: Message) -> UserTurn {
    let item = ItemRef {
        id: id.0,
        offset: Some(offset),
        kind: "message".to_owned(),
        from: message.from.to_string(),
        thread: Some(message.thread.0),
        message: Some(message.id.0),
        trace: trace.map(Box::new),
    };
    let parts = Some(message.content.clone()).filter(|content| !content.is_empty());
    let text =
        parts.into_iter().chain(message.attachments.iter().map(shown)).collect::<Vec<_>>().join("\n\n");
    UserTurn { content: vec![Block::Text { text }], item: Some(item) }
}

/// An attachment as a model is told of it.
fn shown(attachment: &Attachment) -> String {
    let Attachment { blob, name, media_type, bytes } = attachment;
    let kind = media_type.as_ref().map(|kind| format!(", {kind}")).unwrap_or_default();
    let size = bytes.map(|bytes| format!(", {bytes} bytes")).unwrap_or_default();
    format!("[attached: {name}{kind}{size}; blob:{blob}]")
}
