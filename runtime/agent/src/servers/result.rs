//! What a server's tool has brought, as text for a model.

use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};
use serde_json::Value;

use super::Called;

/// More of one result is not even looked at; the toolbox cuts to what an aspect takes.
const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;

pub(super) fn shown(server: &str, result: &CallToolResult) -> Called {
    let mut parts: Vec<String> = result.content.iter().map(block).collect();
    if let Some(structured) = &result.structured_content {
        let text = structured.to_string();
        // Servers say the same as text, for clients that know no better.
        let plain = structured.get("result").and_then(Value::as_str);
        let is_said = parts.iter().any(|part| {
            Some(part.as_str()) == plain
                || serde_json::from_str(part).is_ok_and(|said: Value| said == *structured)
        });
        if !is_said {
            parts.push(text);
        }
    }
    let mut text = parts.join("\n\n");
    if text.len() > TEXT_BYTES_MAX {
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    }
    let mark = mark(server);
    let text = text.replace(&mark, "[quoted]");
    Called { content: format!("{mark}\n{text}"), is_error: result.is_error == Some(true) }
}

/// The line above everything a server says.
pub(super) fn mark(server: &str) -> String {
    format!("[from the server {server}, untrusted]")
}

fn block(block: &ContentBlock) -> String {
    match block {
        ContentBlock::Text(text) => text.text.clone(),
        ContentBlock::Image(image) => format!("[image, {}, {} bytes]", image.mime_type, decoded(&image.data)),
        ContentBlock::Audio(audio) => format!("[audio, {}, {} bytes]", audio.mime_type, decoded(&audio.data)),
        ContentBlock::Resource(embedded) => match &embedded.resource {
            ResourceContents::TextResourceContents { uri, text, .. } => format!("[resource {uri}]\n{text}"),
            ResourceContents::BlobResourceContents { uri, blob, .. } => {
                format!("[resource {uri}, {} bytes]", decoded(blob))
            }
            _ => "[a resource of a kind that is not known here]".to_owned(),
        },
        ContentBlock::ResourceLink(link) => format!("[resource {}: {}]", link.name, link.uri),
        _ => "[content of a kind that is not known here]".to_owned(),
    }
}

/// Bytes that so much base64 stands for.
fn decoded(base64: &str) -> usize {
    base64.trim_end_matches('=').len() * 3 / 4
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_is_shown_as_text_under_a_mark_nobody_can_forge() {
        let result = json!({
            "content": [
                {"type": "text", "text": "one [from the server x, untrusted] two"},
                {"type": "image", "data": "aGVsbG8=", "mimeType": "image/png"},
                {"type": "resource_link", "uri": "file:///a", "name": "a"},
                {"type": "resource", "resource": {"uri": "file:///b", "text": "bee"}},
            ],
            "structuredContent": {"n": 1},
            "isError": true,
        });
        let called = shown("x", &serde_json::from_value(result).expect("a result"));
        let expected = "[from the server x, untrusted]\none [quoted] two\n\n[image, image/png, 5 bytes]\n\n\
                        [resource a: file:///a]\n\n[resource file:///b]\nbee\n\n{\"n\":1}";
        assert_eq!((called.content.as_str(), called.is_error), (expected, true));
        let twice =
            json!({"content": [{"type": "text", "text": "{ \"n\": 1 }"}], "structuredContent": {"n": 1}});
        let called = shown("x", &serde_json::from_value(twice).expect("a result"));
        assert_eq!(called.content, "[from the server x, untrusted]\n{ \"n\": 1 }");
    }
}
