//! One tenant, as the broker serves it: its Nexus is started, put behind the door, and started again when it fails. What is
//! wrong with it is its own; it is told in the log, in the tenant's fault file, and to people of the broker's own Nexus.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{Instant, sleep};

use super::keep::{Together, finish, remove_marker, say, told};
use super::{TenantName, folder_of, note_fault, restart_path};
use crate::config::{Config, ConfigError};
use crate::datadir::DataDirError;
use crate::listen::door::Taken;
use crate::serve::ServeError;
use crate::serve::nexus::{Nexus, Place, Quiet};
use crate::setup::{Setup, SetupError};
use crate::task;

/// The wait before one that cannot be served is tried again, doubled each time.
const WAIT_MIN: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(60);
/// One that breaks down by a defect is started again so often within this; then a person has to look.
const RESTARTS_MAX: usize = 3;
const RESTARTS_WITHIN: Duration = Duration::from_secs(10 * 60);
/// How often one that is served is asked for trouble with its database.
const TROUBLE_INTERVAL: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Serve(ServeError),
    #[error(transparent)]
    Taken(#[from] Taken),
    #[error("it cannot go by {name}, which is {whose}; leave it out of its public_url and allowed_hosts")]
    Name { name: String, whose: String },
    #[error("it has broken down by a defect: {0}")]
    Defect(String),
}

impl From<ServeError> for Fault {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are what they say")]
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Core => Self::Defect("its core thread has ended".to_owned()),
            ServeError::Task(why) => Self::Defect(why),
            other => Self::Serve(other),
        }
    }
}

impl Fault {
    /// Somebody uses the folder, most likely for a moment.
    fn is_in_use(&self) -> bool {
        matches!(self, Self::Setup(SetupError::DataDir(DataDirError::InUse { .. })))
    }

    fn is_defect(&self) -> bool {
        matches!(self, Self::Defect(_))
    }
}

/// When it has broken down, of late.
#[derive(Debug, Default)]
struct Breakdowns(VecDeque<Instant>);

impl Breakdowns {
    /// Once more; whether it is started again.
    fn note(&mut self, now: Instant) -> bool {
        while self.0.front().is_some_and(|at| now.saturating_duration_since(*at) >= RESTARTS_WITHIN) {
            self.0.pop_front();
        }
        self.0.push_back(now);
        self.0.len() <= RESTARTS_MAX
    }
}

/// What ended a time of being served.
enum Ended {
    Stopped,
    /// Somebody wants it begun anew.
    Again,
    Failed(Fault),
}

pub(super) struct Tenant {
    together: Together,
    name: TenantName,
    /// Which lead to it, but for its certificate's.
    names: Vec<String>,
    /// What was said last, so that it is said once.
    told: Option<String>,
    breakdowns: Breakdowns,
}

impl Tenant {
    pub(super) fn new(together: Together, name: TenantName) -> Self {
        let names = together.own.hosts.below(name.as_str());
        Self { together, name, names, told: None, breakdowns: Breakdowns::default() }
    }

    /// Until it is told to stop. `tried`: once it is known whether it can be served.
    pub(super) async fn keep(
        mut self,
        mut stopped: watch::Receiver<bool>,
        again: Arc<Notify>,
        tried: oneshot::Sender<()>,
    ) -> Option<Quiet> {
        let (mut wait, mut tried) = (WAIT_MIN, Some(tried));
        loop {
            let is_wanted = restart_path(&self.together.config.data, &self.name).exists();
            // What breaks down while it is started breaks nothing else.
            let started = AssertUnwindSafe(self.start()).catch_unwind().await;
            let started = started.unwrap_or_else(|broken| Err(Fault::Defect(task::said(&*broken))));
            let fault = match started {
                Ok(mut nexus) => {
                    wait = WAIT_MIN;
                    self.is_well(&nexus).await;
                    self.was_begun_anew(is_wanted, &again);
                    say(&mut tried);
                    match self.serve(&mut nexus, &mut stopped, &again).await {
                        Ended::Stopped => {
                            nexus.end_agents().await;
                            return Some(nexus.quiet().await);
                        }
                        Ended::Again => {
                            tracing::info!("the tenant {} is begun anew, as somebody wants it", self.name);
                            self.put_away(nexus).await;
                            self.breakdowns = Breakdowns::default();
                            continue;
                        }
                        Ended::Failed(fault) => {
                            self.put_away(nexus).await;
                            fault
                        }
                    }
                }
                Err(fault) => fault,
            };
            self.together.door.rest(&self.name, &self.names);
            let is_tried_again = !fault.is_defect() || self.breakdowns.note(Instant::now());
            self.tell(&fault, is_tried_again).await;
            self.was_begun_anew(is_wanted, &again);
            say(&mut tried);
            if fault.is_in_use() {
                wait = WAIT_MIN;
            }
            let waited = async {
                match is_tried_again {
                    true => sleep(wait).await,
                    false => std::future::pending().await,
                }
            };
            tokio::select! {
                () = told(&mut stopped) => return None,
                () = again.notified() => {
                    self.breakdowns = Breakdowns::default();
                    self.told = None;
                    wait = WAIT_MIN;
                    continue;
                }
                () = waited => {}
            }
            wait = (wait * 2).min(WAIT_MAX);
        }
    }

