//! Has the tenants served that are there: one task for each, which starts its Nexus, starts it again when it fails, and
//! puts it behind the door. What is wrong with one is its own and is told in the log.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::{OFF, TenantName, all, folder_of, note_fault};
use crate::config::{Config, ConfigError};
use crate::datadir::DataDirError;
use crate::listen::door::{Door, Taken};
use crate::listen::hosts::Hosts;
use crate::serve::ServeError;
use crate::serve::nexus::{Nexus, Place, Quiet};
use crate::setup::{Setup, SetupError};

/// How often the folder is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// The wait before one that cannot be served is tried again, doubled each time.
const WAIT_MIN: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(60);

/// What tenants have in common.
#[derive(Clone, Debug)]
pub(crate) struct Together {
    /// The broker's own.
    pub(crate) config: Config,
    pub(crate) address: SocketAddr,
    pub(crate) hosts: Hosts,
    pub(crate) door: Arc<Door>,
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Taken(#[from] Taken),
    #[error("it has ended by a defect while it was started")]
    Defect,
}

impl Fault {
    /// Somebody uses the folder, most likely for a moment.
    fn is_in_use(&self) -> bool {
        matches!(self, Self::Setup(SetupError::DataDir(DataDirError::InUse { .. })))
    }
}

/// The tenants of a broker that runs.
#[derive(Debug)]
pub(crate) struct Tenants {
    stop: watch::Sender<bool>,
    looking: JoinHandle<Vec<Quiet>>,
    first: Vec<TenantName>,
}

impl Tenants {
    /// Returns once each that is there is served, or has turned out not to be for now.
    pub(crate) async fn start(together: Together) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut looking = Looking { together, kept: BTreeMap::new() };
        let begun = looking.look().await;
        let first = looking.kept.keys().cloned().collect();
        for tried in begun {
            // Whoever ends without a word has told the log.
            let _ = tried.await;
        }
        Self { stop, looking: tokio::spawn(looking.run(stopped)), first }
    }

    pub(crate) fn first(&self) -> &[TenantName] {
        &self.first
    }

    /// All of them at once refuse what is new and close their links.
    pub(crate) async fn quiet(self) -> Vec<Quiet> {
        self.stop.send_replace(true);
        self.looking.await.unwrap_or_default()
    }
}

struct Looking {
    together: Together,
    kept: BTreeMap<TenantName, Kept>,
}

struct Kept {
    stop: watch::Sender<bool>,
    task: JoinHandle<Option<Quiet>>,
}

impl Looking {
    async fn run(mut self, mut stopped: watch::Receiver<bool>) -> Vec<Quiet> {
        loop {
            tokio::select! {
                () = told(&mut stopped) => break,
                () = sleep(LOOK_INTERVAL) => {}
            }
            // Nobody waits for those that come while the broker runs.
            drop(self.look().await);
        }
        let kept = std::mem::take(&mut self.kept);
        for kept in kept.values() {
            kept.stop.send_replace(true);
        }
        let mut quiet = Vec::new();
        for Kept { task, .. } in kept.into_values() {
            quiet.extend(task.await.ok().flatten());
        }
        quiet
    }

    /// Begins with those that are new, and ends with those that are gone.
    async fn look(&mut self) -> Vec<oneshot::Receiver<()>> {
        let broker = self.together.config.data.clone();
        let found = move || -> Vec<TenantName> {
            let is_on = |name: &TenantName| !folder_of(&broker, name).join(OFF).exists();
            all(&broker).into_iter().filter(is_on).collect()
        };
        let Ok(found) = tokio::task::spawn_blocking(found).await else { return Vec::new() };
        let gone: Vec<TenantName> = self.kept.keys().filter(|name| !found.contains(name)).cloned().collect();
        for name in gone {
            if let Some(kept) = self.kept.remove(&name) {
                self.end(&name, kept).await;
            }
        }
        let mut begun = Vec::new();
        for name in found {
            if self.kept.contains_key(&name) {
                continue;
            }
            let (stop, stopped) = watch::channel(false);
            let (tried, is_tried) = oneshot::channel();
            begun.push(is_tried);
            let tenant = Tenant::new(self.together.clone(), name.clone());
            let task = tokio::spawn(tenant.keep(stopped, tried));
            self.kept.insert(name, Kept { stop, task });
        }
        begun
    }

