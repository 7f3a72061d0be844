//! Inbox items as what they are for: something said in a session, or something for a Hand.

use nexus_wire::attachment::Attachment;
use nexus_wire::chat::Message;
use nexus_wire::inbox::Item;
use nexus_wire::roster::ContextMode;
use nexus_wire::run::RunEnd;
use nexus_wire::{ItemId, Party, ThreadId, TraceContext};

use crate::conversation::Block;
use crate::inbox::InboxItem;
use crate::session::{ItemRef, SessionKey, UserTurn};

/// The `kind` of an item that brings the end of a run.
pub(crate) const RUN: &str = "run";

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
    session_in(mode, message.thread)
}

/// That of a thread.
pub(crate) fn session_in(mode: ContextMode, thread: ThreadId) -> SessionKey {
    match mode {
        ContextMode::Global => SessionKey::Global,
        // Without a file, but one after the other within a thread all the same.
        ContextMode::Thread | ContextMode::Stateless => SessionKey::Thread(thread.0),
    }
}

/// The end of a run that was started in this thread, as its session is told of it.
pub(crate) fn ended(
    id: ItemId,
    offset: u64,
    trace: Option<TraceContext>,
    thread: ThreadId,
    end: &RunEnd,
) -> UserTurn {
    let item = ItemRef {
        id: id.0,
        offset: Some(offset),
        kind: RUN.to_owned(),
        from: Party::System.to_string(),
        thread: Some(thread.0),
        message: None,
        trace: trace.map(Box::new),
    };
    UserTurn { content: vec![Block::Text { text: told(end) }], item: Some(item) }
}

fn told(end: &RunEnd) -> String {
    let RunEnd { run, flow, thread: _, state, output, output_left_out, error } = end;
    let why = error.as_ref().map(|error| format!(" ({}): {}", error.code, error.message)).unwrap_or_default();
    let output = match output {
        Some(output) => format!(" Its output:\n{output}"),
        None if *output_left_out => " Its output is long; show_run returns it.".to_owned(),
        None => String::new(),
    };
    format!("The run {run} of the flow {flow}, which you started, is {}{why}.{output}", state.as_str())
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is said of the end of a run as it stands on the wire.
    fn of(more: serde_json::Value) -> String {
        let mut end =
            json!({"run": "0199a0b1-c2d3-7123-8456-789abcdef012", "flow": "morning", "state": "done"});
        end.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        told(&serde_json::from_value(end).expect("an end"))
    }

    #[test]
    fn the_end_of_a_run_says_what_it_came_to_or_why_not() {
        let run = "The run 0199a0b1-c2d3-7123-8456-789abcdef012 of the flow morning, which you started, is";
        assert_eq!(of(json!({})), format!("{run} done."));
        let output = json!({"output": {"said": "rain"}});
        assert_eq!(of(output), format!("{run} done. Its output:\n{{\"said\":\"rain\"}}"));
        let long = json!({"output_left_out": true});
        assert_eq!(of(long), format!("{run} done. Its output is long; show_run returns it."));
        let error = json!({"state": "failed", "error": {"code": "timeout", "message": "step a: too late"}});
        assert_eq!(of(error), format!("{run} failed (timeout): step a: too late."));
    }
}
