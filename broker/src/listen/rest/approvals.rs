//! What aspects ask of people.

use aide::axum::ApiRouter;
use axum::extract::State;
use nexus_wire::ApprovalId;
use nexus_wire::approval::{ApprovalAnswer, ApprovalGet, ApprovalInfo, ApprovalList, ApprovalPage, Verdict};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::answer::Answered;
use super::caller::{Operator, Viewer};
use super::input::{Body, Idempotent, Path, Query};
use super::openapi::{Group, doc, doc_with, failing};
use super::page::{At, Page, list};
use super::routing::{get_with, post_with};
use super::{Routes, Shared, frame, read};

pub(super) fn routes() -> Routes {
    let all = doc("listApprovals", Group::Approvals, "What aspects wait for people for, the latest first");
    let get = doc("getApproval", Group::Approvals, "What was asked, open or ended");
    let example = json!({"verdict": "deny", "text": "not on a Friday"});
    let answer = doc_with(
        "answerApproval",
        Group::Approvals,
        "Approve, deny or answer; the first answer counts, and later ones get it as it stands",
        example,
    );
    ApiRouter::new()
        .api_route("/api/v1/approvals", get_with(list_approvals, all))
        .api_route("/api/v1/approvals/{approval}", get_with(get_approval, get))
        .api_route("/api/v1/approvals/{approval}/answer", post_with(answer_approval, failing(&[404], answer)))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ByApproval {
    approval: ApprovalId,
}

/// What is said to it.
#[derive(Debug, Deserialize, JsonSchema)]
struct Said {
    verdict: Verdict,
    /// The answer to a question; with a verdict, a word for the model.
    #[serde(default)]
    text: Option<String>,
}

async fn list_approvals(
    State(edge): Shared,
    Viewer(caller): Viewer,
    Query(mut wanted): Query<ApprovalList>,
    Query(at): Query<At>,
) -> Answered<Page<ApprovalPage>> {
    wanted.before = at.or(wanted.before)?;
    list(&edge, &caller, wanted).await
}

async fn get_approval(
    State(edge): Shared,
    Viewer(caller): Viewer,
    Path(by): Path<ByApproval>,
) -> Answered<ApprovalInfo> {
    read(&edge, &caller, ApprovalGet { approval: by.approval }).await
}

async fn answer_approval(
    State(edge): Shared,
    Operator(caller): Operator,
    Path(by): Path<ByApproval>,
    key: Idempotent,
    body: Body<Said>,
) -> Answered<ApprovalInfo> {
    let Said { verdict, text } = body.value;
    frame(&edge, &caller, key, ApprovalAnswer { approval: by.approval, verdict, text }, body.bytes).await
}
