//! Anthropic's Messages API: one streamed attempt at a round.
//!
//! `request` writes the body, `stream` reads the answer; retrying is the driver's matter.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt;
use nexus_wire::TraceContext;
use reqwest::{Client, Response};
use serde::Deserialize;
use serde_json::Value;

use self::request::{Thinking, Writing};
use super::http::{self, Refusal, SendError, Wanted};
use super::retry::Telling;
use super::settings::ProviderSettings;
use super::sse;
use super::via::{self, Via};
use crate::conversation::{ModelReply, ModelRequest, ProviderErrorKind};

#[cfg(test)]
mod fuzz;
mod request;
mod stream;

const VERSION: &str = "2023-06-01";

#[derive(Debug)]
pub(crate) struct Anthropic {
    client: Client,
    settings: ProviderSettings,
    via: Option<Via>,
    /// Learned: this model cannot be told how much to think.
    thinks_as_it_likes: AtomicBool,
}

impl Anthropic {
    pub(crate) fn new(client: Client, settings: ProviderSettings, via: Option<Via>) -> Self {
        Self { client, settings, via, thinks_as_it_likes: AtomicBool::new(false) }
    }

    pub(crate) async fn attempt(
        &self,
        request: &ModelRequest,
        telling: &mut Telling,
    ) -> Result<ModelReply, ProviderErrorKind> {
        let settings = &self.settings;
        let response = self.open(request).await?;
        let mut events = Box::pin(sse::events(response.bytes_stream(), settings.stall_timeout));
        let mut answer = stream::Answer::new(settings.model.clone());
        while let Some(data) = events.next().await {
            match data.and_then(|data| answer.take(&data)) {
                Ok(Some(event)) => telling.tell(event).await,
                Ok(None) => {}
                // What broke after the reason for stopping broke after the answer.
                Err(_) if answer.is_complete() => break,
                Err(kind) => return Err(redacted(kind, settings)),
            }
            telling.spent(answer.usage());
            if answer.is_over() {
                break;
            }
        }
        if !answer.is_complete() {
            return Err(ProviderErrorKind::Truncated("the connection closed before message_stop".to_owned()));
        }
        let (reply, last) = answer.finish();
        for event in last {
            telling.tell(event).await;
        }
        Ok(reply)
    }

    /// What the API counts a request as, without asking the model.
    pub(crate) async fn count_tokens(&self, request: &ModelRequest) -> Result<u64, ProviderErrorKind> {
        #[derive(Deserialize)]
        struct Counted {
            input_tokens: u64,
        }
        let body = request::counted(request, &self.settings, self.writing());
        let response = self.post("v1/messages/count_tokens", &Value::Object(body), Wanted::Json, None).await;
        let read = http::whole(response.map_err(meaning)?, self.settings.stall_timeout).await?;
        let counted: Counted = serde_json::from_slice(&read)
            .map_err(|error| ProviderErrorKind::Truncated(format!("a count that cannot be read: {error}")))?;
        Ok(counted.input_tokens)
    }

    fn writing(&self) -> Writing {
        Writing { thinking: Thinking::Keep, told: !self.thinks_as_it_likes.load(Ordering::Relaxed) }
    }

    /// Thinking is tied to the model and the conversation it came from. After a change of model, a compaction
    /// or a rewind the API may refuse it; the conversation then goes on without. And a model that cannot be told
    /// how much to think is told nothing.
    async fn open(&self, request: &ModelRequest) -> Result<Response, ProviderErrorKind> {
        let mut writing = self.writing();
        loop {
            let refusal = match self.send(request, writing).await {
                Ok(response) => return Ok(response),
                Err(SendError::Refused(refusal)) => refusal,
                Err(error) => return Err(meaning(error)),
            };
            if writing.thinking == Thinking::Keep && refuses_thinking(request, &refusal) {
                tracing::info!(reason = %refusal.message, "sending the conversation without its earlier thinking");
                writing.thinking = Thinking::Drop;
            } else if writing.told && self.settings.thinking.is_some() && refuses_effort(&refusal) {
                let model = &self.settings.model;
                tracing::warn!(model, reason = %refusal.message, "provider.thinking is without effect");
                self.thinks_as_it_likes.store(true, Ordering::Relaxed);
                writing.told = false;
            } else {
                return Err(meaning(SendError::Refused(refusal)));
            }
        }
    }

