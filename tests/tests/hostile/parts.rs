//! One flow with everything a flow has, and what each part of it comes to with one text.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::desk::Desk;
use super::outcome::{complaint, expected};
use super::service::Request;
use super::texts::{Hostile, Shape};

const PAST: &str = "2000-01-01T00:00:00Z";

pub(crate) const ECHO: &str = "id: echo\nsteps:\n- id: a\n  do: { wait: { until: '2000-01-01T00:00:00Z' } }\noutput: '{{ input.text }}'\n";
pub(crate) const GROUPED: &str = "id: grouped\nconcurrency_group: 'of {{ input.text }}'\nsteps:\n- id: a\n  do: { wait: { until: '2000-01-01T00:00:00Z' } }\noutput: '{{ input.text }}'\n";

/// Every part of a flow is given what `root` names. `before` is what has to have ended.
pub(crate) fn flow(desk: &Desk, id: &str, root: &str, before: &[Value]) -> String {
    let place = format!("{{{{ {root} }}}}");
    let hook = format!("http://{}/hook", desk.service.address);
    let script = |input: Value| json!({"dispatch": {"hand": "runner/script", "input": input}});
    let call = |input: Value| json!({"dispatch": {"hand": "runner/webhook", "input": input}});
    let past = json!({"wait": {"until": PAST}});
    let echo = |text: &str| json!({"flow": {"id": "echo", "input": {"text": text}}});
    let parts = [
        ("same", json!({"if": format!("{root} == input.text"), "do": past})),
        ("bare", json!({"if": root, "do": past})),
        ("each", json!({"for_each": format!("[{root}]"), "do": echo("{{ item }}")})),
        ("letters", json!({"for_each": root, "do": past})),
        ("ask", json!({"do": {"ask": {"aspect": "wren", "text": place}}})),
        ("hand", json!({"do": {"dispatch": {"hand": "wren/echo", "input": {"text": place}}}})),
        ("script", json!({"do": script(json!({"name": "show", "args": [place]}))})),
        ("dashed", json!({"do": script(json!({"name": "dashed", "args": [place]}))})),
        ("path", json!({"do": script(json!({"name": "paths", "args": [place]}))})),
        ("stdin", json!({"do": script(json!({"name": "stdin", "input": {"text": place}}))})),
        ("named", json!({"do": script(json!({"name": place}))})),
        ("query", json!({"do": call(json!({"url": format!("{hook}?t={place}&end=1"), "method": "GET"}))})),
        ("url", json!({"do": call(json!({"url": place}))})),
        ("header", json!({"do": call(json!({"url": hook, "method": "GET", "headers": {"x-text": place}}))})),
        ("body", json!({"do": call(json!({"url": hook, "body": place}))})),
        ("json", json!({"do": call(json!({"url": hook, "method": "PUT", "body": {"text": place}}))})),
        ("row", json!({"do": {"write": {"registry": "notes", "row": place, "values": {"note": "x"}}}})),
        (
            "value",
            json!({"do": {"write": {"registry": "notes", "row": "{{ run.id }}", "values": {"note": place}}}}),
        ),
        ("sub", json!({"do": echo(&place)})),
        ("until", json!({"do": {"wait": {"until": place}}})),
        ("group", json!({"do": {"flow": {"id": "grouped", "input": {"text": place}}}})),
        ("leave", json!({"do": {"approve": {"text": place}}})),
    ];
    let needs: Vec<&Value> = before.iter().map(|step| &step["id"]).collect();
    let mut steps = before.to_vec();
    let mut output = json!({"whole": place, "amid": format!("<{place}>"), "listed": [place]});
    for (id, mut step) in parts {
        (step["id"], step["needs"], step["on_error"]) = (json!(id), json!(needs), json!("continue"));
        output[id] = json!(format!("{{{{ steps.{id}.output }}}}"));
        steps.push(step);
    }
    let fails = script(json!({"name": "fails", "input": place}));
    steps.push(json!({"id": "fails", "needs": needs, "do": fails, "on_error": {"goto": "mend"}}));
    steps.push(json!({"id": "mend", "do": echo("{{ steps.fails.error.message }}")}));
    output["mend"] = json!("{{ steps.mend.output }}");
    json!({"id": id, "steps": steps, "output": output}).to_string()
}

/// What came of a run, one line for each difference from what should have.
pub(crate) fn faults(desk: &Desk, hostile: &Hostile, run: &Value, question: &Value) -> Vec<String> {
    let text = hostile.text.as_str();
    let (output, errors) = expected(desk, hostile, run);
    let mut found = run["output"].clone();
    for part in found.as_object_mut().into_iter().flat_map(|it| it.values_mut()) {
        for restless in ["duration_ms", "version"] {
            part.as_object_mut().and_then(|it| it.remove(restless));
        }
    }
    let row = desk.get(&format!("/registries/notes/rows/{}", run["info"]["id"].as_str().expect("an id")));
    let whole = [
        ("state", run["info"]["state"].clone(), json!("done")),
        ("question", question["asked"].clone(), asked(run, text)),
        ("row", row["values"]["note"].clone(), json!(text)),
    ];
    let whole =
        whole.into_iter().map(|(what, found, expected)| difference(hostile, what, "", &found, &expected));
    let by_part = [
        ("output", found, output),
        ("error", json!(told(run)), json!(errors)),
        ("input", json!(desk.inputs(run)), json!(inputs(desk, hostile, run))),
    ];
    let by_part =
        by_part.iter().flat_map(|(what, found, expected)| differences(hostile, what, found, expected));
    whole.flatten().chain(by_part).collect()
}

