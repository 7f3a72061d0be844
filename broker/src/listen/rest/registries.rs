//! Registries and their rows.

use aide::axum::ApiRouter;
use axum::extract::State;
use nexus_wire::name::RegistryName;
use nexus_wire::registry::{
    Registry, RegistryChanges, RegistryDelete, RegistryDeleted, RegistryGet, RegistryHistory, RegistryInfo,
    RegistryList, RegistryPage, RegistryPut, RegistryRead, RegistryRemove, RegistryRemoved, RegistryRow,
    RegistryRowGet, RegistryRows, RegistryStored, RegistryValues, RegistryWrite, RegistryWritten,
};
use nexus_wire::{ErrorBody, ErrorCode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::answer::Answered;
use super::caller::{AnyParty, Operator};
use super::input::{Body, Idempotent, Path, Query};
use super::openapi::{Group, doc, doc_with, failing};
use super::page::{At, Page, list};
use super::routing::{delete_with, get_with, post_with, put_with};
use super::{Routes, Shared, frame, read};

pub(super) fn routes() -> Routes {
    let all = doc("listRegistries", Group::Registries, "Registries, by name");
    let example = json!({
        "registry": {
            "name": "clients",
            "key": "id",
            "fields": [
                {"name": "id", "type": "string"},
                {"name": "state", "type": "string", "enum": ["lead", "active", "gone"]},
            ],
        },
        "entries": [{"id": "acme", "state": "active"}],
    });
    let put = doc_with(
        "putRegistry",
        Group::Registries,
        "Keep a registry under its name, in the place of one that is there and whose rows are fit",
        example,
    );
    let get = doc("getRegistry", Group::Registries, "A registry as it is kept");
    let delete = doc("deleteRegistry", Group::Registries, "Keep a registry no longer, nor its rows");
    let rows = doc("listRows", Group::Registries, "Rows of a registry, by what names them");
    let example = json!({"values": {"id": "acme", "state": "gone"}, "if_version": 1});
    let write = doc_with("writeRow", Group::Registries, "Write a row, or some values of it", example);
    let row = doc("getRow", Group::Registries, "A row");
    let remove = doc("removeRow", Group::Registries, "Take a row out; its history stays");
    let history = doc("listChanges", Group::Registries, "What became of rows, the latest first");
    ApiRouter::new()
        .api_route("/api/v1/registries", get_with(list_registries, all))
        .api_route(
            "/api/v1/registries/{registry}",
            get_with(get_registry, get)
                .merge(put_with(put_registry, failing(&[409], put)))
                .delete_with(delete_registry, delete),
        )
        .api_route("/api/v1/registries/{registry}/history", get_with(list_changes, history))
        .api_route(
            "/api/v1/registries/{registry}/rows",
            get_with(list_rows, rows).merge(post_with(write_row, failing(&[404, 409], write))),
        )
        .api_route(
            "/api/v1/registries/{registry}/rows/{row}",
            get_with(get_row, row).merge(delete_with(remove_row, failing(&[409], remove))),
        )
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ByRegistry {
    registry: RegistryName,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ByRow {
    registry: RegistryName,
    row: String,
}

/// A definition, and what rows it begins with.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Put {
    registry: Registry,
    #[serde(default)]
    entries: Vec<RegistryValues>,
    /// Only if this is the version of the definition; 0: only if there is no such registry.
    #[serde(default)]
    if_version: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Write {
    #[serde(default)]
    row: Option<String>,
    values: RegistryValues,
    #[serde(default)]
    if_version: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Wanted {
    /// An expression over the fields.
    filter: Option<String>,
    /// Only those behind this one.
    after: Option<String>,
    limit: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Changed {
    /// Only of this row.
    row: Option<String>,
    before: Option<u64>,
    limit: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Version {
    /// Only if this is its version.
    if_version: Option<u64>,
}

async fn list_registries(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Query(mut wanted): Query<RegistryList>,
    Query(at): Query<At>,
) -> Answered<Page<RegistryPage>> {
    wanted.after = at.or(wanted.after)?;
    list(&edge, &caller, wanted).await
}

async fn get_registry(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Path(by): Path<ByRegistry>,
) -> Answered<RegistryInfo> {
    read(&edge, &caller, RegistryGet { registry: by.registry }).await
}

async fn put_registry(
    State(edge): Shared,
    Operator(caller): Operator,
    Path(by): Path<ByRegistry>,
    key: Idempotent,
    body: Body<Put>,
) -> Answered<RegistryStored> {
    let Put { registry, entries, if_version } = body.value;
    if registry.name != by.registry {
        let message = format!(
            "the address names registry {}, and the registry itself is {}",
            by.registry, registry.name
        );
        return Err(ErrorBody::new(ErrorCode::Invalid, message).into());
    }
    frame(&edge, &caller, key, RegistryPut { registry, entries, if_version }, body.bytes).await
}

async fn delete_registry(
    State(edge): Shared,
    Operator(caller): Operator,
    Path(by): Path<ByRegistry>,
    key: Idempotent,
) -> Answered<RegistryDeleted> {
    frame(&edge, &caller, key, RegistryDelete { registry: by.registry }, 0).await
}

async fn list_rows(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Path(by): Path<ByRegistry>,
    Query(wanted): Query<Wanted>,
    Query(at): Query<At>,
) -> Answered<Page<RegistryRows>> {
    let Wanted { filter, after, limit } = wanted;
    let after = at.or(after)?;
    list(&edge, &caller, RegistryRead { registry: by.registry, filter, after, limit }).await
}

async fn write_row(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Path(by): Path<ByRegistry>,
    key: Idempotent,
    body: Body<Write>,
) -> Answered<RegistryWritten> {
    let Write { row, values, if_version } = body.value;
    let write = RegistryWrite { registry: by.registry, row, values, if_version };
    frame(&edge, &caller, key, write, body.bytes).await
}

async fn get_row(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Path(by): Path<ByRow>,
) -> Answered<RegistryRow> {
    read(&edge, &caller, RegistryRowGet { registry: by.registry, row: by.row }).await
}

async fn remove_row(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Path(by): Path<ByRow>,
    Query(wanted): Query<Version>,
    key: Idempotent,
) -> Answered<RegistryRemoved> {
    let remove = RegistryRemove { registry: by.registry, row: by.row, if_version: wanted.if_version };
    frame(&edge, &caller, key, remove, 0).await
}

async fn list_changes(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Path(by): Path<ByRegistry>,
    Query(wanted): Query<Changed>,
    Query(at): Query<At>,
) -> Answered<Page<RegistryChanges>> {
    let Changed { row, before, limit } = wanted;
    let before = at.or(before)?;
    list(&edge, &caller, RegistryHistory { registry: by.registry, row, before, limit }).await
}
