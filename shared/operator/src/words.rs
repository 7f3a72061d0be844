//! One short line for what a tool was given and what it gave back.

use nexus_wire::chat::{ReplyMeta, Usage};
use serde_json::{Map, Value};

use crate::shown::shortened;

const WIDTH: usize = 88;
/// Arguments that say most, the best first.
const TELLING: [&str; 9] = ["path", "pattern", "query", "hand", "to", "topic", "thread", "name", "url"];

/// `read_file broker/src/hub/route.rs`
pub fn call(name: &str, input: &Value) -> String {
    let argument = match input {
        Value::Object(fields) => argument(fields),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => plain(input),
    };
    shortened(&format!("{name} {argument}"), WIDTH)
}

fn argument(fields: &Map<String, Value>) -> String {
    let told = |name: &str| fields.get(name).filter(|value| !value.is_null()).map(plain);
    let mut telling = TELLING.iter().filter_map(|name| told(name)).filter(|text| !text.is_empty());
    match telling.next() {
        Some(first) => telling.next().map_or_else(|| first.clone(), |second| format!("{first} {second}")),
        None if fields.is_empty() => String::new(),
        None => Value::Object(fields.clone()).to_string(),
    }
}

/// `42 lines`, `3 matches`, or how it begins.
pub fn result(preview: &str) -> String {
    let whole: Option<Value> = serde_json::from_str(preview).ok();
    let told = match &whole {
        Some(Value::Object(fields)) => told_by(fields),
        Some(Value::Array(items)) => Some(counted(items.len(), "items")),
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Null | Value::Bool(_) | Value::Number(_)) | None => None,
    };
    let told = told.unwrap_or_else(|| without_syntax(preview));
    if told.trim().is_empty() { "nothing".into() } else { shortened(&told, WIDTH) }
}

fn told_by(fields: &Map<String, Value>) -> Option<String> {
    if let Some(Value::String(state)) = fields.get("state") {
        let more = ["output", "error"].iter().filter_map(|name| fields.get(*name)).map(plain).next();
        return Some(more.map_or_else(|| state.clone(), |more| format!("{state} {}", without_syntax(&more))));
    }
    if let Some(Value::String(text)) = fields.get("text") {
        return Some(counted(text.lines().count(), "lines"));
    }
    fields.iter().find_map(|(name, value)| value.as_array().map(|items| counted(items.len(), name)))
}

fn counted(count: usize, of: &str) -> String {
    match (count, of.strip_suffix("es"), of.strip_suffix('s')) {
        (1, Some(stem), _) if stem.ends_with("ch") || stem.ends_with("sh") => format!("1 {stem}"),
        (1, _, Some(one)) => format!("1 {one}"),
        _ => format!("{count} {of}"),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().map(plain).collect::<Vec<_>>().join(", ")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    }
}

/// The beginning of a JSON text that was cut off, made readable; other text as it is.
fn without_syntax(text: &str) -> String {
    if !text.starts_with(['{', '[']) {
        return text.to_owned();
    }
    let text = text.replace("\\n", " ").replace("\":", "\": ");
    text.chars().filter(|c| !matches!(c, '"' | '{' | '}' | '[' | ']')).collect::<String>().replace(',', ", ")
}

/// `forge · scripted · 3 tool calls · 120 in / 340 out tokens · 1.2 s`
///
/// `calls` is how many were seen, and whether there may have been more.
pub fn cost(aspect: &str, meta: Option<&ReplyMeta>, calls: (usize, bool), took: Option<String>) -> String {
    let mut parts = vec![aspect.to_owned()];
    if let Some(meta) = meta {
        parts.push(if meta.model.is_empty() || meta.model == meta.provider {
            meta.provider.clone()
        } else {
            format!("{}/{}", meta.provider, meta.model)
        });
    }
    parts.push(match calls {
        (seen, false) => counted(seen, "tool calls"),
        (seen, true) => format!("{seen} or more tool calls"),
    });
    if let Some(meta) = meta {
        parts.push(tokens(&meta.usage));
        match meta.cost_microusd {
            // A script costs nothing, and there is nothing to say about that.
            Some(0) => {}
            // Shown to a hundredth of a cent; done in integers, as money is.
            Some(micro) => parts.push(format!("${}.{:04}", micro / 1_000_000, micro % 1_000_000 / 100)),
            None => parts.push("price not known".into()),
        }
    }
    parts.extend(took);
    parts.join(" · ")
}

