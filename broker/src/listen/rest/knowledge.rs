//! What the team has written down.

use aide::axum::ApiRouter;
use axum::extract::State;
use nexus_wire::knowledge::{
    KnowledgeDelete, KnowledgeEntry, KnowledgeGet, KnowledgeGrant, KnowledgeGrantPage, KnowledgeGranted,
    KnowledgeGrants, KnowledgeHistory, KnowledgeHits, KnowledgeList, KnowledgePage, KnowledgeRevoke,
    KnowledgeSearch, KnowledgeStore, KnowledgeStored,
};
use serde_json::json;

use super::answer::Answered;
use super::caller::{AnyParty, Operator};
use super::input::{Body, Idempotent, Query};
use super::openapi::{Group, doc, doc_with, failing};
use super::routing::{get_with, post_with};
use super::{Routes, Shared, frame, read};

pub(super) fn routes() -> Routes {
    let example = json!({"topic": "deploys", "content": "Never on a Friday.", "shared": true});
    let store =
        doc_with("storeKnowledge", Group::Knowledge, "Write an entry, or a new version of one", example);
    let search = doc("searchKnowledge", Group::Knowledge, "Full text over entries, the best first");
    let list = doc("listKnowledge", Group::Knowledge, "Current entries by author and topic");
    let get = doc("getKnowledge", Group::Knowledge, "An entry, or an earlier version of it");
    let history = doc("knowledgeHistory", Group::Knowledge, "The versions of an entry, the newest first");
    let delete = doc_with(
        "deleteKnowledge",
        Group::Knowledge,
        "Delete an entry; its history stays",
        json!({"topic": "deploys", "of": "wren"}),
    );
    let grants =
        doc("listKnowledgeGrants", Group::Knowledge, "Who may share, and who may read whose entries");
    let example = json!({"to": "wren", "may": "share"});
    let grant = doc_with("grantKnowledge", Group::Knowledge, "Let an aspect share or read", example.clone());
    let revoke = doc_with("revokeKnowledge", Group::Knowledge, "Take a grant back", example);
    ApiRouter::new()
        .api_route(
            "/api/v1/knowledge",
            get_with(list_knowledge, list).merge(post_with(store_knowledge, store)),
        )
        .api_route("/api/v1/knowledge/delete", post_with(delete_knowledge, failing(&[404], delete)))
        .api_route("/api/v1/knowledge/entry", get_with(get_knowledge, failing(&[404], get)))
        .api_route(
            "/api/v1/knowledge/grants",
            get_with(knowledge_grants, grants).merge(post_with(grant_knowledge, failing(&[404], grant))),
        )
        .api_route("/api/v1/knowledge/grants/revoke", post_with(revoke_knowledge, failing(&[404], revoke)))
        .api_route("/api/v1/knowledge/history", get_with(knowledge_history, failing(&[404], history)))
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

async fn list_knowledge(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Query(list): Query<KnowledgeList>,
) -> Answered<KnowledgePage> {
    read(&edge, &caller, list).await
}

async fn get_knowledge(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Query(get): Query<KnowledgeGet>,
) -> Answered<KnowledgeEntry> {
    read(&edge, &caller, get).await
}

async fn knowledge_history(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Query(history): Query<KnowledgeHistory>,
) -> Answered<KnowledgePage> {
    read(&edge, &caller, history).await
}

async fn delete_knowledge(
    State(edge): Shared,
    Operator(caller): Operator,
    key: Idempotent,
    body: Body<KnowledgeDelete>,
) -> Answered<KnowledgeStored> {
    frame(&edge, &caller, key, body.value, body.bytes).await
}

async fn knowledge_grants(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Query(grants): Query<KnowledgeGrants>,
) -> Answered<KnowledgeGrantPage> {
    read(&edge, &caller, grants).await
}

async fn grant_knowledge(
    State(edge): Shared,
    Operator(caller): Operator,
    key: Idempotent,
    body: Body<KnowledgeGrant>,
) -> Answered<KnowledgeGranted> {
    frame(&edge, &caller, key, body.value, body.bytes).await
}

async fn revoke_knowledge(
    State(edge): Shared,
    Operator(caller): Operator,
    key: Idempotent,
    body: Body<KnowledgeRevoke>,
) -> Answered<KnowledgeGranted> {
    frame(&edge, &caller, key, body.value, body.bytes).await
}
