//! One frame as text: the envelope is decoded first, then the payload by its kind.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;
use uuid::Uuid;

use crate::error::{ErrorBody, ErrorCode};
use crate::frame::{FrameSet, FromBroker};
use crate::ids::RequestId;
use crate::limits::{FRAME_BYTES_MAX, JSON_DEPTH_MAX};
use crate::trace::TraceContext;

/// What stands around a payload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Envelope {
    /// Set when a reply is wanted.
    pub id: Option<RequestId>,
    /// The request this replies to.
    pub in_reply_to: Option<RequestId>,
    /// The span on whose account this is sent.
    pub trace: Option<Box<TraceContext>>,
}

/// A frame of the direction `F`.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded<F> {
    pub envelope: Envelope,
    pub frame: F,
    /// A trace context stood there that is none, and was ignored.
    pub trace_ignored: bool,
}

/// Why a text is no frame. `id` is there when the envelope could be read, so that the sender can be told.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("{kind}")]
pub struct DecodeError {
    pub id: Option<RequestId>,
    pub kind: DecodeErrorKind,
}

#[derive(Clone, Debug, Error, PartialEq)]
pub enum DecodeErrorKind {
    #[error("not a frame: {message} (line {line} column {column})")]
    Malformed { message: String, line: usize, column: usize },
    #[error("payload of {kind:?}: {message} (line {line} column {column} of the payload)")]
    Payload { kind: String, message: String, line: usize, column: usize },
    #[error("nests deeper than {most} levels at byte {at}")]
    TooDeep { at: usize, most: usize },
    #[error("{bytes} bytes are more than the {FRAME_BYTES_MAX} a frame may have")]
    TooLarge { bytes: usize },
    #[error("unknown kind {kind:?}")]
    UnknownKind { kind: String },
}

impl DecodeError {
    pub fn to_body(&self) -> ErrorBody {
        let code = match self.kind {
            DecodeErrorKind::Malformed { .. } | DecodeErrorKind::Payload { .. } => ErrorCode::BadFrame,
            DecodeErrorKind::TooDeep { .. } => ErrorCode::TooDeep,
            DecodeErrorKind::TooLarge { .. } => ErrorCode::TooLarge,
            DecodeErrorKind::UnknownKind { .. } => ErrorCode::UnknownKind,
        };
        ErrorBody::new(code, self.to_string())
    }

    /// An unknown kind is a newer peer, not a broken one.
    pub fn is_unknown_kind(&self) -> bool {
        match self.kind {
            DecodeErrorKind::UnknownKind { .. } => true,
            DecodeErrorKind::Malformed { .. }
            | DecodeErrorKind::Payload { .. }
            | DecodeErrorKind::TooDeep { .. }
            | DecodeErrorKind::TooLarge { .. } => false,
        }
    }
}

#[derive(Deserialize)]
struct RawEnvelope<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    id: Option<Uuid>,
    #[serde(default)]
    in_reply_to: Option<Uuid>,
    #[serde(borrow, default)]
    trace: Option<&'a RawValue>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct OutEnvelope<'a, F> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<RequestId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_reply_to: Option<RequestId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<&'a TraceContext>,
    payload: &'a F,
}

