//! What is Anthropic's own: the request as it is sent, thinking that goes back signed, events yet unknown.

use nexus_agent::conversation::{Block, Message, ModelReply, Role, StopReason, StreamEvent, Usage};
use nexus_agent::provider::Effort;
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
                "input_schema": {"type": "object", "properties": {}}, "cache_control": cut,
            }],
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "who is here?", "cache_control": cut}]},
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

#[tokio::test]
async fn no_more_beginnings_are_cached_than_the_api_allows() {
    let stub = Stub::start(vec![API.stream("text", 64)]).await;
    let talk = |n: usize| if n.is_multiple_of(2) { user("more") } else { assistant(vec![text("there")]) };
    run(API.settings(&stub.url), conversation((0..9).map(talk).collect()), ONCE).await.1.expect("a reply");
    let body = stub.asked().remove(0).body;
    let cached = |message: &serde_json::Value| message["content"][0].get("cache_control").is_some();
    let messages: Vec<bool> = body["messages"].as_array().expect("messages").iter().map(cached).collect();
    assert_eq!(messages, [false, false, false, false, false, false, true, false, true]);
    assert_eq!(body.to_string().matches("cache_control").count(), 4);
}

#[tokio::test]
async fn how_much_to_think_is_said_in_the_models_own_way() {
    let cases = [
        ("claude-sonnet-4-5", Effort::Low, json!({"type": "enabled", "budget_tokens": 2048}), json!(null)),
        ("claude-sonnet-4-5", Effort::High, json!({"type": "enabled", "budget_tokens": 6144}), json!(null)),
        ("claude-opus-4-8", Effort::Medium, json!({"type": "adaptive"}), json!({"effort": "medium"})),
        ("claude-opus-4-8", Effort::Off, json!({"type": "disabled"}), json!(null)),
    ];
    for (model, effort, thinking, output) in cases {
        let stub = Stub::start(vec![API.stream("text", 64)]).await;
        let mut settings = API.settings(&stub.url);
        (settings.model, settings.thinking, settings.max_tokens) = (model.to_owned(), Some(effort), 8192);
        let mut request = conversation(vec![user("hello")]);
        request.max_tokens = 0;
        run(settings, request, ONCE).await.1.expect("a reply");
        let body = stub.asked().remove(0).body;
        let sent = (body["thinking"].clone(), body["output_config"].clone());
        assert_eq!(sent, (thinking, output), "{model} {effort:?}");
    }
}

#[tokio::test]
async fn a_model_that_cannot_be_told_how_much_to_think_is_told_nothing_from_then_on() {
    let refusal = json!({"type": "error", "error": {
        "type": "invalid_request_error", "message": "adaptive thinking is not supported on this model",
    }});
    let stub =
        Stub::start(vec![Answer::json(400, &refusal), API.stream("text", 64), API.stream("text", 64)]).await;
    let mut settings = API.settings(&stub.url);
    settings.thinking = Some(Effort::Low);
    let provider = super::api::provider(settings);
    for _ in 0..2 {
        let (events, _told) = tokio::sync::mpsc::channel(64);
        provider.stream(conversation(vec![user("hello")]), events).await.expect("a reply");
    }
    let told: Vec<bool> = stub.asked().iter().map(|asked| asked.body.get("thinking").is_some()).collect();
    assert_eq!(told, [true, false, false]);
}

#[tokio::test]
async fn with_a_budget_a_round_that_cannot_begin_with_thinking_goes_without() {
    let stub = Stub::start(vec![API.stream("text", 64), API.stream("text", 64)]).await;
    let mut settings = API.settings(&stub.url);
    let (model, max_tokens) = ("claude-sonnet-4-5".to_owned(), 300);
    (settings.model, settings.thinking) = (model, Some(Effort::Low));
    let mut unsigned = history();
    unsigned[1].content.retain(|block| !matches!(block, Block::Thinking { .. }));
    for messages in [history(), unsigned] {
        let mut request = conversation(messages);
        request.max_tokens = max_tokens + 1000;
        settings.max_tokens = request.max_tokens;
        run(settings.clone(), request, ONCE).await.1.expect("a reply");
    }
    let told: Vec<bool> = stub.asked().iter().map(|asked| asked.body.get("thinking").is_some()).collect();
    assert_eq!(told, [true, false]);
}

#[tokio::test]
async fn tokens_are_counted_without_a_round() {
    let refused = Answer::json(404, &json!({"error": {"type": "not_found_error", "message": "no"}}));
    let stub = Stub::start(vec![Answer::json(200, &json!({"input_tokens": 2095})), refused]).await;
    let provider = super::api::provider(API.settings(&stub.url));
    let request = conversation(vec![user("hello")]);
    assert_eq!(provider.count_tokens(&request).await, Some(2095));
    assert_eq!(provider.count_tokens(&request).await, None);
    let asked = stub.asked().remove(0);
    let fields: Vec<&String> = asked.body.as_object().expect("an object").keys().collect();
    assert_eq!(fields, ["messages", "model", "system", "tools"]);
    assert_eq!(asked.path, "/v1/messages/count_tokens");
    let other = super::api::provider(Api::Openai.settings(&stub.url));
    assert_eq!(other.count_tokens(&request).await, None);
    assert_eq!(stub.asked().len(), 2);
}
