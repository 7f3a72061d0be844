//! What every adapter owes its caller, whatever the API behind it: run for each against a server that behaves
//! in the same way, each with its own bytes.

use std::time::Duration;

use nexus_agent::conversation::{
    Block, INVALID_ARGUMENTS, ModelReply, ProviderErrorKind, StopReason, StreamEvent, Usage,
    invalid_arguments,
};
use serde_json::json;
use tokio::sync::mpsc;

use super::api::{ALL, Api, KEY, ONCE, QUICK, REMOTE, provider, request, run};
use super::stub::{Answer, End, Stub};

const TEXT: &str = "The broker decides — naïve? 🜁 no: one rule.";

fn deltas() -> Vec<StreamEvent> {
    ["The broker ", "decides — ", "naïve? ", "🜁 no: ", "one rule."]
        .map(|text| StreamEvent::TextDelta(text.to_owned()))
        .to_vec()
}

fn text_reply(api: Api) -> ModelReply {
    let (model, usage) = match api {
        Api::Anthropic => (
            "claude-sonnet-5-5",
            Usage { input_tokens: 40, output_tokens: 12, cache_read_tokens: 900, cache_write_tokens: 30 },
        ),
        Api::Command => ("a-mind", Usage { input_tokens: 70, output_tokens: 12, ..Usage::default() }),
        Api::Ollama => ("qwen3:8b", Usage { input_tokens: 70, output_tokens: 12, ..Usage::default() }),
        Api::Openai => (
            "gpt-5.4-mini",
            Usage { input_tokens: 70, output_tokens: 12, cache_read_tokens: 900, cache_write_tokens: 0 },
        ),
    };
    ModelReply {
        content: vec![Block::Text { text: TEXT.to_owned() }],
        stop: StopReason::EndTurn,
        usage,
        model: model.to_owned(),
    }
}

fn then(mut events: Vec<StreamEvent>, more: impl IntoIterator<Item = StreamEvent>) -> Vec<StreamEvent> {
    events.extend(more);
    events
}

#[tokio::test]
async fn text_arrives_whole_however_it_is_cut() {
    for api in ALL {
        for size in [1, 2, 3, 5, 7, 64, 100_000] {
            let stub = Stub::start(vec![api.stream("text", size)]).await;
            let (seen, result) = api.round(&stub).await;
            assert_eq!(result, Ok(text_reply(api)), "{api:?} in chunks of {size}");
            assert_eq!(
                seen,
                then(deltas(), [StreamEvent::Done(text_reply(api))]),
                "{api:?} in chunks of {size}"
            );
        }
    }
}

#[tokio::test]
async fn calls_arrive_whole_and_in_order() {
    for api in ALL {
        let stub = Stub::start(vec![api.stream("tools", 3)]).await;
        let (seen, result) = api.round(&stub).await;
        let search = json!({"query": "who receives é", "limit": 5});
        let expected = ModelReply {
            content: vec![
                Block::Text { text: "Looking.".to_owned() },
                Block::ToolUse {
                    id: api.call_id('a'),
                    name: "search_files".to_owned(),
                    input: search.clone(),
                },
                Block::ToolUse { id: api.call_id('b'), name: "list_team".to_owned(), input: json!({}) },
            ],
            stop: StopReason::ToolUse,
            usage: Usage { input_tokens: 61, output_tokens: 33, ..Usage::default() },
            model: text_reply(api).model,
        };
        assert_eq!(result, Ok(expected.clone()), "{api:?}");
        assert_eq!(
            seen,
            [
                StreamEvent::TextDelta("Looking.".to_owned()),
                StreamEvent::ToolUse { id: api.call_id('a'), name: "search_files".to_owned(), input: search },
                StreamEvent::ToolUse { id: api.call_id('b'), name: "list_team".to_owned(), input: json!({}) },
                StreamEvent::Done(expected),
            ],
            "{api:?}"
        );
    }
}