/// Part by part.
fn differences(hostile: &Hostile, what: &str, found: &Value, expected: &Value) -> Vec<String> {
    let parts = found.as_object().into_iter().chain(expected.as_object()).flat_map(|it| it.keys());
    let parts: BTreeSet<&String> = parts.collect();
    parts
        .into_iter()
        .filter_map(|part| difference(hostile, what, part, &found[part], &expected[part]))
        .collect()
}

fn difference(hostile: &Hostile, what: &str, part: &str, found: &Value, expected: &Value) -> Option<String> {
    let Hostile { no, text, .. } = hostile;
    let (shown, wanted) = (found.to_string(), expected.to_string());
    (found != expected).then(|| {
        let text: String = text.chars().take(60).collect();
        format!("{no} {text:?}: {what} {part}: {shown:.300}, not {wanted:.300}")
    })
}

/// Why steps have failed; of what goes on with whatever the text was like, the beginning.
fn told(run: &Value) -> BTreeMap<&str, Value> {
    let steps = run["info"]["steps"].as_array().expect("steps").iter();
    let failed = steps.filter(|step| !step["error"].is_null());
    let told = failed.map(|step| {
        let (id, mut error) = (step["id"].as_str().expect("an id"), step["error"].clone());
        if matches!(id, "named" | "path" | "url") {
            let message = error["message"].as_str().expect("a text");
            error["message"] = json!(message.split(": ").next());
        }
        (id, error)
    });
    told.collect()
}

fn asked(run: &Value, text: &str) -> Value {
    let summary = &text[..text.floor_char_boundary(1024)];
    let tool = format!("{}/leave", run["info"]["flow"].as_str().expect("a name"));
    json!({"type": "tool", "tool": tool, "summary": summary, "arguments": text})
}

fn fits(hostile: &Hostile, without: &[Shape]) -> bool {
    !without.iter().any(|shape| hostile.is(*shape))
}

/// What is handed over as it is, whatever comes of it.
fn inputs(desk: &Desk, hostile: &Hostile, run: &Value) -> BTreeMap<String, Value> {
    let text = hostile.text.as_str();
    let hook = format!("http://{}/hook", desk.service.address);
    let mut all = BTreeMap::from([
        ("each", json!({"text": text})),
        ("ask", json!(text)),
        ("hand", json!({"text": text})),
        ("script", json!({"name": "show", "args": [text]})),
        ("dashed", json!({"name": "dashed", "args": [text]})),
        ("path", json!({"name": "paths", "args": [text]})),
        ("stdin", json!({"name": "stdin", "input": {"text": text}})),
        ("query", json!({"url": format!("{hook}?t={text}&end=1"), "method": "GET"})),
        ("url", json!({"url": text})),
        ("header", json!({"url": hook, "method": "GET", "headers": {"x-text": text}})),
        ("body", json!({"url": hook, "body": text})),
        ("json", json!({"url": hook, "method": "PUT", "body": {"text": text}})),
        ("sub", json!({"text": text})),
        ("group", json!({"text": text})),
        ("fails", json!({"name": "fails", "input": text})),
        ("mend", json!({"text": complaint(text)})),
    ]);
    if !fits(hostile, &[Shape::Long]) {
        all.remove("group");
    }
    if run["info"]["flow"] == "said" {
        all.insert("said", json!(format!("say {}", hostile.no)));
    }
    all.into_iter().map(|(step, input)| (step.to_owned(), input)).collect()
}

/// What the server was asked by a run, one line for each difference from what it should have been.
pub(crate) fn calls(
    hostile: &Hostile,
    run: &Value,
    asked: &BTreeMap<(String, String), Request>,
) -> Vec<String> {
    let text = hostile.text.as_str();
    let request = |line: &str, more: &[&str], named: Option<&str>, body: &str| {
        let mut names = [&["accept", "host", "idempotency-key", "user-agent"], more].concat();
        names.sort_unstable();
        json!({"line": format!("{line} HTTP/1.1"), "headers": names, "x-text": named, "body": body})
    };
    let with_body = ["content-length", "content-type"];
    let (before, is_cut) = text.split_once('#').map_or((text, false), |(before, _)| (before, true));
    let end = if is_cut { "" } else { "&end=1" };
    let mut expected = BTreeMap::from([
        ("body", request("POST /hook", &with_body, None, text)),
        ("json", request("PUT /hook", &with_body, None, &json!({"text": text}).to_string())),
    ]);
    if fits(hostile, &[Shape::Long]) {
        let line = format!("GET /hook?t={}{end}", in_query(before));
        expected.insert("query", request(&line, &[], None, ""));
    }
    if fits(hostile, &[Shape::Control, Shape::Nul, Shape::Long]) && text != "secret:kept" {
        expected.insert("header", request("GET /hook", &["x-text"], Some(text), ""));
    }
    let own = asked.iter().filter(|((whose, _), _)| run["info"]["id"] == whose.as_str());
    let found = own.map(|((_, step), Request { line, headers, body })| {
        let names: Vec<&String> = headers.keys().collect();
        let body = String::from_utf8(body.clone()).expect("it was text");
        (step, json!({"line": line, "headers": names, "x-text": headers.get("x-text"), "body": body}))
    });
    let found: BTreeMap<&String, Value> = found.collect();
    differences(hostile, "call", &json!(found), &json!(expected))
}

/// As an address has a text in its query (the URL standard): line breaks and tabs are left out.
fn in_query(text: &str) -> String {
    let kept = text.bytes().filter(|byte| !matches!(byte, b'\t' | b'\n' | b'\r'));
    kept.map(|byte| match byte {
        b'"' | b'<' | b'>' | b'\'' | 0..=0x20 | 0x7f.. => format!("%{byte:02X}"),
        _ => char::from(byte).to_string(),
    })
    .collect()
}
