//! One WebSocket link: requests matched with their replies, pushes in order, pings, and why it ended. Dials nothing
//! again and knows no kind of frame apart from replies.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nexus_wire::envelope::{Envelope, check_bounds, encode};
use nexus_wire::frame::{FromBroker, ToBroker};
use nexus_wire::limits::{BACKOFF_MAX, CLOSE_DISPLACED, CLOSE_HELD, CLOSE_REVOKED, OUTBOX_FRAMES_MAX};
use nexus_wire::log::Shutdown;
use nexus_wire::{ErrorBody, RequestId, TraceContext};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use crate::endpoint::Endpoint;
use crate::error::DialError;
use crate::request::{Reply, Request, RequestError};
use crate::secret::Secret;

mod pump;
mod upgrade;

/// Why a link ended.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum CloseReason {
    #[error("another process of the same aspect has taken over")]
    Displaced,
    #[error("the key was revoked or replaced")]
    Revoked,
    /// By the broker, with a code of its own.
    #[error("the broker closed it ({code}{}{reason})", if reason.is_empty() { "" } else { ": " })]
    Closed { code: u16, reason: String },
    /// By us.
    #[error("it was closed from this side")]
    Local,
    /// Until an admin releases the aspect. Says who holds it, and why.
    #[error("{0}")]
    Held(String),
    #[error("nothing came for {} s", nexus_wire::limits::IDLE_TIMEOUT.as_secs())]
    Idle,
    #[error("it broke: {0}")]
    Broken(String),
    /// The broker sent what is no frame, over and over.
    #[error("the broker broke the protocol: {0}")]
    Protocol(String),
}

impl CloseReason {
    /// Dialling again would be wrong.
    pub fn is_terminal(&self) -> bool {
        match self {
            Self::Displaced | Self::Held(_) | Self::Revoked => true,
            Self::Closed { .. } | Self::Local | Self::Idle | Self::Broken(_) | Self::Protocol(_) => false,
        }
    }

    pub(crate) fn of_code(code: u16, reason: &str) -> Self {
        match code {
            CLOSE_DISPLACED => Self::Displaced,
            CLOSE_HELD if reason.is_empty() => Self::Held("an admin holds this aspect off".to_owned()),
            CLOSE_HELD => Self::Held(reason.to_owned()),
            CLOSE_REVOKED => Self::Revoked,
            code => Self::Closed { code, reason: reason.chars().take(200).collect() },
        }
    }
}

/// Why a frame was not taken for sending.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum SendError {
    #[error("the link has ended: {0}")]
    Ended(CloseReason),
    /// Only from [`Link::try_send`].
    #[error("the link's queue is full")]
    Full,
    #[error("it is no frame: {0}")]
    Invalid(ErrorBody),
}

/// The sending side. Cheap to clone; the link closes when the last one is dropped.
#[derive(Clone)]
pub struct Link {
    outbox: mpsc::Sender<String>,
    shared: Arc<Shared>,
}

/// Everything from the broker that is no reply, in the order it came. Must be drained: a full queue stops the link
/// from reading, replies included.
#[derive(Debug)]
pub struct Pushes(mpsc::Receiver<FromBroker>);

type Waiter = oneshot::Sender<Result<Reply, RequestError>>;

pub(crate) struct Shared {
    /// A leaf lock, never held over an await. A request sent twice has two waiters.
    waiting: Mutex<HashMap<RequestId, Vec<Waiter>>>,
    ended: watch::Sender<Option<CloseReason>>,
    established: watch::Sender<bool>,
    closing: watch::Sender<bool>,
    /// When the broker asked to be dialled again; zero if it did not.
    retry_after: Mutex<Duration>,
}

impl Link {
    /// Dials and upgrades.
    pub(crate) async fn open(endpoint: &Endpoint, bearer: &Secret) -> Result<(Self, Pushes), DialError> {
        Ok(Self::over(upgrade::upgrade(endpoint, bearer).await?))
    }

