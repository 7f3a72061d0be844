//! Builds the answer from the lines of an `/api/chat` stream.
//!
//! Pure: a line in, what to tell out. An answer counts only when a line said that it is done.

use serde::Deserialize;
use serde_json::Value;

use super::super::{http, reply};
use crate::conversation::{Block, ModelReply, ProviderErrorKind, StopReason, StreamEvent, Usage};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    error: Value,
    model: Option<String>,
    message: Option<Said>,
    done: bool,
    done_reason: Option<String>,
    prompt_eval_count: Option<u64>,
    eval_count: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said {
    content: Option<String>,
    thinking: Option<String>,
    tool_calls: Option<Vec<Call>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Call {
    id: Option<String>,
    function: Function,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Function {
    name: String,
    /// An object; as text where a model's template made it one.
    arguments: Value,
}

#[derive(Debug)]
pub(super) struct Answer {
    text: String,
    thinking: String,
    calls: Vec<Block>,
    usage: Usage,
    model: String,
    stop: Option<StopReason>,
}

impl Answer {
    pub(super) fn new(model: String) -> Self {
        Self {
            text: String::new(),
            thinking: String::new(),
            calls: Vec::new(),
            usage: Usage::default(),
            model,
            stop: None,
        }
    }

    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    pub(super) fn is_over(&self) -> bool {
        self.stop.is_some()
    }

    pub(super) fn take(&mut self, line: &[u8]) -> Result<Vec<StreamEvent>, ProviderErrorKind> {
        let bytes = line;
        let line: Line = serde_json::from_slice(bytes)
            .map_err(|error| ProviderErrorKind::Truncated(format!("a line that cannot be read: {error}")))?;
        if !line.error.is_null() {
            let (_, message) = http::error_in(bytes);
            return Err(super::named(&message).unwrap_or(ProviderErrorKind::Overloaded(message)));
        }
        if let Some(model) = line.model.filter(|model| !model.is_empty()) {
            self.model = model;
        }
        let mut events = Vec::new();
        if let Some(said) = line.message {
            self.extend(said, &mut events);
        }
        self.usage.input_tokens = line.prompt_eval_count.unwrap_or(self.usage.input_tokens);
        self.usage.output_tokens = line.eval_count.unwrap_or(self.usage.output_tokens);
        if line.done {
            self.stop = Some(match line.done_reason.as_deref() {
                Some("length") => StopReason::MaxTokens,
                // `stop`, `load`, `unload` and none at all.
                Some(_) | None => StopReason::EndTurn,
            });
        }
        Ok(events)
    }

    fn extend(&mut self, said: Said, events: &mut Vec<StreamEvent>) {
        if let Some(thinking) = said.thinking.filter(|more| !more.is_empty()) {
            self.thinking.push_str(&thinking);
            events.push(StreamEvent::ThinkingDelta(thinking));
        }
        if let Some(text) = said.content.filter(|more| !more.is_empty()) {
            self.text.push_str(&text);
            events.push(StreamEvent::TextDelta(text));
        }
        // A call comes whole, in one line.
        for Call { id, function: Function { name, arguments } } in said.tool_calls.into_iter().flatten() {
            let taken = |id: &str| {
                self.calls.iter().any(|it| matches!(it, Block::ToolUse { id: other, .. } if other == id))
            };
            let id = id.filter(|id| !id.is_empty() && !taken(id)).unwrap_or_else(reply::call_id);
            let input = match arguments {
                Value::Object(_) => arguments,
                Value::String(text) => reply::arguments(&text),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                    reply::arguments(&arguments.to_string())
                }
            };
            let call = Block::ToolUse { id: id.clone(), name: name.clone(), input: input.clone() };
            self.calls.push(call);
            events.push(StreamEvent::ToolUse { id, name, input });
        }
    }

    pub(super) fn finish(self) -> Result<ModelReply, ProviderErrorKind> {
        let Some(stop) = self.stop else {
            return Err(ProviderErrorKind::Truncated("the stream ended before `done`".to_owned()));
        };
        let mut content = Vec::new();
        if !self.thinking.is_empty() {
            content.push(Block::Thinking { text: self.thinking, signature: None });
        }
        if !self.text.is_empty() {
            content.push(Block::Text { text: self.text });
        }
        content.extend(self.calls);
        Ok(reply::finished(content, stop, self.usage, self.model))
    }
}
