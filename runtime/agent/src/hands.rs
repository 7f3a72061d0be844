//! Assignments at work: each is a task of its own, with the aspect's persona, the Hand's instructions and tools,
//! and nothing that outlives it.
//!
//! The outcome is handed back as the `dispatch.result` to send; leases, posts and restarts are the owner's matter.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use nexus_schema::Schema;
use nexus_wire::chat::Usage;
use nexus_wire::hands::{Assignment, DispatchResult, DispatchStanding, DispatchWait, HandFailure, Lease};
use nexus_wire::inbox::Decision;
use nexus_wire::observe::ObserveBegin;
use nexus_wire::{DispatchId, MessageId, RequestId, TraceContext, TurnId, derive};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::agent::{Clock, Drive, Finish, Kit, Observer, Outside, Record, Shared, Surroundings, prompt};
use crate::conversation::{Block, Origin};
use crate::home::{Allowance, Isolation};
use crate::runner;
use crate::session::UserTurn;
use crate::tools::{Caller, Waiting};
use crate::trace::Taken;
use crate::turn::{Ending, Rules, Spent, Turn, least};
use crate::uplink::{Line, LineError};
use apart::Apart;
pub(crate) use beat::Beat;
use output::Output;
pub(crate) use output::{OUTPUT_BYTES_MAX, bounded};
pub(crate) use worker::helper;

mod apart;
mod beat;
mod output;
mod talk;
mod worker;

/// The broker's own clock decides; this one is for when it cannot be reached.
const TIMEOUT_SLACK: Duration = Duration::from_secs(5);
const WAITING_MAX: usize = 64;
/// The code of a Hand whose own process ended before its time.
const WORKER_CRASHED: &str = "worker_crashed";

/// What a task is told.
#[derive(Debug)]
pub(crate) enum Control {
    /// Its result would be refused.
    Cancel { reason: String },
    /// It has its place again.
    Resume,
}

/// An assignment, and what comes with it.
pub(crate) struct Work {
    pub(crate) assignment: Assignment,
    /// The span that caused it.
    pub(crate) trace: Option<Box<TraceContext>>,
    pub(crate) control: mpsc::Receiver<Control>,
    /// Shown to the broker with the lease.
    pub(crate) waiting: Arc<AtomicBool>,
    /// Its lease is renewed as long as it moves.
    pub(crate) beat: Beat,
}

/// Works on an assignment. Without a result there is nothing to hand in, because it was cancelled, having spent this, or
/// the process stops.
pub(crate) async fn work(shared: Arc<Shared>, work: Work) -> (Option<DispatchResult>, Spent) {
    let lease = work.assignment.lease;
    let beat = work.beat.clone();
    let task = async {
        tokio::select! {
            outcome = attempt(shared, work) => outcome,
            never = beat.keep() => match never {},
        }
    };
    match AssertUnwindSafe(task).catch_unwind().await {
        Ok((output, spent)) => (output.map(|output| result(lease, output, spent)), spent),
        Err(_) => {
            let failure = failure("worker_broke", "the worker broke down; this is a defect of it");
            (Some(result(lease, Err(failure), Spent::default())), Spent::default())
        }
    }
}

type Outcome = (Option<Result<Value, HandFailure>>, Spent);

