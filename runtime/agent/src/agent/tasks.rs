//! Assignments of this process, and the leases it holds: of what has not begun, of what is at work, and of results on
//! their way out.
//!
//! What an earlier process has left begins once the broker has said that it is still wanted: whoever wanted it may have
//! been told that it has ended, and may have had it done by another.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nexus_wire::hands::{Assignment, DispatchResult, DispatchStopped, Lease};
use nexus_wire::inbox::Decision;
use nexus_wire::limits::SLOTS_MAX;
use nexus_wire::roster::HeldLease;
use nexus_wire::{ItemId, RequestId, ToBroker, TraceContext, derive};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};

use super::worker::Shared;
use crate::hands::{self, Beat, Control};
use crate::outbox::Post;
use crate::turn::Spent;
use crate::uplink::BooksError;

const CONTROLS_MAX: usize = 32;
/// As many as a registration may name.
const LEASES_MAX: usize = SLOTS_MAX as usize;

pub(crate) type Finished = Result<(Lease, Option<DispatchResult>, Spent), JoinError>;

#[derive(Debug)]
pub(crate) struct Tasks {
    shared: Arc<Shared>,
    /// The broker has said which leases are good.
    is_open: bool,
    /// In the order they came.
    unbegun: VecDeque<Unbegun>,
    tasks: BTreeMap<Lease, Task>,
    running: JoinSet<(Lease, Option<DispatchResult>, Spent)>,
    /// Results that the broker has not taken yet.
    results: HashMap<RequestId, Lease>,
}

/// An assignment that nobody has worked on. Its item is open and not taken.
#[derive(Debug)]
struct Unbegun {
    item: ItemId,
    trace: Option<TraceContext>,
    assignment: Assignment,
}

#[derive(Debug)]
struct Task {
    item: ItemId,
    control: mpsc::Sender<Control>,
    waiting: Arc<AtomicBool>,
    beat: Beat,
    /// Where that stood when its lease was renewed last.
    seen: u64,
    /// The item that says it is to stop.
    cancelled_by: Option<ItemId>,
    /// The span that caused it.
    trace: Option<Box<TraceContext>>,
}

impl Tasks {
    /// `posts` are those an earlier process has left.
    pub(crate) fn new(shared: Arc<Shared>, posts: &[Post]) -> Self {
        let results = posts.iter().filter_map(|post| Some((post.id, lease_of(post)?))).collect();
        let (unbegun, tasks, running) = (VecDeque::new(), BTreeMap::new(), JoinSet::new());
        Self { shared, is_open: false, unbegun, tasks, running, results }
    }

    /// Begins an assignment as soon as that may be. A process that ends leaves it to the next one.
    pub(crate) async fn receive(
        &mut self,
        item: ItemId,
        trace: Option<TraceContext>,
        assignment: Assignment,
    ) -> Result<(), BooksError> {
        self.unbegun.push_back(Unbegun { item, trace, assignment });
        self.begin_all().await
    }

    /// What the broker has found not to be good is lost by now: the rest begins.
    pub(crate) async fn open(&mut self) -> Result<(), BooksError> {
        self.is_open = true;
        self.begin_all().await
    }

    async fn begin_all(&mut self) -> Result<(), BooksError> {
        if self.is_open && !self.shared.signals.stop.is_closing() {
            while let Some(unbegun) = self.unbegun.pop_front() {
                self.begin(unbegun).await?;
            }
        }
        // What a registration does not name is lost; the oldest is what nobody waits for first.
        while self.tasks.len() + self.results.len() + self.unbegun.len() > LEASES_MAX
            && let Some(oldest) = self.unbegun.pop_front()
        {
            self.never_begin(oldest, "there is too much of it").await?;
        }
        Ok(())
    }

    async fn begin(&mut self, unbegun: Unbegun) -> Result<(), BooksError> {
        let Unbegun { item, trace, assignment } = unbegun;
        let lease = assignment.lease;
        // On record first: work that has begun is not begun again by a later process.
        self.shared.books.taken(item.0).await?;
        let (control, controls) = mpsc::channel(CONTROLS_MAX);
        let waiting = Arc::new(AtomicBool::new(false));
        let trace = trace.map(Box::new);
        let beat = Beat::default();
        let task = Task {
            item,
            control,
            waiting: Arc::clone(&waiting),
            beat: beat.clone(),
            seen: u64::MAX,
            cancelled_by: None,
            trace: trace.clone(),
        };
        self.tasks.insert(lease, task);
        tracing::info!(
            dispatch = %lease.dispatch, hand = %assignment.hand, invoker = %assignment.invoker, "work begins"
        );
        let shared = Arc::clone(&self.shared);
        let work = hands::Work { assignment, trace, control: controls, waiting, beat };
        self.running.spawn(async move {
            let (result, spent) = hands::work(shared, work).await;
            (lease, result, spent)
        });
        Ok(())
    }

    /// What has not begun and never will, if it is that.
    async fn drop_unbegun(&mut self, lease: Lease, why: &str) -> Result<(), BooksError> {
        let at = self.unbegun.iter().position(|unbegun| unbegun.assignment.lease == lease);
        match at.and_then(|at| self.unbegun.remove(at)) {
            Some(unbegun) => self.never_begin(unbegun, why).await,
            None => Ok(()),
        }
    }

