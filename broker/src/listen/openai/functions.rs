//! Functions of the client's: offered to the aspect in words, and found again in what it answers. Pure.

use nexus_wire::MessageId;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::talk::{Call, call_prefix};

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Functions(pub(super) Vec<Function>);

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) parameters: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    tool_calls: Vec<WantedCall>,
}

#[derive(Deserialize)]
struct WantedCall {
    name: String,
    #[serde(default)]
    arguments: Map<String, Value>,
}

impl Functions {
    pub(super) fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    /// As the aspect is told of them.
    pub(super) fn offer(&self) -> String {
        let mut text = "The program that asks has functions of its own. To have it call some, answer with this JSON and \
             nothing else: {\"tool_calls\": [{\"name\": \"…\", \"arguments\": {…}}]}. What they return is the next \
             message. They are none of your tools. To answer, write as ever. They are:"
            .to_owned();
        for Function { name, description, parameters } in &self.0 {
            text.push('\n');
            let shown = json!({"name": name, "description": description, "parameters": parameters});
            text.push_str(&shown.to_string());
        }
        text
    }

    /// Whether a text that begins so may become a call.
    pub(super) fn may_be_call(&self, text: &str) -> bool {
        !self.are_none() && matches!(text.trim_start().chars().next(), Some('{' | '`'))
    }

    /// What the aspect wants called; empty when this is an answer.
    pub(super) fn called(&self, answer: MessageId, text: &str) -> Vec<Call> {
        if self.are_none() {
            return Vec::new();
        }
        let Ok(Wanted { tool_calls }) = serde_json::from_str(bare(text)) else { return Vec::new() };
        if !tool_calls.iter().all(|call| self.0.iter().any(|function| function.name == call.name)) {
            return Vec::new();
        }
        let prefix = call_prefix(answer);
        let calls = tool_calls.into_iter().enumerate().map(|(n, WantedCall { name, arguments })| Call {
            id: format!("{prefix}{n}"),
            name,
            arguments: Value::Object(arguments).to_string(),
        });
        calls.collect()
    }
}

/// Without the fence models like to put around code.
fn bare(text: &str) -> &str {
    let text = text.trim();
    let Some(fenced) = text.strip_prefix("```").and_then(|text| text.strip_suffix("```")) else {
        return text;
    };
    fenced.strip_prefix("json").unwrap_or(fenced)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn functions() -> Functions {
        let weather = Function { name: "weather".to_owned(), description: None, parameters: None };
        Functions(vec![weather])
    }

    #[test]
    fn a_call_is_json_of_a_function_there_is_and_nothing_else() {
        let answer = MessageId(Uuid::from_u128(7));
        let call = Call {
            id: "call_00000000000000000000000000000007_0".to_owned(),
            name: "weather".to_owned(),
            arguments: r#"{"in":"Oslo"}"#.to_owned(),
        };
        let wanted = r#"{"tool_calls": [{"name": "weather", "arguments": {"in": "Oslo"}}]}"#;
        let fenced = format!("```json\n{wanted}\n```");
        for text in [wanted, &fenced] {
            assert!(functions().may_be_call(text));
            assert_eq!(functions().called(answer, text), std::slice::from_ref(&call));
            assert_eq!(Functions::default().called(answer, text), [], "none are offered");
        }
        for answered in [
            "It rains.",
            "Like so: {\"tool_calls\": []}",
            r#"{"tool_calls": [{"name": "moon", "arguments": {}}]}"#,
            r#"{"tool_calls": [{"name": "weather", "arguments": "Oslo"}]}"#,
            r#"{"tool_calls": [{"name": "weather"}], "and": 1}"#,
            "``",
            "",
        ] {
            assert_eq!(functions().called(answer, answered), [], "{answered}");
        }
    }
}
