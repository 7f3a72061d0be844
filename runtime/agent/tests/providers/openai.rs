//! What differs among servers that speak OpenAI's protocol: fields that are missing, doubled, or elsewhere.

use nexus_agent::conversation::{Block, Message, ModelReply, Role, StopReason, StreamEvent, Usage};
use nexus_agent::provider::{Effort, OpenaiQuirks};
use serde_json::json;

use super::api::{Api, ONCE, conversation, request, run, user};
use super::stub::{Answer, Stub};

const API: Api = Api::Openai;

fn text(text: &str) -> Block {
    Block::Text { text: text.to_owned() }
}

fn thinking(text: &str) -> Block {
    Block::Thinking { text: text.to_owned(), signature: None }
}

fn history() -> Vec<Message> {
    let call =
        Block::ToolUse { id: "call_a".to_owned(), name: "list_team".to_owned(), input: json!({"all": true}) };
    let failed = Block::ToolResult {
        tool_use_id: "call_a".to_owned(),
        content: "no broker".to_owned(),
        is_error: true,
    };
    vec![
        user("before"),
        Message { role: Role::Assistant, content: vec![thinking("old"), text("then")] },
        user("who is here?"),
        Message { role: Role::Assistant, content: vec![thinking("Let me see."), call] },
        Message { role: Role::User, content: vec![text("hurry"), failed] },
    ]
}

#[tokio::test]
async fn the_request_is_what_the_protocol_asks_for() {
    let stub = Stub::start(vec![API.stream("text", 64), API.stream("text", 64)]).await;
    let mut settings = API.settings(&stub.url);
    settings.extra.insert("temperature".to_owned(), json!(0.2));
    run(settings.clone(), conversation(history()), ONCE).await.1.expect("a reply");
    let asked = stub.asked().remove(0);
    assert_eq!(asked.path, "/v1/chat/completions");
    assert_eq!(
        asked.body,
        json!({
            "model": "asked-for",
            "stream": true,
            "stream_options": {"include_usage": true},
            "max_tokens": 300,
            "temperature": 0.2,
            "tools": [{"type": "function", "function": {
                "name": "list_team", "description": "Who is here.",
                "parameters": {"type": "object", "properties": {}},
            }}],
            "messages": [
                {"role": "system", "content": "You are forge."},
                {"role": "user", "content": "before"},
                {"role": "assistant", "content": "then"},
                {"role": "user", "content": "who is here?"},
                {"role": "assistant", "content": null, "tool_calls": [{
                    "id": "call_a", "type": "function",
                    "function": {"name": "list_team", "arguments": "{\"all\":true}"},
                }]},
                {"role": "tool", "tool_call_id": "call_a", "content": "error: no broker"},
                {"role": "user", "content": "hurry"},
            ],
        })
    );

    settings.quirks = OpenaiQuirks {
        max_completion_tokens: Some(true),
        stream_usage: Some(false),
        send_reasoning: Some(true),
    };
    let mut history = history();
    history.truncate(4);
    run(settings, conversation(history), ONCE).await.1.expect("a reply");
    let body = stub.asked().remove(1).body;
    assert_eq!((&body["max_completion_tokens"], body.get("max_tokens")), (&json!(300), None));
    assert_eq!(body.get("stream_options"), None);
    // Only the running turn's reasoning goes back.
    assert_eq!(body["messages"][2].get("reasoning_content"), None);
    assert_eq!(body["messages"][4]["reasoning_content"], "Let me see.");
}

#[tokio::test]
async fn the_name_of_the_limit_is_learned() {
    let refusal = json!({"error": {
        "message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        "type": "invalid_request_error", "param": "max_tokens", "code": "unsupported_parameter",
    }});
    let stub =
        Stub::start(vec![Answer::json(400, &refusal), API.stream("text", 64), API.stream("text", 64)]).await;
    let provider = super::api::provider(API.settings(&stub.url));
    for _ in 0..2 {
        let (events, _told) = tokio::sync::mpsc::channel(64);
        provider.stream(request(), events).await.expect("a reply");
    }
    let named: Vec<bool> =
        stub.asked().iter().map(|asked| asked.body.get("max_completion_tokens").is_some()).collect();
    assert_eq!(named, [false, true, true]);
}

#[tokio::test]
async fn reasoning_is_streamed_and_counted() {
    let stub = Stub::start(vec![API.stream("reasoning", 64)]).await;
    let (seen, result) = API.round(&stub).await;
    let expected = ModelReply {
        content: vec![thinking("One rule, surely."), text("One.")],
        stop: StopReason::EndTurn,
        // 52 in all, of which 40 were read: what was thought is paid for although it is not in the completion.
        usage: Usage { input_tokens: 30, output_tokens: 12, cache_read_tokens: 10, cache_write_tokens: 0 },
        model: "gpt-5.4-mini".to_owned(),
    };
    assert_eq!(result, Ok(expected.clone()));
    assert_eq!(
        seen,
        [
            StreamEvent::ThinkingDelta("One rule".to_owned()),
            StreamEvent::ThinkingDelta(", surely.".to_owned()),
            StreamEvent::TextDelta("One.".to_owned()),
            StreamEvent::Done(expected),
        ]
    );
}

