//! JSON that is written by hand: what a message becomes on its way is by far the most of what the core writes, and a
//! replay is made of little else. Each is the same as what its type serializes to.

use nexus_wire::chat::Message;
use nexus_wire::{ItemId, Ms, Party, TraceContext};
use serde::Serialize;
use uuid::Uuid;

use super::inbox::json_text;

/// Room for most of it.
const TEXT_BYTES: usize = 512;

/// What stands in an item that carries a message; the same as `nexus_wire::inbox::Item` serializes to.
#[derive(Debug)]
pub struct MessageItem<'a, To> {
    pub id: ItemId,
    pub at: Ms,
    pub trace: Option<&'a TraceContext>,
    pub answered: bool,
    pub message: Uuid,
    pub seq: u64,
    pub thread: Uuid,
    pub reply_to: Option<Uuid>,
    pub from: &'a str,
    pub to: To,
    pub content: &'a str,
    /// As JSON.
    pub meta: Option<&'a str>,
    /// As JSON; never empty.
    pub attachments: Option<&'a str>,
}

impl<To> MessageItem<'_, To>
where
    To: IntoIterator<Item: AsRef<str>>,
{
    pub fn write(self, text: &mut Text) {
        text.raw(r#"{"id":""#).id(self.id.0).raw(r#"","at":"#).number(self.at);
        if let Some(trace) = self.trace {
            text.raw(r#","trace":"#).json(trace);
        }
        text.raw(if self.answered { r#","answered":true"# } else { "" });
        text.raw(r#","body":{"type":"message","id":""#).id(self.message);
        text.raw(r#"","seq":"#).number(self.seq);
        text.raw(r#","thread":""#).id(self.thread);
        if let Some(reply_to) = self.reply_to {
            text.raw(r#"","reply_to":""#).id(reply_to);
        }
        text.raw(r#"","from":"#).string(self.from);
        text.raw(r#","to":"#).strings(self.to);
        text.raw(r#","content":"#).string(self.content);
        text.raw(r#","at":"#).number(self.at);
        for (field, json) in [(r#","meta":"#, self.meta), (r#","attachments":"#, self.attachments)] {
            if let Some(json) = json {
                text.raw(field).raw(json);
            }
        }
        text.raw("}}");
    }
}

/// The item, not answered yet, that carries `message` to somebody.
pub(super) fn message_item(id: ItemId, trace: Option<&TraceContext>, message: &Message) -> String {
    let json = |value: Vec<u8>| String::from_utf8(value).unwrap_or_default();
    let meta = message.meta.as_ref().map(|meta| json(json_text(meta)));
    let attachments = (!message.attachments.is_empty()).then(|| json(json_text(&message.attachments)));
    let item = MessageItem {
        id,
        at: message.at,
        trace,
        answered: false,
        message: message.id.0,
        seq: message.seq,
        thread: message.thread.0,
        reply_to: message.reply_to.map(|id| id.0),
        from: &message.from.text(),
        to: message.to.iter().map(Party::text),
        content: &message.content,
        meta: meta.as_deref(),
        attachments: attachments.as_deref(),
    };
    let mut text = Text(String::with_capacity(TEXT_BYTES + message.content.len()));
    item.write(&mut text);
    text.0
}

/// The answer to whoever sent `message`: a `nexus_wire::chat::ChatSent`.
pub(super) fn chat_sent(message: &Message, unknown: &[String]) -> String {
    let mut text = Text(String::with_capacity(TEXT_BYTES));
    text.raw(r#"{"message":""#).id(message.id.0).raw(r#"","seq":"#).number(message.seq);
    text.raw(r#","thread":""#).id(message.thread.0);
    text.raw(r#"","recipients":"#).strings(message.to.iter().map(Party::text));
    text.raw(r#","unknown":"#).strings(unknown).raw("}");
    text.0
}

/// JSON under construction; kept for the next, so that it grows once.
#[derive(Debug, Default)]
pub struct Text(String);

impl Text {
    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn raw(&mut self, json: &str) -> &mut Self {
        self.0.push_str(json);
        self
    }

    fn json(&mut self, value: &impl Serialize) -> &mut Self {
        // Our types serialize without fail.
        self.raw(&serde_json::to_string(value).unwrap_or_default())
    }

    fn id(&mut self, id: Uuid) -> &mut Self {
        self.raw(id.hyphenated().encode_lower(&mut [0; 36]))
    }

    fn number(&mut self, number: impl itoa::Integer) -> &mut Self {
        self.raw(itoa::Buffer::new().format(number))
    }

    fn strings(&mut self, texts: impl IntoIterator<Item: AsRef<str>>) -> &mut Self {
        self.raw("[");
        for (place, text) in texts.into_iter().enumerate() {
            self.raw(if place > 0 { "," } else { "" }).string(text.as_ref());
        }
        self.raw("]")
    }

    fn string(&mut self, text: &str) -> &mut Self {
        // All of it rather than up to the first: the compiler makes that several bytes at a time.
        let has_escapes =
            text.bytes().fold(false, |has, byte| has | (byte < b' ') | (byte == b'"') | (byte == b'\\'));
        if has_escapes {
            return self.json(&text);
        }
        self.raw("\"").raw(text).raw("\"")
    }
}

#[cfg(test)]
mod tests {
    use nexus_wire::attachment::Attachment;
    use nexus_wire::chat::{ChatSent, ReplyMeta, Usage};
    use nexus_wire::inbox::{Item, ItemBody};
    use nexus_wire::{MessageId, ThreadId, TurnId};
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn parties() -> impl Strategy<Value = Vec<Party>> {
        let party = prop::sample::select(vec!["wren", "operator/ana", "system", "forge-2"]);
        prop::collection::vec(party.prop_map(|party| party.parse().unwrap()), 0..4)
    }

    proptest! {
        #[test]
        fn an_item_and_an_answer_are_written_as_they_serialize(
            content in any::<String>(),
            from in parties().prop_filter("somebody", |from| !from.is_empty()),
            to in parties(),
            numbers in any::<(u64, i64, u128)>(),
            reply_to in option::of(any::<u128>()),
            is_traced in any::<bool>(),
            tokens in option::of(any::<u32>()),
            files in 0_usize..3,
            unknown in prop::collection::vec(any::<String>(), 0..3),
        ) {
            let (seq, at, id) = numbers;
            let usage = Usage { input_tokens: tokens.unwrap_or_default().into(), ..Usage::default() };
            let meta = tokens.map(|_| ReplyMeta {
                turn: TurnId(Uuid::from_u128(id ^ 1)),
                provider: "scripted".into(),
                model: "a \"model\"".into(),
                usage,
                cost_microusd: None,
            });
            let message = Message {
                id: MessageId(Uuid::from_u128(id)),
                seq,
                thread: ThreadId(Uuid::from_u128(id >> 1)),
                reply_to: reply_to.map(|id| MessageId(Uuid::from_u128(id))),
                from: from[0].clone(),
                to,
                content,
                at,
                meta,
                attachments: (0..files).map(|_| attachment()).collect(),
                reactions: Vec::new(),
            };
            let trace = TraceContext::of_json(r#"{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}"#)
                .filter(|_| is_traced);
            let sent = ChatSent {
                message: message.id,
                seq,
                thread: message.thread,
                recipients: message.to.clone(),
                unknown,
            };
            prop_assert_eq!(chat_sent(&message, &sent.unknown), serde_json::to_string(&sent).unwrap());
            let item = Item {
                id: ItemId(Uuid::from_u128(!id)),
                at,
                trace: trace.clone(),
                answered: false,
                body: ItemBody::Message(message.clone()),
            };
            prop_assert_eq!(message_item(item.id, trace.as_ref(), &message), serde_json::to_string(&item).unwrap());
        }
    }

    fn attachment() -> Attachment {
        let blob = format!("sha256-{}", "0a".repeat(32));
        serde_json::from_value(serde_json::json!({
            "blob": blob, "name": "a \"file\"", "media_type": "text/plain",
        }))
        .unwrap()
    }
}