    async fn end(&self, name: &TenantName, kept: Kept) {
        kept.stop.send_replace(true);
        let quiet = kept.task.await.ok().flatten();
        self.together.door.close(name);
        finish(quiet).await;
        tracing::info!("the tenant {name} is served no more");
    }
}

async fn finish(quiet: Option<Quiet>) {
    if let Some(quiet) = quiet
        && let Err(error) = quiet.finish().await
    {
        tracing::error!("a tenant did not end well: {error}");
    }
}

/// Returns when it is to stop.
async fn told(stopped: &mut watch::Receiver<bool>) {
    // Whoever could say so is gone when there is an error.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Once.
fn say(tried: &mut Option<oneshot::Sender<()>>) {
    if let Some(tried) = tried.take() {
        // Those who came while the broker runs are waited for by nobody.
        let _ = tried.send(());
    }
}

struct Tenant {
    together: Together,
    name: TenantName,
    /// Which lead to it, but for its certificate's.
    names: Vec<String>,
    /// What was said last, so that it is said once.
    told: Option<String>,
}

impl Tenant {
    fn new(together: Together, name: TenantName) -> Self {
        let names = together.hosts.below(name.as_str());
        Self { together, name, names, told: None }
    }

    /// Until it is told to stop. `tried`: once it is known whether it can be served.
    async fn keep(mut self, mut stopped: watch::Receiver<bool>, tried: oneshot::Sender<()>) -> Option<Quiet> {
        let (mut wait, mut tried) = (WAIT_MIN, Some(tried));
        loop {
            let fault = match self.start().await {
                Ok(mut nexus) => {
                    wait = WAIT_MIN;
                    self.is_well(&nexus);
                    say(&mut tried);
                    tokio::select! {
                        () = told(&mut stopped) => {
                            nexus.end_agents().await;
                            return Some(nexus.quiet().await);
                        }
                        error = nexus.failed() => {
                            self.put_away(nexus).await;
                            error.into()
                        }
                    }
                }
                Err(fault) => fault,
            };
            self.together.door.rest(&self.name, &self.names);
            self.tell(&fault);
            say(&mut tried);
            if fault.is_in_use() {
                wait = WAIT_MIN;
            }
            tokio::select! {
                () = told(&mut stopped) => return None,
                () = sleep(wait) => {}
            }
            wait = (wait * 2).min(WAIT_MAX);
        }
    }

    async fn start(&self) -> Result<Nexus, Fault> {
        let folder = folder_of(&self.together.config.data, &self.name);
        let env = |name: &str| std::env::var(name).ok();
        let (config, _) = Config::of_tenant(&folder, &self.name, &self.together.config, env)?;
        let opening = config.clone();
        let span = tracing::error_span!("tenant", name = %self.name);
        let setup = tokio::task::spawn_blocking(move || span.in_scope(|| Setup::open(&opening))).await;
        let setup = setup.map_err(|_| Fault::Defect)??;
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
        Ok(nexus)
    }

    async fn put_away(&self, mut nexus: Nexus) {
        self.together.door.rest(&self.name, &self.names);
        nexus.end_agents().await;
        finish(Some(nexus.quiet().await)).await;
    }

    fn is_well(&mut self, nexus: &Nexus) {
        self.told = None;
        note_fault(&self.together.config.data, &self.name, None);
        tracing::info!("the tenant {} is served at {}", self.name, nexus.url);
    }

    fn tell(&mut self, fault: &Fault) {
        let text = fault.to_string();
        if self.told.as_ref() != Some(&text) {
            if fault.is_in_use() {
                tracing::info!("the tenant {} is not served yet: {text}", self.name);
            } else {
                tracing::error!("the tenant {} is not served: {text}; it is tried again", self.name);
            }
            note_fault(&self.together.config.data, &self.name, Some(&text));
            self.told = Some(text);
        }
    }
}
