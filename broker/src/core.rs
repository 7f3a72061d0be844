//! The core thread: takes what waits, lets the hub apply it, commits, and only then lets the effects out. The
//! hub and the one writer of the store belong to it.

mod health;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use nexus_wire::budget::{SpendingChanged, SpendingStop};
use nexus_wire::{ErrorBody, ErrorCode, FromBroker, Ms, TriggerName};
use tokio::sync::watch;

use crate::clock::{self, Clock};
use crate::deliver::{Deliver, Orphan};
use crate::hub::records::{PushRecord, StoreError, Stored, Transaction};
use crate::hub::{Command, CommandBody, Effect, Effects, HookDoor, Hub, HubConfig, Origin, WatchDoor};
use crate::identity::directory::Directory;
use crate::meter::Meter;
use crate::processes::Processes;
use crate::relay::presence::{Patience, Presence};
use crate::sequencer::{Batch, Intake};
use crate::traces::Traces;
pub(crate) use health::{Health, State};

/// Between attempts while storage fails.
const RETRY_MS: Ms = 1_000;

pub(crate) type Hooks = BTreeMap<TriggerName, Arc<HookDoor>>;

/// What the core lets others see of it.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) deliver: Deliver,
    pub(crate) directory: Arc<Directory>,
    pub(crate) presence: Presence,
    pub(crate) health: Health,
    pub(crate) meter: Meter,
    pub(crate) traces: Traces,
    pub(crate) processes: Processes,
    /// The newest entry of the log that is on disk.
    pub(crate) head: watch::Sender<u64>,
    /// Whom clients want to be told of tasks, by key.
    pub(crate) pushes: watch::Sender<Arc<Vec<PushRecord>>>,
    /// Whose webhooks are taken, and what is needed to check them.
    pub(crate) hooks: watch::Sender<Arc<Hooks>>,
    /// What is to be looked at, by the name of its trigger.
    pub(crate) watches: watch::Sender<Arc<Vec<WatchDoor>>>,
    /// Why nothing may be spent, if that is so.
    pub(crate) spending: watch::Sender<Option<SpendingStop>>,
}

impl Published {
    /// As the store stands before anything is applied.
    pub(crate) fn of(hub: &Hub, patience: Patience, clock: Clock) -> Self {
        let published = Self {
            deliver: Deliver::new(hub.log_seq()),
            directory: Arc::new(Directory::default()),
            presence: Presence::new(patience, clock),
            health: Health::default(),
            meter: Meter::default(),
            traces: Traces::default(),
            processes: Processes::default(),
            head: watch::Sender::new(hub.log_seq()),
            pushes: watch::Sender::new(Arc::new(hub.pushes().cloned().collect())),
            hooks: watch::Sender::new(Arc::new(hooks(hub))),
            watches: watch::Sender::new(Arc::new(hub.watches().collect())),
            spending: watch::Sender::new(hub.spending_stop()),
        };
        published.credentials(hub);
        published.presence.set_stopped(hub.spending_stop().is_some(), 0);
        for record in hub.roster().active() {
            published.presence.changed(record.info(), None);
        }
        published
    }

    fn credentials(&self, hub: &Hub) {
        self.directory.publish(hub);
    }
}

#[derive(Debug)]
pub(crate) struct Core<S> {
    store: S,
    hub: Hub,
    config: HubConfig,
    intake: Intake,
    published: Arc<Published>,
    timer: watch::Sender<Option<Ms>>,
    /// The hub has to be rebuilt before it is used again.
    is_stale: bool,
    /// When the next credential expires, and with it the links it opened.
    expiry: Option<Ms>,
    /// Commands about the outside world that a failed commit may not lose.
    again: Vec<Command>,
    /// What was due met damage and still is due: ticks are applied by themselves, and none before this. 0: they are as
    /// others.
    tick_after: Ms,
    /// The time of the last command: that of the log does not run back.
    at: Ms,
}

