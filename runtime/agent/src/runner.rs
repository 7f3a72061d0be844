//! What an aspect does without a model: its settings name scripts, servers and the like, and each kind is a Hand.
//!
//! Such a Hand is dispatched, leased, cancelled and answered like any other; what differs is that no turn is run. The
//! broker so never runs a program of a user's: an agent does, in its sandbox.

use nexus_wire::hands::{Assignment, DispatchProgress, HandFailure};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::agent::Stop;
use crate::hands::Control;
use crate::provider::Via;
use crate::tools::Toolbox;

mod config;
mod notify;
mod offer;
mod script;
mod wait;
mod watch;
mod webhook;

pub use config::{ArgKind, OutputForm, RawNotify, RawRunner, RawScript, RawWait, Runner};
pub use watch::RawWatch;
pub(crate) use watch::Watch;
#[cfg(test)]
pub(crate) use watch::watch_of;
pub use webhook::{RawSecret, RawWebhook};

/// What a Hand does instead of a turn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Act {
    Notify,
    Script,
    /// Scripts that may be run again after a crash, and no others.
    ScriptRepeatable,
    Wait,
    Webhook,
}

/// One assignment, and what it is worked on with.
pub(crate) struct Job<'a> {
    pub(crate) act: Act,
    pub(crate) runner: &'a Runner,
    pub(crate) assignment: &'a Assignment,
    pub(crate) toolbox: &'a Toolbox,
    pub(crate) via: &'a Via,
    pub(crate) stop: Stop,
}

/// Works on it to its end. `None`: it was cancelled, and nothing of it goes on; or the process stops.
pub(crate) async fn work(
    job: Job<'_>,
    control: &mut mpsc::Receiver<Control>,
) -> Option<Result<Value, HandFailure>> {
    let input = &job.assignment.input;
    match job.act {
        Act::Script => script::run(&job, input, false, cancelled(control)).await,
        Act::ScriptRepeatable => script::run(&job, input, true, cancelled(control)).await,
        Act::Notify => tokio::select! {
            told = notify::tell(&job, input) => Some(told),
            () = cancelled(control) => None,
        },
        Act::Webhook => tokio::select! {
            called = webhook::call(&job, input) => Some(called),
            () = cancelled(control) => None,
        },
        Act::Wait => {
            let mut stop = job.stop.clone();
            tokio::select! {
                waited = wait::wait(&job, input) => Some(waited),
                () = cancelled(control) => None,
                // It would hold the process up; it is waited for anew when somebody is there again.
                () = stop.closing() => None,
            }
        }
    }
}

/// Until the result would be refused.
async fn cancelled(control: &mut mpsc::Receiver<Control>) {
    loop {
        match control.recv().await {
            Some(Control::Cancel { .. }) => return,
            Some(Control::Resume) => {}
            None => std::future::pending().await,
        }
    }
}

impl Job<'_> {
    /// For whoever watches.
    fn show(&self, note: String) {
        self.toolbox.line().show(DispatchProgress { lease: self.assignment.lease, note }.into());
    }
}

/// What a dispatch asks for. The broker has checked it by the Hand's schema; whoever changed that meanwhile is told here.
fn parse<T: DeserializeOwned>(input: &Value) -> Result<T, HandFailure> {
    serde_path_to_error::deserialize(input).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." { String::new() } else { format!(" at {path}") };
        invalid(format!("the input cannot be used{place}: {}", error.inner()))
    })
}

fn invalid(message: impl Into<String>) -> HandFailure {
    failure("invalid_input", message)
}

fn failure(code: &str, message: impl Into<String>) -> HandFailure {
    crate::hands::failure(code, message)
}

#[cfg(test)]
mod tests;
