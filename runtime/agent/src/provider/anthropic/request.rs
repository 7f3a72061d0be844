//! The body of a Messages API request: blocks in the order the API insists on, and where its cache may cut.

use serde_json::{Map, Value, json};

use super::super::settings::{Effort, ProviderSettings};
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

/// What the API lets be cached: so many beginnings of a request.
const CUTS_MAX: usize = 4;
/// Below this the API takes no budget for thinking.
const BUDGET_MIN: u32 = 1024;

/// How a request is to be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Writing {
    pub(super) thinking: Thinking,
    /// Whether the model can be told how much to think.
    pub(super) told: bool,
}

pub(super) fn body(request: &ModelRequest, settings: &ProviderSettings, writing: Writing) -> Value {
    let mut body = counted(request, settings, writing);
    let max_tokens = max_tokens(request, settings);
    body.insert("stream".to_owned(), json!(true));
    body.insert("max_tokens".to_owned(), json!(max_tokens));
    // Whether it thinks is decided above.
    for (name, value) in settings.extra.iter().filter(|(name, _)| *name != "thinking") {
        body.entry(name.clone()).or_insert_with(|| value.clone());
    }
    Value::Object(body)
}

/// The part of a request that its tokens are counted of.
pub(super) fn counted(
    request: &ModelRequest,
    settings: &ProviderSettings,
    writing: Writing,
) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(settings.model));
    let mut tools: Vec<Value> = request
        .tools
        .iter()
        .map(|tool| json!({"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}))
        .collect();
    let mut messages = messages(request, writing.thinking);
    let mut system: Vec<Value> = Vec::new();
    if !request.system.trim().is_empty() {
        system.push(json!({"type": "text", "text": request.system}));
    }
    cut(&mut tools, &mut system, &mut messages);
    if let Some(effort) = settings.thinking.filter(|_| writing.told) {
        think(&mut body, effort, settings, max_tokens(request, settings));
    } else if let Some(thinking) = settings.extra.get("thinking") {
        body.insert("thinking".to_owned(), thinking.clone());
    }
    // With a budget to think, a round that goes on after calls has to begin with the thinking that led to them.
    if body.get("thinking").is_some_and(|thinking| thinking["type"] == "enabled") && lacks_thinking(&messages)
    {
        body.remove("thinking");
    }
    if !system.is_empty() {
        body.insert("system".to_owned(), Value::Array(system));
    }
    if !tools.is_empty() {
        body.insert("tools".to_owned(), Value::Array(tools));
    }
    body.insert("messages".to_owned(), Value::Array(messages));
    body
}

fn max_tokens(request: &ModelRequest, settings: &ProviderSettings) -> u32 {
    if request.max_tokens == 0 { settings.max_tokens } else { request.max_tokens }
}

/// Marks what is to be cached: tools, which come first, the system text after them, and the conversation up to
/// the last two messages of the user's, so that each round finds what the one before it has left.
fn cut(tools: &mut [Value], system: &mut [Value], messages: &mut [Value]) {
    let mut left = CUTS_MAX;
    for last in [tools.last_mut(), system.last_mut()].into_iter().flatten() {
        last["cache_control"] = json!({"type": "ephemeral"});
        left -= 1;
    }
    let by_user = messages.iter_mut().rev().filter(|message| message["role"] == "user");
    let last = by_user.filter_map(|message| message["content"].as_array_mut()?.last_mut());
    for block in last.take(left.min(2)) {
        block["cache_control"] = json!({"type": "ephemeral"});
    }
}

/// Newer models decide themselves and take an effort; older ones take a budget, which is part of `max_tokens`.
fn think(body: &mut Map<String, Value>, effort: Effort, settings: &ProviderSettings, max_tokens: u32) {
    let budget = match effort {
        Effort::Off => {
            body.insert("thinking".to_owned(), json!({"type": "disabled"}));
            return;
        }
        Effort::Low => max_tokens / 4,
        Effort::Medium => max_tokens / 2,
        Effort::High => max_tokens / 4 * 3,
    };
    if takes_effort(&settings.model) {
        body.insert("thinking".to_owned(), json!({"type": "adaptive"}));
        body.insert("output_config".to_owned(), json!({"effort": effort.name()}));
    } else if max_tokens > BUDGET_MIN {
        let budget = budget.max(BUDGET_MIN);
        body.insert("thinking".to_owned(), json!({"type": "enabled", "budget_tokens": budget}));
    }
}

/// Models from 4.6 on; one whose name says nothing counts as new.
fn takes_effort(model: &str) -> bool {
    let Some(named) = model.strip_prefix("claude-") else { return true };
    // A date is no version.
    let mut numbers =
        named.split('-').filter(|part| part.len() <= 2).filter_map(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(u32::MAX), numbers.next().unwrap_or(0));
    version >= (4, 6)
}

/// The last message of the model is one of calls, to be gone on with, and does not begin with thinking.
fn lacks_thinking(messages: &[Value]) -> bool {
    let last = messages.iter().rev().find(|message| message["role"] == "assistant");
    let has = |message: &Value, at: usize, kind: &str| message["content"][at]["type"] == kind;
    let calls = |message: &Value| {
        let content = message["content"].as_array();
        content.is_some_and(|content| content.iter().any(|block| block["type"] == "tool_use"))
    };
    let answered = messages.last().is_some_and(|message| has(message, 0, "tool_result"));
    answered
        && last.is_some_and(|it| calls(it) && !has(it, 0, "thinking") && !has(it, 0, "redacted_thinking"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_name_says_how_it_is_told_to_think() {
        let cases = [
            ("claude-3-5-haiku-20241022", false),
            ("claude-opus-4-20250514", false),
            ("claude-opus-4-5-20251101", false),
            ("claude-haiku-4-5", false),
            ("claude-sonnet-4-6", true),
            ("claude-opus-4-8", true),
            ("claude-sonnet-5", true),
            ("claude-sonnet-5-5", true),
            ("claude-next", true),
            ("another", true),
        ];
        for (model, expected) in cases {
            assert_eq!(takes_effort(model), expected, "{model}");
        }
    }
}
