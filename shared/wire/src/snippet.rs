//! A piece of a longer text around what a search has found, in parts that say which of them was found.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// More of one snippet is cut off.
const SNIPPET_BYTES_MAX: usize = 1024;

/// In the order of the text.
pub type Snippet = Vec<SnippetPart>;

#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SnippetPart {
    pub text: String,
    /// It matches the query.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hit: bool,
}

/// What the index puts before and after a match.
pub const HIT_START: char = '\u{1}';
pub const HIT_END: char = '\u{2}';

/// The parts of a text that was marked by [`HIT_START`] and [`HIT_END`].
pub fn parts(marked: &str) -> Snippet {
    let mut parts: Snippet = Vec::new();
    let (mut hit, mut room) = (false, SNIPPET_BYTES_MAX);
    for c in marked.chars() {
        if c == HIT_START || c == HIT_END {
            hit = c == HIT_START;
            continue;
        }
        let Some(left) = room.checked_sub(c.len_utf8()) else { break };
        room = left;
        match parts.last_mut() {
            Some(last) if last.hit == hit => last.text.push(c),
            Some(_) | None => parts.push(SnippetPart { text: c.to_string(), hit }),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str, hit: bool) -> SnippetPart {
        SnippetPart { text: text.into(), hit }
    }

    #[test]
    fn marks_become_parts_and_length_is_bounded() {
        assert_eq!(parts(""), []);
        assert_eq!(parts("a \u{1}b\u{2} c"), [part("a ", false), part("b", true), part(" c", false)]);
        assert_eq!(parts("\u{1}a\u{2}\u{1}b\u{2}"), [part("ab", true)]);
        assert_eq!(parts("\u{2}a\u{1}"), [part("a", false)], "marks that stand in the text do no harm");
        let long = parts(&"é".repeat(5000));
        assert_eq!(long, [part(&"é".repeat(SNIPPET_BYTES_MAX / 2), false)]);
    }
}