async fn attempt(shared: Arc<Shared>, work: Work) -> Outcome {
    let Work { assignment, trace, mut control, waiting, beat: _ } = work;
    let kit = shared.fresh_kit().await;
    let Kit { settings, persona, .. } = &*kit;
    let hand = settings.hand(&assignment.hand);
    if hand.is_none() && !assignment.hand.is_own() {
        let gone = format!("{} does not offer the Hand {} any more", shared.name, assignment.hand);
        return (Some(Err(failure("hand_gone", gone))), Spent::default());
    }
    if let (Some(act), Some(runner)) = (hand.and_then(|hand| hand.act), &settings.runner) {
        let (toolbox, stop) = (kit.toolbox.traced(trace.as_deref().cloned()), shared.signals.stop.clone());
        let job =
            runner::Job { act, runner, assignment: &assignment, toolbox: &toolbox, via: &kit.via, stop };
        return (runner::work(job, &mut control).await, Spent::default());
    }
    // One that cannot be used was found when the settings were read.
    let schema = hand.and_then(|hand| hand.spec.output_schema.as_ref());
    let schema = schema.and_then(|schema| Schema::compile(schema).ok());
    let system = prompt::for_hand(settings, persona, hand, &assignment);
    let tools = hand.map_or_else(|| settings.tools.clone(), |hand| hand.tools.clone());
    let (waits, waited) = mpsc::channel(WAITING_MAX);
    let grants = hand.map_or_else(|| settings.grants.clone(), |hand| hand.grants.clone());
    let mut toolbox = kit.toolbox.with_tools(tools, grants).supervised(waits);
    if let Some(sandbox) = hand.and_then(|hand| hand.sandbox.clone()) {
        toolbox = toolbox.with_sandbox(sandbox);
    }
    let natures = toolbox.natures();
    let lease = assignment.lease;
    let mut apart = None;
    if hand.is_some_and(|hand| hand.isolation == Isolation::Process) {
        match Apart::begin(shared.name.clone(), lease, toolbox.outfit()) {
            Ok(process) => {
                toolbox = toolbox.sending(process.calls.clone());
                apart = Some(process);
            }
            Err(error) => {
                let reason = format!("its process cannot be started: {error}");
                return (Some(Err(failure(WORKER_CRASHED, reason))), Spent::default());
            }
        }
    }
    let taken = Taken {
        id: lease.dispatch.0,
        kind: "assignment",
        conversation: assignment.thread.map(|thread| thread.to_string()),
        trace: trace.as_deref(),
    };
    let told = kit.teller.turn(taken, Some(assignment.hand.as_str()));
    let line = toolbox.line().traced(told.context().cloned());
    let log = told.log_span();
    let turn = TurnId(derive::derived(lease.dispatch.0, "turn", lease.attempt.into()));
    let begin = ObserveBegin {
        turn,
        thread: assignment.thread,
        message: None::<MessageId>,
        dispatch: Some(lease.dispatch),
    };
    let mut drive = Drive {
        provider: Arc::clone(kit.provider_of_hand(&assignment.hand)),
        max_tokens: hand.and_then(|hand| hand.provider.as_ref()).unwrap_or(&settings.provider).max_tokens,
        compactor: kit.compactor(None),
        session: None,
        toolbox,
        caller: Caller::of(shared.name.clone(), lease.dispatch.0, assignment.thread, Some(lease)),
        origin: Origin {
            aspect: shared.name.to_string(),
            hand: Some(assignment.hand.to_string()),
            from: Some(assignment.invoker.to_string()),
            thread: assignment.thread.map(|thread| thread.to_string()),
            trace: None,
            summary: false,
            asked: 0,
        },
        system: Some(system),
        record: Record::Memory(Vec::new()),
        observer: Observer::new(line.clone(), begin),
        trace: told,
        books: shared.books.clone(),
        ledger: shared.ledger.clone(),
        judge: None,
        clock: Clock::start(Duration::from_secs(assignment.timeout_s.into()) + TIMEOUT_SLACK),
        signals: shared.signals.clone(),
    };
    let mut post = Supervision {
        lease,
        control,
        waited,
        line,
        waits: 0,
        yielding: JoinSet::new(),
        waiting,
        halted: false,
        away: false,
        cancelled: false,
        apart,
        crash: None,
    };
    let day = shared.ledger.left(None, Allowance::default(), settings.budgets.aspect, false);
    let rules = Rules {
        budget: least(assignment.budget, hand.map(|hand| hand.budget).unwrap_or_default()),
        rounds_max: hand.and_then(|hand| hand.rounds_max).unwrap_or(settings.budgets.turn_rounds_max),
        revisions_max: None,
        natures,
        ..kit.rules(day)
    };
    let (mut turn, mut effects) = Turn::start(turn, rules, said(input_text(&assignment.input)));
    let mut may_mend = true;
    loop {
        let (ended, ending) = match drive.run(turn, effects, &mut post).instrument(log.clone()).await {
            Ok(Finish::Ended(turn, ending)) => (turn, ending),
            Ok(Finish::Parked) => return (None, Spent::default()),
            Err(error) => {
                tracing::error!(dispatch = %lease.dispatch, %error, "a Hand cannot go on");
                return (Some(Err(failure("worker_broke", error.to_string()))), Spent::default());
            }
        };
        let spent = ending.spent;
        if post.cancelled {
            return (None, spent);
        }
        if let Some(crash) = post.crash {
            return (Some(Err(failure(WORKER_CRASHED, crash))), spent);
        }
        match judge(&ending, schema.as_ref(), drive.clock.is_over()) {
            Output::Good(value) => return (Some(Ok(value)), spent),
            Output::Mendable(why) if may_mend => {
                may_mend = false;
                // It has ended for whoever watches.
                drive.observer.begin();
                tracing::info!(dispatch = %lease.dispatch, why, "asking for the output once more");
                (turn, effects) = ended.again(said(format!(
                    "That is not the output that is asked for: {why}. Answer with the output alone, put right."
                )));
            }
            Output::Mendable(why) => return (Some(Err(failure("invalid_output", why))), spent),
            Output::Failed(failure) => return (Some(Err(failure)), spent),
        }
    }
}

