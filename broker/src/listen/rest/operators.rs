//! People and their tokens.

use aide::axum::ApiRouter;
use axum::extract::State;
use nexus_wire::OperatorName;
use nexus_wire::admin::{OperatorAdd, OperatorInfo, OperatorRoleSet, Operators};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Answered};
use super::caller::{Admin, Viewer};
use super::input::{Body, Path};
use super::openapi::{Group, doc, doc_with};
use super::routing::{delete_with, get_with, post_with, put_with};
use super::{Routes, Shared, command};
use crate::hub::records::{Invitation, OperatorRecord};
use crate::hub::{Access, CommandBody};

pub(super) fn routes() -> Routes {
    let example = json!({
        "name": "ana",
        "role": "operator",
        "token_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    });
    let list = doc("listOperators", Group::Operators, "Everybody who was ever let in, and who is invited");
    let add = doc_with("addOperator", Group::Operators, "Let a person in, or replace their token", example);
    let revoke = doc("revokeOperator", Group::Operators, "Shut a person out; their links close at once");
    let summary = "Give a person another role; their links close, and come back with it";
    let role = doc_with("setOperatorRole", Group::Operators, summary, json!({"role": "viewer"}));
    ApiRouter::new()
        .api_route("/api/v1/operators", get_with(operators, list).merge(post_with(add_operator, add)))
        .api_route("/api/v1/operators/{name}", delete_with(revoke_operator, revoke))
        .api_route("/api/v1/operators/{name}/role", put_with(set_role, role))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ByName {
    name: OperatorName,
}

async fn operators(State(edge): Shared, Viewer(caller): Viewer) -> Answered<Operators> {
    tracing::debug!(by = %caller.party, "asked who is let in");
    let at = edge.now();
    let all = edge.ask(move |hub| Operators {
        operators: hub.roster().operators().map(OperatorRecord::info).collect(),
        invitations: hub.doors().invitations(at).map(Invitation::info).collect(),
    });
    Ok(Answer::of(&all.await?))
}

async fn add_operator(State(edge): Shared, admin: Admin, body: Body<OperatorAdd>) -> Answered<OperatorInfo> {
    command(&edge, CommandBody::AddOperator { by: admin.party(), add: body.value }).await
}

async fn revoke_operator(
    State(edge): Shared,
    admin: Admin,
    Path(by): Path<ByName>,
) -> Answered<OperatorInfo> {
    command(&edge, CommandBody::RevokeOperator { by: admin.party(), name: by.name }).await
}

async fn set_role(
    State(edge): Shared,
    admin: Admin,
    Path(by): Path<ByName>,
    body: Body<OperatorRoleSet>,
) -> Answered<OperatorInfo> {
    let act = Access::SetRole { operator: by.name, role: body.value.role };
    command(&edge, CommandBody::Access { by: admin.party(), act }).await
}
