//! One task for one session: takes what is for it, one turn after the other, and closes every item it is given.
//!
//! At its start it finds out from the session what an earlier process has done of its items: what is decided is
//! told again, what was interrupted is gone on with, and nothing is taken twice.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use nexus_wire::chat::ReplyMeta;
use nexus_wire::inbox::{Decision, InboxClose};
use nexus_wire::observe::ObserveBegin;
use nexus_wire::roster::{AspectInfo, ContextMode};
use nexus_wire::session::{SessionAct, SessionOutcome};
use nexus_wire::{
    AspectName, DispatchId, ErrorCode, ItemId, MessageId, Party, RequestId, ThreadId, TraceContext, TurnId,
    derive,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tracing::Instrument as _;

use super::clock::Clock;
use super::drive::{Drive, DriveError, Finish, Signals};
use super::hearing::Conversation;
use super::kit::{Kit, Kits};
use super::ledger::Ledger;
use super::observer::Observer;
use super::pause::Pause;
use super::prompt;
use super::recall;
use super::record::{Record, RecordError};
use super::running::Running;
use super::sift::{Looked, judge_of};
use super::telling::tell_decision;
use crate::conversation::{Block, Origin};
use crate::journal::{Durability, JournalError};
use crate::outbox::Post;
use crate::session::{
    Blobs, Entry, ItemDecision, ItemRef, Payload, Session, SessionError, SessionKey, SystemPrompt, UserTurn,
    failed,
};
use crate::tools::Caller;
use crate::trace::Taken;
use crate::triage::{self, Verdict};
use crate::turn::{Effect, Rules, Turn};
use crate::uplink::Books;

/// A session in use by a command is waited for this long.
const LOCKED_TRIES_MAX: u32 = 30;
const LOCKED_WAIT: Duration = Duration::from_secs(1);
/// With more sessions open than this, one that has nothing to do is closed at once.
const KEPT_OPEN_MAX: usize = 256;

/// What every task of the process works with.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) home: PathBuf,
    pub(crate) name: AspectName,
    pub(crate) durability: Durability,
    pub(crate) kits: Arc<Kits>,
    pub(crate) books: Books,
    pub(crate) ledger: Ledger,
    pub(crate) signals: Signals,
    pub(crate) team: watch::Receiver<Vec<AspectInfo>>,
    /// Turns at work at the same time.
    pub(crate) turns: Arc<Semaphore>,
    /// Sessions that are open.
    pub(crate) open: Arc<AtomicUsize>,
    /// Turns of sessions that are under way.
    pub(crate) running: Arc<Running>,
}

impl Shared {
    pub(crate) fn kit(&self) -> Arc<Kit> {
        self.kits.current()
    }

    /// After a look at the files of the home: for work that begins.
    pub(crate) async fn fresh_kit(&self) -> Arc<Kit> {
        let kits = Arc::clone(&self.kits);
        // A look that broke down has changed nothing.
        let _ = tokio::task::spawn_blocking(move || kits.look()).await;
        self.kit()
    }
}

/// What a worker tells its owner.
#[derive(Debug)]
pub(crate) enum WorkerNews {
    /// Nothing is left to do. `received` counts what was taken from the channel.
    Rests { key: SessionKey, received: u64 },
    /// It cannot go on, and neither should the process.
    Broken { key: SessionKey, error: DriveError },
}

/// What a session is given to do, one after the other.
#[derive(Debug)]
pub(crate) enum Arrival {
    Said(UserTurn),
    Order(Order),
}

/// What an operator wants done with the session, between turns.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) item: ItemId,
    pub(crate) by: Party,
    pub(crate) act: SessionAct,
    pub(crate) trace: Option<Box<TraceContext>>,
}

impl Order {
    /// Tells the broker what came of it, then closes the item. Doing it again does nothing.
    pub(crate) async fn tell(&self, books: &Books, outcome: SessionOutcome) -> Result<(), DriveError> {
        self.tell_with(books, outcome, None).await
    }

    /// The same with what it has cost.
    async fn tell_with(
        &self,
        books: &Books,
        outcome: SessionOutcome,
        meta: Option<ReplyMeta>,
    ) -> Result<(), DriveError> {
        let decision = if outcome.error.is_none() { Decision::Acted } else { Decision::Failed };
        let reason = outcome.error.as_ref().map(|error| error.message.clone());
        let close = InboxClose {
            item: self.item,
            decision,
            reason,
            message: None,
            outcome: Some(outcome),
            spent: None,
            meta,
        };
        let id = RequestId(derive::derived(self.item.0, "close", 0));
        books.post(Post { id, trace: self.trace.clone(), frame: close.into() }).await?;
        Ok(books.closed(self.item.0, decision).await?)
    }
}

pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) key: SessionKey,
    pub(crate) arrivals: mpsc::Receiver<Arrival>,
    pub(crate) news: mpsc::Sender<WorkerNews>,
    /// The worker that had the session before, as long as it has it.
    pub(crate) before: Option<oneshot::Receiver<()>>,
    /// What has been taken from `arrivals`.
    pub(crate) received: u64,
    /// Its place among those at work.
    pub(crate) place: Option<OwnedSemaphorePermit>,
}

impl Worker {
    /// Works until there are no more arrivals, or the process stops. `initial` is what was open at its start.
    pub(crate) async fn run(mut self, initial: Vec<Arrival>) {
        if let Some(before) = self.before.take() {
            let _ = before.await;
        }
        let key = self.key;
        if let Err(error) = self.work(initial).await {
            let _ = self.news.send(WorkerNews::Broken { key, error }).await;
        }
    }

    async fn work(&mut self, initial: Vec<Arrival>) -> Result<(), DriveError> {
        let stateless = self.shared.kit().settings.context_mode == ContextMode::Stateless;
        let mut waiting = VecDeque::from(initial);
        let mut kept: Option<(Record, Counted)> = None;
        loop {
            // Others may have waited for longer.
            self.place = None;
            if waiting.is_empty() {
                // Every open session is an open file, of which a process may have only so many.
                let many = self.shared.open.load(Ordering::Relaxed) > KEPT_OPEN_MAX;
                let is_heavy = |record: &Record| record.session().is_some_and(Session::is_heavy);
                kept = kept.filter(|(record, _)| !many && !is_heavy(record));
                let Some(arrived) = self.rest().await else { return Ok(()) };
                waiting.push_back(arrived);
            }
            let shared = Arc::clone(&self.shared);
            let mut stop = shared.signals.stop.clone();
            self.place = tokio::select! {
                biased;
                () = stop.closing() => return Ok(()),
                place = Arc::clone(&shared.turns).acquire_owned() => place.ok(),
            };
            let (mut record, count) = match kept.take() {
                Some(kept) => kept,
                None if stateless => (Record::Memory(Vec::new()), Counted::new(&shared.open)),
                None => {
                    let is_order = matches!(waiting.front(), Some(Arrival::Order(_)));
                    let session = match self.open(is_order).await {
                        Ok(Some(session)) => session,
                        Ok(None) => return Ok(()),
                        Err(SessionError::Missing(_)) => {
                            self.no_session(waiting.pop_front()).await?;
                            continue;
                        }
                        Err(error) => {
                            self.reject(&mut waiting, &error.to_string()).await?;
                            continue;
                        }
                    };
                    let count = Counted::new(&shared.open);
                    let Some(record) = self.recover(session, &mut waiting).await? else { return Ok(()) };
                    kept = Some((record, count));
                    continue;
                }
            };
            let (first, prior) = match waiting.pop_front() {
                Some(Arrival::Said(first)) => match self.look_at(record, first).await? {
                    Looked::Begins(kept, first, prior) => {
                        record = kept;
                        (first, prior)
                    }
                    Looked::PassedOver(record) => {
                        kept = (!stateless).then_some((record, count));
                        continue;
                    }
                    Looked::Parked => return Ok(()),
                },
                Some(Arrival::Order(order)) => {
                    let Some(record) = self.carry_out(record, order).await? else { return Ok(()) };
                    kept = Some((record, count));
                    continue;
                }
                None => {
                    kept = Some((record, count));
                    continue;
                }
            };
            let item = first.item.clone();
            let opening = Some(said(&first));
            let begin = |rules| Turn::start_after(turn_id(first.item.as_ref()), rules, first, prior);
            let from = Begins { first: item, opening, resumed: false };
            let Some(record) = self.turn(record, from, begin, &mut waiting).await? else {
                return Ok(());
            };
            kept = (!stateless).then_some((record, count));
        }
    }

