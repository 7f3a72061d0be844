//! Looking back: the log as an auditor reads it, and what was spent.

use aide::axum::ApiRouter;
use axum::extract::State;
use nexus_wire::audit::{AuditList, AuditPage, UsageRead, UsageReport};

use super::answer::Answered;
use super::caller::Viewer;
use super::input::Query;
use super::openapi::{Group, doc};
use super::page::{At, Page, list};
use super::routing::get_with;
use super::{Routes, Shared, read};

pub(super) fn routes() -> Routes {
    let audit = doc("listAudit", Group::Audit, "Who did what to what, the latest first");
    let usage = doc("getUsage", Group::Audit, "Tokens and cost, by aspect, Hand, model or day");
    ApiRouter::new()
        .api_route("/api/v1/audit", get_with(list_audit, audit))
        .api_route("/api/v1/usage", get_with(get_usage, usage))
}

async fn list_audit(
    State(edge): Shared,
    Viewer(caller): Viewer,
    Query(mut wanted): Query<AuditList>,
    Query(at): Query<At>,
) -> Answered<Page<AuditPage>> {
    wanted.before = at.or(wanted.before)?;
    list(&edge, &caller, wanted).await
}

async fn get_usage(
    State(edge): Shared,
    Viewer(caller): Viewer,
    Query(usage): Query<UsageRead>,
) -> Answered<UsageReport> {
    read(&edge, &caller, usage).await
}
