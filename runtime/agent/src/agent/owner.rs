//! The one owner of the process's state: waits for whatever happens next, then applies it.
//!
//! It never waits for a task of its own; what it does wait for is the disk, and room in the link's queue.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use nexus_client::{CloseReason, Event, Link, Loss, RequestError};
use nexus_wire::hands::{Lease, LeaseRenew};
use nexus_wire::inbox::{Decision, Deliver, ItemBody};
use nexus_wire::limits::LEASE_RENEW_INTERVAL;
use nexus_wire::roster::{AspectInfo, ContextMode, LinkLimits, Register, Registered, SettingsBroken};
use nexus_wire::session::{SessionAct, SessionAsk, SessionOrder, SessionOutcome};
use nexus_wire::turn::CANCELLED_BY;
use nexus_wire::{ErrorCode, ItemId};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use super::closing::Closing;
use super::drive::Stage;
use super::kit::Kit;
use super::mail::{self, Mail};
use super::outcomes::Outcomes;
use super::parent::Parent;
use super::project;
use super::running::Which;
use super::seats::Seats;
use super::tasks::Tasks;
use super::telling::tell_decision;
use super::worker::{Arrival, Order, Shared, WorkerNews, turn_id};
use crate::cli::{Exit, Unfit};
use crate::hands::Control;
use crate::home::{Fault, Settings};
use crate::inbox::InboxItem;
use crate::outbox::Post;
use crate::session::{ItemDecision, SessionKey, UserTurn, failed};
use crate::tools::{Claim, End, Ended};
use crate::uplink::{BooksError, Happening, REGISTER_TIMEOUT, Uplink};

const NEWS_MAX: usize = 256;
const SWEEP_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// The ends of what the owner is told by, and tells by.
#[derive(Debug)]
pub(super) struct Channels {
    pub(super) claims: mpsc::Receiver<Claim>,
    pub(super) posts_done: mpsc::Receiver<Post>,
    pub(super) stop: watch::Sender<Stage>,
    pub(super) generation: watch::Sender<u64>,
    pub(super) team: watch::Sender<Vec<AspectInfo>>,
    pub(super) kits: watch::Receiver<Arc<Kit>>,
    /// What is wrong with the files of the home.
    pub(super) faults: watch::Receiver<Vec<Fault>>,
    /// There is a new key.
    pub(super) keys: mpsc::Receiver<()>,
}

/// How this process runs.
#[derive(Debug)]
pub(super) struct Manner {
    pub(super) url: String,
    pub(super) adopt: bool,
    pub(super) grace: Duration,
}

/// Carries posts.
type Courier = JoinHandle<Result<(), BooksError>>;

/// What happens by itself, or comes from outside of the process.
struct Beats {
    terminate: Signal,
    interrupt: Signal,
    parent: Parent,
    renewal: Interval,
    sweep: Interval,
    courier: Option<Courier>,
}

/// Once, when it ends. Safe to cancel.
async fn ended(courier: &mut Option<Courier>) -> Option<Result<Result<(), BooksError>, JoinError>> {
    let ended = courier.as_mut()?.await;
    *courier = None;
    Some(ended)
}

/// What an earlier process has left.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) items: Vec<InboxItem>,
    pub(super) posts: Vec<Post>,
}

#[derive(Debug)]
pub(super) enum News {
    Registered { attempt: u64, answer: Box<Result<Registered, RequestError>> },
    Lost(Vec<Lease>),
}

#[derive(Debug)]
pub(super) struct Owner {
    pub(super) shared: Arc<Shared>,
    pub(super) uplink: Uplink,
    pub(super) channels: Channels,
    manner: Manner,
    pub(super) closing: Closing,
    pub(super) seats: Seats,
    pub(super) tasks: Tasks,
    outcomes: Outcomes,
    pub(super) worker_news: mpsc::Receiver<WorkerNews>,
    pub(super) news: mpsc::Receiver<News>,
    tell: mpsc::Sender<News>,
    was_registered: bool,
    renew_every: Duration,
    /// What the broker was told last of what the settings say.
    offered: Option<Register>,
}

pub(super) type Fatal = Box<dyn Error + Send + Sync>;
/// What a step came to: nothing, or the end.
type Step = Result<Option<Exit>, Fatal>;

