use std::time::Duration;

use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::super::meter::Listener;
use super::super::price::Tariff;
use super::super::retry::{Attempt, RetryPolicy, drive};
use super::super::settings::ProviderConfig;
use super::*;
use crate::conversation::{Block, Origin, ProviderError};

/// How long anything may take before a test calls it a hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// An agent of the Agent Client Protocol, up to its first prompt.
const GREETED: &str = r#"
read -r _; echo '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":1}}'
read -r _; echo '{"jsonrpc":"2.0","id":2,"result":{"sessionId":"s"}}'
"#;

/// A line with which it says this, in single quotes.
fn says(text: &str) -> String {
    let content = json!({"type": "text", "text": text});
    let update = json!({"sessionUpdate": "agent_message_chunk", "content": content});
    let params = json!({"sessionId": "s", "update": update});
    format!("'{}'", json!({"jsonrpc": "2.0", "method": "session/update", "params": params}))
}

/// An agent that may write `bytes_max` for a prompt.
fn agent(home: &Path, script: &str, bytes_max: usize) -> Command {
    let run = ["sh", "-c", &format!("{GREETED}{script}")];
    let config = json!({"kind": "command", "command": {"run": run, "speaks": "acp"}});
    let config: ProviderConfig = serde_json::from_value(config).expect("settings");
    let mut settings = config.resolve(|name| std::env::var(name).ok()).expect("settings in order");
    let command = settings.command.take().expect("it is a command");
    Command { bytes_max, ..Command::new(settings, command, home) }
}

fn message(role: Role, text: &str) -> Message {
    Message { role, content: vec![Block::Text { text: text.to_owned() }] }
}

struct Round<'a>(&'a Command, ModelRequest);

impl Attempt for Round<'_> {
    async fn attempt(&self, _number: u32, telling: &mut Telling) -> Result<ModelReply, ProviderError> {
        let attempt = self.0.attempt(&self.1, telling).await;
        attempt.map_err(|kind| ProviderError { provider: "command".to_owned(), kind })
    }
}

async fn say(command: &Command, messages: &[Message]) -> Result<Vec<Block>, ProviderErrorKind> {
    let messages = messages.to_vec();
    let origin = Origin::default();
    let request = ModelRequest { system: String::new(), messages, tools: Vec::new(), max_tokens: 0, origin };
    // Nobody listens.
    let (events, _) = mpsc::channel(1);
    let tariff = Tariff { own: None, model: "sh".to_owned() };
    let once = RetryPolicy { attempts: 1, ..RetryPolicy::default() };
    let listener = Listener::from(events);
    let driven = timeout(PATIENCE, drive(once, None, &listener, &tariff, Round(command, request))).await;
    driven.expect("it ends").map(|reply| reply.content).map_err(|given_up| given_up.error.kind)
}

#[tokio::test]
async fn an_agent_that_does_not_stop_writing_is_ended() {
    let home = tempfile::tempdir().expect("a folder");
    let fifo = home.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs");
    assert!(made.success());
    // The last of its group to end closes it.
    let script = format!("exec 9>'{}'\nread -r _; exec yes {}", fifo.display(), says("and on and on"));
    let (tell, ended) = oneshot::channel();
    std::thread::spawn(move || tell.send(std::fs::read(fifo).expect("it is read")));
    let command = agent(home.path(), &script, 64 * 1024);
    let why = "it sent more than 65536 bytes; is it a model that answers there?".to_owned();
    let answered = say(&command, &[message(Role::User, "go")]).await;
    assert_eq!(answered, Err(ProviderErrorKind::Invalid(why)));
    assert_eq!(timeout(PATIENCE, ended).await.expect("its group is ended"), Ok(Vec::new()));
}

#[tokio::test]
async fn a_session_may_say_as_much_again_with_every_answer() {
    let home = tempfile::tempdir().expect("a folder");
    let text = "x".repeat(3000);
    let script = format!(
        r#"id=2; while read -r _; do
            id=$((id + 1)); echo {}; echo '{{"jsonrpc":"2.0","id":'$id',"result":{{"stopReason":"end_turn"}}}}'
        done"#,
        says(&format!("{text} of '$$'"))
    );
    let command = agent(home.path(), &script, 4096);
    let mut messages = Vec::new();
    let mut replies = Vec::new();
    for _ in 0..3 {
        messages.push(message(Role::User, "go on"));
        let reply = say(&command, &messages).await.expect("a reply");
        messages.push(Message { role: Role::Assistant, content: reply.clone() });
        replies.push(reply);
    }
    // The same process each time.
    assert_eq!(replies, vec![replies[0].clone(); 3]);
}