#[tokio::test]
async fn arguments_that_are_no_json_make_a_call_that_fails() {
    for api in ALL {
        let stub = Stub::start(vec![api.stream("bad-arguments", 9)]).await;
        let (_, result) = api.round(&stub).await;
        let reply = result.expect("a reply");
        let input = json!({INVALID_ARGUMENTS: r#"{"path": "broker/src"#});
        let explained = invalid_arguments(&input).expect("an explanation");
        assert!(explained.contains("not JSON: EOF while parsing a string"), "{explained}");
        let call = Block::ToolUse { id: api.call_id('a'), name: "read_file".to_owned(), input };
        // The limit cut it short, and still its call is owed a result.
        assert_eq!((reply.content, reply.stop), (vec![call], StopReason::ToolUse), "{api:?}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_in_words() {
    // Ollama's models refuse in words alone.
    for api in [Api::Anthropic, Api::Command, Api::Openai] {
        let stub = Stub::start(vec![api.stream("refusal", 64)]).await;
        let (seen, result) = api.round(&stub).await;
        let reply = result.expect("a reply");
        let said = "This is not something to help with.";
        assert_eq!(reply.content, [Block::Text { text: said.to_owned() }], "{api:?}");
        assert_eq!(reply.stop, StopReason::Refusal, "{api:?}");
        let streamed: String = seen.iter().filter_map(delta).collect();
        assert_eq!(streamed, said, "{api:?}");
    }
}

fn delta(event: &StreamEvent) -> Option<&str> {
    match event {
        StreamEvent::TextDelta(text) => Some(text),
        StreamEvent::Restart
        | StreamEvent::ThinkingDelta(_)
        | StreamEvent::ToolUse { .. }
        | StreamEvent::Done(_) => None,
    }
}

#[tokio::test]
async fn errors_before_the_stream_have_their_kinds() {
    let said = |status: u16, text: &str| format!("{status}: {text}");
    let message = |message: &str| json!({"type": "error", "error": {"message": message}});
    for api in REMOTE {
        let cases: Vec<(&str, Answer, ProviderErrorKind)> = vec![
            (
                "401, repeating the key",
                Answer::json(401, &message(&format!("no such key: {KEY}"))),
                ProviderErrorKind::Auth(said(401, "no such key: [secret]")),
            ),
            ("403", Answer::json(403, &message("no")), ProviderErrorKind::Auth(said(403, "no"))),
            ("404", Answer::json(404, &message("nothing")), ProviderErrorKind::Invalid(said(404, "nothing"))),
            (
                "429 that asks for too long a wait",
                Answer::json(429, &message("slow down")).header("retry-after", "3600"),
                ProviderErrorKind::RateLimit {
                    message: said(429, "slow down"),
                    retry_after: Some(Duration::from_secs(3600)),
                },
            ),
            ("529", Answer::json(529, &message("busy")), ProviderErrorKind::Overloaded(said(529, "busy"))),
            (
                "502 in HTML",
                Answer::text(502, "text/html", "<h1>Bad gateway</h1>"),
                ProviderErrorKind::Overloaded(said(502, "<h1>Bad gateway</h1>")),
            ),
            (
                "302",
                Answer::text(302, "text/plain", "").header("location", "http://elsewhere.example/"),
                ProviderErrorKind::Invalid(
                    "the server answered 302 Found, a redirect; name the final address as base_url"
                        .to_owned(),
                ),
            ),
            (
                "a web page",
                Answer::text(200, "text/html", "<h1>It works</h1>"),
                ProviderErrorKind::Invalid(format!(
                    "the server answered with text/html instead of {}; is base_url that of a model's API?",
                    if api == Api::Ollama { "lines of JSON" } else { "an event stream" }
                )),
            ),
        ];
        for (name, answer, expected) in cases {
            let stub = Stub::start(vec![answer]).await;
            let (seen, result) = run(api.settings(&stub.url), request(), ONCE).await;
            assert_eq!(result, Err(api.error(expected)), "{api:?}: {name}");
            assert_eq!(seen, [], "{api:?}: {name}");
        }
    }
}

#[tokio::test]
async fn a_full_context_is_known_by_its_error() {
    let anthropic = json!({"type": "error", "error": {
        "type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000 maximum"}});
    let openai = json!({"error": {"message": "This model's maximum context length is 128000 tokens.",
        "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}});
    let llama = json!({"error": {"code": 400, "type": "exceed_context_size_error",
        "message": "the request exceeds the available context size"}});
    let cases = [
        (
            Api::Anthropic,
            anthropic,
            "invalid_request_error: prompt is too long: 210000 tokens > 200000 maximum",
        ),
        (
            Api::Openai,
            openai,
            "context_length_exceeded: This model's maximum context length is 128000 tokens.",
        ),
        (Api::Openai, llama, "the request exceeds the available context size"),
    ];
    for (api, body, expected) in cases {
        let stub = Stub::start(vec![Answer::json(400, &body)]).await;
        let (_, result) = api.round(&stub).await;
        assert_eq!(result, Err(api.error(ProviderErrorKind::ContextWindow(expected.to_owned()))));
    }
}

#[tokio::test]
async fn a_rate_limit_is_waited_out() {
    for api in REMOTE {
        let limited =
            Answer::json(429, &json!({"error": {"message": "slow down"}})).header("retry-after", "0");
        let stub = Stub::start(vec![limited.clone(), limited, api.stream("text", 64)]).await;
        let (seen, result) = api.round(&stub).await;
        assert_eq!(result, Ok(text_reply(api)), "{api:?}");
        assert_eq!(
            seen,
            then(deltas(), [StreamEvent::Done(text_reply(api))]),
            "nothing was shown, nothing is void"
        );
        assert!(stub.is_done());
    }
}

#[tokio::test]
async fn what_a_broken_stream_showed_is_made_void() {
    for api in ALL {
        let broken: Vec<(&str, Answer)> = vec![
            ("an error in mid-stream", api.stream("overloaded-midway", 64)),
            (
                "a cut connection",
                api.beginning("overloaded-midway", if api == Api::Anthropic { 3 } else { 1 })
                    .ending(End::Cut),
            ),
            (
                "a stream that ends too early",
                api.beginning("overloaded-midway", if api == Api::Anthropic { 3 } else { 1 }),
            ),
        ];
        for (name, answer) in broken {
            let stub = Stub::start(vec![answer, api.stream("text", 64)]).await;
            let (seen, result) = api.round(&stub).await;
            let mut expected = text_reply(api);
            if api == Api::Anthropic {
                // The broken attempt had been counted at its start, and is paid for.
                expected.usage.input_tokens += 40;
                expected.usage.output_tokens += 1;
            }
            assert_eq!(result, Ok(expected.clone()), "{api:?}: {name}");
            let shown = vec![StreamEvent::TextDelta("The br".to_owned()), StreamEvent::Restart];
            assert_eq!(seen, then(then(shown, deltas()), [StreamEvent::Done(expected)]), "{api:?}: {name}");
        }
    }
}

#[tokio::test]
async fn a_stream_without_its_end_is_no_answer() {
    for api in ALL {
        let whole = api.lines("text").len();
        let last_needed = match api {
            // Up to `message_delta`, which has the reason for stopping; up to the chunk with finish_reason.
            Api::Anthropic => whole - 1,
            Api::Openai => whole - 2,
            // The last line is the one that says so.
            Api::Command | Api::Ollama => whole,
        };
        for count in 0..whole {
            let stub = Stub::start(vec![api.beginning("text", count)]).await;
            let (_, result) = run(api.settings(&stub.url), request(), ONCE).await;
            if count >= last_needed {
                assert_eq!(
                    result.expect("complete").content,
                    text_reply(api).content,
                    "{api:?} after {count} events"
                );
                continue;
            }
            let error = result.expect_err("not complete").kind;
            assert!(is_broken_off(api, &error), "{api:?} after {count} events: {error:?}");
        }
    }
}

/// A program that ends too early is a connection that failed.
fn is_broken_off(api: Api, error: &ProviderErrorKind) -> bool {
    if api == Api::Command {
        matches!(error, ProviderErrorKind::Transport(_))
    } else {
        matches!(error, ProviderErrorKind::Truncated(_))
    }
}

#[tokio::test]
async fn silence_is_cut() {
    for api in ALL {
        let stub = Stub::start(vec![api.beginning("text", 4).ending(End::Stall)]).await;
        let stall = Duration::from_millis(60);
        let mut settings = api.settings(&stub.url);
        settings.stall_timeout = stall;
        let (_, result) = run(settings, request(), ONCE).await;
        assert_eq!(result, Err(api.error(ProviderErrorKind::Stalled(stall))), "{api:?}");
    }
}

#[tokio::test]
async fn nobody_at_the_address_is_a_transport_error() {
    for api in REMOTE {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        drop(listener);
        let (_, result) = run(api.settings(&url), request(), QUICK).await;
        let error = result.expect_err("nobody answers").kind;
        let ProviderErrorKind::Transport(reason) = error else { panic!("{error:?}") };
        assert!(reason.to_lowercase().contains("refused"), "{reason}");
    }
}

#[tokio::test]
async fn garbage_is_an_error_and_never_a_panic() {
    let lines = [
        "",
        "{",
        "null",
        "[]",
        "{\"type\":7}",
        "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":-1}]}}]}",
        "\u{0}",
        "data",
    ];
    for api in ALL {
        for line in lines {
            let stub = Stub::start(vec![api.answer(&[line.to_owned()], 64)]).await;
            let (_, result) = run(api.settings(&stub.url), request(), ONCE).await;
            let error = result.expect_err("no answer").kind;
            let broken = matches!(error, ProviderErrorKind::Truncated(_)) || is_broken_off(api, &error);
            assert!(broken, "{api:?} {line:?}: {error:?}");
        }
    }
}

#[tokio::test]
async fn dropping_the_round_ends_the_connection() {
    for api in ALL {
        let stub = Stub::start(vec![api.beginning("text", 4).ending(End::Stall)]).await;
        let provider = provider(api.settings(&stub.url));
        let (events, mut told) = mpsc::channel(64);
        let round = tokio::spawn(async move { provider.stream(request(), events).await });
        assert_eq!(told.recv().await, Some(StreamEvent::TextDelta("The broker ".to_owned())), "{api:?}");
        round.abort();
        // The sender goes with the round: nothing is told after a cancel.
        while told.recv().await.is_some() {}
        assert!(round.await.expect_err("aborted").is_cancelled());
    }
}

#[tokio::test]
async fn the_key_is_sent_and_shown_to_nobody() {
    for api in REMOTE {
        let refusal = Answer::json(400, &json!({"error": {"type": "x", "message": format!("bad {KEY}")}}));
        let midway =
            json!({"type": "error", "error": {"type": "api_error", "message": format!("bad {KEY}")}});
        let stub = Stub::start(vec![refusal, api.answer(&[midway.to_string()], 64)]).await;
        let settings = api.settings(&stub.url);
        let mut shown = format!("{settings:?} {:?}", provider(settings.clone()));
        for _ in 0..2 {
            let (_, result) = run(settings.clone(), request(), ONCE).await;
            let error = result.expect_err("an error");
            shown.push_str(&format!("{error} {error:?}"));
        }
        assert!(shown.contains("bad [secret]") && !shown.contains(KEY), "{api:?}: {shown}");
        let headers = stub.asked().remove(0).headers;
        let expected = match api {
            Api::Anthropic => ("x-api-key", KEY.to_owned()),
            Api::Command | Api::Ollama | Api::Openai => ("authorization", format!("Bearer {KEY}")),
        };
        assert_eq!(headers.get(expected.0).expect("a key"), &expected.1, "{api:?}");
    }
}
