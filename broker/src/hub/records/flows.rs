//! Flows and runs as rows.

use nexus_wire::flow::{Flow, FlowHead};
use nexus_wire::name::FlowName;
use nexus_wire::run::{RunInfo, RunTask};
use nexus_wire::{Ms, Party};
use serde_json::Value;

/// The latest version of a flow.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowRecord {
    pub id: FlowName,
    pub version: u32,
    /// `None`: it was deleted.
    pub flow: Option<Flow>,
    pub by: Party,
    pub at: Ms,
}

impl FlowRecord {
    /// `None`: it was deleted.
    pub fn head(&self) -> Option<FlowHead> {
        let flow = self.flow.as_ref()?;
        Some(FlowHead {
            id: self.id.clone(),
            description: flow.description.clone(),
            version: self.version,
            steps: u32::try_from(flow.steps.len()).unwrap_or(u32::MAX),
            by: self.by.clone(),
            at: self.at,
        })
    }
}

/// A run; `request_sha256` as the digest in [`super::MessageRecord`], nothing for a run that is a step.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    pub info: RunInfo,
    /// As it was when the run was accepted.
    pub flow: Flow,
    pub input: Value,
    pub output: Option<Value>,
    pub request_sha256: Option<[u8; 32]>,
}

/// A task of a run, and the place of its step.
pub type StepTask = (u32, RunTask);

/// Which runs are listed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunsWanted {
    pub flow: Option<FlowName>,
    /// Whose they are; `None`: everybody's.
    pub by: Option<Party>,
    /// Also those that have ended.
    pub all: bool,
}

impl RunsWanted {
    pub fn takes(&self, info: &RunInfo) -> bool {
        self.flow.as_ref().is_none_or(|flow| info.flow == *flow)
            && self.by.as_ref().is_none_or(|by| info.by == *by)
            && (self.all || info.ended_at.is_none())
    }
}
