//! What somebody should look at.

use aide::axum::ApiRouter;
use axum::extract::State;
use nexus_wire::alert::{Alert, AlertAck, AlertList, AlertPage};
use serde_json::json;

use super::answer::Answered;
use super::caller::{Operator, Viewer};
use super::input::{Body, Idempotent, Query};
use super::openapi::{Group, doc, doc_with, failing};
use super::page::{At, Page, list};
use super::routing::{get_with, post_with};
use super::{Routes, Shared, frame};

pub(super) fn routes() -> Routes {
    let alerts = doc("listAlerts", Group::Alerts, "Open alerts, the latest raised first");
    let example = json!({"key": "aspect_missing/wren"});
    let ack = doc_with("ackAlert", Group::Alerts, "Say that an alert has been seen", example);
    ApiRouter::new()
        .api_route("/api/v1/alerts", get_with(list_alerts, alerts))
        .api_route("/api/v1/alerts/ack", post_with(ack_alert, failing(&[404], ack)))
}

async fn list_alerts(
    State(edge): Shared,
    Viewer(caller): Viewer,
    Query(mut wanted): Query<AlertList>,
    Query(at): Query<At>,
) -> Answered<Page<AlertPage>> {
    wanted.before = at.or(wanted.before)?;
    list(&edge, &caller, wanted).await
}

async fn ack_alert(
    State(edge): Shared,
    Operator(caller): Operator,
    key: Idempotent,
    body: Body<AlertAck>,
) -> Answered<Alert> {
    frame(&edge, &caller, key, body.value, body.bytes).await
}