    async fn send(&self, request: &ModelRequest, writing: Writing) -> Result<Response, SendError> {
        let body = request::body(request, &self.settings, writing);
        self.post("v1/messages", &body, Wanted::Events, request.origin.trace.as_ref()).await
    }

    async fn post(
        &self,
        path: &str,
        body: &Value,
        wanted: Wanted,
        trace: Option<&TraceContext>,
    ) -> Result<Response, SendError> {
        let settings = &self.settings;
        let pass = match &self.via {
            Some(via) => Some(via.bearer().await.map_err(SendError::Failed)?),
            None => None,
        };
        let key = pass.as_ref().or(settings.api_key.as_ref());
        let url = format!("{}/{path}", settings.base_url);
        let mut http = self.client.post(url).header("anthropic-version", VERSION).json(body);
        if let Some(key) = key {
            http = match &pass {
                Some(pass) => http.bearer_auth(pass.expose()),
                None => http.header("x-api-key", key.expose()),
            };
        }
        if self.via.is_some() {
            http = via::traced(http, trace);
        }
        http::open(http, wanted, key, settings.stall_timeout).await
    }
}

/// Speaks of the setting, and not of a block in the conversation.
fn refuses_effort(refusal: &Refusal) -> bool {
    let message = refusal.message.to_lowercase();
    let named = ["thinking.", "adaptive thinking", "output_config", "effort", "budget_tokens"];
    refusal.status.as_u16() == 400 && named.iter().any(|name| message.contains(name))
}

fn refuses_thinking(request: &ModelRequest, refusal: &Refusal) -> bool {
    let message = refusal.message.to_lowercase();
    let about = message.contains("thinking` block")
        || message.contains("thinking block")
        || message.contains("signature");
    refusal.status.as_u16() == 400
        && (about || message.contains("redacted_thinking"))
        && request.messages.iter().flat_map(|message| &message.content).any(request::is_thinking)
}

fn redacted(kind: ProviderErrorKind, settings: &ProviderSettings) -> ProviderErrorKind {
    super::map_message(kind, |message| http::redact(&message, settings.api_key.as_ref()))
}

fn meaning(error: SendError) -> ProviderErrorKind {
    let refusal = match error {
        SendError::Failed(kind) => return kind,
        SendError::Refused(refusal) => refusal,
    };
    let kind = refusal.error.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    named(&kind, &refusal.message, refusal.retry_after).unwrap_or_else(|| http::by_status(refusal))
}

/// What one of Anthropic's error types means, be it in a refusal or in the middle of a stream.
fn named(kind: &str, message: &str, retry_after: Option<std::time::Duration>) -> Option<ProviderErrorKind> {
    let text = format!("{kind}: {message}");
    Some(match kind {
        "authentication_error" | "permission_error" => ProviderErrorKind::Auth(text),
        "invalid_request_error" if is_context_overflow(message) => ProviderErrorKind::ContextWindow(text),
        "request_too_large" => ProviderErrorKind::ContextWindow(text),
        "billing_error" | "invalid_request_error" | "not_found_error" => ProviderErrorKind::Invalid(text),
        "rate_limit_error" => ProviderErrorKind::RateLimit { message: text, retry_after },
        "api_error" | "overloaded_error" | "timeout_error" => ProviderErrorKind::Overloaded(text),
        _ => return None,
    })
}

fn is_context_overflow(message: &str) -> bool {
    let message = message.to_lowercase();
    ["prompt is too long", "context window", "context limit", "too many total text bytes"]
        .iter()
        .any(|phrase| message.contains(phrase))
}
