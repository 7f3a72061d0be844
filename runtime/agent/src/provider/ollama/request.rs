//! The body of a request to `/api/chat`.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::super::settings::{Effort, ProviderSettings};
use crate::conversation::{Block, Message, ModelRequest, Role};

/// `told`: whether the model can be told how much to think.
pub(super) fn body(request: &ModelRequest, settings: &ProviderSettings, told: bool) -> Value {
    let mut body = settings.extra.clone();
    let max_tokens = if request.max_tokens == 0 { settings.max_tokens } else { request.max_tokens };
    let mut options = match body.remove("options") {
        Some(Value::Object(options)) => options,
        Some(_) | None => Map::new(),
    };
    options.entry("num_predict").or_insert_with(|| json!(max_tokens));
    body.insert("options".to_owned(), Value::Object(options));
    // A conversation that does not fit is an error, not one whose beginning is forgotten.
    body.entry("truncate").or_insert(Value::Bool(false));
    body.insert("model".to_owned(), json!(settings.model));
    body.insert("stream".to_owned(), json!(true));
    if let Some(effort) = settings.thinking.filter(|_| told) {
        let think = if effort == Effort::Off { json!(false) } else { json!(effort.name()) };
        body.insert("think".to_owned(), think);
    }
    body.insert("messages".to_owned(), Value::Array(messages(request)));
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            let function =
                json!({"name": tool.name, "description": tool.description, "parameters": tool.input_schema});
            json!({"type": "function", "function": function})
        });
        body.insert("tools".to_owned(), tools.collect());
    }
    Value::Object(body)
}

fn messages(request: &ModelRequest) -> Vec<Value> {
    let mut messages = Vec::new();
    if !request.system.trim().is_empty() {
        messages.push(json!({"role": "system", "content": request.system}));
    }
    // Thinking belongs to the running turn: it goes back with the calls made since the last word of a person.
    let turn = request.messages.iter().rposition(speaks).unwrap_or(0);
    // A result is known by the name of its tool.
    let mut names: HashMap<&str, &str> = HashMap::new();
    for (index, message) in request.messages.iter().enumerate() {
        match message.role {
            Role::User => user(message, &names, &mut messages),
            Role::Assistant => {
                messages.extend(assistant(message, index > turn));
                names.extend(message.content.iter().filter_map(|block| match block {
                    Block::ToolUse { id, name, .. } => Some((id.as_str(), name.as_str())),
                    Block::Text { .. } | Block::Thinking { .. } | Block::ToolResult { .. } => None,
                }));
            }
        }
    }
    messages
}

fn speaks(message: &Message) -> bool {
    message.role == Role::User && message.content.iter().any(|block| matches!(block, Block::Text { .. }))
}

/// Results first, each a message of its own: they must follow their calls directly.
fn user(message: &Message, names: &HashMap<&str, &str>, messages: &mut Vec<Value>) {
    let mut texts = Vec::new();
    for block in &message.content {
        match block {
            Block::ToolResult { tool_use_id, content, is_error } => {
                // The protocol has no mark for a failed call.
                let marked = *is_error && !content.to_lowercase().starts_with("error");
                let content = if marked { format!("error: {content}") } else { content.clone() };
                let mut result = json!({"role": "tool", "content": content, "tool_call_id": tool_use_id});
                if let Some(name) = names.get(tool_use_id.as_str()) {
                    result["tool_name"] = json!(name);
                }
                messages.push(result);
            }
            Block::Text { text } if !text.trim().is_empty() => texts.push(text.as_str()),
            Block::Text { .. } | Block::Thinking { .. } | Block::ToolUse { .. } => {}
        }
    }
    if !texts.is_empty() {
        messages.push(json!({"role": "user", "content": texts.join("\n\n")}));
    }
}

fn assistant(message: &Message, with_thinking: bool) -> Option<Value> {
    let mut texts = Vec::new();
    let mut thinking = String::new();
    let mut calls = Vec::new();
    for block in &message.content {
        match block {
            Block::Text { text } if !text.trim().is_empty() => texts.push(text.as_str()),
            Block::Thinking { text, .. } => thinking.push_str(text),
            Block::ToolUse { id, name, input } => {
                calls.push(json!({"id": id, "function": {"name": name, "arguments": input}}));
            }
            Block::Text { .. } | Block::ToolResult { .. } => {}
        }
    }
    if texts.is_empty() && calls.is_empty() {
        return None;
    }
    let mut message = json!({"role": "assistant", "content": texts.join("\n\n")});
    if !calls.is_empty() {
        message["tool_calls"] = Value::Array(calls);
        if with_thinking && !thinking.is_empty() {
            message["thinking"] = json!(thinking);
        }
    }
    Some(message)
}
