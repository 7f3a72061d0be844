//! A broker put together and running: its own Nexus, those of its tenants, and the one socket they are behind.

pub(crate) mod nexus;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::config::Config;
use crate::datadir::DataDir;
use crate::edge::Edge;
use crate::identity::tls::{TlsError, server_config};
use crate::listen;
use crate::listen::door::Door;
use crate::setup::{Setup, SetupError};
use crate::spawn::SpawnError;
use crate::tenants::keep::{Tenants, Together, expect};
use crate::tenants::{Tenancy, TenantName, TenantsError};
use crate::workspace::WorkspaceError;
use nexus::{Nexus, Place};

/// For links to take their last frames when the broker stops.
const STOP_GRACE: Duration = Duration::from_secs(5);

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
    #[error(transparent)]
    Tenants(#[from] TenantsError),
    #[error("cannot start the core thread: {0}")]
    Thread(std::io::Error),
    #[error(
        "the core thread has ended by a defect; what was acknowledged is on disk, start the broker again"
    )]
    Core,
    #[error("a task has ended by a defect ({0}); what was acknowledged is on disk, start the broker again")]
    Task(String),
}

/// A broker that serves.
#[derive(Debug)]
pub struct Running {
    pub(crate) edge: Arc<Edge>,
    nexus: Nexus,
    door: Arc<Door>,
    tenants: Tenants,
    first_token: Option<String>,
    setup_token: Option<String>,
    setup_waits: bool,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
    workspace: Option<PathBuf>,
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
        if let Some(Tenancy { name, broker }) = config.tenancy {
            return Err(TenantsError::Served { name, broker }.into());
        }
        raise_descriptor_limit();
        let mut setup = Setup::open(&config)?;
        let (first_token, setup_token) = (setup.first_token.take(), setup.setup_token.take());
        let setup_waits = setup.setup_waits;
        let bind = |source| ServeError::Bind { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let (place, fixed_name) = (Place::own(&config, &setup.keys, address), setup.keys.fixed_name());
        let mut nexus = Nexus::start(setup, &config, place).await?;
        let edge = Arc::clone(&nexus.edge);
        let door = Arc::new(Door::new(nexus.room(), fixed_name));
        let together =
            Together { config: config.clone(), address, own: Arc::clone(&edge), door: Arc::clone(&door) };
        expect(&together);
        let acceptor = match config.tls {
            true => Some(TlsAcceptor::from(Arc::new(server_config(Arc::clone(&door) as _)?))),
            false => None,
        };
        let (stop, stopped) = watch::channel(false);
        let server = tokio::spawn(listen::serve(listener, acceptor, Arc::clone(&door), stopped));
        let workspace = config.workspace.clone();
        nexus.bring_up(config)?;
        let tenants = Tenants::start(together).await;
        Ok(Self {
            edge,
            nexus,
            door,
            tenants,
            first_token,
            setup_token,
            setup_waits,
            stop,
            server,
            workspace,
        })
    }

    /// Where a browser finds the dashboard.
    pub fn dashboard_url(&self) -> String {
        format!("{}/", self.edge.hosts.public_url().unwrap_or(&self.nexus.url))
    }

    pub fn workspace(&self) -> Option<&Path> {
        self.workspace.as_deref()
    }

    /// Where this machine reaches it.
    pub fn url(&self) -> &str {
        &self.nexus.url
    }

    pub fn data(&self) -> &DataDir {
        &self.nexus.data
    }

    /// Those that were there at the start, whether they are served or not.
    pub fn tenants(&self) -> &[TenantName] {
        self.tenants.first()
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

    /// Returns when something of the broker's own Nexus ends that only a defect makes end.
    pub async fn failed(&mut self) -> ServeError {
        self.nexus.failed().await
    }

    /// Refuses what is new, finishes what was accepted, closes links, and leaves databases that are whole in
    /// one file each.
    pub async fn stop(self) -> Result<(), ServeError> {
        let Self { edge, mut nexus, door, tenants, stop, server, .. } = self;
        let (quiet, ()) = tokio::join!(tenants.quiet(), nexus.end_agents());
        stop.send_replace(true);
        let nexus = nexus.quiet().await;
        // It ends by itself, within a bound of its own.
        let _ = server.await;
        drop((edge, door));
        let tenants = quiet.into_iter().map(|quiet| tokio::spawn(quiet.finish())).collect::<Vec<_>>();
        let finished = nexus.finish().await;
        for tenant in tenants {
            if let Ok(Err(error)) = tenant.await {
                tracing::error!("a tenant did not end well: {error}");
            }
        }
        finished
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
