//! The APIs as the contract sees them: fixtures of the same name say the same thing, each in its own shape.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nexus_agent::conversation::{
    Block, Message, ModelReply, ModelRequest, Origin, ProviderError, ProviderErrorKind, Role, StreamEvent,
    ToolSpec,
};
use nexus_agent::provider::{
    CommandSettings, OpenaiQuirks, Permissions, Provider, ProviderKind, ProviderSettings, RetryPolicy,
    STALL_TIMEOUT_DEFAULT, Secret, Speaks,
};
use serde_json::{Map, json};
use tokio::sync::mpsc;

use super::stub::{Answer, Stub};

pub(crate) const KEY: &str = "sk-canary-3f1c";

/// Waits too short to notice.
pub(crate) const QUICK: RetryPolicy = RetryPolicy {
    attempts: 3,
    base: Duration::from_millis(1),
    cap: Duration::from_millis(2),
    patience: Duration::from_secs(1),
};

/// One attempt and no more.
pub(crate) const ONCE: RetryPolicy = RetryPolicy { attempts: 1, ..QUICK };

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Api {
    Anthropic,
    Command,
    Ollama,
    Openai,
}

pub(crate) const ALL: [Api; 4] = [Api::Anthropic, Api::Command, Api::Ollama, Api::Openai];
/// Those that are asked over HTTP.
pub(crate) const REMOTE: [Api; 3] = [Api::Anthropic, Api::Ollama, Api::Openai];

/// What a round told and what it ended with.
pub(crate) type Round = (Vec<StreamEvent>, Result<ModelReply, ProviderError>);

impl Api {
    fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Command => "command",
            Self::Ollama => "ollama",
            Self::Openai => "openai",
        }
    }

    pub(crate) fn lines(self, fixture: &str) -> Vec<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(self.name());
        let text = fs::read_to_string(folder.join(fixture).with_extension("jsonl")).expect(fixture);
        text.lines().map(str::to_owned).collect()
    }

    /// A fixture in chunks of `size` bytes.
    pub(crate) fn stream(self, fixture: &str, size: usize) -> Answer {
        self.answer(&self.lines(fixture), size)
    }

    /// The first `count` events of a fixture.
    pub(crate) fn beginning(self, fixture: &str, count: usize) -> Answer {
        self.answer(&self.lines(fixture)[..count], 64)
    }

    /// These events, the way this API frames them.
    pub(crate) fn answer(self, lines: &[String], size: usize) -> Answer {
        match self {
            Self::Anthropic | Self::Openai => Answer::stream(lines, size),
            Self::Command | Self::Ollama => Answer::lines(lines, size),
        }
    }

    pub(crate) fn settings(self, url: &str) -> ProviderSettings {
        let (kind, base_url) = match self {
            Self::Anthropic => (ProviderKind::Anthropic, url.to_owned()),
            Self::Command => (ProviderKind::Command, String::new()),
            Self::Ollama => (ProviderKind::Ollama, url.to_owned()),
            Self::Openai => (ProviderKind::Openai, format!("{url}/v1")),
        };
        ProviderSettings {
            credential: None,
            command: (self == Self::Command).then(|| bridge(url)),
            kind,
            model: "asked-for".to_owned(),
            base_url,
            api_key: Some(Secret::new(KEY)),
            context_window: 100_000,
            max_tokens: 500,
            stall_timeout: STALL_TIMEOUT_DEFAULT,
            extra: Map::new(),
            price: None,
            quirks: OpenaiQuirks::default(),
            thinking: None,
        }
    }

    pub(crate) fn error(self, kind: ProviderErrorKind) -> ProviderError {
        ProviderError { provider: self.name().to_owned(), kind }
    }

    pub(crate) fn call_id(self, which: char) -> String {
        match self {
            Self::Anthropic => format!("toolu_{which}"),
            Self::Command | Self::Ollama | Self::Openai => format!("call_{which}"),
        }
    }

    /// One round with the usual request.
    pub(crate) async fn round(self, stub: &Stub) -> Round {
        run(self.settings(&stub.url), request(), QUICK).await
    }
}

/// A program that has its answers from the same server as the others.
fn bridge(url: &str) -> CommandSettings {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/command/bridge");
    let port = url.rsplit(':').next().unwrap_or_default();
    CommandSettings {
        run: vec![script.display().to_string(), port.to_owned()],
        speaks: Speaks::Lines,
        env: vec![("PATH".to_owned(), Secret::new(std::env::var("PATH").expect("a PATH")))],
        permissions: Permissions::Deny,
    }
}

pub(crate) fn provider(settings: ProviderSettings) -> Provider {
    // A second installation is refused and changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Provider::new(settings, Path::new(env!("CARGO_MANIFEST_DIR"))).expect("a provider")
}

pub(crate) async fn run(settings: ProviderSettings, request: ModelRequest, policy: RetryPolicy) -> Round {
    let provider = provider(settings);
    let (events, mut told) = mpsc::channel(4096);
    let result = provider.stream_with(request, events, policy, None).await;
    let mut seen = Vec::new();
    while let Some(event) = told.recv().await {
        seen.push(event);
    }
    (seen, result.map(|answered| answered.reply).map_err(|failed| failed.error))
}

pub(crate) fn user(text: &str) -> Message {
    Message { role: Role::User, content: vec![Block::Text { text: text.to_owned() }] }
}

pub(crate) fn request() -> ModelRequest {
    conversation(vec![user("who decides?")])
}

pub(crate) fn conversation(messages: Vec<Message>) -> ModelRequest {
    ModelRequest {
        system: "You are forge.".to_owned(),
        messages,
        tools: vec![ToolSpec {
            name: "list_team".to_owned(),
            description: "Who is here.".to_owned(),
            input_schema: json!({"type": "object", "properties": {}}),
        }],
        max_tokens: 300,
        origin: Origin::default(),
    }
}
