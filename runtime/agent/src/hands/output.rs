//! A Hand's answer as the output it stands for, judged by the Hand's schema. Pure.

use nexus_schema::{Schema, listed};
use nexus_wire::hands::HandFailure;
use serde_json::Value;

/// Leaves room for what stands around it in a durable frame.
pub(crate) const OUTPUT_BYTES_MAX: usize = 640 * 1024;
/// Leaves room for the frames and records it travels in, which have a bound on nesting.
const OUTPUT_DEPTH_MAX: usize = 48;

#[derive(Debug, PartialEq)]
pub(super) enum Output {
    Good(Value),
    /// Asked once more it may come out right.
    Mendable(String),
    Failed(HandFailure),
}

pub(super) fn read(text: &str, schema: Option<&Schema>) -> Output {
    if text.trim().is_empty() {
        return Output::Mendable("it is empty".to_owned());
    }
    let parsed = serde_json::from_str(unfenced(text)).ok().filter(|value: &Value| !value.is_null());
    let was_json = parsed.is_some();
    let value = parsed.unwrap_or_else(|| Value::String(text.trim().to_owned()));
    let faults = schema.map(|schema| schema.faults(&value)).unwrap_or_default();
    if !faults.is_empty() {
        let not_json = if was_json { "" } else { "it is not JSON; " };
        return Output::Mendable(format!("{not_json}{}", listed(&faults)));
    }
    bounded(value).map_or_else(Output::Failed, Output::Good)
}

/// The value, unless it is more than can be handed in.
pub(crate) fn bounded(value: Value) -> Result<Value, HandFailure> {
    let bytes = value.to_string().len();
    if bytes > OUTPUT_BYTES_MAX {
        let code = "output_too_large".to_owned();
        let message = format!("the output has {bytes} bytes; {OUTPUT_BYTES_MAX} is the most");
        return Err(HandFailure { code, message });
    }
    if nests_deeper(&value, OUTPUT_DEPTH_MAX) {
        let code = "output_too_deep".to_owned();
        let message = format!("the output nests deeper than {OUTPUT_DEPTH_MAX} levels");
        return Err(HandFailure { code, message });
    }
    Ok(value)
}

fn nests_deeper(value: &Value, levels: usize) -> bool {
    let below = |inner: &Value| nests_deeper(inner, levels - 1);
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(below),
        Value::Object(fields) => levels == 0 || fields.values().any(below),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Models like to put JSON into a code fence.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let Some(inner) = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```")) else { return text };
    inner.strip_prefix("json").unwrap_or(inner).trim()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_is_json_where_it_is_and_text_where_it_is_not() {
        let cases = [
            (r#"{"a": 1}"#, json!({"a": 1})),
            ("```json\n[1]\n```", json!([1])),
            ("```\n{}\n```", json!({})),
            (" plain words \n", json!("plain words")),
            ("null", json!("null")),
            ("7", json!(7)),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text, None), Output::Good(expected), "{text}");
        }
        assert!(matches!(read(" \n", None), Output::Mendable(_)));
        let large = "x".repeat(OUTPUT_BYTES_MAX);
        assert!(matches!(read(&large, None), Output::Failed(failure) if failure.code == "output_too_large"));
        let nested = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(matches!(read(&nested(OUTPUT_DEPTH_MAX), None), Output::Good(_)));
        let deep = nested(OUTPUT_DEPTH_MAX + 1);
        assert!(matches!(read(&deep, None), Output::Failed(failure) if failure.code == "output_too_deep"));
    }

    #[test]
    fn an_output_that_does_not_follow_its_schema_can_be_put_right() {
        let schema = json!({
            "type": "object",
            "properties": {"verdict": {"enum": ["yes", "no"]}, "line": {"type": "integer", "minimum": 1}},
            "required": ["verdict"]
        });
        let schema = Schema::compile(&schema).expect("a schema");
        let good = r#"{"verdict": "yes", "line": 3}"#;
        assert_eq!(read(good, Some(&schema)), Output::Good(json!({"verdict": "yes", "line": 3})));
        let cases = [
            ("certainly", "it is not JSON; "),
            ("{}", "\"verdict\" is a required property"),
            (r#"{"verdict": "yes", "line": 0}"#, "at /line: 0 is less than the minimum of 1"),
        ];
        for (text, expected) in cases {
            let Output::Mendable(why) = read(text, Some(&schema)) else { panic!("{text} is not mendable") };
            assert!(why.contains(expected), "{text}: {why}");
        }
    }
}