#[tokio::test]
async fn a_server_that_names_nothing_is_understood() {
    let stub = Stub::start(vec![API.stream("bare", 64)]).await;
    let reply = API.round(&stub).await.1.expect("a reply");
    assert_eq!(
        (reply.stop, reply.usage, reply.model.as_str()),
        (StopReason::ToolUse, Usage::default(), "asked-for")
    );
    let [
        said,
        Block::ToolUse { id: first, name, input },
        Block::ToolUse { id: second, name: other, input: path },
    ] = reply.content.as_slice()
    else {
        panic!("{:?}", reply.content)
    };
    assert_eq!((said, name.as_str(), input), (&text("Two calls."), "list_team", &json!({})));
    assert_eq!((other.as_str(), path), ("read_file", &json!({"path": "docs/a.md"})));
    assert!(first.starts_with("call_") && second.starts_with("call_") && first != second);
}

#[tokio::test]
async fn calls_under_one_index_are_told_apart_by_their_ids() {
    let stub = Stub::start(vec![API.stream("same-index", 64)]).await;
    let reply = API.round(&stub).await.1.expect("a reply");
    let call = |id: &str, path: &str| Block::ToolUse {
        id: id.to_owned(),
        name: "read_file".to_owned(),
        input: json!({"path": path}),
    };
    assert_eq!(reply.content, [call("call_a", "a"), call("call_b", "b")]);
    assert_eq!(reply.stop, StopReason::ToolUse);
}

#[tokio::test]
async fn a_reason_without_done_is_an_end() {
    let stub = Stub::start(vec![API.stream("no-done", 64)]).await;
    let reply = API.round(&stub).await.1.expect("a reply");
    assert_eq!(reply.content, [text("Whole.")]);
    assert_eq!(reply.usage, Usage { input_tokens: 5, output_tokens: 1, ..Usage::default() });
}

#[tokio::test]
async fn content_in_parts_is_put_together() {
    let stub = Stub::start(vec![API.stream("parts", 64)]).await;
    let reply = API.round(&stub).await.1.expect("a reply");
    assert_eq!((reply.content, reply.model.as_str()), (vec![thinking("Hm."), text("One.")], "magistral"));
}

#[tokio::test]
async fn how_much_to_think_is_said_until_it_is_refused() {
    let refusal = json!({"error": {
        "message": "Unsupported parameter: 'reasoning_effort' is not supported with this model.",
        "type": "invalid_request_error", "param": "reasoning_effort", "code": "unsupported_parameter",
    }});
    let stub = Stub::start(vec![
        API.stream("text", 64),
        Answer::json(400, &refusal),
        API.stream("text", 64),
        API.stream("text", 64),
    ])
    .await;
    let mut settings = API.settings(&stub.url);
    settings.thinking = Some(Effort::Off);
    run(settings.clone(), request(), ONCE).await.1.expect("a reply");
    settings.thinking = Some(Effort::High);
    let provider = super::api::provider(settings);
    for _ in 0..2 {
        let (events, _told) = tokio::sync::mpsc::channel(64);
        provider.stream(request(), events).await.expect("a reply");
    }
    let told: Vec<serde_json::Value> =
        stub.asked().iter().map(|asked| asked.body["reasoning_effort"].clone()).collect();
    assert_eq!(told, [json!("none"), json!("high"), json!(null), json!(null)]);
}

/// Each says the same in its own shape: what is thought, called, counted.
#[tokio::test]
async fn each_servers_shape_is_understood() {
    let read = |id: &str| Block::ToolUse {
        id: id.to_owned(),
        name: "read_file".to_owned(),
        input: json!({"path": "docs/naïve.md"}),
    };
    let team = Block::ToolUse { id: "tk85n1k4m".to_owned(), name: "list_team".to_owned(), input: json!({}) };
    let cases = [
        ("alibaba", "qwen3-max", 0, StopReason::ToolUse, vec![read("call_a")]),
        ("azure", "gpt-5-nano-2025-08-07", 1, StopReason::EndTurn, vec![text("One rule.")]),
        (
            "deepseek",
            "deepseek-reasoner",
            50,
            StopReason::ToolUse,
            vec![thinking("I read it."), read("call_00_a")],
        ),
        ("groq", "llama-3.3-70b-versatile", 0, StopReason::ToolUse, vec![team]),
        ("mistral", "mistral-large-latest", 50, StopReason::ToolUse, vec![read("call_a")]),
        // What it thought is not in the completion's count, and is in the total.
        ("xai", "grok-3-mini", 50, StopReason::ToolUse, vec![thinking("I read it."), read("call_a")]),
    ];
    for (name, model, cached, stop, content) in cases {
        let usage = Usage {
            input_tokens: 61 - cached,
            output_tokens: 33,
            cache_read_tokens: cached,
            cache_write_tokens: 0,
        };
        let expected = ModelReply { content, stop, usage, model: model.to_owned() };
        for size in [1, 7, 100_000] {
            let stub = Stub::start(vec![API.stream(name, size)]).await;
            assert_eq!(API.round(&stub).await.1, Ok(expected.clone()), "{name} in chunks of {size}");
        }
    }
}

#[tokio::test]
async fn what_a_proxy_puts_between_is_passed_over() {
    let lines = API.lines("text");
    let framed: String =
        lines.iter().map(|line| format!(": keep-alive\n\nevent: x\nretry: 5\ndata:{line}\r\n\r\n")).collect();
    let stub = Stub::start(vec![Answer::text(200, "text/event-stream; charset=utf-8", &framed)]).await;
    let (seen, result) = API.round(&stub).await;
    let reply = result.expect("a reply");
    assert_eq!(seen.len(), 6);
    assert_eq!(seen.last(), Some(&StreamEvent::Done(reply)));
}