impl Owner {
    /// Takes up what was left: posts go out, items are closed, or gone on with once the broker knows us.
    pub(super) async fn new(
        shared: Arc<Shared>,
        uplink: Uplink,
        channels: Channels,
        manner: Manner,
        left: Left,
    ) -> Result<Self, Fatal> {
        let (tell, news) = mpsc::channel(NEWS_MAX);
        let (worker_tell, worker_news) = mpsc::channel(NEWS_MAX);
        let seats = Seats::new(Arc::clone(&shared), worker_tell);
        let tasks = Tasks::new(Arc::clone(&shared), &left.posts);
        let outcomes = Outcomes::default();
        let was_registered = false;
        let mut owner = Self {
            shared,
            uplink,
            channels,
            closing: Closing::new(manner.grace),
            manner,
            seats,
            tasks,
            outcomes,
            worker_news,
            news,
            tell,
            was_registered,
            renew_every: LEASE_RENEW_INTERVAL,
            offered: None,
        };
        if !left.items.is_empty() || !left.posts.is_empty() {
            let (items, posts) = (left.items.len(), left.posts.len());
            tracing::info!(items, posts, "going on from what was left open");
        }
        for stored in left.items {
            match Mail::of(&stored) {
                Ok(mail) => owner.receive(mail).await?,
                Err(error) => {
                    tracing::error!(error, "an item in the inbox cannot be read; it is left as it is");
                }
            }
        }
        Ok(owner)
    }

    /// Runs until told to stop, or until it cannot go on.
    pub(super) async fn run(mut self, courier: Courier, parent: Parent) -> Result<Exit, Fatal> {
        let mut beats = Beats {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            parent,
            renewal: renewal(self.renew_every),
            sweep: interval(SWEEP_INTERVAL),
            courier: Some(courier),
        };
        let ended = loop {
            match self.step(&mut beats).await {
                Ok(None) if self.may_end().await => break Ok(Exit::Done),
                Ok(None) => {}
                Ok(Some(exit)) => break Ok(exit),
                Err(error) => break Err(error),
            }
            if beats.renewal.period() != self.renew_every {
                beats.renewal = renewal(self.renew_every);
            }
        };
        tokio::select! {
            () = self.stop() => {}
            // Whoever asks again does not want to wait; what is on disk is enough.
            _ = beats.terminate.recv() => {}
            _ = beats.interrupt.recv() => {}
        }
        ended
    }

    /// Waits for what happens next, and applies it.
    async fn step(&mut self, beats: &mut Beats) -> Step {
        tokio::select! {
            event = self.uplink.event() => self.linked(event).await,
            Some(news) = self.news.recv() => self.told(news).await,
            Some(claim) = self.channels.claims.recv() => {
                self.outcomes.claim(claim);
                Ok(None)
            }
            Some(news) = self.worker_news.recv() => self.worker_told(news).await,
            Some(post) = self.channels.posts_done.recv() => {
                self.tasks.sent(post.id);
                Ok(None)
            }
            Some(finished) = self.tasks.finished() => self.hand_in(finished).await,
            Some(()) = self.seats.ended() => Ok(None),
            Some(ended) = ended(&mut beats.courier) => match ended {
                Ok(Ok(())) => Ok(None),
                Ok(Err(error)) => Err(error.into()),
                Err(error) => Err(error.into()),
            },
            _ = beats.renewal.tick() => {
                self.renew();
                Ok(None)
            }
            _ = beats.sweep.tick() => {
                self.seats.sweep();
                Ok(None)
            }
            Ok(()) = self.channels.kits.changed() => {
                self.offer_anew();
                Ok(None)
            }
            Ok(()) = self.channels.faults.changed() => {
                self.tell_broken().await;
                Ok(None)
            }
            Some(()) = self.channels.keys.recv() => {
                tracing::info!("there is a new key; dialling again with it");
                self.uplink.hang_up();
                Ok(None)
            }
            _ = beats.terminate.recv() => Ok(self.begin_closing()),
            _ = beats.interrupt.recv() => Ok(self.begin_closing()),
            () = beats.parent.gone() => {
                tracing::warn!("who started this process is gone; stopping with it");
                Ok(Some(Exit::Done))
            }
            () = self.closing.over() => {
                tracing::warn!("some turns have not ended in time; they go on at the next start");
                Ok(Some(Exit::Done))
            }
        }
    }

