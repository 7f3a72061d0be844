//! Carries out what a turn asks for, in its order, and tells it what came of it. Decides nothing about the turn.
//!
//! The one place where the turn machine meets disk, provider, tools and time. A turn that is parked, or whose
//! process dies, goes on from its record.

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use nexus_wire::budget::Spending;
use nexus_wire::hands::DispatchCancel;
use nexus_wire::inbox::Decision;
use nexus_wire::{DispatchId, ItemId, RequestId, derive};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::clock::{Clock, until};
use super::compact::Compactor;
use super::compacting::{Compacting, summary_written};
use super::gate::Gate;
use super::judging::{Judge, Judging, judged, remark_of};
use super::ledger::Ledger;
use super::observer::Observer;
use super::record::{Record, RecordError};
use super::round::{Round, stream_event};
use crate::conversation::{Block, Origin};
use crate::outbox::Post;
use crate::provider::{Charge, Meter, Provider};
use crate::session::{ApprovalMark, Payload, UserTurn};
use crate::tools::{Caller, Tool, ToolOutcome, Toolbox, Waiting, put_to_people};
use crate::trace::{Taken, TurnTrace};
use crate::turn::{Call, Effect, Ending, Input, Limits, Turn};
use crate::uplink::{Books, BooksError};

/// What a turn runs on.
#[derive(Debug)]
pub(crate) struct Drive {
    pub(crate) provider: Arc<Provider>,
    pub(crate) max_tokens: u32,
    pub(crate) compactor: Compactor,
    /// The session, as operators name it.
    pub(crate) session: Option<String>,
    pub(crate) toolbox: Toolbox,
    pub(crate) caller: Caller,
    pub(crate) origin: Origin,
    /// For a record that has no system text of its own.
    pub(crate) system: Option<String>,
    pub(crate) record: Record,
    pub(crate) observer: Observer,
    pub(crate) trace: TurnTrace,
    pub(crate) books: Books,
    pub(crate) ledger: Ledger,
    pub(crate) judge: Option<Judge>,
    pub(crate) clock: Clock,
    pub(crate) signals: Signals,
}

/// What all tasks of the process listen to.
#[derive(Clone, Debug)]
pub(crate) struct Signals {
    /// The process is to stop.
    pub(crate) stop: Stop,
    /// Changes with every registration.
    pub(crate) generation: watch::Receiver<u64>,
    /// Whether models may be asked.
    pub(crate) gate: Gate,
}

/// How far the process is on its way to its end.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Stage {
    #[default]
    Running,
    /// Nothing begins any more; what has begun may end.
    Closing,
    /// What has not ended is left for the next process.
    Stopping,
}

#[derive(Clone, Debug)]
pub(crate) struct Stop(pub(crate) watch::Receiver<Stage>);

impl Stop {
    /// Waits until the process is to stop, or has no owner any more. For what has begun.
    pub(crate) async fn wanted(&mut self) {
        let _ = self.0.wait_for(|stage| *stage == Stage::Stopping).await.is_ok();
    }

    /// Waits until nothing is to begin any more.
    pub(crate) async fn closing(&mut self) {
        let _ = self.0.wait_for(|stage| *stage != Stage::Running).await.is_ok();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.0.borrow() == Stage::Stopping
    }

    pub(crate) fn is_closing(&self) -> bool {
        *self.0.borrow() != Stage::Running
    }
}

/// What a turn hears from outside of it.
#[derive(Debug)]
pub(crate) enum Outside {
    Arrived(UserTurn),
    Cancelled {
        reason: String,
    },
    /// An operator lets it go on although its budget is used up.
    Granted {
        by: String,
    },
    /// What it may spend, as things stand now.
    Limited(Limits),
    /// One of its calls has nothing to do but wait.
    Waits(Waiting),
    /// The Hand has its place again.
    GoOn,
    /// The turn has its place among those at work again.
    Placed,
}

/// Where a turn hears it from, and what it means to yield there.
pub(crate) trait Surroundings {
    /// Safe to cancel.
    fn next(&mut self) -> impl Future<Output = Outside> + Send;
    /// All calls that are left wait for these dispatches.
    fn yield_for(&mut self, on: Vec<DispatchId>);
    /// Whether it waits for an operator, because its budget is used up.
    fn set_waits(&mut self, waits: bool);
    /// Whether it waits until something may be spent again.
    fn set_halted(&mut self, _halted: bool) {}
    /// Nothing of it is at work: others may have its place.
    fn leave_place(&mut self) {}
    /// Whether it may work. Where not, `Outside::Placed` comes once it may.
    fn has_place(&mut self) -> bool {
        true
    }
}

#[derive(Debug)]
pub(crate) enum Finish {
    Ended(Box<Turn>, Ending),
    /// The process stops; the turn goes on when it starts again.
    Parked,
}

