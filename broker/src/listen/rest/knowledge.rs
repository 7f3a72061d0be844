//! What the team has written down.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::extract::State;
use nexus_wire::knowledge::{KnowledgeHits, KnowledgeSearch, KnowledgeStore, KnowledgeStored};
use serde_json::json;

use super::answer::Answered;
use super::caller::{AnyParty, Operator};
use super::input::{Body, Idempotent, Query};
use super::openapi::{Group, doc, doc_with};
use super::{Routes, Shared, frame, read};

pub(super) fn routes() -> Routes {
    let example = json!({"topic": "deploys", "content": "Never on a Friday.", "shared": true});
    let store =
        doc_with("storeKnowledge", Group::Knowledge, "Write an entry, or a new version of one", example);
    let search = doc("searchKnowledge", Group::Knowledge, "Full text over entries, the best first");
    ApiRouter::new()
        .api_route("/api/v1/knowledge", post_with(store_knowledge, store))
        .api_route("/api/v1/knowledge/search", get_with(search_knowledge, search))
}

async fn store_knowledge(
    State(edge): Shared,
    Operator(caller): Operator,
    key: Idempotent,
    body: Body<KnowledgeStore>,
) -> Answered<KnowledgeStored> {
    frame(&edge, &caller, key, body.value, body.bytes).await
}

async fn search_knowledge(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Query(search): Query<KnowledgeSearch>,
) -> Answered<KnowledgeHits> {
    read(&edge, &caller, search).await
}