    async fn linked(&mut self, event: Event) -> Step {
        match self.uplink.apply(event).await? {
            None => {}
            Some(Happening::Connected { link, attempt }) => self.register(link, attempt).await?,
            Some(Happening::Items(items)) => self.receive_all(items).await?,
            Some(Happening::Asked(link, ask)) => self.asked(link, ask),
            Some(Happening::Lost { loss, retry_in }) => {
                tracing::warn!(
                    "no link to the broker: {loss}; dialling again in {} ms",
                    retry_in.as_millis()
                );
            }
            Some(Happening::Over(loss)) => return over(self.shared.name.as_str(), &loss),
        }
        Ok(None)
    }

    /// Beside everything else: a session may be long, and whoever asked may wait.
    fn asked(&self, link: Link, ask: SessionAsk) {
        let home = self.shared.home.clone();
        tokio::spawn(async move {
            let answering = tokio::task::spawn_blocking(move || project::answer(&home, ask));
            if let Ok(answer) = answering.await
                && let Err(error) = link.send(answer).await
            {
                tracing::debug!(%error, "whoever asked about a session has to ask again");
            }
        });
    }

    async fn register(&mut self, link: Link, attempt: u64) -> Result<(), Fatal> {
        let offer = offer(&self.shared.kit().settings);
        self.offered = Some(offer.clone());
        let (leases, broken) = (self.tasks.held(), self.shared.kits.broken());
        let register = Register { leases, broken, adopt: self.manner.adopt, ..offer };
        let register = self.uplink.complete(register).await?;
        let tell = self.tell.clone();
        tokio::spawn(async move {
            let answer = timeout(REGISTER_TIMEOUT, link.call(register)).await;
            let answer = answer.unwrap_or(Err(RequestError::Lost(CloseReason::Idle)));
            let _ = tell.send(News::Registered { attempt, answer: Box::new(answer) }).await;
        });
        Ok(())
    }

    /// A link that is lost meanwhile is followed by one whose `register` says it.
    async fn tell_broken(&self) {
        let Some(link) = self.uplink.link() else { return };
        let broken = SettingsBroken { reason: self.shared.kits.broken() };
        if let Err(error) = link.send(broken).await {
            tracing::debug!(%error, "the next registration says how the home is");
        }
    }

    /// The broker is told of what an aspect offers when it registers, and takes one `register` on a link.
    fn offer_anew(&mut self) {
        let is_up = self.uplink.link().is_some();
        if is_up && self.offered.as_ref().is_some_and(|told| *told != offer(&self.shared.kit().settings)) {
            tracing::info!("what this aspect offers has changed; registering anew");
            self.uplink.hang_up();
        }
    }

    async fn told(&mut self, news: News) -> Step {
        match news {
            News::Registered { attempt, answer } => match *answer {
                Ok(registered) => self.registered(attempt, registered).await?,
                Err(error) => return self.not_registered(attempt, error),
            },
            News::Lost(leases) => self.tasks.lose(&leases).await?,
        }
        Ok(None)
    }

    async fn registered(&mut self, attempt: u64, registered: Registered) -> Result<(), Fatal> {
        let Some(items) = self.uplink.registered(attempt, &registered).await? else { return Ok(()) };
        let Registered { name, generation, lost, limits, situation, .. } = registered;
        self.renew_every = renew_every(&limits);
        tracing::info!("{name} registered with {} (generation {generation})", self.manner.url);
        self.tasks.lose(&lost).await?;
        self.channels.team.send_replace(situation.team);
        self.channels.generation.send_replace(generation);
        // From here on the home has gone on with this broker; should that change, somebody has to say so again.
        self.manner.adopt = false;
        self.receive_all(items).await?;
        self.tasks.open().await?;
        if !self.was_registered {
            self.was_registered = true;
            let sessions = self.seats.open();
            let nobodys = self.outcomes.recover(sessions);
            self.close_all(nobodys).await?;
        }
        // It may have changed while the answer was on its way.
        self.offer_anew();
        Ok(())
    }