/// After one of these the record cannot be relied on in memory; what is on disk can.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DriveError {
    #[error(transparent)]
    Books(#[from] BooksError),
    #[error("{0}")]
    Record(String),
}

impl From<RecordError> for DriveError {
    fn from(error: RecordError) -> Self {
        Self::Record(error.to_string())
    }
}

/// What is out while a turn runs.
#[derive(Default)]
pub(super) struct Out {
    pub(super) round: Option<Round>,
    judging: Option<Judging>,
    pub(super) compacting: Option<Compacting>,
    /// What a round is in place of is known at once.
    pub(super) told: Option<Input>,
    /// The next round takes the conversation as long as it is.
    pub(super) as_it_is: bool,
    calls: JoinSet<(String, ToolOutcome)>,
    running: HashMap<String, Call>,
    /// What people are asked, and about which calls.
    pub(super) asks: JoinSet<(ApprovalMark, Option<ItemId>)>,
    pub(super) asking: HashMap<String, RequestId>,
    /// Items that brought answers which are not on record yet.
    answers: HashMap<String, ItemId>,
    waiting: Vec<Waiting>,
    yielded: bool,
    /// Items that brought results which are not on record yet.
    settles: HashMap<String, ItemId>,
    /// Work that waits for the turn's place.
    held: VecDeque<Effect>,
    /// When to look again whether models may be asked, after a round that was refused.
    pub(super) look_at: Option<Instant>,
}

impl Drive {
    pub(crate) async fn run<S: Surroundings>(
        &mut self,
        mut turn: Turn,
        effects: Vec<Effect>,
        outside: &mut S,
    ) -> Result<Finish, DriveError> {
        let mut signals = self.signals.clone();
        let mut todo = VecDeque::from(turn.under(signals.gate.why(), effects));
        let mut out = Out::default();
        // What an earlier process has spent for it is in the ledger already.
        let mut noted = turn.own();
        signals.generation.mark_unchanged();
        loop {
            while let Some(effect) = todo.pop_front() {
                if effect.is_work() && !outside.has_place() {
                    out.held.push_back(effect);
                    continue;
                }
                self.note_spent(&turn, &effect, &mut noted).await;
                match self.carry_out(effect, &turn, &mut out).await {
                    Ok(None) => {}
                    Ok(Some(ending)) => return Ok(Finish::Ended(Box::new(turn), ending)),
                    Err(error) => return Err(error),
                }
            }
            if let Some(input) = out.told.take() {
                todo.extend(turn.handle(input));
                continue;
            }
            self.clock.set_running(out.needs_time());
            outside.set_waits(turn.waits_for_budget());
            outside.set_halted(turn.is_stopped());
            if out.only_waits() || turn.is_halted() {
                outside.leave_place();
            }
            if let Some(on) = out.all_wait() {
                outside.yield_for(on);
            }
            let input = tokio::select! {
                biased;
                () = signals.stop.wanted() => return Ok(Finish::Parked),
                Ok(()) = signals.generation.changed() => {
                    self.observer.begin();
                    None
                }
                why = signals.gate.changed() => Some(Input::Halted(why)),
                event = stream_event(&mut out.round) => match event {
                    Some(event) => {
                        self.observer.streamed(event);
                        None
                    }
                    None => self.round_over(&mut out).await,
                },
                remark = remark_of(&mut out.judging) => {
                    out.judging = None;
                    Some(judged(remark))
                }
                written = summary_written(&mut out.compacting) => {
                    Some(self.compacted(written, &mut out).await?)
                }
                Some(done) = out.calls.join_next() => Some(self.call_over(done, &mut out)),
                Some(done) = out.asks.join_next() => out.decided(done),
                heard = outside.next() => out.hear(heard, &mut todo),
                () = self.observer.due() => {
                    self.observer.flush();
                    None
                }
                () = until(out.look_at) => {
                    out.look_at = None;
                    let why = signals.gate.why();
                    why.is_none().then_some(Input::Halted(None))
                }
                () = self.clock.over() => {
                    Some(Input::OutOfTime { reason: "it took longer than it may".to_owned() })
                }
            };
            if let Some(input) = input {
                if let Some(charge) = out.runs_up() {
                    turn.runs_up(charge);
                }
                todo.extend(turn.handle(input));
            }
        }
    }

