//! One tenant, as the broker serves it: its Nexus is started, put behind the door, and started again when it fails. What is
//! wrong with it is its own; it is told in the log, in the tenant's fault file, and to people of the broker's own Nexus.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep};

use super::keep::{Together, finish};
use super::{TenantName, folder_of, note_fault, restart};
use crate::config::{Config, ConfigError};
use crate::datadir::DataDirError;
use crate::edge::Edge;
use crate::listen::door::{Taken, is_fixed};
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
    fn broken(broken: &(dyn Any + Send)) -> Self {
        Self::Defect(task::said(broken))
    }

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
        tried: oneshot::Sender<()>,
    ) -> Option<Quiet> {
        let (mut wait, mut tried) = (WAIT_MIN, Some(tried));
        while !*stopped.borrow() {
            // What breaks down while it is started breaks nothing else.
            let started = AssertUnwindSafe(self.start()).catch_unwind().await;
            let fault = match started.unwrap_or_else(|broken| Err(Fault::broken(&*broken))) {
                Ok(mut nexus) => {
                    wait = WAIT_MIN;
                    self.is_well(&nexus).await;
                    self.has_tried(&mut tried);
                    let Some(fault) = self.serve(&mut nexus, &mut stopped).await else {
                        nexus.end_agents().await;
                        self.together.door.rest(&self.name, &self.names);
                        return Some(nexus.quiet().await);
                    };
                    self.put_away(nexus).await;
                    fault
                }
                Err(fault) => fault,
            };
            self.together.door.rest(&self.name, &self.names);
            let is_tried_again = !fault.is_defect() || self.breakdowns.note(Instant::now());
            self.tell(&fault, is_tried_again).await;
            self.has_tried(&mut tried);
            if fault.is_in_use() {
                wait = WAIT_MIN;
            }
            tokio::select! {
                () = task::stopped(&mut stopped) => {}
                () = sleep(wait), if is_tried_again => {}
            }
            wait = (wait * 2).min(WAIT_MAX);
        }
        None
    }

    /// Whoever waits for that is told, once.
    fn has_tried(&self, tried: &mut Option<oneshot::Sender<()>>) {
        if let Some(tried) = tried.take() {
            restart::done(&self.together.config.data, &self.name);
            // Those who came while the broker runs are waited for by nobody.
            let _ = tried.send(());
        }
    }

    /// Until it is told to stop, which is nothing, or it fails.
    async fn serve(&self, nexus: &mut Nexus, stopped: &mut watch::Receiver<bool>) -> Option<Fault> {
        let (edge, mut told_of) = (Arc::clone(&nexus.edge), None);
        loop {
            let look = async {
                sleep(TROUBLE_INTERVAL).await;
                trouble(&edge).await
            };
            let trouble = tokio::select! {
                () = task::stopped(stopped) => return None,
                error = nexus.failed() => return Some(error.into()),
                trouble = look => trouble,
            };
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

    /// As far as its settings tell them.
    pub(super) fn expected_names(self) -> Vec<String> {
        self.settings().map_err(Fault::from).and_then(|config| self.names_of(&config)).unwrap_or(self.names)
    }

    fn settings(&self) -> Result<Config, ConfigError> {
        let folder = folder_of(&self.together.config.data, &self.name);
        let env = |name: &str| std::env::var(name).ok();
        Ok(Config::of_tenant(&folder, &self.name, &self.together.config, env)?.0)
    }

    async fn start(&mut self) -> Result<Nexus, Fault> {
        let config = self.settings()?;
        self.names = self.names_of(&config)?;
        let opening = config.clone();
        let setup = task::blocking(move || Setup::open(&opening)).await;
        let setup = setup.map_err(|error| match error.try_into_panic() {
            Ok(broken) => Fault::broken(&*broken),
            Err(_) => Fault::Defect("the broker ends".to_owned()),
        })??;
        let name = self.name.clone();
        let place = Place::of_tenant(&config, &setup.keys, name, &self.names, self.together.address);
        // Before anything of it acts: two of the same would both do what is due.
        self.together.door.check(&self.name, place.names())?;
        let mut nexus = Nexus::start(setup, &config, place).await?;
        let bring_up = || -> Result<(), Fault> {
            self.together.door.open(&nexus.names, nexus.room())?;
            Ok(nexus.bring_up(config)?)
        };
        // By now it is more than what is dropped with it.
        let brought_up = catch_unwind(AssertUnwindSafe(bring_up));
        if let Err(fault) = brought_up.unwrap_or_else(|broken| Err(Fault::broken(&*broken))) {
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
            if is_fixed(&name) {
                return taken("the fixed name of one Nexus, which goes by it without being told");
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
        // Before the alert: whoever reads that finds this.
        note_fault(&self.together.config.data, name, Some(&text));
        let again = if is_tried_again { "; it is tried again" } else { "" };
        if fault.is_in_use() {
            tracing::info!("the tenant {name} is not served yet: {text}");
        } else {
            let message = format!("the tenant {name} is not served: {text}{again}");
            tracing::error!("{message}");
            self.together.raise(name, message).await;
        }
        self.told = Some(text);
    }
}

/// What is wrong with the database of one that is served.
async fn trouble(edge: &Edge) -> Option<String> {
    if edge.published.health.failing_since().is_some() {
        return Some(edge.published.health.reason());
    }
    // A core that has ended is seen elsewhere.
    edge.ask(|hub| hub.storage_trouble().map(str::to_owned)).await.ok().flatten()
}

#[cfg(test)]
mod tests;
