//! Ollama's own API: one streamed attempt at a round, and embeddings.
//!
//! `request` writes the body, `stream` reads the answer; retrying is the driver's matter.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt;
use reqwest::{Client, RequestBuilder, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::bounds::STREAM_BYTES_MAX;
use super::http::{self, Refusal, SendError, Wanted};
use super::lines;
use super::retry::Telling;
use super::settings::{ProviderSettings, Secret};
use super::via::{self, Via};
use crate::conversation::{ModelReply, ModelRequest, ProviderErrorKind};

#[cfg(test)]
mod fuzz;
mod request;
mod stream;

#[derive(Debug)]
pub(crate) struct Ollama {
    client: Client,
    settings: ProviderSettings,
    via: Option<Via>,
    /// Learned: this model cannot be told how much to think.
    thinks_not: AtomicBool,
}

impl Ollama {
    pub(crate) fn new(client: Client, settings: ProviderSettings, via: Option<Via>) -> Self {
        Self { client, settings, via, thinks_not: AtomicBool::new(false) }
    }

    pub(crate) async fn attempt(
        &self,
        request: &ModelRequest,
        telling: &mut Telling,
    ) -> Result<ModelReply, ProviderErrorKind> {
        let settings = &self.settings;
        let response = self.open(request).await?;
        let mut lines =
            Box::pin(lines::lines(response.bytes_stream(), settings.stall_timeout, STREAM_BYTES_MAX));
        let mut answer = stream::Answer::new(settings.model.clone());
        while let Some(line) = lines.next().await {
            match line.and_then(|line| answer.take(&line)) {
                Ok(events) => {
                    for event in events {
                        telling.tell(event).await;
                    }
                }
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
        answer.finish()
    }

    /// One vector for each text, in their order.
    pub(crate) async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ProviderErrorKind> {
        #[derive(Deserialize)]
        struct Embedded {
            embeddings: Vec<Vec<f32>>,
        }
        let body = json!({"model": self.settings.model, "input": texts});
        let response = self.post("api/embed", &body, Wanted::Json, None).await;
        let response = response.map_err(|error| self.meaning(error))?;
        let read = http::whole(response, self.settings.stall_timeout).await?;
        let embedded: Embedded = serde_json::from_slice(&read).map_err(|error| {
            ProviderErrorKind::Truncated(format!("embeddings that cannot be read: {error}"))
        })?;
        if embedded.embeddings.len() != texts.len() {
            let count = embedded.embeddings.len();
            let reason = format!("{count} embeddings for {} texts", texts.len());
            return Err(ProviderErrorKind::Truncated(reason));
        }
        Ok(embedded.embeddings)
    }

    /// A model that cannot think refuses to be told to, or not to; it is then told nothing.
    async fn open(&self, request: &ModelRequest) -> Result<Response, ProviderErrorKind> {
        let trace = request.origin.trace.as_ref();
        let told = !self.thinks_not.load(Ordering::Relaxed);
        let body = |told| request::body(request, &self.settings, told);
        let first = self.post("api/chat", &body(told), Wanted::Lines, trace).await;
        match first {
            Err(SendError::Refused(refusal)) if told && self.refuses_thinking(&refusal) => {
                tracing::warn!(model = %self.settings.model, "this model cannot think; provider.thinking is without effect");
                self.thinks_not.store(true, Ordering::Relaxed);
                self.post("api/chat", &body(false), Wanted::Lines, trace).await
            }
            first => first,
        }
        .map_err(|error| self.meaning(error))
    }

    fn refuses_thinking(&self, refusal: &Refusal) -> bool {
        self.settings.thinking.is_some()
            && refusal.status.as_u16() == 400
            && refusal.message.contains("does not support thinking")
    }

    async fn post(
        &self,
        path: &str,
        body: &Value,
        wanted: Wanted,
        trace: Option<&nexus_wire::TraceContext>,
    ) -> Result<Response, SendError> {
        let settings = &self.settings;
        let http = self.client.post(format!("{}/{path}", settings.base_url)).json(body);
        let pass = match &self.via {
            Some(via) => Some(via.bearer().await.map_err(SendError::Failed)?),
            None => None,
        };
        let key = pass.as_ref().or(settings.api_key.as_ref());
        let mut http = authorised(http, key);
        if self.via.is_some() {
            http = via::traced(http, trace);
        }
        http::open(http, wanted, key, settings.stall_timeout).await
    }

    fn meaning(&self, error: SendError) -> ProviderErrorKind {
        let refusal = match error {
            SendError::Failed(ProviderErrorKind::Transport(reason)) => {
                let url = &self.settings.base_url;
                return ProviderErrorKind::Transport(format!("{reason}; does Ollama run at {url}?"));
            }
            SendError::Failed(kind) => return kind,
            SendError::Refused(refusal) => refusal,
        };
        let model = &self.settings.model;
        if refusal.status.as_u16() == 404 && refusal.message.contains("model") {
            let message = &refusal.message;
            return ProviderErrorKind::Invalid(format!("{message}; fetch it with: ollama pull {model}"));
        }
        named(&refusal.message).unwrap_or_else(|| http::by_status(refusal))
    }
}

fn authorised(request: RequestBuilder, key: Option<&Secret>) -> RequestBuilder {
    match key {
        Some(key) => request.bearer_auth(key.expose()),
        None => request,
    }
}

/// What the words of an error mean: there is nothing else to go by.
fn named(message: &str) -> Option<ProviderErrorKind> {
    let lower = message.to_lowercase();
    let overflow = ["context length", "context window", "exceeds the available context"];
    overflow
        .iter()
        .any(|phrase| lower.contains(phrase))
        .then(|| ProviderErrorKind::ContextWindow(message.to_owned()))
}
