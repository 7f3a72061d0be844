//! What is Anthropic's own: the request as it is sent, thinking that goes back signed, events yet unknown.

use nexus_agent::conversation::{Block, Message, ModelReply, Role, StopReason, StreamEvent, Usage};
use serde_json::json;

use super::api::{Api, ONCE, conversation, run, user};
use super::stub::{Answer, Stub};

const API: Api = Api::Anthropic;

fn assistant(content: Vec<Block>) -> Message {
    Message { role: Role::Assistant, content }
}

fn signed(text: &str, signature: &str) -> Block {
    Block::Thinking { text: text.to_owned(), signature: Some(signature.to_owned()) }
}

fn text(text: &str) -> Block {
    Block::Text { text: text.to_owned() }
}

/// A turn with everything in it that a session may hold.
fn history() -> Vec<Message> {
    let call =
        |id: &str| Block::ToolUse { id: id.to_owned(), name: "list_team".to_owned(), input: json!({}) };
    let result = |id: &str, content: &str, is_error| Block::ToolResult {
        tool_use_id: id.to_owned(),
        content: content.to_owned(),
        is_error,
    };
    vec![
        user("who is here?"),
        assistant(vec![
            signed("Let me see.", "c2lnbg=="),
            signed("", "redacted_thinking:aGlkZGVu"),
            Block::Thinking { text: "another provider's".to_owned(), signature: None },
            text("  "),
            call("functions.list_team:0"),
            call("toolu_b"),
        ]),
        Message {
            role: Role::User,
            content: vec![text("hurry"), result("functions.list_team:0", "keel", false)],
        },
        Message { role: Role::User, content: vec![result("toolu_b", "", true)] },
    ]
}

#[tokio::test]
async fn the_request_is_what_the_api_asks_for() {
    let stub = Stub::start(vec![API.stream("text", 64)]).await;
    let mut settings = API.settings(&stub.url);
    settings.extra.insert("thinking".to_owned(), json!({"type": "adaptive"}));
    run(settings, conversation(history()), ONCE).await.1.expect("a reply");

    let asked = stub.asked().remove(0);
    assert_eq!(asked.path, "/v1/messages");
    assert_eq!(asked.headers.get("anthropic-version").expect("a version"), "2023-06-01");
    let cut = json!({"type": "ephemeral"});
    assert_eq!(
        asked.body,
        json!({
            "model": "asked-for",
            "stream": true,
            "max_tokens": 300,
            "thinking": {"type": "adaptive"},
            "system": [{"type": "text", "text": "You are forge.", "cache_control": cut}],
            "tools": [{
                "name": "list_team", "description": "Who is here.",
                "input_schema": {"type": "object", "properties": {}},
            }],
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "who is here?"}]},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "Let me see.", "signature": "c2lnbg=="},
                    {"type": "redacted_thinking", "data": "aGlkZGVu"},
                    {"type": "tool_use", "id": "functions_list_team_0", "name": "list_team", "input": {}},
                    {"type": "tool_use", "id": "toolu_b", "name": "list_team", "input": {}},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "functions_list_team_0", "content": "keel"},
                    {"type": "tool_result", "tool_use_id": "toolu_b", "is_error": true},
                    {"type": "text", "text": "hurry", "cache_control": cut},
                ]},
            ],
        })
    );
}

#[tokio::test]
async fn without_a_system_prompt_the_tools_are_what_is_cached() {
    let stub = Stub::start(vec![API.stream("text", 64)]).await;
    let mut request = conversation(vec![user("hello")]);
    request.system.clear();
    request.max_tokens = 0;
    run(API.settings(&stub.url), request, ONCE).await.1.expect("a reply");
    let body = stub.asked().remove(0).body;
    assert_eq!(body.get("system"), None);
    assert_eq!(body["max_tokens"], 500, "the settings' limit where the request has none");
    assert_eq!(body["tools"][0]["cache_control"], json!({"type": "ephemeral"}));
}

#[tokio::test]
async fn thinking_is_streamed_and_kept_with_its_signature() {
    let stub = Stub::start(vec![API.stream("thinking", 11)]).await;
    let (seen, result) = API.round(&stub).await;
    let expected = ModelReply {
        content: vec![
            signed("One rule, surely.", "c2lnbg=="),
            signed("", "redacted_thinking:aGlkZGVu"),
            text("One."),
        ],
        stop: StopReason::EndTurn,
        usage: Usage { input_tokens: 40, output_tokens: 12, ..Usage::default() },
        model: "claude-sonnet-5-5".to_owned(),
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
async fn thinking_that_is_refused_is_left_out() {
    let refusal = json!({"type": "error", "error": {
        "type": "invalid_request_error",
        "message": "messages.1.content.0: the thinking block is bound to a different conversation",
    }});
    let stub = Stub::start(vec![Answer::json(400, &refusal), API.stream("text", 64)]).await;
    run(API.settings(&stub.url), conversation(history()), ONCE).await.1.expect("a reply");
    let asked = stub.asked();
    let kinds = |index: usize| -> Vec<String> {
        let blocks = asked[index].body["messages"][1]["content"].as_array().expect("blocks").clone();
        blocks.iter().map(|block| block["type"].as_str().expect("a type").to_owned()).collect()
    };
    assert_eq!(kinds(0), ["thinking", "redacted_thinking", "tool_use", "tool_use"]);
    assert_eq!(kinds(1), ["tool_use", "tool_use"]);
}

#[tokio::test]
async fn a_start_sent_twice_starts_once() {
    let stub = Stub::start(vec![API.stream("duplicate-start", 64)]).await;
    let (seen, result) = API.round(&stub).await;
    let reply = result.expect("a reply");
    assert_eq!(reply.content, [text("Once.")]);
    assert_eq!(reply.usage, Usage { input_tokens: 40, output_tokens: 12, ..Usage::default() });
    assert_eq!(seen, [StreamEvent::TextDelta("Once.".to_owned()), StreamEvent::Done(reply)]);
}

#[tokio::test]
async fn what_is_not_known_yet_is_passed_over() {
    let stub = Stub::start(vec![API.stream("unknown", 64)]).await;
    let reply = API.round(&stub).await.1.expect("a reply");
    assert_eq!((reply.content, reply.stop), (vec![text("Still here.")], StopReason::EndTurn));
}
