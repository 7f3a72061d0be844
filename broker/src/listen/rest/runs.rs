//! Flows at work.

use aide::axum::ApiRouter;
use axum::extract::State;
use nexus_wire::RunId;
use nexus_wire::name::StepName;
use nexus_wire::run::{
    RunCancel, RunDetail, RunGet, RunInfo, RunList, RunPage, RunRetry, RunStart, RunStarted,
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
    let example = json!({"flow": "morning", "input": {"team": "docs"}});
    let start =
        doc_with("startRun", Group::Flows, "Run a flow as it is now, with the rights of the caller", example);
    let start = failing(&[404], start);
    let all = doc("listRuns", Group::Flows, "Runs that have not ended, the latest first, or all");
    let get = doc("getRun", Group::Flows, "A run with its steps, what went in and what came out");
    let example = json!({"reason": "not today"});
    let cancel = doc_with("cancelRun", Group::Flows, "End a run and everything it is at work on", example);
    let example = json!({"from": "summary"});
    let retry =
        doc_with("retryRun", Group::Flows, "Run it again, keeping what its steps came to before", example);
    ApiRouter::new()
        .api_route("/api/v1/runs", get_with(list_runs, all).merge(post_with(start_run, start)))
        .api_route("/api/v1/runs/{run}", get_with(get_run, get))
        .api_route("/api/v1/runs/{run}/cancel", post_with(cancel_run, cancel))
        .api_route("/api/v1/runs/{run}/retry", post_with(retry_run, retry))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ByRun {
    run: RunId,
}

/// Why a run is cancelled.
#[derive(Debug, Deserialize, JsonSchema)]
struct Cancel {
    #[serde(default)]
    reason: Option<String>,
}

/// From where it is run again.
#[derive(Debug, Deserialize, JsonSchema)]
struct Retry {
    /// This step is done again, and what needs it; absent: those that were not done.
    #[serde(default)]
    from: Option<StepName>,
}

async fn start_run(
    State(edge): Shared,
    Operator(caller): Operator,
    key: Idempotent,
    body: Body<RunStart>,
) -> Answered<RunStarted> {
    frame(&edge, &caller, key, body.value, body.bytes).await
}

async fn list_runs(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Query(mut wanted): Query<RunList>,
    Query(at): Query<At>,
) -> Answered<Page<RunPage>> {
    wanted.before = at.or(wanted.before)?;
    list(&edge, &caller, wanted).await
}

async fn get_run(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Path(by): Path<ByRun>,
) -> Answered<RunDetail> {
    read(&edge, &caller, RunGet { run: by.run }).await
}

async fn cancel_run(
    State(edge): Shared,
    Operator(caller): Operator,
    Path(by): Path<ByRun>,
    key: Idempotent,
    body: Body<Cancel>,
) -> Answered<RunInfo> {
    let cancel = RunCancel { run: by.run, reason: body.value.reason };
    frame(&edge, &caller, key, cancel, body.bytes).await
}

async fn retry_run(
    State(edge): Shared,
    Operator(caller): Operator,
    Path(by): Path<ByRun>,
    key: Idempotent,
    body: Body<Retry>,
) -> Answered<RunStarted> {
    let retry = RunRetry { run: by.run, step: body.value.from };
    frame(&edge, &caller, key, retry, body.bytes).await
}
