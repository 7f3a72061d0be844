//! What the broker counts of itself, for Prometheus.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aide::axum::ApiRouter;
use axum::extract::{FromRequestParts, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use nexus_wire::{ErrorBody, ErrorCode};

use super::caller::Viewer;
use super::openapi::{Group, doc, note};
use super::routing::get_with;
use super::{Remote, Routes, Shared};
use crate::core::State as Health;
use crate::edge::Edge;
use crate::hub::records::{Reads, Which};
use crate::listen::problem::Problem;
use crate::meter::Reading;

const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Open dispatches one scrape looks at.
const DISPATCHES_MAX: u32 = 10_000;

pub(super) fn routes() -> Routes {
    let metrics = doc("getMetrics", Group::Broker, "Counters and gauges, in the text form of OpenMetrics");
    ApiRouter::new().api_route("/metrics", get_with(get_metrics, metrics))
}

/// An operator of any role, or anybody on this machine if the settings say so.
#[derive(Debug)]
struct Scraper;

impl FromRequestParts<Arc<Edge>> for Scraper {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, edge: &Arc<Edge>) -> Result<Self, Problem> {
        let is_local =
            parts.extensions.get::<Remote>().is_some_and(|it| it.0.ip().to_canonical().is_loopback());
        if !(edge.metrics_open_on_loopback && is_local) {
            Viewer::from_request_parts(parts, edge).await?;
        }
        Ok(Self)
    }
}

impl aide::OperationInput for Scraper {
    fn operation_input(context: &mut aide::generate::GenContext, operation: &mut aide::openapi::Operation) {
        Viewer::operation_input(context, operation);
        note(operation, "With `metrics.open_on_loopback` requests from this machine need no credential.");
    }
}

/// Text of its own media type.
struct Metrics(String);

impl IntoResponse for Metrics {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, MEDIA_TYPE), (header::CACHE_CONTROL, "no-store")], self.0).into_response()
    }
}

impl aide::OperationOutput for Metrics {
    type Inner = Self;

    fn inferred_responses(
        _: &mut aide::generate::GenContext,
        _: &mut aide::openapi::Operation,
    ) -> Vec<(Option<aide::openapi::StatusCode>, aide::openapi::Response)> {
        vec![super::openapi::text_response("application/openmetrics-text", "The metrics.")]
    }
}

async fn get_metrics(State(edge): Shared, _: Scraper) -> Result<Metrics, Problem> {
    let reading = reading(&edge).await?;
    edge.published
        .meter
        .text(&reading)
        .map(Metrics)
        .map_err(|_| ErrorBody::new(ErrorCode::Internal, "the metrics cannot be written").into())
}

async fn reading(edge: &Edge) -> Result<Reading, ErrorBody> {
    let team = edge.team().await?;
    let log_seq = edge.ask(|hub| hub.log_seq()).await?;
    let now = edge.now();
    let open = edge.library.read(|store| store.dispatches(Which::Open, None, DISPATCHES_MAX)).await;
    let blobs = edge.blobs_used().await;
    // While storage cannot be read the rest still is worth knowing.
    let dispatches = open.unwrap_or_default().into_iter().map(|info| {
        let waited = u64::try_from(now - info.accepted_at).unwrap_or(0);
        (info.state, Duration::from_millis(waited))
    });
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let links_max = edge.links_max;
    Ok(Reading {
        links: links_max.saturating_sub(edge.links.available_permits()),
        links_max,
        aspects: team.aspects.iter().map(|info| (info.state, info.backlog)).collect(),
        dispatches: dispatches.collect(),
        log_seq,
        is_working: edge.published.health.state() == Health::Working,
        relay_dropped: edge.relay.dropped(),
        agent_restarts: edge.published.processes.restarts(),
        sink_dropped: edge.relay.sink_dropped(),
        database_bytes: size(&edge.database),
        wal_bytes: size(&edge.database.with_extension("db-wal")),
        blob_bytes: blobs.unwrap_or_default(),
        blob_bytes_max: edge.blob_bytes_max,
        spans: edge.published.traces.counts(),
        rate_limited: edge.limits.refused().to_vec(),
    })
}
