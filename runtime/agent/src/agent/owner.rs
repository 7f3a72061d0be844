//! The one owner of the process's state: waits for whatever happens next, then applies it.
//!
//! It never waits for a task of its own; what it does wait for is the disk, and room in the link's queue.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nexus_client::{CloseReason, Event, Link, Loss, RequestError};
use nexus_wire::hands::{Assignment, DispatchResult, Lease, LeaseRenew, Outcome};
use nexus_wire::inbox::{Decision, ItemBody};
use nexus_wire::limits::LEASE_RENEW_INTERVAL;
use nexus_wire::roster::{AspectInfo, Deregister, HeldLease, Register, Registered};
use nexus_wire::{DispatchId, ErrorCode, ItemId, RequestId, ToBroker, derive};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::GRACE;
use super::mail::{self, Mail};
use super::seats::Seats;
use super::worker::{Shared, WorkerNews};
use crate::cli::Exit;
use crate::hands::{self, Control};
use crate::home::Persona;
use crate::inbox::InboxItem;
use crate::outbox::Post;
use crate::session::{ItemDecision, SessionKey};
use crate::tools::{Claim, Ended};
use crate::uplink::{BooksError, Happening, REGISTER_TIMEOUT, Uplink};

const CONTROLS_MAX: usize = 32;
const NEWS_MAX: usize = 256;
const SWEEP_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// The ends of what the owner is told by, and tells by.
#[derive(Debug)]
pub(super) struct Channels {
    pub(super) claims: mpsc::Receiver<Claim>,
    pub(super) posts_done: mpsc::Receiver<Post>,
    pub(super) courier: JoinHandle<Result<(), BooksError>>,
    pub(super) stop: watch::Sender<bool>,
    pub(super) generation: watch::Sender<u64>,
    pub(super) team: watch::Sender<Vec<AspectInfo>>,
}

#[derive(Debug)]
enum News {
    Registered { attempt: u64, answer: Box<Result<Registered, RequestError>> },
    Lost(Vec<Lease>),
}

/// An assignment at work.
#[derive(Debug)]
struct Task {
    item: ItemId,
    control: mpsc::Sender<Control>,
    waiting: Arc<AtomicBool>,
}

#[derive(Debug)]
pub(super) struct Owner {
    shared: Arc<Shared>,
    persona: Arc<Persona>,
    uplink: Uplink,
    channels: Channels,
    url: String,
    adopt: bool,
    seats: Seats,
    worker_news: mpsc::Receiver<WorkerNews>,
    news: mpsc::Receiver<News>,
    tell: mpsc::Sender<News>,
    tasks: BTreeMap<Lease, Task>,
    hands: JoinSet<(Lease, Option<DispatchResult>)>,
    /// Results that the broker has not taken yet. Their leases are still ours.
    results: HashMap<RequestId, Lease>,
    claims: HashMap<DispatchId, oneshot::Sender<Ended>>,
    /// Ends that a turn which is to be gone on with may still ask for.
    unclaimed: HashMap<DispatchId, Ended>,
    /// Sessions whose interrupted turns have not come to their end yet.
    recovering: HashSet<SessionKey>,
    was_registered: bool,
}

type Fatal = Box<dyn Error>;

impl Owner {
    pub(super) fn new(
        shared: Arc<Shared>,
        persona: Arc<Persona>,
        uplink: Uplink,
        channels: Channels,
        url: String,
        adopt: bool,
    ) -> Self {
        let (tell, news) = mpsc::channel(NEWS_MAX);
        let (worker_tell, worker_news) = mpsc::channel(NEWS_MAX);
        let seats = Seats::new(Arc::clone(&shared), Arc::clone(&persona), worker_tell);
        Self {
            shared,
            persona,
            uplink,
            channels,
            url,
            adopt,
            seats,
            worker_news,
            news,
            tell,
            tasks: BTreeMap::new(),
            hands: JoinSet::new(),
            results: HashMap::new(),
            claims: HashMap::new(),
            unclaimed: HashMap::new(),
            recovering: HashSet::new(),
            was_registered: false,
        }
    }

    /// Takes up what an earlier process has left: its posts go out, its items are closed or gone on with.
    pub(super) async fn recover(&mut self, items: Vec<InboxItem>, posts: Vec<Post>) -> Result<(), Fatal> {
        self.results = posts.iter().filter_map(|post| Some((post.id, lease_of(post)?))).collect();
        if !items.is_empty() || !posts.is_empty() {
            tracing::info!(items = items.len(), posts = posts.len(), "going on from what was left open");
        }
        for stored in items {
            match Mail::of(&stored) {
                Ok(mail) => self.receive(mail).await?,
                Err(error) => {
                    tracing::error!(error, "an item in the inbox cannot be read; it is left as it is")
                }
            }
        }
        Ok(())
    }

