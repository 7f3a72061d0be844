//! One link: a socket on one side, frames on the other, one task. Its parts run side by side in that task, so
//! that a slow socket stops no reading and a full core stops no writing.

mod page;
mod reader;
mod share;
mod socket;
mod writer;

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use bytes::Bytes;
use nexus_wire::limits::{CLOSE_POLICY, CLOSE_REVOKED, HELLO_TIMEOUT, IDLE_TIMEOUT, PING_INTERVAL};
use nexus_wire::{ErrorCode, LinkId, Party};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::problem::Problem;
use crate::deliver::Peer;
use crate::deliver::outbox::{Close, Page};
use crate::edge::Edge;
use crate::framing::put_close;
use crate::hub::{CommandBody, Origin};
use crate::identity::Identity;
use reader::Reader;
use socket::{Input, Output};

/// For the last frames to get out, and for the peer to say goodbye.
const CLOSE_GRACE: Duration = Duration::from_secs(2);
/// Between attempts to read a page while storage is unavailable.
const PAGE_RETRY: Duration = Duration::from_secs(1);

/// Why a link ends.
#[derive(Debug)]
enum Ending {
    Close(Close),
    /// The peer has gone, or cannot be spoken to any more.
    Gone,
}

impl Ending {
    fn close(code: u16, reason: &str) -> Self {
        Self::Close(Close { code, reason: reason.to_owned() })
    }
}

/// What the parts of a link tell each other.
#[derive(Debug, Default)]
struct Signs {
    /// Anything came since this was last looked at.
    heard: AtomicBool,
    /// A frame came that says what the link is for.
    greeted: AtomicBool,
}

/// Room for one more link, whatever it speaks, until it is dropped.
pub(super) fn room(edge: &Edge) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(&edge.links).try_acquire_owned().map_err(|_| {
        edge.too_much(Party::System, format!("links beyond links_max, {}", edge.links_max));
        let message = "as many links are open as links_max allows; try again later";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::RateLimited, message)
    })
}

/// A link of `identity` to which frames go from now on.
pub(super) fn join(edge: &Edge, identity: Identity) -> Arc<Peer> {
    let peer = Arc::new(Peer::new(LinkId(Uuid::now_v7()), identity));
    edge.published.deliver.join(Arc::clone(&peer));
    if !edge.gate.is_current(&peer.identity, edge.now()) {
        // Shut out after it was let in, when there was no link yet to be closed.
        peer.outbox.close(CLOSE_REVOKED, "revoked");
    }
    peer
}

/// `read`: what came behind the upgrade. `permit` is given back when the link has ended.
pub(super) async fn run<S>(
    socket: S,
    read: Bytes,
    edge: Arc<Edge>,
    identity: Identity,
    permit: OwnedSemaphorePermit,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let peer = join(&edge, identity);
    tracing::debug!(link = %peer.link, party = %peer.identity.party, "link up");
    let signs = Signs::default();
    let (input, mut output) = (Input::new(&read), Output::new(edge.flush_each));
    drop(read);
    let (mut reading, mut writing) = split(socket);
    let ending = tokio::select! {
        biased;
        ending = Reader::new(&edge, &peer, &signs).run(input, &mut reading) => ending,
        never = fetch(&edge, &peer) => match never {},
        ending = writer::run(&edge, &peer, &mut output, &mut writing) => ending,
        ending = greeting(&signs) => ending,
        ending = keep_alive(&peer, &signs) => ending,
        ending = closing(&peer) => ending,
    };
    tracing::debug!(link = %peer.link, party = %peer.identity.party, ?ending, "link down");
    Box::pin(leave(&edge, &peer)).await;
    if let Ending::Close(close) = ending {
        put_close(&mut output.bytes, close.code, &close.reason);
        let socket = reading.unsplit(writing);
        // A peer that does not take it gets no more of our time. Boxed: an idle link needs no room for this.
        let _ = Box::pin(timeout(CLOSE_GRACE, say_goodbye(socket, output))).await;
    }
    drop(edge);
    drop(permit);
}

