//! Flows as they are kept.

use aide::axum::ApiRouter;
use axum::extract::State;
use nexus_wire::flow::{
    Flow, FlowDelete, FlowDeleted, FlowGet, FlowInfo, FlowList, FlowPage, FlowPut, FlowStored,
};
use nexus_wire::name::FlowName;
use nexus_wire::{ErrorBody, ErrorCode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::answer::Answered;
use super::caller::{AnyParty, Operator};
use super::input::{Body, Idempotent, Path, Query};
use super::openapi::{Group, doc, doc_with};
use super::page::{At, Page, list};
use super::routing::{delete_with, get_with, put_with};
use super::{Routes, Shared, frame, read};

pub(super) fn routes() -> Routes {
    let all = doc("listFlows", Group::Flows, "Flows that can be run, by id");
    let example = json!({
        "id": "morning",
        "steps": [{"id": "look", "do": {"dispatch": {"hand": "wren/look", "input": {"since": "{{ date.yesterday }}"}}}}],
    });
    let put = doc_with(
        "putFlow",
        Group::Flows,
        "Keep a flow under its id, in the place of one that is there",
        example,
    );
    let get = doc("getFlow", Group::Flows, "A flow as it is kept");
    let delete = doc("deleteFlow", Group::Flows, "Keep a flow no longer; runs that have begun go on");
    ApiRouter::new().api_route("/api/v1/flows", get_with(list_flows, all)).api_route(
        "/api/v1/flows/{flow}",
        get_with(get_flow, get).merge(put_with(put_flow, put)).merge(delete_with(delete_flow, delete)),
    )
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ByFlow {
    flow: FlowName,
}

async fn list_flows(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Query(mut wanted): Query<FlowList>,
    Query(at): Query<At>,
) -> Answered<Page<FlowPage>> {
    wanted.after = at.or(wanted.after)?;
    list(&edge, &caller, wanted).await
}

async fn get_flow(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Path(by): Path<ByFlow>,
) -> Answered<FlowInfo> {
    read(&edge, &caller, FlowGet { flow: by.flow }).await
}

async fn put_flow(
    State(edge): Shared,
    Operator(caller): Operator,
    Path(by): Path<ByFlow>,
    key: Idempotent,
    body: Body<Flow>,
) -> Answered<FlowStored> {
    if body.value.id != by.flow {
        let message = format!("the address names flow {}, and the flow itself is {}", by.flow, body.value.id);
        return Err(ErrorBody::new(ErrorCode::Invalid, message).into());
    }
    frame(&edge, &caller, key, FlowPut { flow: body.value }, body.bytes).await
}

async fn delete_flow(
    State(edge): Shared,
    Operator(caller): Operator,
    Path(by): Path<ByFlow>,
    key: Idempotent,
) -> Answered<FlowDeleted> {
    frame(&edge, &caller, key, FlowDelete { flow: by.flow }, 0).await
}
