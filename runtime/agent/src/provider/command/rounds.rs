//! Our own protocol: one process a round, one line in, lines out until one of them says that it is done. It is
//! documented in `docs/providers.md`, for whoever writes such a program.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::reply;
use super::super::retry::Telling;
use super::super::settings::ProviderSettings;
use super::process::Process;
use crate::conversation::{
    Block, ModelReply, ModelRequest, ProviderErrorKind, StopReason, StreamEvent, Usage,
};

/// Counts changes that a program could not ignore.
const VERSION: u32 = 1;

pub(super) async fn round(
    mut process: Process,
    settings: &ProviderSettings,
    request: &ModelRequest,
    telling: &mut Telling,
) -> Result<ModelReply, ProviderErrorKind> {
    process.say(&asked(settings, request)).await?;
    process.hang_up();
    let mut answer = Answer::new(settings.model.clone());
    while let Some(line) = process.hear().await {
        if let Some(event) = answer.take(&line?)? {
            telling.tell(event).await;
        }
        telling.spent(answer.usage);
        if let Some(stop) = answer.stop {
            return Ok(answer.finish(stop));
        }
    }
    Err(process.died().await)
}

fn asked(settings: &ProviderSettings, request: &ModelRequest) -> Value {
    let max_tokens = if request.max_tokens == 0 { settings.max_tokens } else { request.max_tokens };
    let mut asked = json!({
        "type": "round", "version": VERSION, "model": settings.model, "system": request.system,
        "messages": request.messages, "tools": request.tools, "max_tokens": max_tokens,
        "aspect": request.origin.aspect,
    });
    if let Some(thinking) = settings.thinking {
        asked["thinking"] = json!(thinking.name());
    }
    for (name, value) in [("hand", &request.origin.hand), ("thread", &request.origin.thread)] {
        if let Some(value) = value {
            asked[name] = json!(value);
        }
    }
    if !settings.extra.is_empty() {
        asked["extra"] = Value::Object(settings.extra.clone());
    }
    asked
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    Text {
        text: String,
    },
    Thinking {
        text: String,
    },
    ToolUse {
        #[serde(default)]
        id: String,
        name: String,
        #[serde(default)]
        input: Value,
    },
    Usage(Usage),
    Done {
        #[serde(default = "end_turn")]
        stop: StopReason,
        usage: Option<Usage>,
        model: Option<String>,
    },
    Error {
        kind: Option<String>,
        #[serde(default)]
        message: String,
        retry_after_s: Option<f64>,
    },
    #[serde(other)]
    Other,
}

fn end_turn() -> StopReason {
    StopReason::EndTurn
}

#[derive(Debug)]
struct Answer {
    content: Vec<Block>,
    usage: Usage,
    model: String,
    stop: Option<StopReason>,
}

impl Answer {
    fn new(model: String) -> Self {
        Self { content: Vec::new(), usage: Usage::default(), model, stop: None }
    }

    fn take(&mut self, line: &[u8]) -> Result<Option<StreamEvent>, ProviderErrorKind> {
        let event: Event = serde_json::from_slice(line)
            .map_err(|error| ProviderErrorKind::Truncated(format!("a line that cannot be read: {error}")))?;
        Ok(match event {
            Event::Text { text } if text.is_empty() => None,
            Event::Text { text } => {
                match self.content.last_mut() {
                    Some(Block::Text { text: whole }) => whole.push_str(&text),
                    Some(_) | None => self.content.push(Block::Text { text: text.clone() }),
                }
                Some(StreamEvent::TextDelta(text))
            }
            Event::Thinking { text } => {
                match self.content.last_mut() {
                    Some(Block::Thinking { text: whole, .. }) => whole.push_str(&text),
                    Some(_) | None => {
                        self.content.push(Block::Thinking { text: text.clone(), signature: None });
                    }
                }
                Some(StreamEvent::ThinkingDelta(text))
            }
            Event::ToolUse { id, name, input } => Some(self.call(id, name, input)),
            Event::Usage(usage) => {
                self.usage = usage;
                None
            }
            Event::Done { stop, usage, model } => {
                self.usage = usage.unwrap_or(self.usage);
                if let Some(model) = model.filter(|model| !model.is_empty()) {
                    self.model = model;
                }
                self.stop = Some(stop);
                None
            }
            Event::Error { kind, message, retry_after_s } => {
                return Err(failure(kind.as_deref(), message, retry_after_s));
            }
            Event::Other => None,
        })
    }

    fn call(&mut self, id: String, name: String, input: Value) -> StreamEvent {
        let taken =
            self.content.iter().any(|it| matches!(it, Block::ToolUse { id: other, .. } if *other == id));
        let id = if id.is_empty() || taken { reply::call_id() } else { id };
        let input = match input {
            Value::Object(_) => input,
            Value::String(text) => reply::arguments(&text),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                reply::arguments(&input.to_string())
            }
        };
        self.content.push(Block::ToolUse { id: id.clone(), name: name.clone(), input: input.clone() });
        StreamEvent::ToolUse { id, name, input }
    }

    fn finish(self, stop: StopReason) -> ModelReply {
        reply::finished(self.content, stop, self.usage, self.model)
    }
}

fn failure(kind: Option<&str>, message: String, retry_after_s: Option<f64>) -> ProviderErrorKind {
    match kind {
        Some("auth") => ProviderErrorKind::Auth(message),
        Some("context_window") => ProviderErrorKind::ContextWindow(message),
        Some("invalid") => ProviderErrorKind::Invalid(message),
        Some("rate_limit") => {
            let retry_after = retry_after_s.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            ProviderErrorKind::RateLimit { message, retry_after }
        }
        Some("refused") => ProviderErrorKind::Refused(message),
        Some("transport") => ProviderErrorKind::Transport(message),
        // `overloaded`, and whatever else may pass.
        Some(_) | None => ProviderErrorKind::Overloaded(message),
    }
}
