//! Where a flow names who does something, and where a call goes: no text that comes in becomes part of it.

use nexus_tests::world::text;
use serde_json::{Value, json};

use super::desk::{Desk, same_files};

/// A step with what cannot be filled in, and how that is told.
fn named() -> Vec<(Value, &'static str)> {
    let place = "{{ input.text }}";
    vec![
        (json!({"do": {"ask": {"aspect": place, "text": "x"}}}), "do.ask.aspect"),
        (json!({"do": {"dispatch": {"hand": format!("runner/{place}"), "input": {}}}}), "do.dispatch.hand"),
        (json!({"do": {"flow": {"id": place}}}), "do.flow.id"),
        (json!({"do": {"write": {"registry": place, "values": {}}}}), "do.write.registry"),
        (json!({"do": {"approve": {"text": "x", "by": place}}}), "do.approve.by"),
        (json!({"do": {"wait": {"seconds": place}}}), "do.wait.seconds"),
        (json!({"do": {"wait": {"event": {"kinds": ["message"], "by": place}}}}), "do.wait.event.by"),
        (json!({"do": {"wait": {"event": {"kinds": ["message"], "thread": place}}}}), "do.wait.event.thread"),
        (json!({"do": {"wait": {"seconds": 1}}, "on_error": {"goto": place}}), "on_error.goto"),
        (json!({"do": {"wait": {"seconds": 1}}, "needs": [place]}), "needs"),
        (json!({"do": {"wait": {"seconds": 1}}, "timeout_s": place}), "timeout_s"),
    ]
}

#[test]
fn who_does_something_is_written_down_and_not_filled_in() {
    let desk = Desk::new("");
    for (mut step, what) in named() {
        step["id"] = json!("a");
        let file = desk.file("named.yaml", &json!({"id": "named", "steps": [step]}).to_string());
        let out = desk.world.nexctl(&["flow", "put", &file]);
        assert_eq!(out.status.code(), Some(1), "{what}: {}", text(&out));
        let whole = desk.world.http(
            "PUT",
            "/api/v1/flows/named",
            "",
            &json!({"id": "named", "steps": [step]}).to_string(),
        );
        assert!(whole.starts_with("HTTP/1.1 422 "), "{what}: {whole}");
    }
    assert_eq!(desk.world.nexctl(&["flow", "show", "named"]).status.code(), Some(1), "nothing was kept");
    // Names of capabilities and of kinds are any texts, so these stay the texts they are.
    let step =
        json!({"id": "a", "do": {"dispatch": {"capability": {"needs": ["{{ input.text }}"]}, "input": {}}}});
    desk.put(&json!({"id": "able", "steps": [step]}).to_string());
    let started = desk.world.nexctl_json(&["flow", "run", "able", r#"{"text": "script"}"#]);
    let run = desk.ended(started["run"].as_str().expect("an id"));
    let message = run["info"]["error"]["message"].as_str().expect("it failed");
    assert!(message.contains("{{ input.text }}"), "{message}");
}

/// Behind the name of a server, and in the place of a scheme, a host, a path and a header's name.
#[test]
fn a_text_in_an_address_leads_to_no_other_server() {
    let desk = Desk::new("");
    let files = desk.files();
    let at = &desk.service.address;
    let step = |id: &str, input: Value| json!({"id": id, "on_error": "continue", "do": {"dispatch": {"hand": "runner/webhook", "input": input}}});
    let place = "{{ input.text }}";
    let steps = [
        step("behind", json!({"url": format!("http://{at}{place}")})),
        step("before", json!({"url": format!("{place}{at}/hook")})),
        step("scheme", json!({"url": format!("{place}://{at}/hook")})),
        step("method", json!({"url": format!("http://{at}/hook"), "method": place})),
    ];
    desk.put(&json!({"id": "address", "steps": steps, "max_parallel": 1}).to_string());
    // What is behind the name of the server, where that is one still, is asked for there and nowhere else.
    let texts = [
        ("/hook", Some("POST /hook HTTP/1.1")),
        ("@169.254.169.254/", None),
        ("@127.0.0.1:1/", None),
        (".evil.invalid/", None),
        ("1/", None),
        (":x@evil.invalid/", None),
        ("\\@evil.invalid/", Some("POST /@evil.invalid/ HTTP/1.1")),
        ("/hook@evil.invalid/../../x", Some("POST /x HTTP/1.1")),
        (
            "/hook?\r\nx-evil: 1\r\n\r\nGET /evil HTTP/1.1",
            Some("POST /hook?x-evil:%201GET%20/evil%20HTTP/1.1 HTTP/1.1"),
        ),
        ("file:///etc/passwd?", None),
        ("http://evil.invalid\\", None),
        ("http://evil.invalid#", None),
        ("http://evil.invalid/?", None),
        ("gopher", None),
        ("javascript", None),
        ("GET /evil HTTP/1.1\r\n", None),
        ("CONNECT", None),
    ];
    for (text, line) in texts {
        let started = desk.world.nexctl_json(&["flow", "run", "address", &json!({"text": text}).to_string()]);
        let run = desk.ended(started["run"].as_str().expect("an id"));
        let steps = run["info"]["steps"].as_array().expect("steps").iter();
        let told: Vec<(&str, &str)> = steps
            .map(|step| {
                (step["id"].as_str().expect("an id"), step["error"]["code"].as_str().unwrap_or("none"))
            })
            .collect();
        let behind = if line.is_some() { "none" } else { "invalid_input" };
        let expected = [
            ("behind", behind),
            ("before", "invalid_input"),
            ("scheme", "invalid_input"),
            ("method", "invalid"),
        ];
        assert_eq!(told, expected, "{text:?}: {run:#}");
        let asked = desk.service.taken().into_iter().map(|request| {
            assert_eq!(request.headers.get("host"), Some(at), "{text:?}");
            assert!(!request.headers.contains_key("x-evil"), "{text:?}");
            request.line
        });
        assert_eq!(asked.collect::<Vec<_>>(), line.into_iter().collect::<Vec<_>>(), "{text:?}");
    }
    same_files(&files, &desk.files());
}