    async fn carry_out(
        &mut self,
        effect: Effect,
        turn: &Turn,
        out: &mut Out,
    ) -> Result<Option<Ending>, DriveError> {
        match effect {
            Effect::Append(payload) => self.append(payload, out).await?,
            Effect::Ask => {
                if self.is_too_long(out) {
                    out.told = Some(Input::TooLong);
                } else {
                    out.round = Some(self.ask(turn));
                }
            }
            Effect::Compact(why) => self.compact(why, turn, out),
            Effect::Alert(reason) => {
                let id = RequestId(derive::derived(turn.id().0, "stuck", 0));
                self.alert(id, reason).await?;
            }
            Effect::Run(call) => self.run_tool(call, turn, out).await?,
            Effect::AskPeople { call, blocked } => self.ask_people(call, blocked, out).await?,
            Effect::Judge(answer) => out.judging = self.look_at(turn, &answer),
            Effect::Abandon => self.abandon(out).await?,
            Effect::Observe(event) => self.observer.event(event),
            Effect::Wait { reason } => {
                tracing::warn!(reason, "the turn waits for an operator");
                let id = RequestId(derive::derived(turn.id().0, "waits", turn.waits().into()));
                self.alert(id, format!("a turn waits for an operator: {reason}")).await?;
            }
            Effect::Post(post) => self.post(post).await?,
            Effect::Close(closing) => self.close(closing).await?,
            Effect::End(ending) => {
                self.observer.end(ending.decision, ending.spent);
                self.trace.ended(&ending);
                return Ok(Some(ending));
            }
        }
        Ok(None)
    }

    /// A round that is on record has cost something; so may one that was given up.
    async fn note_spent(&self, turn: &Turn, effect: &Effect, noted: &mut Spending) {
        let is_due = match effect {
            Effect::Append(Payload::Assistant(_)) | Effect::End(_) | Effect::Wait { .. } => true,
            Effect::Append(_)
            | Effect::Ask
            | Effect::Alert(_)
            | Effect::Compact(_)
            | Effect::Judge(_)
            | Effect::Run(_)
            | Effect::AskPeople { .. }
            | Effect::Abandon
            | Effect::Observe(_)
            | Effect::Post(_)
            | Effect::Close(_) => false,
        };
        if is_due {
            let thread = self.caller.thread.filter(|_| self.caller.lease.is_none());
            let own = turn.own();
            self.ledger.spent(thread.map(|thread| thread.0), own.minus(*noted)).await;
            *noted = own;
        }
    }

    async fn append(&mut self, payload: Payload, out: &mut Out) -> Result<(), DriveError> {
        let taken = if let Payload::User(said) = &payload { said.item.clone() } else { None };
        let settled: Vec<ItemId> = payload
            .content()
            .iter()
            .filter_map(|block| match block {
                Block::ToolResult { tool_use_id, .. } => out.settles.remove(tool_use_id),
                Block::Text { .. } | Block::Thinking { .. } | Block::ToolUse { .. } => None,
            })
            .collect();
        let answered = ApprovalMark::of(&payload).and_then(|mark| out.answers.remove(&mark.tool_use_id));
        self.record.append(payload).await?;
        if let Some(item) = answered {
            self.books.closed(item.0, Decision::Acted).await?;
        }
        if let Some(item) = taken {
            self.trace.taken(&Taken::of(&item));
            self.books.taken(item.id).await?;
            self.tell_taken(&item);
        }
        for item in settled {
            self.books.closed(item.0, Decision::Acted).await?;
        }
        Ok(())
    }

    async fn run_tool(&mut self, call: Call, turn: &Turn, out: &mut Out) -> Result<(), DriveError> {
        if let Some((tool, asked)) = put_to_people(&call.name, &call.input) {
            self.tell_people(&asked, self.caller.request_id(tool, call.ordinal)).await?;
        }
        let toolbox = self.toolbox.traced(self.trace.called(&call)).for_call(&call);
        let caller = Caller { own: turn.own(), left: turn.left(), ..self.caller.clone() };
        out.running.insert(call.id.clone(), call.clone());
        out.calls.spawn(async move {
            let Call { id, name, input, ordinal, .. } = call;
            let run = AssertUnwindSafe(toolbox.run(&caller, ordinal, &name, input));
            let outcome = run.catch_unwind().await;
            (
                id,
                outcome.unwrap_or_else(|_| ToolOutcome::error("the tool broke down; this is a defect of it")),
            )
        });
        Ok(())
    }