    /// On a socket that is upgraded already.
    fn over(socket: upgrade::LinkSocket) -> (Self, Pushes) {
        let (outbox, outbox_end) = mpsc::channel(OUTBOX_FRAMES_MAX);
        let (pushes_end, pushes) = mpsc::channel(OUTBOX_FRAMES_MAX);
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            ended: watch::Sender::new(None),
            established: watch::Sender::new(false),
            closing: watch::Sender::new(false),
            retry_after: Mutex::default(),
        });
        tokio::spawn(pump::run(socket, outbox_end, pushes_end, Arc::clone(&shared)));
        (Self { outbox, shared }, Pushes(pushes))
    }

    /// Sends a request under a new id and waits for its reply.
    pub async fn call<R: Request>(&self, request: R) -> Result<R::Reply, RequestError> {
        self.call_as(new_request_id(), request).await
    }

    /// The same under an id of the caller's: what was sent before on another link and may have happened can be
    /// sent again safely.
    pub async fn call_as<R: Request>(&self, id: RequestId, request: R) -> Result<R::Reply, RequestError> {
        self.call_traced(id, request, None).await
    }

    /// The same on account of a span.
    pub async fn call_traced<R: Request>(
        &self,
        id: RequestId,
        request: R,
        trace: Option<&TraceContext>,
    ) -> Result<R::Reply, RequestError> {
        R::read(self.request(id, &request.into(), trace).await?)
    }

    /// Sends any frame as a request.
    pub async fn request(
        &self,
        id: RequestId,
        frame: &ToBroker,
        trace: Option<&TraceContext>,
    ) -> Result<Reply, RequestError> {
        let trace = trace.cloned().map(Box::new);
        let envelope = Envelope { id: Some(id), trace, ..Envelope::default() };
        let text = text_of(&envelope, frame).map_err(RequestError::Refused)?;
        let (waiter, reply) = oneshot::channel();
        self.shared.waiting().entry(id).or_default().push(waiter);
        // In this order: once the link has ended it drops all waiters, so ours is dropped too or we see the end.
        if self.shared.has_ended() || self.outbox.send(text).await.is_err() {
            self.shared.waiting().remove(&id);
            return Err(RequestError::Lost(self.shared.reason()));
        }
        reply.await.unwrap_or_else(|_| Err(RequestError::Lost(self.shared.reason())))
    }

    /// Sends a frame that wants no reply; waits while the queue is full.
    pub async fn send(&self, frame: impl Into<ToBroker>) -> Result<(), SendError> {
        let text = text_of(&Envelope::default(), &frame.into()).map_err(SendError::Invalid)?;
        self.outbox.send(text).await.map_err(|_| SendError::Ended(self.shared.reason()))
    }

    /// The same without waiting.
    pub fn try_send(&self, frame: impl Into<ToBroker>) -> Result<(), SendError> {
        let text = text_of(&Envelope::default(), &frame.into()).map_err(SendError::Invalid)?;
        self.outbox.try_send(text).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SendError::Full,
            mpsc::error::TrySendError::Closed(_) => SendError::Ended(self.shared.reason()),
        })
    }

    /// Says that the broker has accepted who we are (`registered`, or the first `ok`): the backoff starts over
    /// and [`crate::Caller`]s may use the link.
    pub fn established(&self) {
        self.shared.established.send_replace(true);
    }

    /// Sends what is queued, then closes, and waits until it has ended.
    pub async fn close(&self) -> CloseReason {
        self.shared.closing.send_replace(true);
        self.ended().await
    }

    /// Waits until the link has ended.
    pub async fn ended(&self) -> CloseReason {
        let mut ended = self.shared.ended.subscribe();
        match ended.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or(CloseReason::Local),
            Err(_) => CloseReason::Local,
        }
    }

    /// Waits until [`Self::established`] was called.
    pub(crate) async fn until_established(&self) {
        let mut established = self.shared.established.subscribe();
        // The sender lives in `self`, so this only ends when the value is there.
        let _ = established.wait_for(|it| *it).await;
    }

    /// How long the broker asked to wait when it said that it is stopping.
    pub(crate) fn retry_after(&self) -> Duration {
        *self.shared.retry_after.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("ended", &*self.shared.ended.borrow()).finish_non_exhaustive()
    }
}

impl Pushes {
    /// The next frame; `None` once the link has ended and everything before its end was taken. Safe to cancel.
    pub async fn recv(&mut self) -> Option<FromBroker> {
        self.0.recv().await
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, HashMap<RequestId, Vec<Waiter>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    fn reason(&self) -> CloseReason {
        self.ended.borrow().clone().unwrap_or(CloseReason::Local)
    }

    /// Hands a reply to whoever waits for it.
    fn answer(&self, id: RequestId, reply: &Result<Reply, RequestError>) {
        let waiters = self.waiting().remove(&id);
        if waiters.is_none() {
            tracing::debug!(%id, "a reply nobody waits for");
        }
        for waiter in waiters.into_iter().flatten() {
            // Whoever asked may have gone since.
            let _ = waiter.send(reply.clone());
        }
    }

    fn stops(&self, shutdown: &Shutdown) {
        let asked = Duration::from_millis(shutdown.retry_after_ms).min(BACKOFF_MAX);
        *self.retry_after.lock().unwrap_or_else(PoisonError::into_inner) = asked;
    }

    fn end(&self, reason: CloseReason) {
        self.ended.send_replace(Some(reason));
        self.waiting().clear();
    }
}

/// A fresh id for a request (UUIDv7).
pub fn new_request_id() -> RequestId {
    RequestId(Uuid::now_v7())
}

/// The frame's text. What breaks the bounds of a frame would end the link, so it is refused here as the broker would.
fn text_of(envelope: &Envelope, frame: &ToBroker) -> Result<String, ErrorBody> {
    let text = encode(envelope, frame);
    check_bounds(&text).map_err(|error| error.to_body())?;
    Ok(text)
}

#[cfg(test)]
mod tests;
