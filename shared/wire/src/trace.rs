//! Whose trace something belongs to: W3C Trace Context (Recommendation, level 1), read strictly, and nothing where
//! it is malformed.
//!
//! `traceparent` and `tracestate` stand in frames and items as they would in HTTP headers. What is read in a later
//! version than ours is written in ours.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::limits::{TRACE_STATE_BYTES_MAX, TRACE_STATE_MEMBERS_MAX};

/// Of `traceparent` in version 00.
const PARENT_BYTES: usize = 55;
const SAMPLED: u8 = 1;
/// The trace's id was drawn at random; of level 2, and kept for those who know it.
const RANDOM: u8 = 2;
/// Entries of a state that is too long are dropped from this size on before others are.
const LARGE_MEMBER_BYTES: usize = 128;

/// A span somewhere, and what is known of its trace.
#[derive(Clone, Eq, Hash, PartialEq, Serialize)]
#[serde(into = "Written")]
pub struct TraceContext {
    trace: [u8; 16],
    span: [u8; 8],
    flags: u8,
    /// Not empty.
    state: Option<Box<str>>,
}

#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("not a trace context")]
pub struct NoTraceContext;

/// As it stands in JSON.
#[derive(Deserialize, Serialize)]
struct Written {
    traceparent: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tracestate: Option<String>,
}

impl TraceContext {
    /// `None` for ids that are all zeroes, which name nothing.
    pub fn new(trace: [u8; 16], span: [u8; 8], sampled: bool) -> Option<Self> {
        let flags = u8::from(sampled) * SAMPLED;
        (trace != [0; 16] && span != [0; 8]).then_some(Self { trace, span, flags, state: None })
    }

    /// A state that is malformed is as good as none; a parent that is, takes its state along.
    pub fn parse(parent: &str, state: Option<&str>) -> Option<Self> {
        let bytes = parent.as_bytes();
        let dash = |at: usize| bytes.get(at) == Some(&b'-');
        let version = hex::<1>(bytes.get(..2)?)?[0];
        let is_as_long_as_it_says = match version {
            0 => bytes.len() == PARENT_BYTES,
            255 => false,
            _ => bytes.len() == PARENT_BYTES || dash(PARENT_BYTES),
        };
        if !(is_as_long_as_it_says && dash(2) && dash(35) && dash(52)) {
            return None;
        }
        let (trace, span) = (hex(bytes.get(3..35)?)?, hex(bytes.get(36..52)?)?);
        let known = if version == 0 { SAMPLED | RANDOM } else { SAMPLED };
        let flags = hex::<1>(bytes.get(53..PARENT_BYTES)?)?[0] & known;
        let context = Self { flags, ..Self::new(trace, span, false)? };
        Some(Self { state: state.and_then(state_of), ..context })
    }

    /// The same trace, at another span of it. All zeroes are no span.
    #[must_use]
    pub fn at(&self, span: [u8; 8]) -> Self {
        let span = if span == [0; 8] { self.span } else { span };
        Self { span, ..self.clone() }
    }

    /// Those nobody knows yet are not kept.
    #[must_use]
    pub fn with_flags(self, flags: u8) -> Self {
        Self { flags: flags & (SAMPLED | RANDOM), ..self }
    }

    #[must_use]
    pub fn with_state(mut self, state: &str) -> Self {
        self.state = state_of(state);
        self
    }

    pub fn trace(&self) -> [u8; 16] {
        self.trace
    }

    pub fn span(&self) -> [u8; 8] {
        self.span
    }