/// What follows from a batch beside the hub's own effects.
#[derive(Default)]
struct Aftermath {
    origins: Vec<Origin>,
    again: Vec<Command>,
    has_ticked: bool,
}

impl Aftermath {
    /// Of so many commands, and of as many that come in meanwhile.
    fn with_room(commands: usize) -> Self {
        let (origins, again) = (Vec::with_capacity(2 * commands), Vec::with_capacity(commands));
        Self { origins, again, has_ticked: false }
    }

    fn note(&mut self, command: &Command) {
        self.origins.push(command.origin);
        match &command.body {
            // What happened outside stays true when the disk fails; requests are answered and forgotten.
            CommandBody::BrokerStarted(_)
            | CommandBody::MachineWoke { .. }
            | CommandBody::LinkDown { .. }
            | CommandBody::Ack { .. }
            | CommandBody::Seen { .. }
            | CommandBody::RaiseAlert { .. }
            | CommandBody::ClearAlert { .. } => {
                self.again.push(command.clone());
            }
            CommandBody::Tick => self.has_ticked = true,
            CommandBody::Access { .. }
            | CommandBody::AddAspect { .. }
            | CommandBody::RevokeAspect { .. }
            | CommandBody::AddOperator { .. }
            | CommandBody::RevokeOperator { .. }
            | CommandBody::Hook(_)
            | CommandBody::Looked(_)
            | CommandBody::KnowledgeUsed(_)
            | CommandBody::Push(_)
            | CommandBody::Register { .. }
            | CommandBody::Request { .. }
            | CommandBody::PutBlob { .. }
            | CommandBody::ForgetBlobs { .. }
            | CommandBody::PruneInboxes { .. }
            | CommandBody::PruneMessages { .. }
            | CommandBody::PruneDispatches { .. }
            | CommandBody::PruneApprovals { .. }
            | CommandBody::PruneRuns { .. }
            | CommandBody::PruneLog(_)
            | CommandBody::Restored { .. } => {}
        }
    }
}

impl<S: Transaction> Core<S> {
    pub(crate) fn new(
        store: S,
        hub: Hub,
        config: HubConfig,
        intake: Intake,
        published: Arc<Published>,
    ) -> (Self, watch::Receiver<Option<Ms>>) {
        let (timer, due) = watch::channel(None);
        let expiry = published.directory.next_expiry(intake.now());
        let again = Vec::new();
        let core = Self {
            store,
            hub,
            config,
            intake,
            published,
            timer,
            is_stale: false,
            expiry,
            again,
            tick_after: 0,
            at: 0,
        };
        (core, due)
    }

    /// Runs until it is told to stop; gives the store back to be closed.
    pub(crate) fn run(mut self) -> S {
        let body = CommandBody::BrokerStarted(self.config.clone());
        let at = self.intake.now();
        let mut batch = Batch::of(vec![Command { at, origin: Origin::Broker, trace: None, body }]);
        loop {
            self.apply(&mut batch);
            self.set_timer();
            for question in batch.questions {
                question(&self.hub);
            }
            if batch.last {
                self.published.deliver.forget_calls();
                return self.store;
            }
            batch = self.intake.take();
        }
    }

    /// While storage fails, a tick every second finds out whether it still does.
    fn set_timer(&self) {
        let next = match self.published.health.state() {
            State::Failed => Some(self.intake.now() + RETRY_MS),
            State::Starting | State::Working | State::Stopping => {
                let timer = self.hub.next_timer().map(|timer| timer.max(self.tick_after));
                [timer, self.expiry].into_iter().flatten().min()
            }
        };
        self.timer.send_if_modified(|timer| std::mem::replace(timer, next) != next);
    }

