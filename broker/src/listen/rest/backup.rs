//! Backups, made on the broker's machine.

use aide::axum::ApiRouter;
use axum::extract::State;
use nexus_wire::backup::{BackupMade, BackupMake};
use serde_json::json;

use super::answer::{Answer, Answered};
use super::caller::Admin;
use super::input::Body;
use super::openapi::{Group, doc_with};
use super::routing::post_with;
use super::{Routes, Shared};

pub(super) fn routes() -> Routes {
    let summary = "Make a backup in the broker's folder for them; answers when it is on disk";
    let make = doc_with("makeBackup", Group::Broker, summary, json!({"name": "friday.tar"}));
    ApiRouter::new().api_route("/api/v1/backup", post_with(make_backup, make))
}

async fn make_backup(State(edge): Shared, admin: Admin, body: Body<BackupMake>) -> Answered<BackupMade> {
    Ok(Answer::of(&edge.backup(admin.party(), body.value).await?))
}