    /// Waits for the next thing to do; `None` when there will be none.
    async fn rest(&mut self) -> Option<Arrival> {
        self.news.send(WorkerNews::Rests { key: self.key, received: self.received }).await.ok()?;
        let mut stop = self.shared.signals.stop.clone();
        let arrived = tokio::select! {
            biased;
            () = stop.closing() => None,
            arrived = self.arrivals.recv() => arrived,
        };
        self.received += u64::from(arrived.is_some());
        arrived
    }

    /// `None`: the process stops before it is done.
    async fn carry_out(&self, mut record: Record, order: Order) -> Result<Option<Record>, DriveError> {
        let (outcome, meta) = match &order.act {
            SessionAct::Compact | SessionAct::Summarise { .. } => {
                let Some(done) = self.condense(&mut record, &order).await? else { return Ok(None) };
                done
            }
            SessionAct::CancelTurns { .. }
            | SessionAct::Fork { .. }
            | SessionAct::GoOn { .. }
            | SessionAct::Rewind { .. } => (self.change(&mut record, &order).await?, None),
        };
        let (by, act) = (&order.by, order.act.kind());
        match &outcome.error {
            None => tracing::info!(session = %self.key, %by, act, "a session command was carried out"),
            Some(error) => {
                let error = &error.message;
                tracing::info!(session = %self.key, %by, act, error, "a session command was refused");
            }
        }
        order.tell_with(&self.shared.books, outcome, meta).await?;
        Ok(Some(record))
    }

    async fn change(&self, record: &mut Record, order: &Order) -> Result<SessionOutcome, DriveError> {
        let (home, key, item, act) = (self.shared.home.clone(), self.key, order.item.0, order.act.clone());
        let change = move |session: &mut Session| session.carry_out(&home, key, item, &act, Timestamp::now());
        // An order goes to no session that is in memory alone.
        Ok(record.change(change).await?.unwrap_or_default())
    }

    async fn no_session(&self, arrival: Option<Arrival>) -> Result<(), DriveError> {
        let Some(Arrival::Order(order)) = arrival else { return Ok(()) };
        let message = format!("{} has no session {}", self.shared.name, self.key);
        order.tell(&self.shared.books, failed(ErrorCode::NotFound, message)).await
    }

    /// Makes the session when it is missing, unless it has to be there.
    async fn open(&self, existing: bool) -> Result<Option<Session>, SessionError> {
        let mut tries = 0;
        loop {
            let (home, key, durability) = (self.shared.home.clone(), self.key, self.shared.durability);
            let opening = tokio::task::spawn_blocking(move || match existing {
                true => Session::open_existing(&home, key, durability, Timestamp::now()),
                false => Session::open(&home, key, durability, Timestamp::now()),
            });
            // A task that broke down has said so; it is tried again like a session in use.
            let opened = opening.await.ok();
            match opened {
                Some(Err(SessionError::Journal(JournalError::Locked { path, by })))
                    if tries < LOCKED_TRIES_MAX =>
                {
                    tracing::info!(session = %path.display(), %by, "waiting for a session in use");
                }
                Some(opened) => return opened.map(Some),
                None if tries < LOCKED_TRIES_MAX => {}
                None => return Ok(None),
            }
            tries += 1;
            let mut stop = self.shared.signals.stop.clone();
            tokio::select! {
                () = stop.closing() => return Ok(None),
                () = tokio::time::sleep(LOCKED_WAIT) => {}
            }
        }
    }

