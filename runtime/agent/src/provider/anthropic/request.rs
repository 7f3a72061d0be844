//! The body of a Messages API request: blocks in the order the API insists on, and where its cache may cut.

use serde_json::{Map, Value, json};

use super::super::settings::ProviderSettings;
use super::stream::REDACTED;
use crate::conversation::{Block, ModelRequest, Role};

/// Whether the thinking of earlier replies goes back to the model.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Thinking {
    Keep,
    Drop,
}

/// Thinking this provider signed; unsigned thinking is another's and means nothing here.
pub(super) fn is_thinking(block: &Block) -> bool {
    matches!(block, Block::Thinking { signature: Some(_), .. })
}

pub(super) fn body(request: &ModelRequest, settings: &ProviderSettings, thinking: Thinking) -> Value {
    let mut body = settings.extra.clone();
    body.insert("model".to_owned(), json!(settings.model));
    body.insert("stream".to_owned(), json!(true));
    let max_tokens = if request.max_tokens == 0 { settings.max_tokens } else { request.max_tokens };
    body.insert("max_tokens".to_owned(), json!(max_tokens));

    let mut tools: Vec<Value> = request
        .tools
        .iter()
        .map(|tool| json!({"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}))
        .collect();
    let mut messages = messages(request, thinking);

    // A cut is cached with everything before it; tools come before the system prompt, which comes before messages.
    if !request.system.trim().is_empty() {
        let system =
            json!([{"type": "text", "text": request.system, "cache_control": {"type": "ephemeral"}}]);
        body.insert("system".to_owned(), system);
    } else if let Some(last) = tools.last_mut() {
        last["cache_control"] = json!({"type": "ephemeral"});
    }
    if let Some(content) = messages.last_mut().and_then(|message| message["content"].as_array_mut())
        && let Some(last) = content.last_mut()
        && last["type"] != "thinking"
        && last["type"] != "redacted_thinking"
    {
        last["cache_control"] = json!({"type": "ephemeral"});
    }
    if !tools.is_empty() {
        body.insert("tools".to_owned(), Value::Array(tools));
    }
    body.insert("messages".to_owned(), Value::Array(messages));
    Value::Object(body)
}

/// Neighbours of one role become one message, with tool results first: the API refuses a text before the
/// results its calls are waiting for.
fn messages(request: &ModelRequest, thinking: Thinking) -> Vec<Value> {
    let mut merged: Vec<(Role, Vec<Value>)> = Vec::new();
    for message in &request.messages {
        let kept = message.content.iter().filter(|block| thinking == Thinking::Keep || !is_thinking(block));
        let blocks = kept.filter_map(block);
        match merged.last_mut() {
            Some((role, content)) if *role == message.role => content.extend(blocks),
            Some(_) | None => merged.push((message.role, blocks.collect())),
        }
    }
    merged
        .into_iter()
        .filter(|(_, content)| !content.is_empty())
        .map(|(role, mut content)| {
            let role = match role {
                Role::User => {
                    content.sort_by_key(|block| block["type"] != "tool_result");
                    "user"
                }
                Role::Assistant => "assistant",
            };
            json!({"role": role, "content": content})
        })
        .collect()
}

fn block(block: &Block) -> Option<Value> {
    match block {
        // The API refuses empty text.
        Block::Text { text } if text.trim().is_empty() => None,
        Block::Text { text } => Some(json!({"type": "text", "text": text})),
        Block::Thinking { signature: None, .. } => None,
        Block::Thinking { text, signature: Some(signature) } => {
            Some(match signature.strip_prefix(REDACTED) {
                Some(data) => json!({"type": "redacted_thinking", "data": data}),
                None => json!({"type": "thinking", "thinking": text, "signature": signature}),
            })
        }
        Block::ToolUse { id, name, input } => {
            let input = if input.is_object() { input.clone() } else { Value::Object(Map::new()) };
            Some(json!({"type": "tool_use", "id": call_id(id), "name": name, "input": input}))
        }
        Block::ToolResult { tool_use_id, content, is_error } => {
            let mut result = json!({"type": "tool_result", "tool_use_id": call_id(tool_use_id)});
            if !content.trim().is_empty() {
                result["content"] = json!(content);
            }
            if *is_error {
                result["is_error"] = json!(true);
            }
            Some(result)
        }
    }
}

/// Ids made by another provider may hold characters this one refuses (`functions.read:0`).
fn call_id(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' }).collect()
}
