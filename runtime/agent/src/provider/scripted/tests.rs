use std::fs;

use serde_json::json;
use tempfile::TempDir;
use tokio::sync::mpsc::{self, Receiver};

use super::*;
use crate::conversation::{Message, Origin, ProviderError, Role};
use crate::provider::{Provider, ProviderConfig, RetryPolicy};

const QUICK: RetryPolicy = RetryPolicy {
    attempts: 3,
    base: Duration::from_millis(1),
    cap: Duration::from_millis(1),
    patience: Duration::from_secs(1),
};

fn home(script: &str) -> TempDir {
    let home = TempDir::new().expect("a directory");
    fs::write(home.path().join(SCRIPT_FILE), script).expect("a script");
    home
}

fn provider(home: &TempDir) -> Provider {
    let settings = ProviderConfig::default().resolve(|_| None).expect("needs nothing");
    Provider::new(settings, home.path()).expect("a valid script")
}

fn request(text: &str) -> ModelRequest {
    ModelRequest {
        system: String::new(),
        messages: vec![Message { role: Role::User, content: vec![Block::Text { text: text.to_owned() }] }],
        tools: Vec::new(),
        max_tokens: 0,
        origin: Origin::default(),
    }
}

async fn rest(mut told: Receiver<StreamEvent>) -> Vec<StreamEvent> {
    let mut seen = Vec::new();
    while let Some(event) = told.recv().await {
        seen.push(event);
    }
    seen
}

async fn ask(provider: &Provider, text: &str) -> (Result<ModelReply, ProviderError>, Vec<StreamEvent>) {
    let (events, told) = mpsc::channel(4096);
    let result = provider.stream_with(request(text), events, QUICK, None).await;
    let result = result.map(|answered| answered.reply).map_err(|failed| failed.error);
    (result, rest(told).await)
}

#[tokio::test]
async fn a_round_streams_in_pieces_and_calls_at_its_end() {
    let home = home(
        "[[rule]]\n[[rule.step]]\nsay = 'One sentence that is long enough — for two.'\n\
         [[rule.step]]\nsay = 'And more.'\n[[rule.step]]\ncall = 'list_team'\n",
    );
    let provider = provider(&home);
    let (result, seen) = ask(&provider, "go").await;
    let id = "scripted_05fa3b2e7b318b9eb96bff2c_0";
    let expected = ModelReply {
        content: vec![
            Block::Text { text: "One sentence that is long enough — for two.\n\nAnd more.".to_owned() },
            Block::ToolUse { id: id.to_owned(), name: "list_team".to_owned(), input: json!({}) },
        ],
        stop: StopReason::ToolUse,
        usage: Usage { input_tokens: 1, output_tokens: 14, ..Usage::default() },
        model: "scripted".to_owned(),
    };
    assert_eq!(result, Ok(expected.clone()));
    let delta = |text: &str| StreamEvent::TextDelta(text.to_owned());
    assert_eq!(
        seen,
        [
            delta("One sentence that "),
            delta("is long enough — "),
            delta("for two."),
            delta("\n\nAnd more."),
            StreamEvent::ToolUse { id: id.to_owned(), name: "list_team".to_owned(), input: json!({}) },
            StreamEvent::Done(expected.clone()),
        ]
    );
    assert_eq!(ask(&provider, "go").await.0, Ok(expected), "the same messages have the same reply");
}

#[tokio::test]
async fn a_failure_can_pass() {
    let home = home(
        "[[rule]]\n[[rule.step]]\nsay = 'Well,'\n\
         [[rule.step]]\nfail = { kind = 'overloaded', message = 'busy', times = 1 }\n[[rule.step]]\nsay = 'yes.'\n",
    );
    let (result, seen) = ask(&provider(&home), "go").await;
    let reply = result.expect("the second attempt succeeds");
    assert_eq!(reply.content, [Block::Text { text: "Well,\n\nyes.".to_owned() }]);
    let delta = |text: &str| StreamEvent::TextDelta(text.to_owned());
    assert_eq!(
        seen,
        [delta("Well,"), StreamEvent::Restart, delta("Well,"), delta("\n\nyes."), StreamEvent::Done(reply)]
    );
}

