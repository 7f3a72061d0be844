//! One Nexus put together and running, but for the socket it is behind; and how it stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nexus_telemetry::{Service, Telemetry};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{Instrument as _, Span};
use uuid::Uuid;

use super::{STOP_GRACE, ServeError};
use crate::blobs::Blobs;
use crate::clock::{self, Clock};
use crate::config::{Config, SinkSettings};
use crate::core::{Core, Published};
use crate::datadir::{DataDir, Lock, RunFile};
use crate::edge::backup::Backups;
use crate::edge::{self, Edge, seconds};
use crate::hub::{CommandBody, Origin};
use crate::identity::Gate;
use crate::identity::keys::NexusKeys;
use crate::identity::seal::Sealer;
use crate::identity::tls::{Leaf, names};
use crate::indexing;
use crate::listen::a2a::push::{self, Pushing};
use crate::listen::dashboard::Dashboard;
use crate::listen::door::Room;
use crate::listen::hooks::Doorstep;
use crate::listen::hosts::Hosts;
use crate::listen::limits::Limits;
use crate::listen::openai::embeddings::Embedder;
use crate::listen::rest::proxy::Outside;
use crate::observe::{Library, Recalls};
use crate::questions::Questions;
use crate::relay::Relay;
use crate::relay::mark::{self, Mark};
use crate::relay::presence::Trouble;
use crate::relay::sink::Sink;
use crate::sequencer::{Sequencer, sequencer};
use crate::setup::{Setup, SetupError};
use crate::spawn::Spawner;
use crate::store::SqliteStore;
use crate::task;
use crate::tenants::TenantName;
use crate::traces::Traces;
use crate::trail::Trail;
use crate::workspace::{Board, Workspace};

const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
const USES_INTERVAL: Duration = Duration::from_secs(60);
const RECALLS_INTERVAL: Duration = Duration::from_secs(5);
const LEAF_CHECK_INTERVAL: Duration = Duration::from_secs(60);
/// Timers are no finer than this, so that none can keep the core busy.
const TICK_MIN: Duration = Duration::from_millis(1);
/// How late at most what is due is noticed after the machine has woken.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Where requests for a Nexus come from, and by which names it goes.
#[derive(Debug)]
pub(crate) struct Place {
    /// Of its certificate.
    names: Vec<String>,
    hosts: Hosts,
    /// Where this machine reaches it.
    url: String,
    tenant: Option<TenantName>,
}

impl Place {
    /// Of the broker's own Nexus.
    pub(crate) fn own(config: &Config, keys: &NexusKeys, address: SocketAddr) -> Self {
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        let names = names(keys, machine.as_deref().map(str::trim), address.ip(), &config.allowed_hosts);
        let hosts = Hosts::new(&names, address, config.tls, config.public_url.clone());
        Self { names, hosts, url: super::local_url(address, config.tls), tenant: None }
    }

    /// Of a tenant; `names` lead to it, and so does the fixed one of its own.
    pub(crate) fn of_tenant(
        config: &Config,
        keys: &NexusKeys,
        tenant: TenantName,
        names: &[String],
        address: SocketAddr,
    ) -> Self {
        let mut names = names.to_vec();
        names.push(keys.fixed_name());
        let hosts = Hosts::of_tenant(names.clone(), config.tls, config.public_url.clone());
        let url = tenant.url(address, config.tls);
        Self { names, hosts, url, tenant: Some(tenant) }
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }
}

/// A Nexus at work.
#[derive(Debug)]
pub(crate) struct Nexus {
    pub(crate) edge: Arc<Edge>,
    pub(crate) url: String,
    pub(crate) data: DataDir,
    /// Which lead to it.
    pub(crate) names: Vec<String>,
    tenant: Option<TenantName>,
    leaf: Option<Arc<Leaf>>,
    ca_pem: String,
    stop: watch::Sender<bool>,
    /// Nothing once it was seen to have ended.
    ended: Option<oneshot::Receiver<SqliteStore>>,
    index: std::thread::JoinHandle<()>,
    sink: Option<(Sink, std::thread::JoinHandle<()>)>,
    tasks: JoinSet<()>,
    links_max: u32,
    spawner: Option<Spawner>,
    lock: Lock,
}

