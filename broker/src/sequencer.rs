//! Gives every command its place and its time. A bounded channel: whoever finds it full waits, and with it only
//! its own socket.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nexus_wire::limits::DURABLE_BYTES_MAX;
use nexus_wire::{AspectName, LinkId, Ms};
use thiserror::Error;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::clock::Clock;
use crate::hub::{Command, CommandBody, Hub, Origin, Traced};
use crate::task;

/// Commands that may wait for the core.
const WAITING_MAX: usize = 2048;
/// Commands taken at once: with more of them a commit takes so long that the first in it waits for nothing.
pub(crate) const BATCH_MAX: usize = 512;
/// A batch of fewer takes along what has come in while it was applied: a commit costs as much as dozens of commands. No
/// more than that: those who wait for their answers send nothing new, and with all of them in one batch the links and
/// the core would take turns.
const BATCH_FEW: usize = 40;
/// A command of this size and more also takes its part of [`LARGE_TOTAL`].
const LARGE: usize = 8 * 1024;
/// What all large commands together may hold of the heap while they wait.
const LARGE_TOTAL: usize = 64 * 1024 * 1024;
const UNIT: usize = 1024;

/// How long an acknowledgement may wait for another command to be committed with. Nobody waits for it; what a
/// crash takes of it is sent once more.
const ACK_DELAY: Duration = Duration::from_millis(5);

const _: () = assert!(LARGE_TOTAL > 8 * DURABLE_BYTES_MAX);

/// The core has ended or is about to.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the broker is stopping; try again when it is back")]
pub(crate) struct Stopped;

/// A command on its way in; `bytes`: about what it holds of the heap.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) origin: Origin,
    pub(crate) trace: Option<Box<Traced>>,
    pub(crate) body: CommandBody,
    pub(crate) bytes: usize,
    /// What its link may have waiting, given back when the core takes it.
    pub(crate) place: Option<OwnedSemaphorePermit>,
    /// Its part of [`LARGE_TOTAL`].
    room: Option<OwnedSemaphorePermit>,
}

impl Sending {
    pub(crate) fn new(origin: Origin, trace: Option<Box<Traced>>, body: CommandBody, bytes: usize) -> Self {
        Self { origin, trace, body, bytes, place: None, room: None }
    }
}

/// Why a command was not submitted at once.
#[derive(Debug)]
pub(crate) enum Unsent {
    Wait(Box<Sending>),
    Stopped,
}

type Question = Box<dyn FnOnce(&Hub) + Send>;

enum Submission {
    /// Boxed: on its way it is moved several times.
    Command(Box<Sending>),
    Ask(Question),
    /// Acknowledgements have waited long enough.
    Nudge,
    Stop,
}

impl std::fmt::Debug for Submission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Command(sending) => f.debug_tuple("Command").field(sending).finish(),
            Self::Ask(_) => f.write_str("Ask"),
            Self::Nudge => f.write_str("Nudge"),
            Self::Stop => f.write_str("Stop"),
        }
    }
}

/// The way in.
#[derive(Clone, Debug)]
pub(crate) struct Sequencer {
    sender: mpsc::Sender<Submission>,
    large: Arc<Semaphore>,
    acks: Arc<Acks>,
}

/// Acknowledgements that nobody waits for: of each link the last, as it says all that those before it said.
#[derive(Debug, Default)]
struct Acks(Mutex<BTreeMap<LinkId, (AspectName, u64)>>);

impl Acks {
    /// `true`: there were none.
    fn put(&self, link: LinkId, aspect: AspectName, offset: u64) -> bool {
        let mut acks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let were_none = acks.is_empty();
        acks.insert(link, (aspect, offset));
        were_none
    }

