//! Keeps one link to a broker: dials, notices its loss, dials again. What is said on a link is its owner's matter.
//!
//! An owner's loop selects on [`Session::next`] beside whatever else it waits for:
//!
//! 1. [`Event::Connected`]: say who you are (`link.call(register)`), then [`Link::established`];
//! 2. [`Event::Frame`]: what the broker pushes on that link, in order;
//! 3. [`Event::Lost`]: that link is gone and the next one is being dialled, or a dial failed;
//! 4. [`Event::Terminal`]: the last event. Dialling again would be wrong.
//!
//! A refusal is terminal, but for that of an aspect whose clock has gone wrong since it was let in.
//!
//! Tasks beside that loop use a [`Caller`], which waits for links and repeats what was lost with one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nexus_wire::frame::FromBroker;
use nexus_wire::{ErrorBody, ErrorCode, RequestId, TraceContext};
use rand::RngExt as _;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use crate::backoff::Backoff;
use crate::broker::Broker;
use crate::error::DialError;
use crate::link::{CloseReason, Link, Pushes};
use crate::request::{Request, RequestError};

/// Why there is no link.
#[derive(Clone, Debug, Error)]
pub enum Loss {
    #[error("{0}")]
    Dial(Arc<DialError>),
    #[error("{0}")]
    Link(CloseReason),
}

impl Loss {
    pub fn is_terminal(&self) -> bool {
        match self {
            Self::Dial(error) => error.is_terminal(),
            Self::Link(reason) => reason.is_terminal(),
        }
    }

    /// The key is good no more; a new one may be.
    fn is_of_the_key(&self) -> bool {
        match self {
            Self::Dial(error) => error.is_refusal(),
            Self::Link(reason) => *reason == CloseReason::Revoked,
        }
    }

    /// The key is not judged before the clock is right.
    fn is_of_the_clock(&self) -> bool {
        match self {
            Self::Dial(error) => error.is_of_the_clock(),
            Self::Link(_) => false,
        }
    }

    pub fn is_displaced(&self) -> bool {
        matches!(self, Self::Link(CloseReason::Displaced))
    }
}

#[derive(Debug)]
pub enum Event {
    Connected(Link),
    Frame(Box<FromBroker>),
    Lost { loss: Loss, retry_in: Duration },
    Terminal(Loss),
}

/// Dropping it closes the link.
#[derive(Debug)]
pub struct Session {
    news: mpsc::Receiver<News>,
    pushes: Option<Pushes>,
    standing: Arc<watch::Sender<Standing>>,
    dialling: AbortHandle,
}

/// What the dialling task tells.
#[derive(Debug)]
enum News {
    Connected(Link, Pushes),
    Lost { loss: Loss, retry_in: Duration },
    Terminal(Loss),
}

/// What [`Caller`]s see.
#[derive(Clone, Debug)]
enum Standing {
    Down,
    Up(Link),
    Over(Loss),
}

impl Session {
    /// Starts dialling.
    pub fn start(broker: Broker) -> Self {
        Self::start_with(broker, None)
    }

    /// The same from a link that is open already.
    pub(crate) fn start_with(broker: Broker, first: Option<(Link, Pushes)>) -> Self {
        let (told, news) = mpsc::channel(4);
        let standing = Arc::new(watch::Sender::new(Standing::Down));
        let task = tokio::spawn(keep_dialling(broker, first, told, Arc::clone(&standing)));
        Self { news, pushes: None, standing, dialling: task.abort_handle() }
    }

    /// What happens next; after [`Event::Terminal`], never. Safe to cancel.
    pub async fn next(&mut self) -> Event {
        if let Some(pushes) = &mut self.pushes {
            // Everything that came on a link is told before its loss is.
            if let Some(frame) = pushes.recv().await {
                return Event::Frame(Box::new(frame));
            }
            self.pushes = None;
        }
        match self.news.recv().await {
            Some(News::Connected(link, pushes)) => {
                self.pushes = Some(pushes);
                Event::Connected(link)
            }
            Some(News::Lost { loss, retry_in }) => Event::Lost { loss, retry_in },
            Some(News::Terminal(loss)) => Event::Terminal(loss),
            None => std::future::pending().await,
        }
    }

    /// [`Link::established`], and waits until every [`Caller`] has the link, or it has ended: what is said to others from
    /// then on, they may act on at once.
    pub async fn established(&self, link: &Link) {
        link.established();
        let mut standing = self.standing.subscribe();
        let in_use = standing.wait_for(|now| match now {
            Standing::Up(up) => up.is(link),
            Standing::Down => false,
            Standing::Over(_) => true,
        });
        tokio::select! {
            _ = in_use => {}
            _ = link.ended() => {}
        }
    }

    /// A handle for other tasks.
    pub fn caller(&self) -> Caller {
        Caller { standing: self.standing.subscribe() }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.dialling.abort();
        self.standing.send_replace(Standing::Over(Loss::Link(CloseReason::Local)));
    }
}

