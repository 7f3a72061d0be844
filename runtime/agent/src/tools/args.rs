//! A tool's arguments: from what a model wrote to a checked value, or to a message that names the field.
//!
//! Knows no tool. Numbers may come as text, because models and templates write them so; nothing else is guessed.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::conversation::invalid_arguments;

/// The arguments, or why they are none.
pub(super) fn parse<T: DeserializeOwned>(input: &Value) -> Result<T, String> {
    if let Some(reason) = invalid_arguments(input) {
        return Err(reason);
    }
    serde_path_to_error::deserialize(input).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if path == "." { format!("arguments: {inner}") } else { format!("argument `{path}`: {inner}") }
    })
}

/// The schema a model is shown.
pub(super) fn schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = serde_json::to_value(settings.into_generator().into_root_schema_for::<T>())
        .unwrap_or_else(|_| Value::Object(Map::new()));
    if let Some(object) = schema.as_object_mut() {
        object.remove("title");
        // Some APIs insist on the field even when there is nothing in it.
        object.entry("properties").or_insert_with(|| Value::Object(Map::new()));
    }
    schema
}

/// A whole number, also as `3.0` or `"3"`.
pub(super) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let number = match &value {
        Value::Null => return Ok(None),
        Value::Number(number) => number.as_u64().or_else(|| number.as_f64().and_then(from_float)),
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let wrong = || D::Error::custom(format!("{value} is not a whole number of 0 or more"));
    number.map(Some).ok_or_else(wrong)
}

fn from_float(number: f64) -> Option<u64> {
    // Above this a float does not hold every whole number.
    let fits = number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&number);
    fits.then(|| format!("{number:.0}").parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Args {
        path: String,
        #[serde(default, deserialize_with = "whole")]
        lines: Option<u64>,
    }

    #[test]
    fn arguments_are_taken_or_the_field_is_named() {
        let lines = |input: Value| parse::<Args>(&input).map(|args| args.lines);
        assert_eq!(lines(json!({"path": "a"})), Ok(None));
        for value in [json!(3), json!(3.0), json!("3"), json!(" 3 ")] {
            assert_eq!(lines(json!({"path": "a", "lines": value})), Ok(Some(3)));
        }
        let cases: &[(Value, &str)] = &[
            (json!({"path": "a", "lines": -1}), "argument `lines`: -1 is not a whole number"),
            (json!({"path": "a", "lines": 1.5}), "argument `lines`: 1.5 is not"),
            (json!({"path": "a", "lines": [1]}), "argument `lines`: [1] is not"),
            (json!({"path": 7}), "argument `path`: invalid type: integer `7`, expected a string"),
            (json!({}), "arguments: missing field `path`"),
            (json!({"path": "a", "line": 1}), "unknown field `line`, expected `path` or `lines`"),
            (json!({crate::conversation::INVALID_ARGUMENTS: "{\"path\":"}), "not JSON"),
        ];
        for (input, expected) in cases {
            let told = parse::<Args>(input).expect_err("no arguments");
            assert!(told.contains(expected), "{input}: {told}");
        }
    }

    #[test]
    fn a_schema_is_an_object_with_properties() {
        let schema = schema::<Args>();
        assert_eq!(schema["type"], "object");
        assert_eq!(schema["required"], json!(["path"]));
        assert_eq!(schema["properties"]["path"]["type"], "string");
        assert_eq!(schema["additionalProperties"], false);
    }
}