    fn take(&self) -> BTreeMap<LinkId, (AspectName, u64)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The way out, for the core alone.
#[derive(Debug)]
pub(crate) struct Intake {
    receiver: mpsc::Receiver<Submission>,
    acks: Arc<Acks>,
    waiting: Vec<Submission>,
    clock: Clock,
    /// For how long the machine was suspended when that was last said.
    asleep: Ms,
}

/// What is committed together, in order.
#[derive(Default)]
pub(crate) struct Batch {
    /// Those that are still to be applied.
    pub(crate) commands: VecDeque<Command>,
    /// Put after the commit.
    pub(crate) questions: Vec<Question>,
    /// Nothing comes after this batch.
    pub(crate) last: bool,
}

impl Batch {
    pub(crate) fn of(commands: Vec<Command>) -> Self {
        Self { commands: commands.into(), ..Self::default() }
    }

    fn put(&mut self, submission: Submission, at: Ms) {
        match submission {
            Submission::Command(sending) => {
                let Sending { origin, trace, body, place, room, .. } = *sending;
                // Whoever waits for room may go on: what the core holds is bounded by the batch.
                drop((place, room));
                self.commands.push_back(Command { at, origin, trace, body });
            }
            Submission::Ask(question) => self.questions.push(question),
            Submission::Nudge => {}
            Submission::Stop => self.last = true,
        }
    }
}

pub(crate) fn sequencer(clock: Clock) -> (Sequencer, Intake) {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    let large = Arc::new(Semaphore::new(LARGE_TOTAL / UNIT));
    let acks = Arc::new(Acks::default());
    let intake = Intake { receiver, acks: Arc::clone(&acks), waiting: Vec::new(), clock, asleep: 0 };
    (Sequencer { sender, large, acks }, intake)
}

impl Sequencer {
    /// Submits at once, or gives the command back because that would mean waiting.
    pub(crate) fn try_submit(&self, command: Box<Sending>) -> Result<(), Unsent> {
        if command.bytes >= LARGE {
            return Err(Unsent::Wait(command));
        }
        self.sender.try_send(Submission::Command(command)).map_err(|error| match error {
            TrySendError::Full(Submission::Command(command)) => Unsent::Wait(command),
            TrySendError::Full(Submission::Ask(_) | Submission::Nudge | Submission::Stop)
            | TrySendError::Closed(_) => Unsent::Stopped,
        })
    }

    /// On nobody's account. `bytes`: about what the command holds of the heap.
    pub(crate) async fn submit(
        &self,
        origin: Origin,
        body: CommandBody,
        bytes: usize,
    ) -> Result<(), Stopped> {
        self.send(Box::new(Sending::new(origin, None, body, bytes))).await
    }

    /// Waits until there is room for it.
    pub(crate) async fn send(&self, mut command: Box<Sending>) -> Result<(), Stopped> {
        if command.bytes >= LARGE {
            let units = u32::try_from((command.bytes / UNIT).min(LARGE_TOTAL / UNIT)).unwrap_or(u32::MAX);
            command.room =
                Some(Arc::clone(&self.large).acquire_many_owned(units).await.map_err(|_| Stopped)?);
        }
        self.sender.send(Submission::Command(command)).await.map_err(|_| Stopped)
    }

    /// Moves an aspect's cursor, with the next commit and soon in any case. Comes before whatever is submitted
    /// afterwards.
    pub(crate) fn acknowledge(&self, link: LinkId, aspect: AspectName, offset: u64) {
        if self.acks.put(link, aspect, offset) {
            let sender = self.sender.clone();
            task::spawn(async move {
                tokio::time::sleep(ACK_DELAY).await;
                // An error means that the core has ended; it has taken them along.
                let _ = sender.send(Submission::Nudge).await;
            });
        }
    }

    /// What the hub says once everything submitted before is on disk.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Hub) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (sender, receiver) = oneshot::channel();
        let question: Question = Box::new(move |hub| {
            // Whoever asked may have gone.
            let _ = sender.send(question(hub));
        });
        self.sender.send(Submission::Ask(question)).await.map_err(|_| Stopped)?;
        receiver.await.map_err(|_| Stopped)
    }

    /// The core finishes what was submitted before, and ends.
    pub(crate) async fn stop(&self) {
        // An error means that it has ended already.
        let _ = self.sender.send(Submission::Stop).await;
    }
}