impl Nexus {
    /// Everything but what acts by itself: whoever opens the door to it says so with [`Nexus::bring_up`].
    pub(crate) async fn start(setup: Setup, config: &Config, place: Place) -> Result<Self, ServeError> {
        let Setup { data, keys, store, hub, last_at, lock, .. } = setup;
        let Place { names, hosts, url, tenant } = place;
        // A tenant's, or none.
        let span = Span::current();
        let nexus_id = keys.nexus_id;
        let keys = Arc::new(keys);
        let ca_pem = keys.ca_pem.clone();
        let leaf = match config.tls {
            true => {
                Some(Arc::new(Leaf::issue(Arc::clone(&keys), names.clone(), config.leaf_days, seconds())?))
            }
            false => None,
        };

        let blobs = Blobs::open(&data)
            .map_err(|source| ServeError::Blobs { data: data.path().to_owned(), source })?;
        let dashboard = match &config.dashboard {
            Some(folder) => Dashboard::of_folder(folder)
                .map_err(|source| ServeError::Dashboard { folder: folder.clone(), source })?,
            None => Dashboard::embedded(),
        };
        let mark = mark::begin(&data, clock::wall()).map_err(SetupError::from)?;
        let sink = start_sink(config.sink.clone())?;
        let clock = Clock::start(last_at);
        let published = Published {
            traces: Traces::new(telemetry(nexus_id, tenant.as_ref())),
            ..Published::of(&hub, config.patience, clock.clone())
        };
        let published = Arc::new(published);
        let (sequencer, intake) = sequencer(clock.clone());
        let library = Library::new(|size| store.readers(size), sequencer.clone());
        let database = store.path().to_owned();
        let (core, due) = Core::new(store, hub, config.hub.clone(), intake, Arc::clone(&published));
        let (ending, ended) = oneshot::channel();
        let run = move || {
            // Nobody waits any more when the broker is being torn down.
            let _ = ending.send(core.run());
        };
        task::thread("core", run).map_err(ServeError::Thread)?;

        let links_max = u32::try_from(config.links_max).unwrap_or(u32::MAX);
        let edge = Arc::new(Edge {
            gate: Gate::new(Arc::clone(&keys), Arc::clone(&published.directory)),
            published,
            relay: Arc::new(Relay::new(mark.base, sink.as_ref().map(|it| it.0.clone()))),
            sequencer: sequencer.clone(),
            library,
            backups: Backups::new(data.clone(), config.backups.clone()),
            blobs,
            recalls: Recalls::default(),
            questions: Questions::default(),
            clock: clock.clone(),
            dashboard,
            hosts,
            flush_each: config.flush_each,
            pace: config.pace,
            limits: Limits::new(config.rates),
            doorstep: Doorstep::default(),
            sealer: Sealer::new(data.clone(), nexus_id),
            outside: Outside::default(),
            finish: config.finish,
            pushing: Pushing::new(config.push.clone()),
            embedder: config.embedder.clone().map(Embedder::new),
            trail: Trail::default(),
            workspace: Board::new(config.workspace.is_some()),
            links: Arc::new(Semaphore::new(config.links_max)),
            links_max: config.links_max,
            database: data.database(),
            blob_bytes_max: config.hub.blob_quota_all,
            metrics_open_on_loopback: config.metrics_open_on_loopback,
            conformance_fixtures: config.conformance_fixtures,
            span: span.clone(),
        });
        let (stop, stopped) = watch::channel(false);
        let head = edge.published.head.subscribe();
        let index = indexing::start(database, head, stopped.clone()).map_err(ServeError::Thread)?;
        let mut nexus = Self {
            edge,
            url,
            data,
            names,
            tenant,
            leaf,
            ca_pem,
            stop,
            ended: Some(ended),
            index,
            sink,
            tasks: JoinSet::new(),
            links_max,
            spawner: None,
            lock,
        };
        let edge = || Arc::clone(&nexus.edge);
        let data = nexus.data.clone();
        let tasks: [Task; 9] = [
            Box::pin(tick(sequencer, clock, due)),
            Box::pin(sweep(edge(), data.clone(), mark)),
            Box::pin(edge::machine::watch(edge(), data)),
            Box::pin(write_uses(edge())),
            Box::pin(edge::retention::retain(edge(), keys, config.retention)),
            Box::pin(edge::blobs::collect(edge(), config.blob_grace)),
            Box::pin(write_recalls(edge())),
            Box::pin(push::tell(edge(), stopped.clone())),
            Box::pin(edge::watches::look(edge(), config.watch_allow.clone(), stopped)),
        ];
        tasks.into_iter().for_each(|task| nexus.at_work(task));
        if let Some(leaf) = nexus.leaf.clone() {
            nexus.at_work(renew(leaf));
        }
        nexus.edge.published.health.started().await;
        Ok(nexus)
    }

