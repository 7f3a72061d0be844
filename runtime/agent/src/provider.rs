//! Every way to get a model's reply, behind one type and one call.
//!
//! An adapter makes one attempt at a round; `retry` alone decides about further ones, and `failover` about who is
//! asked next. Nothing here knows sessions, turns or tools: a [`ModelRequest`] goes in, events and a
//! [`ModelReply`] come out.

use std::path::Path;

use thiserror::Error;
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;

use self::adapter::Adapter;
use self::failover::Rest;
use self::price::Tariff;
use self::retry::{Attempt, GivenUp, Telling};
use crate::conversation::{ModelReply, ModelRequest, ProviderError, ProviderErrorKind, StreamEvent};

mod adapter;
mod anthropic;
mod bounds;
mod command;
mod failover;
pub(crate) mod http;
mod lines;
mod meter;
mod ollama;
mod openai;
mod price;
mod reply;
mod retry;
pub mod scripted;
mod settings;
mod sse;
mod via;
mod window;

pub use self::failover::{COOL_DOWN, COOL_DOWN_MAX};
pub use self::http::ClientError;
pub(crate) use self::meter::Leave;
pub use self::meter::{Listener, Meter};
pub use self::price::{Charge, PRICES_AS_OF, Price, cost_microusd};
pub use self::retry::RetryPolicy;
pub use self::scripted::Scripted;
pub use self::settings::{
    CommandConfig, CommandSettings, Effort, MAX_TOKENS_DEFAULT, OpenaiQuirks, Permissions, ProviderConfig,
    ProviderKind, ProviderSettings, STALL_TIMEOUT_DEFAULT, Secret, SettingsError, Speaks,
};
pub use self::via::Via;
pub use self::window::{CONTEXT_WINDOW_DEFAULT, context_window};

/// What an aspect thinks with: a provider, and those that stand in for it.
#[derive(Debug)]
pub struct Provider {
    /// The aspect's own one first; never empty.
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    kind: ProviderKind,
    adapter: Adapter,
    tariff: Tariff,
    max_tokens: u32,
    /// What the first one signed means something to this one too, and the other way round.
    signs_as_first: bool,
    rest: Rest,
}

/// Why no provider could be made from settings that are themselves in order.
#[derive(Debug, Error)]
pub enum ProviderStartError {
    #[error("provider.credential: there is no broker to go through")]
    NoBroker,
    #[error("provider.command is missing")]
    NoCommand,
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Script(#[from] scripted::ScriptError),
}

/// A reply, and what it took to get it. Its usage is that of the whole round, failed attempts and providers
/// included.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    pub reply: ModelReply,
    /// The one that answered.
    pub provider: String,
    /// `None` when no price is known.
    pub cost_microusd: Option<u64>,
}

/// A round without a reply. What it has cost is spent all the same.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("{error}")]
pub struct RoundFailed {
    pub error: ProviderError,
    pub charge: Charge,
}

impl From<ProviderError> for RoundFailed {
    fn from(error: ProviderError) -> Self {
        Self { error, charge: Charge::default() }
    }
}

impl Provider {
    /// `home` is the aspect's home: the scripted provider reads `script.toml` in it.
    pub fn new(settings: ProviderSettings, home: &Path) -> Result<Self, ProviderStartError> {
        Self::with_stand_ins(settings, Vec::new(), home, None)
    }

    /// `via` is the way through the broker, for settings that name a credential of it.
    pub fn through(
        settings: ProviderSettings,
        home: &Path,
        via: Option<&Via>,
    ) -> Result<Self, ProviderStartError> {
        Self::with_stand_ins(settings, Vec::new(), home, via)
    }

    /// When `first` fails, a round goes on with the others in their order.
    pub fn with_stand_ins(
        first: ProviderSettings,
        others: Vec<ProviderSettings>,
        home: &Path,
        via: Option<&Via>,
    ) -> Result<Self, ProviderStartError> {
        let signer = first.signer();
        let members = std::iter::once(first).chain(others).map(|settings| {
            Ok(Member {
                kind: settings.kind,
                tariff: Tariff { own: settings.price, model: settings.model.clone() },
                max_tokens: settings.max_tokens,
                signs_as_first: settings.signer() == signer,
                rest: Rest::default(),
                adapter: Adapter::open(settings, home, via)?,
            })
        });
        Ok(Self { members: members.collect::<Result<_, ProviderStartError>>()? })
    }

    /// Of the aspect's own provider.
    pub fn kind(&self) -> ProviderKind {
        self.members.first().map_or(ProviderKind::Scripted, |member| member.kind)
    }

    /// How many tokens the request has, as the aspect's own provider counts them; `None` where it does not, or
    /// cannot be asked.
    pub async fn count_tokens(&self, request: &ModelRequest) -> Option<u64> {
        let member = self.members.first()?;
        match member.adapter.count_tokens(request).await? {
            Ok(tokens) => Some(tokens),
            Err(error) => {
                tracing::debug!(%error, "the tokens of a request are not counted");
                None
            }
        }
    }

