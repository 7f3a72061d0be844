//! A broker put together and running, and how it stops.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nexus_telemetry::{Service, Telemetry};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

use crate::blobs::Blobs;
use crate::clock::{self, Clock};
use crate::config::{Config, SinkSettings};
use crate::core::{Core, Published};
use crate::datadir::{DataDir, Lock, RunFile};
use crate::edge::backup::Backups;
use crate::edge::{self, Edge, seconds};
use crate::hub::{CommandBody, Origin};
use crate::identity::Gate;
use crate::identity::seal::Sealer;
use crate::identity::tls::{Leaf, TlsError, names};
use crate::indexing;
use crate::listen;
use crate::listen::a2a::push::{self, Pushing};
use crate::listen::dashboard::Dashboard;
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
use crate::spawn::{SpawnError, Spawner};
use crate::store::SqliteStore;
use crate::traces::Traces;
use crate::trail::Trail;
use crate::workspace::{Board, Workspace, WorkspaceError};

const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
const USES_INTERVAL: Duration = Duration::from_secs(60);
const RECALLS_INTERVAL: Duration = Duration::from_secs(5);
const LEAF_CHECK_INTERVAL: Duration = Duration::from_secs(60);
/// For links to take their last frames when the broker stops.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// Timers are no finer than this, so that none can keep the core busy.
const TICK_MIN: Duration = Duration::from_millis(1);
const NO_TIMER: Duration = Duration::from_secs(3_600);

#[derive(Debug, Error)]
pub enum ServeError {
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(
        "cannot listen on {address}: {source}; stop what listens there, or name another with --listen ADDR:PORT (port 0 takes a free one)"
    )]
    Bind { address: SocketAddr, source: std::io::Error },
    #[error(
        "--conformance-fixtures is for tests on this machine and does not go with {0}; leave it out, or listen on 127.0.0.1"
    )]
    Fixtures(SocketAddr),
    #[error("cannot use the folder blobs in {}: {source}; make it writable", data.display())]
    Blobs { data: PathBuf, source: std::io::Error },
    #[error(
        "cannot read the dashboard in {}: {source}; build it there (`npm run build` in broker/dashboard), or leave dashboard.folder out to serve the one this program brings", folder.display()
    )]
    Dashboard { folder: PathBuf, source: std::io::Error },
    #[error(
        "cannot write what streams to {}: {source}; make it writable, or name another file with observe.sink", path.display()
    )]
    Sink { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    #[error("cannot start the core thread: {0}")]
    Thread(std::io::Error),
    #[error(
        "the core thread has ended by a defect; what was acknowledged is on disk, start the broker again"
    )]
    Core,
}

/// A broker that serves.
#[derive(Debug)]
pub struct Running {
    pub(crate) edge: Arc<Edge>,
    url: String,
    data: DataDir,
    first_token: Option<String>,
    setup_token: Option<String>,
    setup_waits: bool,
    stop: watch::Sender<bool>,
    ended: oneshot::Receiver<SqliteStore>,
    index: std::thread::JoinHandle<()>,
    sink: Option<(Sink, std::thread::JoinHandle<()>)>,
    server: JoinHandle<()>,
    tasks: JoinSet<()>,
    links_max: u32,
    spawner: Option<Spawner>,
    workspace: Option<PathBuf>,
    lock: Lock,
}

