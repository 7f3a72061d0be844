//! The log and what streams, as server-sent events: a link that only listens. It has an outbox as every link
//! has, so a reader that does not read costs no more than its bound and catches up from the log.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::fmt::Write;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use aide::OperationOutput;
use aide::axum::ApiRouter;
use aide::generate::GenContext;
use aide::openapi::{Operation, Response as Described, StatusCode};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use nexus_wire::log::Subscribe;
use nexus_wire::observe::{ActivityChanged, RosterChanged};
use nexus_wire::{AspectName, ErrorBody, ErrorCode, FromBroker, Party, ThreadId, ToBroker, envelope};
use schemars::{JsonSchema, json_schema};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::sleep;

use super::caller::Viewer;
use super::input::Query;
use super::openapi::{Group, doc, note, response_of};
use super::routing::get_with;
use super::{Routes, Shared};
use crate::admit::Admitted;
use crate::deliver::Peer;
use crate::deliver::outbox::{Close, Out, Work};
use crate::edge::Edge;
use crate::listen::link;
use crate::listen::problem::Problem;
use crate::task;

/// A proxy that hears nothing for long gives a connection up.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Events are handed on in pieces of about this size.
const PIECE_BYTES: usize = 32 * 1024;

pub(super) fn routes() -> Routes {
    let events = doc("getEvents", Group::Audit, "Follow the log, and what streams, as server-sent events");
    ApiRouter::new().api_route("/api/v1/events", get_with(events_of, events))
}

/// What to follow.
#[derive(Debug, Deserialize, JsonSchema)]
struct Wanted {
    /// Entries after this one; absent, and without `Last-Event-ID`: only what comes from now on.
    from_seq: Option<u64>,
    /// Only what belongs to this thread.
    thread: Option<ThreadId>,
    /// Only entries of these kinds, with commas between.
    kinds: Option<String>,
    /// Only what this party did.
    by: Option<Party>,
    /// Also `observe` events: turns while they happen.
    #[serde(default)]
    observe: bool,
    /// With `observe`: what was streamed after these numbers comes first, as far as it is kept; `aspect:seq`, with
    /// commas between.
    observe_from: Option<String>,
    /// Also `roster.changed` events.
    #[serde(default)]
    roster: bool,
    /// Also `activity` events: what aspects are doing.
    #[serde(default)]
    activity: bool,
}

async fn events_of(
    State(edge): Shared,
    Viewer(caller): Viewer,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Events, Problem> {
    let Wanted { from_seq, thread, kinds, by, observe, observe_from, roster, activity } = wanted;
    let observe_from = observe_from.as_deref().map(marks).transpose()?;
    let kinds = kinds.as_deref().unwrap_or_default().split(',').map(str::trim);
    let kinds = kinds.filter(|kind| !kind.is_empty()).map(str::to_owned).collect();
    let from_seq = last_event(&headers)?.or(from_seq);
    let subscribe = Subscribe { from_seq, thread, kinds, by, observe, observe_from, roster, activity };
    let Admitted::Subscribe(subscribe) = edge.admit(&caller, ToBroker::Subscribe(subscribe), 0)? else {
        return Err(ErrorBody::new(ErrorCode::Internal, "a subscription became something else").into());
    };
    let permit = link::room(&edge)?;
    let peer = link::join(&edge, caller);
    edge.subscribe(&peer, None, &subscribe);
    // One piece under way, so that the outbox is what holds back and not this.
    let (sender, mut receiver) = mpsc::channel(1);
    task::spawn(run(edge, peer, sender, permit));
    let pieces =
        stream::poll_fn(move |cx| receiver.poll_recv(cx).map(|piece| piece.map(Ok::<_, Infallible>)));
    Ok(Events(Body::from_stream(pieces)))
}

fn marks(text: &str) -> Result<BTreeMap<AspectName, u64>, Problem> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let marks = parts.map(|part| {
        let (name, seq) = part.split_once(':')?;
        Some((name.parse().ok()?, seq.parse().ok()?))
    });
    marks.collect::<Option<_>>().ok_or_else(|| {
        let message =
            "observe_from is aspects with the `seq` last seen of each: wren:1795665600000123,forge:…";
        ErrorBody::new(ErrorCode::Invalid, message).into()
    })
}

/// Where a browser's `EventSource` goes on by itself.
fn last_event(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        let message = "Last-Event-ID is the `id` of an event of this stream, a whole number";
        ErrorBody::new(ErrorCode::Invalid, message).into()
    })
}

/// As a link runs; `permit` is given back when the stream has ended.
async fn run(edge: Arc<Edge>, peer: Arc<Peer>, pieces: mpsc::Sender<Bytes>, permit: OwnedSemaphorePermit) {
    tracing::debug!(link = %peer.link, party = %peer.identity.party, "events begin");
    tokio::select! {
        biased;
        never = link::fetch(&edge, &peer) => match never {},
        _ = write(&edge, &peer, &pieces) => {}
        () = pieces.closed() => {}
    }
    tracing::debug!(link = %peer.link, party = %peer.identity.party, "events end");
    link::leave(&edge, &peer).await;
    drop(permit);
}

