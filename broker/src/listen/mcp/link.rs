//! A session, or a request without one, as a link inside the process: it is closed as every link is, and whoever
//! waits for something through it learns so.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::bus::News;
use crate::deliver::Peer;
use crate::deliver::outbox::{Close, Work};
use crate::edge::Edge;
use crate::identity::Identity;
use crate::listen::link;
use crate::listen::problem::Problem;
use crate::task;

/// A session that nobody used for so long ends.
const IDLE: Duration = Duration::from_secs(30 * 60);
/// For the answers to what was under way when a link is closed.
const ANSWER_GRACE: Duration = Duration::from_millis(300);

/// One that is dropped ends.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) edge: Arc<Edge>,
    pub(super) peer: Arc<Peer>,
    pub(super) news: Arc<News>,
    usage: Arc<Usage>,
    /// It was closed: what is under way is answered.
    closed: CancellationToken,
    /// Nothing of it comes any more.
    gone: CancellationToken,
    /// Whoever uses it has done with it.
    left: CancellationToken,
    _left: DropGuard,
    /// Given back when nobody holds the link, and with it the broker's parts, any more.
    _permit: OwnedSemaphorePermit,
}

impl Link {
    pub(super) fn open(edge: &Arc<Edge>, identity: Identity) -> Result<Arc<Self>, Problem> {
        let permit = link::room(edge)?;
        let peer = link::join(edge, identity);
        let (closed, gone, left) =
            (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
        let usage = Arc::new(Usage::new(Instant::now()));
        let news = Arc::new(News::default());
        task::spawn(run(Task {
            edge: Arc::clone(edge),
            peer: Arc::clone(&peer),
            news: Arc::clone(&news),
            usage: Arc::clone(&usage),
            closed: closed.clone(),
            gone: gone.clone(),
            left: left.clone(),
        }));
        Ok(Arc::new(Self {
            edge: Arc::clone(edge),
            peer,
            news,
            usage,
            closed,
            gone,
            _left: left.clone().drop_guard(),
            left,
            _permit: permit,
        }))
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.peer.identity
    }

    /// Cancelled when nothing of it comes any more.
    pub(super) fn gone(&self) -> CancellationToken {
        self.gone.clone()
    }

    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Its user has done with it.
    pub(super) fn end(&self) {
        self.left.cancel();
    }

    /// Somebody waits for an answer, or listens, until what this gives is dropped.
    pub(super) fn in_use(self: &Arc<Self>) -> InUse {
        self.usage.open.fetch_add(1, Ordering::Relaxed);
        InUse(Arc::clone(self))
    }

    /// Since when nobody does; `None`: somebody does.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        self.usage.idle_since()
    }
}

#[derive(Debug)]
struct Usage {
    open: AtomicUsize,
    last: Mutex<Instant>,
}

impl Usage {
    fn new(now: Instant) -> Self {
        Self { open: AtomicUsize::new(0), last: Mutex::new(now) }
    }

    fn idle_since(&self) -> Option<Instant> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        (self.open.load(Ordering::Relaxed) == 0).then_some(last)
    }
}

/// While it lives the link is no idle one.
#[derive(Debug)]
pub(super) struct InUse(Arc<Link>);

impl InUse {
    /// What passes by keeps it alive.
    pub(super) fn pass<T>(&self, what: T) -> T {
        what
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        *self.0.usage.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.usage.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The part of a link that runs.
struct Task {
    edge: Arc<Edge>,
    peer: Arc<Peer>,
    news: Arc<News>,
    usage: Arc<Usage>,
    closed: CancellationToken,
    gone: CancellationToken,
    left: CancellationToken,
}

async fn run(task: Task) {
    let Task { edge, peer, news, usage, closed, gone, left } = task;
    tracing::debug!(link = %peer.link, party = %peer.identity.party, "an MCP link begins");
    let close = tokio::select! {
        biased;
        never = link::fetch(&edge, &peer) => match never {},
        close = hear(&edge, &peer, &news) => Some(close),
        () = left.cancelled() => None,
        () = idle(&usage) => None,
    };
    tracing::debug!(link = %peer.link, party = %peer.identity.party, ?close, "an MCP link ends");
    closed.cancel();
    if close.is_some() {
        sleep(ANSWER_GRACE).await;
    }
    gone.cancel();
    news.end();
    link::leave(&edge, &peer).await;
}

/// Passes on what comes until the link is closed.
async fn hear(edge: &Edge, peer: &Peer, news: &News) -> Close {
    let mut frames = VecDeque::new();
    loop {
        match poll_fn(|cx| peer.outbox.poll_take(cx, &mut frames)).await {
            Work::Close(close) => return close,
            work @ (Work::Active(_) | Work::Frames | Work::Roster(_)) => {
                news.tell(edge, work, &mut frames.drain(..));
            }
        }
    }
}

async fn idle(usage: &Usage) {
    loop {
        let until = usage.idle_since().unwrap_or_else(Instant::now) + IDLE;
        sleep_until(until).await;
        if usage.idle_since().is_some_and(|since| since + IDLE <= Instant::now()) {
            return;
        }
    }
}