impl Intake {
    /// Waits for something to do. A batch is whatever was waiting, and of a small one also what comes in while it is
    /// applied; it never lingers for more.
    pub(crate) fn take(&mut self) -> Batch {
        let count = self.receiver.blocking_recv_many(&mut self.waiting, BATCH_MAX);
        let mut batch = Batch { last: count == 0, ..Batch::default() };
        self.fill(&mut batch);
        batch
    }

    /// What has come in meanwhile, where only `applied` of the batch's commands were there so far.
    pub(crate) fn take_along(&mut self, batch: &mut Batch, applied: usize) {
        if batch.last || applied >= BATCH_FEW {
            return;
        }
        while self.waiting.len() < BATCH_MAX
            && let Ok(submission) = self.receiver.try_recv()
        {
            self.waiting.push(submission);
        }
        if !self.waiting.is_empty() {
            self.fill(batch);
        }
    }

    /// Puts what was received into the batch.
    fn fill(&mut self, batch: &mut Batch) {
        let (at, woke) = self.begin();
        // After the others were taken, so that none of them comes before what was acknowledged before it.
        let acks = self.acks.take();
        batch.commands.reserve(1 + acks.len() + self.waiting.len());
        batch.commands.extend(woke);
        for (link, (aspect, offset)) in acks {
            let body = CommandBody::Ack { aspect, link, offset };
            let origin = Origin::Link { link, request: None };
            batch.commands.push_back(Command { at, origin, trace: None, body });
        }
        for submission in self.waiting.drain(..) {
            batch.put(submission, at);
        }
        if batch.last {
            // What came in behind the word to stop, as places became free, is still owed an answer.
            self.receiver.close();
            while let Some(submission) = self.receiver.blocking_recv() {
                batch.put(submission, at);
            }
        }
    }

    /// The time of commands that begin now, and what comes first where the machine has slept since the last ones.
    pub(crate) fn begin(&mut self) -> (Ms, Option<Command>) {
        let (at, asleep) = loop {
            self.clock.now();
            let asleep = self.clock.asleep();
            let at = self.clock.now();
            // It may fall asleep at any moment, and others look at the clock as well.
            if self.clock.asleep() == asleep {
                break (at, asleep);
            }
        };
        let slept_ms = asleep - std::mem::replace(&mut self.asleep, asleep);
        let body = CommandBody::MachineWoke { slept_ms };
        (at, (slept_ms > 0).then_some(Command { at, origin: Origin::Broker, trace: None, body }))
    }