impl Running {
    /// Returns once requests are answered.
    pub async fn start(config: Config) -> Result<Self, ServeError> {
        for warning in config.warnings() {
            tracing::warn!("{warning}");
        }
        if config.conformance_fixtures && !config.listen.ip().is_loopback() {
            return Err(ServeError::Fixtures(config.listen));
        }
        raise_descriptor_limit();
        let Setup { data, keys, store, hub, last_at, first_token, setup_token, setup_waits, lock } =
            Setup::open(&config)?;
        let nexus_id = keys.nexus_id;
        let keys = Arc::new(keys);
        let keys_of = Arc::clone(&keys);
        let ca_pem = keys.ca_pem.clone();
        let bind = |source| ServeError::Bind { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;

        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        let names = names(&keys, machine.as_deref().map(str::trim), address.ip(), &config.allowed_hosts);
        let leaf = match config.tls {
            true => {
                Some(Arc::new(Leaf::issue(Arc::clone(&keys), names.clone(), config.leaf_days, seconds())?))
            }
            false => None,
        };
        let acceptor = match &leaf {
            Some(leaf) => Some(TlsAcceptor::from(Arc::new(leaf.server_config()?))),
            None => None,
        };

        let blobs = Blobs::open(&data)
            .map_err(|source| ServeError::Blobs { data: data.path().to_owned(), source })?;
        let dashboard = match &config.dashboard {
            Some(folder) => Dashboard::of_folder(folder)
                .map_err(|source| ServeError::Dashboard { folder: folder.clone(), source })?,
            None => Dashboard::embedded(),
        };
        let mark = mark::begin(&data, clock::wall()).map_err(SetupError::from)?;
        let sink = start_sink(config.sink)?;
        let clock = Clock::start(last_at);
        let published =
            Published { traces: Traces::new(telemetry(nexus_id)), ..Published::of(&hub, config.patience) };
        let published = Arc::new(published);
        let (sequencer, intake) = sequencer(clock);
        let library = Library::new(|size| store.readers(size), sequencer.clone());
        let database = store.path().to_owned();
        let (core, due) = Core::new(store, hub, config.hub.clone(), intake, Arc::clone(&published));
        let (ending, ended) = oneshot::channel();
        std::thread::Builder::new()
            .name("core".to_owned())
            .spawn(move || {
                // Nobody waits any more when the broker is being torn down.
                let _ = ending.send(core.run());
            })
            .map_err(ServeError::Thread)?;

        let links_max = u32::try_from(config.links_max).unwrap_or(u32::MAX);
        let edge = Arc::new(Edge {
            gate: Gate::new(keys, Arc::clone(&published.directory)),
            published,
            relay: Arc::new(Relay::new(mark.base, sink.as_ref().map(|it| it.0.clone()))),
            sequencer: sequencer.clone(),
            library,
            backups: Backups::new(data.clone(), config.backups.clone()),
            blobs,
            recalls: Recalls::default(),
            questions: Questions::default(),
            clock,
            dashboard,
            hosts: Hosts::new(&names, address, config.tls, config.public_url.clone()),
            flush_each: config.flush_each,
            limits: Limits::new(config.rates),
            doorstep: Doorstep::default(),
            sealer: Sealer::new(data.clone(), nexus_id),
            outside: Outside::default(),
            pushing: Pushing::new(config.push),
            embedder: config.embedder.map(Embedder::new),
            trail: Trail::default(),
            workspace: Board::default(),
            links: Arc::new(Semaphore::new(config.links_max)),
            links_max: config.links_max,
            database: data.database(),
            metrics_open_on_loopback: config.metrics_open_on_loopback,
            conformance_fixtures: config.conformance_fixtures,
        });
        let (stop, stopped) = watch::channel(false);
        let stopping = stopped.clone();
        let head = edge.published.head.subscribe();
        let index = indexing::start(database, head, stopped.clone()).map_err(ServeError::Thread)?;
        let mut tasks = JoinSet::new();
        let server = tokio::spawn(listen::serve(listener, acceptor, Arc::clone(&edge), stopped));
        tasks.spawn(tick(sequencer, clock, due));
        tasks.spawn(sweep(Arc::clone(&edge), data.clone(), mark));
        tasks.spawn(write_uses(Arc::clone(&edge)));
        tasks.spawn(edge::retention::retain(Arc::clone(&edge), keys_of, config.retention));
        tasks.spawn(edge::blobs::collect(Arc::clone(&edge), config.blob_grace));
        tasks.spawn(write_recalls(Arc::clone(&edge)));
        tasks.spawn(push::tell(Arc::clone(&edge), stopping.clone()));
        tasks.spawn(edge::watches::look(Arc::clone(&edge), config.watch_allow, stopping));
        if let Some(leaf) = leaf {
            tasks.spawn(renew(leaf));
        }
        let url = local_url(address, config.tls);
        data.write_run(&RunFile { pid: std::process::id(), url: url.clone() }).map_err(SetupError::from)?;
        edge.published.health.started().await;
        // Before the spawner, which runs the homes that this copies.
        if let Some(folder) = &config.workspace {
            tasks.spawn(Workspace::open(folder, &data)?.run(Arc::clone(&edge)));
        }
        let spawner = match config.spawn {
            Some(settings) => Some(Spawner::start(settings, Arc::clone(&edge), url.clone(), ca_pem)?),
            None => None,
        };
        Ok(Self {
            edge,
            url,
            data,
            first_token,
            setup_token,
            setup_waits,
            stop,
            ended,
            index,
            sink,
            server,
            tasks,
            links_max,
            spawner,
            workspace: config.workspace,
            lock,
        })
    }

    /// Where a browser finds the dashboard.
    pub fn dashboard_url(&self) -> String {
        format!("{}/", self.edge.hosts.public_url().unwrap_or(&self.url))
    }

    pub fn workspace(&self) -> Option<&Path> {
        self.workspace.as_deref()
    }

    /// Where this machine reaches it.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn data(&self) -> &DataDir {
        &self.data
    }

