//! What is Ollama's own: the request as it is sent, calls without ids, models that are not there, embeddings.

use nexus_agent::conversation::{
    Block, Message, ModelReply, ProviderErrorKind, Role, StopReason, StreamEvent, Usage,
};
use nexus_agent::provider::Effort;
use serde_json::json;

use super::api::{Api, ONCE, conversation, provider, request, run, user};
use super::stub::{Answer, Stub};

const API: Api = Api::Ollama;

fn text(text: &str) -> Block {
    Block::Text { text: text.to_owned() }
}

fn thinking(text: &str) -> Block {
    Block::Thinking { text: text.to_owned(), signature: None }
}

#[tokio::test]
async fn the_request_is_what_the_api_asks_for() {
    let call =
        Block::ToolUse { id: "call_a".to_owned(), name: "list_team".to_owned(), input: json!({"all": true}) };
    let failed = Block::ToolResult {
        tool_use_id: "call_a".to_owned(),
        content: "no broker".to_owned(),
        is_error: true,
    };
    let history = vec![
        user("before"),
        Message { role: Role::Assistant, content: vec![thinking("old"), text("then")] },
        user("who is here?"),
        Message { role: Role::Assistant, content: vec![thinking("Let me see."), call] },
        Message { role: Role::User, content: vec![failed] },
    ];
    let stub = Stub::start(vec![API.stream("text", 64)]).await;
    let mut settings = API.settings(&stub.url);
    settings.thinking = Some(Effort::Low);
    settings.extra.insert("keep_alive".to_owned(), json!("10m"));
    settings.extra.insert("options".to_owned(), json!({"num_ctx": 16384}));
    run(settings, conversation(history), ONCE).await.1.expect("a reply");
    let asked = stub.asked().remove(0);
    assert_eq!(asked.path, "/api/chat");
    assert_eq!(
        asked.body,
        json!({
            "model": "asked-for",
            "stream": true,
            "think": "low",
            "truncate": false,
            "keep_alive": "10m",
            "options": {"num_ctx": 16384, "num_predict": 300},
            "tools": [{"type": "function", "function": {
                "name": "list_team", "description": "Who is here.",
                "parameters": {"type": "object", "properties": {}},
            }}],
            "messages": [
                {"role": "system", "content": "You are forge."},
                {"role": "user", "content": "before"},
                {"role": "assistant", "content": "then"},
                {"role": "user", "content": "who is here?"},
                {"role": "assistant", "content": "", "thinking": "Let me see.", "tool_calls": [
                    {"id": "call_a", "function": {"name": "list_team", "arguments": {"all": true}}},
                ]},
                {
                    "role": "tool", "content": "error: no broker", "tool_call_id": "call_a",
                    "tool_name": "list_team",
                },
            ],
        })
    );
}

#[tokio::test]
async fn thinking_is_streamed() {
    let stub = Stub::start(vec![API.stream("thinking", 11)]).await;
    let (seen, result) = API.round(&stub).await;
    let expected = ModelReply {
        content: vec![thinking("One rule, surely."), text("One.")],
        stop: StopReason::EndTurn,
        usage: Usage { input_tokens: 40, output_tokens: 12, ..Usage::default() },
        model: "qwen3:8b".to_owned(),
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
async fn an_older_server_that_names_nothing_is_understood() {
    let stub = Stub::start(vec![API.stream("bare", 64)]).await;
    let reply = API.round(&stub).await.1.expect("a reply");
    assert_eq!(
        (reply.stop, reply.usage, reply.model.as_str()),
        (StopReason::ToolUse, Usage::default(), "asked-for")
    );
    let [_, Block::ToolUse { id: first, .. }, Block::ToolUse { id: second, .. }] = reply.content.as_slice()
    else {
        panic!("{:?}", reply.content)
    };
    assert!(first.starts_with("call_") && second.starts_with("call_") && first != second);
}

#[tokio::test]
async fn what_is_wrong_is_said_with_what_to_do() {
    let error = |message: &str| json!({ "error": message });
    let overflow = "the prompt of 9000 tokens exceeds the model's context length of 4096";
    let cases = [
        (
            Answer::json(404, &error("model 'asked-for' not found")),
            ProviderErrorKind::Invalid(
                "model 'asked-for' not found; fetch it with: ollama pull asked-for".to_owned(),
            ),
        ),
        (
            Answer::json(400, &error("asked-for does not support tools")),
            ProviderErrorKind::Invalid("400: asked-for does not support tools".to_owned()),
        ),
        (Answer::json(400, &error(overflow)), ProviderErrorKind::ContextWindow(overflow.to_owned())),
        (
            Answer::lines(&[error("an error was encountered while running the model").to_string()], 64),
            ProviderErrorKind::Overloaded("an error was encountered while running the model".to_owned()),
        ),
    ];
    for (answer, expected) in cases {
        let stub = Stub::start(vec![answer]).await;
        let (_, result) = run(API.settings(&stub.url), request(), ONCE).await;
        assert_eq!(result, Err(API.error(expected)));
    }
    let (_, result) = run(API.settings("http://127.0.0.1:1"), request(), ONCE).await;
    let told = result.expect_err("nobody answers").to_string();
    assert!(told.contains("does Ollama run at http://127.0.0.1:1?"), "{told}");
}

#[tokio::test]
async fn a_model_that_cannot_think_is_not_told_to() {
    let refusal = Answer::json(400, &json!({"error": "\"asked-for\" does not support thinking"}));
    let stub = Stub::start(vec![refusal, API.stream("text", 64), API.stream("text", 64)]).await;
    let mut settings = API.settings(&stub.url);
    settings.thinking = Some(Effort::Off);
    let provider = provider(settings);
    for _ in 0..2 {
        let (events, _told) = tokio::sync::mpsc::channel(64);
        provider.stream(request(), events).await.expect("a reply");
    }
    let told: Vec<_> = stub.asked().iter().map(|asked| asked.body.get("think").cloned()).collect();
    assert_eq!(told, [Some(json!(false)), None, None]);
}

#[tokio::test]
async fn texts_become_vectors() {
    let answers = vec![
        Answer::json(200, &json!({"model": "asked-for", "embeddings": [[0.5, -1.0], [0.25, 0.0]]})),
        Answer::json(200, &json!({"embeddings": [[0.5]]})),
        Answer::json(404, &json!({"error": "model \"asked-for\" not found, try pulling it first"})),
    ];
    let stub = Stub::start(answers).await;
    let provider = provider(API.settings(&stub.url));
    let texts = ["one".to_owned(), "two".to_owned()];
    assert_eq!(provider.embed(&texts).await, Some(Ok(vec![vec![0.5, -1.0], vec![0.25, 0.0]])));
    let asked = stub.asked().remove(0);
    assert_eq!(
        (asked.path.as_str(), asked.body),
        ("/api/embed", json!({"model": "asked-for", "input": ["one", "two"]}))
    );
    let few = provider.embed(&texts).await.expect("it has embeddings").expect_err("one is missing");
    assert!(few.to_string().contains("1 embeddings for 2 texts"), "{few}");
    let gone = provider.embed(&texts).await.expect("it has embeddings").expect_err("no model");
    assert!(gone.to_string().contains("ollama pull asked-for"), "{gone}");
    let other = super::api::provider(Api::Openai.settings(&stub.url));
    assert_eq!(other.embed(&texts).await, None);
}
