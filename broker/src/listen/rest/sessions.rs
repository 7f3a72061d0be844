//! The sessions of an aspect: looked into through its own process, and changed by commands in its inbox.

use aide::axum::ApiRouter;
use axum::extract::State;
use nexus_wire::session::{
    SessionCommandInfo, SessionCompact, SessionDiff, SessionDiffed, SessionEntry, SessionExpand,
    SessionExpanded, SessionFork, SessionList, SessionOrdered, SessionPage, SessionRewind, SessionShown,
    SessionStatus, SessionSummarise, SessionTree, SessionTreePage,
};
use nexus_wire::turn::{TurnCancel, TurnGoOn};
use nexus_wire::{AspectName, ItemId, ThreadId, TurnId};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::answer::Answered;
use super::caller::{Operator, Viewer};
use super::input::{Body, Idempotent, Path, Query};
use super::openapi::{Group, doc, doc_with, failing};
use super::routing::{get_with, post_with};
use super::{Routes, Shared, frame, read};

/// Its process is not there to ask, or has no such session.
const ABSENT: &[u16] = &[404, 503];

pub(super) fn routes() -> Routes {
    let group = Group::Aspects;
    let all = doc("listAspectSessions", group, "The sessions of an aspect that is online, the latest first");
    let tree = doc("getAspectSessionTree", group, "The entries of a session, in the order of its file");
    let entry = doc("getAspectSessionEntry", group, "One entry of a session whole");
    let example = json!({"entry": "0199a0b1-c2d3-7123-8456-789abcdef00a"});
    let summary = "Have a session go on after an earlier entry; nothing of it is removed";
    let rewind = doc_with("rewindAspectSession", group, summary, example);
    let example = json!({"entry": "0199a0b1-c2d3-7123-8456-789abcdef00a", "say": "and without the moon?"});
    let summary = "Make a new session of the branch that ends at an entry";
    let fork = doc_with("forkAspectSession", group, summary, example);
    let summary = "Have a summary take the place of a session's beginning";
    let compact = doc("compactAspectSession", group, summary);
    let example = json!({"reason": "it looks in the wrong place"});
    let summary = "Cancel the turns an aspect is at; their messages are closed as failed";
    let cancel = doc_with("cancelAspectTurns", group, summary, example);
    let summary = "Let turns go on that wait because a budget of the aspect is used up";
    let go_on = doc_with("goOnAspectTurns", group, summary, json!({}));
    let summary = "Have a summary of a branch that was left put on the active one";
    let example = json!({"entry": "0199a0b1-c2d3-7123-8456-789abcdef00a"});
    let summarise = doc_with("summariseAspectSession", group, summary, example);
    let summary = "What each of two branches of a session has since they parted";
    let diff = doc("diffAspectSession", group, summary);
    let expand = doc("expandAspectSessionEntry", group, "The entries that a summary stands for");
    let status = doc("getSessionCommand", group, "What came of a command about a session");
    ApiRouter::new()
        .api_route("/api/v1/aspects/{name}/sessions", get_with(list_sessions, failing(ABSENT, all)))
        .api_route(
            "/api/v1/aspects/{name}/sessions/{session}/tree",
            get_with(session_tree, failing(ABSENT, tree)),
        )
        .api_route(
            "/api/v1/aspects/{name}/sessions/{session}/entries/{entry}",
            get_with(session_entry, failing(ABSENT, entry)),
        )
        .api_route(
            "/api/v1/aspects/{name}/sessions/{session}/rewind",
            post_with(rewind_session, failing(&[404], rewind)),
        )
        .api_route(
            "/api/v1/aspects/{name}/sessions/{session}/fork",
            post_with(fork_session, failing(&[404], fork)),
        )
        .api_route(
            "/api/v1/aspects/{name}/sessions/{session}/compact",
            post_with(compact_session, failing(&[404], compact)),
        )
        .api_route("/api/v1/aspects/{name}/turns/cancel", post_with(cancel_turns, failing(&[404], cancel)))
        .api_route("/api/v1/aspects/{name}/turns/go-on", post_with(go_on_turns, failing(&[404], go_on)))
        .api_route(
            "/api/v1/aspects/{name}/sessions/{session}/summarise",
            post_with(summarise_session, failing(&[404], summarise)),
        )
        .api_route(
            "/api/v1/aspects/{name}/sessions/{session}/diff",
            get_with(session_diff, failing(ABSENT, diff)),
        )
        .api_route(
            "/api/v1/aspects/{name}/sessions/{session}/entries/{entry}/originals",
            get_with(session_originals, failing(ABSENT, expand)),
        )
        .api_route("/api/v1/session-commands/{command}", get_with(command_status, failing(&[404], status)))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ByName {
    name: AspectName,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct BySession {
    name: AspectName,
    /// `global`, or the id of a thread or a fork.
    session: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ByEntry {
    name: AspectName,
    /// `global`, or the id of a thread or a fork.
    session: String,
    entry: Uuid,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ByCommand {
    command: ItemId,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Part {
    limit: Option<u32>,
    /// `cursor` of the page before.
    cursor: Option<String>,
}

/// Where two branches end.
#[derive(Debug, Deserialize, JsonSchema)]
struct Branches {
    one: Uuid,
    /// Absent: where the session stands.
    other: Option<Uuid>,
}

/// The branch that is summarised.
#[derive(Debug, Deserialize, JsonSchema)]
struct Summarise {
    /// Its last entry.
    entry: Uuid,
}

/// Where the session goes on.
#[derive(Debug, Deserialize, JsonSchema)]
struct Rewind {
    /// Absent: before its first entry.
    #[serde(default)]
    entry: Option<Uuid>,
}

/// What becomes a session of its own.
#[derive(Debug, Deserialize, JsonSchema)]
struct Fork {
    /// Absent: where the session stands.
    #[serde(default)]
    entry: Option<Uuid>,
    /// What the user says next in it.
    #[serde(default)]
    say: Option<String>,
}

/// Which turns: those of a thread, or one of them; all when neither is named.
#[derive(Debug, Deserialize, JsonSchema)]
struct Cancel {
    #[serde(default)]
    thread: Option<ThreadId>,
    #[serde(default)]
    turn: Option<TurnId>,
    /// Shown with them.
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct GoOn {
    /// Absent: whatever thread they are about.
    #[serde(default)]
    thread: Option<ThreadId>,
}

async fn list_sessions(
    State(edge): Shared,
    Viewer(caller): Viewer,
    Path(by): Path<ByName>,
    Query(part): Query<Part>,
) -> Answered<SessionPage> {
    read(&edge, &caller, SessionList { of: by.name, limit: part.limit, cursor: part.cursor }).await
}

async fn session_tree(
    State(edge): Shared,
    Viewer(caller): Viewer,
    Path(by): Path<BySession>,
    Query(part): Query<Part>,
) -> Answered<SessionTreePage> {
    let BySession { name: of, session } = by;
    read(&edge, &caller, SessionTree { of, session, limit: part.limit, cursor: part.cursor }).await
}

async fn session_entry(
    State(edge): Shared,
    Viewer(caller): Viewer,
    Path(by): Path<ByEntry>,
) -> Answered<SessionShown> {
    read(&edge, &caller, SessionEntry { of: by.name, session: by.session, entry: by.entry }).await
}

async fn rewind_session(
    State(edge): Shared,
    Operator(caller): Operator,
    Path(by): Path<BySession>,
    key: Idempotent,
    body: Body<Rewind>,
) -> Answered<SessionOrdered> {
    let rewind = SessionRewind { of: by.name, session: by.session, entry: body.value.entry };
    frame(&edge, &caller, key, rewind, body.bytes).await
}

async fn fork_session(
    State(edge): Shared,
    Operator(caller): Operator,
    Path(by): Path<BySession>,
    key: Idempotent,
    body: Body<Fork>,
) -> Answered<SessionOrdered> {
    let Fork { entry, say } = body.value;
    frame(&edge, &caller, key, SessionFork { of: by.name, session: by.session, entry, say }, body.bytes).await
}

async fn compact_session(
    State(edge): Shared,
    Operator(caller): Operator,
    Path(by): Path<BySession>,
    key: Idempotent,
) -> Answered<SessionOrdered> {
    frame(&edge, &caller, key, SessionCompact { of: by.name, session: by.session }, 0).await
}

async fn cancel_turns(
    State(edge): Shared,
    Operator(caller): Operator,
    Path(by): Path<ByName>,
    key: Idempotent,
    body: Body<Cancel>,
) -> Answered<SessionOrdered> {
    let Cancel { thread, turn, reason } = body.value;
    frame(&edge, &caller, key, TurnCancel { of: by.name, thread, turn, reason }, body.bytes).await
}

async fn go_on_turns(
    State(edge): Shared,
    Operator(caller): Operator,
    Path(by): Path<ByName>,
    key: Idempotent,
    body: Body<GoOn>,
) -> Answered<SessionOrdered> {
    frame(&edge, &caller, key, TurnGoOn { of: by.name, thread: body.value.thread }, body.bytes).await
}

async fn summarise_session(
    State(edge): Shared,
    Operator(caller): Operator,
    Path(by): Path<BySession>,
    key: Idempotent,
    body: Body<Summarise>,
) -> Answered<SessionOrdered> {
    let summarise = SessionSummarise { of: by.name, session: by.session, entry: body.value.entry };
    frame(&edge, &caller, key, summarise, body.bytes).await
}

async fn session_diff(
    State(edge): Shared,
    Viewer(caller): Viewer,
    Path(by): Path<BySession>,
    Query(branches): Query<Branches>,
) -> Answered<SessionDiffed> {
    let Branches { one, other } = branches;
    read(&edge, &caller, SessionDiff { of: by.name, session: by.session, one, other }).await
}

async fn session_originals(
    State(edge): Shared,
    Viewer(caller): Viewer,
    Path(by): Path<ByEntry>,
    Query(part): Query<Part>,
) -> Answered<SessionExpanded> {
    let ByEntry { name: of, session, entry } = by;
    let expand = SessionExpand { of, session, entry, limit: part.limit, cursor: part.cursor };
    read(&edge, &caller, expand).await
}

async fn command_status(
    State(edge): Shared,
    Viewer(caller): Viewer,
    Path(by): Path<ByCommand>,
) -> Answered<SessionCommandInfo> {
    read(&edge, &caller, SessionStatus { command: by.command }).await
}
