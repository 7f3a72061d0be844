//! Has the tenants served that are there: one task for each, see `tenant`; begins with those that are new, ends with those
//! that are gone, and begins anew with those somebody wants begun anew.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nexus_wire::alert::AlertKind;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::Instrument as _;

use super::tenant::Tenant;
use super::{OFF, TenantName, all, folder_of, note_fault, restart};
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

/// Whoever comes before they are served is to come again: agents that are told by the broker's own Nexus that it knows no
/// such name do not. To be called before anybody is answered.
pub(crate) fn expect(together: &Together) {
    for name in wanted(&together.config.data) {
        let names = Tenant::new(together.clone(), name.clone()).expected_names();
        together.door.rest(&name, &names);
    }
}

/// Those that are to be served.
fn wanted(broker: &Path) -> impl Iterator<Item = TenantName> {
    all(broker).into_iter().filter(move |name| !folder_of(broker, name).join(OFF).exists())
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
    /// The task itself has broken down, and that was told.
    is_broken: bool,
}

impl Kept {
    async fn end(self) -> Option<Quiet> {
        self.stop.send_replace(true);
        self.task.await.ok().flatten()
    }
}

impl Looking {
    async fn run(mut self, mut stopped: watch::Receiver<bool>) -> Vec<Quiet> {
        loop {
            tokio::select! {
                () = task::stopped(&mut stopped) => break,
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

    /// Begins with those that are new or wanted anew, and ends with those that are gone.
    async fn look(&mut self) -> Vec<oneshot::Receiver<()>> {
        let broker = self.together.config.data.clone();
        let find = move || -> Vec<(TenantName, bool)> {
            wanted(&broker).map(|name| (name.clone(), restart::take_up(&broker, &name))).collect()
        };
        let Ok(found) = task::blocking(find).await else { return Vec::new() };
        let is_gone = |name: &&TenantName| !found.iter().any(|(found, _)| found == *name);
        let gone: Vec<TenantName> = self.kept.keys().filter(is_gone).cloned().collect();
        for name in gone {
            if let Some(kept) = self.kept.remove(&name) {
                self.end(&name, kept).await;
            }
        }
        let mut begun = Vec::new();
        for (name, is_wanted) in found {
            match self.kept.get(&name) {
                Some(kept) if !is_wanted => {
                    if kept.task.is_finished() && !kept.is_broken {
                        self.tell_broken(&name).await;
                    }
                }
                Some(_) | None => begun.push(self.begin(name)),
            }
        }
        begun
    }

    /// Once the one before it has ended, if there is one.
    fn begin(&mut self, name: TenantName) -> oneshot::Receiver<()> {
        let (stop, stopped) = watch::channel(false);
        let (tried, is_tried) = oneshot::channel();
        let (before, tenant) = (self.kept.remove(&name), Tenant::new(self.together.clone(), name.clone()));
        let span = tracing::error_span!("tenant", %name);
        let keep = async move {
            if let Some(before) = before {
                tracing::info!("the tenant is begun anew, as somebody wants it");
                finish(before.end().await).await;
            }
            tenant.keep(stopped, tried).await
        };
        let task = tokio::spawn(keep.instrument(span));
        self.kept.insert(name, Kept { stop, task, is_broken: false });
        is_tried
    }

    /// Only a defect in what looks after a tenant makes that end by itself.
    async fn tell_broken(&mut self, name: &TenantName) {
        let message = format!(
            "what looks after the tenant {name} has broken down; it is begun anew with: nexus tenant restart {name}"
        );
        tracing::error!("{message}");
        self.together.door.rest(name, &self.together.own.hosts.below(name.as_str()));
        note_fault(&self.together.config.data, name, Some(&message));
        restart::done(&self.together.config.data, name);
        self.together.raise(name, message).await;
        if let Some(kept) = self.kept.get_mut(name) {
            kept.is_broken = true;
        }
    }

    async fn end(&self, name: &TenantName, kept: Kept) {
        let quiet = kept.end().await;
        self.together.door.close(name);
        finish(quiet).await;
        restart::done(&self.together.config.data, name);
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

pub(super) async fn finish(quiet: Option<Quiet>) {
    if let Some(quiet) = quiet
        && let Err(error) = quiet.finish().await
    {
        tracing::error!("a tenant did not end well: {error}");
    }
}
