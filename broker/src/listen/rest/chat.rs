//! Threads and the messages in them.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::extract::State;
use nexus_wire::ThreadId;
use nexus_wire::chat::{ChatPage, ChatRead, ChatSend, ChatSent, ChatThreads, ThreadPage};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::answer::Answered;
use super::caller::{AnyParty, Operator};
use super::input::{Body, Idempotent, Path, Query};
use super::openapi::{Group, doc, doc_with, failing};
use super::{Routes, Shared, frame, read};

pub(super) fn routes() -> Routes {
    let example =
        json!({"to": ["wren"], "content": "@wren which of the three claims hold?", "topic": "claims"});
    let send =
        doc_with("sendMessage", Group::Messages, "Say something, in a thread or in a new one", example);
    let send = post_with(send_message, failing(&[404], send));
    let threads = doc("listThreads", Group::Threads, "Threads, the latest activity first");
    let messages = doc("listMessages", Group::Threads, "A thread and its messages, oldest first");
    ApiRouter::new()
        .api_route("/api/v1/messages", send)
        .api_route("/api/v1/threads", get_with(list_threads, threads))
        .api_route("/api/v1/threads/{thread}/messages", get_with(list_messages, messages))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ByThread {
    thread: ThreadId,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct After {
    /// Only messages with a larger `seq`.
    #[serde(default)]
    after: u64,
    limit: Option<u32>,
}

async fn send_message(
    State(edge): Shared,
    Operator(caller): Operator,
    key: Idempotent,
    body: Body<ChatSend>,
) -> Answered<ChatSent> {
    frame(&edge, &caller, key, body.value, body.bytes).await
}

async fn list_threads(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Query(list): Query<ChatThreads>,
) -> Answered<ThreadPage> {
    read(&edge, &caller, list).await
}

async fn list_messages(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Path(by): Path<ByThread>,
    Query(page): Query<After>,
) -> Answered<ChatPage> {
    let list = ChatRead { thread: Some(by.thread), message: None, after: page.after, limit: page.limit };
    read(&edge, &caller, list).await
}
