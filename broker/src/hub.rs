//! The one owner of live state: roster, inbox cursors, Hand queue, timers.
//!
//! `apply` takes a command and says, as effects, what is to be done after the commit. It is synchronous and
//! deterministic: no clock, no socket, no randomness, and none of its neighbours is imported. Its state is a
//! function of the store: `Hub::rebuild` of what was committed equals the hub that committed it.
//!
//! When `apply` or the commit after it fails, the hub may hold what never became durable: roll the store back,
//! drop the effects of the whole batch and go on with `Hub::rebuild`.

mod access;
mod admin;
mod alerts;
mod approval;
mod blobs;
mod budget;
mod cause;
mod chat;
mod choose;
pub mod command;
mod dispatch;
pub mod effect;
pub mod filter;
mod flow;
mod gather;
pub mod inbox;
mod knowledge;
mod measured;
mod push;
pub mod queue;
pub mod records;
mod register;
mod registry;
mod remember;
mod restrain;
mod retention;
mod roster;
mod route;
mod run;
mod schema;
mod sessions;
mod situation;
mod spending;
mod step;
mod storage;
pub mod text;
mod threads;
mod trigger;
mod waits;
mod watch;

use nexus_wire::Ms;

pub(crate) use access::invitations::NO_INVITATION;
pub use access::{Access, Doors, NewToken, Note, Proof};
pub use admin::public_key;
pub use blobs::is_named_to;
pub use command::{Change, Command, CommandBody, HubConfig, KnowledgeUse, Origin, PutBlob, Traced};
pub use effect::{Effect, Effects, Milestone};
pub use measured::{Measured, MeasuredDispatch};
pub use push::{Push, PushEnd};
pub(crate) use queue::StaleToken;
pub use roster::Roster;
pub use sessions::command_info;
pub(crate) use situation::situation;
pub(crate) use storage::unwritten_alert;
pub use trigger::{Found, HookCall, HookDoor, Look, RotateHook, WatchDoor, plan, watcher};

use alerts::Alerts;
use approval::Approvals;
use gather::Gathers;
use push::Pushes;
use queue::{Queue, QueueConfig};
use records::{Reads, Store, StoreError, Stored};
use run::Runs;
use schema::Schemas;
use step::Step;
use trigger::Triggers;

#[derive(Clone, Debug, PartialEq)]
pub struct Hub {
    config: HubConfig,
    /// The newest entry of the log.
    log_seq: u64,
    roster: Roster,
    queue: Queue,
    schemas: Schemas,
    alerts: Alerts,
    approvals: Approvals,
    gathers: Gathers,
    pushes: Pushes,
    triggers: Triggers,
    runs: Runs,
    /// When the broker took the store over, or its machine last woke.
    started_at: Ms,
    doors: Doors,
}

impl Hub {
    /// The hub of what `store` holds.
    pub fn rebuild(store: &impl Reads, config: HubConfig) -> Stored<Self> {
        let snapshot = store.snapshot()?;
        let roster = Roster::new(snapshot.aspects, snapshot.operators);
        let live = roster
            .aspects()
            .filter(|record| record.link.is_some())
            .map(|record| (record.name.clone(), dispatch::offer_of(record)));
        let open = snapshot.open_dispatches.iter().filter_map(|record| record.queue.as_deref());
        let queue = Queue::restore(QueueConfig::from(&config), live, open, &snapshot.clocks)
            .map_err(|error| StoreError::Corrupt(error.to_string()))?
            .with_purses(snapshot.purses)
            .with_day(snapshot.spending_day);
        let alerts = Alerts::new(snapshot.open_alerts);
        let approvals = Approvals::new(snapshot.open_approvals);
        let gathers = Gathers::new(snapshot.open_gathers);
        let pushes = Pushes::new(snapshot.pushes);
        let triggers = Triggers::new(snapshot.triggers, snapshot.open_slots);
        let runs = Runs::new(snapshot.open_runs)?;
        let schemas = Schemas::of(roster.aspects());
        let doors =
            Doors::new(snapshot.setup, snapshot.invitations, snapshot.assertions, snapshot.credentials);
        let started_at = snapshot.started_at;
        Ok(Self {
            config,
            log_seq: snapshot.log_seq,
            roster,
            queue,
            schemas,
            alerts,
            approvals,
            gathers,
            pushes,
            runs,
            triggers,
            started_at,
            doors,
        })
    }

    pub fn apply(&mut self, store: &mut impl Store, command: Command) -> Stored<Vec<Effect>> {
        let mut effects = Effects::default();
        self.apply_to(&mut effects, store, command)?;
        Ok(effects.into_all())
    }

    /// The same, with the effects behind those of other commands.
    pub fn apply_to(
        &mut self,
        effects: &mut Effects,
        store: &mut impl Store,
        command: Command,
    ) -> Stored<()> {
        Step::new(self, store, effects, command.at, command.origin, command.trace).run(command.body)
    }

    /// When a `Tick` is due next.
    pub fn next_timer(&self) -> Option<Ms> {
        let overlap = self.roster.aspects().filter_map(|it| it.previous_key.map(|key| key.until)).min();
        [
            self.queue.next_timer(),
            self.missing_due(),
            self.long_wait_due(),
            self.move_due(),
            self.gathers.due(&self.queue),
            self.triggers.due(),
            self.approvals.due(&self.alerts),
            self.runs.due(),
            overlap,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    pub fn doors(&self) -> &Doors {
        &self.doors
    }

    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// The newest entry of the log.
    pub fn log_seq(&self) -> u64 {
        self.log_seq
    }
}
