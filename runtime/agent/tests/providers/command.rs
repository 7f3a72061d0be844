//! Programs that think: what they are given, what they may, and that nothing is left of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nexus_agent::conversation::{Block, Message, ProviderErrorKind, Role, StreamEvent, Usage};
use nexus_agent::provider::{Permissions, Provider, ProviderSettings, Secret, Speaks};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::api::{Api, ONCE, conversation, request, run, user};
use super::stub::Stub;

const API: Api = Api::Command;

fn settings(run: &[&str]) -> ProviderSettings {
    let mut settings = API.settings("http://127.0.0.1:1");
    let command = settings.command.as_mut().expect("it is a command");
    command.run = run.iter().map(|word| (*word).to_owned()).collect();
    settings
}

fn acp() -> ProviderSettings {
    let agent = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/command/acp-agent");
    let mut settings = settings(&[&agent.display().to_string()]);
    settings.command.as_mut().expect("it is a command").speaks = Speaks::Acp;
    settings
}

fn shell(script: &str) -> ProviderSettings {
    settings(&["sh", "-c", script])
}

/// In a home with a work folder.
fn provider(settings: ProviderSettings) -> (tempfile::TempDir, Provider) {
    let home = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(home.path().join("work")).expect("made");
    let provider = Provider::new(settings, home.path()).expect("a provider");
    (home, provider)
}

async fn say(provider: &Provider, messages: Vec<Message>) -> Result<Vec<Block>, ProviderErrorKind> {
    let (events, _told) = mpsc::channel(4096);
    let answered = provider.stream_with(conversation(messages), events, ONCE, None).await;
    answered.map(|answered| answered.reply.content).map_err(|failed| failed.error.kind)
}

fn text_of(content: &[Block]) -> &str {
    match content {
        [Block::Text { text }] => text,
        other => panic!("not one text: {other:?}"),
    }
}

fn told(content: &[Block]) -> Value {
    serde_json::from_str(text_of(content)).expect("it tells in JSON")
}

fn assistant(content: &[Block]) -> Message {
    Message { role: Role::Assistant, content: content.to_vec() }
}

#[tokio::test]
async fn the_line_a_program_is_given_is_what_is_documented() {
    let stub = Stub::start(vec![API.stream("text", 64)]).await;
    let mut settings = API.settings(&stub.url);
    settings.extra.insert("temperature".to_owned(), json!(0.2));
    settings.thinking = Some(nexus_agent::provider::Effort::Low);
    let mut request = conversation(vec![user("who decides?")]);
    request.origin.aspect = "wren".to_owned();
    request.origin.thread = Some("t1".to_owned());
    run(settings, request, ONCE).await.1.expect("a reply");
    assert_eq!(
        stub.asked().remove(0).body,
        json!({
            "type": "round", "version": 1, "model": "asked-for", "system": "You are forge.", "max_tokens": 300,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "who decides?"}]}],
            "tools": [{
                "name": "list_team", "description": "Who is here.",
                "input_schema": {"type": "object", "properties": {}},
            }],
            "aspect": "wren", "thread": "t1", "thinking": "low", "extra": {"temperature": 0.2},
        })
    );
}

#[tokio::test]
async fn a_program_that_fails_is_an_error_with_its_last_words() {
    let overloaded =
        r#"echo '{"type":"error","kind":"rate_limit","message":"slow down","retry_after_s":3600}'"#;
    let retry_after = Some(Duration::from_secs(3600));
    let limited = ProviderErrorKind::RateLimit { message: "slow down".to_owned(), retry_after };
    assert_eq!(run(shell(overloaded), request(), ONCE).await.1, Err(API.error(limited)));

    let cases = [
        (
            "echo first >&2; echo 'no licence' >&2; exit 3",
            "sh ended before its answer did (exit status: 3); it said last: first / no licence",
        ),
        ("exec kill -SEGV $$", "signal: 11"),
        ("exec >&- ; sleep 600", "sh closed its output before its answer was complete"),
    ];
    for (script, expected) in cases {
        let error = run(shell(script), request(), ONCE).await.1.expect_err(script).kind;
        let ProviderErrorKind::Transport(reason) = &error else { panic!("{script}: {error:?}") };
        assert!(reason.contains(expected), "{script}: {reason}");
    }
    let error =
        run(settings(&["no-such-program-here"]), request(), ONCE).await.1.expect_err("not there").kind;
    let ProviderErrorKind::Invalid(reason) = &error else { panic!("{error:?}") };
    assert!(reason.starts_with("no-such-program-here cannot be started: "), "{reason}");
    let flood = run(shell("yes x | tr -d '\\n'"), request(), ONCE).await.1.expect_err("no end of it").kind;
    assert!(matches!(flood, ProviderErrorKind::Invalid(_)), "{flood:?}");
}