/// Waits until the process has ended before its time.
async fn crashed(apart: &mut Option<Apart>) -> String {
    match apart {
        Some(apart) => {
            let why = (&mut apart.crashed).await;
            why.unwrap_or_else(|_| "nobody watches over it any more".to_owned())
        }
        None => std::future::pending().await,
    }
}

fn judge(ending: &Ending, schema: Option<&Schema>, over: bool) -> Output {
    let reason = || ending.reason.clone().unwrap_or_default();
    match ending.decision {
        Decision::Replied | Decision::Silent | Decision::Acted => output::read(&ending.text, schema),
        Decision::Failed if ending.out_of_budget => Output::Failed(failure("budget_exceeded", reason())),
        Decision::Failed if over => Output::Failed(failure("timeout", reason())),
        Decision::Failed => Output::Failed(failure("turn_failed", reason())),
    }
}

fn said(text: String) -> UserTurn {
    UserTurn { content: vec![Block::Text { text }], item: None }
}

fn input_text(input: &Value) -> String {
    if let Value::String(text) = input { text.clone() } else { input.to_string() }
}

pub(crate) fn failure(code: &str, message: impl Into<String>) -> HandFailure {
    let message: String = message.into();
    HandFailure { code: code.to_owned(), message: message.chars().take(4000).collect() }
}

fn result(lease: Lease, output: Result<Value, HandFailure>, spent: Spent) -> DispatchResult {
    let Spent { usage, cost_microusd, .. } = spent;
    let usage: Usage = usage;
    let (output, error) = match output {
        Ok(output) => (Some(output), None),
        Err(failure) => (None, Some(failure)),
    };
    DispatchResult { lease, output, error, usage, cost_microusd }
}

/// What a Hand's turn hears: its owner, and its own calls when they wait.
struct Supervision {
    lease: Lease,
    control: mpsc::Receiver<Control>,
    waited: mpsc::Receiver<Waiting>,
    line: Line,
    waits: u64,
    /// The `dispatch.wait` that is on its way.
    yielding: JoinSet<Result<DispatchStanding, LineError>>,
    /// Shown to the broker with the lease.
    waiting: Arc<AtomicBool>,
    /// Nothing may be spent, as its turn has it.
    halted: bool,
    /// It has given its place back for that, and does not have it again.
    away: bool,
    cancelled: bool,
    /// The process of its own, for a Hand that has one.
    apart: Option<Apart>,
    /// Why that ended before its time.
    crash: Option<String>,
}

impl Supervision {
    /// It has its place, whatever it gave that back for.
    fn has_come_back(&mut self) -> Outside {
        self.waiting.store(false, Ordering::Relaxed);
        if std::mem::take(&mut self.away) { Outside::Placed } else { Outside::GoOn }
    }
}

impl Surroundings for Supervision {
    async fn next(&mut self) -> Outside {
        loop {
            tokio::select! {
                Some(control) = self.control.recv() => match control {
                    Control::Cancel { reason } => {
                        self.cancelled = true;
                        return Outside::Cancelled { reason };
                    }
                    Control::Resume => return self.has_come_back(),
                },
                Some(waiting) = self.waited.recv() => return Outside::Waits(waiting),
                why = crashed(&mut self.apart) => {
                    self.apart = None;
                    let reason = format!("its process ended before its time: {why}");
                    self.crash = Some(why);
                    return Outside::Cancelled { reason };
                }
                Some(answered) = self.yielding.join_next() => match answered {
                    Ok(Ok(standing)) => tracing::debug!(?standing, "yielded"),
                    Ok(Err(error)) => {
                        // The children end all the same; only the place is held meanwhile.
                        tracing::warn!(dispatch = %self.lease.dispatch, %error, "could not yield its place");
                        return self.has_come_back();
                    }
                    Err(_) => return self.has_come_back(),
                },
                else => std::future::pending().await,
            }
        }
    }

    fn yield_for(&mut self, on: Vec<DispatchId>) {
        let lease = self.lease;
        self.waits += 1;
        let purpose = format!("wait of attempt {}", lease.attempt);
        let id = RequestId(derive::derived(lease.dispatch.0, &purpose, self.waits));
        self.waiting.store(true, Ordering::Relaxed);
        let line = self.line.clone();
        self.yielding.spawn(async move { line.ask_for(id, DispatchWait { lease, on }.into()).await });
    }

    /// A Hand without a budget fails: whoever dispatched it decides.
    fn set_waits(&mut self, _waits: bool) {}

    /// Others may have its place as long as nothing is to be spent; the broker gives it back when something may. Once
    /// for a stop: a place that comes back before we know that it is over is kept.
    fn set_halted(&mut self, halted: bool) {
        if halted && !self.halted {
            self.away = true;
            self.yield_for(Vec::new());
        }
        self.halted = halted;
    }

    fn has_place(&mut self) -> bool {
        !self.away
    }
}
