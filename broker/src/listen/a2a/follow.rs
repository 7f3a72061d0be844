//! A task as it goes on: its state first, then each change, from a link's outbox like everything that listens. What is
//! said of a change is what the task is read as then, so that a reader who is late misses steps and never the end.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use a2a::{Part, StreamResponse, TaskArtifactUpdateEvent, TaskStatus, TaskStatusUpdateEvent};
use nexus_wire::log::{LogBody, LogEntry, Subscribe};
use nexus_wire::observe::{Observed, ObservedWhat, TurnEvent};
use nexus_wire::{ErrorBody, ErrorCode, Party, ToBroker, TurnId, derive};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

use super::door::Door;
use super::fault::Fault;
use super::task::{ANSWER, Extent, Source, artifact, is_interrupted};
use crate::admit::Admitted;
use crate::deliver::Peer;
use crate::deliver::outbox::{Out, Work};
use crate::edge::Edge;
use crate::listen::link;
use crate::relay::Starts;
use crate::task;

/// An aspect has no log to follow; its task is looked at so often.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Changes on their way to the reader; the outbox holds back the others.
const AHEAD: usize = 4;

/// What of the log can change how a task stands.
const KINDS: [&str; 10] = [
    "approval.answered",
    "approval.approved",
    "approval.asked",
    "approval.denied",
    "approval.expired",
    "approval.withdrawn",
    "dispatch_assigned",
    "dispatch_ended",
    "item_closed",
    "item_taken",
];

/// Something to tell the reader.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Seen {
    /// What it is about is, or begins, the entry of the log with this `seq`.
    Event { seq: Option<u64>, event: Box<StreamResponse> },
    /// Nothing comes any more, and the task goes on without it.
    Failed(Fault),
}

/// How closely a task is followed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Closely {
    /// Also what the agent writes, as it writes.
    Words,
    States,
}

/// The task as it is now, and a stream of what comes: it ends with the task.
pub(super) async fn follow(
    door: &Arc<Door>,
    id: &str,
    closely: Closely,
) -> Result<mpsc::Receiver<Seen>, Fault> {
    let (out, seen) = mpsc::channel(AHEAD);
    if door.caller().party.aspect().is_some() {
        let source = door.source(id).await?;
        task::spawn(look(Arc::clone(door), source, out));
        return Ok(seen);
    }
    let permit = link::room(door.edge()).map_err(|full| Fault::from(full.into_parts().1))?;
    let first = door.source(id).await?;
    let kinds = KINDS.map(str::to_owned).to_vec();
    let states = Subscribe { kinds, ..Subscribe::default() };
    let Admitted::Subscribe(states) = door.edge().admit(door.caller(), ToBroker::Subscribe(states), 0)?
    else {
        return Err(Fault::internal("a subscription became something else"));
    };
    let edge = Arc::clone(door.edge());
    let peer = link::join(&edge, door.caller().clone());
    // An entry that closes an item names no thread; what is written does.
    edge.subscribe(&peer, None, &states);
    if closely == Closely::Words {
        watch(&edge, &peer, &first);
    }
    let door = Arc::clone(door);
    task::spawn(async move {
        let mut following =
            Following { door, source: first, peer: Arc::clone(&peer), turn: None, written: 0, out };
        let sender = following.out.clone();
        tokio::select! {
            biased;
            never = link::fetch(&edge, &peer) => match never {},
            _ = following.run() => {}
            () = sender.closed() => {}
        }
        link::leave(&edge, &peer).await;
        drop(permit);
    });
    Ok(seen)
}

/// What streams of a task: of an answer also what was written by now, as far as it is kept.
fn watch(edge: &Edge, peer: &Arc<Peer>, source: &Source) {
    let marks = edge.relay.marks();
    let (thread, from) = match source {
        Source::Said(said) => (Some(said.message.thread), Some(BTreeMap::from([(said.aspect.clone(), 0)]))),
        Source::Work(work) => (work.info.thread, None),
    };
    edge.relay.watch(peer, thread, &Starts { from, marks });
}

/// Until when a task is waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Until {
    End,
    /// Or until it needs something.
    Turn,
}

/// Waits for a task, at most until `patience` is over; then it is what it is.
pub(super) async fn settled(
    door: &Arc<Door>,
    id: &str,
    until: Until,
    patience: Instant,
) -> Result<Source, Fault> {
    let mut seen = follow(door, id, Closely::States).await?;
    loop {
        let source = door.source(id).await?;
        let state = source.status().state;
        if state.is_terminal() || (until == Until::Turn && is_interrupted(&state)) {
            return Ok(source);
        }
        match timeout_at(patience, seen.recv()).await {
            Ok(Some(Seen::Event { .. })) => {}
            Ok(Some(Seen::Failed(fault))) => return Err(fault),
            Ok(None) | Err(_) => return door.source(id).await,
        }
    }
}

