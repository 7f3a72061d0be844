//! What happens when a provider fails and another one stands in for it.

use std::path::Path;
use std::time::Duration;

use nexus_agent::conversation::{Block, Message, ProviderErrorKind, Role, StreamEvent, Usage};
use nexus_agent::provider::{
    Answered, COOL_DOWN, Charge, Listener, Price, Provider, ProviderSettings, RoundFailed,
};
use serde_json::json;
use tokio::sync::mpsc;

use super::api::{Api, QUICK, conversation, request, user};
use super::stub::{Answer, End, Stub};

fn chain(settings: Vec<ProviderSettings>) -> Provider {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut settings = settings.into_iter();
    let first = settings.next().expect("a first one");
    Provider::with_stand_ins(first, settings.collect(), Path::new("/nonexistent"), None).expect("a provider")
}

async fn ask(
    provider: &Provider,
    messages: Vec<Message>,
) -> (Vec<StreamEvent>, Result<Answered, RoundFailed>) {
    let (events, mut told) = mpsc::channel(4096);
    let result = provider.stream_with(conversation(messages), events, QUICK, None).await;
    let mut seen = Vec::new();
    while let Some(event) = told.recv().await {
        seen.push(event);
    }
    (seen, result)
}

fn failing(status: u16) -> Answer {
    Answer::json(status, &json!({"error": {"message": "no"}}))
}

fn who(answered: Result<Answered, RoundFailed>) -> (String, String) {
    let answered = answered.expect("a reply");
    (answered.provider, answered.reply.model)
}

const FIRST: (&str, &str) = ("anthropic", "claude-sonnet-5-5");
const SECOND: (&str, &str) = ("openai", "gpt-5.4-mini");

fn is(who: &(String, String), expected: (&str, &str)) -> bool {
    (who.0.as_str(), who.1.as_str()) == expected
}

#[tokio::test]
async fn the_next_one_answers_where_the_first_is_at_fault() {
    let slow = Answer::json(429, &json!({"error": {"message": "slow down"}})).header("retry-after", "60");
    let cases: Vec<(&str, Vec<Answer>, bool)> = vec![
        ("key refused", vec![failing(401)], true),
        ("no such model", vec![failing(404)], true),
        ("overloaded", vec![failing(529), failing(529)], true),
        ("a wait that is too long with another at hand", vec![slow], true),
        (
            "broken off twice",
            vec![Api::Anthropic.beginning("text", 4), Api::Anthropic.beginning("text", 4)],
            true,
        ),
        ("too long a conversation", vec![failing(413)], false),
    ];
    for (name, answers, goes_on) in cases {
        let first = Stub::start(answers).await;
        let second = Stub::start(vec![Api::Openai.stream("text", 64)]).await;
        let provider = chain(vec![Api::Anthropic.settings(&first.url), Api::Openai.settings(&second.url)]);
        let (_, result) = ask(&provider, vec![user("who decides?")]).await;
        assert!(first.is_done(), "{name}");
        assert_eq!(second.is_done(), goes_on, "{name}");
        if goes_on {
            assert!(is(&who(result), SECOND), "{name}");
        } else {
            let error = result.expect_err(name).error.kind;
            assert!(matches!(error, ProviderErrorKind::ContextWindow(_)), "{name}: {error:?}");
        }
    }
}

#[tokio::test]
async fn what_the_first_one_showed_is_void_and_what_it_cost_is_paid() {
    let broken = || Api::Anthropic.beginning("overloaded-midway", 3);
    let first = Stub::start(vec![broken(), broken()]).await;
    let second = Stub::start(vec![Api::Openai.stream("text", 64)]).await;
    let mut settings = vec![Api::Anthropic.settings(&first.url), Api::Openai.settings(&second.url)];
    settings[0].price =
        Some(Price { input: 1_000_000, output: 2_000_000, cache_read: None, cache_write: None });
    settings[1].price = Some(Price { input: 10_000_000, output: 0, cache_read: Some(0), cache_write: None });
    let (seen, result) = ask(&chain(settings), vec![user("who decides?")]).await;
    let answered = result.expect("a reply");
    // Twice 40 in and 1 out of the first; 70 in, 12 out, 900 cached of the second.
    let usage = Usage { input_tokens: 150, output_tokens: 14, cache_read_tokens: 900, cache_write_tokens: 0 };
    assert_eq!((answered.reply.usage, answered.cost_microusd), (usage, Some(2 * (40 + 2) + 700)));
    let shown = StreamEvent::TextDelta("The br".to_owned());
    assert_eq!(
        seen[..5],
        [
            shown.clone(),
            StreamEvent::Restart,
            shown,
            StreamEvent::Restart,
            StreamEvent::TextDelta("The broker ".to_owned())
        ]
    );
    assert_eq!(seen.last(), Some(&StreamEvent::Done(answered.reply)));
}