    async fn never_begin(&self, unbegun: Unbegun, why: &str) -> Result<(), BooksError> {
        let Unbegun { item, trace: _, assignment } = unbegun;
        tracing::info!(dispatch = %assignment.lease.dispatch, why, "work is not begun");
        self.shared.books.closed(item.0, Decision::Failed).await
    }

    pub(crate) fn tell(&self, lease: Lease, control: Control) {
        if let Some(task) = self.tasks.get(&lease)
            && let Err(error) = task.control.try_send(control)
        {
            tracing::debug!(dispatch = %lease.dispatch, %error, "a task that ends is told nothing more");
        }
    }

    /// Stops the work on a lease, or never begins it. The item is closed once the broker is to be told that it has
    /// stopped: a process that ends before that leaves it to the next one, which has nothing to stop.
    pub(crate) async fn cancel(
        &mut self,
        item: ItemId,
        lease: Lease,
        reason: String,
    ) -> Result<(), BooksError> {
        self.drop_unbegun(lease, &reason).await?;
        self.tell(lease, Control::Cancel { reason });
        match self.tasks.get_mut(&lease) {
            Some(task) => task.cancelled_by = Some(item),
            None => self.confirm(item, lease, None, Spent::default()).await?,
        }
        Ok(())
    }

    async fn confirm(
        &self,
        item: ItemId,
        lease: Lease,
        trace: Option<Box<TraceContext>>,
        spent: Spent,
    ) -> Result<(), BooksError> {
        let id = RequestId(derive::derived(lease.dispatch.0, "stopped", lease.attempt.into()));
        let Spent { usage, cost_microusd, .. } = spent;
        let frame = DispatchStopped { lease, usage, cost_microusd }.into();
        self.shared.books.post(Post { id, trace, frame }).await?;
        self.shared.books.closed(item.0, Decision::Acted).await
    }

    /// These leases are no longer good.
    pub(crate) async fn lose(&mut self, leases: &[Lease]) -> Result<(), BooksError> {
        let why = "its lease is no longer good";
        for lease in leases {
            self.drop_unbegun(*lease, why).await?;
            self.tell(*lease, Control::Cancel { reason: why.to_owned() });
        }
        Ok(())
    }

    /// The next task to finish; `None` while none is running. Safe to cancel.
    pub(crate) async fn finished(&mut self) -> Option<Finished> {
        self.running.join_next().await
    }

    /// Puts what a task came to into the outbox, then closes its item.
    pub(crate) async fn hand_in(&mut self, finished: Finished) -> Result<(), BooksError> {
        // A task that breaks down hands in that it did; nobody aborts one.
        let Ok((lease, result, spent)) = finished else { return Ok(()) };
        let Some(task) = self.tasks.remove(&lease) else { return Ok(()) };
        let books = &self.shared.books;
        let Some(result) = result else {
            if self.shared.signals.stop.is_stopping() {
                // Left open, so that the next process says that it has ended.
                return Ok(());
            }
            tracing::info!(dispatch = %lease.dispatch, "work stopped without a result");
            books.closed(task.item.0, Decision::Failed).await?;
            return self.confirm_stop(&task, lease, spent).await;
        };
        let failure = result.error.as_ref().map(|error| error.code.clone());
        tracing::info!(dispatch = %lease.dispatch, failure, "work ended");
        let id = RequestId(derive::derived(lease.dispatch.0, "result", lease.attempt.into()));
        self.results.insert(id, lease);
        books.post(Post { id, trace: task.trace.clone(), frame: result.into() }).await?;
        books.closed(task.item.0, Decision::Acted).await?;
        // A result that was handed in says itself what it took, if it still counts.
        self.confirm_stop(&task, lease, spent).await
    }

    async fn confirm_stop(&self, task: &Task, lease: Lease, spent: Spent) -> Result<(), BooksError> {
        match task.cancelled_by {
            Some(item) => self.confirm(item, lease, task.trace.clone(), spent).await,
            None => Ok(()),
        }
    }

    /// The broker has taken this post, or never will.
    pub(crate) fn sent(&mut self, post: RequestId) {
        self.results.remove(&post);
    }

    /// Leases to be renewed: of work that is still supervised, and of results on their way. What has not begun is
    /// left to run out, so that another may have it.
    pub(crate) fn renewable(&mut self) -> Vec<Lease> {
        let at_work = self.tasks.iter_mut().filter_map(|(lease, task)| {
            let moves = task.beat.has_moved(&mut task.seen);
            if !moves {
                tracing::error!(dispatch = %lease.dispatch, "work is stuck; its lease is not renewed");
            }
            moves.then_some(*lease)
        });
        at_work.chain(self.results.values().copied()).collect()
    }

    pub(crate) fn held(&self) -> Vec<HeldLease> {
        let at_work = self
            .tasks
            .iter()
            .map(|(lease, task)| HeldLease { lease: *lease, waiting: task.waiting.load(Ordering::Relaxed) });
        let handed_in = self.results.values().map(|lease| HeldLease { lease: *lease, waiting: false });
        let not_begun =
            self.unbegun.iter().map(|it| HeldLease { lease: it.assignment.lease, waiting: false });
        at_work.chain(handed_in).chain(not_begun).collect()
    }

    pub(crate) fn is_at_rest(&self) -> bool {
        self.running.is_empty()
    }
}

fn lease_of(post: &Post) -> Option<Lease> {
    if let ToBroker::DispatchResult(result) = &post.frame { Some(result.lease) } else { None }
}