    /// Brings the session and what is open into step: leaves in `waiting` what it has not taken. `None`: parked.
    async fn recover(
        &mut self,
        session: Session,
        waiting: &mut VecDeque<Arrival>,
    ) -> Result<Option<Record>, DriveError> {
        let tree = session.tree();
        let mut decided = Vec::new();
        // A session does not say whose trace an item belongs to.
        let mut traces = HashMap::new();
        let mut fresh = VecDeque::new();
        for arrival in waiting.drain(..) {
            let said = match arrival {
                Arrival::Said(said) => said,
                Arrival::Order(_) => {
                    fresh.push_back(arrival);
                    continue;
                }
            };
            let Some(item) = &said.item else {
                fresh.push_back(Arrival::Said(said));
                continue;
            };
            match session.decision(item.id).map_err(RecordError::from)? {
                Some(decision) => decided.push((item.clone(), decision)),
                None if tree.has_taken(item.id) => {
                    _ = traces.insert(item.id, item.trace.clone());
                }
                None => fresh.push_back(Arrival::Said(said)),
            }
        }
        *waiting = fresh;
        let (here, left): (Vec<_>, Vec<_>) =
            tree.open_items().into_iter().partition(|open| open.on_active_branch);
        for (item, decision) in decided {
            tell_decision(&self.shared.books, &item, decision).await?;
        }
        let mut record = Record::of(session);
        for open in left {
            let reason = Some("a rewind has left the branch that took it".to_owned());
            let decision =
                ItemDecision { item: open.item.id, decision: Decision::Silent, reason, message: None };
            record.append(Payload::Decision(decision.clone())).await?;
            tell_decision(&self.shared.books, &open.item, decision).await?;
        }
        let traced = |item: ItemRef| ItemRef { trace: traces.remove(&item.id).flatten(), ..item };
        let open: Vec<ItemRef> = here.into_iter().map(|open| open.item).map(traced).collect();
        let Some(first) = open.first().cloned() else {
            self.shared.running.unparked(self.key);
            return Ok(Some(record));
        };
        if let Some(reason) = self.was_passed_over(&record, &open) {
            self.pass_over(&mut record, &first, reason).await?;
            self.shared.running.unparked(self.key);
            return Ok(Some(record));
        }
        tracing::info!(session = %self.key, "going on with a turn that was interrupted");
        // Only what has been read of the branch is needed, which stays as it is until the turn begins.
        let branch: Vec<Entry> = record.branch().into_iter().cloned().collect();
        let begin = |rules| {
            let id = turn_id(open.first());
            Turn::resume(id, rules, &branch.iter().collect::<Vec<_>>(), open.clone())
        };
        let from = Begins { first: Some(first), opening: None, resumed: true };
        self.turn(record, from, begin, waiting).await
    }

    /// One turn, from its first item to its end. `None`: parked.
    async fn turn(
        &mut self,
        record: Record,
        from: Begins,
        begin: impl FnOnce(Rules) -> (Turn, Vec<Effect>),
        waiting: &mut VecDeque<Arrival>,
    ) -> Result<Option<Record>, DriveError> {
        let Begins { first: Some(first), opening, resumed } = from else { return Ok(Some(record)) };
        let kits = self.shared.kits.subscribe();
        let kit = self.shared.fresh_kit().await;
        // Before anybody can see that it has begun: from then on it may be cancelled.
        let seat = self.shared.running.begin(turn_id(Some(&first)), &first, resumed);
        let mut drive = self.drive(&kit, record, &first, opening.as_deref()).await?;
        let budgets = &kit.settings.budgets;
        let day = self.shared.ledger.left(first.thread, budgets.thread, budgets.aspect, resumed);
        if !resumed {
            self.shared.ledger.begins(first.thread).await;
        }
        let (turn, effects) = begin(kit.rules(day));
        let mut outside = Conversation {
            arrivals: &mut self.arrivals,
            seat,
            pause: Pause::new(Arc::clone(&self.shared), first.thread, &mut self.place, kits),
            thread: first.thread,
            passes_over: Box::new({
                let (me, triage) = (self.shared.name.clone(), kit.settings.triage.clone());
                move |said| matches!(triage::by_rules(&me, &triage, said), Verdict::PassOver { .. })
            }),
            later: waiting,
            received: &mut self.received,
        };
        let log = drive.trace.log_span();
        match drive.run(turn, effects, &mut outside).instrument(log.clone()).await? {
            Finish::Parked => Ok(None),
            Finish::Ended(turn, ending) => {
                log.in_scope(|| {
                    tracing::info!(
                        from = %first.from, decision = ?ending.decision, rounds = ending.spent.rounds,
                        reason = ending.reason, "turn ended"
                    );
                });
                for left in turn.into_waiting().into_iter().rev() {
                    waiting.push_front(Arrival::Said(left));
                }
                Ok(Some(drive.record))
            }
        }
    }