#[tokio::test]
async fn a_failure_can_stay() {
    let home = home("[[rule]]\n[[rule.step]]\nfail = { kind = 'auth', message = 'no key' }\n");
    let (result, seen) = ask(&provider(&home), "go").await;
    let kind = ProviderErrorKind::Auth("no key".to_owned());
    assert_eq!(result, Err(ProviderError { provider: "scripted".to_owned(), kind }));
    assert_eq!(seen, []);
}

#[tokio::test]
async fn a_held_step_waits_for_its_file() {
    let home = home(
        "[[rule]]\nmatch = 'until (?P<file>\\w+)'\n[[rule.step]]\nsay = 'before'\n\
         [[rule.step]]\nhold = '{{ file }}'\n[[rule.step]]\nsay = 'after'\n",
    );
    let provider = provider(&home);
    let (events, mut told) = mpsc::channel(64);
    let round = tokio::spawn(async move { provider.stream(request("until go"), events).await });
    assert_eq!(told.recv().await, Some(StreamEvent::TextDelta("before".to_owned())));
    tokio::task::yield_now().await;
    assert!(told.try_recv().is_err(), "nothing comes while it holds");
    fs::write(home.path().join("go"), "").expect("a file");
    assert_eq!(told.recv().await, Some(StreamEvent::TextDelta("\n\nafter".to_owned())));
    round.await.expect("no panic").expect("a reply");
}

#[tokio::test(start_paused = true)]
async fn a_pace_is_kept() {
    let home =
        home("pace_ms = 1000\n[[rule]]\n[[rule.step]]\nsay = 'one piece of text, and another one of them'\n");
    let begun = tokio::time::Instant::now();
    let (result, seen) = ask(&provider(&home), "go").await;
    result.expect("a reply");
    assert_eq!((seen.len(), begun.elapsed()), (4, Duration::from_secs(3)));
}

#[tokio::test]
async fn an_edit_counts_from_the_next_round() {
    let home = home("[[rule]]\n[[rule.step]]\nsay = 'old'\n");
    let provider = provider(&home);
    let text = |reply: ModelReply| reply.content;
    assert_eq!(ask(&provider, "go").await.0.map(text), Ok(vec![Block::Text { text: "old".to_owned() }]));
    fs::write(home.path().join(SCRIPT_FILE), "[[rule]]\n[[rule.step]]\nsay = 'new'\n").expect("a script");
    assert_eq!(ask(&provider, "go").await.0.map(text), Ok(vec![Block::Text { text: "new".to_owned() }]));

    fs::write(home.path().join(SCRIPT_FILE), "[[rule]]\nsay = 'new'\n").expect("a script");
    let error = ask(&provider, "go").await.0.expect_err("a faulty script").to_string();
    assert!(error.contains("script.toml:2:1: unknown field `say`"), "{error}");
}

#[test]
fn a_faulty_script_is_found_at_the_start() {
    let home = home("[[rule]]\n[[rule.step]]\nsay = '{{'\n");
    let error = Scripted::open(home.path()).expect_err("a fault").to_string();
    assert!(
        error.ends_with("script.toml:3:8: syntax error: unexpected end of input, expected expression"),
        "{error}"
    );
}

#[tokio::test]
async fn a_home_without_a_script_has_an_aspect_that_says_so() {
    let home = TempDir::new().expect("a directory");
    let reply = ask(&provider(&home), "go").await.0.expect("a reply");
    let said = "I am scripted, and no rule in my script.toml fits this.";
    assert_eq!(reply.content, [Block::Text { text: said.to_owned() }]);
}

#[test]
fn chunks_are_cut_between_words() {
    assert_eq!(chunks("a bb ccc dddd eeeee ffffff"), ["a bb ccc dddd eeeee ", "ffffff"]);
    assert_eq!(chunks("ünïcödé🜁🜁🜁🜁🜁🜁 x"), ["ünïcödé🜁🜁🜁🜁🜁🜁 ", "x"]);
    assert!(chunks("").is_empty());
}
