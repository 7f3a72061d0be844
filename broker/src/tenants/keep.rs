//! Has the tenants served that are there: one task for each, see `tenant`; begins with those that are new, ends with those
//! that are gone, and begins anew with those somebody wants begun anew.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nexus_wire::alert::AlertKind;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::Instrument as _;

use super::tenant::Tenant;
use super::{OFF, TenantName, all, folder_of, note_fault, restart_path};
use crate::config::Config;
use crate::edge::Edge;
use crate::hub::{CommandBody, Origin};
use crate::listen::door::Door;
use crate::serve::nexus::Quiet;
use crate::task;

/// How often the folder is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
const ALERT_PATIENCE: Duration = Duration::from_secs(5);

/// What tenants have in common.
#[derive(Clone, Debug)]
pub(crate) struct Together {
    /// The broker's own.
    pub(crate) config: Config,
    pub(crate) address: SocketAddr,
    /// The broker's own Nexus, where people are told of what is wrong with a tenant.
    pub(crate) own: Arc<Edge>,
    pub(crate) door: Arc<Door>,
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
        let mut looking = Looking { together, kept: BTreeMap::new(), broken: BTreeSet::new() };
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
    /// Whose task has broken down itself: nothing is begun for them before somebody says so.
    broken: BTreeSet<TenantName>,
}

struct Kept {
    stop: watch::Sender<bool>,
    /// It is to be begun anew.
    again: Arc<Notify>,
    /// That was said, and is not done yet.
    is_told: bool,
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
        let Ok(found) = task::blocking(found).await else { return Vec::new() };
        self.look_after(&found).await;
        let gone: Vec<TenantName> = self.kept.keys().filter(|name| !found.contains(name)).cloned().collect();
        for name in gone {
            if let Some(kept) = self.kept.remove(&name) {
                self.end(&name, kept).await;
            }
        }
        let mut begun = Vec::new();
        for name in found {
            if self.kept.contains_key(&name) || self.broken.contains(&name) {
                continue;
            }
            let (stop, stopped) = watch::channel(false);
            let (tried, is_tried) = oneshot::channel();
            begun.push(is_tried);
            let again = Arc::new(Notify::new());
            let tenant = Tenant::new(self.together.clone(), name.clone());
            let span = tracing::error_span!("tenant", %name);
            let task = tokio::spawn(tenant.keep(stopped, Arc::clone(&again), tried).instrument(span));
            self.kept.insert(name, Kept { stop, again, is_told: false, task });
        }
        begun
    }

    /// Passes on who is to be begun anew, and notices who has broken down altogether.
    async fn look_after(&mut self, found: &[TenantName]) {
        let folder = self.together.config.data.clone();
        for name in found {
            let is_wanted = restart_path(&folder, name).exists();
            if is_wanted && self.broken.remove(name) {
                remove_marker(&folder, name);
            }
            let Some(kept) = self.kept.get_mut(name) else { continue };
            if is_wanted && !kept.is_told {
                kept.again.notify_one();
            }
            kept.is_told = is_wanted;
            if kept.task.is_finished()
                && let Some(kept) = self.kept.remove(name)
                && let Err(error) = kept.task.await
            {
                let why = error.try_into_panic().map(|broken| task::said(&*broken)).unwrap_or_default();
                let message = format!(
                    "what looks after the tenant {name} has broken down ({why}); it is begun anew with: nexus tenant restart {name}"
                );
                tracing::error!("{message}");
                self.together.door.rest(name, &self.together.own.hosts.below(name.as_str()));
                note_fault(&folder, name, Some(&message));
                self.together.raise(name, message).await;
                self.broken.insert(name.clone());
            }
        }
        self.broken.retain(|name| found.contains(name));
    }

    async fn end(&self, name: &TenantName, kept: Kept) {
        kept.stop.send_replace(true);
        let quiet = kept.task.await.ok().flatten();
        self.together.door.close(name);
        finish(quiet).await;
        self.together.clear(name).await;
        tracing::info!("the tenant {name} is served no more");
    }
}

impl Together {
    /// Tells people of the broker's own Nexus. One that stops tells nobody any more.
    pub(super) async fn raise(&self, name: &TenantName, message: String) {
        let (kind, subject) = (AlertKind::TenantDown, name.to_string());
        self.submit(CommandBody::RaiseAlert { kind, subject, message }).await;
    }

    pub(super) async fn clear(&self, name: &TenantName) {
        self.submit(CommandBody::ClearAlert { kind: AlertKind::TenantDown, subject: name.to_string() }).await;
    }

    async fn submit(&self, body: CommandBody) {
        // A tenant does not wait for the broker's own Nexus when that has trouble of its own.
        let _ = timeout(ALERT_PATIENCE, self.own.sequencer.submit(Origin::Broker, body, 0)).await;
    }
}

/// Whoever wants it begun anew sees by that that it was.
pub(super) fn remove_marker(broker: &Path, name: &TenantName) {
    // It may have been removed meanwhile.
    let _ = std::fs::remove_file(restart_path(broker, name));
}

pub(super) async fn finish(quiet: Option<Quiet>) {
    if let Some(quiet) = quiet
        && let Err(error) = quiet.finish().await
    {
        tracing::error!("a tenant did not end well: {error}");
    }
}

/// Returns when it is to stop.
pub(super) async fn told(stopped: &mut watch::Receiver<bool>) {
    // Whoever could say so is gone when there is an error.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Once.
pub(super) fn say(tried: &mut Option<oneshot::Sender<()>>) {
    if let Some(tried) = tried.take() {
        // Those who came while the broker runs are waited for by nobody.
        let _ = tried.send(());
    }
}