#[tokio::test]
async fn a_program_that_does_not_listen_is_given_up() {
    let mut settings = shell("sleep 600");
    let stall = Duration::from_millis(60);
    settings.stall_timeout = stall;
    let long = conversation(vec![user(&"x".repeat(1024 * 1024))]);
    let error = run(settings, long, ONCE).await.1.expect_err("nobody reads").kind;
    assert_eq!(error, ProviderErrorKind::Stalled(stall));
}

#[tokio::test]
async fn it_gets_the_variables_named_and_no_others() {
    let script = r#"read -r _; printf '{"type":"text","text":"%s %s"}\n{"type":"done"}\n' "$(env | grep -c -v '^PWD=\|^SHLVL=\|^_=\|^OLDPWD=')" "$GIVEN""#;
    let mut settings = shell(script);
    settings.command.as_mut().expect("it is a command").env.push(("GIVEN".to_owned(), Secret::new("yes")));
    let reply = run(settings, request(), ONCE).await.1.expect("a reply");
    assert_eq!(text_of(&reply.content), "2 yes", "PATH and GIVEN");
}

#[tokio::test]
async fn an_agent_is_shown_at_work() {
    let (_home, provider) = provider(acp());
    let (events, mut heard) = mpsc::channel(64);
    let asked = conversation(vec![user("work")]);
    let answered = provider.stream_with(asked, events, ONCE, None).await.expect("a reply");
    let thought = "Let me see.\n[Reading a.txt]\n".to_owned();
    assert_eq!(
        answered.reply.content,
        [Block::Thinking { text: thought, signature: None }, Block::Text { text: "One rule.".to_owned() }]
    );
    let usage = Usage { input_tokens: 40, output_tokens: 12, cache_read_tokens: 900, cache_write_tokens: 0 };
    assert_eq!((answered.reply.usage, answered.reply.model.as_str()), (usage, "asked-for"));
    let mut seen = Vec::new();
    while let Some(event) = heard.recv().await {
        seen.push(event);
    }
    assert_eq!(
        seen,
        [
            StreamEvent::ThinkingDelta("Let me see.".to_owned()),
            StreamEvent::ThinkingDelta("\n[Reading a.txt]\n".to_owned()),
            StreamEvent::TextDelta("One ".to_owned()),
            StreamEvent::TextDelta("rule.".to_owned()),
            StreamEvent::Done(answered.reply),
        ]
    );
}

#[tokio::test]
async fn a_session_is_gone_on_with_and_a_new_one_is_told_everything() {
    let (home, provider) = provider(acp());
    let first = vec![user("tell")];
    let reply = say(&provider, first.clone()).await.expect("a reply");
    let begun = told(&reply);
    assert_eq!(begun["told"], "You are forge.\n\ntell");
    assert_eq!(begun["cwd"], json!(home.path().join("work").canonicalize().expect("is there")));

    let mut second = first;
    second.extend([assistant(&reply), user("and now\ntell")]);
    let reply = say(&provider, second.clone()).await.expect("a reply");
    let went_on = told(&reply);
    assert_eq!((&went_on["pid"], &went_on["told"]), (&begun["pid"], &json!("and now\ntell")));

    // What is not what the session was told is another conversation.
    second[1] = assistant(&[Block::Text { text: "Something else.".to_owned() }]);
    let anew = told(&say(&provider, second).await.expect("a reply"));
    assert_ne!(anew["pid"], begun["pid"]);
    let replay = anew["told"].as_str().expect("a text");
    assert!(replay.starts_with("You are forge.") && replay.contains("[you]\nSomething else."), "{replay}");
}

