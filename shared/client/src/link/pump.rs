//! Moves frames between a socket and the queues of a link, until either side ends it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use nexus_wire::envelope::decode;
use nexus_wire::frame::FromBroker;
use nexus_wire::limits::{BAD_FRAMES_MAX, CLOSE_NORMAL, CLOSE_POLICY, IDLE_TIMEOUT, PING_INTERVAL};
use nexus_wire::{Decoded, RequestId};
use serde::Deserialize;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use super::upgrade::LinkSocket;
use super::{CloseReason, Shared};
use crate::request::{Reply, RequestError};

/// Frames put into the socket's buffer before it is flushed.
const BATCH_FRAMES: usize = 64;
/// How long the other side's part of a close is waited for.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) async fn run(
    socket: LinkSocket,
    mut outbox: mpsc::Receiver<String>,
    pushes: mpsc::Sender<FromBroker>,
    shared: Arc<Shared>,
) {
    let (mut sink, stream) = socket.split();
    let reason = {
        let reading = read(stream, pushes, &shared);
        tokio::pin!(reading);
        tokio::select! {
            // First what was read: a close frame with its code is worth more than a failed write.
            biased;
            reason = &mut reading => reason,
            written = write(&mut sink, &mut outbox, &shared) => match written {
                Ok(()) => {
                    let reason = timeout(CLOSE_TIMEOUT, &mut reading).await.unwrap_or(CloseReason::Local);
                    if reason.is_terminal() { reason } else { CloseReason::Local }
                }
                Err(error) => {
                    let broken = CloseReason::Broken(error.to_string());
                    timeout(CLOSE_TIMEOUT, &mut reading).await.unwrap_or(broken)
                }
            },
        }
    };
    tracing::debug!(%reason, "link ended");
    let say = match &reason {
        CloseReason::Protocol(_) => Some(CLOSE_POLICY),
        CloseReason::Idle => Some(CLOSE_NORMAL),
        CloseReason::Displaced
        | CloseReason::Held(_)
        | CloseReason::Revoked
        | CloseReason::Closed { .. }
        | CloseReason::Local
        | CloseReason::Broken(_) => None,
    };
    shared.end(reason);
    // The end is known; what follows is courtesy, and bounded.
    let _ = timeout(CLOSE_TIMEOUT, async {
        if let Some(code) = say {
            let frame = CloseFrame { code: CloseCode::from(code), reason: "".into() };
            let _ = sink.send(Message::Close(Some(frame))).await;
        }
        sink.close().await
    })
    .await;
}

/// Writes what is queued, many frames to a flush, and pings; ends when the link is to be closed.
async fn write(
    sink: &mut (impl Sink<Message, Error = Error> + Unpin),
    outbox: &mut mpsc::Receiver<String>,
    shared: &Shared,
) -> Result<(), Error> {
    let mut closing = shared.closing.subscribe();
    let mut pings = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let first = tokio::select! {
            biased;
            queued = outbox.recv() => queued,
            _ = pings.tick() => {
                sink.send(Message::Ping(Bytes::new())).await?;
                continue;
            }
            () = until_set(&mut closing) => None,
        };
        let Some(first) = first else { break };
        sink.feed(Message::text(first)).await?;
        for _ in 1..BATCH_FRAMES {
            let Ok(next) = outbox.try_recv() else { break };
            sink.feed(Message::text(next)).await?;
        }
        sink.flush().await?;
    }
    let frame = CloseFrame { code: CloseCode::from(CLOSE_NORMAL), reason: "".into() };
    sink.send(Message::Close(Some(frame))).await
}

async fn until_set(flag: &mut watch::Receiver<bool>) {
    // The sender lives as long as whoever asks, so this is never an error.
    let _ = flag.wait_for(|it| *it).await;
}

/// Reads until the link ends, and says why it did.
async fn read(
    mut stream: impl Stream<Item = Result<Message, Error>> + Unpin,
    pushes: mpsc::Sender<FromBroker>,
    shared: &Shared,
) -> CloseReason {
    let mut bad_in_a_row = 0;
    loop {
        // Pings and pongs come as messages too, so a quiet link is not an idle one.
        let message = match timeout(IDLE_TIMEOUT, stream.next()).await {
            Err(_) => return CloseReason::Idle,
            Ok(None) => return CloseReason::Broken("the connection ended".into()),
            Ok(Some(Err(Error::Capacity(error)))) => return CloseReason::Protocol(error.to_string()),
            Ok(Some(Err(error))) => return CloseReason::Broken(error.to_string()),
            Ok(Some(Ok(message))) => message,
        };
        let bad = match message {
            Message::Text(text) => take(&text, &pushes, shared).await.err(),
            Message::Close(Some(frame)) => return CloseReason::of_code(frame.code.into(), &frame.reason),
            Message::Close(None) => return CloseReason::Closed { code: 1005, reason: String::new() },
            Message::Binary(_) => Some("a binary frame".to_owned()),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
        };
        match bad {
            None => bad_in_a_row = 0,
            Some(error) => {
                bad_in_a_row += 1;
                tracing::warn!(error, "ignored what is no frame");
                if bad_in_a_row >= BAD_FRAMES_MAX {
                    return CloseReason::Protocol(error);
                }
            }
        }
    }
}

/// Takes one frame to where it belongs. The error says why it is none.
async fn take(text: &str, pushes: &mpsc::Sender<FromBroker>, shared: &Shared) -> Result<(), String> {
    let Decoded { envelope, frame, .. } = match decode::<FromBroker>(text) {
        Ok(decoded) => decoded,
        // A newer broker; what we do not know is not for us.
        Err(error) if error.is_unknown_kind() => return Ok(()),
        Err(error) => {
            let error = error.to_string();
            if let Some(id) = request_of(text) {
                shared.answer(id, &Err(RequestError::BadReply(error.clone())));
            }
            return Err(error);
        }
    };
    let (id, reply) = match (envelope.in_reply_to, frame) {
        (Some(id), FromBroker::Ok(json)) => (id, Ok(Reply::Ok(json))),
        (Some(id), FromBroker::Registered(registered)) => (id, Ok(Reply::Registered(registered))),
        (Some(id), FromBroker::Error(body)) => (id, Err(RequestError::Refused(body))),
        (None, FromBroker::Ok(_) | FromBroker::Registered(_)) => {
            return Err("a reply that names no request".into());
        }
        (_, push) => {
            if let FromBroker::Shutdown(shutdown) = &push {
                shared.stops(shutdown);
            }
            // Whoever listened may have gone while requests still run.
            let _ = pushes.send(push).await;
            return Ok(());
        }
    };
    shared.answer(id, &reply);
    Ok(())
}

/// The request that an unreadable reply belongs to, so that nobody waits for it for ever.
fn request_of(text: &str) -> Option<RequestId> {
    #[derive(Deserialize)]
    struct Head {
        in_reply_to: Option<RequestId>,
    }
    serde_json::from_str::<Head>(text).ok()?.in_reply_to
}
