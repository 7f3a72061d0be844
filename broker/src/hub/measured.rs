//! A request to send a message or to have work done, with what can be told of it alone. On a link it is worked out by
//! the thread that has read it, so that the core's is left for what needs the hub.

use nexus_wire::attachment::Attachment;
use nexus_wire::chat::{ChatSend, ReplyMeta};
use nexus_wire::hands::Dispatch;
use nexus_wire::{ErrorBody, MessageId, ThreadId};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::inbox::json_bytes;
use super::records::digest_kept;
use super::text::json_text;

#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    pub(super) send: ChatSend,
    pub(super) content_sha256: [u8; 32],
    /// The same for the same request and no other.
    pub(super) request_digest: [u8; 16],
    /// As JSON.
    pub(super) bytes: usize,
}

/// A request without its content, which is hashed and counted by itself.
#[derive(Serialize)]
struct Rest<'a> {
    thread: Option<ThreadId>,
    reply_to: Option<MessageId>,
    to: &'a [String],
    topic: Option<&'a str>,
    meta: Option<&'a ReplyMeta>,
    #[serde(skip_serializing_if = "<[Attachment]>::is_empty")]
    attachments: &'a [Attachment],
}

impl From<ChatSend> for Measured {
    fn from(send: ChatSend) -> Self {
        let content_sha256: [u8; 32] = Sha256::digest(send.content.as_bytes()).into();
        let rest = Rest {
            thread: send.thread,
            reply_to: send.reply_to,
            to: &send.to,
            topic: send.topic.as_deref(),
            meta: send.meta.as_ref(),
            attachments: &send.attachments,
        };
        let rest = json_text(&rest);
        let request_sha256 = Sha256::new_with_prefix(&rest).chain_update(content_sha256).finalize().into();
        let request_digest = digest_kept(&request_sha256);
        let bytes = rest.len() + json_text_bytes(&send.content);
        Self { send, content_sha256, request_digest, bytes }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredDispatch {
    /// Where it names a skill: with its input as that fills it, or why it cannot.
    pub(super) dispatch: Result<Dispatch, ErrorBody>,
    /// Of what was sent: what the skill says may be something else by the time it is sent again.
    pub(super) request_sha256: [u8; 32],
    /// As JSON.
    pub(super) bytes: usize,
}

impl From<Dispatch> for MeasuredDispatch {
    fn from(dispatch: Dispatch) -> Self {
        let text = json_text(&dispatch);
        let (request_sha256, bytes) = (Sha256::digest(&text).into(), text.len());
        Self { dispatch: Ok(dispatch), request_sha256, bytes }
    }
}

impl MeasuredDispatch {
    /// `fill`: the input where a skill is named.
    pub fn filled(self, fill: impl FnOnce(&Dispatch) -> Option<Result<Value, ErrorBody>>) -> Self {
        let Ok(dispatch) = self.dispatch else { return self };
        match fill(&dispatch) {
            None => Self { dispatch: Ok(dispatch), ..self },
            Some(Ok(input)) => {
                let dispatch = Dispatch { input, ..dispatch };
                Self { bytes: json_bytes(&dispatch), dispatch: Ok(dispatch), ..self }
            }
            Some(Err(refused)) => Self { dispatch: Err(refused), ..self },
        }
    }
}

/// Length of `text` as a JSON string.
fn json_text_bytes(text: &str) -> usize {
    let escapes: usize = text.bytes().map(|byte| usize::from(ESCAPES[usize::from(byte)])).sum();
    text.len() + escapes + 2
}

/// By how much each byte grows in a JSON string.
static ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = 5;
        byte += 1;
    }
    let short = b"\"\\\n\r\t\x08\x0c";
    let mut at = 0;
    while at < short.len() {
        table[short[at] as usize] = 1;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use nexus_wire::{ErrorCode, HandRef};
    use proptest::prelude::*;
    use serde_json::json;

    proptest! {
        #[test]
        fn the_length_of_a_text_as_json_is_known_without_writing_it(text in any::<String>()) {
            prop_assert_eq!(json_text_bytes(&text), json_text(&text).len());
        }
    }

    #[test]
    fn what_a_skill_fills_in_is_counted_and_the_request_stays_the_one_that_was_sent() {
        let sent = Dispatch::to("wren/self".parse::<HandRef>().unwrap(), json!({"x": 1}));
        let measured = MeasuredDispatch::from(sent.clone());
        let digest: [u8; 32] = Sha256::digest(json_text(&sent)).into();
        let wanted = MeasuredDispatch {
            bytes: json_text(&sent).len(),
            dispatch: Ok(sent.clone()),
            request_sha256: digest,
        };
        assert_eq!(measured.clone().filled(|_| None), wanted);
        let input = json!({"skill": "how it is done", "x": 1});
        let filled = Dispatch { input: input.clone(), ..sent };
        let wanted = MeasuredDispatch {
            bytes: json_text(&filled).len(),
            dispatch: Ok(filled),
            request_sha256: digest,
        };
        assert_eq!(measured.clone().filled(|_| Some(Ok(input))), wanted);
        let refused = ErrorBody::new(ErrorCode::Invalid, "there is no such skill");
        let wanted = MeasuredDispatch { dispatch: Err(refused.clone()), ..measured };
        assert_eq!(measured.filled(|_| Some(Err(refused))), wanted);
    }

    #[test]
    fn every_control_character_is_counted_as_it_is_escaped() {
        for byte in 0..128_u8 {
            let text = char::from(byte).to_string();
            assert_eq!(json_text_bytes(&text), json_text(&text).len(), "{byte}");
        }
    }
}