    /// The time of a command that begins now.
    pub(crate) fn now(&self) -> Ms {
        self.clock.now()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn an_acknowledgement_comes_before_what_is_submitted_after_it_and_alone_if_nothing_is() {
        let (sequencer, mut intake) = sequencer(Clock::start(0));
        let wren: AspectName = "wren".parse().unwrap();
        let links = [1, 2].map(|number| LinkId(Uuid::from_u128(number)));
        sequencer.acknowledge(links[1], wren.clone(), 1);
        sequencer.acknowledge(links[0], wren.clone(), 4);
        sequencer.acknowledge(links[1], wren.clone(), 2);
        sequencer.submit(Origin::Broker, CommandBody::Tick, 0).await.unwrap();
        let ack = |link, offset| CommandBody::Ack { aspect: wren.clone(), link, offset };
        let bodies = |batch: Batch| batch.commands.into_iter().map(|it| it.body).collect::<Vec<_>>();
        let (batch, mut intake) = tokio::task::spawn_blocking(move || (intake.take(), intake)).await.unwrap();
        assert_eq!(bodies(batch), [ack(links[0], 4), ack(links[1], 2), CommandBody::Tick]);

        sequencer.acknowledge(links[0], wren.clone(), 5);
        let mut alone = Vec::new();
        while alone.is_empty() {
            // The nudge of those that were taken along finds nothing.
            let (batch, back) = tokio::task::spawn_blocking(move || (intake.take(), intake)).await.unwrap();
            (alone, intake) = (bodies(batch), back);
        }
        assert_eq!(alone, [ack(links[0], 5)]);
    }

    #[tokio::test]
    async fn a_small_batch_takes_along_what_has_come_in_and_a_large_one_does_not() {
        let (sequencer, mut intake) = sequencer(Clock::start(0));
        let wren: AspectName = "wren".parse().unwrap();
        let link = LinkId(Uuid::from_u128(1));
        sequencer.acknowledge(link, wren.clone(), 4);
        sequencer.submit(Origin::Broker, CommandBody::Tick, 0).await.unwrap();
        let bodies = |batch: &Batch| batch.commands.iter().map(|it| it.body.clone()).collect::<Vec<_>>();
        let mut batch = Batch::default();
        intake.take_along(&mut batch, BATCH_FEW);
        assert_eq!(bodies(&batch), []);
        intake.take_along(&mut batch, BATCH_FEW - 1);
        let ack = CommandBody::Ack { aspect: wren, link, offset: 4 };
        assert_eq!(bodies(&batch), [ack, CommandBody::Tick]);

        // Behind the word to stop comes nothing that is not in the batch.
        sequencer.stop().await;
        sequencer.submit(Origin::Broker, CommandBody::Tick, 0).await.unwrap();
        let (batch, mut intake) = tokio::task::spawn_blocking(move || {
            let mut batch = Batch::default();
            intake.take_along(&mut batch, 1);
            (batch, intake)
        })
        .await
        .unwrap();
        assert_eq!((batch.last, bodies(&batch)), (true, vec![CommandBody::Tick]));
        let mut batch = batch;
        intake.take_along(&mut batch, 1);
        assert_eq!(bodies(&batch), [CommandBody::Tick]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_that_was_taken_is_in_nobodys_way() {
        let (sequencer, mut intake) = sequencer(Clock::start(0));
        sequencer.submit(Origin::Broker, CommandBody::Tick, LARGE_TOTAL).await.unwrap();
        let mut batch = Batch::default();
        intake.take_along(&mut batch, 0);
        let next = sequencer.submit(Origin::Broker, CommandBody::Tick, LARGE_TOTAL);
        tokio::time::timeout(Duration::from_secs(1), next).await.expect("there is room again").unwrap();
        assert_eq!(batch.commands.len(), 1);
    }

    #[tokio::test]
    async fn that_the_machine_slept_is_said_once_and_before_what_came_after() {
        let (clock, hand) = Clock::by_hand(1_000);
        let (sequencer, mut intake) = sequencer(clock);
        let taken = |batch: Batch| batch.commands.into_iter().map(|it| (it.at, it.body)).collect::<Vec<_>>();
        let wren: AspectName = "wren".parse().unwrap();
        let link = LinkId(Uuid::from_u128(1));
        hand.suspend(60_000);
        sequencer.submit(Origin::Broker, CommandBody::Tick, 0).await.unwrap();
        sequencer.acknowledge(link, wren.clone(), 1);
        let ack = CommandBody::Ack { aspect: wren, link, offset: 1 };
        let (first, mut intake) = tokio::task::spawn_blocking(move || (intake.take(), intake)).await.unwrap();
        let woke = CommandBody::MachineWoke { slept_ms: 60_000 };
        assert_eq!(taken(first), [(61_000, woke), (61_000, ack), (61_000, CommandBody::Tick)]);
        hand.pass(5_000);
        sequencer.submit(Origin::Broker, CommandBody::Tick, 0).await.unwrap();
        let second = tokio::task::spawn_blocking(move || intake.take()).await.unwrap();
        assert_eq!(taken(second), [(66_000, CommandBody::Tick)]);
    }

    #[tokio::test]
    async fn what_came_in_behind_the_word_to_stop_is_in_the_last_batch() {
        let (sequencer, mut intake) = sequencer(Clock::start(0));
        sequencer.stop().await;
        for _ in 0..=BATCH_MAX {
            sequencer.submit(Origin::Broker, CommandBody::Tick, 0).await.unwrap();
        }
        let batch = tokio::task::spawn_blocking(move || intake.take()).await.unwrap();
        assert_eq!((batch.last, batch.commands.len()), (true, BATCH_MAX + 1));
        assert!(sequencer.submit(Origin::Broker, CommandBody::Tick, 0).await.is_err());
    }
}
