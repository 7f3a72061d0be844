//! Anthropic's Messages API: one streamed attempt at a round.
//!
//! `request` writes the body, `stream` reads the answer; retrying is the driver's matter.

use futures_util::StreamExt;
use reqwest::{Client, Response};
use serde_json::Value;

use self::request::Thinking;
use super::http::{self, Refusal, SendError};
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
pub struct Anthropic {
    client: Client,
    settings: ProviderSettings,
    via: Option<Via>,
}

impl Anthropic {
    pub(crate) fn new(client: Client, settings: ProviderSettings, via: Option<Via>) -> Self {
        Self { client, settings, via }
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

    /// Thinking is tied to the model and the conversation it came from. After a change of model, a compaction
    /// or a rewind the API may refuse it; the conversation then goes on without.
    async fn open(&self, request: &ModelRequest) -> Result<Response, ProviderErrorKind> {
        match self.send(request, Thinking::Keep).await {
            Ok(response) => Ok(response),
            Err(SendError::Refused(refusal)) if refuses_thinking(request, &refusal) => {
                tracing::info!(reason = %refusal.message, "sending the conversation without its earlier thinking");
                self.send(request, Thinking::Drop).await.map_err(meaning)
            }
            Err(error) => Err(meaning(error)),
        }
    }

    async fn send(&self, request: &ModelRequest, thinking: Thinking) -> Result<Response, SendError> {
        let settings = &self.settings;
        let pass = match &self.via {
            Some(via) => Some(via.bearer().await.map_err(SendError::Failed)?),
            None => None,
        };
        let key = pass.as_ref().or(settings.api_key.as_ref());
        let mut http = self
            .client
            .post(format!("{}/v1/messages", settings.base_url))
            .header("anthropic-version", VERSION)
            .json(&request::body(request, settings, thinking));
        if let Some(key) = key {
            http = match &pass {
                Some(pass) => http.bearer_auth(pass.expose()),
                None => http.header("x-api-key", key.expose()),
            };
        }
        if self.via.is_some() {
            http = via::traced(http, request.origin.trace.as_ref());
        }
        http::open(http, key, settings.stall_timeout).await
    }
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