    pub(super) async fn run(mut self) -> Result<Exit, Fatal> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut renewal = interval(LEASE_RENEW_INTERVAL);
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sweep = interval(SWEEP_INTERVAL);
        let ended = loop {
            let step = tokio::select! {
                event = self.uplink.event() => self.linked(event).await,
                Some(news) = self.news.recv() => self.told(news).await,
                Some(claim) = self.channels.claims.recv() => { self.claim(claim); Ok(None) }
                Some(news) = self.worker_news.recv() => self.worker_told(news).await,
                Some(post) = self.channels.posts_done.recv() => { self.results.remove(&post.id); Ok(None) }
                Some(done) = self.hands.join_next() => self.hand_ended(done).await,
                courier = &mut self.channels.courier, if !self.channels.courier.is_finished() => match courier {
                    Ok(Err(error)) => Err(error.into()),
                    Ok(Ok(())) | Err(_) => Ok(None),
                },
                _ = renewal.tick() => { self.renew(); Ok(None) }
                _ = sweep.tick() => { self.seats.sweep(); Ok(None) }
                _ = terminate.recv() => Ok(Some(Exit::Done)),
                _ = interrupt.recv() => Ok(Some(Exit::Done)),
            };
            match step {
                Ok(None) => {}
                Ok(Some(exit)) => break Ok(exit),
                Err(error) => break Err(error),
            }
        };
        self.stop().await;
        ended
    }

    async fn linked(&mut self, event: Event) -> Result<Option<Exit>, Fatal> {
        match self.uplink.apply(event).await? {
            None => {}
            Some(Happening::Connected { link, attempt }) => self.register(link, attempt).await?,
            Some(Happening::Items(items)) => self.receive_all(items).await?,
            Some(Happening::Lost { loss, retry_in }) => {
                tracing::warn!(
                    "no link to the broker: {loss}; dialling again in {} ms",
                    retry_in.as_millis()
                );
            }
            Some(Happening::Over(loss)) => return over(&self.shared.settings.name.to_string(), loss),
        }
        Ok(None)
    }

    async fn register(&self, link: Link, attempt: u64) -> Result<(), Fatal> {
        let settings = &self.shared.settings;
        let held = self
            .tasks
            .iter()
            .map(|(lease, task)| HeldLease { lease: *lease, waiting: task.waiting.load(Ordering::Relaxed) });
        let handed_in = self.results.values().map(|lease| HeldLease { lease: *lease, waiting: false });
        let register = Register {
            model: settings.provider.model.clone(),
            provider: settings.provider.kind.name().to_owned(),
            context_mode: settings.context_mode,
            capabilities: settings.capabilities.clone(),
            hands: settings.hands.iter().map(|hand| hand.spec.clone()).collect(),
            slots: settings.slots,
            leases: held.chain(handed_in).collect(),
            adopt: self.adopt,
            ..Register::default()
        };
        let register = self.uplink.complete(register).await?;
        let tell = self.tell.clone();
        tokio::spawn(async move {
            let late = || RequestError::Lost(CloseReason::Idle);
            let answer = timeout(REGISTER_TIMEOUT, link.call(register)).await;
            let answer = Box::new(answer.unwrap_or_else(|_| Err(late())));
            let _ = tell.send(News::Registered { attempt, answer }).await;
        });
        Ok(())
    }

    async fn told(&mut self, news: News) -> Result<Option<Exit>, Fatal> {
        match news {
            News::Registered { attempt, answer } => match *answer {
                Ok(registered) => self.registered(attempt, registered).await?,
                Err(error) => self.not_registered(attempt, error)?,
            },
            News::Lost(leases) => self.lose(&leases),
        }
        Ok(None)
    }

    async fn registered(&mut self, attempt: u64, registered: Registered) -> Result<(), Fatal> {
        let Some(items) = self.uplink.registered(attempt, &registered).await? else { return Ok(()) };
        let Registered { name, generation, lost, situation, .. } = registered;
        tracing::info!("{name} registered with {} (generation {generation})", self.url);
        self.lose(&lost);
        self.channels.team.send_replace(situation.team);
        self.channels.generation.send_replace(generation);
        // Having been let in once is enough: a later start of the same home is no restored copy.
        self.adopt = false;
        self.receive_all(items).await?;
        if !self.was_registered {
            self.was_registered = true;
            self.recovering = self.seats.open().into_iter().collect();
            self.close_unclaimed().await?;
        }
        Ok(())
    }

    fn not_registered(&mut self, attempt: u64, error: RequestError) -> Result<(), Fatal> {
        if !self.uplink.is_registering(attempt) {
            return Ok(());
        }
        match error {
            RequestError::Refused(body) if body.code == ErrorCode::HomeDiverged => {
                Err(format!("{}; if this home is the one to go on with, start it with --adopt", body.message)
                    .into())
            }
            RequestError::Refused(body) if !body.retryable && body.code != ErrorCode::AlreadyRegistered => {
                Err(format!(
                    "the broker at {} does not let {} in: {body}",
                    self.url, self.shared.settings.name
                )
                .into())
            }
            error => {
                tracing::warn!(%error, "not registered; dialling again");
                self.uplink.hang_up();
                Ok(())
            }
        }
    }

    async fn receive_all(&mut self, items: Vec<nexus_wire::inbox::Deliver>) -> Result<(), Fatal> {
        for nexus_wire::inbox::Deliver { offset, item } in items {
            self.receive(Mail { offset, item, taken: false }).await?;
        }
        Ok(())
    }

    async fn receive(&mut self, mail: Mail) -> Result<(), Fatal> {
        let Mail { offset, item, taken } = mail;
        let id = item.id;
        if item.answered {
            return self.close(id, Decision::Silent).await;
        }
        match item.body {
            ItemBody::Message(message) => {
                let said = mail::said(id, offset, message.clone());
                if message.from.aspect() == Some(&self.shared.settings.name) {
                    let reason = Some("it is from this aspect itself".to_owned());
                    let decision =
                        ItemDecision { item: id.0, decision: Decision::Silent, reason, message: None };
                    if let Some(item) = &said.item {
                        super::drive::tell_decision(&self.shared.books, item, decision).await?;
                    }
                    return Ok(());
                }
                let key = mail::session_of(self.shared.settings.context_mode, &message);
                self.seats.give(key, said);
                Ok(())
            }
            ItemBody::Assignment(assignment) if taken => {
                let dispatch = assignment.lease.dispatch;
                tracing::warn!(%dispatch, "an earlier process worked on this and ended; it is not begun again");
                self.close(id, Decision::Failed).await
            }
            ItemBody::Assignment(assignment) => self.begin(id, assignment).await,
            ItemBody::Result(outcome) => self.outcome(id, outcome).await,
            ItemBody::Cancel { lease, reason } => {
                self.control(lease, Control::Cancel { reason });
                self.close(id, Decision::Acted).await
            }
            ItemBody::Resume { lease, wait: _ } => {
                self.control(lease, Control::Resume);
                self.close(id, Decision::Acted).await
            }
        }
    }

    async fn close(&self, item: ItemId, decision: Decision) -> Result<(), Fatal> {
        Ok(self.shared.books.closed(item.0, decision).await?)
    }

    async fn begin(&mut self, item: ItemId, assignment: Assignment) -> Result<(), Fatal> {
        let lease = assignment.lease;
        // On record first: work that has begun is not begun again by a later process.
        self.shared.books.taken(item.0).await?;
        let (control, controls) = mpsc::channel(CONTROLS_MAX);
        let waiting = Arc::new(AtomicBool::new(false));
        self.tasks.insert(lease, Task { item, control, waiting: Arc::clone(&waiting) });
        tracing::info!(dispatch = %lease.dispatch, hand = %assignment.hand, invoker = %assignment.invoker, "begins");
        let (shared, persona) = (Arc::clone(&self.shared), Arc::clone(&self.persona));
        self.hands
            .spawn(async move { (lease, hands::work(shared, persona, assignment, controls, waiting).await) });
        Ok(())
    }

    fn control(&self, lease: Lease, control: Control) {
        if let Some(task) = self.tasks.get(&lease)
            && let Err(error) = task.control.try_send(control)
        {
            tracing::debug!(dispatch = %lease.dispatch, %error, "a Hand that ends is told nothing more");
        }
    }

    fn lose(&mut self, leases: &[Lease]) {
        for lease in leases {
            self.control(*lease, Control::Cancel { reason: "its lease is no longer good".to_owned() });
        }
    }

    async fn hand_ended(
        &mut self,
        done: Result<(Lease, Option<DispatchResult>), tokio::task::JoinError>,
    ) -> Result<Option<Exit>, Fatal> {
        // A task that breaks down hands in that it did; nobody aborts one.
        let Ok((lease, result)) = done else { return Ok(None) };
        let Some(task) = self.tasks.remove(&lease) else { return Ok(None) };
        let Some(result) = result else {
            tracing::info!(dispatch = %lease.dispatch, "stopped without a result");
            self.close(task.item, Decision::Failed).await?;
            return Ok(None);
        };
        let failure = result.error.as_ref().map(|error| error.code.clone());
        tracing::info!(dispatch = %lease.dispatch, failure, "ended");
        let id = RequestId(derive::derived(lease.dispatch.0, "result", lease.attempt.into()));
        self.results.insert(id, lease);
        self.shared.books.post(Post { id, frame: result.into() }).await?;
        self.close(task.item, Decision::Acted).await?;
        Ok(None)
    }

    /// The end of a dispatch of ours goes to the call that waits for it.
    async fn outcome(&mut self, item: ItemId, outcome: Outcome) -> Result<(), Fatal> {
        let ended = Ended { item, outcome };
        let dispatch = ended.outcome.dispatch;
        let left = match self.claims.remove(&dispatch) {
            Some(claim) => claim.send(ended).err(),
            None => Some(ended),
        };
        let Some(ended) = left else { return Ok(()) };
        if !self.was_registered || !self.recovering.is_empty() {
            self.unclaimed.insert(dispatch, ended);
            return Ok(());
        }
        tracing::debug!(%dispatch, "nobody waits for this result any more");
        self.close(item, Decision::Silent).await
    }

    fn claim(&mut self, claim: Claim) {
        let Claim { dispatch, ended } = claim;
        match self.unclaimed.remove(&dispatch) {
            Some(found) => {
                if let Err(found) = ended.send(found) {
                    self.unclaimed.insert(dispatch, found);
                }
            }
            None => {
                self.claims.retain(|_, waiting| !waiting.is_closed());
                self.claims.insert(dispatch, ended);
            }
        }
    }

    async fn worker_told(&mut self, news: WorkerNews) -> Result<Option<Exit>, Fatal> {
        match news {
            WorkerNews::Rests { key, received } => {
                self.seats.rests(key, received);
                if self.recovering.remove(&key) {
                    self.close_unclaimed().await?;
                }
                Ok(None)
            }
            WorkerNews::Broken { key, error } => {
                Err(format!("session {key} cannot be written: {error}; nothing is lost, start again").into())
            }
        }
    }

    /// Once every interrupted turn has had its chance, what nobody asked for is nobody's.
    async fn close_unclaimed(&mut self) -> Result<(), Fatal> {
        if self.recovering.is_empty() {
            for (_, ended) in std::mem::take(&mut self.unclaimed) {
                self.close(ended.item, Decision::Silent).await?;
            }
        }
        Ok(())
    }

    fn renew(&self) {
        let Some(link) = self.uplink.link() else { return };
        let leases: Vec<Lease> = self.tasks.keys().chain(self.results.values()).copied().collect();
        if leases.is_empty() {
            return;
        }
        let (link, tell) = (link.clone(), self.tell.clone());
        tokio::spawn(async move {
            match link.call(LeaseRenew { leases }).await {
                Ok(renewed) if !renewed.lost.is_empty() => {
                    let _ = tell.send(News::Lost(renewed.lost)).await;
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "leases not renewed"),
            }
        });
    }

    /// Parks what is at work, says goodbye.
    async fn stop(self) {
        let Self { shared, uplink, channels, seats, worker_news, news, mut hands, .. } = self;
        channels.stop.send_replace(true);
        drop((worker_news, news));
        let at_rest = async {
            seats.ended().await;
            while hands.join_next().await.is_some() {}
        };
        if timeout(GRACE, at_rest).await.is_err() {
            tracing::warn!("some work did not come to rest in time; it goes on from what is on disk");
        }
        if let Some(link) = uplink.link().cloned() {
            let bye = Deregister { reason: Some("stopping".to_owned()) };
            let _ = timeout(Duration::from_secs(2), link.call(bye)).await;
            let _ = timeout(Duration::from_secs(1), link.close()).await;
        }
        if let Err(error) = shared.books.flush().await {
            tracing::warn!(%error, "what was sent is not on record, and will be sent again");
        }
    }
}

fn lease_of(post: &Post) -> Option<Lease> {
    match &post.frame {
        ToBroker::DispatchResult(result) => Some(result.lease),
        _ => None,
    }
}

/// There will be no further link.
fn over(name: &str, loss: Loss) -> Result<Option<Exit>, Fatal> {
    if loss.is_displaced() {
        tracing::error!("another process has taken over as {name}; leaving it to that one");
        return Ok(Some(Exit::Displaced));
    }
    let advice = match &loss {
        Loss::Link(CloseReason::Revoked) => {
            format!("; let it in again with: nexus aspect add {name} --home <home>")
        }
        Loss::Link(_) | Loss::Dial(_) => String::new(),
    };
    Err(format!("{name} cannot reach its broker: {loss}{advice}").into())
}
