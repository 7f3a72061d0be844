//! What a client says, as what our frames say: text and data become the content, bytes become files, and a skill
//! that is named becomes work for a Hand.

use a2a::{Message, Part, PartContent, Role, SendMessageRequest, error_code};
use nexus_wire::attachment::Attachment;
use nexus_wire::limits::{ATTACHMENTS_MAX, IDEMPOTENCY_KEY_BYTES_MAX};
use nexus_wire::{BlobId, RequestId, ThreadId, derive};
use serde_json::Value;

use super::fault::Fault;

/// Where a message names the skill it is for.
const SKILL: &str = "skill";
/// A skill that is no Hand: to be talked to.
const TALK: &str = "talk";
const OCTETS: &str = "application/octet-stream";

/// Bytes that came with a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct File {
    pub(super) bytes: Vec<u8>,
    pub(super) name: String,
    pub(super) media_type: String,
}

/// A file of a message: bytes to be kept, or a blob that is kept already.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Attached {
    Bytes(File),
    Kept(Attachment),
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Asked {
    Say { content: String, files: Vec<Attached> },
    Work { hand: String, input: Value },
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sent {
    /// Names the request, so that a repeat of the message is found.
    pub(super) request: RequestId,
    pub(super) context: Option<ThreadId>,
    /// The task whose question it answers.
    pub(super) task: Option<String>,
    pub(super) asked: Asked,
}

/// `origin` is ours: a file there is a blob that is kept already.
pub(super) fn parse(request: SendMessageRequest, origin: &str) -> Result<Sent, Fault> {
    let skill = skill(&request);
    let outputs = request.configuration.and_then(|it| it.accepted_output_modes).unwrap_or_default();
    let Message { message_id, context_id, task_id, role, parts, .. } = request.message;
    if role != Role::User {
        return Err(Fault::params("a client's message has the role ROLE_USER"));
    }
    if !(1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&message_id.len()) {
        return Err(Fault::params(format!("messageId takes 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes")));
    }
    if parts.is_empty() {
        return Err(Fault::params("a message has at least one part"));
    }
    let context =
        present(context_id).map(|id| id.parse::<ThreadId>().map_err(|_| no_context(&id))).transpose()?;
    let asked = match skill.filter(|name| name != TALK) {
        None => say(parts, origin)?,
        Some(hand) => Asked::Work { hand, input: input(parts)? },
    };
    let offered = match &asked {
        Asked::Say { .. } => "text/plain",
        Asked::Work { .. } => "application/json",
    };
    if !outputs.is_empty() && !outputs.iter().any(|mode| takes(mode, offered)) {
        let message = format!("what comes back is {offered}, which acceptedOutputModes leaves out");
        return Err(Fault::new(error_code::CONTENT_TYPE_NOT_SUPPORTED, message));
    }
    let request = derive::request_id(message_id.as_bytes());
    Ok(Sent { request, context, task: present(task_id), asked })
}

pub(super) fn no_context(id: &str) -> Fault {
    let id: String = id.chars().take(64).collect();
    Fault::params(format!(
        "there is no context {id} that you may speak in; leave contextId out, and use the one that the answer has"
    ))
}

/// The message's own, or the request's.
fn skill(request: &SendMessageRequest) -> Option<String> {
    let of = [&request.message.metadata, &request.metadata];
    let named = of.into_iter().flatten().find_map(|it| it.get(SKILL)?.as_str());
    named.filter(|name| !name.is_empty()).map(str::to_owned)
}

/// What is empty counts as left out.
fn present(text: Option<String>) -> Option<String> {
    text.filter(|it| !it.is_empty())
}

fn takes(mode: &str, offered: &str) -> bool {
    let mode = mode.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let kind = offered.split('/').next().unwrap_or_default();
    mode == "*/*" || mode == offered || mode == format!("{kind}/*") || mode == "text/plain" || mode == "text"
}

fn say(parts: Vec<Part>, origin: &str) -> Result<Asked, Fault> {
    let (mut texts, mut files) = (Vec::new(), Vec::new());
    for Part { content, filename, media_type, .. } in parts {
        let name = present(filename);
        match content {
            PartContent::Text(text) => texts.push(text),
            PartContent::Data(value) => texts.push(format!("```json\n{value:#}\n```")),
            PartContent::Raw(bytes) => {
                let name = name.unwrap_or_else(|| format!("file-{}", files.len() + 1));
                let media_type = present(media_type).unwrap_or_else(|| OCTETS.to_owned());
                files.push(Attached::Bytes(File { bytes, name, media_type }));
            }
            PartContent::Url(url) => {
                let blob = ours(&url, origin)?;
                let name = name.unwrap_or_else(|| format!("file-{}", files.len() + 1));
                let media_type = present(media_type);
                files.push(Attached::Kept(Attachment { blob, name, media_type, bytes: None }));
            }
        }
    }
    if files.len() > ATTACHMENTS_MAX {
        return Err(Fault::params(format!(
            "{} files are more than the {ATTACHMENTS_MAX} of a message",
            files.len()
        )));
    }
    Ok(Asked::Say { content: texts.join("\n\n"), files })
}

/// A file somewhere else is not fetched.
fn ours(url: &str, origin: &str) -> Result<BlobId, Fault> {
    let path = url.strip_prefix(origin).and_then(|rest| rest.strip_prefix("/api/v1/blobs/"));
    path.and_then(|id| id.parse().ok()).ok_or_else(|| {
        let message = format!(
            "a part with a url is taken when it is a blob of this Nexus ({origin}/api/v1/blobs/sha256-…); nothing is \
             fetched from elsewhere, so send the bytes as `raw`"
        );
        Fault::new(error_code::CONTENT_TYPE_NOT_SUPPORTED, message)
    })
}

/// A Hand has one input: a value, or a text.
fn input(parts: Vec<Part>) -> Result<Value, Fault> {
    let (mut texts, mut values) = (Vec::new(), Vec::new());
    for part in parts {
        match part.content {
            PartContent::Text(text) => texts.push(text),
            PartContent::Data(value) => values.push(value),
            PartContent::Raw(_) | PartContent::Url(_) => {
                let message = "a skill takes text or data; put a file as a blob and name it in the data";
                return Err(Fault::new(error_code::CONTENT_TYPE_NOT_SUPPORTED, message));
            }
        }
    }
    match (values.pop(), values.is_empty(), texts.is_empty()) {
        (Some(value), true, true) => Ok(value),
        (None, _, false) => Ok(Value::String(texts.join("\n\n"))),
        (Some(_), ..) | (None, ..) => {
            Err(Fault::params("a skill takes one part with data, or parts with text"))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ORIGIN: &str = "http://localhost:1";

    fn parsed(message: Value) -> Result<Sent, Fault> {
        let mut whole = json!({"messageId": "m-1", "role": "ROLE_USER", "parts": [{"text": "hello"}]});
        for (key, value) in message.as_object().unwrap() {
            whole[key] = value.clone();
        }
        parse(serde_json::from_value(json!({"message": whole})).unwrap(), ORIGIN)
    }

    fn asked(message: Value) -> Asked {
        parsed(message).unwrap().asked
    }

    #[test]
    fn parts_become_a_message_with_files() {
        let blob = format!("sha256-{}", "ab".repeat(32));
        let parts = json!([
            {"text": "look"}, {"data": {"n": 1}}, {"raw": "AQID", "mediaType": "image/png"},
            {"url": format!("{ORIGIN}/api/v1/blobs/{blob}"), "filename": "a.csv", "mediaType": "text/csv"},
        ]);
        let file = File { bytes: vec![1, 2, 3], name: "file-1".into(), media_type: "image/png".into() };
        let kept = Attachment {
            blob: blob.parse().unwrap(),
            name: "a.csv".into(),
            media_type: Some("text/csv".into()),
            bytes: None,
        };
        assert_eq!(
            asked(json!({"parts": parts})),
            Asked::Say {
                content: "look\n\n```json\n{\n  \"n\": 1\n}\n```".into(),
                files: vec![Attached::Bytes(file), Attached::Kept(kept)],
            }
        );
    }

    #[test]
    fn a_skill_that_is_named_is_work_for_a_hand() {
        let work = |input: Value| Asked::Work { hand: "verify".into(), input };
        let skill = json!({"skill": "verify"});
        assert_eq!(asked(json!({"metadata": skill, "parts": [{"data": {"n": 1}}]})), work(json!({"n": 1})));
        assert_eq!(
            asked(json!({"metadata": skill, "parts": [{"text": "a"}, {"text": "b"}]})),
            work(json!("a\n\nb"))
        );
        let say = Asked::Say { content: "hello".into(), files: Vec::new() };
        assert_eq!(asked(json!({"metadata": {"skill": "talk"}})), say);
        for parts in [json!([{"data": 1}, {"data": 2}]), json!([{"data": 1}, {"text": "x"}])] {
            let code = parsed(json!({"metadata": skill, "parts": parts})).unwrap_err().code();
            assert_eq!(code, error_code::INVALID_PARAMS, "{parts}");
        }
    }

    #[test]
    fn what_cannot_be_taken_is_refused_with_a_code() {
        let cases: &[(Value, i32)] = &[
            (json!({"role": "ROLE_AGENT"}), error_code::INVALID_PARAMS),
            (json!({"messageId": ""}), error_code::INVALID_PARAMS),
            (json!({"messageId": "x".repeat(256)}), error_code::INVALID_PARAMS),
            (json!({"parts": []}), error_code::INVALID_PARAMS),
            (json!({"contextId": "my own"}), error_code::INVALID_PARAMS),
            (json!({"parts": [{"url": "http://169.254.169.254/x"}]}), error_code::CONTENT_TYPE_NOT_SUPPORTED),
            (
                json!({"parts": [{"raw": "AQID"}], "metadata": {"skill": "verify"}}),
                error_code::CONTENT_TYPE_NOT_SUPPORTED,
            ),
        ];
        for (message, code) in cases {
            assert_eq!(parsed(message.clone()).unwrap_err().code(), *code, "{message}");
        }
    }

    #[test]
    fn a_client_that_takes_nothing_of_ours_is_told_so() {
        let with = |modes: Value| {
            let request = json!({
                "message": {"messageId": "m-1", "role": "ROLE_USER", "parts": [{"text": "hello"}]},
                "configuration": {"acceptedOutputModes": modes},
            });
            parse(serde_json::from_value(request).unwrap(), ORIGIN).map(|_| ()).map_err(|fault| fault.code())
        };
        for modes in [json!([]), json!(["text/plain"]), json!(["image/png", "text/*"]), json!(["*/*"])] {
            assert_eq!(with(modes.clone()), Ok(()), "{modes}");
        }
        assert_eq!(with(json!(["image/png"])), Err(error_code::CONTENT_TYPE_NOT_SUPPORTED));
    }

    #[test]
    fn the_same_message_is_the_same_request() {
        let id = |message: Value| parsed(message).unwrap().request;
        assert_eq!(
            id(json!({"messageId": "a"})),
            id(json!({"messageId": "a", "parts": [{"text": "other"}]}))
        );
        assert_ne!(id(json!({"messageId": "a"})), id(json!({"messageId": "b"})));
        let uuid = "0199a0b1-c2d3-7123-8456-789abcdef012";
        assert_eq!(id(json!({"messageId": uuid})).to_string(), uuid);
    }
}