/// Decodes one frame of the direction `F`.
pub fn decode<F: FrameSet>(text: &str) -> Result<Decoded<F>, DecodeError> {
    within(text, F::DEPTH_MAX).map_err(|error| match error.kind {
        // Skipping over a value does not recurse, so the sender can still be told which request it was.
        DecodeErrorKind::TooDeep { .. } => DecodeError { id: id_of(text), ..error },
        DecodeErrorKind::Malformed { .. }
        | DecodeErrorKind::Payload { .. }
        | DecodeErrorKind::TooLarge { .. }
        | DecodeErrorKind::UnknownKind { .. } => error,
    })?;
    let raw: RawEnvelope<'_> = serde_json::from_str(text).map_err(|error| DecodeError {
        id: None,
        kind: DecodeErrorKind::Malformed {
            message: bare(&error),
            line: error.line(),
            column: error.column(),
        },
    })?;
    let id = raw.id.map(RequestId);
    let payload = raw.payload.map_or("{}", RawValue::get);
    match F::decode_payload(&raw.kind, payload) {
        Ok(Some(frame)) => {
            let trace = raw.trace.and_then(|trace| TraceContext::of_json(trace.get())).map(Box::new);
            let trace_ignored = raw.trace.is_some() && trace.is_none();
            let envelope = Envelope { id, in_reply_to: raw.in_reply_to.map(RequestId), trace };
            Ok(Decoded { envelope, frame, trace_ignored })
        }
        Ok(None) => {
            let kind = raw.kind.chars().take(64).collect();
            Err(DecodeError { id, kind: DecodeErrorKind::UnknownKind { kind } })
        }
        Err(error) => Err(DecodeError {
            id,
            kind: DecodeErrorKind::Payload {
                kind: raw.kind.into_owned(),
                message: bare(&error),
                line: error.line(),
                column: error.column(),
            },
        }),
    }
}

fn id_of(text: &str) -> Option<RequestId> {
    serde_json::from_str::<RawEnvelope<'_>>(text).ok()?.id.map(RequestId)
}

/// The frame as text.
pub fn encode<F: FrameSet + Serialize>(envelope: &Envelope, frame: &F) -> String {
    let out = OutEnvelope {
        kind: frame.kind(),
        id: envelope.id,
        in_reply_to: envelope.in_reply_to,
        trace: envelope.trace.as_deref(),
        payload: frame,
    };
    // Frames hold only types that serialize; an empty object is what a peer answers with `bad_frame`.
    serde_json::to_string(&out).unwrap_or_else(|_| "{}".to_owned())
}

/// A frame that asks for no reply and is none.
pub fn push(frame: &FromBroker) -> String {
    encode(&Envelope::default(), frame)
}

/// A reply to `request`.
pub fn reply(request: RequestId, frame: &FromBroker) -> String {
    encode(&Envelope { in_reply_to: Some(request), ..Envelope::default() }, frame)
}

/// The text of a `deliver` frame around an item that is JSON text already.
pub fn deliver_text(offset: u64, item: &str) -> String {
    deliver_parts(&offset.to_string(), item).concat()
}

/// What stands behind one another in that text.
pub fn deliver_parts<'a>(offset: &'a str, item: &'a str) -> [&'a str; 5] {
    [r#"{"kind":"deliver","payload":{"offset":"#, offset, r#","item":"#, item, "}}"]
}

/// What stands behind one another in the text of the reply `ok`, whose payload is JSON text already. `request`: the id
/// as text.
pub fn ok_parts<'a>(request: &'a str, payload: &'a str) -> [&'a str; 5] {
    [r#"{"kind":"ok","in_reply_to":""#, request, r#"","payload":"#, payload, "}"]
}

/// Whether a text keeps the bounds of a frame to the broker. A sender asks before it sends: what breaks them cannot
/// be answered.
pub fn check_bounds(text: &str) -> Result<(), DecodeError> {
    within(text, JSON_DEPTH_MAX)
}

fn within(text: &str, most: usize) -> Result<(), DecodeError> {
    if text.len() > FRAME_BYTES_MAX {
        return Err(DecodeError { id: None, kind: DecodeErrorKind::TooLarge { bytes: text.len() } });
    }
    let deep = |at| DecodeError { id: None, kind: DecodeErrorKind::TooDeep { at, most } };
    check_depth(text, most).map_err(deep)
}

/// serde_json puts the position into its message; ours stands in fields of its own.
fn bare(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// Rejects deep nesting before anything recurses into it. Counts brackets outside of strings.
fn check_depth(text: &str, most: usize) -> Result<(), usize> {
    // Few brackets cannot nest deeply, and counting them runs many bytes at a time.
    if text.bytes().filter(|byte| matches!(byte, b'{' | b'[')).count() <= most {
        return Ok(());
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > most {
                    return Err(at);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