    /// The admin's token, if this start made it.
    pub fn first_token(&self) -> Option<&str> {
        self.first_token.as_deref()
    }

    /// The token this Nexus is set up with from a browser, if this start made it.
    pub fn setup_token(&self) -> Option<&str> {
        self.setup_token.as_deref()
    }

    /// Whether one that an earlier start has shown is good and was not used.
    pub fn setup_waits(&self) -> bool {
        self.setup_waits
    }

    /// Returns when the core ends without having been told to, which only a defect makes it do.
    pub async fn failed(&mut self) -> ServeError {
        // Either way nothing can be made durable any more.
        let _ = (&mut self.ended).await;
        ServeError::Core
    }

    /// Refuses what is new, finishes what was accepted, closes links, and leaves a database that is whole in
    /// one file.
    pub async fn stop(self) -> Result<(), ServeError> {
        let Self { edge, stop, ended, index, sink, server, mut tasks, links_max, spawner, lock, .. } = self;
        if let Some(spawner) = spawner {
            // While there is a broker they can say goodbye to.
            spawner.stop().await;
        }
        edge.write_uses().await;
        edge.write_trail().await;
        edge.published.health.stopping();
        stop.send_replace(true);
        submit_recalls(&edge).await;
        edge.sequencer.stop().await;
        let store = ended.await;
        edge.published.deliver.close_all();
        if timeout(STOP_GRACE, edge.links.acquire_many(links_max)).await.is_err() {
            tracing::warn!("some links did not take their last frames in time");
        }
        // It ends by itself, within a bound of its own.
        let _ = server.await;
        tasks.shutdown().await;
        // It ends within one step; a defect in it has cost the index alone.
        let _ = tokio::task::spawn_blocking(|| index.join()).await;
        if let Some((sink, thread)) = sink {
            let _ = tokio::task::spawn_blocking(move || {
                sink.end();
                thread.join()
            })
            .await;
        }
        edge.published.traces.telemetry().shutdown().await;
        // Readers first: the last connection to close merges the write-ahead log into the database.
        drop(edge);
        drop(store.map_err(|_| ServeError::Core)?);
        drop(lock);
        Ok(())
    }
}

/// Spans go where the environment says.
fn telemetry(nexus: Uuid) -> Telemetry {
    let version = env!("CARGO_PKG_VERSION");
    Telemetry::from_env(&Service { name: "nexus", version, instance: nexus.to_string() })
}

fn start_sink(
    settings: Option<SinkSettings>,
) -> Result<Option<(Sink, std::thread::JoinHandle<()>)>, ServeError> {
    let Some(settings) = settings else { return Ok(None) };
    let path = settings.path.clone();
    Sink::start(settings).map(Some).map_err(|source| ServeError::Sink { path, source })
}

/// Submits a tick when the hub's next timer is due.
async fn tick(sequencer: Sequencer, clock: Clock, mut due: watch::Receiver<Option<nexus_wire::Ms>>) {
    loop {
        let next = *due.borrow_and_update();
        let wait = next.map_or(NO_TIMER, |at| clock.until(at, clock::now()).max(TICK_MIN));
        tokio::select! {
            changed = due.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = sleep(wait) => {
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

pub(crate) fn local_url(address: SocketAddr, tls: bool) -> String {
    let ip = match address.ip() {
        ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    let scheme = if tls { "https" } else { "http" };
    format!("{scheme}://{}", SocketAddr::new(ip, address.port()))
}

/// A link is a file descriptor; the usual limit of 1024 is for other programs.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "cannot raise the limit of open files");
    }
}