async fn keep_dialling(
    broker: Broker,
    mut first: Option<(Link, Pushes)>,
    told: mpsc::Sender<News>,
    standing: Arc<watch::Sender<Standing>>,
) {
    let mut backoff = Backoff::default();
    // A key that was good once is not given up for a clock, which is set right sooner or later. An operator's token has
    // nothing to do with clocks of ours.
    let signs = broker.aspect().is_some();
    let (mut was_let_in, mut was_told) = (false, false);
    loop {
        let renewals = broker.renewals();
        let dialled = match first.take() {
            Some(open) => Ok(open),
            None => broker.connect().await,
        };
        let mut at_least = Duration::ZERO;
        let loss = match dialled {
            Err(error) => Loss::Dial(Arc::new(error)),
            Ok((link, pushes)) => {
                if told.send(News::Connected(link.clone(), pushes)).await.is_err() {
                    return;
                }
                let reason = tokio::select! {
                    reason = link.ended() => reason,
                    () = link.until_established() => {
                        backoff.reset();
                        (was_let_in, was_told) = (true, false);
                        standing.send_replace(Standing::Up(link.clone()));
                        link.ended().await
                    }
                };
                at_least = link.retry_after();
                Loss::Link(reason)
            }
        };
        if loss.is_of_the_key() && broker.await_new_key(renewals).await {
            standing.send_replace(Standing::Down);
            if told.send(News::Lost { loss, retry_in: Duration::ZERO }).await.is_err() {
                return;
            }
            continue;
        }
        let awaits_clock = signs && was_let_in && loss.is_of_the_clock();
        if awaits_clock && !std::mem::replace(&mut was_told, true) {
            tracing::warn!(
                "nothing that is signed by this machine's clock is accepted; dialling goes on until it is right"
            );
        }
        if loss.is_terminal() && !awaits_clock {
            standing.send_replace(Standing::Over(loss.clone()));
            // Without an owner there is nobody to tell.
            let _ = told.send(News::Terminal(loss)).await;
            return;
        }
        standing.send_replace(Standing::Down);
        // In a block: the source of chance must not live on where the task waits.
        let retry_in = {
            let jitter = &mut rand::rng();
            // Not all of them at that moment either.
            at_least.mul_f64(jitter.random_range(1.0..=1.5)).max(backoff.next(jitter))
        };
        if told.send(News::Lost { loss, retry_in }).await.is_err() {
            return;
        }
        tokio::time::sleep(retry_in).await;
    }
}

/// Why a [`Caller`]'s request has no reply.
#[derive(Clone, Debug, Error)]
pub enum CallError {
    /// Nothing of it happened.
    #[error("{0}")]
    Refused(ErrorBody),
    /// There will be no further link. It may have happened.
    #[error("the connection is over: {0}")]
    Over(Loss),
    #[error("the broker's answer cannot be read: {0}; is it of this version?")]
    BadReply(String),
}

/// Makes requests that outlive links. Not for the loop that owns the [`Session`]: it would wait for itself.
#[derive(Clone)]
pub struct Caller {
    standing: watch::Receiver<Standing>,
}

impl Caller {
    /// Sends the request on the current established link, or on the next; when the link is lost before the reply,
    /// sends it again with the same id.
    pub async fn call_as<R: Request>(&self, id: RequestId, request: R) -> Result<R::Reply, CallError> {
        self.call_traced(id, request, None).await
    }

    /// The same on account of a span.
    pub async fn call_traced<R: Request>(
        &self,
        id: RequestId,
        request: R,
        trace: Option<&TraceContext>,
    ) -> Result<R::Reply, CallError> {
        let mut standing = self.standing.clone();
        let mut used: Option<Link> = None;
        loop {
            let link = next_link(&mut standing, used.as_ref()).await?;
            match link.call_traced(id, request.clone(), trace).await {
                Ok(reply) => return Ok(reply),
                Err(RequestError::Lost(_)) => used = Some(link),
                // The broker closes the link in a moment.
                Err(RequestError::Refused(body)) if body.code == ErrorCode::ShuttingDown => used = Some(link),
                Err(RequestError::Refused(body)) => return Err(CallError::Refused(body)),
                Err(RequestError::BadReply(error)) => return Err(CallError::BadReply(error)),
            }
        }
    }

    /// The established link, if there is one now.
    pub fn link(&self) -> Option<Link> {
        match &*self.standing.borrow() {
            Standing::Up(link) => Some(link.clone()),
            Standing::Down | Standing::Over(_) => None,
        }
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.standing.borrow().fmt(f)
    }
}

/// Waits for an established link that is not the one just used.
async fn next_link(standing: &mut watch::Receiver<Standing>, used: Option<&Link>) -> Result<Link, CallError> {
    let now = standing.wait_for(|now| match now {
        Standing::Down => false,
        Standing::Up(link) => used.is_none_or(|used| !used.is(link)),
        Standing::Over(_) => true,
    });
    match now.await.as_deref() {
        Ok(Standing::Up(link)) => Ok(link.clone()),
        Ok(Standing::Over(loss)) => Err(CallError::Over(loss.clone())),
        Ok(Standing::Down) | Err(_) => Err(CallError::Over(Loss::Link(CloseReason::Local))),
    }
}
