//! Which Nexus this is, and whether it works: needs no credential but for the certificate of its CA.

use aide::axum::ApiRouter;
use axum::extract::State;
use axum::http::StatusCode;
use nexus_wire::ErrorCode;
use nexus_wire::admin::{NexusCa, NexusInfo};

use super::answer::{Answer, Answered};
use super::caller::AnyParty;
use super::openapi::{Group, doc};
use super::routing::get_with;
use super::{Routes, Shared};
use crate::core::State as Health;
use crate::listen::problem::Problem;

/// Under whatever name the broker is called.
pub(super) fn routes() -> Routes {
    ApiRouter::new()
        .api_route(
            "/healthz",
            get_with(healthz, doc("health", Group::Broker, "Whether the process is alive")),
        )
        .api_route(
            "/readyz",
            get_with(readyz, doc("ready", Group::Broker, "Whether changes can be made durable")),
        )
}

pub(super) fn nexus() -> Routes {
    let about = doc("getNexus", Group::Broker, "Which Nexus this is, and which version");
    let ca = doc("getCa", Group::Broker, "The certificate that clients of this Nexus trust, for keyfiles");
    ApiRouter::new()
        .api_route("/api/v1/ca", get_with(get_ca, ca))
        .api_route("/api/v1/nexus", get_with(get_nexus, about))
}

async fn get_nexus(State(edge): Shared) -> Answered<NexusInfo> {
    Ok(Answer::of(&edge.info()))
}

async fn get_ca(State(edge): Shared, _: AnyParty) -> Answered<NexusCa> {
    let ca_pem = edge.gate.ca_pem().to_owned();
    Ok(Answer::of(&NexusCa { nexus_id: edge.gate.nexus_id(), ca_pem }))
}

async fn healthz() -> Result<&'static str, Problem> {
    Ok("ok\n")
}

async fn readyz(State(edge): Shared) -> Result<&'static str, Problem> {
    match edge.published.health.state() {
        Health::Working => Ok("ready\n"),
        Health::Starting | Health::Failed | Health::Stopping => {
            let message = edge.published.health.reason();
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::StorageUnavailable, message))
        }
    }
}
