//! The team and the keys of its aspects.

use aide::axum::ApiRouter;
use axum::extract::State;
use nexus_wire::access::{KeyRotate, KeyRotated};
use nexus_wire::admin::{AspectAdd, AspectKey};
use nexus_wire::roster::{
    AspectInfo, AspectRelease, AspectRestrain, AspectRestraint, RestraintKind, Team, TeamList,
};
use nexus_wire::{AspectName, ErrorBody, ErrorCode, Ms};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Answered};
use super::caller::{Admin, AnyParty, Viewer};
use super::input::{Body, Idempotent, Path, Query};
use super::openapi::{Group, doc, doc_with, failing};
use super::page::{At, Page, list};
use super::routing::{delete_with, get_with, post_with, put_with};
use super::{Routes, Shared, command, frame};
use crate::hub::records::AspectRecord;
use crate::hub::{Access, CommandBody, public_key};

pub(super) fn routes() -> Routes {
    let example = json!({
        "name": "wren",
        "role": "worker",
        "public_key": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "share_knowledge": true,
    });
    let team = doc("listAspects", Group::Aspects, "The team, and how each of it is doing");
    let add = doc_with("addAspect", Group::Aspects, "Let an aspect in, or replace its key", example);
    let get = doc("getAspect", Group::Aspects, "One aspect, and how it is doing");
    let revoke = doc("revokeAspect", Group::Aspects, "Shut an aspect out; its links close at once");
    let key = doc("getAspectKey", Group::Aspects, "What is known of an aspect's key");
    let example = json!({"public_key": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "overlap_s": 600});
    let summary = "Replace an aspect's key; the old one stays good for the overlap";
    let rotate = doc_with("rotateAspectKey", Group::Aspects, summary, example);
    let example = json!({"kind": "paused", "reason": "its disk is being changed"});
    let restrain = doc_with(
        "restrainAspect",
        Group::Aspects,
        "Keep an aspect off (held), or from work (paused), until it is released",
        example,
    );
    let restrain = put_with(restrain_aspect, failing(&[404], restrain));
    let release = doc("releaseAspect", Group::Aspects, "Release an aspect that is held or paused");
    ApiRouter::new()
        .api_route("/api/v1/aspects", get_with(aspects, team).merge(post_with(add_aspect, add)))
        .api_route("/api/v1/aspects/{name}", delete_with(revoke_aspect, revoke).merge(get_with(aspect, get)))
        .api_route("/api/v1/aspects/{name}/key", get_with(aspect_key, key))
        .api_route("/api/v1/aspects/{name}/rotate", post_with(rotate_key, rotate))
        .api_route("/api/v1/aspects/{name}/restraint", restrain.merge(delete_with(release_aspect, release)))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ByName {
    name: AspectName,
}

fn unknown(name: &AspectName) -> ErrorBody {
    ErrorBody::new(ErrorCode::NotFound, format!("there is no aspect {name}"))
}

async fn aspects(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Query(mut wanted): Query<TeamList>,
    Query(at): Query<At>,
) -> Answered<Page<Team>> {
    wanted.after = at.or(wanted.after)?;
    list(&edge, &caller, wanted).await
}

async fn aspect(State(edge): Shared, _: AnyParty, Path(by): Path<ByName>) -> Answered<AspectInfo> {
    let team = edge.team().await?;
    let found = team.aspects.iter().find(|info| info.name == by.name).ok_or_else(|| unknown(&by.name))?;
    Ok(Answer::of(found))
}

async fn add_aspect(State(edge): Shared, admin: Admin, body: Body<AspectAdd>) -> Answered<AspectKey> {
    command(&edge, CommandBody::AddAspect { by: admin.party(), add: body.value }).await
}

async fn aspect_key(State(edge): Shared, _: Viewer, Path(by): Path<ByName>) -> Answered<AspectKey> {
    let missing = unknown(&by.name);
    let key = edge.ask(move |hub| hub.roster().aspect(&by.name).map(AspectRecord::key)).await?;
    Ok(Answer::of(&key.ok_or(missing)?))
}

async fn revoke_aspect(State(edge): Shared, admin: Admin, Path(by): Path<ByName>) -> Answered<AspectKey> {
    command(&edge, CommandBody::RevokeAspect { by: admin.party(), name: by.name }).await
}

async fn rotate_key(
    State(edge): Shared,
    admin: Admin,
    Path(by): Path<ByName>,
    body: Body<KeyRotate>,
) -> Answered<KeyRotated> {
    let public_key = public_key(&body.value.public_key)?;
    let overlap_ms = Ms::try_from(body.value.overlap_s.saturating_mul(1_000)).unwrap_or(Ms::MAX);
    let act = Access::RotateKey { aspect: by.name, public_key, overlap_ms };
    command(&edge, CommandBody::Access { by: admin.party(), act }).await
}

/// What an aspect is kept from, and why.
#[derive(Debug, Deserialize, JsonSchema)]
struct Restrain {
    kind: RestraintKind,
    reason: String,
}

async fn restrain_aspect(
    State(edge): Shared,
    Admin(caller): Admin,
    Path(by): Path<ByName>,
    key: Idempotent,
    body: Body<Restrain>,
) -> Answered<AspectRestraint> {
    let Restrain { kind, reason } = body.value;
    frame(&edge, &caller, key, AspectRestrain { name: by.name, kind, reason }, body.bytes).await
}

async fn release_aspect(
    State(edge): Shared,
    Admin(caller): Admin,
    Path(by): Path<ByName>,
    key: Idempotent,
) -> Answered<AspectRestraint> {
    frame(&edge, &caller, key, AspectRelease { name: by.name }, 0).await
}
