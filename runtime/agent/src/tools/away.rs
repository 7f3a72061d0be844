//! Tools that touch this machine, run by another process: what that process needs for it, and the calls on their way
//! there. How the process is started and spoken to is its owner's matter.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::{Claims, FetchConfig, Fetcher, Reach, Root, Roots, Tool, ToolOutcome, Toolbox};
use crate::sandbox::{Sandbox, SandboxConfig};
use crate::uplink;

/// A call that is to be made elsewhere. Whoever asked may stop waiting for its outcome.
#[derive(Debug)]
pub(crate) struct Away {
    pub(crate) name: String,
    pub(crate) ordinal: u64,
    pub(crate) input: Value,
    /// Not, when people have allowed it to run without the sandbox.
    pub(crate) confined: bool,
    pub(crate) outcome: oneshot::Sender<ToolOutcome>,
}

/// What a process needs to run them.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Outfit {
    tools: Vec<String>,
    roots: Vec<Root>,
    sandbox: SandboxConfig,
    result_bytes_max: usize,
}

impl Toolbox {
    /// The same, but what touches this machine is done where `calls` go.
    #[must_use]
    pub(crate) fn sending(&self, calls: mpsc::Sender<Away>) -> Self {
        Self { away: Some(calls), ..self.clone() }
    }

    pub(crate) fn outfit(&self) -> Outfit {
        let here = self.allowed.iter().filter(|tool| touches_machine(**tool));
        Outfit {
            tools: here.map(|tool| tool.name().to_owned()).collect(),
            roots: self.reach.roots.all().to_vec(),
            sandbox: self.reach.sandbox.config().clone(),
            result_bytes_max: self.result_bytes_max,
        }
    }

    /// For the process that has no broker and needs none.
    pub(crate) fn of_outfit(outfit: Outfit, helper: PathBuf) -> Self {
        let Outfit { tools, roots, sandbox, result_bytes_max } = outfit;
        let allowed = tools.iter().filter_map(|name| Tool::from_name(name)).collect();
        // Pages are fetched by the agent itself.
        let fetcher = Fetcher::new(FetchConfig::default());
        let reach = Reach { roots: Roots::new(roots), sandbox: Sandbox::new(sandbox, helper), fetcher };
        // Nobody is at the other ends: what would ask there is told so.
        let (line, _) = uplink::line();
        let claims = Claims { claims: mpsc::channel(1).0, waiting: None };
        Self::new(allowed, reach, line, claims, None, result_bytes_max)
    }

    /// Has the call made elsewhere, if this one is to be.
    pub(super) async fn elsewhere(&self, tool: Tool, ordinal: u64, input: &Value) -> Option<ToolOutcome> {
        let calls = self.away.as_ref().filter(|_| touches_machine(tool))?;
        let (outcome, made) = oneshot::channel();
        let (name, input, confined) = (tool.name().to_owned(), input.clone(), self.confined);
        let call = Away { name, ordinal, input, confined, outcome };
        let gone = || ToolOutcome::error("the process of this Hand has ended");
        if calls.send(call).await.is_err() {
            return Some(gone());
        }
        Some(made.await.unwrap_or_else(|_| gone()))
    }
}

/// Files and commands; pages, sessions and the bus are the agent's own.
fn touches_machine(tool: Tool) -> bool {
    !tool.is_on_bus() && !tool.is_of_session() && tool != Tool::FetchUrl
}