    pub(crate) fn at_work(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task.instrument(self.edge.span.clone()));
    }

    /// As it is behind the door.
    pub(crate) fn room(&self) -> Room {
        Room::new(self.tenant.clone(), self.leaf.clone(), Arc::clone(&self.edge))
    }

    /// Says where it is and begins what acts by itself: it is reached by now.
    pub(crate) fn bring_up(&mut self, config: Config) -> Result<(), ServeError> {
        let run = RunFile { pid: std::process::id(), url: self.url.clone() };
        self.data.write_run(&run).map_err(SetupError::from)?;
        let Config { workspace, spawn, .. } = config;
        // Before the spawner, which runs the homes that this copies.
        if let Some(folder) = &workspace {
            let workspace = Workspace::open(folder, &self.data)?;
            self.edge.workspace.teach(workspace.skills());
            self.at_work(workspace.run(Arc::clone(&self.edge)));
        }
        if let Some(settings) = spawn {
            let (edge, url, ca_pem) = (Arc::clone(&self.edge), self.url.clone(), self.ca_pem.clone());
            self.spawner = Some(Spawner::start(settings, self.tenant.as_ref(), edge, url, ca_pem)?);
        }
        Ok(())
    }

    /// Returns when the core ends without having been told to, or one of its tasks breaks down: only a defect makes either
    /// happen. Safe to cancel.
    pub(crate) async fn failed(&mut self) -> ServeError {
        loop {
            let Some(ended) = &mut self.ended else { return ServeError::Core };
            tokio::select! {
                _ = ended => {
                    // Either way nothing can be made durable any more.
                    self.ended = None;
                }
                Some(done) = self.tasks.join_next() => match done {
                    // Those that end by themselves end with the broker, or have nothing left to do.
                    Ok(()) => {}
                    Err(error) => if let Ok(broken) = error.try_into_panic() {
                        return ServeError::Task(task::said(&*broken));
                    }
                }
            }
        }
    }

    /// Ends the agents that run beside it, while there is somebody they can say goodbye to.
    pub(crate) async fn end_agents(&mut self) {
        if let Some(spawner) = self.spawner.take() {
            spawner.stop().await;
        }
    }

    /// Refuses what is new, finishes what was accepted, and closes links.
    pub(crate) async fn quiet(mut self) -> Quiet {
        let edge = &self.edge;
        edge.write_uses().await;
        edge.write_trail().await;
        edge.published.health.stopping();
        self.stop.send_replace(true);
        submit_recalls(edge).await;
        edge.sequencer.stop().await;
        let store = match self.ended.take() {
            Some(ended) => ended.await.ok(),
            None => None,
        };
        edge.published.deliver.close_all();
        if timeout(STOP_GRACE, edge.links.acquire_many(self.links_max)).await.is_err() {
            tracing::warn!("some links did not take their last frames in time");
        }
        self.tasks.shutdown().await;
        Quiet { nexus: self, store }
    }
}

type Task = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// A Nexus that does nothing any more.
#[derive(Debug)]
pub(crate) struct Quiet {
    nexus: Nexus,
    store: Option<SqliteStore>,
}