/// The reader has gone.
struct Gone;

async fn write(edge: &Edge, peer: &Peer, pieces: &mpsc::Sender<Bytes>) -> Result<(), Gone> {
    // The head of the answer goes out with the first piece.
    send(pieces, String::from(": nexus\n\n")).await?;
    let mut frames = VecDeque::new();
    loop {
        let work = tokio::select! {
            work = poll_fn(|cx| peer.outbox.poll_take(cx, &mut frames)) => work,
            () = sleep(HEARTBEAT) => {
                send(pieces, String::from(":\n\n")).await?;
                continue;
            }
        };
        let mut piece = String::new();
        match work {
            Work::Frames => {
                while let Some(out) = frames.pop_front() {
                    edge.published.meter.sent(out.kind(), out.refusal());
                    event(&mut piece, out);
                    if piece.len() >= PIECE_BYTES {
                        send(pieces, std::mem::take(&mut piece)).await?;
                    }
                }
            }
            Work::Roster(names) => {
                for aspect in names.iter().filter_map(|name| edge.published.presence.info(name)) {
                    let frame = FromBroker::RosterChanged(Box::new(RosterChanged { aspect }));
                    put(&mut piece, None, "roster.changed", &envelope::push(&frame));
                }
            }
            Work::Active(names) => {
                for (aspect, activity) in
                    names.iter().filter_map(|name| edge.published.presence.activity(name))
                {
                    let frame = FromBroker::Activity(ActivityChanged { aspect, activity });
                    put(&mut piece, None, "activity", &envelope::push(&frame));
                }
            }
            Work::Close(Close { code, reason }) => {
                put(&mut piece, None, "close", &json!({"code": code, "reason": reason}).to_string());
                return send(pieces, piece).await;
            }
        }
        if !piece.is_empty() {
            send(pieces, piece).await?;
        }
    }
}

async fn send(pieces: &mpsc::Sender<Bytes>, piece: String) -> Result<(), Gone> {
    pieces.send(piece.into()).await.map_err(|_| Gone)
}

fn event(piece: &mut String, out: Out) {
    match out {
        Out::Log(line) => put(piece, Some(line.entry().seq), "log", line.text()),
        Out::Stream(block) => block.texts().for_each(|text| put(piece, None, "observe", text)),
        Out::Shutdown(text) => put(piece, None, "shutdown", &text),
        Out::ObserveGap(gap) => {
            put(piece, None, "observe.gap", &envelope::push(&FromBroker::ObserveGap(*gap)));
        }
        Out::Gap(gap) => put(piece, None, "gap", &envelope::push(&FromBroker::Gap(gap))),
        Out::Complaint(body) => put(piece, None, "error", &envelope::push(&FromBroker::Error(body))),
        // Nobody asked on this stream, no inbox is read on it, and it has heartbeats of its own.
        Out::Answer { .. } | Out::Deliver { .. } | Out::Ping | Out::Pong(_) => {}
    }
}

/// `data` is JSON on one line.
fn put(piece: &mut String, id: Option<u64>, event: &str, data: &str) {
    if let Some(id) = id {
        // Writing to a string does not fail.
        let _ = writeln!(piece, "id: {id}");
    }
    let _ = write!(piece, "event: {event}\ndata: {data}\n\n");
}

/// A stream of events.
struct Events(Body);

impl IntoResponse for Events {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, "text/event-stream"),
            (header::CACHE_CONTROL, "no-store"),
            // Proxies that gather an answer before they pass it on.
            (header::HeaderName::from_static("x-accel-buffering"), "no"),
        ];
        (headers, self.0).into_response()
    }
}

impl OperationOutput for Events {
    type Inner = Self;

    fn inferred_responses(
        _: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<StatusCode>, Described)> {
        note(
            operation,
            "Each event's `data` is a frame as it comes on a link: `log` (its `id` is the entry's `seq`), \
             `observe`, `observe.gap`, `roster.changed`, `gap` for entries that are no longer kept; and `close` with a code \
             and a reason when the broker ends the stream. A stream goes on after `Last-Event-ID`, which wins \
             over `from_seq`. A comment comes every 15 s.",
        );
        let event = json_schema!({
            "type": "object",
            "required": ["event", "data"],
            "properties": {
                "id": {"type": "string", "pattern": "^[0-9]+$", "description": "of a `log` event: its `seq`"},
                "event": {
                    "type": "string",
                    "enum": [
                        "activity", "close", "error", "gap", "log", "observe", "observe.gap", "roster.changed", "shutdown",
                    ],
                },
                "data": {"type": "string", "description": "JSON, on one line"},
            },
        });
        vec![response_of("text/event-stream", "Events, until one side ends the stream.", event)]
    }
}

#[cfg(test)]
mod fuzz;