    fn apply(&mut self, batch: &mut Batch) {
        if self.tick_after > 0 {
            self.tick_apart(batch);
        }
        loop {
            if !self.again.is_empty() {
                let (now, woke) = self.intake.begin();
                let again = std::mem::take(&mut self.again).into_iter().map(|it| Command { at: now, ..it });
                let next = std::mem::take(&mut batch.commands);
                batch.commands = woke.into_iter().chain(again).chain(next).collect();
            }
            if batch.commands.is_empty() {
                return;
            }
            let mut aftermath = Aftermath::with_room(batch.commands.len());
            let began = clock::now();
            match self.commit(batch, &mut aftermath) {
                Ok(effects) => {
                    let count = aftermath.origins.len();
                    self.published.meter.committed(count, clock::now().saturating_duration_since(began));
                    let orphans = self.release(effects);
                    self.close_expired();
                    let is_over = self.published.health.state() == State::Failed;
                    self.published.health.working();
                    self.again = orphans.iter().map(link_down).collect();
                    if is_over {
                        self.again.push(by_broker(CommandBody::storage_is_back()));
                    }
                    self.store.settle();
                }
                Err(error) => {
                    batch.commands.drain(..).for_each(|command| aftermath.note(&command));
                    return self.fail(&error, aftermath);
                }
            }
        }
    }

    /// Once what is due meets no damage any more, ticks are as others again.
    fn tick_apart(&mut self, batch: &mut Batch) {
        let count = batch.commands.len();
        batch.commands.retain(|command| command.body != CommandBody::Tick);
        if batch.commands.len() < count {
            self.tick_after = 0;
            let again = self.apart(vec![by_broker(CommandBody::Tick)]);
            self.again.extend(again);
        }
    }

    /// One transaction for all of them, and for what comes in meanwhile. Nothing of it is seen by anybody until it is on
    /// disk. What would make it too large is left in the batch.
    fn commit(&mut self, batch: &mut Batch, aftermath: &mut Aftermath) -> Stored<Vec<Effect>> {
        if self.is_stale {
            self.rebuild()?;
        }
        self.store.begin()?;
        let mut effects = Effects::with_room(4 * batch.commands.len());
        while !effects.are_large()
            && let Some(mut command) = batch.commands.pop_front()
        {
            self.at = self.at.max(command.at);
            command.at = self.at;
            aftermath.note(&command);
            self.hub.apply_to(&mut effects, &mut self.store, command)?;
            if batch.commands.is_empty() {
                self.intake.take_along(batch, aftermath.origins.len());
            }
        }
        self.store.commit()?;
        Ok(effects.into_all())
    }

    fn close_expired(&mut self) {
        let now = self.intake.now();
        if self.expiry.is_some_and(|expiry| expiry <= now) {
            let Published { deliver, directory, .. } = &*self.published;
            deliver.close_void(|identity| directory.is_current(identity, now));
            self.expiry = directory.next_expiry(now);
        }
    }