#[tokio::test]
async fn who_failed_is_passed_over_and_asked_again_after_a_while() {
    let first = Stub::start(vec![failing(401), Api::Anthropic.stream("text", 64)]).await;
    let second = Stub::start(vec![Api::Openai.stream("text", 64), Api::Openai.stream("text", 64)]).await;
    let provider = chain(vec![Api::Anthropic.settings(&first.url), Api::Openai.settings(&second.url)]);
    let mut answered = Vec::new();
    for _ in 0..2 {
        answered.push(who(ask(&provider, vec![user("?")]).await.1));
    }
    assert_eq!(first.asked().len(), 1, "the second round did not begin with it");
    // Only the clock is moved: the requests themselves need it to run.
    tokio::time::pause();
    tokio::time::advance(COOL_DOWN + Duration::from_secs(1)).await;
    tokio::time::resume();
    answered.push(who(ask(&provider, vec![user("?")]).await.1));
    assert!(is(&answered[0], SECOND) && is(&answered[1], SECOND) && is(&answered[2], FIRST), "{answered:?}");
}

#[tokio::test]
async fn with_all_others_failing_nobody_is_passed_over() {
    let first = Stub::start(vec![failing(401), Api::Anthropic.stream("text", 64)]).await;
    let second = Stub::start(vec![Api::Openai.stream("text", 64), failing(404)]).await;
    let provider = chain(vec![Api::Anthropic.settings(&first.url), Api::Openai.settings(&second.url)]);
    assert!(is(&who(ask(&provider, vec![user("?")]).await.1), SECOND));
    assert!(is(&who(ask(&provider, vec![user("?")]).await.1), FIRST));
}

#[tokio::test]
async fn when_all_have_failed_the_error_names_them() {
    let first = Stub::start(vec![failing(401)]).await;
    let second = Stub::start(vec![failing(404)]).await;
    let provider = chain(vec![Api::Anthropic.settings(&first.url), Api::Openai.settings(&second.url)]);
    let failed = ask(&provider, vec![user("?")]).await.1.expect_err("nobody answers");
    assert_eq!(
        failed.to_string(),
        "openai: the request was not accepted (404: no; before it, anthropic: the key was refused (401: no); \
         check the variable named by provider.api_key_env)"
    );
}

#[tokio::test]
async fn signatures_stay_with_whoever_made_them() {
    let thinking = |signature: Option<&str>| Block::Thinking {
        text: "Let me see.".to_owned(),
        signature: signature.map(str::to_owned),
    };
    let history = || {
        let call = Block::ToolUse { id: "call_a".to_owned(), name: "list_team".to_owned(), input: json!({}) };
        let result = Block::ToolResult {
            tool_use_id: "call_a".to_owned(),
            content: "keel".to_owned(),
            is_error: false,
        };
        vec![
            user("who is here?"),
            Message { role: Role::Assistant, content: vec![thinking(Some("c2lnbg==")), call] },
            Message { role: Role::User, content: vec![result] },
        ]
    };
    let first = Stub::start(vec![failing(401)]).await;
    let second = Stub::start(vec![Api::Anthropic.stream("thinking", 64)]).await;
    let provider = chain(vec![Api::Anthropic.settings(&first.url), Api::Anthropic.settings(&second.url)]);
    let reply = ask(&provider, history()).await.1.expect("a reply").reply;
    let sent = |stub: &Stub| stub.asked()[0].body["messages"][1]["content"][0]["type"].clone();
    assert_eq!((sent(&first), sent(&second)), (json!("thinking"), json!("tool_use")));
    let signed = reply.content.iter().any(|it| matches!(it, Block::Thinking { signature: Some(_), .. }));
    assert!(!signed, "the first one would refuse it: {:?}", reply.content);
}

#[tokio::test]
async fn a_round_that_is_given_up_leaves_what_it_cost_on_the_meter() {
    let stub = Stub::start(vec![Api::Anthropic.beginning("text", 4).ending(End::Stall)]).await;
    let provider = chain(vec![Api::Anthropic.settings(&stub.url)]);
    let (events, mut told) = mpsc::channel(64);
    let listener = Listener::from(events);
    let meter = listener.meter.clone();
    let round = tokio::spawn(async move { provider.stream_with(request(), listener, QUICK, None).await });
    told.recv().await.expect("it begins");
    round.abort();
    while told.recv().await.is_some() {}
    let usage = Usage { input_tokens: 40, output_tokens: 1, cache_read_tokens: 900, cache_write_tokens: 30 };
    assert_eq!(meter.total(), Charge { usage, cost_microusd: None }, "no price is known of `asked-for`");
}