fn tokens(usage: &Usage) -> String {
    let cached = usage.cache_read_tokens;
    let input = usage.input_tokens.saturating_add(cached).saturating_add(usage.cache_write_tokens);
    let note = if cached > 0 { format!(" ({cached} cached)") } else { String::new() };
    format!("{input} in{note} / {} out tokens", usage.output_tokens)
}

#[cfg(test)]
mod tests {
    use nexus_wire::TurnId;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_call_shows_what_tells_most() {
        let cases = [
            (json!({"from_line": 3, "path": "broker/src/hub/route.rs"}), "t broker/src/hub/route.rs"),
            (json!({"hand": "wren/verify-claim", "input": {"claim": "x"}}), "t wren/verify-claim"),
            (json!({"query": "routing", "path": "broker"}), "t broker routing"),
            (json!({"to": ["wren", "keel"], "content": "hi"}), "t wren, keel"),
            (json!({"path": null, "pattern": "fn \u{1b}[2Jroute\n"}), "t fn [2Jroute"),
            (json!({"depth": 2}), r#"t {"depth":2}"#),
            (json!({}), "t"),
            (json!(null), "t"),
            (json!([1]), "t [1]"),
        ];
        for (input, line) in cases {
            assert_eq!(call("t", &input), line);
        }
        assert!(call("t", &json!({"path": "x".repeat(1000)})).chars().count() <= WIDTH);
    }

    #[test]
    fn a_result_is_counted_when_it_is_whole_and_begun_when_it_is_not() {
        let cases = [
            (r#"{"path":"a","from_line":1,"text":"one\ntwo\n","total_lines":2}"#, "2 lines"),
            (r#"{"matches":[{"path":"a"}],"truncated":false}"#, "1 match"),
            (r#"{"matches":[],"truncated":false}"#, "0 matches"),
            (r#"{"aspects":[1,2]}"#, "2 aspects"),
            (
                r#"{"dispatch":"x","state":"done","output":{"verdict":"confirmed"}}"#,
                "done verdict: confirmed",
            ),
            (r#"{"path":"a/b.rs","from_line":3,"text":"// A\n"#, "path: a/b.rs, from_line: 3, text: // A"),
            ("plain\ntext", "plain text"),
            ("", "nothing"),
        ];
        for (preview, line) in cases {
            assert_eq!(result(preview), line);
        }
    }

    #[test]
    fn the_cost_line_says_where_an_answer_came_from() {
        let mut meta = ReplyMeta {
            turn: TurnId(Uuid::from_u128(1)),
            provider: "scripted".into(),
            model: "scripted".into(),
            usage: Usage { input_tokens: 120, output_tokens: 340, ..Usage::default() },
            cost_microusd: Some(0),
        };
        assert_eq!(
            cost("forge", Some(&meta), (3, false), Some("1.2 s".into())),
            "forge · scripted · 3 tool calls · 120 in / 340 out tokens · 1.2 s"
        );
        meta.provider = "anthropic".into();
        meta.model = "claude-sonnet-4-5".into();
        meta.usage.cache_read_tokens = 80;
        meta.cost_microusd = Some(12_345_678);
        assert_eq!(
            cost("forge", Some(&meta), (1, false), None),
            "forge · anthropic/claude-sonnet-4-5 · 1 tool call · 200 in (80 cached) / 340 out tokens · $12.3456"
        );
        meta.cost_microusd = None;
        assert!(cost("forge", Some(&meta), (2, true), None).contains(" · 2 or more tool calls · "));
        assert_eq!(cost("forge", None, (0, false), None), "forge · 0 tool calls");
    }
}
