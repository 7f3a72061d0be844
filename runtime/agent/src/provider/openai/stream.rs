//! Builds the answer from the chunks of a chat completions stream.
//!
//! Pure: a chunk's data in, what to tell out. Lenient wherever a server in use is known to stray from OpenAI's
//! own shape, strict about one thing: an answer counts only when something said that it ended.

use serde::Deserialize;
use serde_json::Value;

use super::super::{http, reply};
use crate::conversation::{Block, ModelReply, ProviderErrorKind, StopReason, StreamEvent, Usage};

const DONE: &str = "[DONE]";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Chunk {
    choices: Option<Vec<Choice>>,
    model: Option<String>,
    usage: Option<Counts>,
    x_groq: Option<Groq>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Groq {
    usage: Option<Counts>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Choice {
    index: u32,
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Delta {
    /// A string, or a list of typed parts (Mistral).
    content: Value,
    /// DeepSeek, xAI, llama.cpp.
    reasoning_content: Option<String>,
    /// OpenRouter, newer vLLM.
    reasoning: Option<String>,
    refusal: Option<String>,
    tool_calls: Option<Vec<CallDelta>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CallDelta {
    index: Option<u32>,
    id: Option<String>,
    function: Option<FunctionDelta>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FunctionDelta {
    name: Option<String>,
    /// A piece of JSON text; some servers send the object itself.
    arguments: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Counts {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    total_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    prompt_cache_hit_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Option<u64>,
}

#[derive(Debug, Default)]
struct Call {
    index: Option<u32>,
    id: String,
    name: String,
    arguments: String,
}

#[derive(Debug)]
pub(super) struct Answer {
    text: String,
    thinking: String,
    calls: Vec<Call>,
    usage: Usage,
    model: String,
    stop: Option<StopReason>,
    refused: bool,
    over: bool,
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
            refused: false,
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

    pub(super) fn take(&mut self, data: &str) -> Result<Vec<StreamEvent>, ProviderErrorKind> {
        if data.trim() == DONE {
            self.over = true;
            return Ok(Vec::new());
        }
        let unreadable =
            |error| ProviderErrorKind::Truncated(format!("a chunk that cannot be read: {error}"));
        let value: Value = serde_json::from_str(data).map_err(unreadable)?;
        // An error in mid-stream takes the place of the choices.
        if value.get("choices").is_none_or(Value::is_null) {
            let (error, message) = http::error_in(data.as_bytes());
            if !error.is_null() {
                return Err(super::named(&error, &message).unwrap_or(ProviderErrorKind::Overloaded(message)));
            }
        }
        let chunk: Chunk = serde_json::from_value(value).map_err(unreadable)?;
        if let Some(model) = chunk.model.filter(|model| !model.is_empty()) {
            self.model = model;
        }
        if let Some(counts) = chunk.usage.or_else(|| chunk.x_groq.and_then(|groq| groq.usage)) {
            self.count(&counts);
        }
        let mut events = Vec::new();
        // One answer was asked for; further choices are not ours.
        for choice in chunk.choices.into_iter().flatten().filter(|choice| choice.index == 0) {
            if let Some(delta) = choice.delta {
                self.extend(delta, &mut events);
            }
            if let Some(reason) = choice.finish_reason.filter(|reason| !reason.is_empty()) {
                self.stop = Some(stop_reason(&reason)?);
            }
        }
        Ok(events)
    }

    fn extend(&mut self, delta: Delta, events: &mut Vec<StreamEvent>) {
        let (text, mut thinking) = parts(&delta.content);
        if let Some(more) = delta.reasoning_content.or(delta.reasoning) {
            thinking.push_str(&more);
        }
        if !thinking.is_empty() {
            self.thinking.push_str(&thinking);
            events.push(StreamEvent::ThinkingDelta(thinking));
        }
        let mut text = text;
        if let Some(refusal) = delta.refusal.filter(|refusal| !refusal.is_empty()) {
            self.refused = true;
            text.push_str(&refusal);
        }
        if !text.is_empty() {
            self.text.push_str(&text);
            events.push(StreamEvent::TextDelta(text));
        }
        for call in delta.tool_calls.into_iter().flatten() {
            self.extend_call(call);
        }
    }

    fn extend_call(&mut self, delta: CallDelta) {
        let CallDelta { index, id, function } = delta;
        let FunctionDelta { name, arguments } = function.unwrap_or_default();
        let (id, name) = (id.unwrap_or_default(), name.unwrap_or_default());
        let known = match index {
            Some(_) => self.calls.iter().rposition(|call| call.index == index),
            None if !id.is_empty() => self.calls.iter().rposition(|call| call.id == id),
            None if !name.is_empty() => None,
            None => self.calls.len().checked_sub(1),
        };
        // Some servers number every call 0: another id with another name is another call.
        let known = known.filter(|&known| {
            let call = &self.calls[known];
            id.is_empty() || call.id.is_empty() || call.id == id || name.is_empty()
        });
        let known = known.unwrap_or_else(|| {
            self.calls.push(Call { index, ..Call::default() });
            self.calls.len() - 1
        });
        let call = &mut self.calls[known];
        if call.id.is_empty() {
            call.id = id;
        }
        if call.name.is_empty() {
            call.name = name;
        }
        match arguments {
            Value::String(piece) => call.arguments.push_str(&piece),
            Value::Object(_) => call.arguments = arguments.to_string(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {}
        }
    }

    fn count(&mut self, counts: &Counts) {
        let prompt = counts.prompt_tokens.unwrap_or_default();
        let cached = counts
            .prompt_tokens_details
            .as_ref()
            .and_then(|details| details.cached_tokens)
            .or(counts.prompt_cache_hit_tokens)
            .unwrap_or_default()
            .min(prompt);
        // Where reasoning is not part of the completion's count it is still part of the total, and is paid for.
        let rest = counts.total_tokens.unwrap_or_default().saturating_sub(prompt);
        self.usage = Usage {
            input_tokens: prompt - cached,
            output_tokens: counts.completion_tokens.unwrap_or_default().max(rest),
            cache_read_tokens: cached,
            cache_write_tokens: 0,
        };
    }

    /// The reply and its calls, which are complete only now: nothing marks the end of each.
    pub(super) fn finish(self) -> Result<(ModelReply, Vec<StreamEvent>), ProviderErrorKind> {
        let empty = self.text.is_empty() && self.calls.is_empty();
        let stop = match self.stop {
            Some(_) if self.refused => StopReason::Refusal,
            Some(stop) => stop,
            // Some servers name no reason; `[DONE]` after an answer is reason enough.
            None if self.over && self.refused => StopReason::Refusal,
            None if self.over && !empty => StopReason::EndTurn,
            None => {
                let missing = if self.over { "an answer" } else { "finish_reason" };
                return Err(ProviderErrorKind::Truncated(format!("the stream ended before {missing}")));
            }
        };
        let mut content = Vec::new();
        if !self.thinking.is_empty() {
            content.push(Block::Thinking { text: self.thinking, signature: None });
        }
        if !self.text.is_empty() {
            content.push(Block::Text { text: self.text });
        }
        let mut events: Vec<StreamEvent> = Vec::new();
        for call in self.calls {
            let taken = |id: &str| {
                content.iter().any(|block| matches!(block, Block::ToolUse { id: other, .. } if other == id))
            };
            let id = if call.id.is_empty() || taken(&call.id) { reply::call_id() } else { call.id };
            let input = reply::arguments(&call.arguments);
            content.push(Block::ToolUse { id: id.clone(), name: call.name.clone(), input: input.clone() });
            events.push(StreamEvent::ToolUse { id, name: call.name, input });
        }
        Ok((reply::finished(content, stop, self.usage, self.model), events))
    }
}

/// Text and reasoning of a delta's content.
fn parts(content: &Value) -> (String, String) {
    let mut text = String::new();
    let mut thinking = String::new();
    match content {
        Value::String(piece) => text.push_str(piece),
        Value::Array(parts) => {
            for part in parts {
                text.push_str(part.get("text").and_then(Value::as_str).unwrap_or_default());
                if let Some(inner) = part.get("thinking") {
                    thinking.push_str(&parts_text(inner));
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {}
    }
    (text, thinking)
}

fn parts_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
    }
}

fn stop_reason(reason: &str) -> Result<StopReason, ProviderErrorKind> {
    Ok(match reason {
        "tool_calls" | "function_call" => StopReason::ToolUse,
        "length" | "max_tokens" | "model_length" => StopReason::MaxTokens,
        "content_filter" | "refusal" => StopReason::Refusal,
        // These are failures of the server, told as a reason: DeepSeek, OpenRouter, Zhipu.
        "insufficient_system_resource" | "error" | "network_error" => {
            return Err(ProviderErrorKind::Overloaded(format!("finish_reason {reason}")));
        }
        // `stop` and its many synonyms.
        _ => StopReason::EndTurn,
    })
}
