//! JSON that is written by hand: what a message becomes on its way is by far the most of what the core writes, and a
//! replay is made of little else.

use nexus_wire::chat::Message;
use nexus_wire::{ItemId, Ms, Party, TraceContext};
use serde::Serialize;
use uuid::Uuid;

/// Room for most of what stands around a content or a body.
const AROUND_BYTES: usize = 384;
/// Room for most answers to who sent a message.
const SENT_BYTES: usize = 256;
/// Room for most of what is serialized.
const JSON_BYTES: usize = 1024;

/// What `value` serializes to.
pub fn json_text(value: &impl Serialize) -> String {
    // Our types serialize without fail, and JSON is UTF-8.
    let mut text = Vec::with_capacity(JSON_BYTES);
    let _ = serde_json::to_writer(&mut text, value);
    String::from_utf8(text).unwrap_or_default()
}

/// What stands in the body of an item that carries a message; the same as `nexus_wire::inbox::ItemBody` serializes to, of a
/// message that nobody has reacted to yet.
#[derive(Debug)]
pub struct MessageBody<'a, To> {
    pub id: Uuid,
    pub seq: u64,
    pub thread: Uuid,
    pub reply_to: Option<Uuid>,
    pub from: &'a str,
    pub to: To,
    pub content: &'a str,
    pub at: Ms,
    /// As JSON.
    pub meta: Option<&'a str>,
    /// As JSON; never empty.
    pub attachments: Option<&'a str>,
}

impl<To> MessageBody<'_, To>
where
    To: IntoIterator<Item: AsRef<str>>,
{
    pub fn write(self, text: &mut Text) {
        text.raw(r#"{"type":"message","id":""#).id(self.id);
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
        text.raw("}");
    }
}

/// Makes `text` the body of the items that carry `message`.
pub(super) fn write_body(message: &Message, text: &mut Text) {
    let meta = message.meta.as_ref().map(json_text);
    let attachments = (!message.attachments.is_empty()).then(|| json_text(&message.attachments));
    let body = MessageBody {
        id: message.id.0,
        seq: message.seq,
        thread: message.thread.0,
        reply_to: message.reply_to.map(|id| id.0),
        from: &message.from.text(),
        to: message.to.iter().map(Party::text),
        content: &message.content,
        at: message.at,
        meta: meta.as_deref(),
        attachments: attachments.as_deref(),
    };
    text.begin(message.content.len());
    body.write(text);
}

/// The answer to whoever sent `message`: a `nexus_wire::chat::ChatSent`.
pub(super) fn chat_sent(message: &Message, unknown: &[String]) -> String {
    let mut text = Text(String::with_capacity(SENT_BYTES));
    text.raw(r#"{"message":""#).id(message.id.0).raw(r#"","seq":"#).number(message.seq);
    text.raw(r#","thread":""#).id(message.thread.0);
    text.raw(r#"","recipients":"#).strings(message.to.iter().map(Party::text));
    text.raw(r#","unknown":"#).strings(unknown).raw("}");
    text.into()
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}

/// JSON under construction; kept for the next, so that it grows once.
#[derive(Debug, Default)]
pub struct Text(String);

impl Text {
    /// Writes a `nexus_wire::inbox::Item` around what `body` writes.
    pub fn item(
        &mut self,
        id: ItemId,
        at: Ms,
        trace: Option<&TraceContext>,
        answered: bool,
        body: impl FnOnce(&mut Self),
    ) {
        self.raw(r#"{"id":""#).id(id.0).raw(r#"","at":"#).number(at);
        if let Some(trace) = trace {
            self.raw(r#","trace":"#).json(trace);
        }
        self.raw(if answered { r#","answered":true"# } else { "" }).raw(r#","body":"#);
        body(self);
        self.raw("}");
    }

    /// The same around a body that is text already.
    pub fn item_around(
        &mut self,
        id: ItemId,
        at: Ms,
        trace: Option<&TraceContext>,
        answered: bool,
        body: &str,
    ) {
        self.item(id, at, trace, answered, |text| _ = text.raw(body));
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Anew, for something of `bytes` and what stands around it.
    pub(super) fn begin(&mut self, bytes: usize) {
        self.clear();
        self.0.reserve(AROUND_BYTES + bytes);
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn raw(&mut self, json: &str) -> &mut Self {
        self.0.push_str(json);
        self
    }

    fn json(&mut self, value: &impl Serialize) -> &mut Self {
        self.raw(&json_text(value))
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
    use crate::hub::inbox::as_answered;

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
            let trace = TraceContext::new([7; 16], [1; 8], true).filter(|_| is_traced);
            let trace = trace.map(|trace| trace.with_state("one=1,two=2"));
            let sent = ChatSent {
                message: message.id,
                seq,
                thread: message.thread,
                recipients: message.to.clone(),
                unknown,
            };
            prop_assert_eq!(chat_sent(&message, &sent.unknown), serde_json::to_string(&sent).unwrap());
            let mut body = Text(String::from("what was written before"));
            write_body(&message, &mut body);
            let body = body.as_str();
            let mut item = Item {
                id: ItemId(Uuid::from_u128(!id)),
                at,
                trace: trace.clone(),
                answered: false,
                body: ItemBody::Message(message),
            };
            let around = |answered| {
                let mut text = Text::default();
                text.item_around(ItemId(Uuid::from_u128(!id)), at, trace.as_ref(), answered, body);
                String::from(text)
            };
            let open = around(false);
            prop_assert_eq!(&open, &serde_json::to_string(&item).unwrap());
            item.answered = true;
            let answered = serde_json::to_string(&item).unwrap();
            prop_assert_eq!(&around(true), &answered);
            prop_assert_eq!(as_answered(&open), answered);
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
