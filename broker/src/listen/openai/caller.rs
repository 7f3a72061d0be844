//! Who asks, refused in OpenAI's words.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use nexus_wire::RequestId;

use super::fault::Fault;
use crate::edge::Edge;
use crate::identity::Identity;
use crate::listen::rest::caller::{Operator, Viewer};
use crate::listen::rest::input::Idempotent;

/// Who may look.
pub(super) struct Looker(pub(super) Identity);

/// Who may ask.
pub(super) struct Asker(pub(super) Identity);

impl FromRequestParts<Arc<Edge>> for Looker {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, edge: &Arc<Edge>) -> Result<Self, Fault> {
        Ok(Self(Viewer::from_request_parts(parts, edge).await?.0))
    }
}

impl FromRequestParts<Arc<Edge>> for Asker {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, edge: &Arc<Edge>) -> Result<Self, Fault> {
        Ok(Self(Operator::from_request_parts(parts, edge).await?.0))
    }
}

/// What the headers say of a request.
pub(super) struct Terms {
    pub(super) request: RequestId,
    /// Whoever asks has named the request, and may come back for its answer.
    pub(super) is_named: bool,
    /// A client's own second try of a request whose answer did not come.
    pub(super) is_retry: bool,
    /// The thread it is for, as it was given.
    pub(super) thread: Option<String>,
}

impl FromRequestParts<Arc<Edge>> for Terms {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, edge: &Arc<Edge>) -> Result<Self, Fault> {
        let Idempotent(request) = Idempotent::from_request_parts(parts, edge).await?;
        let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let tries = text("x-stainless-retry-count").and_then(|count| count.parse::<u32>().ok());
        Ok(Self {
            request,
            is_named: parts.headers.contains_key("idempotency-key"),
            is_retry: tries.is_some_and(|count| count > 0),
            thread: text(super::THREAD_HEADER).map(str::to_owned),
        })
    }
}
