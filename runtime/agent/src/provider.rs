//! Every way to get a model's reply, behind one enum and one call.
//!
//! An adapter makes one attempt at a round; `retry` alone decides about further ones. Nothing here knows
//! sessions, turns or tools: a [`ModelRequest`] goes in, events and a [`ModelReply`] come out.

use std::path::Path;

use thiserror::Error;
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;

use self::retry::{Attempt, Telling};
use crate::conversation::{ModelReply, ModelRequest, ProviderError, ProviderErrorKind, StreamEvent};

mod anthropic;
mod http;
mod openai;
mod price;
mod reply;
mod retry;
pub mod scripted;
mod settings;
mod sse;
mod via;

pub use self::anthropic::Anthropic;
pub use self::http::ClientError;
pub use self::openai::Openai;
pub use self::price::{PRICES_AS_OF, cost_microusd};
pub use self::retry::RetryPolicy;
pub use self::scripted::Scripted;
pub use self::settings::{
    MAX_TOKENS_DEFAULT, OpenaiQuirks, ProviderConfig, ProviderKind, ProviderSettings, STALL_TIMEOUT_DEFAULT,
    Secret, SettingsError,
};
pub use self::via::Via;

#[derive(Debug)]
pub enum Provider {
    Anthropic(Anthropic),
    Openai(Openai),
    Scripted(Scripted),
}

/// Why no provider could be made from settings that are themselves in order.
#[derive(Debug, Error)]
pub enum ProviderStartError {
    #[error("provider.credential: there is no broker to go through")]
    NoBroker,
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Script(#[from] scripted::ScriptError),
}

impl Provider {
    /// `home` is the aspect's home: the scripted provider reads `script.toml` in it.
    pub fn new(settings: ProviderSettings, home: &Path) -> Result<Self, ProviderStartError> {
        Self::through(settings, home, None)
    }

    /// `via` is the way through the broker, for settings that name a credential of it.
    pub fn through(
        mut settings: ProviderSettings,
        home: &Path,
        via: Option<Via>,
    ) -> Result<Self, ProviderStartError> {
        let via = match (&settings.credential, via) {
            (Some(name), Some(via)) => {
                settings.base_url = via.base_url(name);
                Some(via)
            }
            (Some(_), None) => return Err(ProviderStartError::NoBroker),
            (None, _) => None,
        };
        let client = || http::client(via.as_ref().and_then(Via::ca_pem));
        Ok(match settings.kind {
            ProviderKind::Anthropic => Self::Anthropic(Anthropic::new(client()?, settings, via)),
            ProviderKind::Openai => Self::Openai(Openai::new(client()?, settings, via)),
            ProviderKind::Scripted => Self::Scripted(Scripted::open(home)?),
        })
    }

    pub fn kind(&self) -> ProviderKind {
        match self {
            Self::Anthropic(_) => ProviderKind::Anthropic,
            Self::Openai(_) => ProviderKind::Openai,
            Self::Scripted(_) => ProviderKind::Scripted,
        }
    }

    /// One round. Dropping the future cancels it. A listener that hangs up does not.
    pub async fn stream(
        &self,
        request: ModelRequest,
        events: Sender<StreamEvent>,
    ) -> Result<ModelReply, ProviderError> {
        self.stream_with(request, events, RetryPolicy::default(), None).await
    }

    /// One round whose attempts keep to `policy`; none begins after `deadline`. An attempt that runs is not
    /// cut at the deadline: the caller does that by dropping the future.
    pub async fn stream_with(
        &self,
        request: ModelRequest,
        events: Sender<StreamEvent>,
        policy: RetryPolicy,
        deadline: Option<Instant>,
    ) -> Result<ModelReply, ProviderError> {
        retry::drive(policy, deadline, events, Round { provider: self, request: &request }).await
    }
}

struct Round<'a> {
    provider: &'a Provider,
    request: &'a ModelRequest,
}

impl Attempt for Round<'_> {
    async fn attempt(&self, number: u32, telling: &mut Telling) -> Result<ModelReply, ProviderError> {
        match self.provider {
            Provider::Anthropic(adapter) => adapter.attempt(self.request, telling).await,
            Provider::Openai(adapter) => adapter.attempt(self.request, telling).await,
            Provider::Scripted(adapter) => adapter.attempt(self.request, number, telling).await,
        }
        .map_err(|kind| ProviderError { provider: self.provider.kind().name().to_owned(), kind })
    }
}

/// Changes the words of an error and nothing else.
fn map_message(kind: ProviderErrorKind, change: impl FnOnce(String) -> String) -> ProviderErrorKind {
    match kind {
        ProviderErrorKind::Auth(text) => ProviderErrorKind::Auth(change(text)),
        ProviderErrorKind::ContextWindow(text) => ProviderErrorKind::ContextWindow(change(text)),
        ProviderErrorKind::Invalid(text) => ProviderErrorKind::Invalid(change(text)),
        ProviderErrorKind::Overloaded(text) => ProviderErrorKind::Overloaded(change(text)),
        ProviderErrorKind::RateLimit { message, retry_after } => {
            ProviderErrorKind::RateLimit { message: change(message), retry_after }
        }
        ProviderErrorKind::Refused(text) => ProviderErrorKind::Refused(change(text)),
        ProviderErrorKind::Stalled(after) => ProviderErrorKind::Stalled(after),
        ProviderErrorKind::Transport(text) => ProviderErrorKind::Transport(change(text)),
        ProviderErrorKind::Truncated(text) => ProviderErrorKind::Truncated(change(text)),
    }
}
