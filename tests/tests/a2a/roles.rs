//! Every operation as everybody, by both bindings: what the bus lets them do they can do here, and nothing else.

use serde_json::{Value, json};

use super::client::*;
use super::rules::aspect_token;

/// An operation by JSON-RPC, and the same by HTTP+JSON.
struct Row {
    method: &'static str,
    params: Value,
    rest: (&'static str, String, Value),
    /// What a stranger, a viewer, an operator, an admin and an aspect are told; "" is that it is done.
    told: [&'static str; 5],
}

fn rows(task: &str, said: &dyn Fn() -> Value) -> Vec<Row> {
    let row =
        |method, params: Value, rest: (&'static str, String, Value), told| Row { method, params, rest, told };
    let at = |rest: &str| format!("/a2a/wren/tasks/{task}{rest}");
    let nothing = || Value::Null;
    // One that may not be told anything: who may is told so, and nobody is sent anything.
    let push = || json!({"taskId": task, "url": "https://127.0.0.1/hook"});
    vec![
        row(
            "SendMessage",
            said(),
            ("POST", "/a2a/wren/message:send".into(), said()),
            ["401", "FORBIDDEN", "", "", "NOT_REGISTERED"],
        ),
        row(
            "SendStreamingMessage",
            said(),
            ("POST", "/a2a/wren/message:stream".into(), said()),
            ["401", "FORBIDDEN", "", "", "NOT_REGISTERED"],
        ),
        row(
            "GetTask",
            json!({"id": task}),
            ("GET", at(""), nothing()),
            ["401", "", "", "", "TASK_NOT_FOUND"],
        ),
        row(
            "ListTasks",
            json!({}),
            ("GET", "/a2a/wren/tasks".into(), nothing()),
            ["401", "", "", "", "FORBIDDEN"],
        ),
        row(
            "SubscribeToTask",
            json!({"id": task}),
            ("GET", at(":subscribe"), nothing()),
            [
                "401",
                "UNSUPPORTED_OPERATION",
                "UNSUPPORTED_OPERATION",
                "UNSUPPORTED_OPERATION",
                "TASK_NOT_FOUND",
            ],
        ),
        row(
            "CancelTask",
            json!({"id": task}),
            ("POST", at(":cancel"), json!({})),
            ["401", "TASK_NOT_CANCELABLE", "TASK_NOT_CANCELABLE", "TASK_NOT_CANCELABLE", "TASK_NOT_FOUND"],
        ),
        row(
            "CreateTaskPushNotificationConfig",
            push(),
            ("POST", at("/pushNotificationConfigs"), push()),
            ["401", "FORBIDDEN", "INVALID_PARAMS", "INVALID_PARAMS", "FORBIDDEN"],
        ),
        row(
            "ListTaskPushNotificationConfigs",
            json!({"taskId": task}),
            ("GET", at("/pushNotificationConfigs"), nothing()),
            ["401", "FORBIDDEN", "", "", "FORBIDDEN"],
        ),
        row(
            "GetTaskPushNotificationConfig",
            json!({"taskId": task, "id": "none"}),
            ("GET", at("/pushNotificationConfigs/none"), nothing()),
            ["401", "FORBIDDEN", "TASK_NOT_FOUND", "TASK_NOT_FOUND", "FORBIDDEN"],
        ),
        row(
            "DeleteTaskPushNotificationConfig",
            json!({"taskId": task, "id": "none"}),
            ("DELETE", at("/pushNotificationConfigs/none"), nothing()),
            ["401", "FORBIDDEN", "", "", "FORBIDDEN"],
        ),
        row(
            "GetExtendedAgentCard",
            json!({}),
            ("GET", "/a2a/wren/extendedAgentCard".into(), nothing()),
            ["401", "", "", "", ""],
        ),
    ]
}

/// Why not; "" is that it was done.
fn refusal((status, answer): &(u16, Value)) -> String {
    if *status == 401 {
        return "401".to_owned();
    }
    // A stream of events is text, with an error among them if there is one.
    let text = answer.to_string();
    let reason = text.split("\"reason\":\"").nth(1).or_else(|| text.split("\\\"reason\\\":\\\"").nth(1));
    let reason =
        reason.map(|rest| rest.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect());
    let is_error = text.contains("\"error\"") || text.contains("\\\"error\\\"");
    reason.filter(|_| is_error || *status >= 400).unwrap_or_default()
}

#[test]
fn everybody_can_do_here_what_they_can_do_on_the_bus() {
    let team = Team::new();
    let done = team.rpc("wren", "SendMessage", json!({"message": message("first", "hello")}));
    let task = done["result"]["task"]["id"].as_str().expect("a task").to_owned();
    let forge = aspect_token(&team.world.dir().join("agents/forge"));
    let callers = [
        ("a stranger", None),
        ("a viewer", Some(team.token_of("vic", "viewer"))),
        ("an operator", Some(team.token_of("bo", "operator"))),
        ("an admin", Some(team.token_of("cy", "admin"))),
        ("an aspect", Some(forge)),
    ];
    let number = std::cell::Cell::new(0);
    let said = || {
        number.set(number.get() + 1);
        json!({"message": message(&format!("m-{}", number.get()), "hello")})
    };
    let mut found = Vec::new();
    for (at, (who, token)) in callers.iter().enumerate() {
        // Under ids of their own: the same message of two senders is two messages all the same.
        for Row { method, params, rest: (verb, path, body), told } in rows(&task, &said) {
            let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
            let by_rpc = team.ask("POST", "/a2a/wren", token.as_deref(), VERSION, &request);
            let body = if body.is_null() { String::new() } else { body.to_string() };
            let by_rest = team.ask(verb, &path, token.as_deref(), VERSION, &body);
            let refusals = [refusal(&by_rpc), refusal(&by_rest)];
            if refusals != [told[at], told[at]] {
                found.push(format!(
                    "{who} {method}: {refusals:?}, not {:?}\n  {by_rpc:?}\n  {by_rest:?}",
                    told[at]
                ));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