/// Nobody sends to the link any more; if it spoke for an aspect, the hub learns that it does no longer.
pub(super) async fn leave(edge: &Edge, peer: &Peer) {
    edge.relay.unwatch(peer);
    edge.questions.gone(peer.link);
    edge.published.presence.unfollow(peer.link);
    let seat = edge.published.deliver.leave(peer);
    // Once nothing is pushed there any more.
    edge.published.traces.left(peer.link);
    let Some(seat) = seat else { return };
    let body = CommandBody::LinkDown { aspect: seat.aspect, link: peer.link, generation: seat.generation };
    // When the core has ended there is nobody to tell: the next start finds no link up.
    let _ = edge.sequencer.submit(Origin::Broker, body, 0).await;
}

/// Sends what is left, the close frame last, and takes in what the peer is still sending: closing a socket with
/// unread bytes resets the connection, and the peer would never see why.
async fn say_goodbye<S>(mut socket: S, mut output: Output) -> Result<(), std::io::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    output.write(&mut socket).await?;
    socket.shutdown().await?;
    let mut scrap = [0; 1024];
    while socket.read(&mut scrap).await? > 0 {}
    Ok(())
}

/// Reads the pages that the link needs to catch up.
pub(super) async fn fetch(edge: &Edge, peer: &Peer) -> Infallible {
    let mut ahead = None;
    loop {
        match poll_fn(|cx| peer.outbox.poll_page(cx)).await {
            Page::Inbox { aspect, wanted } => {
                // Boxed: an idle link needs no room for it.
                let page = Box::pin(page::inbox(&edge.library, &aspect, wanted.after, wanted.limit));
                match page.await {
                    Ok(records) => {
                        ahead = match wanted.is_last {
                            true => None,
                            false => ahead.or_else(|| edge.library.ahead()),
                        };
                        let items = records.into_iter().map(|it| (it.offset, it.json));
                        peer.outbox.inbox_page(Some(items), ahead.is_some());
                    }
                    Err(error) => {
                        tracing::warn!(%error, link = %peer.link, "cannot read an inbox; trying again");
                        sleep(PAGE_RETRY).await;
                        peer.outbox.inbox_page(None::<[_; 0]>, ahead.is_some());
                    }
                }
            }
            Page::Observe { aspect, after } => edge.relay.catch_up(peer.link, &aspect, after),
            Page::Log { filter, after, limit } => {
                let read = edge.library.read(move |store| {
                    use crate::hub::records::Reads;
                    // Asked last: what is pruned in between is announced and not missed in silence.
                    Ok((store.log_where(after, &filter, limit)?, store.log_floor()?))
                });
                match read.await {
                    Ok(page) => peer.outbox.log_page(Some(page)),
                    Err(error) => {
                        tracing::warn!(%error, link = %peer.link, "cannot read the log; trying again");
                        sleep(PAGE_RETRY).await;
                        peer.outbox.log_page(None);
                    }
                }
            }
        }
    }
}

async fn greeting(signs: &Signs) -> Ending {
    sleep(HELLO_TIMEOUT).await;
    if signs.greeted.load(Ordering::Relaxed) {
        return std::future::pending().await;
    }
    Ending::close(CLOSE_POLICY, "no frame said what this link is for")
}

/// Pings, and gives the link up when nothing at all comes back.
async fn keep_alive(peer: &Peer, signs: &Signs) -> Ending {
    let mut silent = Duration::ZERO;
    loop {
        let wait = PING_INTERVAL.min(IDLE_TIMEOUT - silent);
        sleep(wait).await;
        if signs.heard.swap(false, Ordering::Relaxed) {
            silent = Duration::ZERO;
        } else {
            silent += wait;
        }
        if silent >= IDLE_TIMEOUT {
            return Ending::close(CLOSE_POLICY, "nothing heard for too long");
        }
        peer.outbox.ping();
    }
}

/// Once it is decided that a link ends, a peer that does not read cannot put it off.
async fn closing(peer: &Peer) -> Ending {
    poll_fn(|cx| peer.outbox.poll_closing(cx)).await;
    sleep(CLOSE_GRACE).await;
    Ending::Gone
}

#[cfg(test)]
mod tests;
