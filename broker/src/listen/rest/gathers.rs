//! Several dispatches taken together.

use aide::axum::ApiRouter;
use axum::extract::State;
use nexus_wire::GatherId;
use nexus_wire::gather::{
    Gather, GatherCancel, GatherCancelled, GatherInfo, GatherList, GatherPage, GatherStatus, Gathered,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::answer::Answered;
use super::caller::{AnyParty, Operator};
use super::input::{Body, Idempotent, Path, Query};
use super::openapi::{Group, doc, doc_with, failing};
use super::page::{At, Page, list};
use super::routing::{get_with, post_with};
use super::{Routes, Shared, frame, read};

pub(super) fn routes() -> Routes {
    let example = json!({"dispatches": ["0199a0b1-c2d3-7123-8456-789abcdef001"], "policy": "first"});
    let create =
        doc_with("createGather", Group::Dispatches, "Take dispatches together, for one end of all", example);
    let create = failing(&[404], create);
    let all = doc("listGathers", Group::Dispatches, "Open gathers, the latest first");
    let get = doc("getGather", Group::Dispatches, "How a gather stands, open or ended");
    let example = json!({"reason": "no longer needed", "cancel_rest": true});
    let cancel = doc_with("cancelGather", Group::Dispatches, "End a gather before it is decided", example);
    ApiRouter::new()
        .api_route("/api/v1/gathers", get_with(list_gathers, all).merge(post_with(create_gather, create)))
        .api_route("/api/v1/gathers/{gather}", get_with(get_gather, get))
        .api_route("/api/v1/gathers/{gather}/cancel", post_with(cancel_gather, cancel))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ByGather {
    gather: GatherId,
}

/// Why a gather is cancelled, and whether its dispatches are, too.
#[derive(Debug, Deserialize, JsonSchema)]
struct Cancel {
    #[serde(default)]
    reason: Option<String>,
    /// As the gather itself said, when absent.
    #[serde(default)]
    cancel_rest: Option<bool>,
}

async fn cancel_gather(
    State(edge): Shared,
    Operator(caller): Operator,
    Path(by): Path<ByGather>,
    key: Idempotent,
    body: Body<Cancel>,
) -> Answered<GatherCancelled> {
    let Cancel { reason, cancel_rest } = body.value;
    let cancel = GatherCancel { gather: by.gather, reason, cancel_rest };
    frame(&edge, &caller, key, cancel, body.bytes).await
}

async fn create_gather(
    State(edge): Shared,
    Operator(caller): Operator,
    key: Idempotent,
    body: Body<Gather>,
) -> Answered<Gathered> {
    frame(&edge, &caller, key, body.value, body.bytes).await
}

async fn list_gathers(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Query(mut wanted): Query<GatherList>,
    Query(at): Query<At>,
) -> Answered<Page<GatherPage>> {
    wanted.before = at.or(wanted.before)?;
    list(&edge, &caller, wanted).await
}

async fn get_gather(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Path(by): Path<ByGather>,
) -> Answered<GatherInfo> {
    read(&edge, &caller, GatherStatus { gather: by.gather }).await
}
