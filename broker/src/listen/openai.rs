//! What OpenAI's API looks like to its clients, with aspects for models. A request becomes frames that are admitted as
//! the caller's own, so nothing can be done here that they could not do on a link.

mod caller;
mod chat;
pub(crate) mod embeddings;
mod fault;
mod functions;
#[cfg(test)]
mod fuzz;
mod input;
mod models;
mod place;
mod reply;
mod responses;
mod shown;
mod stream;
mod talk;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Extension, FromRequest, Request};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use nexus_wire::ErrorCode;
use serde_json::{Value, json};

use super::problem::Problem;
use crate::clock;
use crate::edge::Edge;
use fault::Fault;
use place::Places;
use reply::{Done, Reply};

/// The thread that an answer is in, and that a request wants to be in.
const THREAD_HEADER: &str = "x-nexus-thread";
/// Clients send all of a conversation each time. What is said of it is within the bounds of a frame.
const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

const PREFIX: &str = "/v1/";
/// An answer takes as long as it takes.
const ASKS: [&str; 3] = ["/v1/chat/completions", "/v1/embeddings", "/v1/responses"];

pub(super) fn router() -> Router<Arc<Edge>> {
    Router::new()
        .route("/v1/models", get(models::list))
        .route("/v1/models/{model}", get(models::get))
        .route("/v1/chat/completions", post(chat::complete))
        .route("/v1/responses", post(responses::respond))
        .route("/v1/embeddings", post(embeddings::embed))
        .route("/v1/{*rest}", any(nothing_here))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(Extension(Places::default()))
}

/// Whether a request is one whose answer may take long.
pub(super) fn is_long(method: &Method, path: &str) -> bool {
    *method == Method::POST && ASKS.contains(&path)
}

/// A refusal before anybody looked at the request, in the words of whose path it is.
pub(super) fn refuse(path: &str, problem: Problem) -> Response {
    if path.starts_with(PREFIX) { Fault::from(problem).into_response() } else { problem.into_response() }
}

/// The body of a request, once it is known that its sender may send one.
struct Body(Bytes);

impl FromRequest<Arc<Edge>> for Body {
    type Rejection = Fault;

    async fn from_request(request: Request, edge: &Arc<Edge>) -> Result<Self, Fault> {
        Bytes::from_request(request, edge).await.map(Self).map_err(|rejection| unread(&rejection))
    }
}

fn unread(rejection: &BytesRejection) -> Fault {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let message = format!("the body is larger than the {BODY_BYTES_MAX} bytes it may have");
        return Fault::of(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::TooLarge, "too_large", message);
    }
    Fault::of(StatusCode::BAD_REQUEST, ErrorCode::Invalid, "invalid_body", rejection.body_text())
}

fn unreadable(error: &serde_json::Error) -> Fault {
    tracing::error!(%error, "an answer of our own cannot be read");
    let message = "an answer of the broker's own could not be read";
    Fault::of(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal, "internal", message)
}

/// Seconds since 1970.
fn created() -> i64 {
    clock::wall() / 1_000
}

/// What OpenAI's API has no place for.
fn about(reply: &Reply, done: Option<&Done>) -> Value {
    let mut about = json!({"thread": reply.thread(), "question": reply.question()});
    let Some(done) = done else { return about };
    if let Some(answer) = done.answer {
        about["answer"] = json!(answer);
    }
    if let Some(decision) = done.decision {
        about["decision"] = json!(decision);
    }
    if let Some(meta) = &done.meta {
        about["provider"] = json!(meta.provider);
        about["model"] = json!(meta.model);
        about["cost_microusd"] = json!(meta.cost_microusd);
    }
    about
}

async fn nothing_here(caller::Looker(_): caller::Looker, request: Request) -> Fault {
    let path: String = request.uri().path().chars().take(200).collect();
    let message =
        format!("Unknown request URL: {} {path}. docs/openai.md says what there is", request.method());
    Fault::of(StatusCode::NOT_FOUND, ErrorCode::NotFound, "unknown_url", message)
}
