//! MCP servers as tools: each is kept running or reached again in the background, and what it offers is there for the
//! next round of a turn. One that is dead keeps nobody from working; its tools are missing, and that is said once.
//!
//! What a server says is a stranger's word: names, descriptions, schemas and results are bounded and marked.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use crate::conversation::ToolSpec;

mod config;
mod link;
mod offer;
mod result;

pub use config::{Grant, RawServer, ServerConfig, ServerFault, Way};
pub use offer::Offer;

use link::Link;

/// For servers to end when the process does.
const STOP_TIMEOUT: Duration = Duration::from_secs(7);

/// All servers of a home. Clones are of the same servers, which end with the last one.
#[derive(Clone, Debug, Default)]
pub struct Servers(Arc<Vec<Server>>);

#[derive(Debug)]
struct Server {
    config: ServerConfig,
    state: watch::Receiver<State>,
    task: AbortHandle,
    stop: watch::Sender<bool>,
}

/// What is known of a server now.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// Absent while it cannot be reached.
    link: Option<Link>,
    offers: Arc<Vec<Offer>>,
    ended: bool,
}

impl Drop for Server {
    fn drop(&mut self) {
        // The task ends the server first; should it hang, it is given up with the process.
        self.stop.send_replace(true);
    }
}

impl Servers {
    /// Starts them in the background. Nobody waits for one.
    pub fn start(configs: &[ServerConfig]) -> Self {
        Self(Arc::new(configs.iter().cloned().map(Server::start).collect()))
    }

    /// Waits until every server has ended, but not for long.
    pub async fn stop(&self) {
        let mut ends = JoinSet::new();
        for server in self.0.iter() {
            server.stop.send_replace(true);
            let mut state = server.state.clone();
            ends.spawn(async move {
                let _ = state.wait_for(|state| state.ended).await;
            });
        }
        let all = async { while ends.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_TIMEOUT, all).await.is_err() {
            tracing::warn!("a server did not end in time");
            self.0.iter().for_each(|server| server.task.abort());
        }
    }

    /// What may be used of it now, each under a name of its own that every API takes.
    fn granted(&self, grants: &[Grant]) -> Vec<(String, Offer, usize)> {
        let mut taken = BTreeSet::new();
        let mut found = Vec::new();
        for (at, server) in self.0.iter().enumerate() {
            let State { link, offers, .. } = server.state.borrow().clone();
            if link.is_none() {
                continue;
            }
            for offer in offers.iter().filter(|offer| grants.iter().any(|grant| grant.covers(offer))) {
                found.push((offer.free_name(&mut taken), offer.clone(), at));
            }
        }
        found
    }

    pub fn specs(&self, grants: &[Grant]) -> Vec<ToolSpec> {
        self.granted(grants).into_iter().map(|(name, offer, _)| offer.spec(name)).collect()
    }

    /// The offer that goes by this name.
    pub fn find(&self, grants: &[Grant], name: &str) -> Option<Offer> {
        self.granted(grants).into_iter().find(|(it, ..)| it == name).map(|(_, offer, _)| offer)
    }

    /// Calls it. Dropping the future tells the server that nobody waits any more.
    pub async fn call(&self, grants: &[Grant], name: &str, input: Value) -> Option<Called> {
        let (_, offer, at) = self.granted(grants).into_iter().find(|(it, ..)| it == name)?;
        let server = self.0.get(at)?;
        let link = server.state.borrow().link.clone()?;
        Some(link.call(&server.config, &offer, input).await)
    }
}

/// What a call came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Called {
    pub content: String,
    pub is_error: bool,
}

impl Server {
    fn start(config: ServerConfig) -> Self {
        let (tell, state) = watch::channel(State::default());
        let (stop, stops) = watch::channel(false);
        let task = tokio::spawn(link::keep(config.clone(), tell, stops)).abort_handle();
        Self { config, state, task, stop }
    }
}