/// Nobody reads any more, or nothing more can be told.
struct Over;

struct Following {
    door: Arc<Door>,
    /// As it was told last.
    source: Source,
    peer: Arc<Peer>,
    /// The turn in which the message is answered, once it has begun.
    turn: Option<TurnId>,
    /// Pieces of the answer that were told since it began, or began anew.
    written: u64,
    out: mpsc::Sender<Seen>,
}

impl Following {
    async fn run(&mut self) -> Result<(), Over> {
        // Read after it was subscribed, so that no change lies between.
        self.source = self.read().await?;
        let task = self.source.task(self.door.origin(), Extent::default());
        self.tell(None, StreamResponse::Task(task)).await?;
        let mut frames = VecDeque::new();
        while !self.source.status().state.is_terminal() {
            let peer = Arc::clone(&self.peer);
            match poll_fn(|cx| peer.outbox.poll_take(cx, &mut frames)).await {
                Work::Frames => {
                    while let Some(out) = frames.pop_front() {
                        self.door.edge().published.meter.sent(out.kind(), out.refusal());
                        self.take(out).await?;
                    }
                }
                Work::Close(close) => return self.fail(closed(&close.reason)).await,
                Work::Roster(_) | Work::Active(_) => {}
            }
        }
        Ok(())
    }

    async fn take(&mut self, out: Out) -> Result<(), Over> {
        match out {
            Out::Log(line) => {
                if concerns(&self.source, line.entry()) {
                    self.look_again(Some(line.entry().seq)).await?;
                }
                Ok(())
            }
            Out::Stream(block) => {
                let texts: Vec<String> = block.texts().map(str::to_owned).collect();
                for text in texts {
                    // What streams was written by us.
                    if let Ok(Pushed { payload }) = serde_json::from_str::<Pushed>(&text) {
                        self.observed(payload).await?;
                    }
                }
                Ok(())
            }
            Out::Gap(gap) => {
                self.look_again(None).await?;
                self.tell_gap(json!({"log": gap})).await
            }
            Out::ObserveGap(gap) if gap.aspect == *self.source.aspect() && self.turn.is_some() => {
                self.tell_gap(json!({"observe": *gap})).await
            }
            Out::Shutdown(_) => self.fail(closed("the broker is stopping")).await,
            // Nobody asked here, no inbox is read, and the reader has heartbeats of its own.
            Out::Answer { .. }
            | Out::Complaint(_)
            | Out::Deliver { .. }
            | Out::ObserveGap(_)
            | Out::Ping
            | Out::Pong(_) => Ok(()),
        }
    }

    /// What the agent writes while it answers.
    async fn observed(&mut self, observed: Observed) -> Result<(), Over> {
        let Source::Said(said) = &self.source else { return self.noted(observed).await };
        if observed.aspect != said.aspect {
            return Ok(());
        }
        match observed.what {
            ObservedWhat::Begin(begin) if begin.message == Some(said.message.id) => {
                self.turn = Some(begin.turn);
                Ok(())
            }
            ObservedWhat::Event(event) if self.turn == Some(event.turn) => match event.event {
                TurnEvent::Text { text } => self.tell_piece(text).await,
                TurnEvent::Restarted { .. } => {
                    // The next piece takes the place of all before it.
                    self.written = 0;
                    Ok(())
                }
                TurnEvent::Thinking { .. } | TurnEvent::ToolCall { .. } | TurnEvent::ToolResult { .. } => {
                    Ok(())
                }
            },
            ObservedWhat::Begin(_)
            | ObservedWhat::Event(_)
            | ObservedWhat::End(_)
            | ObservedWhat::Progress { .. } => Ok(()),
        }
    }

    /// What a Hand says of its work while it is at it.
    async fn noted(&mut self, observed: Observed) -> Result<(), Over> {
        let Source::Work(work) = &self.source else { return Ok(()) };
        let ObservedWhat::Progress { note } = observed.what else { return Ok(()) };
        if observed.dispatch != Some(work.info.id) {
            return Ok(());
        }
        let id = format!("{}/note-{}", self.source.id(), observed.seq);
        let message = Some(self.source.says(id, vec![Part::text(note)]));
        let status = TaskStatus { message, ..self.source.status() };
        self.tell_status(None, status, None).await
    }

