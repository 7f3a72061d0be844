//! What both HTTP adapters do with the pieces of an answer: arguments that are no JSON, calls without an id,
//! and what a finished answer counts as.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::conversation::{Block, INVALID_ARGUMENTS, ModelReply, StopReason, Usage};

/// The arguments of a call from the text a model wrote. What is no JSON object becomes an object that no tool
/// accepts and that holds the text, so that the call fails and the model is told why instead of the turn ending.
pub(crate) fn arguments(text: &str) -> Value {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Value::Object(Map::new());
    }
    match serde_json::from_str(trimmed) {
        Ok(Value::Object(object)) => Value::Object(object),
        Ok(Value::Null) => Value::Object(Map::new()),
        // Some models encode the object twice.
        Ok(Value::String(inner)) => match serde_json::from_str(&inner) {
            Ok(Value::Object(object)) => Value::Object(object),
            Ok(_) | Err(_) => invalid(text),
        },
        Ok(Value::Array(_) | Value::Bool(_) | Value::Number(_)) | Err(_) => invalid(text),
    }
}

fn invalid(text: &str) -> Value {
    json!({ INVALID_ARGUMENTS: text })
}

/// An id for a call whose provider gave it none.
pub(crate) fn call_id() -> String {
    format!("call_{}", Uuid::now_v7().simple())
}

/// An answer with calls in it stopped for its calls, whatever the provider named as the reason: each call must
/// get its result. Only a refusal stays one.
pub(crate) fn finished(content: Vec<Block>, stop: StopReason, usage: Usage, model: String) -> ModelReply {
    let calls = content.iter().any(|block| matches!(block, Block::ToolUse { .. }));
    let stop = match stop {
        StopReason::Refusal => StopReason::Refusal,
        StopReason::EndTurn | StopReason::ToolUse | StopReason::MaxTokens if calls => StopReason::ToolUse,
        StopReason::ToolUse => StopReason::EndTurn,
        StopReason::EndTurn | StopReason::MaxTokens => stop,
    };
    ModelReply { content, stop, usage, model }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_an_object_or_say_that_they_are_not() {
        let cases: &[(&str, &str, Value)] = &[
            ("object", r#"{"path":"a"}"#, json!({"path": "a"})),
            ("nothing", "  ", json!({})),
            ("null", "null", json!({})),
            ("encoded twice", r#""{\"path\":\"a\"}""#, json!({"path": "a"})),
            ("cut", r#"{"path":"#, json!({INVALID_ARGUMENTS: r#"{"path":"#})),
            ("a list", "[1]", json!({INVALID_ARGUMENTS: "[1]"})),
            ("a word", r#""a""#, json!({INVALID_ARGUMENTS: r#""a""#})),
            ("two objects", "{}{}", json!({INVALID_ARGUMENTS: "{}{}"})),
        ];
        for (name, text, expected) in cases {
            assert_eq!(arguments(text), *expected, "{name}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(arguments(&deep), json!({INVALID_ARGUMENTS: deep}));
    }
}
