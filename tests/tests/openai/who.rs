//! Who may, and what is refused in which words.

use super::look::*;

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

fn operator(world: &World, name: &str, role: &str) -> String {
    let data = world.data();
    let data = data.to_string_lossy();
    let out = world.run("nexus", &["operator", "add", name, "--role", role, "--data", &data]);
    let text = String::from_utf8(out.stdout).expect("text");
    let found = text.split_whitespace().find(|word| word.starts_with("nxo_"));
    found.unwrap_or_else(|| panic!("{text}")).to_owned()
}

#[test]
fn every_role_may_here_what_it_may_on_a_link() {
    let world = World::new();
    let _agent = world.agent(&wren(&world));
    let (vic, ana) = (operator(&world, "vic", "viewer"), operator(&world, "ana", "operator"));
    let question = json!({"model": "wren", "messages": [user("first question")]}).to_string();
    let response = json!({"model": "wren", "input": "first question"}).to_string();
    let routes = [
        ("GET", "/v1/models", "", [401, 200, 200]),
        ("GET", "/v1/models/wren", "", [401, 200, 200]),
        ("POST", "/v1/chat/completions", question.as_str(), [401, 403, 200]),
        ("POST", "/v1/responses", response.as_str(), [401, 403, 200]),
        ("POST", "/v1/embeddings", "{}", [401, 501, 501]),
        ("GET", "/v1/files", "", [401, 404, 404]),
    ];
    for (method, path, body, expected) in routes {
        let found = [String::new(), bearer(&vic), bearer(&ana)]
            .map(|headers| Answer::of(&world.http_with(&headers, method, path, body)));
        assert_eq!(found.each_ref().map(|it| it.status), expected, "{method} {path}");
        for answer in found.iter().filter(|it| it.status >= 400) {
            let error = answer.json()["error"].clone();
            let mut fields: Vec<&str> =
                error.as_object().expect("an object").keys().map(String::as_str).collect();
            fields.sort_unstable();
            assert_eq!(fields, ["code", "message", "param", "type"], "{method} {path}: {}", answer.body);
        }
    }
    // Whose question it is comes from the credential.
    let threads = world.nexctl_json(&["get", "threads"]);
    let participants: Vec<String> = threads["threads"]
        .as_array()
        .expect("threads")
        .iter()
        .flat_map(|thread| thread["participants"].as_array().cloned().unwrap_or_default())
        .filter_map(|party| party.as_str().map(str::to_owned))
        .collect();
    assert!(participants.contains(&"operator/ana".to_owned()));
    assert!(
        !participants.contains(&"operator/vic".to_owned())
            && !participants.contains(&"operator/admin".to_owned())
    );
    let wrong = Answer::of(&world.http_with(&bearer("nxo_wrong"), "GET", "/v1/models", ""));
    assert_eq!((wrong.status, &wrong.json()["error"]["code"]), (401, &json!("invalid_api_key")));
    let page = "Origin: https://evil.example\r\n";
    let page = Answer::of(&world.http_with(&format!("{}{page}", bearer(&ana)), "GET", "/v1/models", ""));
    assert_eq!((page.status, &page.json()["error"]["type"]), (403, &json!("permission_error")));
}

#[test]
fn what_cannot_be_done_is_refused_by_its_name() {
    let world = World::new();
    let _agent = world.agent(&wren(&world));
    let with = |more: Value| {
        let mut body = json!({"model": "wren", "messages": [user("first question")]});
        for (name, value) in more.as_object().expect("an object") {
            body[name] = value.clone();
        }
        chat(&world, &body)
    };
    let image = json!([{"type": "image_url", "image_url": {"url": "data:"}}]);
    let cases = [
        (json!({"model": "nobody"}), 404, "model", "model_not_found"),
        (json!({"model": 7}), 400, "model", "invalid_value"),
        (json!({"messages": []}), 400, "messages", "invalid_value"),
        (json!({"messages": [user("a"), assistant("b")]}), 400, "messages", "invalid_value"),
        (
            json!({"messages": [user("a"), {"role": "judge", "content": "b"}]}),
            400,
            "messages[1].role",
            "invalid_value",
        ),
        (json!({"messages": [user("")]}), 400, "messages[0].content", "invalid_value"),
        (
            json!({"messages": [{"role": "user", "content": image}]}),
            400,
            "messages[0].content[0].type",
            "unsupported_parameter",
        ),
        (json!({"n": 2}), 400, "n", "unsupported_parameter"),
        (json!({"logprobs": true}), 400, "logprobs", "unsupported_parameter"),
        (json!({"stop": "x"}), 400, "stop", "unsupported_parameter"),
        (
            json!({"response_format": {"type": "json_object"}}),
            400,
            "response_format",
            "unsupported_parameter",
        ),
        (json!({"tool_choice": "required"}), 400, "tool_choice", "unsupported_parameter"),
        (json!({"tools": [{"type": "custom"}]}), 400, "tools[0].type", "unsupported_parameter"),
        (json!({"metadata": {"thread": "here"}}), 400, "metadata.thread", "invalid_value"),
        (json!({"stream": "yes"}), 400, "stream", "invalid_value"),
        (json!({"best_of": 2}), 400, "best_of", "unknown_parameter"),
    ];
    for (more, status, param, code) in cases {
        let answer = with(more.clone());
        let error = answer.json()["error"].clone();
        assert_eq!(
            (answer.status, &error["param"], &error["code"]),
            (status, &json!(param), &json!(code)),
            "{more}"
        );
    }
    // What only says how a model writes is taken, and nothing that is so anyway is refused.
    let harmless = json!({"temperature": 0, "max_tokens": 5, "n": 1, "logprobs": false, "user": "u", "seed": 1,
        "response_format": {"type": "text"}, "stop": null, "tool_choice": "none", "metadata": {"a": "b"}});
    assert_eq!(with(harmless).status, 200);
    let broken = Answer::of(&world.http("POST", "/v1/chat/completions", "", "{"));
    assert_eq!((broken.status, &broken.json()["error"]["code"]), (400, &json!("invalid_json")));
    let large = "x".repeat(3 * 1024 * 1024);
    let large = chat(&world, &json!({"model": "wren", "messages": [user(&large)]}));
    assert_eq!((large.status, &large.json()["error"]["code"]), (413, &json!("too_large")));
    let reused = |text: &str| {
        let body = json!({"model": "wren", "messages": [user(text)]});
        ask(&world, "/v1/chat/completions", "Idempotency-Key: k\r\n", &body)
    };
    assert_eq!(reused("first question").status, 200);
    let other = reused("second question");
    assert_eq!((other.status, &other.json()["error"]["code"]), (409, &json!("id_reused")), "{}", other.body);
}