    /// Tells what has changed since it was told last; the artifacts come before the end.
    async fn look_again(&mut self, seq: Option<u64>) -> Result<(), Over> {
        let source = self.read().await?;
        let (before, status) = (self.source.status(), source.status());
        self.source = source;
        if before == status {
            return Ok(());
        }
        if status.state.is_terminal() {
            for artifact in self.source.artifacts(self.door.origin()) {
                // Whole, in place of the pieces.
                let event = StreamResponse::ArtifactUpdate(TaskArtifactUpdateEvent {
                    task_id: self.source.id(),
                    context_id: self.source.context(),
                    artifact,
                    append: Some(false),
                    last_chunk: Some(true),
                    metadata: None,
                });
                self.tell(seq, event).await?;
            }
        }
        self.tell_status(seq, status, None).await
    }

    async fn read(&mut self) -> Result<Source, Over> {
        match self.door.source(&self.source.id()).await {
            Ok(source) => Ok(source),
            Err(fault) => {
                self.fail(fault).await?;
                Err(Over)
            }
        }
    }

    async fn tell_piece(&mut self, text: String) -> Result<(), Over> {
        let event = StreamResponse::ArtifactUpdate(TaskArtifactUpdateEvent {
            task_id: self.source.id(),
            context_id: self.source.context(),
            artifact: artifact(ANSWER, vec![Part::text(text)]),
            append: Some(self.written > 0),
            last_chunk: Some(false),
            metadata: None,
        });
        self.written += 1;
        self.tell(None, event).await
    }

    async fn tell_gap(&mut self, gap: Value) -> Result<(), Over> {
        self.tell_status(None, self.source.status(), Some(gap)).await
    }

    async fn tell_status(
        &mut self,
        seq: Option<u64>,
        status: TaskStatus,
        gap: Option<Value>,
    ) -> Result<(), Over> {
        let event = StreamResponse::StatusUpdate(TaskStatusUpdateEvent {
            task_id: self.source.id(),
            context_id: self.source.context(),
            status,
            metadata: gap.map(|gap| [("gap".to_owned(), gap)].into_iter().collect()),
        });
        self.tell(seq, event).await
    }

    async fn tell(&mut self, seq: Option<u64>, event: StreamResponse) -> Result<(), Over> {
        self.out.send(Seen::Event { seq, event: Box::new(event) }).await.map_err(|_| Over)
    }

    async fn fail(&mut self, fault: Fault) -> Result<(), Over> {
        let _ = self.out.send(Seen::Failed(fault)).await;
        Err(Over)
    }
}

/// A frame as it is pushed on a link.
#[derive(Deserialize)]
struct Pushed {
    payload: Observed,
}

fn closed(reason: &str) -> Fault {
    let message = format!("{reason}; the task goes on: ask for it again, or subscribe to it");
    ErrorBody::new(ErrorCode::ShuttingDown, message).into()
}

/// Whether an entry of the log can change how a task stands.
fn concerns(source: &Source, entry: &LogEntry) -> bool {
    match source {
        Source::Said(said) => {
            let item = derive::message_item(said.message.id, &said.aspect);
            let is_his = entry.actor == Party::Aspect(said.aspect.clone());
            match &entry.body {
                LogBody::ItemTaken(taken) => is_his && taken.message == said.message.id,
                LogBody::ItemClosed(close) => is_his && close.item == item,
                LogBody::Other { kind, .. } => kind.starts_with("approval."),
                LogBody::Message(_)
                | LogBody::Reacted(_)
                | LogBody::DispatchAccepted(_)
                | LogBody::DispatchAssigned { .. }
                | LogBody::DispatchEnded(_)
                | LogBody::Alert(_) => false,
            }
        }
        Source::Work(work) => match &entry.body {
            LogBody::DispatchAccepted(info) => info.id == work.info.id,
            LogBody::DispatchAssigned { dispatch, .. } => *dispatch == work.info.id,
            LogBody::DispatchEnded(outcome) => outcome.dispatch == work.info.id,
            LogBody::Other { kind, subject } => {
                kind.starts_with("approval.") || *subject == work.info.id.to_string()
            }
            LogBody::Message(_)
            | LogBody::ItemClosed(_)
            | LogBody::ItemTaken(_)
            | LogBody::Reacted(_)
            | LogBody::Alert(_) => false,
        },
    }
}

/// For whoever may not follow the log.
async fn look(door: Arc<Door>, mut source: Source, out: mpsc::Sender<Seen>) {
    let task = source.task(door.origin(), Extent::default());
    let mut event = StreamResponse::Task(task);
    loop {
        if out.send(Seen::Event { seq: None, event: Box::new(event) }).await.is_err()
            || source.status().state.is_terminal()
        {
            return;
        }
        let before = source.status();
        while source.status() == before {
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                () = out.closed() => return,
            }
            source = match door.source(&source.id()).await {
                Ok(source) => source,
                Err(fault) => {
                    let _ = out.send(Seen::Failed(fault)).await;
                    return;
                }
            };
        }
        event = StreamResponse::Task(source.task(door.origin(), Extent::default()));
    }
}
