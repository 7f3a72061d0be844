//! What a model said, taken apart: its calls, its text, and as much of it as fits into a post.

use super::Call;
use crate::conversation::Block;

/// A post fits into what the broker makes durable. Counted as JSON, where one byte may become six.
pub(super) const POST_BYTES_MAX: usize = 640 * 1024;

/// The calls in a round's content; `first` is the ordinal of the first.
pub(super) fn calls_of(content: &[Block], first: u64) -> impl Iterator<Item = Call> {
    let calls = content.iter().filter_map(|block| match block {
        Block::ToolUse { id, name, input } => Some((id, name, input)),
        Block::Text { .. } | Block::Thinking { .. } | Block::ToolResult { .. } => None,
    });
    calls.zip(first..).map(|((id, name, input), ordinal)| Call {
        id: id.clone(),
        name: name.clone(),
        input: input.clone(),
        ordinal,
        allowed: false,
        free: false,
    })
}

/// Some servers give every call the same id, or none; results could not be told apart then.
pub(super) fn with_distinct_ids(mut content: Vec<Block>, first: u64) -> Vec<Block> {
    let mut seen = std::collections::HashSet::new();
    let mut ordinal = first;
    for block in &mut content {
        if let Block::ToolUse { id, .. } = block {
            if id.is_empty() || !seen.insert(id.clone()) {
                *id = format!("call_{ordinal}_{id}");
                seen.insert(id.clone());
            }
            ordinal += 1;
        }
    }
    // Results are not a model's to say.
    content.retain(|block| !matches!(block, Block::ToolResult { .. }));
    content
}

pub(super) fn text_of(content: &[Block]) -> String {
    texts(content).collect::<Vec<_>>().join("\n\n")
}

pub(super) fn texts(content: &[Block]) -> impl Iterator<Item = &str> {
    let texts = content.iter().filter_map(|block| match block {
        Block::Text { text } => Some(text.trim()),
        Block::Thinking { .. } | Block::ToolUse { .. } | Block::ToolResult { .. } => None,
    });
    texts.filter(|text| !text.is_empty())
}

pub(super) fn shortened(text: &str) -> String {
    let mut room = POST_BYTES_MAX;
    for (at, character) in text.char_indices() {
        match room.checked_sub(bytes_in_json(character)) {
            Some(left) => room = left,
            None => {
                let (kept, cut) = text.split_at(at);
                return format!("{kept}\n\n[{} more bytes stand in the session file.]", cut.len());
            }
        }
    }
    text.to_owned()
}

fn bytes_in_json(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        other => other.len_utf8(),
    }
}