    /// Whoever wanted that sees that it was done, and how it went.
    fn was_begun_anew(&self, is_wanted: bool, again: &Notify) {
        if is_wanted {
            remove_marker(&self.together.config.data, &self.name);
            // It may have been passed on meanwhile.
            let _ = again.notified().now_or_never();
        }
    }

    /// Until something ends that.
    async fn serve(&self, nexus: &mut Nexus, stopped: &mut watch::Receiver<bool>, again: &Notify) -> Ended {
        let mut told_of = None;
        loop {
            tokio::select! {
                () = told(stopped) => return Ended::Stopped,
                () = again.notified() => return Ended::Again,
                error = nexus.failed() => return Ended::Failed(error.into()),
                () = sleep(TROUBLE_INTERVAL) => {}
            }
            let trouble = trouble(nexus).await;
            if trouble == told_of {
                continue;
            }
            match &trouble {
                Some(trouble) => {
                    let message = format!(
                        "the tenant {name} is served, and has trouble with its database: {trouble}; its own alerts say more",
                        name = self.name
                    );
                    tracing::error!("{message}");
                    self.together.raise(&self.name, message).await;
                }
                None => self.together.clear(&self.name).await,
            }
            told_of = trouble;
        }
    }

    async fn start(&mut self) -> Result<Nexus, Fault> {
        let folder = folder_of(&self.together.config.data, &self.name);
        let env = |name: &str| std::env::var(name).ok();
        let (config, _) = Config::of_tenant(&folder, &self.name, &self.together.config, env)?;
        self.names = self.names_of(&config)?;
        let opening = config.clone();
        let setup = task::blocking(move || Setup::open(&opening)).await;
        let setup = setup.map_err(|error| match error.try_into_panic() {
            Ok(broken) => Fault::Defect(task::said(&*broken)),
            Err(_) => Fault::Defect("the broker ends".to_owned()),
        })??;
        let name = self.name.clone();
        let place = Place::of_tenant(&config, &setup.keys, name, &self.names, self.together.address);
        // Before anything of it acts: two of the same would both do what is due.
        self.together.door.check(&self.name, place.names())?;
        let mut nexus = Nexus::start(setup, &config, place).await?;
        let opened = self.together.door.open(&nexus.names, nexus.room()).map_err(Fault::from);
        let brought_up = opened.and_then(|()| Ok(nexus.bring_up(config)?));
        if let Err(fault) = brought_up {
            self.put_away(nexus).await;
            return Err(fault);
        }
        #[cfg(test)]
        tests::break_down(&self.name, &mut nexus);
        Ok(nexus)
    }

    /// Those before the broker's names, and those of its own settings: none that lead to somebody else.
    fn names_of(&self, config: &Config) -> Result<Vec<String>, Fault> {
        let hosts = &self.together.own.hosts;
        let mut names = hosts.below(self.name.as_str());
        for name in config.own_hosts() {
            let taken = |whose: &str| Err(Fault::Name { name: name.clone(), whose: whose.to_owned() });
            if hosts.is_own(&name) {
                return taken("the broker's own");
            }
            match hosts.label_of(&name) {
                Some(label) if label != self.name.as_str() => {
                    return taken(&format!("for a tenant called {label}, whether there is one or not"));
                }
                Some(_) | None => names.push(name),
            }
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    async fn put_away(&self, mut nexus: Nexus) {
        self.together.door.rest(&self.name, &self.names);
        nexus.end_agents().await;
        finish(Some(nexus.quiet().await)).await;
    }

    async fn is_well(&mut self, nexus: &Nexus) {
        self.told = None;
        note_fault(&self.together.config.data, &self.name, None);
        self.together.clear(&self.name).await;
        tracing::info!("the tenant {} is served at {}", self.name, nexus.url);
    }

    async fn tell(&mut self, fault: &Fault, is_tried_again: bool) {
        let name = &self.name;
        let text = match is_tried_again {
            true => fault.to_string(),
            false => format!(
                "{fault}; that was once more than {RESTARTS_MAX} times within {} minutes, so it is started again only by a \
                 person: look at the log, then nexus tenant restart {name}",
                RESTARTS_WITHIN.as_secs() / 60
            ),
        };
        // Each breakdown is one, whatever it says.
        if self.told.as_ref() == Some(&text) && !fault.is_defect() {
            return;
        }
        let again = if is_tried_again { "; it is tried again" } else { "" };
        if fault.is_in_use() {
            tracing::info!("the tenant {name} is not served yet: {text}");
        } else {
            let message = format!("the tenant {name} is not served: {text}{again}");
            tracing::error!("{message}");
            self.together.raise(name, message).await;
        }
        note_fault(&self.together.config.data, name, Some(&text));
        self.told = Some(text);
    }
}

/// What is wrong with the database of one that is served.
async fn trouble(nexus: &Nexus) -> Option<String> {
    if nexus.edge.published.health.failing_since().is_some() {
        return Some(nexus.edge.published.health.reason());
    }
    // A core that has ended is seen elsewhere.
    nexus.edge.ask(|hub| hub.storage_trouble().map(str::to_owned)).await.ok().flatten()
}

#[cfg(test)]
mod tests;