    async fn drive(
        &self,
        kit: &Kit,
        mut record: Record,
        first: &ItemRef,
        opening: Option<&str>,
    ) -> Result<Drive, DriveError> {
        let shared = &self.shared;
        let Kit { settings, persona, .. } = kit;
        let text = prompt::for_session(settings, persona, &shared.team.borrow());
        let mut system = None;
        if record.session().is_none() {
            system = Some(text);
        } else if !has_prompt(&record.branch(), &text) {
            let source = format!("{} and the team", persona.source());
            record.append(Payload::SystemPrompt(SystemPrompt { text, source, adds: false })).await?;
        }
        if let Some(opening) = opening
            && let Some(recalled) = self.recall(kit, &record, first, opening).await
        {
            record.append(Payload::SystemPrompt(recalled)).await?;
        }
        let thread = first.thread.map(ThreadId);
        let turn = turn_id(Some(first));
        let message = first.message.map(MessageId);
        let begin = ObserveBegin { turn, thread, message, dispatch: None::<DispatchId> };
        Ok(Drive {
            provider: Arc::clone(&kit.provider),
            max_tokens: settings.provider.max_tokens,
            compactor: kit.compactor(Some(kit.toolbox.line().traced(first.trace.as_deref().cloned()))),
            session: record.session().is_some().then(|| self.key.to_string()),
            toolbox: match record.session() {
                Some(session) => {
                    let blobs = Blobs::of(&shared.home, shared.durability);
                    kit.toolbox.in_session(session.path().to_owned(), blobs)
                }
                None => kit.toolbox.clone(),
            },
            caller: Caller {
                is_heard: first.from.starts_with("operator/"),
                ..Caller::of(settings.name.clone(), first.id, thread, None)
            },
            origin: Origin {
                aspect: settings.name.to_string(),
                hand: None,
                from: Some(first.from.clone()),
                thread: thread.map(|thread| thread.to_string()),
                trace: None,
                summary: false,
                asked: 0,
            },
            system,
            record,
            observer: Observer::new(kit.toolbox.line().clone(), begin),
            trace: kit.teller.turn(Taken::of(first), None),
            books: shared.books.clone(),
            ledger: shared.ledger.clone(),
            judge: judge_of(kit, thread),
            clock: Clock::start(Duration::from_secs(settings.budgets.turn_seconds.into())),
            signals: shared.signals.clone(),
        })
    }

    /// What the team knows of what a session begins with. A session that is in no file begins every time.
    async fn recall(
        &self,
        kit: &Kit,
        record: &Record,
        first: &ItemRef,
        opening: &str,
    ) -> Option<SystemPrompt> {
        if record.session().is_none() || !recall::is_due(&record.branch()) {
            return None;
        }
        let line = kit.toolbox.line().traced(first.trace.as_deref().cloned());
        let id = RequestId(derive::derived(first.id, "recall", 0));
        let mut stop = self.shared.signals.stop.clone();
        tokio::select! {
            () = stop.wanted() => None,
            recalled = recall::recall(&line, kit.settings.recall, id, opening) => recalled,
        }
    }

    /// The session cannot be used: what is for it fails, and says why.
    async fn reject(&mut self, waiting: &mut VecDeque<Arrival>, reason: &str) -> Result<(), DriveError> {
        tracing::error!(session = %self.key, reason, "this session cannot be used");
        let reason = format!("its session cannot be used: {reason}");
        for arrival in waiting.drain(..) {
            let said = match arrival {
                Arrival::Said(said) => said,
                Arrival::Order(order) => {
                    order.tell(&self.shared.books, failed(ErrorCode::Internal, reason.clone())).await?;
                    continue;
                }
            };
            let Some(item) = said.item else { continue };
            let reason = Some(reason.clone());
            let decision = ItemDecision { item: item.id, decision: Decision::Failed, reason, message: None };
            tell_decision(&self.shared.books, &item, decision).await?;
        }
        Ok(())
    }
}

/// How a turn begins.
struct Begins {
    /// Its first item.
    first: Option<ItemRef>,
    /// What it begins with, unless it is gone on with.
    opening: Option<String>,
    resumed: bool,
}

/// A session that is open, as long as this is there.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The same for a turn that is gone on with.
pub(super) fn turn_id(first: Option<&ItemRef>) -> TurnId {
    TurnId(first.map_or_else(uuid::Uuid::nil, |first| derive::derived(first.id, "turn", 0)))
}

fn said(turn: &UserTurn) -> String {
    let text = |block: &Block| if let Block::Text { text } = block { Some(text.clone()) } else { None };
    turn.content.iter().filter_map(text).collect::<Vec<_>>().join("\n")
}

fn has_prompt(branch: &[&Entry], text: &str) -> bool {
    let prompt = branch.iter().rev().find_map(|entry| {
        if let Payload::SystemPrompt(prompt) = &entry.payload {
            Some(prompt).filter(|it| !it.adds)
        } else {
            None
        }
    });
    prompt.is_some_and(|prompt| prompt.text == text)
}