    fn release(&mut self, effects: Vec<Effect>) -> Vec<Orphan> {
        let Published { deliver, directory, presence, meter, traces, .. } = &*self.published;
        // Looked for once: there are few of them, if any.
        let published: Vec<&Effect> = effects.iter().filter(|effect| effect.is_published()).collect();
        let changed = |what: &Effect| published.contains(&what);
        if changed(&Effect::DoorsChanged) {
            // Before the answers: whoever reads one may use what it says.
            self.published.credentials(&self.hub);
            let now = self.intake.now();
            deliver.close_void(|identity| directory.is_current(identity, now));
            self.expiry = directory.next_expiry(now);
        }
        if changed(&Effect::PushesChanged) {
            self.published.pushes.send_replace(Arc::new(self.hub.pushes().cloned().collect()));
        }
        if changed(&Effect::HooksChanged) {
            self.published.hooks.send_replace(Arc::new(hooks(&self.hub)));
        }
        if changed(&Effect::WatchesChanged) {
            self.published.watches.send_replace(Arc::new(self.hub.watches().collect()));
        }
        // Before the answers as well: once somebody has read that spending is stopped, no call goes out.
        let stop = self.hub.spending_stop();
        self.published.spending.send_if_modified(|published| {
            let is_new = *published != stop;
            *published = stop;
            is_new
        });
        let mut orphans = Vec::new();
        let mut release = deliver.release();
        for effect in effects {
            match effect {
                Effect::Answer { origin, answer } => {
                    traces.answered(origin, &answer);
                    orphans.extend(release.answer(origin, answer));
                }
                Effect::Attach { link, aspect, cursor, tail } => deliver.attach(link, aspect, cursor, tail),
                Effect::Push { link, offset, item, trace } => {
                    if let Some(trace) = trace
                        && let Some(peer) = deliver.peer(link)
                    {
                        traces.pushed(link, &peer.identity.party, offset, &trace);
                        if deliver.peer(link).is_none() {
                            // It left meanwhile, perhaps before there was anything to forget.
                            traces.left(link);
                        }
                    }
                    release.push(link, offset, item);
                }
                Effect::Insist { links, frame } => {
                    if let FromBroker::SpendingChanged(SpendingChanged { stop }) = &frame {
                        presence.set_stopped(stop.is_some(), self.intake.now());
                    }
                    deliver.insist(&links, &frame);
                }
                Effect::Tell { links, frame } => deliver.tell(&links, &frame),
                Effect::Close { link, code, reason } => deliver.close(link, code, &reason),
                Effect::RosterChanged { aspect } => {
                    if let Some(record) = self.hub.roster().aspect(&aspect) {
                        let peer = record.link.and_then(|link| deliver.peer(link));
                        presence.changed(record.info(), peer);
                    }
                }
                Effect::AtWork { link, aspect, dispatches, approvals } => {
                    if let Some(peer) = deliver.peer(link)
                        && peer.pulse.set_work(dispatches, approvals, self.intake.now())
                    {
                        presence.refresh(&aspect, self.intake.now());
                    }
                }
                Effect::Logged(entry) => {
                    meter.logged(&entry);
                    release.logged(entry);
                }
                Effect::DoorsChanged
                | Effect::HooksChanged
                | Effect::PushesChanged
                | Effect::WatchesChanged => {}
                Effect::Passed(milestone) => traces.passed(*milestone),
            }
        }
        self.published.head.send_replace(self.hub.log_seq());
        orphans
    }

    fn fail(&mut self, error: &StoreError, aftermath: Aftermath) {
        self.published.meter.commit_failed();
        self.published.health.failed(error, self.intake.now());
        let message = match error {
            StoreError::Unavailable(_) => {
                format!("{error}; nothing of this request happened, send it again with the same id")
            }
            StoreError::Corrupt(_) => error.to_string(),
        };
        let body = ErrorBody::new(ErrorCode::StorageUnavailable, message);
        for origin in aftermath.origins {
            let answer = Err(body.clone());
            self.published.traces.answered(origin, &answer);
            // An error seats nobody, so there is no orphan.
            let _ = self.published.deliver.answer(origin, answer);
        }
        // Now rather than at the next command, so that what is asked meanwhile is answered from the disk.
        // If that fails as well, the next commit begins with it.
        let _ = self.rebuild();
        let mut again = latest(aftermath.again);
        if aftermath.has_ticked && matches!(error, StoreError::Corrupt(_)) {
            again.push(by_broker(CommandBody::Tick));
        }
        let alert = by_broker(CommandBody::storage_failed(error));
        if !again.iter().any(|command| command.body == alert.body) {
            again.push(alert);
        }
        self.again = match error {
            StoreError::Unavailable(_) => again,
            StoreError::Corrupt(_) => self.apart(again),
        };
    }