    fn not_registered(&mut self, attempt: u64, error: RequestError) -> Step {
        if !self.uplink.is_registering(attempt) {
            return Ok(None);
        }
        let name = &self.shared.name;
        match error {
            RequestError::Refused(body) if body.code == ErrorCode::HomeDiverged => {
                let advice = "stop the other one, or start this one with --adopt to go on with it";
                Err(Unfit::because(format_args!("{}; {advice}", body.message)).into())
            }
            RequestError::Refused(body) if body.code == ErrorCode::Held => {
                tracing::error!("{}", body.message);
                Ok(Some(Exit::Held))
            }
            // The close that follows says it too, and the key may have been replaced.
            RequestError::Refused(body) if body.code == ErrorCode::Unauthorized => Ok(None),
            RequestError::Refused(body) if !body.retryable && body.code != ErrorCode::AlreadyRegistered => {
                let url = &self.manner.url;
                Err(Unfit::because(format_args!("the broker at {url} does not let {name} in: {body}")).into())
            }
            error @ (RequestError::Refused(_) | RequestError::Lost(_) | RequestError::BadReply(_)) => {
                tracing::warn!(%error, "not registered; dialling again");
                self.uplink.hang_up();
                Ok(None)
            }
        }
    }

    async fn receive_all(&mut self, items: Vec<Deliver>) -> Result<(), Fatal> {
        for Deliver { offset, item } in items {
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
                let own = message.from.aspect() == Some(&self.shared.name);
                let key = mail::session_of(self.shared.kit().settings.context_mode, &message);
                let said = mail::said(id, offset, item.trace, message);
                if let Some(item) = said.item.as_ref().filter(|_| own) {
                    let reason = Some("it is from this aspect itself".to_owned());
                    let decision =
                        ItemDecision { item: id.0, decision: Decision::Silent, reason, message: None };
                    return Ok(tell_decision(&self.shared.books, item, decision).await?);
                }
                self.give(key, said, taken);
                Ok(())
            }
            ItemBody::Assignment(assignment) if taken => {
                let dispatch = assignment.lease.dispatch;
                tracing::warn!(%dispatch, "an earlier process worked on this and ended; it is not begun again");
                self.close(id, Decision::Failed).await
            }
            ItemBody::Assignment(assignment) => Ok(self.tasks.receive(id, item.trace, assignment).await?),
            ItemBody::Cancel { lease, reason } => Ok(self.tasks.cancel(id, lease, reason).await?),
            ItemBody::Result(outcome) => self.ended(Ended { item: id, end: End::Dispatch(outcome) }).await,
            ItemBody::Gather(result) => self.ended(Ended { item: id, end: End::Gather(result) }).await,
            ItemBody::Approval(end) => self.ended(Ended { item: id, end: End::Approval(end) }).await,
            ItemBody::Run(end) => {
                // What a Hand has started ends beside every conversation, and `show_run` tells of it.
                let Some(thread) = end.thread else { return self.close(id, Decision::Silent).await };
                let key = mail::session_in(self.shared.kit().settings.context_mode, thread);
                self.give(key, mail::ended(id, offset, item.trace, thread, &end), taken);
                Ok(())
            }
            ItemBody::Resume { lease, wait: _ } => {
                self.tasks.tell(lease, Control::Resume);
                self.close(id, Decision::Acted).await
            }
            ItemBody::Session(SessionOrder { session, by, act }) => {
                let order = Order { item: id, by, act, trace: item.trace.map(Box::new) };
                if let Some(outcome) = self.wanted(&order) {
                    return Ok(order.tell(&self.shared.books, outcome).await?);
                }
                match self.key_of(&session) {
                    Some(key) => self.seats.give(key, Arrival::Order(order)),
                    None => {
                        let home = &self.shared.name;
                        let message = format!("{home} has no session {session:?}");
                        order.tell(&self.shared.books, failed(ErrorCode::NotFound, message)).await?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Something is said in a session. `taken`: one of an earlier process had it.
    fn give(&mut self, key: SessionKey, said: UserTurn, taken: bool) {
        if let Some(item) = said.item.as_ref().filter(|_| taken) {
            self.shared.running.parked(key, turn_id(Some(item)), item);
        }
        self.seats.give(key, Arrival::Said(said));
    }

    /// What an operator wants of turns that are under way; `None` for what is about a session, between them.
    fn wanted(&self, order: &Order) -> Option<SessionOutcome> {
        let running = &self.shared.running;
        let turns = match &order.act {
            SessionAct::CancelTurns { thread, turn, reason } => {
                let which = Which { thread: thread.map(|thread| thread.0), turn: *turn };
                let colon = if reason.is_some() { ": " } else { "" };
                let why =
                    format!("{CANCELLED_BY}{}{colon}{}", order.by, reason.as_deref().unwrap_or_default());
                running.cancel(which, &why)
            }
            SessionAct::GoOn { thread } => {
                let which = Which { thread: thread.map(|thread| thread.0), turn: None };
                running.go_on(which, &order.by.to_string())
            }
            SessionAct::Compact
            | SessionAct::Fork { .. }
            | SessionAct::Rewind { .. }
            | SessionAct::Summarise { .. } => return None,
        };
        let (by, act) = (&order.by, order.act.kind());
        tracing::info!(%by, act, turns = turns.len(), "turns are told what an operator wants");
        Some(SessionOutcome { turns, ..SessionOutcome::default() })
    }

    /// The session of that name; one of a thread may be yet to come.
    fn key_of(&self, session: &str) -> Option<SessionKey> {
        if self.shared.kit().settings.context_mode == ContextMode::Stateless {
            return None;
        }
        if session == "global" {
            return Some(SessionKey::Global);
        }
        let id = session.parse().ok()?;
        let fork = SessionKey::Fork(id);
        Some(if fork.path(&self.shared.home).is_file() { fork } else { SessionKey::Thread(id) })
    }

    async fn ended(&mut self, ended: Ended) -> Result<(), Fatal> {
        // A claim is made before what it is about, so it is there by now, though perhaps not yet taken up.
        while let Ok(claim) = self.channels.claims.try_recv() {
            self.outcomes.claim(claim);
        }
        let nobodys = self.outcomes.ended(ended);
        self.close_all(nobodys).await
    }

    async fn close(&self, item: ItemId, decision: Decision) -> Result<(), Fatal> {
        Ok(self.shared.books.closed(item.0, decision).await?)
    }

    /// Results that nobody waits for.
    async fn close_all(&self, items: impl IntoIterator<Item = ItemId>) -> Result<(), Fatal> {
        for item in items {
            self.close(item, Decision::Silent).await?;
        }
        Ok(())
    }

    async fn worker_told(&mut self, news: WorkerNews) -> Step {
        match news {
            WorkerNews::Rests { key, received } => {
                self.seats.rests(key, received);
                let nobodys = self.outcomes.rests(key);
                self.close_all(nobodys).await?;
                Ok(None)
            }
            WorkerNews::Broken { key, error } => {
                let advice = "nothing that was acknowledged is lost; start again once that is mended";
                Err(format!("session {key} cannot go on: {error}; {advice}").into())
            }
        }
    }

    async fn hand_in(&mut self, finished: super::tasks::Finished) -> Step {
        self.tasks.hand_in(finished).await?;
        Ok(None)
    }

    fn renew(&mut self) {
        let leases = self.tasks.renewable();
        let Some(link) = self.uplink.link().filter(|_| !leases.is_empty()) else { return };
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
}

/// Two renewals may be late before a lease is lost.
fn renew_every(limits: &LinkLimits) -> Duration {
    let third = Duration::from_millis(limits.lease_ms.unsigned_abs() / 3);
    LEASE_RENEW_INTERVAL.min(third).max(Duration::from_millis(100))
}

fn renewal(every: Duration) -> Interval {
    let mut renewal = interval(every);
    renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
    renewal
}

/// What the broker is told of the settings.
fn offer(settings: &Settings) -> Register {
    Register {
        model: settings.provider.model.clone(),
        provider: settings.provider.kind.name().to_owned(),
        context_mode: settings.context_mode,
        capabilities: settings.capabilities.clone(),
        hands: settings.hands.iter().map(|hand| hand.spec.clone()).collect(),
        slots: settings.slots,
        watches: settings.runner.iter().flat_map(|it| &it.watches).map(|watch| watch.spec.clone()).collect(),
        ..Register::default()
    }
}

/// There will be no further link.
fn over(name: &str, loss: &Loss) -> Step {
    if loss.is_displaced() {
        tracing::error!("another process has taken over as {name}; leaving it to that one");
        return Ok(Some(Exit::Displaced));
    }
    if let Loss::Link(CloseReason::Held(why)) = loss {
        tracing::error!("{why}; nexctl release {name} lets it in again");
        return Ok(Some(Exit::Held));
    }
    let advice = match loss {
        Loss::Link(CloseReason::Revoked) => {
            format!("; an admin lets it in again with: nexus aspect add {name} --home <home>")
        }
        Loss::Link(_) | Loss::Dial(_) => String::new(),
    };
    Err(Unfit::because(format_args!("{name} cannot reach its broker: {loss}{advice}")).into())
}