#[tokio::test]
async fn what_an_agent_asks_for_is_answered_as_the_settings_say() {
    for (permissions, expected) in [(Permissions::Deny, "no"), (Permissions::Allow, "yes")] {
        let mut settings = acp();
        settings.command.as_mut().expect("it is a command").permissions = permissions;
        let (_home, provider) = provider(settings);
        let outcome = told(&say(&provider, vec![user("permit")]).await.expect("a reply"));
        assert_eq!(outcome, json!({"outcome": "selected", "optionId": expected}));
    }
    let (_home, provider) = provider(acp());
    let refused = say(&provider, vec![user("read")]).await.expect("a reply");
    assert_eq!(text_of(&refused), "-32601", "files of ours are not offered");
}

#[tokio::test]
async fn an_agent_that_cannot_be_used_says_why() {
    let with = |name: &str, value: &str| {
        let mut settings = acp();
        let env = &mut settings.command.as_mut().expect("it is a command").env;
        env.push((name.to_owned(), Secret::new(value)));
        settings
    };
    let cases = [
        (with("ACP_VERSION", "2"), "work", "speaks version 2 of the Agent Client Protocol"),
        (with("ACP_LOGIN", "1"), "work", "wants to be logged in to first: Authentication required"),
        (acp(), "die", "ended before its answer did (exit status: 3); it said last: the disk is on fire"),
    ];
    for (settings, order, expected) in cases {
        let (_home, provider) = provider(settings);
        let error = say(&provider, vec![user(order)]).await.expect_err(order).to_string();
        assert!(error.contains(expected), "{error}");
    }
    let mut settings = acp();
    settings.stall_timeout = Duration::from_secs(1);
    let (_home, provider) = provider(settings);
    let error = say(&provider, vec![user("silent")]).await.expect_err("silent");
    assert_eq!(error, ProviderErrorKind::Stalled(Duration::from_secs(1)));
}

/// Processes whose group is `group`.
fn group(group: &str) -> Vec<String> {
    let stats = std::fs::read_dir("/proc").expect("procfs").filter_map(|it| {
        let stat = std::fs::read_to_string(it.ok()?.path().join("stat")).ok()?;
        // Behind the name: state, parent, group.
        let (name, rest) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        (fields.get(2) == Some(&group) && fields.first() != Some(&"Z")).then(|| name.to_owned())
    });
    stats.collect()
}

async fn until(what: &str, is: impl Fn() -> bool) {
    for _ in 0..2000 {
        if is() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not in time: {what}");
}

#[tokio::test]
async fn a_round_that_is_given_up_is_cancelled_and_nothing_is_left_of_it() {
    let (home, provider) = provider(acp());
    let reply = say(&provider, vec![user("tell")]).await.expect("a reply");
    let id = told(&reply)["pid"].to_string();
    let note: PathBuf = home.path().join("note");
    let order = format!("hang {}", note.display());
    let messages = vec![user("tell"), assistant(&reply), user(&order)];
    let (events, mut heard) = mpsc::channel(64);
    let provider = std::sync::Arc::new(provider);
    let asked = std::sync::Arc::clone(&provider);
    let round =
        tokio::spawn(async move { asked.stream_with(conversation(messages), events, ONCE, None).await });
    assert_eq!(heard.recv().await, Some(StreamEvent::TextDelta("waiting".to_owned())));
    assert_eq!(group(&id).len(), 2, "the agent and what it has started");
    round.abort();
    until("it is told to stop", || std::fs::read_to_string(&note).is_ok_and(|it| it == "cancelled")).await;
    until("its group is gone", || group(&id).is_empty()).await;

    // An idle one ends with its provider.
    let reply = say(&provider, vec![user("tell")]).await.expect("a reply");
    let id = told(&reply)["pid"].to_string();
    assert_eq!(group(&id).len(), 1);
    drop(provider);
    until("the idle one is gone", || group(&id).is_empty()).await;
}
