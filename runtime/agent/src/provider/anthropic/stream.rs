//! Builds the answer from the events of a Messages API stream.
//!
//! Pure: an event's data in, what to tell out. Unknown events, blocks and deltas are passed over, as the API's
//! versioning rules ask.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::reply;
use crate::conversation::{Block, ModelReply, ProviderErrorKind, StopReason, StreamEvent, Usage};

/// Stands before the data of a redacted thinking block where a signature would be.
pub(super) const REDACTED: &str = "redacted_thinking:";

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    MessageStart {
        message: Start,
    },
    ContentBlockStart {
        index: u32,
        content_block: BlockStart,
    },
    ContentBlockDelta {
        index: u32,
        delta: Delta,
    },
    ContentBlockStop {
        index: u32,
    },
    MessageDelta {
        delta: MessageDelta,
        #[serde(default)]
        usage: Counts,
    },
    MessageStop,
    Error {
        error: ErrorBody,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct Start {
    #[serde(default)]
    model: String,
    #[serde(default)]
    usage: Counts,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum BlockStart {
    Text {
        #[serde(default)]
        text: String,
    },
    Thinking {
        #[serde(default)]
        thinking: String,
        #[serde(default)]
        signature: String,
    },
    RedactedThinking {
        data: String,
    },
    ToolUse {
        id: String,
        name: String,
        #[serde(default)]
        input: serde_json::Value,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
enum Delta {
    #[serde(rename = "text_delta")]
    Text { text: String },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: String },
    #[serde(rename = "signature_delta")]
    Signature { signature: String },
    #[serde(rename = "input_json_delta")]
    Arguments { partial_json: String },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct MessageDelta {
    stop_reason: Option<String>,
    stop_details: Option<StopDetails>,
}

#[derive(Debug, Deserialize)]
struct StopDetails {
    explanation: Option<String>,
}

/// Each is absent where the event does not speak of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Counts {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct ErrorBody {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    message: String,
}

#[derive(Debug)]
enum Part {
    Whole(Block),
    /// A call whose arguments are still arriving.
    Call {
        id: String,
        name: String,
        json: String,
    },
}

#[derive(Debug)]
pub(super) struct Answer {
    parts: BTreeMap<u32, Part>,
    usage: Usage,
    model: String,
    stop: Option<StopReason>,
    explanation: Option<String>,
    over: bool,
}

impl Answer {
    pub(super) fn new(model: String) -> Self {
        Self {
            parts: BTreeMap::new(),
            usage: Usage::default(),
            model,
            stop: None,
            explanation: None,
            over: false,
        }
    }

    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    /// Nothing of the answer is missing, even if the stream breaks off here.
    pub(super) fn is_complete(&self) -> bool {
        self.stop.is_some() || self.over
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    pub(super) fn take(&mut self, data: &str) -> Result<Option<StreamEvent>, ProviderErrorKind> {
        let event: Event = serde_json::from_str(data).map_err(|error| {
            ProviderErrorKind::Truncated(format!("an event that cannot be read: {error}"))
        })?;
        match event {
            // A second start repeats the first, so nothing is begun anew.
            Event::MessageStart { message } => {
                if !message.model.is_empty() {
                    self.model = message.model;
                }
                self.count(&message.usage);
            }
            Event::ContentBlockStart { index, content_block } => return Ok(self.begin(index, content_block)),
            Event::ContentBlockDelta { index, delta } => return Ok(self.extend(index, delta)),
            Event::ContentBlockStop { index } => return Ok(self.complete_call(index)),
            Event::MessageDelta { delta, usage } => {
                self.count(&usage);
                if let Some(reason) = delta.stop_reason {
                    self.stop = Some(stop_reason(&reason));
                }
                if let Some(explanation) = delta.stop_details.and_then(|details| details.explanation) {
                    self.explanation = Some(explanation);
                }
            }
            Event::MessageStop => self.over = true,
            Event::Error { error } => {
                return Err(super::named(&error.kind, &error.message, None).unwrap_or_else(|| {
                    ProviderErrorKind::Overloaded(format!("{}: {}", error.kind, error.message))
                }));
            }
            Event::Other => {}
        }
        Ok(None)
    }

    fn begin(&mut self, index: u32, start: BlockStart) -> Option<StreamEvent> {
        let (part, event) = match start {
            BlockStart::Text { text } => {
                let event = (!text.is_empty()).then(|| StreamEvent::TextDelta(text.clone()));
                (Part::Whole(Block::Text { text }), event)
            }
            BlockStart::Thinking { thinking, signature } => {
                let event = (!thinking.is_empty()).then(|| StreamEvent::ThinkingDelta(thinking.clone()));
                let signature = (!signature.is_empty()).then_some(signature);
                (Part::Whole(Block::Thinking { text: thinking, signature }), event)
            }
            BlockStart::RedactedThinking { data } => {
                let signature = Some(format!("{REDACTED}{data}"));
                (Part::Whole(Block::Thinking { text: String::new(), signature }), None)
            }
            BlockStart::ToolUse { id, name, input } => {
                let id = if id.is_empty() { reply::call_id() } else { id };
                // Arguments normally follow as deltas; a block that already has them gets none.
                let given = input.as_object().is_some_and(|object| !object.is_empty());
                let json = if given { input.to_string() } else { String::new() };
                (Part::Call { id, name, json }, None)
            }
            BlockStart::Other => return None,
        };
        self.parts.insert(index, part);
        event
    }

    fn extend(&mut self, index: u32, delta: Delta) -> Option<StreamEvent> {
        match (self.parts.get_mut(&index)?, delta) {
            (Part::Whole(Block::Text { text }), Delta::Text { text: more }) => {
                text.push_str(&more);
                (!more.is_empty()).then_some(StreamEvent::TextDelta(more))
            }
            (Part::Whole(Block::Thinking { text, .. }), Delta::Thinking { thinking: more }) => {
                text.push_str(&more);
                (!more.is_empty()).then_some(StreamEvent::ThinkingDelta(more))
            }
            (Part::Whole(Block::Thinking { signature, .. }), Delta::Signature { signature: more }) => {
                signature.get_or_insert_default().push_str(&more);
                None
            }
            (Part::Call { json, .. }, Delta::Arguments { partial_json }) => {
                json.push_str(&partial_json);
                None
            }
            // A delta that does not fit its block says nothing we could keep.
            (Part::Whole(_) | Part::Call { .. }, _) => None,
        }
    }

    fn complete_call(&mut self, index: u32) -> Option<StreamEvent> {
        let part = self.parts.get_mut(&index)?;
        let Part::Call { id, name, json } = part else { return None };
        let (id, name, input) = (std::mem::take(id), std::mem::take(name), reply::arguments(json));
        *part = Part::Whole(Block::ToolUse { id: id.clone(), name: name.clone(), input: input.clone() });
        Some(StreamEvent::ToolUse { id, name, input })
    }

    fn count(&mut self, counts: &Counts) {
        let usage = &mut self.usage;
        usage.input_tokens = counts.input_tokens.unwrap_or(usage.input_tokens);
        usage.output_tokens = counts.output_tokens.unwrap_or(usage.output_tokens);
        usage.cache_read_tokens = counts.cache_read_input_tokens.unwrap_or(usage.cache_read_tokens);
        usage.cache_write_tokens = counts.cache_creation_input_tokens.unwrap_or(usage.cache_write_tokens);
    }

    /// The reply, and what is to be told with it: a refusal without words gets the provider's explanation.
    pub(super) fn finish(mut self) -> (ModelReply, Vec<StreamEvent>) {
        // A reply cut at its limit may leave a call open; its result will say what is wrong with it.
        let open: Vec<u32> = self.parts.keys().copied().collect();
        let mut events: Vec<_> = open.into_iter().filter_map(|index| self.complete_call(index)).collect();
        let mut content: Vec<Block> = self
            .parts
            .into_values()
            .filter_map(|part| match part {
                Part::Whole(Block::Text { text }) if text.is_empty() => None,
                Part::Whole(block) => Some(block),
                Part::Call { .. } => None,
            })
            .collect();
        let stop = self.stop.unwrap_or(StopReason::EndTurn);
        if stop == StopReason::Refusal
            && let Some(text) = self.explanation
            && !content.iter().any(|block| matches!(block, Block::Text { .. }))
        {
            events.push(StreamEvent::TextDelta(text.clone()));
            content.push(Block::Text { text });
        }
        (reply::finished(content, stop, self.usage, self.model), events)
    }
}

fn stop_reason(reason: &str) -> StopReason {
    match reason {
        "tool_use" => StopReason::ToolUse,
        "max_tokens" | "model_context_window_exceeded" => StopReason::MaxTokens,
        "refusal" => StopReason::Refusal,
        // `end_turn`, `stop_sequence`, `pause_turn` and whatever comes: the model said what it had to say.
        _ => StopReason::EndTurn,
    }
}