    /// Whether whoever began the trace wants it to be recorded.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    pub fn flags(&self) -> u8 {
        self.flags
    }

    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The trace's id as people and other systems write it.
    pub fn trace_text(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.trace))
    }

    /// `traceparent`.
    pub fn parent(&self) -> String {
        let (trace, span) = (u128::from_be_bytes(self.trace), u64::from_be_bytes(self.span));
        format!("00-{trace:032x}-{span:016x}-{:02x}", self.flags)
    }

    /// As few bytes as it takes.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.trace[..], &self.span, &[self.flags], self.state().unwrap_or_default().as_bytes()].concat()
    }

    /// What [`Self::to_bytes`] gave.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (trace, rest) = bytes.split_first_chunk::<16>()?;
        let (span, rest) = rest.split_first_chunk::<8>()?;
        let (flags, state) = rest.split_first()?;
        let context = Self { flags: flags & (SAMPLED | RANDOM), ..Self::new(*trace, *span, false)? };
        let state = std::str::from_utf8(state).ok().and_then(state_of);
        Some(Self { state, ..context })
    }

    /// For a field that holds one: whatever is none there is nothing.
    pub fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
        // Any value is one, so that nothing in this field makes what holds it unreadable.
        Ok(Self::of_value(&Value::deserialize(deserializer)?))
    }

    /// The same of a piece of JSON text.
    pub fn of_json(text: &str) -> Option<Self> {
        Self::of_value(&serde_json::from_str(text).ok()?)
    }

    fn of_value(value: &Value) -> Option<Self> {
        Self::parse(value.get("traceparent")?.as_str()?, value.get("tracestate").and_then(Value::as_str))
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parent())?;
        self.state().map_or(Ok(()), |state| write!(f, " {state}"))
    }
}

impl From<TraceContext> for Written {
    fn from(context: TraceContext) -> Self {
        Self { traceparent: context.parent(), tracestate: context.state.map(String::from) }
    }
}

impl<'de> Deserialize<'de> for TraceContext {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { traceparent, tracestate } = Written::deserialize(deserializer)?;
        let context = Self::parse(&traceparent, tracestate.as_deref());
        context.ok_or_else(|| serde::de::Error::custom(NoTraceContext))
    }
}

impl JsonSchema for TraceContext {
    fn schema_name() -> Cow<'static, str> {
        "TraceContext".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "whose trace this belongs to, by W3C Trace Context; ignored where it is malformed",
            "required": ["traceparent"],
            "properties": {
                "traceparent": {"type": "string", "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"},
                "tracestate": {"type": "string", "maxLength": TRACE_STATE_BYTES_MAX},
            },
        })
    }
}

/// Lower-case digits only.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

/// `tracestate` as it is passed on; `None` if nothing of it is.
fn state_of(text: &str) -> Option<Box<str>> {
    let mut keys = HashSet::new();
    let mut members = Vec::new();
    for member in text.split(',').map(|member| member.trim_matches([' ', '\t'])) {
        if member.is_empty() {
            continue;
        }
        let (key, value) = member.split_once('=')?;
        if !(is_key(key) && is_value(value) && keys.insert(key)) {
            return None;
        }
        members.push(member);
    }
    if members.len() > TRACE_STATE_MEMBERS_MAX {
        return None;
    }
    let length = |members: &[&str]| members.iter().map(|member| member.len() + 1).sum::<usize>();
    // One comma less than members.
    while length(&members) > TRACE_STATE_BYTES_MAX + 1 {
        let large = members.iter().rposition(|member| member.len() > LARGE_MEMBER_BYTES);
        members.remove(large.unwrap_or(members.len() - 1));
    }
    (!members.is_empty()).then(|| members.join(",").into())
}

fn is_key(key: &str) -> bool {
    let rest = |text: &str| {
        text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/'))
    };
    let begins_with = |text: &str, digit: bool| {
        text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || digit && byte.is_ascii_digit())
    };
    match key.split_once('@') {
        None => key.len() <= 256 && begins_with(key, false) && rest(key),
        Some((tenant, system)) => {
            tenant.len() <= 241
                && system.len() <= 14
                && begins_with(tenant, true)
                && begins_with(system, false)
                && rest(tenant)
                && rest(system)
        }
    }
}

fn is_value(value: &str) -> bool {
    (1..=256).contains(&value.len())
        && value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'=')
        && !value.ends_with(' ')
}

#[cfg(test)]
mod tests;
