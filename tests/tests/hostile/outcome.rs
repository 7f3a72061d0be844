//! What each part of the flow comes to with one text: the text as it is, or a refusal that says why.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::desk::Desk;
use super::texts::{Hostile, Shape};

/// What it gave, or code and message.
type Outcome = Result<Value, (&'static str, String)>;

/// As JSON; of a long one, which is ASCII, the end, and of that the beginning.
pub(crate) fn complaint(text: &str) -> String {
    let said = json!(text).to_string();
    let last = &said[said.len().saturating_sub(2000)..];
    let whole = format!("fails ended with exit code 3: {last}");
    whole[..whole.floor_char_boundary(512)].to_owned()
}

/// Outputs, and why those parts have failed that give none.
pub(crate) fn expected(desk: &Desk, hostile: &Hostile, run: &Value) -> (Value, BTreeMap<String, Value>) {
    let mut output = json!({});
    let mut errors = BTreeMap::new();
    for (part, outcome) in of_broker(hostile, run).into_iter().chain(of_runner(desk, hostile)) {
        match outcome {
            Ok(value) => output[part] = value,
            Err((code, message)) => {
                output[part] = Value::Null;
                errors.insert(part.to_owned(), json!({"code": code, "message": message}));
            }
        }
    }
    // This one has no place in the output, and goes on elsewhere.
    let why = json!({"code": "script_failed", "message": complaint(&hostile.text)});
    errors.insert("fails".to_owned(), why);
    // What it is done for is a list, so what came of it is one, too.
    output["letters"] = json!([]);
    errors.insert("letters".to_owned(), json!({"code": "expression", "message": "`for_each` is no list"}));
    (output, errors)
}

fn of_broker(hostile: &Hostile, run: &Value) -> Vec<(&'static str, Outcome)> {
    let text = hostile.text.as_str();
    let mut parts: Vec<(&'static str, Outcome)> = Vec::new();
    let mut part = |part: &'static str, outcome: Outcome| parts.push((part, outcome));
    part("whole", Ok(json!(text)));
    part("amid", Ok(json!(format!("<{text}>"))));
    part("listed", Ok(json!([text])));
    part("same", Ok(Value::Null));
    part(
        "bare",
        Err((
            "expression",
            "`if`: a condition is true or false, and this is a text; compare it with something".into(),
        )),
    );
    part("each", Ok(json!([text])));
    part("ask", Ok(json!("heard")));
    part("hand", Ok(json!({"said": text})));
    let written = |row: &str| json!({"registry": "notes", "row": row, "changed": true});
    let beginning: String = text.chars().take(48).collect();
    let shown =
        if beginning == text { format!("{text:?}") } else { format!("{:?}", format!("{beginning}…")) };
    part(
        "row",
        match hostile.shape {
            Shape::Plain | Shape::Option => Ok(written(text)),
            Shape::Control | Shape::Nul | Shape::Long => Err((
                "invalid",
                format!(
                    "registry notes: row: {shown} names no row: use 1 to 128 bytes without control characters, and \
                     without spaces around them"
                ),
            )),
        },
    );
    part("value", Ok(written(run["info"]["id"].as_str().expect("an id"))));
    part("sub", Ok(json!(text)));
    let beginning: String = text.chars().take(64).collect();
    part(
        "until",
        Err(("expression", format!("{beginning:?} is no time; one is written like 2026-11-26T08:00:00Z"))),
    );
    part(
        "group",
        match hostile.shape {
            Shape::Long => {
                Err(("invalid", format!("a concurrency group of {} bytes; 256 is the most", text.len() + 3)))
            }
            Shape::Plain | Shape::Control | Shape::Option | Shape::Nul => Ok(json!(text)),
        },
    );
    part("leave", Ok(json!({"approved": true, "by": "operator/admin", "text": null})));
    part("mend", Ok(json!(complaint(text))));
    parts
}

fn of_runner(desk: &Desk, hostile: &Hostile) -> Vec<(&'static str, Outcome)> {
    let text = hostile.text.as_str();
    let mut parts: Vec<(&'static str, Outcome)> = Vec::new();
    let mut part = |part: &'static str, outcome: Outcome| parts.push((part, outcome));
    let ran = |script: &str, output: String| json!({"script": script, "output": output, "truncated": false, "stderr": ""});
    let answered = || Ok(json!({"status": 200, "content_type": "", "truncated": false, "body": "ok"}));
    let refused = |what: &str| Err(("invalid_input", what.to_owned()));
    let nul = || refused("args[0]: it holds a NUL byte, which no argument can");
    let long = || refused(&format!("args[0]: it has {} bytes; at most 8192", text.len()));
    part(
        "script",
        match hostile.shape {
            Shape::Plain | Shape::Control => Ok(ran("show", format!("{text}|"))),
            Shape::Option => refused(&format!(
                "args[0]: {text:?} would be an option; the settings say whether this script takes any (options, or `--` at \
             the end of run)"
            )),
            Shape::Nul => nul(),
            Shape::Long => long(),
        },
    );
    part(
        "dashed",
        match hostile.shape {
            Shape::Plain | Shape::Control | Shape::Option => Ok(ran("dashed", format!("--|{text}|"))),
            Shape::Nul => nul(),
            Shape::Long => long(),
        },
    );
    part("path", refused("args[0]"));
    part("stdin", Ok(ran("stdin", json!({"text": text}).to_string())));
    part("named", Err(("invalid", "the input is not what runner/script takes".into())));
    let long_url = format!(
        "url: it has {} bytes; at most 8192",
        text.len() + desk.service.address.len() + "http:///hook?t=&end=1".len()
    );
    part("query", if hostile.is(Shape::Long) { refused(&long_url) } else { answered() });
    part("url", refused("url"));
    part(
        "header",
        match hostile.shape {
            Shape::Long => refused("headers: \"x-text\" is too long"),
            Shape::Control | Shape::Nul => {
                refused("headers: \"x-text\" holds a character that no header can, such as a line break")
            }
            Shape::Plain | Shape::Option if text == "secret:kept" => {
                refused("headers.x-text: the secret \"kept\" is not for 127.0.0.1")
            }
            Shape::Plain | Shape::Option => answered(),
        },
    );
    part("body", answered());
    part("json", answered());
    parts
}