    /// Nothing that is out is wanted any more. Whom we gave work is told; a Hand's children end with it.
    async fn abandon(&mut self, out: &mut Out) -> Result<(), DriveError> {
        self.trace.abandoned();
        (out.round, out.judging, out.compacting) = (None, None, None);
        out.calls.abort_all();
        while let Some(done) = out.calls.join_next().await {
            // It had ended a moment before.
            if let Ok((_, ToolOutcome { settles: Some(item), .. })) = done {
                self.books.closed(item.0, Decision::Acted).await?;
            }
        }
        out.asks.abort_all();
        while let Some(done) = out.asks.join_next().await {
            if let Ok((_, Some(item))) = done {
                self.books.closed(item.0, Decision::Acted).await?;
            }
        }
        let questions = out.running.values().filter_map(|call| {
            let (tool, _) = put_to_people(&call.name, &call.input)?;
            Some(self.caller.request_id(tool, call.ordinal))
        });
        let questions: Vec<RequestId> = questions.chain(out.asking.drain().map(|(_, id)| id)).collect();
        self.withdraw(questions).await?;
        out.held.clear();
        out.waiting.clear();
        out.yielded = false;
        for (_, call) in out.running.drain() {
            for dispatch in self.caller.dispatches_of(&call.name, call.ordinal, &call.input) {
                let reason = Some("the turn that asked for it has ended".to_owned());
                let id = RequestId(derive::derived(dispatch.0, "cancel", 0));
                let (trace, frame) = (self.trace.carried(), DispatchCancel { dispatch, reason }.into());
                self.books.post(Post { id, trace, frame }).await?;
            }
        }
        Ok(())
    }

    fn call_over(&mut self, done: Result<(String, ToolOutcome), JoinError>, out: &mut Out) -> Input {
        let input = out.call_over(done);
        if let Input::Blocked { call, content } = &input {
            self.trace.returned(call, content, true);
        }
        if let Input::ToolDone { call, content, is_error, .. } = &input {
            self.trace.returned(call, content, *is_error);
        }
        input
    }
}

impl Out {
    /// Whether anything is out whose time is this turn's own.
    fn needs_time(&self) -> bool {
        let own = |call: &Call| !Tool::from_name(&call.name).is_some_and(Tool::is_on_bus);
        let is_thinking = self.round.is_some() || self.judging.is_some() || self.compacting.is_some();
        is_thinking || self.running.values().any(own)
    }

    /// Whether people or other agents have to do something before the turn can.
    fn only_waits(&self) -> bool {
        let waits = |call: &Call| Tool::from_name(&call.name).is_some_and(Tool::waits_for_others);
        let is_out = !self.asking.is_empty() || !self.running.is_empty();
        is_out && self.held.is_empty() && !self.needs_time() && self.running.values().all(waits)
    }

    /// What is asked of a model now has cost this so far.
    fn runs_up(&self) -> Option<Charge> {
        let round = self.round.as_ref().map(|round| &round.meter);
        let judging = self.judging.as_ref().map(Judging::meter);
        let compacting = self.compacting.as_ref().map(Compacting::meter);
        round.or(judging).or(compacting).map(Meter::total)
    }

    /// The dispatches that all calls left wait for, once they all do.
    fn all_wait(&mut self) -> Option<Vec<DispatchId>> {
        let others = self.waiting.len() < self.calls.len() || !self.asks.is_empty();
        if self.yielded || self.waiting.is_empty() || others {
            return None;
        }
        self.yielded = true;
        Some(self.waiting.iter().flat_map(|waiting| waiting.dispatches.iter().copied()).collect())
    }

    fn hear(&mut self, heard: Outside, todo: &mut VecDeque<Effect>) -> Option<Input> {
        match heard {
            Outside::Arrived(said) => Some(Input::Arrived(said)),
            Outside::Cancelled { reason } => Some(Input::Cancelled { reason }),
            Outside::Granted { by } => Some(Input::Granted { by }),
            Outside::Limited(limits) => Some(Input::Limited(limits)),
            Outside::Waits(waiting) => {
                self.waiting.push(waiting);
                None
            }
            Outside::GoOn => {
                self.yielded = false;
                for waiting in self.waiting.drain(..) {
                    // A call that was given up waits no more.
                    let _ = waiting.go_on.send(());
                }
                None
            }
            Outside::Placed => {
                todo.extend(self.held.drain(..));
                None
            }
        }
    }

    fn call_over(&mut self, done: Result<(String, ToolOutcome), JoinError>) -> Input {
        // A panic is caught within the call and nobody aborts one of them alone, so the call is always named.
        let (call, outcome) =
            done.unwrap_or_else(|error| (String::new(), ToolOutcome::error(error.to_string())));
        let was_free = self.running.remove(&call).is_some_and(|call| call.free);
        self.settles.extend(outcome.settles.map(|item| (call.clone(), item)));
        let ToolOutcome { content, is_error, below, blocked_by_sandbox, .. } = outcome;
        if blocked_by_sandbox && !was_free {
            return Input::Blocked { call, content };
        }
        Input::ToolDone { call, content, is_error, below }
    }

    fn decided(&mut self, done: Result<(ApprovalMark, Option<ItemId>), JoinError>) -> Option<Input> {
        // Nobody aborts one of them alone, and nothing in it breaks down.
        let (mark, item) = done.ok()?;
        self.asking.remove(&mark.tool_use_id);
        self.answers.extend(item.map(|item| (mark.tool_use_id.clone(), item)));
        Some(Input::Decided(mark))
    }
}
