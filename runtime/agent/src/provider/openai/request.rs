//! The body of a chat completions request, in the dialect of the server it goes to.

use serde_json::{Value, json};

use super::super::settings::{Effort, ProviderSettings};
use crate::conversation::{Block, Message, ModelRequest, Role};

/// Where servers differ, decided: what the settings say, else what the address tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Dialect {
    pub(super) max_completion_tokens: bool,
    pub(super) stream_usage: bool,
    pub(super) send_reasoning: bool,
    pub(super) effort: Asking,
}

/// How a server is told how much to think.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Asking {
    /// `reasoning_effort`: OpenAI, and most that have thinking at all.
    Effort,
    /// `thinking {type}`: DeepSeek, Zhipu. It thinks or it does not.
    Switch,
    /// Not at all: it has refused to be told.
    Nothing,
}

impl Dialect {
    pub(super) fn of(settings: &ProviderSettings) -> Self {
        let host = reqwest::Url::parse(&settings.base_url)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned))
            .unwrap_or_default();
        let quirks = settings.quirks;
        Self {
            max_completion_tokens: quirks.max_completion_tokens.unwrap_or(host == "api.openai.com"),
            stream_usage: quirks.stream_usage.unwrap_or(true),
            send_reasoning: quirks.send_reasoning.unwrap_or_else(|| host.ends_with("deepseek.com")),
            effort: match host.as_str() {
                "api.deepseek.com" | "api.z.ai" | "open.bigmodel.cn" => Asking::Switch,
                _ => Asking::Effort,
            },
        }
    }
}

pub(super) fn body(request: &ModelRequest, settings: &ProviderSettings, dialect: &Dialect) -> Value {
    let mut body = settings.extra.clone();
    let mut put = |name: &str, value: Value| {
        body.insert(name.to_owned(), value);
    };
    put("model", json!(settings.model));
    put("stream", json!(true));
    if dialect.stream_usage {
        put("stream_options", json!({"include_usage": true}));
    }
    let max_tokens = if request.max_tokens == 0 { settings.max_tokens } else { request.max_tokens };
    put(
        if dialect.max_completion_tokens { "max_completion_tokens" } else { "max_tokens" },
        json!(max_tokens),
    );
    if let Some(effort) = settings.thinking {
        match (dialect.effort, effort) {
            (Asking::Effort, Effort::Off) => put("reasoning_effort", json!("none")),
            (Asking::Effort, _) => put("reasoning_effort", json!(effort.name())),
            (Asking::Switch, Effort::Off) => put("thinking", json!({"type": "disabled"})),
            (Asking::Switch, _) => put("thinking", json!({"type": "enabled"})),
            (Asking::Nothing, _) => {}
        }
    }

    let mut messages = Vec::new();
    if !request.system.trim().is_empty() {
        messages.push(json!({"role": "system", "content": request.system}));
    }
    // Reasoning belongs to the running turn: it goes back with the calls made since the last word of a person.
    let turn = request.messages.iter().rposition(speaks).unwrap_or(0);
    for (index, message) in request.messages.iter().enumerate() {
        match message.role {
            Role::User => user(message, &mut messages),
            Role::Assistant => messages.extend(assistant(message, dialect.send_reasoning && index > turn)),
        }
    }
    put("messages", Value::Array(messages));
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            let function =
                json!({"name": tool.name, "description": tool.description, "parameters": tool.input_schema});
            json!({"type": "function", "function": function})
        });
        put("tools", tools.collect());
    }
    Value::Object(body)
}

fn speaks(message: &Message) -> bool {
    message.role == Role::User && message.content.iter().any(|block| matches!(block, Block::Text { .. }))
}

/// Results first, each a message of its own: they must follow their calls directly.
fn user(message: &Message, messages: &mut Vec<Value>) {
    let mut texts = Vec::new();
    for block in &message.content {
        match block {
            Block::ToolResult { tool_use_id, content, is_error } => {
                // The protocol has no mark for a failed call.
                let marked = *is_error && !content.to_lowercase().starts_with("error");
                let content = if marked { format!("error: {content}") } else { content.clone() };
                messages.push(json!({"role": "tool", "tool_call_id": tool_use_id, "content": content}));
            }
            Block::Text { text } if !text.trim().is_empty() => texts.push(text.as_str()),
            Block::Text { .. } | Block::Thinking { .. } | Block::ToolUse { .. } => {}
        }
    }
    if !texts.is_empty() {
        messages.push(json!({"role": "user", "content": texts.join("\n\n")}));
    }
}

fn assistant(message: &Message, send_reasoning: bool) -> Option<Value> {
    let mut texts = Vec::new();
    let mut reasoning = String::new();
    let mut calls = Vec::new();
    for block in &message.content {
        match block {
            Block::Text { text } if !text.trim().is_empty() => texts.push(text.as_str()),
            Block::Thinking { text, .. } => reasoning.push_str(text),
            Block::ToolUse { id, name, input } => {
                let function = json!({"name": name, "arguments": input.to_string()});
                calls.push(json!({"id": id, "type": "function", "function": function}));
            }
            Block::Text { .. } | Block::ToolResult { .. } => {}
        }
    }
    if texts.is_empty() && calls.is_empty() {
        return None;
    }
    let content = if texts.is_empty() { Value::Null } else { json!(texts.join("\n\n")) };
    let mut message = json!({"role": "assistant", "content": content});
    if !calls.is_empty() {
        message["tool_calls"] = Value::Array(calls);
        if send_reasoning && !reasoning.is_empty() {
            message["reasoning_content"] = json!(reasoning);
        }
    }
    Some(message)
}
