//! How deep the arguments of a call may nest.

use crate::conversation::{Block, INVALID_ARGUMENTS};

/// Deeper arguments could be neither stored nor sent.
const INPUT_DEPTH_MAX: usize = 48;

/// Arguments that nest too deep become arguments that no tool takes.
pub(super) fn within_depth(block: &mut Block) {
    if let Block::ToolUse { input, .. } = block
        && depth(input) > INPUT_DEPTH_MAX
    {
        *input = serde_json::json!({ INVALID_ARGUMENTS: "(nested too deep to be read)" });
    }
}

fn depth(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        serde_json::Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_) => 0,
    }
}
