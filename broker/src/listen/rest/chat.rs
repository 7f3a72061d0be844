//! Threads and the messages in them.

use aide::axum::ApiRouter;
use axum::extract::State;
use nexus_wire::chat::{
    ChatFound, ChatGet, ChatPage, ChatRead, ChatSearch, ChatSend, ChatSent, ChatThreads, Message, ThreadInfo,
    ThreadPage,
};
use nexus_wire::thread::{
    ChatMark, ChatMarked, ChatReact, ChatReceipts, Reacted, ReceiptPage, ThreadGet, ThreadRename,
    ThreadRenamed,
};
use nexus_wire::{MessageId, Party, ThreadId};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::answer::Answered;
use super::caller::{AnyParty, Operator, Viewer};
use super::input::{Body, Idempotent, Path, Query};
use super::openapi::{Group, doc, doc_with, failing};
use super::page::{At, Page, list, list_by};
use super::routing::{get_with, post_with};
use super::{Routes, Shared, frame, read};

pub(super) fn routes() -> Routes {
    let example =
        json!({"to": ["wren"], "content": "@wren which of the three claims hold?", "topic": "claims"});
    let send =
        doc_with("sendMessage", Group::Messages, "Say something, in a thread or in a new one", example);
    let send = post_with(send_message, failing(&[404], send));
    let thread = doc("getThread", Group::Threads, "What is known of a thread");
    let message = doc("getMessage", Group::Messages, "One message, with its reactions");
    let threads = doc("listThreads", Group::Threads, "Threads, the latest activity first");
    let messages = doc("listMessages", Group::Threads, "A thread and its messages, oldest first");
    let rename =
        doc_with("renameThread", Group::Threads, "Give a thread another title", json!({"title": "claims"}));
    let mark = doc_with("markThread", Group::Threads, "Say how far you have read", json!({"seq": 7}));
    let react = doc_with(
        "reactToMessage",
        Group::Messages,
        "Put a reaction, or take it back",
        json!({"emoji": "👍"}),
    );
    let search = doc("searchMessages", Group::Messages, "Full text over messages, the newest first");
    let receipts = doc("listReceipts", Group::Messages, "How far a message has come with each recipient");
    ApiRouter::new()
        .api_route("/api/v1/messages", send)
        .api_route("/api/v1/messages/search", get_with(search_messages, search))
        .api_route("/api/v1/messages/{message}", get_with(get_message, message))
        .api_route("/api/v1/messages/{message}/reactions", post_with(react_to_message, react))
        .api_route("/api/v1/messages/{message}/receipts", get_with(list_receipts, receipts))
        .api_route("/api/v1/threads", get_with(list_threads, threads))
        .api_route("/api/v1/threads/{thread}", get_with(get_thread, thread))
        .api_route("/api/v1/threads/{thread}/messages", get_with(list_messages, messages))
        .api_route("/api/v1/threads/{thread}/read", post_with(mark_thread, mark))
        .api_route("/api/v1/threads/{thread}/title", post_with(rename_thread, rename))
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
    /// Only messages with a smaller `seq`: a page counted from the end.
    before: Option<u64>,
    limit: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ByMessage {
    message: MessageId,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Title {
    title: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Position {
    /// All of it when absent.
    seq: Option<u64>,
}

/// A reaction that is put, or with `remove` taken back.
#[derive(Debug, Deserialize, JsonSchema)]
struct Sign {
    emoji: String,
    #[serde(default)]
    remove: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Recipients {
    /// Only recipients after this one.
    after: Option<Party>,
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

async fn get_message(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Path(by): Path<ByMessage>,
) -> Answered<Message> {
    read(&edge, &caller, ChatGet { message: by.message }).await
}

async fn get_thread(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Path(by): Path<ByThread>,
) -> Answered<ThreadInfo> {
    read(&edge, &caller, ThreadGet { thread: by.thread }).await
}

async fn list_threads(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Query(mut wanted): Query<ChatThreads>,
    Query(at): Query<At>,
) -> Answered<Page<ThreadPage>> {
    wanted.before = at.or(wanted.before)?;
    list(&edge, &caller, wanted).await
}

async fn list_messages(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Path(by): Path<ByThread>,
    Query(page): Query<After>,
    Query(at): Query<At>,
) -> Answered<Page<ChatPage>> {
    let After { after, before, limit } = page;
    let read = |after, before| ChatRead { thread: Some(by.thread), message: None, after, before, limit };
    if before.is_none() {
        let after = at.or(Some(after))?.unwrap_or_default();
        return list(&edge, &caller, read(after, None)).await;
    }
    // From the end towards the beginning, a page at a time.
    let first = |page: &ChatPage| page.messages.first().filter(|_| page.more).map(|it| it.seq.to_string());
    list_by(&edge, &caller, read(after, at.or(before)?), first).await
}

async fn search_messages(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Query(search): Query<ChatSearch>,
) -> Answered<ChatFound> {
    read(&edge, &caller, search).await
}

async fn rename_thread(
    State(edge): Shared,
    Operator(caller): Operator,
    Path(by): Path<ByThread>,
    key: Idempotent,
    body: Body<Title>,
) -> Answered<ThreadRenamed> {
    let rename = ThreadRename { thread: by.thread, title: body.value.title };
    frame(&edge, &caller, key, rename, body.bytes).await
}

async fn mark_thread(
    State(edge): Shared,
    Viewer(caller): Viewer,
    Path(by): Path<ByThread>,
    key: Idempotent,
    body: Body<Position>,
) -> Answered<ChatMarked> {
    frame(&edge, &caller, key, ChatMark { thread: by.thread, seq: body.value.seq }, body.bytes).await
}

async fn react_to_message(
    State(edge): Shared,
    Operator(caller): Operator,
    Path(by): Path<ByMessage>,
    key: Idempotent,
    body: Body<Sign>,
) -> Answered<Reacted> {
    let Sign { emoji, remove } = body.value;
    frame(&edge, &caller, key, ChatReact { message: by.message, emoji, remove }, body.bytes).await
}

async fn list_receipts(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Path(by): Path<ByMessage>,
    Query(page): Query<Recipients>,
) -> Answered<ReceiptPage> {
    let Recipients { after, limit } = page;
    read(&edge, &caller, ChatReceipts { message: by.message, after, limit }).await
}