    /// Applies what nobody asks for once more after a batch that met damage, and keeps what is to be tried again. Where
    /// they meet damage together each is applied by itself, so that only what needs the damaged part fails. Damage does
    /// not pass: what meets it alone would take along every batch to come. It is left undone, which an acknowledgement
    /// and the end of a link bear: the one comes again with its items, the other shows at the next registration or
    /// start.
    fn apart(&mut self, commands: Vec<Command>) -> Vec<Command> {
        let mut left = commands.as_slice();
        if self.commit_these(left).is_ok() {
            return Vec::new();
        }
        while let [command, behind @ ..] = left {
            match self.commit_these(std::slice::from_ref(command)) {
                Ok(()) => {}
                // It passes, and what is behind comes after it. Without a start nothing comes at all.
                Err(StoreError::Unavailable(_)) => break,
                Err(StoreError::Corrupt(_)) if matches!(command.body, CommandBody::BrokerStarted(_)) => break,
                Err(StoreError::Corrupt(error)) => {
                    tracing::error!(error, ?command, "left undone because of damage");
                    if command.body == CommandBody::Tick {
                        self.tick_after = self.intake.now() + RETRY_MS;
                    }
                }
            }
            left = behind;
        }
        left.to_vec()
    }

    /// These alone: as if they were the last, they take none along.
    fn commit_these(&mut self, commands: &[Command]) -> Stored<()> {
        let at = self.intake.now();
        let commands = commands.iter().map(|command| Command { at, ..command.clone() }).collect();
        let mut batch = Batch { last: true, ..Batch::of(commands) };
        while !batch.commands.is_empty() {
            match self.commit(&mut batch, &mut Aftermath::default()) {
                Ok(effects) => {
                    // Nobody is seated by them, so there is no orphan.
                    let _ = self.release(effects);
                }
                Err(error) => {
                    // If that fails as well, the next commit begins with it.
                    let _ = self.rebuild();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn rebuild(&mut self) -> Stored<()> {
        self.is_stale = true;
        self.store.rollback()?;
        self.hub = Hub::rebuild(&self.store, self.config.clone())?;
        self.is_stale = false;
        Ok(())
    }
}

/// Of the acknowledgements of one link only the last counts, so a long outage holds no more than there are links.
fn latest(commands: Vec<Command>) -> Vec<Command> {
    let mut seen = HashSet::new();
    let mut kept: Vec<Command> = commands
        .into_iter()
        .rev()
        .filter(|command| match &command.body {
            CommandBody::Ack { link, .. } => seen.insert(*link),
            CommandBody::BrokerStarted(_)
            | CommandBody::MachineWoke { .. }
            | CommandBody::LinkDown { .. }
            | CommandBody::Hook(_)
            | CommandBody::Looked(_)
            | CommandBody::KnowledgeUsed(_)
            | CommandBody::Push(_)
            | CommandBody::Tick
            | CommandBody::Register { .. }
            | CommandBody::Request { .. }
            | CommandBody::Seen { .. }
            | CommandBody::RaiseAlert { .. }
            | CommandBody::ClearAlert { .. }
            | CommandBody::PutBlob { .. }
            | CommandBody::ForgetBlobs { .. }
            | CommandBody::PruneInboxes { .. }
            | CommandBody::PruneMessages { .. }
            | CommandBody::PruneDispatches { .. }
            | CommandBody::PruneApprovals { .. }
            | CommandBody::PruneRuns { .. }
            | CommandBody::PruneLog(_)
            | CommandBody::Restored { .. }
            | CommandBody::Access { .. }
            | CommandBody::AddAspect { .. }
            | CommandBody::RevokeAspect { .. }
            | CommandBody::AddOperator { .. }
            | CommandBody::RevokeOperator { .. } => true,
        })
        .collect();
    kept.reverse();
    kept
}

fn link_down(orphan: &Orphan) -> Command {
    let body = CommandBody::LinkDown {
        aspect: orphan.seat.aspect.clone(),
        link: orphan.link,
        generation: orphan.seat.generation,
    };
    by_broker(body)
}

fn hooks(hub: &Hub) -> Hooks {
    hub.hooks().map(|door| (door.trigger.clone(), Arc::new(door))).collect()
}

/// Its time is when it is applied.
fn by_broker(body: CommandBody) -> Command {
    Command { at: 0, origin: Origin::Broker, trace: None, body }
}

#[cfg(test)]
mod tests;
