//! Work sent to Hands.

use aide::axum::ApiRouter;
use axum::extract::State;
use nexus_wire::DispatchId;
use nexus_wire::budget::Budget;
use nexus_wire::hands::{
    CancelReceipt, Dispatch, DispatchCancel, DispatchInfo, DispatchList, DispatchPage, DispatchRetry,
    DispatchStatus, Dispatched,
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
    let example = json!({"hand": "wren/verify-claim", "input": {"claim": "the moon is a cheese"}});
    let create = doc_with("createDispatch", Group::Dispatches, "Send work to a Hand", example);
    let create = failing(&[404], create);
    let all = doc("listDispatches", Group::Dispatches, "Dispatches, the latest first");
    let get = doc("getDispatch", Group::Dispatches, "How a dispatch stands, with its input and output");
    let example = json!({"reason": "no longer needed"});
    let cancel =
        doc_with("cancelDispatch", Group::Dispatches, "Cancel a dispatch and everything below it", example);
    let example = json!({"deadline_s": 600});
    let retry = doc_with("retryDispatch", Group::Dispatches, "Do again what failed or timed out", example);
    ApiRouter::new()
        .api_route(
            "/api/v1/dispatches",
            get_with(list_dispatches, all).merge(post_with(create_dispatch, create)),
        )
        .api_route("/api/v1/dispatches/{dispatch}", get_with(get_dispatch, get))
        .api_route("/api/v1/dispatches/{dispatch}/cancel", post_with(cancel_dispatch, cancel))
        .api_route("/api/v1/dispatches/{dispatch}/retry", post_with(retry_dispatch, retry))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ByDispatch {
    dispatch: DispatchId,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Shown {
    /// Without the output, so that an input that was left out for want of room fits.
    #[serde(default)]
    without_output: bool,
}

/// Why a dispatch is cancelled.
#[derive(Debug, Deserialize, JsonSchema)]
struct Cancel {
    #[serde(default)]
    reason: Option<String>,
}

/// How long a retry may take, and what it may spend.
#[derive(Debug, Deserialize, JsonSchema)]
struct Retry {
    /// Seconds; as long as the first had, when absent.
    #[serde(default)]
    deadline_s: Option<u32>,
    /// What the first had, when absent.
    #[serde(default)]
    budget: Budget,
}

async fn create_dispatch(
    State(edge): Shared,
    Operator(caller): Operator,
    key: Idempotent,
    body: Body<Dispatch>,
) -> Answered<Dispatched> {
    frame(&edge, &caller, key, body.value, body.bytes).await
}

async fn list_dispatches(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Query(mut wanted): Query<DispatchList>,
    Query(at): Query<At>,
) -> Answered<Page<DispatchPage>> {
    wanted.before = at.or(wanted.before)?;
    list(&edge, &caller, wanted).await
}

async fn get_dispatch(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Path(by): Path<ByDispatch>,
    Query(shown): Query<Shown>,
) -> Answered<DispatchInfo> {
    let status = DispatchStatus { dispatch: by.dispatch, without_output: shown.without_output };
    read(&edge, &caller, status).await
}

async fn cancel_dispatch(
    State(edge): Shared,
    Operator(caller): Operator,
    Path(by): Path<ByDispatch>,
    key: Idempotent,
    body: Body<Cancel>,
) -> Answered<CancelReceipt> {
    let cancel = DispatchCancel { dispatch: by.dispatch, reason: body.value.reason };
    frame(&edge, &caller, key, cancel, body.bytes).await
}

async fn retry_dispatch(
    State(edge): Shared,
    Operator(caller): Operator,
    Path(by): Path<ByDispatch>,
    key: Idempotent,
    body: Body<Retry>,
) -> Answered<Dispatched> {
    let retry =
        DispatchRetry { dispatch: by.dispatch, deadline_s: body.value.deadline_s, budget: body.value.budget };
    frame(&edge, &caller, key, retry, body.bytes).await
}