    /// One vector for each text, from the aspect's own provider; `None` where it has none to give.
    pub async fn embed(&self, texts: &[String]) -> Option<Result<Vec<Vec<f32>>, ProviderError>> {
        let Member { adapter, kind, .. } = self.members.first()?;
        let provider = kind.name().to_owned();
        let embedded = adapter.embed(texts).await?;
        Some(embedded.map_err(|kind| ProviderError { provider, kind }))
    }

    /// One round. Dropping the future cancels it. A listener that hangs up does not.
    pub async fn stream(
        &self,
        request: ModelRequest,
        events: Sender<StreamEvent>,
    ) -> Result<Answered, RoundFailed> {
        self.stream_with(request, events, RetryPolicy::default(), None).await
    }

    /// One round whose attempts keep to `policy`; none begins after `deadline`. An attempt that runs is not
    /// cut at the deadline: the caller does that by dropping the future, and finds on the listener's meter what
    /// it has cost.
    pub async fn stream_with(
        &self,
        request: ModelRequest,
        listener: impl Into<Listener>,
        policy: RetryPolicy,
        deadline: Option<Instant>,
    ) -> Result<Answered, RoundFailed> {
        let listener = listener.into();
        let order = failover::order(self.members.iter().map(|member| &member.rest), Instant::now());
        let mut failed: Vec<ProviderError> = Vec::new();
        let mut asked = order.into_iter().filter_map(|at| self.members.get(at)).peekable();
        while let Some(member) = asked.next() {
            let next = asked.peek();
            let policy = if next.is_some() { failover::before_another(policy) } else { policy };
            let round = Round { member, request: &member.request(&request) };
            let GivenUp { error, told } =
                match retry::drive(policy, deadline, &listener, &member.tariff, round).await {
                    Ok(reply) => {
                        member.rest.end();
                        return Ok(member.answered(reply, &listener).await);
                    }
                    Err(given_up) => given_up,
                };
            if failover::goes_on(&error.kind) {
                member.rest.begin(Instant::now(), &error.kind);
            }
            let error = match listener.stopped() {
                Some(kind) if next.is_some() => ProviderError { kind, ..error },
                Some(_) | None => error,
            };
            let goes_on = failover::goes_on(&error.kind);
            match next {
                Some(next) if goes_on => {
                    let (kind, model) = (next.kind.name(), &next.tariff.model);
                    tracing::warn!(%error, next = kind, model, "the provider failed; the next one stands in");
                    if told {
                        listener.tell(StreamEvent::Restart).await;
                    }
                    failed.push(error);
                }
                Some(_) | None => {
                    let error = failover::after_others(error, &failed);
                    return Err(RoundFailed { error, charge: listener.meter.total() });
                }
            }
        }
        // There is a first one, so the loop has returned.
        let kind = ProviderErrorKind::Invalid("no provider is set".to_owned());
        Err(ProviderError { provider: String::new(), kind }.into())
    }
}

impl Member {
    /// The request as this one may see it: what another provider signed is not for it.
    fn request(&self, request: &ModelRequest) -> ModelRequest {
        let mut request = request.clone();
        request.max_tokens = request.max_tokens.min(self.max_tokens);
        if !self.signs_as_first {
            let blocks = request.messages.iter_mut().flat_map(|message| &mut message.content);
            blocks.for_each(failover::unsign);
        }
        request
    }

    async fn answered(&self, mut reply: ModelReply, listener: &Listener) -> Answered {
        if !self.signs_as_first {
            reply.content.iter_mut().for_each(failover::unsign);
        }
        let Charge { usage, cost_microusd } = listener.meter.total();
        reply.usage = usage;
        listener.tell(StreamEvent::Done(reply.clone())).await;
        Answered { reply, provider: self.kind.name().to_owned(), cost_microusd }
    }
}

struct Round<'a> {
    member: &'a Member,
    request: &'a ModelRequest,
}

impl Attempt for Round<'_> {
    async fn attempt(&self, number: u32, telling: &mut Telling) -> Result<ModelReply, ProviderError> {
        let Member { adapter, kind, .. } = self.member;
        let provider = || kind.name().to_owned();
        let attempt = adapter.attempt(self.request, number, telling).await;
        attempt.map_err(|kind| ProviderError { provider: provider(), kind })
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
        ProviderErrorKind::Stopped(text) => ProviderErrorKind::Stopped(change(text)),
        ProviderErrorKind::Stalled(after) => ProviderErrorKind::Stalled(after),
        ProviderErrorKind::Transport(text) => ProviderErrorKind::Transport(change(text)),
        ProviderErrorKind::Truncated(text) => ProviderErrorKind::Truncated(change(text)),
    }
}