impl Quiet {
    /// Leaves a database that is whole in one file, if nobody is served any more.
    pub(crate) async fn finish(self) -> Result<(), ServeError> {
        let Self { nexus: Nexus { edge, index, sink, lock, .. }, store } = self;
        // It ends within one step; a defect in it has cost the index alone.
        let _ = task::blocking(|| index.join()).await;
        if let Some((sink, thread)) = sink {
            let _ = task::blocking(move || {
                sink.end();
                thread.join()
            })
            .await;
        }
        edge.published.traces.telemetry().shutdown().await;
        // Readers first: the last connection to close merges the write-ahead log into the database.
        drop(edge);
        drop(store.ok_or(ServeError::Core)?);
        drop(lock);
        Ok(())
    }
}

/// Spans go where the environment says.
fn telemetry(nexus: Uuid, tenant: Option<&TenantName>) -> Telemetry {
    let (version, tenant) = (env!("CARGO_PKG_VERSION"), tenant.map(ToString::to_string));
    Telemetry::from_env(&Service { name: "nexus", version, instance: nexus.to_string(), tenant })
}

fn start_sink(
    settings: Option<SinkSettings>,
) -> Result<Option<(Sink, std::thread::JoinHandle<()>)>, ServeError> {
    let Some(settings) = settings else { return Ok(None) };
    let path = settings.path.clone();
    Sink::start(settings).map(Some).map_err(|source| ServeError::Sink { path, source })
}

/// Submits a tick when the hub's next timer is due: by the clock, which goes on while the machine is suspended and
/// timers stand still. So it looks at the clock every now and then, whatever is due next.
async fn tick(sequencer: Sequencer, clock: Clock, mut due: watch::Receiver<Option<nexus_wire::Ms>>) {
    loop {
        let next = *due.borrow_and_update();
        let wait = next.map_or(LOOK_INTERVAL, |at| clock.until(at).clamp(TICK_MIN, LOOK_INTERVAL));
        tokio::select! {
            changed = due.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = sleep(wait) => {
                if next.is_none_or(|at| clock.now() < at) {
                    continue;
                }
                let ticked = sequencer.submit(Origin::Broker, CommandBody::Tick, 0).await;
                // The question comes after the tick, so the next timer is known when it is answered.
                if ticked.is_err() || sequencer.ask(|_| ()).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn sweep(edge: Arc<Edge>, data: DataDir, mut mark: Mark) {
    let mut dropped = 0;
    loop {
        sleep(SWEEP_INTERVAL).await;
        edge.write_trail().await;
        for Trouble { aspect, link, state } in edge.published.presence.sweep(edge.now()) {
            let body = CommandBody::Seen { aspect, link, state };
            if edge.sequencer.submit(Origin::Broker, body, 0).await.is_err() {
                return;
            }
        }
        if let Err(error) = mark.keep(&data, edge.relay.newest()) {
            tracing::warn!(%error, "numbers of what streams may repeat after the next start");
        }
        let now = edge.relay.dropped();
        if now > dropped {
            tracing::debug!(frames = now - dropped, "streamed frames found no room");
            dropped = now;
        }
    }
}

/// When tokens were last used is worth a write now and then, not one for each request.
async fn write_uses(edge: Arc<Edge>) {
    loop {
        sleep(USES_INTERVAL).await;
        edge.write_uses().await;
    }
}

/// Writes down every few seconds how knowledge was used; it costs no search a commit.
async fn write_recalls(edge: Arc<Edge>) {
    loop {
        sleep(RECALLS_INTERVAL).await;
        submit_recalls(&edge).await;
    }
}

async fn submit_recalls(edge: &Edge) {
    let uses = edge.recalls.take();
    if !uses.is_empty() {
        // A count that finds no core any more is lost, and nothing else is.
        let _ = edge.sequencer.submit(Origin::Broker, CommandBody::KnowledgeUsed(uses), 0).await;
    }
}

async fn renew(leaf: Arc<Leaf>) {
    loop {
        sleep(LEAF_CHECK_INTERVAL).await;
        if leaf.is_due(seconds()) {
            match leaf.reissue(seconds()) {
                Ok(()) => tracing::info!("a new server certificate is in use"),
                Err(error) => tracing::error!(%error, "cannot renew the server certificate; trying again"),
            }
        }
    }
}

#[cfg(test)]
mod tests;
