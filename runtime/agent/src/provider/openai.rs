//! Chat completions as OpenAI, vLLM, llama.cpp, Ollama, LM Studio, DeepSeek and others speak them: one streamed
//! attempt at a round.
//!
//! `request` writes the body, `stream` reads the answer, both with the servers' real differences; retrying is
//! the driver's matter.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt;
use reqwest::{Client, Response};
use serde_json::Value;

use self::request::Asking;
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

#[derive(Debug)]
pub(crate) struct Openai {
    client: Client,
    settings: ProviderSettings,
    via: Option<Via>,
    dialect: request::Dialect,
    /// Learned: this server wants the limit under its newer name.
    newer_limit: AtomicBool,
    /// Learned: this model cannot be told how much to think.
    thinks_as_it_likes: AtomicBool,
}

impl Openai {
    pub(crate) fn new(client: Client, settings: ProviderSettings, via: Option<Via>) -> Self {
        let dialect = request::Dialect::of(&settings);
        let newer_limit = AtomicBool::new(dialect.max_completion_tokens);
        let thinks_as_it_likes = AtomicBool::new(false);
        Self { client, settings, via, dialect, newer_limit, thinks_as_it_likes }
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
                Ok(events) => {
                    for event in events {
                        telling.tell(event).await;
                    }
                }
                // The reason for stopping was told; only the usage or `[DONE]` is missing.
                Err(_) if answer.is_complete() => break,
                Err(kind) => {
                    return Err(super::map_message(kind, |message| {
                        http::redact(&message, settings.api_key.as_ref())
                    }));
                }
            }
            telling.spent(answer.usage());
            if answer.is_over() {
                break;
            }
        }
        let (reply, calls) = answer.finish()?;
        for call in calls {
            telling.tell(call).await;
        }
        Ok(reply)
    }

    /// Reasoning models refuse the limit's old name, and others to be told how much to think; what a server wants
    /// is learned from its refusal.
    async fn open(&self, request: &ModelRequest) -> Result<Response, ProviderErrorKind> {
        loop {
            let newer = self.newer_limit.load(Ordering::Relaxed);
            let told = !self.thinks_as_it_likes.load(Ordering::Relaxed);
            match self.send(request, newer, told).await {
                Ok(response) => return Ok(response),
                Err(SendError::Refused(refusal)) if !newer && wants_newer_limit(&refusal) => {
                    self.newer_limit.store(true, Ordering::Relaxed);
                }
                Err(SendError::Refused(refusal)) if told && self.refuses_effort(&refusal) => {
                    let model = &self.settings.model;
                    tracing::warn!(model, reason = %refusal.message, "provider.thinking is without effect");
                    self.thinks_as_it_likes.store(true, Ordering::Relaxed);
                }
                Err(error) => return Err(meaning(error)),
            }
        }
    }

    fn refuses_effort(&self, refusal: &Refusal) -> bool {
        let message = refusal.message.to_lowercase();
        let named = ["reasoning_effort", "reasoning effort", "thinking"];
        self.settings.thinking.is_some()
            && matches!(refusal.status.as_u16(), 400 | 422)
            && named.iter().any(|name| message.contains(name))
    }

    async fn send(&self, request: &ModelRequest, newer: bool, told: bool) -> Result<Response, SendError> {
        let settings = &self.settings;
        let effort = if told { self.dialect.effort } else { Asking::Nothing };
        let dialect = request::Dialect { max_completion_tokens: newer, effort, ..self.dialect };
        let mut http = self
            .client
            .post(format!("{}/chat/completions", settings.base_url))
            .json(&request::body(request, settings, &dialect));
        let pass = match &self.via {
            Some(via) => Some(via.bearer().await.map_err(SendError::Failed)?),
            None => None,
        };
        let key = pass.as_ref().or(settings.api_key.as_ref());
        if let Some(key) = key {
            http = http.bearer_auth(key.expose());
        }
        if self.via.is_some() {
            http = via::traced(http, request.origin.trace.as_ref());
        }
        http::open(http, Wanted::Events, key, settings.stall_timeout).await
    }
}

fn wants_newer_limit(refusal: &Refusal) -> bool {
    refusal.status.as_u16() == 400
        && refusal.error["param"] == "max_tokens"
        && refusal.message.contains("max_completion_tokens")
}

fn meaning(error: SendError) -> ProviderErrorKind {
    match error {
        SendError::Failed(kind) => kind,
        SendError::Refused(refusal) => {
            named(&refusal.error, &refusal.message).unwrap_or_else(|| http::by_status(refusal))
        }
    }
}

/// What an error object says whatever status it came with; servers agree on little else.
fn named(error: &Value, message: &str) -> Option<ProviderErrorKind> {
    let code = error.get("code").and_then(Value::as_str).unwrap_or_default();
    let kind = error.get("type").and_then(Value::as_str).unwrap_or_default();
    let text = || if code.is_empty() { message.to_owned() } else { format!("{code}: {message}") };
    Some(match (code, kind) {
        ("context_length_exceeded", _) | (_, "exceed_context_size_error") => {
            ProviderErrorKind::ContextWindow(text())
        }
        ("content_filter" | "content_policy_violation", _) => ProviderErrorKind::Refused(text()),
        // Waiting does not fill an account.
        ("insufficient_quota", _) | (_, "insufficient_quota") => ProviderErrorKind::Invalid(text()),
        ("invalid_api_key", _) => ProviderErrorKind::Auth(text()),
        _ if is_context_overflow(message) => ProviderErrorKind::ContextWindow(text()),
        _ => return None,
    })
}

fn is_context_overflow(message: &str) -> bool {
    let message = message.to_lowercase();
    ["context length", "context window", "context size", "prompt is too long", "input is too long"]
        .iter()
        .any(|phrase| message.contains(phrase))
}
